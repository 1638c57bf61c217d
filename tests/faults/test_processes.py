"""Processes that are killed, interrupted, short of room or memory, or forked, in both models."""

import multiprocessing
import random
import signal
import sys
import time

import pytest
from faults.chain import block, names
from faults.fits import ENDS, FITS, digest, start

from hdfm.exceptions import InvalidArgumentError
from hdfm.sampling.blocks import block_files, end_of
from hdfm.sampling.checkpoint import IDENTITY, LOCK
from hdfm.sampling.nuts import Chains

resource = pytest.importorskip("resource", reason="limits and signals of POSIX")

pytestmark = pytest.mark.xdist_group("processes")  # which have compiled programs in common

LONG = {"draws": 400, "tune": 100}  # so that there is time to be killed in
KILLS, PATIENCE, LONGEST_NAP = 2, 120, 0.1  # seconds
FITTED = "print(digest(fit(checkpoint=r'{folder}', **{changes})))"
NO_ROOM = """
    import resource
    from faults.chain import block, names
    from hdfm.sampling.progress import SamplingProgress

    def update(self, done, statistics):
        if done == {second}:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        if done == {last}:
            print(*names(Path(r"{folder}")))

    SamplingProgress.update = update
"""
NO_MEMORY = """
    import resource
    from unittest import mock
    import numpy as np

    def tables(*args, **kwargs):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + 2**26
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        return np.ones(2**28)

    try:
        with mock.patch(fit.tables, tables):
            fit(checkpoint=r"{folder}")
    except MemoryError:
        print("MemoryError")
"""
INTERRUPTED = """
    import warnings
    with warnings.catch_warnings(record=True, action="always") as told:
        model = fit(checkpoint=r"{folder}", **{changes})
    print(model.idata_["posterior"].sizes["draw"], *(type(each.message).__name__ for each in told))
"""
FORKED = """
    import jax, multiprocessing
    jax.numpy.ones(3).sum().block_until_ready()

    def child(queue):
        try:
            fit(checkpoint=r"{folder}")
        except Exception as error:
            queue.put(f"{{type(error).__name__}}: {{error}}")

    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    process.join(100)
    assert process.exitcode == 0, process.exitcode
    told = queue.get()
    assert told.startswith("HdfmError") and '"spawn"' in told, told
"""


@pytest.fixture(params=FITS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder where these processes find what others have compiled."""
    return {"HDFM_CACHE_DIR": str(tmp_path_factory.mktemp("programs"))}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


def ended(process):
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors[-3000:]
    return out.split()


def signalled(process, folder, end, rng, which):
    """The process gets a signal some time after so many iterations a chain."""
    deadline = time.monotonic() + PATIENCE
    while not (folder / block(end)).exists():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(rng.uniform(0, LONGEST_NAP))
    process.send_signal(which)


@pytest.mark.slow
def test_killed_and_used_by_another_process(name, folder, programs):
    fit, rng, done = FITS[name](), random.Random(1), 0
    whole = digest(fit(**LONG))
    for _ in range(KILLS):
        process = start(name, FITTED.format(folder=folder, changes=LONG), **programs)
        try:
            signalled(process, folder, done + rng.choice((25, 50, 75)), rng, signal.SIGSTOP)
            with pytest.raises(InvalidArgumentError, match="is in use by another fit"):
                fit(checkpoint=folder, **LONG)
        finally:
            process.kill()
            process.communicate()
        done = max(end_of(file) for file in block_files(folder))
        assert LOCK in names(folder)
    assert done < 500
    assert digest(fit(checkpoint=folder, **LONG)) == whole
    assert not folder.exists()


@pytest.mark.slow
def test_interrupted(name, folder, programs):
    fit, rng = FITS[name](), random.Random(2)
    process = start(name, INTERRUPTED.format(folder=folder, changes=LONG), **programs)
    signalled(process, folder, 150, rng, signal.SIGINT)
    draws, *told = ended(process)
    assert 50 <= int(draws) < LONG["draws"]
    assert told[0] == "InterruptedSamplingWarning"
    assert set(told[1:]) <= {"ConvergenceWarning"}
    assert digest(fit(checkpoint=folder, **LONG)) == digest(fit(**LONG))


@pytest.mark.slow
def test_no_room(name, folder, programs):
    no_room = NO_ROOM.format(folder=folder, second=ENDS[2], last=ENDS[-1])
    *left, found = ended(start(name, no_room, FITTED.format(folder=folder, changes={}), **programs))
    assert left == [*map(block, ENDS[:3]), IDENTITY, LOCK]
    assert found == digest(FITS[name]()())
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc, and limits that are kept")
def test_no_memory_after_sampling(name, folder, programs, monkeypatch):
    fit = FITS[name]()
    whole = digest(fit())
    assert ended(start(name, NO_MEMORY.format(folder=folder), **programs)) == ["MemoryError"]
    assert names(folder) == [*map(block, ENDS), IDENTITY, LOCK]
    monkeypatch.setattr(Chains, "advance", None)  # nothing is sampled again
    assert digest(fit(checkpoint=folder)) == whole


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.parametrize("name", ["sales", pytest.param("choice", marks=pytest.mark.slow)])
def test_a_forked_child_is_told_what_to_do(name, folder):
    assert ended(start(name, FORKED.format(folder=folder), HDFM_CACHE_DIR="off")) == []
    assert not folder.exists()
