"""Elasticities of a fit by role, against finite differences and sums by hand."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from conftest import TRIP_ROLES
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
