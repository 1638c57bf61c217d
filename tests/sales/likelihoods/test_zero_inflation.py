"""Products that in some periods are not to be had: zeros that tell nothing of price."""

import numpy as np
import pytest
from conftest import NO_PATHS, ROLES

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import InvalidArgumentError

ODDS = 0.5
CLOSE = 0.3  # of a sd: Monte Carlo error of some hundred effective draws, and Laplace's own
QUICK = {"draws": 500, "chains": 2, "progressbar": False}


@pytest.fixture(scope="module")
def sales():
    return simulate_sales(60, 3, 40, 0.4, 5, noise="zero_inflated_poisson", dispersion=1 / ODDS)


@pytest.fixture(scope="module")
def laplace(sales):
    return fitted(sales, "zero_inflated_poisson", inference="laplace")


def fitted(sales, likelihood, **arguments):
    model = HierarchicalElasticity(**{**ROLES, **NO_PATHS, **QUICK, "likelihood": likelihood, **arguments})
    return model.fit(sales, sales["units_sold"])


def error(model, sales):
    truth = sales.groupby("product")["product_elasticity"].first()
    return float(abs(model.elasticities_["mean"] - truth).mean())


def test_simulated_zeros_are_as_many_as_the_odds_say(sales):
    expected = (ODDS + np.exp(-sales["expected_units"])) / (1 + ODDS)
    sd = np.sqrt((expected * (1 - expected)).sum())
    assert (sales["units_sold"] == 0).sum() == pytest.approx(expected.sum(), abs=4 * sd)


def test_odds_are_found_and_elasticities_gain(sales, laplace):
    odds = laplace.idata_["posterior"]["zero_odds"]
    assert float(odds.mean()) == pytest.approx(ODDS, abs=3 * float(odds.std()))
    assert error(laplace, sales) < error(fitted(sales, "negative_binomial", inference="laplace"), sales)
    assert laplace.predict(sales).sum() == pytest.approx(sales["units_sold"].sum(), rel=0.1)


@pytest.mark.slow
def test_laplace_and_nuts_agree(sales, laplace):
    chains = fitted(sales, "zero_inflated_poisson", draws=1000, tune=500)
    one, other = laplace.elasticities_, chains.elasticities_
    assert (abs(one["mean"] - other["mean"]) / other["sd"]).max() < CLOSE
    odds = [float(model.idata_["posterior"]["zero_odds"].mean()) for model in (laplace, chains)]
    assert odds[0] == pytest.approx(odds[1], abs=0.03)


def test_samples_selected_on_totals_are_refused(sales):
    with pytest.raises(InvalidArgumentError, match="selected_above can't be had with likelihood='zero_infl"):
        fitted(sales, "zero_inflated_poisson", selected_above=1)
