"""Small frames of sales, one real fit, and a sampler that only walks about the start."""

import os
import tempfile

import numpy as np
import pytest
from reference.paths import NO_PATHS

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales

WALK = 0.01
ROLES = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}
CHOICE_ROLES = {  # of simulate_choices
    "customer": "customer",
    "category": "category",
    "product": "product",
    "time": "week",
    "choice_set": "choice_set",
    "price": "price",
    "features": ["display", "feature"],
}
TRIP_ROLES = {  # of trips.many_trips
    "customer": "household",
    "category": "category",
    "product": "brand",
    "time": "week",
    "choice_set": "trip",
    "price": "price",
    "features": ["display", "strength"],
    "availability": "in_stock",
    "customer_covariates": ["income"],
}

UNFITTED = pytest.mark.filterwarnings("ignore:.* not fitted, such as:hdfm.exceptions.DataWarning")


def quick(cases, *few):
    """Parameters of a test of which all but a few are slow."""
    slow = pytest.mark.slow
    return [
        case if case in few else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=slow)
        for case in cases
    ]


def pytest_configure(config):
    """Programs are compiled once a run, and kept apart from the user's own."""
    config.compiled = tempfile.TemporaryDirectory(prefix="hdfm-tests-")
    os.environ.setdefault("HDFM_CACHE_DIR", config.compiled.name)


def pytest_unconfigure(config):
    config.compiled.cleanup()


def walk_about_start(model, reported, settings):
    """PosteriorDraws near the initial point: small noise in the coordinates to sample in, no NUTS.

    ``lp`` is the model's own log density, so that a fit on it also shows whether sampling could start.
    """
    from pytensor.compile.mode import Mode

    from hdfm.sampling.draws import kept_draws
    from hdfm.sampling.store import collect

    found = {variable.name: variable for variable in model.unobserved_value_vars}
    evaluate = model.compile_fn(
        [model.logp(), *(found[name] for name in reported.names)],
        inputs=model.value_vars,
        point_fn=False,
        mode=Mode(linker="py", optimizer=None),
    )
    rng = np.random.default_rng(settings.seed)
    point, size = model.initial_point(), (settings.chains, settings.draws)
    start = [np.asarray(point[variable.name]) for variable in model.value_vars]
    rows = [
        evaluate(*[value + WALK * rng.standard_normal(value.shape) for value in start])
        for _ in range(settings.chains * settings.draws)
    ]
    lp, *columns = (np.stack(column) for column in zip(*rows, strict=True))
    values = {
        name: column.reshape(*size, *column.shape[1:])
        for name, column in zip(reported.names, columns, strict=True)
    }
    statistics = {
        "diverging": np.zeros(size, dtype=bool),
        "n_steps": np.full(size, 7),
        "tree_depth": np.full(size, 3),
        "acceptance_rate": rng.uniform(0.7, 1.0, size),
        "lp": lp.reshape(size),
        "energy": rng.standard_normal(size) - lp.reshape(size),
        "step_size": np.full(size, 0.3),
    }
    return kept_draws(collect(values, reported, 3), statistics, settings.tune, 0.01, "mock")


@pytest.fixture
def mock_sampling(monkeypatch):
    """Draws about the start in place of NUTS, for tests of everything around the posterior."""
    monkeypatch.setattr("hdfm.sampling.nuts.sample_numpyro", walk_about_start)
    monkeypatch.setattr("hdfm.sampling.nuts.sample_nutpie", walk_about_start)


@pytest.fixture
def elasticity():
    """A quick HierarchicalElasticity with the simulator's columns, without paths; keywords override."""

    def make(**changes):
        quick = {"draws": 8, "tune": 5, "chains": 2, "progressbar": False}
        return HierarchicalElasticity(**{**ROLES, **NO_PATHS, **quick, **changes})

    return make


@pytest.fixture(scope="session")
def sales():
    """12 products that all sell, in 2 categories, over 20 periods, with promotions."""
    return simulate_sales(12, 2, 20, seed=366, promotion_prob=0.2)


@pytest.fixture(scope="session")
def sparse_sales():
    """The same with rows missing and late starts."""
    return simulate_sales(12, 2, 20, seed=366, missing_prob=0.2, late_start_prob=0.3)


@pytest.fixture(scope="session")
def volumes():
    """Positive volumes for the log-normal."""
    return simulate_sales(12, 2, 20, seed=366, noise="log_normal")


@pytest.fixture(scope="session")
def fitted_sales():
    """60 products in 3 categories over 40 periods, overdispersed."""
    return simulate_sales(60, 3, 40, seed=1, noise="negative_binomial")


@pytest.fixture(scope="session")
def fitted(fitted_sales):
    """A real fit of ``fitted_sales`` in two seconds; do not change it."""
    options = {"inference": "laplace", "draws": 200, "chains": 2, "progressbar": False}
    model = HierarchicalElasticity(**ROLES, **NO_PATHS, **options)
    return model.fit(fitted_sales, fitted_sales["units_sold"])
