"""Customers that were not fitted: one answer to those who are alike, independent people in sums."""

import numpy as np
import pandas as pd
import pytest
from reference.choice_draws import KERNEL, SAME
from trips import panel_of

from hdfm.choice.panel.rows import encode_choices
from hdfm.choice.posterior.draws import choice_draws, extend_draws

NEWCOMERS = 12


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
