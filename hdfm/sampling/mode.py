"""A quick look at a posterior: its mode.

Importing this module starts JAX: import it inside functions. D: coordinates.
"""

import time
from collections.abc import Sequence

import numpy as np
import pymc as pm

from hdfm.sampling.nuts import deterministics, flat_potential  # before jax: sets its flags

import jax  # isort: skip
from scipy.optimize import minimize  # isort: skip

from hdfm.sampling.draws import PosteriorDraws
from hdfm.sampling.settings import SamplingSettings

MODE_OPTIONS = {"maxiter": 2000, "ftol": 1e-13}


def posterior_mode(model: pm.Model, names: Sequence[str], settings: SamplingSettings) -> PosteriorDraws:
    """The mode in the coordinates to sample in, by L-BFGS, as one draw of one chain."""
    begin = time.perf_counter()
    potential, start, unravel = flat_potential(model)
    gradient = jax.jit(jax.value_and_grad(potential))

    def loss(q):
        value, slope = gradient(q)
        return float(value), np.asarray(slope)

    fit = minimize(
        loss,
        np.asarray(start),
        jac=True,
        method="L-BFGS-B",
        options=MODE_OPTIONS,
    )
    values = deterministics(model, names, unravel, fit.x[None, None])
    statistics = {"lp": np.array([[-fit.fun]]), "diverging": np.zeros((1, 1), dtype=bool)}
    return PosteriorDraws(values, statistics, 0, time.perf_counter() - begin, "scipy")
