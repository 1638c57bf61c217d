"""Elasticities against finite differences of shares, and against published ones."""

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.choice_draws import market_of
from trips import many_trips, panel_of

from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.rows import encode_choices
from hdfm.choice.posterior import elasticities as choice_elasticities
from hdfm.choice.posterior import predict as choice_predict
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.elasticities import elasticity_draws, elasticity_table
from hdfm.choice.posterior.labels import grouped, set_labels
from hdfm.choice.posterior.predict import log_probability_blocks
from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.draws import TierDraws
from hdfm.factors.tier import GLOBAL

D, CI_PROB, SEED = 40, 0.8, 5
# Central differences: their error is of the order of the step squared.
STEP, DIFFERENCE = 1e-4, 1e-6
SAME = 1e-12

# mlogit's vignette, ModeCanada: own elasticities, and what a change of a mode's cost does to the others.
OWN = pd.Series({"air": -3.1409703, "car": -0.9131273, "train": -1.2505014})
CROSS = pd.Series({"air": 1.2316679, "car": 0.9376923, "train": 0.3358005})


def hand_draws(panel):
    """Customers with one moving factor; price coefficients about -2."""
    rng = np.random.default_rng(3)
    S, N, T = len(panel.coefficient), len(panel.customer), len(panel.period)
    alpha = 0.5 * rng.standard_normal((D, N, S))
    alpha[..., panel.coefficient.get_level_values("predictor") == "price"] -= 2
    loading, path = 0.3 * rng.random((D, N, S, 1)), rng.standard_normal((D, 1, T, 1))
    return ChoiceDraws(
        alpha=alpha,
        tiers=(TierDraws(GLOBAL, loading, path, np.full((D, 1), 0.3), np.ones((1, 1))),),
        parts=panel.parts,
        covariates=panel.covariates,
    )


@pytest.fixture(scope="module")
def trips():
    return many_trips()


@pytest.fixture(scope="module")
def panel(trips):
    return panel_of(trips)


@pytest.fixture(scope="module")
def draws(panel):
    return hand_draws(panel)


@pytest.fixture(scope="module")
def table(draws, panel):
    return elasticity_table(market_of(draws, panel), CI_PROB)


def expected_shares(draws, sets, which):
    """Mean probability (K, D) of each product over some of the sets."""
    out = np.zeros((len(sets.product), draws.n_draws))
    for piece, some, log_p, _ in log_probability_blocks(draws, sets, which):
        for o, j in np.argwhere(sets.choices.mask[piece]):
            out[sets.code[piece[o], j], some] += np.exp(log_p[o, j])
    return out / len(which)


def at_prices(sets, product, ratio, transform):
    """The sets with all prices of a product times a ratio."""
    x = sets.choices.x.copy()
    mine = (sets.code == product) & sets.choices.mask
    price = x[mine, sets.price]
    x[mine, sets.price] = price * ratio if transform == "linear" else price + np.log(ratio)
    return replace(sets, choices=replace(sets.choices, x=x))


def by_differences(draws, sets, which, transform):
    """d log share / d log price (K, K, D) by central differences."""
    K = len(sets.product)
    up, down = (
        [expected_shares(draws, at_prices(sets, k, np.exp(h), transform), which) for k in range(K)]
        for h in (STEP, -STEP)
    )
    return np.stack(
        [(np.log(a) - np.log(b)) / (2 * STEP) for a, b in zip(up, down, strict=True)],
        axis=1,
    )


@pytest.mark.parametrize("transform", ["log", "linear"])
@pytest.mark.parametrize("outside", [False, True])
def test_elasticities_are_finite_differences_of_expected_shares(trips, transform, outside):
    panel = panel_of(trips, price_transform=transform, outside_option=outside)
    draws = hand_draws(panel)
    for sets in market_of(draws, panel).sets:
        for which in (np.arange(len(sets.customer)), np.arange(5, 30)):
            expected = by_differences(draws, sets, which, transform)
            for j, k, values in elasticity_draws(draws, sets, which, transform):
                np.testing.assert_allclose(values, expected[j, k], atol=DIFFERENCE)


def test_table_sums_up_the_draws(draws, panel, table):
    sets = market_of(draws, panel).sets[0]
    ((j, k, values),) = elasticity_draws(draws, sets, np.arange(len(sets.customer)), "log")
    milk = table.loc["milk"]
    assert list(milk.index) == [(sets.product[a], sets.product[b]) for a, b in zip(j, k, strict=True)]
    np.testing.assert_allclose(milk["mean"], values.mean(axis=1))
    np.testing.assert_allclose(milk["sd"], values.std(axis=1, ddof=1))
    np.testing.assert_allclose(milk["lower"], np.quantile(values, 0.1, axis=1))
    np.testing.assert_allclose(milk["upper"], np.quantile(values, 0.9, axis=1))
    np.testing.assert_allclose(milk["p_elastic"], (values < -1).mean(axis=1))
    assert table.attrs["ci_prob"] == CI_PROB
    assert table.index.names == ["category", "product", "price_of"]
    assert table.index.is_unique
    own = table.index.get_level_values("product") == table.index.get_level_values("price_of")
    assert (table["mean"][own] < 0).all()
    assert (table["mean"][~own] > 0).all()


def mode_canada(own, cross):
    """One trip by three modes whose shares and slopes follow from the elasticities, and its draws."""
    slope = own - cross
    share = -cross / slope
    assert share.sum() == pytest.approx(1, abs=1e-4)
    X = pd.DataFrame({"trip": 1, "mode": own.index, "cost": -slope.to_numpy()})
    roles = ChoiceRoles(
        choice_set="trip", product="mode", price="cost", features=(), price_transform="linear"
    )
    panel = build_choice_panel(X, share == share.max(), roles)
    (category,) = panel.categories
    utility = np.log(share) + X.set_index("mode")["cost"]
    utility -= utility[category.reference]
    alpha = [*utility.drop(category.reference), -1.0]
    draws = ChoiceDraws(alpha=np.tile(alpha, (2, 1, 1)), tiers=(), parts=panel.parts)
    return panel, draws


def test_rows_respond_and_columns_change():
    panel, draws = mode_canada(OWN, CROSS)
    table = elasticity_table(market_of(draws, panel), CI_PROB)
    matrix = table["mean"].loc["all"].unstack("price_of")
    for responds in OWN.index:
        for changes in OWN.index:
            expected = (OWN if responds == changes else CROSS)[changes]
            assert matrix.loc[responds, changes] == pytest.approx(expected, rel=1e-4)
    for changes in matrix:
        others = matrix[changes].drop(changes)
        assert np.ptp(others) == pytest.approx(0, abs=SAME)


def test_blocks_of_any_size_give_the_same(draws, panel, table, monkeypatch):
    market = market_of(draws, panel)
    for cells, table_cells in [(1, 1), (300, 3 * D * 4), (10_000, 10**6)]:
        monkeypatch.setattr(choice_predict, "BLOCK_CELLS", cells)
        monkeypatch.setattr(choice_elasticities, "TABLE_CELLS", table_cells)
        again = elasticity_table(market, CI_PROB)
        pd.testing.assert_frame_equal(again, table, rtol=1e-10)


def test_groups_are_the_tables_of_their_sets(trips, draws, panel):
    market = market_of(draws, panel)
    labels = set_labels(panel, ("category", "time", "customer"))
    trip = trips.drop_duplicates("trip").set_index("trip").loc[panel.choice_set]
    assert list(labels.columns) == ["time", "customer"]
    np.testing.assert_array_equal(labels["time"], trip["week"])
    np.testing.assert_array_equal(labels["customer"], trip["household"])
    by_week = elasticity_table(grouped(market, ("time",)), CI_PROB)
    assert by_week.index.names == ["category", "product", "price_of", "time"]
    assert list(by_week.loc[("milk", "plain", "plain")].index) == [2, 3, 5, 11]
    sets = market.sets[1]
    which = np.flatnonzero(panel.period[sets.period] == 5)
    for j, k, values in elasticity_draws(draws, sets, which, "log"):
        for a, b, value in zip(j, k, values, strict=True):
            row = by_week.loc[("tea", sets.product[a], sets.product[b], 5)]
            assert row["mean"] == pytest.approx(value.mean(), rel=SAME)
    segments = pd.DataFrame({"segment": np.where(labels["customer"] < 4, "low", None)})
    low = elasticity_table(replace(market, groups=segments), CI_PROB)
    named = elasticity_table(replace(market, groups=segments.fillna("no segment")), CI_PROB)
    assert set(low.index.get_level_values("segment").dropna()) == {"low"}
    np.testing.assert_array_equal(low, named)  # those without a segment are a row of their own


@UNFITTED
def test_elasticities_of_new_labels(trips, draws, panel):
    new = trips[trips["trip"] < 1050].copy()
    new["household"] += 4
    new["week"] += 10
    new["brand"] = new["brand"].where(new["brand"] != "plain", "fancy")
    new["category"] = new["category"].replace("tea", "coffee")
    encoded = encode_choices(new, panel)
    market = market_of(draws, panel, encoded, SEED)
    labels = set_labels(panel, ("customer", "time"), encoded)
    trip = new.drop_duplicates("trip").set_index("trip").loc[encoded.choice_set]
    np.testing.assert_array_equal(labels["time"], trip["week"])
    np.testing.assert_array_equal(labels["customer"], trip["household"])
    table = elasticity_table(market, CI_PROB)
    assert set(table.index.get_level_values("category")) == {"milk", "coffee"}
    for sets in market.sets:
        which = np.arange(len(sets.customer))
        if not len(which):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = by_differences(market.draws, sets, which, "log")
        for j, k, values in elasticity_draws(market.draws, sets, which, "log"):
            np.testing.assert_allclose(values, expected[j, k], atol=DIFFERENCE)


def test_products_that_never_meet_have_no_row(trips):
    apart = trips[~((trips["brand"] == "store") & (trips["trip"] % 2 == 0))]
    apart = apart[~((apart["brand"] == "alpine") & (apart["trip"] % 2 == 1))]
    apart = apart.assign(in_stock=True)
    apart = apart[apart.groupby("trip")["trip"].transform("size") > 1]
    first = apart.groupby("trip").cumcount() == 0
    panel = panel_of(apart.assign(chosen=first))
    draws = hand_draws(panel)
    milk = elasticity_table(market_of(draws, panel), CI_PROB).loc["milk"]
    assert ("alpine", "store") not in milk.index
    assert ("store", "alpine") not in milk.index
    assert ("alpine", "alpine") in milk.index


def test_a_label_on_several_alternatives_is_one_product(trips):
    """All prices of a set move together, which changes no choice without an outside option."""
    panel = panel_of(trips, product=None, features=("display",))
    draws = hand_draws(panel)
    table = elasticity_table(market_of(draws, panel), CI_PROB)
    assert list(table.index) == [("milk", "all", "all"), ("tea", "all", "all")]
    np.testing.assert_allclose(table["mean"], 0, atol=SAME)


def test_shares_that_underflow_have_elasticities(trips, panel, draws):
    steep = dataclasses.replace(draws, alpha=draws.alpha * 500)
    table = elasticity_table(market_of(steep, panel), CI_PROB)
    assert np.isfinite(table.to_numpy()).all()


def test_without_a_price_there_are_no_elasticities(trips, panel, draws):
    no_price = panel_of(trips, price=None)
    with pytest.raises(InvalidArgumentError, match="name its column with price="):
        elasticity_table(market_of(draws, no_price), CI_PROB)
    with pytest.raises(InvalidArgumentError, match="'week'"):
        set_labels(panel, ("week",))
    empty = elasticity_table(replace(market_of(draws, panel), sets=()), CI_PROB)
    assert empty.index.names == ["category", "product", "price_of"]
    assert list(empty.columns) == ["mean", "sd", "lower", "upper", "p_elastic"]
