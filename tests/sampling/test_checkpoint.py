"""A killed fit goes on where it was, and ends as if nothing had happened."""

import subprocess
import sys
import textwrap

import pytest
import xarray as xr

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import CheckpointWarning, InterruptedSamplingWarning, InvalidArgumentError
from hdfm.sampling import checkpoint as module
from hdfm.sampling.nuts import BLOCK
from hdfm.sampling.progress import SamplingProgress

ENDS_OF_BLOCKS = (25, 40, 65, 90, 115, 130)  # of 40 iterations of warm-up and 90 draws
PRODUCTS, GROUPS, PERIODS, SEED = 3, 1, 8, 5


def model(**changes):
    quick = {"draws": 90, "tune": 40, "chains": 2, "progressbar": False}
    return HierarchicalElasticity("product", price="price", **{**quick, **changes})


@pytest.fixture(scope="module")
def sales():
    return simulate_sales(PRODUCTS, GROUPS, PERIODS, seed=SEED, price_change_prob=0.8)


@pytest.fixture(scope="module")
def undisturbed(sales):
    return model().fit(sales, sales["units_sold"])


def equal(one, other):
    groups = ("posterior", "sample_stats")
    return all(one.idata_[name].to_dataset().equals(other.idata_[name].to_dataset()) for name in groups)


KILLED = f"""
    import os, signal
    from hdfm import HierarchicalElasticity
    from hdfm.datasets import simulate_sales
    from hdfm.sampling.progress import SamplingProgress

    def update(self, done, statistics):
        if done >= %d:
            os.kill(os.getpid(), signal.SIGKILL)

    SamplingProgress.update = update
    sales = simulate_sales({PRODUCTS}, {GROUPS}, {PERIODS}, seed={SEED}, price_change_prob=0.8)
    model = HierarchicalElasticity(
        "product", price="price", draws=90, tune=40, chains=2, progressbar=False, checkpoint=r"%s"
    )
    model.fit(sales, sales["units_sold"])
"""


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "killed_at",
    [pytest.param(25, id="warm-up", marks=pytest.mark.slow), pytest.param(90, id="draws")],
)
def test_a_killed_process(sales, undisturbed, tmp_path, monkeypatch, killed_at):
    folder = tmp_path / "checkpoint"
    program = textwrap.dedent(KILLED) % (killed_at, folder)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert ended.returncode == -9, ended.stderr
    blocks = []
    monkeypatch.setattr(SamplingProgress, "update", lambda self, done, statistics: blocks.append(done))
    again = model(checkpoint=folder).fit(sales, sales["units_sold"])
    assert blocks == [done for done in ENDS_OF_BLOCKS if done > killed_at]
    assert equal(again, undisturbed)
    assert not folder.exists()


def test_nothing_is_left_of_a_fit_that_ends(sales, undisturbed, tmp_path):
    done = model(checkpoint=tmp_path / "a" / "b").fit(sales, sales["units_sold"])
    assert equal(done, undisturbed)
    assert list((tmp_path / "a").iterdir()) == []


@pytest.fixture
def stopped(sales, tmp_path, monkeypatch):
    """The folder of a fit that died after one block."""

    class Killed(BaseException):
        pass

    def update(self, done, statistics):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SamplingProgress, "update", update)
        with pytest.raises(Killed):
            model(checkpoint=tmp_path).fit(sales, sales["units_sold"])
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "shift"),
    [({}, 1), ({"random_state": 1}, 0), ({"target_accept": 0.9}, 0), ({"likelihood": "poisson"}, 0)],
    ids=["units", "random_state", "target_accept", "likelihood"],
)
def test_another_fit_is_refused(sales, stopped, changes, shift):
    before = sorted(file.name for file in stopped.iterdir())
    with pytest.raises(InvalidArgumentError, match=r"holds another fit.*Name another folder"):
        model(checkpoint=stopped, **changes).fit(sales, sales["units_sold"] + shift)
    assert sorted(file.name for file in stopped.iterdir()) == before


@pytest.mark.parametrize("draws", [slow(10), 90, slow(120)])
def test_an_interrupted_fit_goes_on(sales, undisturbed, tmp_path, monkeypatch, draws):
    """With as many draws as were asked for first, or others."""

    def update(self, done, statistics):
        if done >= 3 * BLOCK:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SamplingProgress, "update", update)
        with pytest.warns(InterruptedSamplingWarning, match="kept the 50 of 90"):
            model(checkpoint=tmp_path).fit(sales, sales["units_sold"])
    again = model(checkpoint=tmp_path, draws=draws).fit(sales, sales["units_sold"])
    posterior, whole = (fit.idata_["posterior"].to_dataset() for fit in (again, undisturbed))
    assert posterior.sizes["draw"] == draws
    both = range(min(draws, 90))
    # Deterministics are evaluated in blocks, whose arrangement moves the last bit.
    xr.testing.assert_allclose(posterior.isel(draw=both), whole.isel(draw=both), rtol=1e-12)
    assert not tmp_path.exists()


def test_more_draws_may_follow(sales, stopped):
    longer = model(checkpoint=stopped, draws=120).fit(sales, sales["units_sold"])
    assert longer.idata_["posterior"].sizes["draw"] == 120


def test_other_files_are_not_touched(sales, tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(InvalidArgumentError, match="holds other files"):
        model(checkpoint=tmp_path).fit(sales, sales["units_sold"])
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_full_disk(sales, undisturbed, tmp_path, monkeypatch):
    write = module._write

    def full(file, arrays):
        if file.name.startswith("draws"):
            raise OSError(28, "No space left on device")
        write(file, arrays)

    monkeypatch.setattr(module, "_write", full)
    with pytest.warns(CheckpointWarning, match=r"ends here \(.*No space left on device\); sampling goes on"):
        done = model(checkpoint=tmp_path).fit(sales, sales["units_sold"])
    assert equal(done, undisturbed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "nutpie"}, 'needs sampler="numpyro"'),
        ({"random_state": None}, "needs an int as random_s"),
    ],
)
def test_what_a_checkpoint_needs(sales, tmp_path, changes, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model(checkpoint=tmp_path, **changes).fit(sales, sales["units_sold"])
