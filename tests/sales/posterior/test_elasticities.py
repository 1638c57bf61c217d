"""Tables of elasticities."""

from dataclasses import replace

import arviz as az
import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.demand import fit_at

from hdfm.datasets import simulate_sales

SUMMARY = ["mean", "sd", "lower", "upper", "p_elastic", "p_positive"]
WEIGHTED = ["weighted_mean", "weighted_lower", "weighted_upper"]


@pytest.mark.parametrize(
    ("level", "variable", "before", "after"),
    [
        (None, "elasticity", ["category"], ["shrinkage", "n_price_changes", "units"]),
        ("category", "elasticity_category", [], [*WEIGHTED, "n_products", "units"]),
        ("global", "elasticity_global", [], [*WEIGHTED, "n_products", "units"]),
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
    assert list(table.columns) == ["department", *SUMMARY, *WEIGHTED, "n_products", "units"]
    assert table["department"].to_dict() == {0: "food", 1: "food", 2: "home"}
    departments = model.elasticities("department")
    assert departments["n_products"].to_dict() == table.groupby("department")["n_products"].sum().to_dict()
    assert list(model.elasticities().columns[:2]) == ["department", "category"]


def test_elasticities_without_a_price_are_empty(cases):
    table = fit_at(cases("no price")).elasticities()
    assert len(table) == 0
    assert list(table.columns) == SUMMARY


@UNFITTED
def test_the_sign_constraint_holds(cases):
    case = cases("negative")
    model = fit_at(case)
    assert (case.draws.beta < 0).all()
    assert (model.elasticities()["p_positive"] == 0).all()
    pairs = case.sales[case.sales["product"] == case.sales["product"].iloc[0]].iloc[[0, 0]]
    new = pairs.assign(product=900, price=pairs["price"] * [0.9, 1.1], category=[5, 5])
    cheap, dear = model.predict(new)
    assert cheap > dear


def test_weighted_means_are_answers_to_a_change_of_all_prices(cases):
    """By differences of the group's predicted units, where units sold are replaced by those predicted."""
    case = cases("all")
    model, sales = fit_at(case), case.sales
    model.draws_ = case.draws.some(np.array([0]))
    units = pd.Series(model.predict(sales), sales.index)
    dearer = pd.Series(model.predict(sales.assign(price=1.0001 * sales["price"])), sales.index)
    panel = model.panel_
    model.panel_ = replace(
        panel, units=units.groupby(sales["product"]).sum()[panel.product].to_numpy()[:, None]
    )
    for level in ("department", "category", "global"):
        group = sales[level] if level != "global" else pd.Series("global", sales.index)
        answer = np.log(dearer.groupby(group).sum() / units.groupby(group).sum()) / np.log(1.0001)
        table = model.elasticities(level)
        np.testing.assert_allclose(table["weighted_mean"], answer[table.index], rtol=1e-3)
    model.panel_ = replace(panel, units=np.zeros_like(panel.units))
    plain = model.elasticities("global")["weighted_mean"].item()
    assert plain == pytest.approx(model.draws_.beta.mean())


def test_weighted_means_have_intervals(fitted, fitted_sales):
    table = fitted.elasticities("category", ci_prob=0.8)
    units = fitted_sales.groupby("product")["units_sold"].sum()[fitted.panel_.product].to_numpy()
    for g, label in enumerate(fitted.panel_.levels[0].labels):
        mine = fitted.panel_.group == g
        draws = np.average(fitted.draws_.beta[mine], axis=0, weights=units[mine])
        row = table.loc[label, WEIGHTED].to_numpy(float)
        np.testing.assert_allclose(row, [draws.mean(), *np.quantile(draws, [0.1, 0.9])])


def test_outer_labels_of_three_levels(mock_sampling, elasticity):
    """Of products and of groups at each depth: the labels above them, from the frame."""
    sales = simulate_sales(12, 4, 8, seed=366)
    sales["aisle"] = sales["category"].map({0: "b", 1: "a", 2: "c", 3: "b"})
    sales["floor"] = sales["aisle"].map({"a": "x", "b": "y", "c": "x"})
    groups = ["floor", "aisle", "category"]
    model = elasticity(groups=groups).fit(sales, sales["units_sold"])
    for depth, name in enumerate([*groups, "product"]):
        outer, table = groups[:depth], model.elasticities(name)
        assert list(table.columns[:depth]) == outer
        expected = sales.drop_duplicates(name).set_index(name).loc[table.index, outer]
        assert table[outer].to_numpy().tolist() == expected.to_numpy().tolist()
