"""Shares, scenarios and diversion of a fit, by hand."""

import numpy as np
import pandas as pd
import pytest
from conftest import TRIP_ROLES, UNFITTED
from reference.choice import (
    DIFFERENCE,
    INTERVAL,
    QUICK,
    SAME,
    assert_same,
    share_slopes,
    shares_by_hand,
    summaries,
)

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError


def test_shares(case):
    model, X = case
    table = model.shares()
    draws = shares_by_hand(model, X)
    if model.outside_option:
        nothing = 1 - draws.groupby("category").sum()
        nothing.index = pd.MultiIndex.from_product([nothing.index, ["(none)"]])
        draws = pd.concat([draws, nothing])
    assert table.index.names == ["category", "product"]
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    np.testing.assert_allclose(table["mean"].groupby("category").sum(), 1, rtol=SAME)
    means = X.assign(p=model.predict_proba(X)[:, 1]).groupby(["category", model.product])["p"].sum()
    means /= X.groupby("category")[model.choice_set].nunique().reindex(means.index, level=0)
    np.testing.assert_allclose(table["mean"].reindex(means.index), means, rtol=SAME)
    pd.testing.assert_frame_equal(model.shares(X), table)


def test_shares_by(outside, market):
    table = outside.shares(market, by=["segment", "time"])
    assert table.index.names == ["category", "product", "segment", "time"]
    draws = shares_by_hand(outside, market, ["segment", "week"])
    inside = table.drop("(none)", level="product")
    assert_same(inside[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    total = table["mean"].groupby(["category", "segment", "time"]).sum()
    np.testing.assert_allclose(total, 1, rtol=SAME)
    pd.testing.assert_frame_equal(
        outside.shares(by="time").sort_index(), outside.shares(market, by=("product", "time")).sort_index()
    )


def changes_by_hand(model, before, after):
    """Before, after and draws of the change of shares."""
    first, second = shares_by_hand(model, before), shares_by_hand(model, after)
    both = first.index.union(second.index)
    first, second = first.reindex(both, fill_value=0), second.reindex(both, fill_value=0)
    return first.mean(axis=1), second.mean(axis=1), second - first


def assert_scenario(model, table, before, after):
    first, second, change = changes_by_hand(model, before, after)
    table = table.drop("(none)", level="product", errors="ignore")
    expected = summaries(change, 0.89).rename(columns={"mean": "change"})
    expected = expected.assign(before=first, after=second, p_up=(change > 0).mean(axis=1))
    assert set(table) == set(expected)
    assert_same(table, expected[list(table)])


def test_number_multiplies_prices(outside, market):
    table = outside.counterfactual(market, {"price": 0.9})
    assert list(table) == ["before", "after", "change", "sd", "lower", "upper", "p_up"]
    assert table.index.names == ["category", "product"]
    assert_scenario(outside, table, market, market.assign(price=0.9 * market["price"]))
    np.testing.assert_allclose(table["change"].groupby("category").sum(), 0, atol=SAME)
    assert_same(table[["before"]].set_axis(["mean"], axis=1), outside.shares(market)[["mean"]])


def test_prices_in_proportion_change_nothing(model, trips):
    """With log prices and no outside option."""
    table = model.counterfactual(trips, {"price": 0.5})
    np.testing.assert_allclose(table[["change", "sd", "lower", "upper"]], 0, atol=SAME)


@pytest.mark.parametrize("products", ["alpine", ["alpine", "green"], np.array(["alpine"]), pd.Index(["tea"])])
def test_some_products_change(model, trips, products):
    if "tea" in products:
        with pytest.raises(InvalidDataError, match=r"product column 'brand' of X holds no row of \['tea'\]"):
            model.counterfactual(trips, {"price": 0.9}, products=products)
        return
    mine = trips["brand"].isin(np.atleast_1d(products))
    after = trips.assign(price=trips["price"].where(~mine, 0.9 * trips["price"]))
    assert_scenario(model, model.counterfactual(trips, {"price": 0.9}, products=products), trips, after)


def test_changes_of_all_kinds(outside, market):
    new = np.random.default_rng(0).uniform(1, 5, len(market)).round(2)
    changes = {
        "a function": ({"price": lambda price: price + 1}, {"price": market["price"] + 1}),
        "an array": ({"price": new}, {"price": new}),
        "a list": ({"price": list(new)}, {"price": new}),
        "a series": ({"price": pd.Series(new, market.index)}, {"price": new}),
        "a series in another order": ({"price": pd.Series(new, market.index)[::-1]}, {"price": new}),
        "a series of another index": ({"price": pd.Series(new, market.index + 9999)}, {"price": new}),
        "a number": ({"display": 1}, {"display": 1}),
        "two": ({"display": 1, "price": 1.1}, {"display": 1, "price": 1.1 * market["price"]}),
    }
    for change, columns in changes.values():
        assert_scenario(outside, outside.counterfactual(market, change), market, market.assign(**columns))


def test_frame_is_the_scenario(case):
    model, X = case
    after = X[X[model.product] != X[model.product].iloc[0]]
    if model.availability:
        after = after[after.groupby(model.choice_set)[model.availability].transform("any")]
    table = model.counterfactual(X, after)
    assert_scenario(model, table, X, after)
    gone = table.xs(X[model.product].iloc[0], level="product")
    assert (gone["after"] == 0).all()
    assert (gone["change"] < 0).all()


@UNFITTED
def test_new_alternative_takes_shares(outside, market):
    entrant = market[market["product"] == "c0p0"].assign(product="entrant", chosen=0)
    table = outside.counterfactual(market, pd.concat([market, entrant]), by="segment")
    assert table.index.names == ["category", "product", "segment"]
    gained = table.xs("entrant", level="product")
    assert (gained["before"] == 0).all()
    assert (gained["after"] > 0).all()
    others = table.xs("c0", level="category").drop("entrant", level="product")
    assert (others["change"] < 0).all()
    np.testing.assert_allclose(table["change"].groupby(["category", "segment"]).sum(), 0, atol=SAME)


@pytest.mark.parametrize(
    ("changes", "options", "error", "found"),
    [
        (
            {},
            {},
            InvalidArgumentError,
            r"changes must map columns to changes, as in .*or be a frame; got \{\}",
        ),
        (0.9, {}, InvalidArgumentError, "changes must map columns to changes.*got 0.9"),
        ({"pricing": 0.9}, {}, InvalidDataError, "X has no column 'pricing'. Its columns are"),
        ({"price": [1.0, 2.0]}, {}, InvalidArgumentError, r"changes\['price'\] has 2 values for \d+ rows"),
        ({"price": "1"}, {}, InvalidArgumentError, r"changes\['price'\] multiplies the price .*got '1'"),
        ({"price": -1}, {}, InvalidDataError, "price column 'price' has prices that are zero or negative"),
        ({"price": 2}, {"products": "bread"}, InvalidDataError, r"'brand' of X holds no row of \['bread'\]"),
        (pd.DataFrame(), {"products": "alpine"}, InvalidArgumentError, "products= .* frame of changes"),
    ],
)
def test_scenarios_that_make_no_sense(model, trips, changes, options, error, found):
    with pytest.raises(error, match=found):
        model.counterfactual(trips, changes, **options)


@UNFITTED
def test_changes_of_labels(model, trips):
    """Columns of categories take labels that are among them, and others."""
    X = trips.assign(brand=trips["brand"].astype("category"), household=trips["household"].astype("category"))
    moved = model.counterfactual(X, {"household": 3})
    pd.testing.assert_frame_equal(moved, model.counterfactual(trips, {"household": 3}))
    assert_scenario(model, moved, trips, trips.assign(household=3))
    renamed = model.counterfactual(X, {"brand": "fresh"}, products="alpine")
    assert renamed.loc[("milk", "alpine"), "after"] == 0
    assert renamed.loc[("milk", "fresh"), "after"] > 0
    out = model.counterfactual(trips, {"in_stock": False}, products="alpine")
    assert out.loc[("milk", "alpine"), "after"] == pytest.approx(0, abs=SAME)


def test_scenarios_need_a_frame(model, trips):
    with pytest.raises(InvalidDataError, match=r"X is a ndarray.*pass a pandas DataFrame"):
        model.counterfactual(trips.to_numpy(), {"price": 0.9})
    with pytest.raises(InvalidDataError, match="X has no column for product='brand'"):
        model.counterfactual(trips.drop(columns="brand"), {"price": 0.9}, products="alpine")


def test_diversion(case):
    model, X = case
    table = model.diversion()
    assert table.index.names == ["category", "product", "to"]
    assert list(table) == INTERVAL
    draws = {}
    for j in X[model.product].unique():
        slope = share_slopes(model, X, j)
        for category in X.loc[X[model.product] == j, "category"].unique():
            own = slope.loc[category]
            ratio = -own.drop(j) / own.loc[j]
            draws |= {(category, j, k): values for k, values in ratio.iterrows()}
            if model.outside_option:
                draws[category, j, "(none)"] = 1 - ratio.sum()
    expected = summaries(pd.DataFrame(draws).T, table.attrs["ci_prob"])
    assert_same(table, expected, DIFFERENCE)
    np.testing.assert_allclose(table["mean"].groupby(["category", "product"]).sum(), 1, rtol=SAME)
    assert_same(model.diversion(X), table)


def test_product_that_is_always_alone_diverts_nothing(spread_sampling, trips):
    alone = trips.drop_duplicates("trip").head(5).assign(brand="kiosk", category="milk", chosen=True)
    alone = alone.assign(trip=range(5), price=[1.0, 2, 3, 4, 5], in_stock=True, strength=np.nan)
    X = pd.concat([trips, alone], ignore_index=True)
    model = DynamicFactorChoiceModel(0, **TRIP_ROLES, **QUICK)
    with pytest.warns(DataWarning, match="5 of 125 choice sets have one alternative"):
        model.fit(X, X["chosen"])
    table = model.diversion()
    assert np.isfinite(table).all(axis=None)
    assert "kiosk" not in table.index.get_level_values("product")
    assert (table.xs("kiosk", level="to")["mean"] == 0).all()
    assert model.elasticities_.loc[("milk", "kiosk", "kiosk"), "mean"] == pytest.approx(0, abs=SAME)
