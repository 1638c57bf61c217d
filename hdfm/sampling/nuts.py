"""NUTS on JAX, in blocks of draws, so that an interrupt keeps what was finished.

The log density and the deterministics come from :mod:`pymc.sampling.jax`, the transitions from NumPyro.
Importing this module imports JAX: import it inside functions.

Array names and axis order: C chains, B iterations of a block, D coordinates. q (C, D); draws (C, n, D)
"""

import functools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pymc as pm

from hdfm.exceptions import HdfmError, InterruptedSamplingWarning, InvalidArgumentError, warn_caller
from hdfm.sampling.blocks import Block
from hdfm.sampling.density import Data, Density, Program, density_of
from hdfm.sampling.draws import PosteriorDraws, kept_draws
from hdfm.sampling.progress import SamplingProgress, announce
from hdfm.sampling.session import jax_session, precision, written_sources
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import DrawStore, Reported, collect
from hdfm.sampling.streams import Stream, stream

# After hdfm.sampling.density, which loads JAX and leaves its settings as they were.
import jax  # isort: skip
import jax.numpy as jnp  # isort: skip
from numpyro.infer.hmc import HMCState, hmc  # isort: skip
from numpyro.infer.util import ParamInfo  # isort: skip

BLOCK = 25
LEAST_DRAWS = 4
PROBES, MORE_PROBES = 30, 100
SHORT_WARM_UP = 200  # iterations; the last window for scales then has less than 75 of them
JITTER = 1.0
WARM_UP_STEPS = 2  # times the steps of a draw
MOST_AT_ONCE = 500_000  # coordinates of points whose deterministics are found together
STATISTICS = ("diverging", "num_steps", "accept_prob", "potential_energy", "energy")
STATISTIC_NAMES = {"num_steps": "n_steps", "accept_prob": "acceptance_rate", "potential_energy": "lp"}


@jax_session()
def sample_numpyro(model: pm.Model, reported: Reported, settings: SamplingSettings) -> PosteriorDraws:
    """Draw from a model's posterior with NumPyro's NUTS.

    Every chain has a thread of its own on a CPU, where none waits for another's longer trajectories; on an
    accelerator they are vectorised. An interrupt during warm-up is passed on; one that comes later ends
    sampling with the draws finished so far, and a warning. With a ``settings.checkpoint`` a killed process
    loses at most one block: the next call goes on from there.

    Raises
    ------
    HdfmError
        If the log density or its gradient is not finite where sampling starts.
    """
    begin = time.perf_counter()
    density, rng = density_of(model, reported.names), stream(settings.seed, Stream.NUTS)
    keeps_scale = settings.whitened and settings.tune < SHORT_WARM_UP
    scale, seconds = posterior_scale(density, rng, MORE_PROBES if keeps_scale else PROBES)
    announce(time_text(seconds, settings), settings.progressbar)
    q = density.start + JITTER * scale * rng.uniform(-1, 1, (settings.chains, scale.size))
    keys = rng.integers(2**32, size=(settings.chains, 2), dtype=np.uint32)
    kernel = Kernel(density.program, settings, adapts_scale=not keeps_scale)
    states = [kernel.start(density, at, scale, key) for at, key in zip(q, keys, strict=True)]
    chains = Chains(kernel, density.data, states)
    store = DrawStore(reported, settings.chains, settings.draws)
    statistics = _run_blocks(chains, density, store, settings)
    statistics["lp"] = -statistics["lp"]
    statistics["tree_depth"] = np.floor(np.log2(np.maximum(statistics["n_steps"], 1))).astype(int) + 1
    if store.seen < settings.draws:
        settings.checkpoint.stay()
    return kept_draws(store, statistics, settings.tune, time.perf_counter() - begin, "numpyro")


def sample_nutpie(model: pm.Model, reported: Reported, settings: SamplingSettings) -> PosteriorDraws:
    """Draw from a model's posterior with nutpie (the ``nutpie`` extra)."""
    try:
        import nutpie
    except ImportError as error:
        raise ImportError('sampler="nutpie" needs nutpie: pip install "hdfm[nutpie]"') from error
    begin = time.perf_counter()
    with written_sources():
        compiled = nutpie.compile_pymc_model(model)
    tree = nutpie.sample(
        compiled,
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
    values = {name: tree["posterior"][name].to_numpy() for name in reported.names}
    store = collect(values, reported, BLOCK)
    return kept_draws(store, statistics, settings.tune, time.perf_counter() - begin, "nutpie")


def time_text(seconds: float, settings: SamplingSettings) -> str:
    """How long sampling will roughly take, given seconds a gradient, to say before it."""
    steps = settings.usual_steps * (settings.draws + WARM_UP_STEPS * settings.tune)
    rounds = -(-settings.chains // _cores())
    minutes = seconds * steps * rounds / 60
    rough = f"{minutes / 60:,.1f} hours" if minutes > 90 else f"{max(minutes, 0.1):,.1f} minutes"
    return f"A gradient takes {1e3 * seconds:.2g} ms: expect roughly {rough} of sampling."


def posterior_scale(density: Density, rng: np.random.Generator, probes: int) -> tuple[np.ndarray, float]:
    """Rough posterior sd (D,) at the start, and the seconds that a gradient takes.

    It is the diagonal of the Hessian, estimated by Hutchinson's probes, to the power -1/2.

    Products with the Hessian are differences of the gradient, which is compiled anyway; second derivatives
    of some graphs take long to compile.

    Raises
    ------
    HdfmError
        If the log density or its gradient is not finite there.
    """
    q = density.start
    value, slope = density.gradient(q)
    if not (np.isfinite(value) and np.isfinite(slope).all()):
        raise HdfmError(
            f"The log density is {-float(value)} where sampling starts, with "
            f"{int((~np.isfinite(slope)).sum())} gradients that are not finite. Look for extreme units, "
            "prices or controls in X and y; model.build_model(X, y).debug() shows the variable."
        )
    step, diagonal, begin = np.finfo(q.dtype).eps ** 0.25, np.zeros(q.shape), time.perf_counter()
    for _ in range(probes):
        v = rng.choice([-1.0, 1.0], q.size).astype(q.dtype)
        ahead, behind = density.gradient(q + step * v)[1], density.gradient(q - step * v)[1]
        diagonal += v * (np.asarray(ahead) - np.asarray(behind)) / (2 * step * probes)
    seconds = (time.perf_counter() - begin) / (2 * probes)
    return (1 / np.sqrt(diagonal.clip(1.0, 1e8))).astype(q.dtype), seconds


class Kernel:
    """NumPyro's NUTS of a program, whose transitions take the data as an argument."""

    def __init__(self, program: Program, settings: SamplingSettings, adapts_scale: bool):
        self.program, self.settings, self.adapts_scale = program, settings, adapts_scale
        self._init, self._sample = hmc(potential_fn_gen=lambda data: lambda q: program.potential(q, data))

    def start(self, density: Density, q: np.ndarray, scale: np.ndarray, key: np.ndarray) -> HMCState:
        """The state of a chain at q (D,)."""
        given = (q, *density.gradient(q), scale, key, density.data)
        return jax.device_get(self._traced("start", self._start, given)(*given))

    def advance(self, state: HMCState, data: Data) -> Callable:
        """What moves the state of a chain on, compiled before several threads ask for it."""
        given = (state, data, np.int32(0))
        key = ("compiled", *self._key)
        if key not in self.program.kept:
            self.program.kept[key] = self._traced("advance", self._moves, given).lower(*given).compile()
        return self.program.kept[key]

    def together(self, states: HMCState, data: Data, n: Any) -> tuple[HMCState, dict[str, jax.Array]]:
        """States of several chains after n iterations, and what :meth:`_moves` collects of each."""
        every = jax.vmap(self._moves, in_axes=(0, None, None))
        return self._traced("together", every, (states, data, n))(states, data, n)

    @property
    def _key(self):
        settings = self.settings
        return settings.tune, settings.first_step, settings.target_accept, self.adapts_scale, BLOCK

    def _traced(self, what, function, given):
        return self.program.traced(what, function, given, *self._key)

    def _start(self, q, value, slope, scale, key, data):
        return self._init(
            ParamInfo(q, value, slope),
            self.settings.tune,
            step_size=self.settings.first_step,
            inverse_mass_matrix=scale**2,
            adapt_mass_matrix=self.adapts_scale,
            target_accept_prob=self.settings.target_accept,
            model_args=(data,),
            rng_key=key,
        )

    def _moves(self, state, data, n):
        """:meth:`_iterate`, of a kernel that has been set up: NumPyro's sampler is by its start."""
        q = state.z
        jax.eval_shape(self._start, q, state.potential_energy, q, q, state.rng_key, data)
        return self._iterate(state, data, n)

    def _iterate(self, state, data, n):
        """The state after n iterations, and q (B, D) and statistics (B,) of these."""

        def iteration(k, carried):
            state, out = carried
            state = self._sample(state, (data,), {})
            values = collected(state)
            return state, {name: out[name].at[k].set(values[name]) for name in out}

        def collected(state):
            values = {STATISTIC_NAMES.get(name, name): getattr(state, name) for name in STATISTICS}
            return values | {"q": state.z, "step_size": state.adapt_state.step_size}

        empty = {k: jnp.zeros((BLOCK, *v.shape), v.dtype) for k, v in collected(state).items()}
        return jax.lax.fori_loop(0, n, iteration, (state, empty))


class Chains:
    """The states of chains, and what moves them on.

    On CPUs each has a thread; accelerators are one group of chains each, so that none waits for another.
    """

    def __init__(self, kernel: Kernel, data: Data, states: list[HMCState]):
        self.kernel, self.states = kernel, states
        devices = accelerators()[: len(states)]
        self.data = [jax.device_put(data, device) for device in devices] if devices else [data]
        self.groups = np.array_split(np.arange(len(states)), len(devices) or len(states))
        self.on_devices = bool(devices)

    @functools.cached_property
    def move(self) -> Callable | None:
        """What moves one chain on a CPU, compiled; None where they are on accelerators."""
        return None if self.on_devices else self.kernel.advance(self.states[0], self.data[0])

    def advance(self, n: int) -> dict[str, np.ndarray]:
        """Move all chains on by n iterations; return q (C, n, D) and statistics (C, n) by name."""
        n_groups = len(self.groups)  # self.move is compiled before threads ask for it
        pool = ThreadPoolExecutor(n_groups if self.move is None else min(n_groups, _cores()))
        try:
            moved = list(pool.map(functools.partial(self._advance, n), range(n_groups)))
        finally:
            pool.shutdown(cancel_futures=True)
        self.states = [state for states, _ in moved for state in states]
        out = [values for _, values in moved]
        return {name: np.concatenate([values[name] for values in out])[:, :n] for name in out[0]}

    def _advance(self, n, k):
        """States and values (c, B, ...) of the chains of group k, after n iterations."""
        states = [self.states[c] for c in self.groups[k]]
        with precision():
            if self.move is not None:
                state, out = jax.device_get(self.move(states[0], self.data[0], np.int32(n)))
                return [state], {name: value[None] for name, value in out.items()}
            device = accelerators()[k]
            stacked, steps = jax.device_put((_stacked(states), np.int32(n)), device)
            moved, out = jax.device_get(self.kernel.together(stacked, self.data[k], steps))
        return [jax.tree.map(lambda leaf, c=c: leaf[c], moved) for c in range(len(states))], out

    def leaves(self) -> list[np.ndarray]:
        """The arrays (C, ...) of the chains' states."""
        return jax.device_get(jax.tree.leaves(_stacked(self.states)))

    def restore(self, leaves: list[np.ndarray]) -> None:
        """Go back to what :meth:`leaves` gave.

        Raises
        ------
        InvalidArgumentError
            If these are of other chains.
        """
        layout, saved_layout = (
            [(leaf.shape, leaf.dtype) for leaf in arrays] for arrays in (self.leaves(), leaves)
        )
        if layout != saved_layout:
            raise InvalidArgumentError(
                "checkpoint holds chains of another model or precision, as other data or PyTensor's floatX "
                "make them. Name another folder, or delete this one."
            )
        form = jax.tree.structure(self.states[0])
        self.states = [
            jax.tree.unflatten(form, [leaf[c] for leaf in leaves]) for c in range(len(self.states))
        ]


def accelerators() -> list[jax.Device]:
    """The devices of this process that are no CPUs."""
    return [device for device in jax.local_devices() if device.platform != "cpu"]


def _stacked(states):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_blocks(
    chains: Chains, density: Density, store: DrawStore, settings: SamplingSettings
) -> dict[str, np.ndarray]:
    """Iterate in blocks, the draws to the store; return statistics (C, n) by name."""
    done, needed = 0, settings.tune + settings.draws
    statistics: list[dict[str, np.ndarray]] = []

    def keep(values):
        draws = deterministics(density, values.pop("q"))
        statistics.append(values)
        store.add(draws)  # last: an interrupt leaves statistics of what is stored, or of more

    for block in settings.checkpoint.blocks(settings.tune):
        chains.restore(block.state)
        if block.values:
            keep(block.values)
        done = block.end
    with SamplingProgress(settings.tune, settings.draws, settings.chains, settings.progressbar) as progress:
        progress.resume(done, statistics)
        try:
            while done < needed:
                n = min(BLOCK, (settings.tune if done < settings.tune else needed) - done)
                values = chains.advance(n)
                drawn = values if done >= settings.tune else {}
                settings.checkpoint.add(Block(done, done + n, chains.leaves(), drawn))
                done += n
                if drawn:
                    keep(drawn)
                progress.update(done, values)
        except KeyboardInterrupt:
            if store.seen < LEAST_DRAWS:
                raise
            warn_caller(
                f"Interrupted: kept the {store.seen:,} of {settings.draws:,} draws a chain that were "
                "finished.",
                InterruptedSamplingWarning,
            )
    return {
        name: np.concatenate([block[name] for block in statistics], axis=1)[:, : store.seen]
        for name in statistics[0]
    }


def deterministics(density: Density, q: np.ndarray) -> dict[str, np.ndarray]:
    """Variables by name (C, n, ...) at coordinates q (C, n, D), a few points at a time."""
    program = density.program
    C, n, D = q.shape
    flat = q.reshape(C * n, D)
    size = max(1, min(BLOCK, MOST_AT_ONCE // max(D, 1)))
    out: list[np.ndarray] = []
    for start in range(0, C * n, size):
        rows = np.arange(start, start + size).clip(max=C * n - 1)
        values = [np.asarray(v) for v in program.deterministics(flat[rows], density.data)]
        if not out:
            out = [np.empty((C * n, *v.shape[1:]), v.dtype) for v in values]
        for target, v in zip(out, values, strict=True):
            target[rows] = v
    return {name: v.reshape(C, n, *v.shape[1:]) for name, v in zip(program.names, out, strict=True)}
