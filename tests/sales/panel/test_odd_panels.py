"""Sales that carry little, or come in odd types: fitted, and said so."""

import numpy as np
import pandas as pd
import pytest
from reference.frames import UNITS, replaced

from hdfm import HierarchicalElasticity
from hdfm.exceptions import DataWarning, InvalidDataError

WEEKS = pd.date_range("2024-01-01", periods=20, freq="W-MON")
TIMES = {
    "datetime": lambda time: pd.Series(WEEKS[time], time.index),
    "datetime with zone": lambda time: pd.Series(WEEKS.tz_localize("Europe/Berlin")[time], time.index),
    "Period": lambda time: pd.Series(WEEKS.to_period("W")[time], time.index),
    "float": lambda time: time / 10,
    "Int64": lambda time: time.astype("Int64"),
    "ordered categorical": lambda time: pd.Series(
        pd.Categorical.from_codes(time, [f"week {k + 1}" for k in range(20)], ordered=True), time.index
    ),
    "categorical of numbers": lambda time: time.astype("category"),
}


def findings(model):
    """Count and examples by finding of the data report."""
    report = model.data_report_.set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def assert_finite(model):
    """The log density was finite where sampling starts, and so is every elasticity and prediction."""
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()
    assert np.isfinite(model.elasticities_.select_dtypes("number")).all(axis=None)


def test_clean_sales_have_an_empty_report(mock_sampling, elasticity, sales):
    model = elasticity().fit(sales, sales[UNITS])
    assert_finite(model)
    assert list(model.data_report_.columns) == ["finding", "count", "examples", "consequence"]
    assert model.data_report_.empty


@pytest.mark.parametrize("groups", ["category", None])
def test_one_product(mock_sampling, elasticity, sales, groups):
    one = sales[sales["product"] == 3]
    model = elasticity(groups=groups).fit(one, one[UNITS])
    assert_finite(model)
    assert list(model.elasticities_.index) == [3]
    assert findings(model)["products alone in their group's periods"] == (1, "3")
    assert np.isfinite(model.predict(one)).all()


def test_all_rows_are_one_product_without_a_product_column(mock_sampling, elasticity, sales):
    one = sales[sales["product"] == 3]
    model = elasticity(product=None, groups=None).fit(one, one[UNITS])
    assert_finite(model)
    assert list(model.elasticities_.index) == ["all"]


def test_one_row(mock_sampling, elasticity, sales):
    row = sales[sales[UNITS] > 0].iloc[:1]
    with pytest.warns(DataWarning, match="never changes"):
        model = elasticity().fit(row, row[UNITS])
    assert_finite(model)


def test_no_price_ever_changes(mock_sampling, elasticity, sales):
    with pytest.warns(DataWarning, match="price column 'price' never changes within any product"):
        model = elasticity().fit(sales.assign(price=9.99), sales[UNITS])
    assert_finite(model)
    count, _ = findings(model)["products whose price never changed"]
    assert count == 12


def test_one_price_never_changes(mock_sampling, elasticity, sales):
    fixed = sales.assign(price=sales["price"].where(sales["product"] != 5, 42.0))
    model = elasticity().fit(fixed, sales[UNITS])
    assert_finite(model)
    assert findings(model) == {"products whose price never changed": (1, "5")}
    assert model.elasticities_.loc[5, "n_price_changes"] == 0


def test_category_with_one_product(mock_sampling, elasticity, sales):
    alone = sales.assign(category=sales["category"].where(sales["product"] != 5, 7))
    model = elasticity().fit(alone, sales[UNITS])
    assert_finite(model)
    assert findings(model) == {
        "products alone in their group's periods": (1, "5"),
        "groups of 'category' with one product": (1, "7"),
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"likelihood": "poisson"},
        {"likelihood": "poisson", "product_effects": "fixed"},
        {"sign": "negative"},
    ],
)
def test_product_that_never_sold(mock_sampling, elasticity, sales, options):
    units = sales[UNITS].where(sales["product"] != 5, 0)
    model = elasticity(**options).fit(sales, units)
    assert_finite(model)
    assert findings(model) == {"products that never sold": (1, "5")}
    assert model.elasticities_.loc[5, "units"] == 0
    assert np.isfinite(model.predict(sales)).all()


def spiked(sales):
    return replaced(sales[UNITS], [25], 10**9)


@pytest.mark.parametrize(
    "options",
    [{}, {"likelihood": "poisson"}, {"likelihood": "poisson", "product_effects": "fixed"}],
)
def test_spike(mock_sampling, elasticity, sales, options):
    with pytest.warns(DataWarning, match=r"Units of 1 products have a spike, such as 1e\+09 of 1 .*\(1\)"):
        model = elasticity(**options).fit(sales, spiked(sales))
    assert_finite(model)
    assert findings(model)["products with a spike in units"] == (1, "1")


@pytest.mark.slow
def test_spike_stays_finite_through_sampling(elasticity, sales):
    model = elasticity(draws=50, tune=100)
    with pytest.warns(DataWarning, match="spike"):
        model.fit(sales, spiked(sales))
    assert_finite(model)
    assert np.isfinite(model.idata_["posterior"].to_dataset().to_dataarray()).all()
    assert np.isfinite(model.predict(sales)).all()


def test_constant_control(mock_sampling, elasticity, sales):
    with pytest.warns(DataWarning, match="Controls that never change .*: display"):
        model = elasticity(controls=["promotion", "display"]).fit(sales.assign(display=3.0), sales[UNITS])
    assert_finite(model)
    assert findings(model) == {"constant controls": (1, "display")}


def test_missing_periods_are_not_zeros(mock_sampling, elasticity, sparse_sales):
    model = elasticity().fit(sparse_sales, sparse_sales[UNITS])
    cells = sparse_sales["product"].nunique() * sparse_sales["time_period"].nunique()
    missing, _ = findings(model)["product-periods without a row"]
    assert missing == cells - len(sparse_sales)
    assert model.panel_.observed.sum() == len(sparse_sales)
    assert_finite(model)


def assert_same_fit(left, right):
    """Equal numbers; labels may differ."""
    for name in ("units", "observed", "log_price", "price_level", "block", "n_price_changes", "last_price"):
        np.testing.assert_allclose(
            getattr(left.panel_, name), getattr(right.panel_, name), rtol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(left.draws_.beta, right.draws_.beta, rtol=1e-9)


@pytest.fixture
def plain_fit(mock_sampling, elasticity, sparse_sales):
    return elasticity().fit(sparse_sales, sparse_sales[UNITS])


def test_unsorted_rows(plain_fit, elasticity, sparse_sales):
    shuffled = sparse_sales.sample(frac=1, random_state=1)
    model = elasticity().fit(shuffled, shuffled[UNITS])
    assert_same_fit(model, plain_fit)
    pd.testing.assert_frame_equal(model.elasticities_, plain_fit.elasticities_)
    np.testing.assert_allclose(
        model.predict(shuffled), plain_fit.predict(sparse_sales)[shuffled.index], rtol=1e-9
    )


@pytest.mark.parametrize(
    "index",
    [
        lambda n: np.zeros(n, dtype=int),
        lambda n: [f"row {k}" for k in range(n)],
        lambda n: np.arange(n)[::-1],
    ],
    ids=["all the same", "text", "descending"],
)
def test_any_index(plain_fit, elasticity, sparse_sales, index):
    X = sparse_sales.set_axis(index(len(sparse_sales)), axis=0)
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert model.predict_quantiles(X).index.equals(X.index)


def test_multi_index(plain_fit, elasticity, sparse_sales):
    X = sparse_sales.set_index(["category", "product"], drop=False).rename_axis([None, None])
    assert_same_fit(elasticity().fit(X, X[UNITS]), plain_fit)


@pytest.mark.parametrize("kind", TIMES)
def test_time_columns(plain_fit, elasticity, sparse_sales, tmp_path, kind):
    X = sparse_sales.assign(time_period=TIMES[kind](sparse_sales["time_period"]))
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert model.idata_["posterior"].sizes["time_period"] == 20
    loaded = HierarchicalElasticity.load(model.save(tmp_path / "fit.joblib"))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_allclose(model.predict(X), plain_fit.predict(sparse_sales), rtol=1e-9)


@pytest.mark.parametrize("kind", ["datetime", "Period", "ordered categorical", "Int64"])
def test_posterior_as_netcdf(mock_sampling, elasticity, sparse_sales, tmp_path, kind):
    import xarray as xr

    X = sparse_sales.assign(time_period=TIMES[kind](sparse_sales["time_period"]))
    model = elasticity().fit(X, X[UNITS])
    model.idata_.to_netcdf(tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc") as tree:
        for name, values in model.idata_["posterior"].data_vars.items():
            np.testing.assert_allclose(tree["posterior"][name], values, err_msg=name)
        assert tree["posterior"].sizes == model.idata_["posterior"].sizes


def test_unused_categories_of_an_ordered_time(plain_fit, elasticity, sparse_sales):
    weeks = [f"week {k + 1}" for k in range(26)]
    time = pd.Categorical.from_codes(sparse_sales["time_period"], weeks, ordered=True)
    X = sparse_sales.assign(time_period=time)
    model = elasticity().fit(X, X[UNITS])
    assert list(model.panel_.period) == weeks[:20]
    assert_same_fit(model, plain_fit)


@pytest.mark.parametrize("ordered", [False, True])
def test_categorical_labels_with_unused_categories(plain_fit, elasticity, sparse_sales, ordered):
    X = sparse_sales.assign(
        product=pd.Categorical(sparse_sales["product"], range(-3, 40), ordered=ordered),
        category=pd.Categorical(sparse_sales["category"], range(-3, 40), ordered=ordered),
    )
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert list(model.elasticities_.index) == list(plain_fit.elasticities_.index)
    assert list(model.elasticities("category").index) == [0, 1]


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_text_labels(plain_fit, elasticity, sparse_sales, dtype):
    letters = sparse_sales["product"].map(lambda i: "abcdefghijkl"[i]).astype(dtype)
    X = sparse_sales.assign(product=letters, category="c" + sparse_sales["category"].astype(str))
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert sorted(model.elasticities_.index) == list("abcdefghijkl")


@pytest.mark.parametrize("nullable", ["numpy_nullable", "pyarrow"])
def test_nullable_dtypes(plain_fit, elasticity, sparse_sales, nullable):
    X = sparse_sales.convert_dtypes(dtype_backend=nullable)
    assert str(X["price"].dtype) in ("Float64", "double[pyarrow]")
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    np.testing.assert_allclose(model.predict(X), plain_fit.predict(sparse_sales), rtol=1e-9)


@pytest.mark.parametrize("nullable", ["numpy_nullable", "pyarrow"])
def test_missing_values_of_nullable_dtypes(elasticity, sales, nullable):
    X = sales.convert_dtypes(dtype_backend=nullable)
    X.loc[4, "price"] = pd.NA
    with pytest.raises(InvalidDataError, match="price column 'price' has missing values in 1 of 240 rows"):
        elasticity().fit(X, sales[UNITS])


def test_boolean_control(mock_sampling, elasticity, sales):
    flag = elasticity(controls="promotion").fit(sales.assign(promotion=sales["promotion"] > 0), sales[UNITS])
    number = elasticity(controls="promotion").fit(sales, sales[UNITS])
    assert_same_fit(flag, number)


def test_the_frame_is_not_changed(mock_sampling, elasticity, sparse_sales):
    X = sparse_sales.assign(
        product=sparse_sales["product"].astype("category"),
        time_period=TIMES["ordered categorical"](sparse_sales["time_period"]),
        price=sparse_sales["price"].astype("Float64"),
        stores=2,
    ).sample(frac=1, random_state=2)
    y = X[UNITS].astype("Int64")
    X_before, y_before = X.copy(deep=True), y.copy(deep=True)
    model = elasticity(exposure="stores").fit(X, y)
    model.predict(X)
    model.predict_quantiles(X)
    model.score(X, y)
    pd.testing.assert_frame_equal(X, X_before)
    pd.testing.assert_series_equal(y, y_before)
    pd.testing.assert_index_equal(X.index, X_before.index)


@pytest.mark.usefixtures("mock_sampling")
@pytest.mark.filterwarnings("ignore:The price column:hdfm.exceptions.DataWarning")
def test_one_period_has_no_time_effects(sales, elasticity):
    first = sales[sales["time_period"] == 0]
    model = elasticity().fit(first, first["units_sold"])
    assert "time_effect" not in model.idata_["posterior"]
    assert np.isfinite(model.predict(first)).all()


def test_reference_prices_are_not_looked_at_in_fit(sales):
    """Rows without a period are merged where they are equal in what the fit uses."""
    X = sales.assign(usual=sales["product"].to_numpy() * 1j).astype({"usual": object})
    roles = {"product": "product", "price": "price"}
    plain = HierarchicalElasticity(**roles)._panel(X[["product", "price"]], X["units_sold"])[0]
    other = HierarchicalElasticity(**roles, reference_price="usual")._panel(
        X[["product", "price", "usual"]], X["units_sold"]
    )[0]
    np.testing.assert_array_equal(plain.units, other.units)
