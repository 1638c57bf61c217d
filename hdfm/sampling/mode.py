"""A quick look at a posterior: its mode.

Importing this module imports JAX: import it inside functions. D: coordinates.
"""

import time
from dataclasses import replace

import numpy as np
import pymc as pm
from scipy.optimize import minimize

from hdfm.exceptions import ConvergenceWarning, warn_caller
from hdfm.sampling.density import density_of
from hdfm.sampling.draws import PosteriorDraws, kept_draws
from hdfm.sampling.nuts import deterministics
from hdfm.sampling.session import jax_session
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported, collect

MODE_OPTIONS = {"maxiter": 2000, "ftol": 1e-13}
OUT_OF_STEPS = 1  # of scipy.optimize's L-BFGS-B


@jax_session()
def posterior_mode(model: pm.Model, reported: Reported, settings: SamplingSettings) -> PosteriorDraws:
    """The mode in the coordinates to sample in, by L-BFGS, as one draw of one chain."""
    begin = time.perf_counter()
    density = density_of(model, reported.names)

    def loss(q):
        value, slope = density.gradient(q)
        return float(value), np.asarray(slope)

    fit = minimize(
        loss,
        density.start,
        jac=True,
        method="L-BFGS-B",
        options=MODE_OPTIONS,
    )
    if fit.status == OUT_OF_STEPS:
        warn_caller(
            f"The search for the mode ended after {fit.nit:,} steps, before it was found: estimates may be "
            'far off. Take inference="nuts".',
            ConvergenceWarning,
        )
    store = collect(deterministics(density, fit.x[None, None]), replace(reported, keep="draws"), 1)
    statistics = {"lp": np.array([[-fit.fun]]), "diverging": np.zeros((1, 1), dtype=bool)}
    return kept_draws(store, statistics, 0, time.perf_counter() - begin, "scipy")
