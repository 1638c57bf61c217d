"""Quick looks at densities that are known."""

import numpy as np
import pymc as pm
import pytest

from hdfm.sampling.mode import posterior_mode
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported
from hdfm.sampling.variational import variational

MEAN, SD = np.array([-2.0, 0.5, 3.0]), np.array([0.3, 1.0, 2.0])
SETTINGS = SamplingSettings(draws=500, tune=0, chains=2, seed=1, progressbar=False)


@pytest.fixture(scope="module")
def model():
    with pm.Model() as model:
        x = pm.Normal("x", MEAN, SD, initval=np.zeros(3))
        pm.Deterministic("total", x.sum())
    return model


def test_mode(model):
    mode = posterior_mode(model, Reported(("x", "total")), SETTINGS)
    assert mode.values["x"].shape == (1, 1, 3)
    np.testing.assert_allclose(mode.values["x"][0, 0], MEAN, atol=1e-4)
    assert mode.values["total"].item() == pytest.approx(MEAN.sum(), abs=1e-4)
    logp = model.compile_logp()({"x": mode.values["x"][0, 0]})
    assert mode.statistics["lp"].item() == pytest.approx(float(logp))


def test_variational(model):
    """A mean-field family holds this posterior."""
    draws = variational(model, Reported(("x", "total")), SETTINGS)
    x = draws.values["x"]
    assert x.shape == (2, 500, 3)
    assert draws.statistics["lp"].shape == (2, 500)
    np.testing.assert_allclose((x.mean(axis=(0, 1)) - MEAN) / SD, 0, atol=0.25)
    np.testing.assert_allclose(x.std(axis=(0, 1)) / SD, 1, atol=0.2)
    np.testing.assert_allclose(draws.values["total"], x.sum(axis=-1))
