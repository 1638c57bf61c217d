"""A made-up posterior of choice and its panel."""

import pytest
from reference.choice_draws import hand_posterior
from trips import many_trips, panel_of

from hdfm.choice.posterior.draws import choice_draws


@pytest.fixture(scope="module")
def trips():
    return many_trips()


@pytest.fixture(scope="module")
def panel(trips):
    return panel_of(trips)


@pytest.fixture(scope="module")
def posterior(panel):
    return hand_posterior(panel)


@pytest.fixture(scope="module")
def draws(posterior, panel):
    return choice_draws(posterior, panel)
