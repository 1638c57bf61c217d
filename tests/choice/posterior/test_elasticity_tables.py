"""Elasticities of a fit by role, against finite differences and sums by hand."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES, TRIP_ROLES
from reference.choice import (
    DIFFERENCE,
    INTERVAL,
    QUICK,
    SAME,
    assert_same,
    share_slopes,
    shares_by_hand,
    summaries,
    with_price,
)

from hdfm import DynamicFactorChoiceModel
from hdfm.choice.posterior import elasticities
from hdfm.choice.posterior.elasticities import elasticity_table
from hdfm.choice.posterior.labels import grouped


def meeting(model, X, by=()):
    """(category, product, price_of, *by) of the products that stand in one choice set."""
    there = X if model.availability is None else X[X[model.availability]]
    columns = [*dict.fromkeys(["category", model.choice_set, *by]), model.product]
    pairs = there[columns].merge(there[[model.choice_set, model.product]], on=model.choice_set)
    named = [f"{model.product}_x", f"{model.product}_y"]
    return set(pairs[["category", *named, *by]].itertuples(index=False, name=None))


def elasticities_by_hand(model, X, by=()):
    """Draws of own and cross elasticities by finite differences."""
    shares = shares_by_hand(model, X, by)
    pairs = meeting(model, X, by)
    out = {}
    for k in X[model.product].unique():
        ratio = share_slopes(model, X, k, by) / shares
        for (category, j, *group), values in ratio.iterrows():
            if (category, j, k, *group) in pairs:
                out[category, j, k, *group] = values
    return pd.DataFrame(out).T


def test_stored_elasticities(case):
    model, X = case
    table, ci_prob = model.elasticities_, az.rcParams["stats.ci_prob"]
    draws = elasticities_by_hand(model, X)
    assert table.index.names == ["category", "product", "price_of"]
    assert list(table) == [*INTERVAL, "p_elastic"]
    assert table.attrs == {"ci_prob": ci_prob}
    assert_same(table[INTERVAL], summaries(draws, ci_prob), DIFFERENCE)
    assert_same(table[["p_elastic"]], (draws < -1).mean(axis=1).to_frame())
    own = table.index.get_level_values("product") == table.index.get_level_values("price_of")
    assert own.sum() == X.groupby("category")[model.product].nunique().sum()
    pd.testing.assert_frame_equal(model.elasticities(), table)


def test_elasticities_at_other_prices(case):
    model, X = case
    changed = with_price(model, X, X[model.product].iloc[0], 0.7)
    table = model.elasticities(changed, ci_prob=0.5)
    assert table.attrs["ci_prob"] == 0.5
    assert_same(table[INTERVAL], summaries(elasticities_by_hand(model, changed), 0.5), DIFFERENCE)
    assert not np.allclose(table["mean"], model.elasticities_["mean"].loc[table.index], rtol=1e-3)


@pytest.mark.parametrize("by", ["time", ["time", "customer"], ("category", "time"), ["product", "customer"]])
def test_elasticities_by_role(outside, market, by):
    table = outside.elasticities(by=by)
    named = [name for name in ([by] if isinstance(by, str) else by) if name in ("time", "customer")]
    columns = [{"time": "week"}.get(name, name) for name in named]
    assert table.index.names == ["category", "product", "price_of", *named]
    draws = elasticities_by_hand(outside, market, columns)
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]), DIFFERENCE)
    again = outside.elasticities(market, by=by)
    pd.testing.assert_frame_equal(again, table)


def test_elasticities_by_segment(outside, market):
    table = outside.elasticities(market, by="segment")
    for segment, rows in market.groupby("segment"):
        alone = outside.elasticities(rows)
        assert_same(table.xs(segment, level="segment"), alone)


def test_elasticities_by_choice_set(model, trips):
    table = model.elasticities(by="choice_set")
    label = trips["trip"].iloc[0]
    alone = model.elasticities(trips[trips["trip"] == label])
    assert_same(table.xs(label, level="choice_set"), alone)


def test_no_share_changes_when_all_log_prices_rise(model):
    """Without outside option: a rise of all prices in proportion changes nothing."""
    total = model.elasticities_["mean"].groupby(["category", "product"]).sum()
    np.testing.assert_allclose(total, 0, atol=SAME)


def test_tables_keep_the_order_of_categorical_periods(spread_sampling, trips):
    weeks = sorted(trips["week"].unique())
    names = [f"w{2 * k}" for k in range(4, 4 + len(weeks))]  # w8, w10, ...: another order as text
    named = trips["week"].map(dict(zip(weeks, names, strict=True)))
    X = trips.assign(week=pd.Categorical(named, names, ordered=True))
    model = DynamicFactorChoiceModel(1, **TRIP_ROLES, **QUICK).fit(X, X["chosen"])
    for table in (model.coefficients(), model.elasticities(by="time"), model.shares(X, by="time")):
        for _, rows in table.groupby(level=[name for name in table.index.names if name != "time"]):
            found = rows.index.get_level_values("time").astype(str)
            assert [name for name in names if name in set(found)] == list(dict.fromkeys(found))


def own_rows(table):
    product, price_of = (table.index.get_level_values(name) for name in ("product", "price_of"))
    return table[product == price_of]


def test_own_elasticities_are_a_diagonal(case):
    model, _ = case
    asked = model._posterior().at()
    table, whole = elasticity_table(asked, 0.8, own=True), elasticity_table(asked, 0.8)
    assert list(table.index) == list(own_rows(whole).index)
    np.testing.assert_allclose(table, own_rows(whole), rtol=SAME, atol=SAME)
    weeks = grouped(asked, ("time",))
    by_week = elasticity_table(weeks, 0.8, own=True)
    pd.testing.assert_frame_equal(by_week, own_rows(elasticity_table(weeks, 0.8)), rtol=SAME)


@pytest.fixture
def quick_fit(spread_sampling, market):
    """Fits of the same draws, with more or less work for cross elasticities allowed."""

    def fit(most, **changes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(elasticities, "MOST_WORK", most)
            options = {"outside_option": True, "loadings": "population"} | changes
            return DynamicFactorChoiceModel(1, **CHOICE_ROLES, **QUICK | options).fit(
                market, market["chosen"]
            )

    return fit


def test_a_fit_stores_own_elasticities_where_there_are_many(quick_fit, market, monkeypatch, tmp_path):
    sets = market.groupby("category")["choice_set"].nunique()
    work = QUICK["chains"] * QUICK["draws"] * int((sets * 3**2).sum())
    full, own = quick_fit(work), quick_fit(work - 1)
    assert "note" not in full.elasticities_.attrs
    pd.testing.assert_frame_equal(full.elasticities_, full.elasticities())
    note = "own-price elasticities alone: elasticities() computes those of all pairs of products"
    assert own.elasticities_.attrs == {"ci_prob": full.elasticities_.attrs["ci_prob"], "note": note}
    pd.testing.assert_frame_equal(own.elasticities_, own_rows(full.elasticities_), rtol=SAME)
    pd.testing.assert_frame_equal(own.elasticities(), full.elasticities_, rtol=SAME)
    back = DynamicFactorChoiceModel.load(own.save(tmp_path / "own"))
    pd.testing.assert_frame_equal(back.elasticities_, own.elasticities_)
    assert back.elasticities_.attrs == own.elasticities_.attrs

    def pairs(*_):
        raise AssertionError("work of all pairs of products")

    monkeypatch.setattr(elasticities, "share_changes", pairs)
    assert quick_fit(0).elasticities_.equals(own.elasticities_)
    assert own._repr_html_()


def test_a_fit_says_that_it_stores_own_elasticities(quick_fit, capsys):
    said = "elasticities_ holds own-price elasticities alone"
    for most, progressbar in ((0, True), (0, False), (10**10, True)):
        quick_fit(most, progressbar=progressbar)
        assert (said in capsys.readouterr().out) == (most == 0 and progressbar)
