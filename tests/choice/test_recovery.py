"""Factors of simulated choices are found by real sampling."""

import numpy as np
import pytest
from conftest import CHOICE_ROLES

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices

pytestmark = pytest.mark.xdist_group("recovery of choice")  # which have a program in common
CORRELATION = 0.9
R_HAT = 1.05  # 600 draws of two chains, largest of hundreds of quantities
DIVERGENT_SHARE = 0.001
COVERAGE = 0.7  # of 90 % bands by one seed, whose errors are a few shared numbers
SMALL_SHARE = 0.05


@pytest.fixture(scope="module")
def fit():
    def make(n_true):
        choices, truth = simulate_choices(60, 2, 40, n_factors=n_true, seed=3)
        model = DynamicFactorChoiceModel(
            n_factors=1,
            **CHOICE_ROLES,
            loadings="population",
            draws=300,
            tune=250,
            chains=2,
            progressbar=False,
        )
        return model.fit(choices, choices["chosen"]), truth

    return make


def invariant(model):
    table = model.diagnostics()
    return table[table["about"] == "label-invariant"]


@pytest.mark.slow
def test_a_factor_is_found(fit):
    model, truth = fit(1)
    fitted = model.factors_.mean(("chain", "draw")).to_numpy().ravel()
    assert np.corrcoef(fitted, truth.factors.to_numpy().ravel())[0, 1] > CORRELATION
    assert invariant(model)["r_hat"].max() < R_HAT
    assert model.idata_["sample_stats"]["diverging"].mean() <= DIVERGENT_SHARE
    table = model.coefficients(by="time", ci_prob=0.9)
    inside = []
    for category in model.panel_.category:
        paths = truth.coefficients(category).mean("customer")
        for predictor in paths["predictor"].to_numpy():
            own = table.xs((category, predictor), level=("category", "predictor"))
            path = paths.sel(predictor=predictor).to_numpy()
            inside.append(((own["lower"] <= path) & (path <= own["upper"])).mean())
    assert np.mean(inside) > COVERAGE


@pytest.mark.slow
def test_nothing_moves_where_nothing_does(fit):
    model, _ = fit(0)
    assert model.factor_table_["share_of_all"].max() < SMALL_SHARE
    assert model.idata_["sample_stats"]["diverging"].mean() <= DIVERGENT_SHARE
