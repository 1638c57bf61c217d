"""Chains that have not converged are said by the fit itself."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import NO_PATHS, TRIP_ROLES, walk_about_start
from trips import many_trips

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import ConvergenceWarning
from hdfm.summaries.diagnostics import disagreement

FITS = ("sales", "choice")


def fit(model, **options):
    if model == "sales":
        X = simulate_sales(8, 2, 12, seed=366)
        roles = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}
        return HierarchicalElasticity(**roles, **NO_PATHS, **options, progressbar=False).fit(
            X, X["units_sold"]
        )
    X = many_trips().reset_index(drop=True)
    return DynamicFactorChoiceModel(0, **TRIP_ROLES, **options, progressbar=False).fit(X, X["chosen"])


def apart(model, reported, settings):
    """Draws about the start, the second chain elsewhere."""
    draws = walk_about_start(model, reported, settings)
    for values in draws.values.values():
        values[1] += 10 * values.std() + 1e-3
    return draws


@pytest.mark.parametrize("model", FITS)
def test_chains_that_disagree(monkeypatch, model):
    monkeypatch.setattr("hdfm.sampling.nuts.sample_numpyro", apart)
    with pytest.warns(ConvergenceWarning, match=r"R-hat is \d+\.\d+ for \w+.*Raise tune and draws") as said:
        fit(model, draws=60, chains=2)
    assert said[0].filename == __file__


@pytest.mark.parametrize("model", FITS)
def test_too_few_draws(mock_sampling, model):
    with pytest.warns(ConvergenceWarning, match=r"the 2 x 8 draws are worth \d+ for \w+"):
        fit(model, draws=8, chains=2)


@pytest.mark.parametrize("model", FITS)
def test_chains_that_agree(mock_sampling, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, draws=120, chains=2)


@pytest.mark.parametrize(("model", "inference"), [("sales", "laplace"), ("choice", "map")])
def test_other_engines_have_no_chains(model, inference):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, inference=inference, draws=20, chains=2)


@pytest.mark.parametrize(
    ("r_hat", "ess", "said"),
    [(1.01, 200, False), (1.04, 101, False), (1.06, 500, True), (1.0, 99, True), (np.nan, 400, False)],
)
def test_what_is_said(r_hat, ess, said):
    table = pd.DataFrame({"r_hat": [1.0, r_hat], "ess_bulk": [900, ess], "ess_tail": 1000}, index=["a", "b"])
    message = disagreement(table, 2, 500)
    assert bool(message) == said
    assert not said or "for b" in message
