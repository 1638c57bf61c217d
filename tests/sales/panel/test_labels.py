"""Labels of any kind, names of columns, groups of products, and rows in the order of X with its labels."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from reference.frames import UNITS

from hdfm.exceptions import InvalidDataError
from hdfm.sales.likelihoods.registry import noise_variables
from hdfm.sales.panel.read import RESERVED_LABELS

KINDS = {
    "decimal": lambda k: Decimal(k) / 2,
    "timestamp": lambda k: pd.Timestamp(2024, 1, 1 + k),
    "date": lambda k: pd.Timestamp(2024, 1, 1 + k).date(),
    "period": lambda k: pd.Period("2024-01", "M") + k,
    "zone": lambda k: pd.Timestamp(2024, 1, 1 + k, tz="Europe/Berlin"),
    "float": lambda k: k / 2,
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in ("decimal", "zone") else pytest.mark.slow) for kind in KINDS],
)
def test_products_and_groups_of_any_kind(mock_sampling, elasticity, sales, kind, tmp_path):
    X = sales.assign(
        product=sales["product"].map(KINDS[kind]).astype(object),
        category=sales["category"].map(KINDS[kind]).astype(object),
    )
    model, plain = elasticity(draws=13).fit(X, X[UNITS]), elasticity(draws=13).fit(sales, sales[UNITS])
    np.testing.assert_array_equal(model.predict(X), plain.predict(sales))
    groups = [each.elasticities("category")["mean"] for each in (model, plain)]
    np.testing.assert_array_equal(*groups)
    assert len(model.optimal_price(1.0)) == len(plain.elasticities_)
    model.idata_.to_netcdf(tmp_path / "posterior.nc")


def test_no_column_has_the_name_of_what_the_posterior_or_a_table_holds(mock_sampling, elasticity, sales):
    variables = set()
    for changes in ({"controls": "promotion"}, {"likelihood": "log_normal"}, {"likelihood": "poisson"}):
        model = elasticity(**changes).fit(sales, sales[UNITS] + 1)
        variables |= {str(name) for name in model.idata_["posterior"].to_dataset().data_vars}
        variables |= {*model.elasticities_.columns, *model.elasticities("category").columns} - {"category"}
    assert {name for name in variables if "category" not in name} <= {*RESERVED_LABELS, *noise_variables()}


@pytest.mark.parametrize("product", [100, 0], ids=["new", "fitted"])
def test_a_product_in_two_groups_is_refused_in_predict_too(fitted, fitted_sales, product):
    rows = fitted_sales[fitted_sales["product"] == 0].head(2).assign(product=product, category=[0, 1])
    found = r"product column 'product': 1 labels stand in more than one 'category', such as .* in \[.*\]"
    for X in (rows, rows.iloc[::-1]):
        with pytest.raises(InvalidDataError, match=found):
            fitted.predict(X)


def test_a_fitted_product_stays_in_its_group(fitted, fitted_sales):
    rows = fitted_sales.head(2)
    with pytest.raises(InvalidDataError, match="labels stand in more than one 'category'"):
        fitted.predict(rows.assign(category=(rows["category"] + 1) % 3))


@pytest.mark.parametrize("groups", [None, ["department", "category"]])
def test_groups_of_other_depths(mock_sampling, elasticity, sales, groups):
    X = sales.assign(department="d" + (sales["category"] // 2).astype(str))
    model = elasticity(groups=groups).fit(X, X[UNITS])
    assert np.isfinite(model.predict(X)).all()
    if groups:
        moved = X.assign(department=np.where(X["product"] == 0, "d9", X["department"]))
        with pytest.raises(
            InvalidDataError, match=r"groups column 'category': .* more than one 'department'"
        ):
            model.predict(moved)


def shuffled(frame):
    return frame.sample(frac=1, random_state=2).set_axis([f"row {k}" for k in range(len(frame))])


def by_cell(values):
    cells = [values[name].to_numpy() for name in ("product", "time_period")]
    return pd.Series(values.to_numpy(), pd.MultiIndex.from_arrays(cells)).sort_index()


def test_loo_is_in_the_order_of_X_with_its_labels(mock_sampling, elasticity, sales):
    X = shuffled(sales)
    before, after = (elasticity(draws=13).fit(frame, frame[UNITS]).loo() for frame in (sales, X))
    for name in ("elpd_i", "pareto_k"):
        values = after[name]
        assert values["row"].to_numpy().tolist() == X.index.tolist()
        np.testing.assert_array_equal(values["product"], X["product"])
        np.testing.assert_array_equal(values["time_period"], X["time_period"])
        one, other = (by_cell(each[name]) for each in (before, after))
        pd.testing.assert_series_equal(one, other)
    assert after.elpd == before.elpd
    assert after.se == before.se


def test_prior_units_are_in_the_order_of_X_with_its_labels(elasticity, sales):
    X = shuffled(sales)
    units = [
        elasticity().sample_prior(frame, frame[UNITS], draws=4)["prior_predictive"]["units"][0, 0]
        for frame in (sales, X)
    ]
    assert units[1]["row"].to_numpy().tolist() == X.index.tolist()
    cells = ["product", "time_period"]
    rows = X.reset_index(names="row").set_index(cells)["row"].loc[pd.MultiIndex.from_frame(sales[cells])]
    np.testing.assert_array_equal(units[0], units[1].sel(row=rows.to_numpy()))


def test_quantiles_of_a_frame_without_roles_have_its_labels(mock_sampling, elasticity, sales):
    X = shuffled(sales)
    plain = elasticity(product=None, groups=None, time=None, price=None)
    model = plain.fit(X[["price", "promotion"]], X[UNITS])
    assert model.predict_quantiles(X[["price", "promotion"]]).index.equals(X.index)
