"""Customers and products that were not fitted: one answer to those who are alike, independence in sums."""

import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES, UNFITTED
from reference.choice import QUICK
from reference.choice_draws import KERNEL, SAME
from trips import panel_of

from hdfm import DynamicFactorChoiceModel
from hdfm.choice.panel.rows import encode_choices
from hdfm.choice.posterior.draws import choice_draws, extend_draws

NEWCOMERS = 12
CHANCE = 0.1
NEW = ("another", "one more")


@pytest.fixture(scope="module")
def newcomers(market):
    """One choice set, before each of a dozen new customers."""
    one = market[market["choice_set"] == market["choice_set"].iloc[0]]
    copies = [one.assign(customer=1000 + k, choice_set=5000 + k) for k in range(NEWCOMERS)]
    return pd.concat(copies, ignore_index=True)


def test_customers_who_are_alike_get_one_answer(outside, newcomers):
    P = outside.predict_proba(newcomers)[:, 1].reshape(NEWCOMERS, -1)
    np.testing.assert_allclose(P, np.broadcast_to(P[0], P.shape), rtol=SAME)
    scores = outside.score_samples(newcomers, newcomers["chosen"])
    np.testing.assert_allclose(scores, scores.iloc[0], rtol=SAME)
    for table in (
        outside.shares(newcomers, by="customer"),
        outside.elasticities(newcomers, by="customer"),
        outside.counterfactual(newcomers, {"price": 0.9}, by="customer"),
    ):
        others = [name for name in table.index.names if name != "customer"]
        spread = table.groupby(others).agg(np.ptp)
        assert spread.abs().max(axis=None) < SAME * table.abs().max(axis=None)


def test_their_answer_is_that_of_each_alone(outside, newcomers):
    together = outside.predict_proba(newcomers)
    last = newcomers["customer"] == newcomers["customer"].iloc[-1]
    np.testing.assert_allclose(outside.predict_proba(newcomers[last]), together[last], rtol=SAME)


def test_they_are_independent_in_sums(outside, newcomers):
    """The share of a dozen is known better than that of one, who may be anybody."""
    one = newcomers[newcomers["customer"] == 1000]
    alone, together = outside.shares(one), outside.shares(newcomers)
    assert (together["sd"] < alone["sd"]).all()


def test_all_fitted_customers_are_picked_equally_often(trips, posterior):
    panel = panel_of(trips)
    rows = trips[trips["household"] == 0]
    both = pd.concat([rows.assign(household=77), rows.assign(household=78, trip=9000 + rows["trip"])])
    encoded = encode_choices(both, panel)
    draws = choice_draws(posterior, panel)
    donor = extend_draws(draws, panel, encoded, KERNEL, 0, common=True).donor
    np.testing.assert_array_equal(donor[:, 0], donor[:, 1])
    counts = np.bincount(donor[:, 0], minlength=len(panel.customer))
    assert np.ptp(counts) <= 1
    assert counts.sum() == draws.n_draws
    other = extend_draws(draws, panel, encoded, KERNEL, 1, common=True).donor
    assert (other != donor).any()


@pytest.fixture(scope="module", params=["draws", pytest.param("mode", marks=pytest.mark.slow)])
def any_fit(request, outside, market):
    """Draws, or the mode alone."""
    if request.param == "draws":
        return outside
    roles = CHOICE_ROLES | {"features": ["display"]}
    model = DynamicFactorChoiceModel(1, **roles, **QUICK, inference="map", outside_option=True)
    return model.fit(market, market["chosen"])


def with_new(market, *labels, apart=False):
    """The market with copies of a product under new labels, in the same sets or each in its own."""
    copied = market[market["product"] == market["product"].iloc[0]]
    news = [copied.assign(product=label) for label in labels]
    if not apart:
        return pd.concat([market, *news], ignore_index=True)
    sets = [pd.concat([market, new]) for new in news]
    return pd.concat(
        [each.assign(choice_set=10_000 * k + each["choice_set"]) for k, each in enumerate(sets)],
        ignore_index=True,
    )


@UNFITTED
def test_new_products_that_are_alike_get_one_answer(any_fit, market):
    X = with_new(market, *NEW, apart=True)
    P = pd.Series(any_fit.predict_proba(X)[:, 1])
    one, other = (P[(X["product"] == label).to_numpy()].to_numpy() for label in NEW)
    np.testing.assert_allclose(one, other, rtol=SAME)
    scores = any_fit.score_samples(X, X["chosen"].where(~X["product"].isin(NEW), 0))
    half = len(scores) // 2
    np.testing.assert_allclose(scores[:half], scores[half:], rtol=SAME)


@UNFITTED
def test_of_one_set_nearly_one(any_fit, market):
    """Two in a set are independent draws: their shares differ by what so few draws leave of chance."""
    X = with_new(market, *NEW)
    shares = (
        any_fit.shares(X)["mean"].xs(NEW[0], level="product"),
        any_fit.shares(X)["mean"].xs(NEW[1], level="product"),
    )
    np.testing.assert_allclose(*shares, rtol=CHANCE)
    probability = pd.Series(any_fit.predict_proba(X)[:, 1]).groupby(X["product"].to_numpy()).mean()
    np.testing.assert_allclose(probability[NEW[0]], probability[NEW[1]], rtol=CHANCE)


@UNFITTED
def test_all_products_of_the_category_are_picked_equally_often(any_fit, market):
    X = with_new(market, *NEW)
    for alone in (True, False):
        asked = any_fit._posterior().at(any_fit._encoded(X), common=True, alone=alone)
        assert sum(len(sets.intercept) for sets in asked.sets) == len(NEW)
        for sets in asked.sets:
            for source in sets.intercept:
                counts = np.unique(source, return_counts=True)[1]
                assert np.ptp(counts) <= 1
                assert counts.sum() == asked.draws.n_draws


@UNFITTED
def test_the_mode_says_what_is_new_of_all_fitted_alike(any_fit, market):
    """One draw is copied: tables still have no intervals, and fitted parts answer as before."""
    X = with_new(market, NEW[0])
    table, change = any_fit.shares(X), any_fit.counterfactual(X, {"price": 0.9}, products=NEW[0])
    elasticity = any_fit.elasticities(X)
    if any_fit.draws_.n_draws > 1:
        assert table["sd"].notna().all()
        return
    for each in (table, change, elasticity):
        assert each["sd"].isna().all()
    np.testing.assert_allclose(table["mean"].groupby("category").sum(), 1.0)
    assert (change["after"] - change["before"]).xs(NEW[0], level="product").gt(0).all()
    others = market[market["choice_set"] == market["choice_set"].iloc[-1]]
    strangers = others.assign(choice_set=99_999, customer=777)
    together = pd.concat([market, strangers], ignore_index=True)
    np.testing.assert_allclose(
        any_fit.predict_proba(together)[: len(market)], any_fit.predict_proba(market), rtol=SAME
    )


def test_a_mode_for_a_new_customer_is_that_of_no_single_one(any_fit, market):
    if any_fit.draws_.n_draws > 1:
        pytest.skip("draws take one customer each")
    one = market[market["choice_set"] == market["choice_set"].iloc[0]]
    fitted = [
        any_fit.predict_proba(one.assign(choice_set=50_000 + k, customer=label))[:, 1]
        for k, label in enumerate(any_fit.panel_.customer)
    ]
    new = any_fit.predict_proba(one.assign(choice_set=60_000, customer=777))[:, 1]
    np.testing.assert_allclose(new, np.mean(fitted, axis=0), rtol=SAME)
