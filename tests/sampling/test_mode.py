"""Quick looks at densities that are known."""

import numpy as np
import pymc as pm
import pytest

from hdfm.exceptions import ConvergenceWarning
from hdfm.sampling import mode
from hdfm.sampling.mode import posterior_mode
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported
from hdfm.sampling.variational import variational
from hdfm.summaries.loo import GOOD_K, pareto_k_of_weights

MEAN, SD = np.array([-2.0, 0.5, 3.0]), np.array([0.3, 1.0, 2.0])
SETTINGS = SamplingSettings(draws=500, tune=0, chains=2, seed=1, progressbar=False)


@pytest.fixture(scope="module")
def model():
    with pm.Model() as model:
        x = pm.Normal("x", MEAN, SD, initval=np.zeros(3))
        pm.Deterministic("total", x.sum())
    return model


def test_mode(model):
    found = posterior_mode(model, Reported(("x", "total")), SETTINGS)
    assert found.values["x"].shape == (1, 1, 3)
    np.testing.assert_allclose(found.values["x"][0, 0], MEAN, atol=1e-4)
    assert found.values["total"].item() == pytest.approx(MEAN.sum(), abs=1e-4)
    logp = model.compile_logp()({"x": found.values["x"][0, 0]})
    assert found.statistics["lp"].item() == pytest.approx(float(logp))


def test_variational(model):
    """A mean-field family holds this posterior."""
    draws = variational(model, Reported(("x", "total")), SETTINGS)
    x = draws.values["x"]
    assert x.shape == (2, 500, 3)
    assert draws.statistics["lp"].shape == (2, 500)
    np.testing.assert_allclose((x.mean(axis=(0, 1)) - MEAN) / SD, 0, atol=0.25)
    np.testing.assert_allclose(x.std(axis=(0, 1)) / SD, 1, atol=0.2)
    np.testing.assert_allclose(draws.values["total"], x.sum(axis=-1))
    assert pareto_k_of_weights(draws.statistics["log_weight"]) < GOOD_K


def test_variational_draws_tell_how_far_they_are_from_the_posterior():
    """No mean-field family holds coordinates that go together."""
    together = 0.99 * np.ones((40, 40)) + 0.01 * np.eye(40)
    with pm.Model() as model:
        pm.MvNormal("x", np.zeros(40), together)
    draws = variational(model, Reported(("x",)), SETTINGS)
    weight = draws.statistics["log_weight"]
    assert pareto_k_of_weights(weight) > GOOD_K
    logp = model.compile_logp()({"x": draws.values["x"][0, 0]})
    assert draws.statistics["lp"][0, 0] == pytest.approx(float(logp))
    assert np.isnan(pareto_k_of_weights(weight[:1, :4]))


def test_a_mode_that_was_not_found_is_said(model, monkeypatch):
    monkeypatch.setitem(mode.MODE_OPTIONS, "maxiter", 1)
    with pytest.warns(ConvergenceWarning, match="ended after 1 steps, before it was found"):
        posterior_mode(model, Reported(("x", "total")), SETTINGS)
