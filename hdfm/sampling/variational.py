"""A quick look at a posterior: mean-field variational inference.

Importing this module imports JAX: import it inside functions. D: coordinates.
"""

import time

import numpy as np
import pymc as pm

from hdfm.sampling.density import density_of
from hdfm.sampling.nuts import BLOCK, deterministics

# After hdfm.sampling.density, which loads JAX and leaves its settings as they were.
import jax  # isort: skip
import jax.numpy as jnp  # isort: skip
import numpyro  # isort: skip
from numpyro import distributions as dist  # isort: skip
from numpyro.infer import SVI, Trace_ELBO  # isort: skip

from hdfm.sampling.draws import PosteriorDraws, kept_draws
from hdfm.sampling.session import jax_session
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import DrawStore, Reported

STEPS, STEP_SIZE, FIRST_SD = 2500, 0.05, 0.1


@jax_session()
def variational(model: pm.Model, reported: Reported, settings: SamplingSettings) -> PosteriorDraws:
    """Draws of a mean-field normal approximation in the coordinates to sample in [1]_.

    ``settings.chains`` times ``settings.draws`` independent draws, arranged as chains. Among the statistics
    ``log_weight``, the log density less that of the approximation, tells how far the two are apart [2]_.

    References
    ----------
    .. [1] Kucukelbir, Tran, Ranganath, Gelman, Blei (2017), "Automatic Differentiation Variational
       Inference", Journal of Machine Learning Research 18.
    .. [2] Yao, Vehtari, Simpson, Gelman (2018), "Yes, but Did It Work?: Evaluating Variational Inference",
       Proceedings of the 35th International Conference on Machine Learning.
    """
    begin = time.perf_counter()
    density = density_of(model, reported.names)
    start = jnp.asarray(density.start)
    density.program.ready()

    def target(data):
        q = numpyro.sample("q", dist.ImproperUniform(dist.constraints.real_vector, (), start.shape))
        numpyro.factor("log_density", -density.program.potential(q, data))

    def guide(data):
        location = numpyro.param("location", start)
        scale = numpyro.param("scale", jnp.full_like(start, FIRST_SD), constraint=dist.constraints.positive)
        numpyro.sample("q", dist.Normal(location, scale).to_event(1))

    optimiser = numpyro.optim.Adam(lambda step: STEP_SIZE * (1 + jnp.cos(jnp.pi * step / STEPS)) / 2)
    key_fit, key_draw = jax.random.split(jax.random.PRNGKey(settings.seed))
    fit = (
        SVI(target, guide, optimiser, Trace_ELBO())
        .run(key_fit, STEPS, density.data, progress_bar=False)
        .params
    )
    store = DrawStore(reported, settings.chains, settings.draws)
    lp, log_q = np.empty((2, settings.chains, settings.draws))
    for offset in range(0, settings.draws, BLOCK):
        key_draw, key = jax.random.split(key_draw)
        piece = slice(offset, min(offset + BLOCK, settings.draws))
        shape = (settings.chains, piece.stop - offset, start.size)
        noise = jax.random.normal(key, shape)
        q = fit["location"] + fit["scale"] * noise
        store.add(deterministics(density, np.asarray(q)))
        lp[:, piece] = [[-density.potential(draw) for draw in chain] for chain in q]
        log_q[:, piece] = -(noise**2).sum(axis=-1) / 2 - jnp.log(fit["scale"]).sum()
    statistics = {"lp": lp, "log_weight": lp - log_q, "diverging": np.zeros(lp.shape, bool)}
    return kept_draws(store, statistics, STEPS, time.perf_counter() - begin, "numpyro")
