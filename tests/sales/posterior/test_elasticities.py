"""Tables of elasticities."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from reference.demand import fit_at

SUMMARY = ["mean", "sd", "lower", "upper", "p_elastic", "p_positive"]


@pytest.mark.parametrize(
    ("level", "variable", "before", "after"),
    [
        (None, "elasticity", ["category"], ["shrinkage", "n_price_changes", "units"]),
        ("category", "elasticity_category", [], ["n_products", "units"]),
        ("global", "elasticity_global", [], ["n_products", "units"]),
    ],
)
def test_elasticities_summarise_the_posterior(fitted, fitted_sales, level, variable, before, after):
    table = fitted.elasticities(level, ci_prob=0.8)
    assert list(table.columns) == before + SUMMARY + after
    assert table.attrs["ci_prob"] == 0.8
    draws = fitted.idata_["posterior"][variable].stack(sample=("chain", "draw"))
    if level != "global":
        draws = draws.sel({draws.dims[0]: table.index.to_list()})
    draws = np.atleast_2d(draws.to_numpy())
    np.testing.assert_allclose(table["mean"], draws.mean(axis=1))
    np.testing.assert_allclose(table["sd"], draws.std(axis=1, ddof=1))
    np.testing.assert_allclose(table[["lower", "upper"]], np.quantile(draws, [0.1, 0.9], axis=1).T)
    np.testing.assert_allclose(table["p_elastic"], (draws < -1).mean(axis=1))
    np.testing.assert_allclose(table["p_positive"], (draws > 0).mean(axis=1))
    assert table["units"].sum() == fitted_sales["units_sold"].sum()


def test_elasticities_of_products(fitted, fitted_sales):
    table = fitted.elasticities_
    pd.testing.assert_frame_equal(table, fitted.elasticities())
    pd.testing.assert_frame_equal(table, fitted.elasticities("product"))
    assert table.attrs["ci_prob"] == pytest.approx(az.rcParams["stats.ci_prob"])
    by_product = fitted_sales.groupby("product")
    changes = by_product["price"].agg(lambda price: int((price.diff().iloc[1:] != 0).sum()))
    np.testing.assert_array_equal(table["n_price_changes"], changes[table.index])
    np.testing.assert_array_equal(table["units"], by_product["units_sold"].sum()[table.index])
    np.testing.assert_array_equal(table["category"], by_product["category"].first()[table.index])
    assert table["shrinkage"].between(0, 1).all()
    posterior = fitted.idata_["posterior"]
    own = posterior["elasticity"].stack(sample=("chain", "draw")).transpose("product", "sample").to_numpy()
    groups = posterior["elasticity_category"].sel(category=table["category"].to_numpy())
    about = own - groups.stack(sample=("chain", "draw")).transpose("category", "sample").to_numpy()
    expected = about.var(axis=1) / np.mean(posterior["elasticity_sd"].to_numpy() ** 2)
    np.testing.assert_allclose(table["shrinkage"], expected.clip(0, 1))
    many, few = table.nlargest(15, "units")["sd"], table.nsmallest(15, "units")["sd"]
    assert many.mean() < few.mean()
    counts = fitted.elasticities("category")["n_products"]
    assert counts.to_dict() == table["category"].value_counts().to_dict()


def test_elasticities_of_nested_groups(cases):
    model = fit_at(cases("all"))
    table = model.elasticities("category")
    assert list(table.columns) == ["department", *SUMMARY, "n_products", "units"]
    assert table["department"].to_dict() == {0: "food", 1: "food", 2: "home"}
    departments = model.elasticities("department")
    assert departments["n_products"].to_dict() == table.groupby("department")["n_products"].sum().to_dict()
    assert list(model.elasticities().columns[:2]) == ["department", "category"]


def test_elasticities_without_a_price_are_empty(cases):
    table = fit_at(cases("no price")).elasticities()
    assert len(table) == 0
    assert list(table.columns) == SUMMARY


@pytest.mark.filterwarnings("ignore:.*don't say what it usually costs:hdfm.exceptions.DataWarning")
def test_the_sign_constraint_holds(cases):
    case = cases("negative")
    model = fit_at(case)
    assert (case.draws.beta < 0).all()
    assert (model.elasticities()["p_positive"] == 0).all()
    pairs = case.sales[case.sales["product"] == case.sales["product"].iloc[0]].iloc[[0, 0]]
    new = pairs.assign(product=900, price=pairs["price"] * [0.9, 1.1], category=[5, 5])
    cheap, dear = model.predict(new)
    assert cheap > dear
