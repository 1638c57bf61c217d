"""Small fits of both models in several ways, each made once, with the frame to ask about."""

import warnings

import conftest
import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES, NO_PATHS, ROLES

from hdfm import ChoicePriors, DynamicFactorChoiceModel, ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales
from hdfm.exceptions import ApproximationWarning

QUICK = {"draws": 8, "tune": 5, "chains": 2, "progressbar": False}
FACTORS = {"n_factors": 1, "n_category_factors": 1, "n_individual_factors": 1}


def sales_frame():
    sales = simulate_sales(4, 2, 8, seed=366)
    return sales.assign(
        time_period=pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * sales["time_period"], "D")
    )


def choice_frame():
    return simulate_choices(4, 2, 5, alternatives=3, sets_per_customer=4, seed=1)[0]


def sales_fit(**options):
    sales = sales_frame()
    return HierarchicalElasticity(**ROLES, **{**QUICK, **options}).fit(sales, sales["units_sold"]), sales


def choice_fit(**options):
    choices = choice_frame()
    model = DynamicFactorChoiceModel(**{**CHOICE_ROLES, **QUICK, **options})
    return model.fit(choices, choices["chosen"]), choices


FITS = {
    "sales, laplace": lambda: sales_fit(inference="laplace"),
    "sales, nuts": lambda: sales_fit(
        priors=ElasticityPriors.article(), random_state=np.random.RandomState(3), sign="negative", **NO_PATHS
    ),
    "choices, nuts": lambda: choice_fit(**FACTORS, priors=ChoicePriors(customer_sd=0.5)),
    "choices, means": lambda: choice_fit(n_factors=1, keep="means", random_state=np.int64(3)),
    "choices, some draws": lambda: choice_fit(n_factors=0, keep=5, gp="exact"),
    "choices, map": lambda: choice_fit(n_factors=1, inference="map", customer=None),
    "choices, variational": lambda: choice_fit(n_factors=1, inference="variational", customer=None),
}
SMALLEST = ("sales, laplace", "choices, some draws")
_MADE: dict = {}


def made(name):
    """A fit and its frame; do not change them."""
    if name not in _MADE:
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore", ApproximationWarning)  # of few steps
            patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
            patch.setattr("hdfm.sampling.variational.STEPS", 50)
            _MADE[name] = FITS[name]()
    return _MADE[name]


@pytest.fixture(params=list(FITS))
def fit(request):
    return made(request.param)


@pytest.fixture(params=SMALLEST)
def small_fit(request):
    return made(request.param)


@pytest.fixture(params=[HierarchicalElasticity, DynamicFactorChoiceModel])
def estimator(request):
    return request.param
