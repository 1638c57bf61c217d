"""A made-up posterior of choice and its panel."""

import pytest
from reference.choice_draws import hand_posterior
from trips import panel_of

from hdfm.choice.posterior.draws import choice_draws


@pytest.fixture(scope="session")
def panel(trips):
    return panel_of(trips)


@pytest.fixture(scope="session")
def posterior(panel):
    return hand_posterior(panel)


@pytest.fixture(scope="session")
def draws(posterior, panel):
    return choice_draws(posterior, panel)
