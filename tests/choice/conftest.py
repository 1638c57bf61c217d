"""Two fits of the choice model on draws about the start, and their frames."""

import warnings
from contextlib import contextmanager

import conftest
import numpy as np
import pytest
from conftest import CHOICE_ROLES, TRIP_ROLES
from reference.choice import QUICK, SPREAD
from reference.choice_frames import choice_model
from trips import many_trips

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.exceptions import ApproximationWarning


@contextmanager
def walking(size):
    """The walk about the start, in steps of some size, in place of NUTS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "WALK", size)
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        yield


@pytest.fixture
def spread_sampling():
    """The walk about the start in larger steps."""
    with walking(SPREAD):
        yield


@pytest.fixture(scope="session")
def trips():
    return many_trips()


@pytest.fixture(scope="session")
def model(trips):
    """All three tiers, covariates, unavailable alternatives, log price; do not change it."""
    with walking(SPREAD):
        return DynamicFactorChoiceModel(2, 1, 1, **TRIP_ROLES, **QUICK).fit(trips, trips["chosen"])


@pytest.fixture(scope="session")
def market():
    frame, _ = simulate_choices(6, 2, 5, alternatives=3, sets_per_customer=4, outside_option=True, seed=1)
    return frame.assign(segment=np.where(frame["customer"] < 3, "old", "new"))


@pytest.fixture(scope="session")
def outside(market):
    """An outside option, linear price and loadings of the population; do not change it."""
    options = {"outside_option": True, "price_transform": "linear", "loadings": "population"}
    with walking(SPREAD):
        return DynamicFactorChoiceModel(1, **CHOICE_ROLES, **QUICK, **options).fit(market, market["chosen"])


@pytest.fixture(scope="session")
def kept(market):
    """Fits on the same draws, of which all, some or means are kept; do not change them."""
    options = {**CHOICE_ROLES, **QUICK, "outside_option": True, "draws": 26, "random_state": 3}
    with walking(SPREAD):
        return {
            keep: DynamicFactorChoiceModel(1, **options, keep=keep).fit(market, market["chosen"])
            for keep in ("draws", 13, "means")
        }


@pytest.fixture(params=["trips", "market"])
def case(request):
    """Each of the two models with its frame."""
    name = {"trips": "model", "market": "outside"}[request.param]
    return request.getfixturevalue(name), request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def few():
    frame, _ = simulate_choices(3, 1, 4, alternatives=3, sets_per_customer=6, seed=4)
    return frame


@pytest.fixture(scope="session")
def quick_looks(few):
    """A mode and a variational fit of few steps, for real."""
    from hdfm.sampling import variational

    roles = CHOICE_ROLES | {"customer": None}
    models = [
        DynamicFactorChoiceModel(1, **roles, **QUICK, inference=name) for name in ("map", "variational")
    ]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)  # of few steps
        patch.setattr(variational, "STEPS", 500)
        return {model.inference: model.fit(few, few["chosen"]) for model in models}


@pytest.fixture(scope="session")
def fitted():
    """A fit without factors on draws about the start; do not change it."""
    frame = many_trips().reset_index(drop=True)
    with walking(conftest.WALK):
        return choice_model().fit(frame, frame["chosen"])
