"""Choices drawn from the prior."""

import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES, TRIP_ROLES
from reference.choice import QUICK

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidArgumentError


@pytest.mark.parametrize("y", [None, "chosen"])
def test_prior_draws(trips, y):
    model = DynamicFactorChoiceModel(1, **TRIP_ROLES, **QUICK)
    tree = model.sample_prior(trips, None if y is None else trips[y], draws=9)
    chosen = tree["prior_predictive"]["chosen"]
    assert chosen.sizes == {"chain": 1, "draw": 9, "row": len(trips)}
    assert set(np.unique(chosen)) == {0, 1}
    assert (chosen[..., ~trips["in_stock"].to_numpy()] == 0).all()
    by_set = pd.DataFrame(chosen.to_numpy()[0].T).groupby(trips["trip"].to_numpy()).sum()
    assert (by_set == 1).all(axis=None)
    assert tree["prior"]["alpha"].sizes == {"chain": 1, "draw": 9, "customer": 8, "coefficient": 10}
    again = model.sample_prior(trips, None if y is None else trips[y], draws=9)
    assert again["prior"].to_dataset().equals(tree["prior"].to_dataset())
    np.testing.assert_array_equal(again["prior_predictive"]["chosen"], chosen)


def test_prior_draws_with_an_outside_option(market):
    model = DynamicFactorChoiceModel(0, **CHOICE_ROLES, **QUICK, outside_option=True)
    chosen = model.sample_prior(market, market["chosen"], draws=50)["prior_predictive"]["chosen"]
    by_set = pd.DataFrame(chosen.to_numpy()[0].T).groupby(market["choice_set"].to_numpy()).sum()
    assert set(np.unique(by_set)) == {0, 1}


def test_prior_draws_without_choice_sets(trips):
    model = DynamicFactorChoiceModel(0, features=["display", "price"], availability="in_stock", **QUICK)
    X = trips.sort_values("in_stock")
    assert not X["in_stock"].iloc[0]
    chosen = model.sample_prior(X, draws=30)["prior_predictive"]["chosen"].to_numpy()[0]
    assert (chosen[:, ~X["in_stock"]] == 0).all()
    assert set(np.unique(chosen[:, X["in_stock"]])) == {0, 1}


def test_too_many_prior_draws(trips, monkeypatch):
    monkeypatch.setattr("hdfm.estimator.LARGEST_PRIOR", 1000)
    model = DynamicFactorChoiceModel(0, **TRIP_ROLES, **QUICK)
    with pytest.raises(InvalidArgumentError, match="9 draws of 323 rows are too many to hold; take fewer"):
        model.sample_prior(trips, draws=9)
