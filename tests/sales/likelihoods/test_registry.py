"""A likelihood is a record in the registry, and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import UnknownNameError
from hdfm.sales.likelihoods import registry
from hdfm.sales.likelihoods.registry import FAMILIES, likelihood_of

STRANGER = "stranger"


@pytest.mark.parametrize("name", FAMILIES)
def test_names(name):
    assert likelihood_of(name).name == name


@pytest.mark.parametrize("name", [STRANGER, None])
def test_unknown_names(name):
    with pytest.raises(UnknownNameError, match=f"no case for likelihood {name!r}"):
        likelihood_of(name)


@pytest.mark.parametrize("inference", ["laplace", "nuts"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_likelihood_that_is_registered_answers_everything(
    name, inference, elasticity, volumes, mock_sampling, monkeypatch
):
    monkeypatch.setitem(registry.FAMILIES, STRANGER, replace(FAMILIES[name], name=STRANGER))
    monkeypatch.setattr("hdfm.sales.arguments.LIKELIHOODS", (name, STRANGER))
    sales, units = volumes, np.ceil(volumes["units_sold"])
    known, stranger = (
        elasticity(likelihood=likelihood, inference=inference).fit(sales, units)
        for likelihood in (name, STRANGER)
    )
    new = sales.assign(price=0.9 * sales["price"])
    pd.testing.assert_frame_equal(stranger.elasticities_, known.elasticities_)
    pd.testing.assert_frame_equal(stranger.optimal_price(1.0), known.optimal_price(1.0))
    for ask in (
        lambda model: model.predict(new),
        lambda model: model.predict_quantiles(new),
        lambda model: model.score(sales, units),
        lambda model: model.sample_prior(sales, draws=2)["prior_predictive"]["units"],
    ):
        np.testing.assert_array_equal(ask(stranger), ask(known))
