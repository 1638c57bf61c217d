"""What hdfm needs of the process while it computes, given back as it was found.

Importing this module starts neither PyMC nor JAX. Settings of the whole process are held by whoever computes
first and given back by whoever ends last, so that fits in several threads don't undo each other's.
"""

import functools
import hashlib
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import platformdirs
from threadpoolctl import threadpool_limits

from hdfm.exceptions import HdfmError

CACHE_VARIABLE = "HDFM_CACHE_DIR"
OFF = ("", "0", "off", "none")
CACHE_BYTES = 2**30
SHORTEST_COMPILATION = 0.1  # seconds; what takes less is not kept
DEEPEST_GRAPH = 10_000


class _Held:
    """A context of the whole process: entered once, however many hold it at a time."""

    def __init__(self, settings: Callable[[], Iterator[None]]):
        self.settings, self.lock, self.holders = contextmanager(settings), threading.RLock(), 0
        self.stack = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if not self.holders:
                self.stack.enter_context(self.settings())
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if not self.holders:
                    self.stack.close()


def _process() -> Iterator[None]:
    flags, depth = os.environ.get("XLA_FLAGS"), sys.getrecursionlimit()
    sys.setrecursionlimit(max(depth, DEEPEST_GRAPH))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        sys.setrecursionlimit(depth)
        _set_variable("XLA_FLAGS", flags)


def _set_variable(name, value):
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


_process_held = _Held(_process)


def computes[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """A method that computes with one BLAS thread, and leaves the process's settings as they were.

    BLAS threads wait for each other and for XLA's: a search for a mode took 92.7 s with the default number
    and 2.4 s with one. Importing PyMC and its JAX samplers raises the recursion limit and asks XLA for 100
    devices, which child processes would inherit.
    """

    @functools.wraps(method)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _process_held():
            return method(*args, **kwargs)

    return alone


def _compilations() -> Iterator[None]:
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    folder = None if jax.config.jax_compilation_cache_dir else cache_folder()
    if folder is None:  # switched off, or the user has one
        yield
        return
    wanted = {
        "jax_compilation_cache_dir": str(folder),
        "jax_compilation_cache_max_size": CACHE_BYTES,
        "jax_persistent_cache_min_compile_time_secs": SHORTEST_COMPILATION,
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    _set(wanted)
    reset_cache()  # it is opened once, with the settings of then
    try:
        yield
    finally:
        _set(before)
        reset_cache()


def _set(values):
    import jax

    for name, value in values.items():
        jax.config.update(name, value)


_compilations_held = _Held(_compilations)


@contextmanager
def jax_session() -> Iterator[None]:
    """JAX with compiled programs kept on disk, in the :func:`precision` that hdfm computes in.

    Its settings and devices are afterwards what they were before.

    Raises
    ------
    HdfmError
        In a process forked from one in which JAX had started: it would hang.
    """
    _refuse_fork()
    with _process_held():
        load_jax()
        with _compilations_held(), precision():
            yield


@contextmanager
def precision() -> Iterator[None]:
    """JAX in the precision of PyTensor's ``floatX``, and with its usual random numbers, in this thread."""
    import jax
    import pytensor

    wide = pytensor.config.floatX == "float64"
    with jax.enable_x64(wide), jax.default_prng_impl("threefry2x32"), jax.threefry_partitionable(True):
        yield


@contextmanager
def written_sources() -> Iterator[None]:
    """Within it the source that PyTensor writes of functions goes when the process ends; else it stays."""
    import pytensor

    with pytensor.config.change_flags(generated_src_dir=_sources().name):
        yield


@functools.cache
def _sources() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="hdfm-")


def load_jax() -> None:
    """Import JAX by way of PyMC's samplers, but for their 64 bits and 100 devices: it stays as it was."""
    if "pymc.sampling.jax" in sys.modules:
        return
    import jax

    with _process_held():
        wide, flags = jax.config.jax_enable_x64, os.environ.get("XLA_FLAGS")
        import pymc.sampling.jax  # noqa: F401

        jax.config.update("jax_enable_x64", wide)
        _set_variable("XLA_FLAGS", flags)


def cache_folder() -> Path | None:
    """Where compiled programs are kept between processes; None where they are not.

    ``HDFM_CACHE_DIR`` names another folder than the user's cache, or is "off". In it is a folder for each
    processor and version of JAX, since compiled programs run nowhere else, with at most 1 GB of them and 0.25
    GB of traced ones, what was used last. Only you should be able to write there.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None and named.strip().lower() in OFF:
        return None
    parent = Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("hdfm"))
    folder = parent / f"jax-{version('jaxlib')}-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


@functools.cache
def _processor() -> str:
    """A digest of what code for this processor may use."""
    traits = [platform.machine(), platform.processor(), *np.show_config("dicts")["SIMD Extensions"]["found"]]
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    traits += [next((line for line in lines if line.startswith(("flags", "Features"))), "")]
    return hashlib.sha256("\n".join(traits).encode()).hexdigest()[:12]


class _Forks:
    """Whether this process came from one in which JAX had started, whose threads it does not have."""

    started = of_started = False

    @classmethod
    def before(cls) -> None:
        bridge = sys.modules.get("jax._src.xla_bridge")
        cls.started = bridge is not None and getattr(bridge, "backends_are_initialized", lambda: True)()

    @classmethod
    def in_child(cls) -> None:
        cls.of_started = cls.of_started or cls.started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_Forks.before, after_in_child=_Forks.in_child)


def _refuse_fork() -> None:
    if _Forks.of_started:
        raise HdfmError(
            "This process was forked from one in which JAX had started, where sampling would hang. Start "
            'processes with multiprocessing.get_context("spawn"), or with joblib\'s default "loky" backend.'
        )
