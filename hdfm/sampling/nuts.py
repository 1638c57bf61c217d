"""NUTS on JAX, in blocks of draws, so that an interrupt keeps what was finished.

The log density and the deterministics come from :mod:`pymc.sampling.jax`, the transitions from NumPyro.
Importing this module starts JAX: import it inside functions.

Array names and axis order: C chains, B iterations of a block, D coordinates. q (C, D); draws (C, n, D)
"""

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_graph, get_jaxified_logp  # before jax: sets XLA_FLAGS

import jax  # isort: skip
import jax.numpy as jnp  # isort: skip
from jax.flatten_util import ravel_pytree  # isort: skip
from numpyro.infer import NUTS  # isort: skip

from hdfm.exceptions import HdfmError, InterruptedSamplingWarning
from hdfm.sampling.checkpoint import Checkpoint
from hdfm.sampling.draws import PosteriorDraws
from hdfm.sampling.progress import SamplingProgress
from hdfm.sampling.settings import SamplingSettings

BLOCK = 25
LEAST_DRAWS = 4
PROBES, MORE_PROBES = 30, 100
SHORT_WARM_UP = 200  # iterations; the last window for scales then has less than 75 of them
DIFFERENCE = 1e-4
JITTER = 1.0
STATISTICS = ("diverging", "num_steps", "accept_prob", "potential_energy", "energy")
STATISTIC_NAMES = {"num_steps": "n_steps", "accept_prob": "acceptance_rate", "potential_energy": "lp"}


def sample_numpyro(model: pm.Model, names: Sequence[str], settings: SamplingSettings) -> PosteriorDraws:
    """Draw from a model's posterior with NumPyro's NUTS.

    Chains run in parallel on a CPU and vectorised on one accelerator. An interrupt during warm-up is
    passed on; one that comes later ends sampling with the draws finished so far, and a warning. With
    ``settings.checkpoint`` a killed process loses at most one block: the next call goes on from there.

    Parameters
    ----------
    names : sequence of str
        Free variables and deterministics to return.

    Raises
    ------
    HdfmError
        If the log density or its gradient is not finite where sampling starts.
    """
    potential, start, unravel = flat_potential(model)
    key = jax.random.PRNGKey(settings.seed)
    key_scale, key_jitter, key_chains = jax.random.split(key, 3)
    keeps_scale = settings.whitened and settings.tune < SHORT_WARM_UP
    probes = MORE_PROBES if keeps_scale else PROBES
    scale = _posterior_scale(potential, start, key_scale, settings.differences, probes)
    jitter = JITTER * scale * jax.random.uniform(key_jitter, (settings.chains, start.size), minval=-1.0)
    kernel = NUTS(
        potential_fn=potential,
        target_accept_prob=settings.target_accept,
        inverse_mass_matrix=scale**2,
        adapt_mass_matrix=not keeps_scale,
        step_size=settings.first_step,
    )
    numbers = [settings.tune, settings.chains, settings.target_accept, settings.seed]
    identity = {"start": np.asarray(start), "scale": np.asarray(scale), "settings": np.asarray(numbers)}
    checkpoint = Checkpoint(settings.checkpoint, identity)
    keys = jax.random.split(key_chains, settings.chains)
    state = jax.vmap(lambda key, q: kernel.init(key, settings.tune, q, (), {}))(keys, start + jitter)
    statistics, seconds = _run_blocks(kernel, state, settings, checkpoint)
    values = deterministics(model, names, unravel, statistics.pop("q"))
    statistics["lp"] = -statistics["lp"]
    statistics["tree_depth"] = np.floor(np.log2(np.maximum(statistics["n_steps"], 1))).astype(int) + 1
    if statistics["lp"].shape[1] == settings.draws:  # an interrupted fit may go on
        checkpoint.remove()
    return PosteriorDraws(values, statistics, settings.tune, seconds, "numpyro")


def sample_nutpie(model: pm.Model, names: Sequence[str], settings: SamplingSettings) -> PosteriorDraws:
    """Draw from a model's posterior with nutpie (the ``nutpie`` extra)."""
    try:
        import nutpie
    except ImportError as error:
        raise ImportError('sampler="nutpie" needs nutpie: pip install "hdfm[nutpie]"') from error
    begin = time.perf_counter()
    tree = nutpie.sample(
        nutpie.compile_pymc_model(model),
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        target_accept=settings.target_accept,
        seed=settings.seed,
        progress_bar=settings.progressbar,
        save_warmup=False,
    )
    stats = tree["sample_stats"]
    statistics = {
        "diverging": stats["diverging"].to_numpy(),
        "n_steps": stats["n_steps"].to_numpy(),
        "tree_depth": stats["depth"].to_numpy(),
        "lp": stats["logp"].to_numpy(),
        "energy": stats["energy"].to_numpy(),
        "step_size": stats["step_size"].to_numpy(),
    }
    values = {name: tree["posterior"][name].to_numpy() for name in names}
    return PosteriorDraws(values, statistics, settings.tune, time.perf_counter() - begin, "nutpie")


def flat_potential(model: pm.Model) -> tuple[Callable, jax.Array, Callable]:
    """Negative log density of coordinates (D,), where they start, and the way back to the variables.

    In 64 bits, or in 32 with ``pytensor.config.floatX = "float32"``.
    """
    point = model.initial_point()
    start, unravel = ravel_pytree([jnp.asarray(point[variable.name]) for variable in model.value_vars])
    negative_logp = get_jaxified_logp(model, negative_logp=False)  # PyMC names it the other way round
    return lambda q: _traced(negative_logp, unravel(q)), start, unravel


def _traced(function, *values):
    """The function of values, without JAX's word on each 64-bit constant that 32 bits are to hold."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Explicitly requested dtype float64", UserWarning)
        return function(*values)


def _posterior_scale(potential, q, key, differences, probes):
    """Rough posterior sd (D,) at q: Hutchinson's estimate of the Hessian's diagonal, to the power -1/2.

    ``differences`` of the gradient in place of second derivatives, which may take long to compile.
    """
    gradient = jax.jit(jax.value_and_grad(potential))
    value, slope = gradient(q)
    if not (jnp.isfinite(value) and jnp.isfinite(slope).all()):
        raise HdfmError(
            f"The log density is {-float(value)} where sampling starts, with "
            f"{int((~jnp.isfinite(slope)).sum())} gradients that are not finite. Look for extreme units, "
            "prices or controls in X and y; model.build_model(X, y).debug() shows the variable."
        )

    def product(key):
        v = jax.random.rademacher(key, q.shape, dtype=q.dtype)
        return v * jax.jvp(jax.grad(potential), (q,), (v,))[1]

    def difference(key):
        v = jax.random.rademacher(key, q.shape, dtype=q.dtype)
        change = gradient(q + DIFFERENCE * v)[1] - gradient(q - DIFFERENCE * v)[1]
        return v * change / (2 * DIFFERENCE)

    keys = jax.random.split(key, probes)
    if differences:
        diagonal = sum(difference(key) for key in keys) / probes
    else:
        diagonal = jax.jit(lambda keys: jax.lax.map(product, keys).mean(axis=0))(keys)
    return 1 / jnp.sqrt(jnp.clip(diagonal, 1.0, 1e8))


def _run_blocks(kernel, state, settings, checkpoint):
    """Iterate the kernel in blocks; return q (C, n, D) and statistics (C, n) by name, and seconds."""

    def block(state):
        def iterate(state, _):
            state = kernel.sample(state, (), {})
            values = {STATISTIC_NAMES.get(name, name): getattr(state, name) for name in STATISTICS}
            return state, values | {"q": state.z, "step_size": state.adapt_state.step_size}

        return jax.lax.scan(iterate, state, length=BLOCK)

    advance = _over_chains(block, settings.chains)
    begin = time.perf_counter()
    needed = settings.tune + settings.draws
    done, leaves, kept = checkpoint.read()
    if done:
        state = jax.tree.unflatten(jax.tree.structure(state), leaves)
    with SamplingProgress(settings.tune, settings.draws, settings.chains, settings.progressbar) as progress:
        progress.resume(done, kept)
        try:
            while done < needed:
                state, collected = advance(state)
                values = jax.device_get(collected)
                fresh = slice(max(settings.tune - done, 0), None)
                done += BLOCK
                if done > settings.tune:
                    kept.append({name: value[:, fresh] for name, value in values.items()})
                checkpoint.add(done, jax.device_get(jax.tree.leaves(state)), kept[-1] if kept else None)
                progress.update(min(done, needed), values)
        except KeyboardInterrupt:
            finished = min(settings.draws, sum(block["q"].shape[1] for block in kept))
            if finished < LEAST_DRAWS:
                raise
            warnings.warn(
                f"Interrupted: kept the {finished:,} of {settings.draws:,} draws a chain that were finished.",
                InterruptedSamplingWarning,
                stacklevel=4,
            )
    together = {name: np.concatenate([block[name] for block in kept], axis=1) for name in kept[0]}
    return {
        name: values[:, : settings.draws] for name, values in together.items()
    }, time.perf_counter() - begin


def _over_chains(block, chains):
    """The block for all chains: parallel over the devices of a CPU, else vectorised."""
    if jax.default_backend() == "cpu" and chains <= jax.local_device_count():
        return jax.pmap(block)
    return jax.jit(jax.vmap(block))


def deterministics(model, names, unravel, q):
    """Variables by name (C, n, ...) at coordinates q (C, n, D), in blocks."""
    found = {variable.name: variable for variable in model.unobserved_value_vars}
    graph = get_jaxified_graph(inputs=model.value_vars, outputs=[found[name] for name in names])
    evaluate = jax.jit(jax.vmap(lambda flat: _traced(graph, *unravel(flat))))
    C, n, D = q.shape
    flat, out = q.reshape(C * n, D), None
    for first in range(0, C * n, BLOCK):
        rows = np.arange(first, first + BLOCK).clip(max=C * n - 1)
        values = [np.asarray(v) for v in evaluate(flat[rows])]
        if out is None:
            out = [np.empty((C * n, *v.shape[1:])) for v in values]
        for target, v in zip(out, values, strict=True):
            target[rows] = v
    return {name: v.reshape(C, n, *v.shape[1:]) for name, v in zip(names, out, strict=True)}
