"""What goes wrong in ``fit``, in both models: nothing that was drawn is lost, and draws are the same."""

import errno
import signal

import numpy as np
import pytest
from conftest import quick
from faults.chain import block, names, warned
from faults.fits import ENDS, FITS, QUICK, digest

from hdfm.exceptions import CheckpointWarning, InterruptedSamplingWarning, InvalidArgumentError
from hdfm.sampling import sealed
from hdfm.sampling.checkpoint import IDENTITY, LOCK, Checkpoint
from hdfm.sampling.nuts import Chains
from hdfm.sampling.progress import SamplingProgress
from hdfm.sampling.session import computes

KEPT = [block(end) for end in ENDS if end >= 25]
SECOND = ENDS[2]
QUICK_ON_SALES = pytest.mark.parametrize("fit", quick(FITS, "sales"), indirect=True)


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.fixture(scope="module", params=FITS)
def fit(request):
    return FITS[request.param]()


@pytest.fixture(scope="module")
def undisturbed(fit):
    return digest(fit())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


def stop_at(monkeypatch, iteration, how):
    """Once ``iteration`` iterations a chain are done, something happens."""

    def update(self, done, statistics):
        if done >= iteration:
            how()

    monkeypatch.setattr(SamplingProgress, "update", update)


def dies():
    raise Killed


def dead(fit, folder, monkeypatch, at=SECOND):
    """The folder of a fit that died after a block."""
    with monkeypatch.context() as patch:
        stop_at(patch, at, dies)
        with pytest.raises(Killed):
            fit(checkpoint=folder)
    return folder


def sampling_is_over(monkeypatch):
    def advance(self, n):
        raise AssertionError("It samples again.")

    monkeypatch.setattr(Chains, "advance", advance)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError("no room"), id="memory"),
        pytest.param(KeyboardInterrupt(), id="interrupt", marks=pytest.mark.slow),
    ],
)
def test_an_error_after_sampling(fit, undisturbed, folder, monkeypatch, error):
    """The next fit goes on from the finished blocks, without sampling."""

    def fails(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(fit.tables, fails)
        with pytest.raises(type(error)):
            fit(checkpoint=folder)
    assert names(folder) == [*KEPT, IDENTITY, LOCK]
    sampling_is_over(monkeypatch)
    assert digest(fit(checkpoint=folder)) == undisturbed
    assert not folder.exists()


@QUICK_ON_SALES
def test_a_fit_that_ends_leaves_nothing(fit, undisturbed, folder):
    assert digest(fit(checkpoint=str(folder / "below"))) == undisturbed
    assert names(folder) == []


def test_a_damaged_block(fit, undisturbed, folder, monkeypatch):
    file = dead(fit, folder, monkeypatch, ENDS[3]) / block(SECOND)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(CheckpointWarning, match=r"is damaged.*goes on from iteration 40, to the same") as told:
        again = fit(checkpoint=folder)
    assert digest(again) == undisturbed
    assert {warning.filename for warning in told} == {fits_file(fit)}


@QUICK_ON_SALES
def test_a_block_that_is_gone(fit, undisturbed, folder, monkeypatch):
    (dead(fit, folder, monkeypatch, ENDS[3]) / block(SECOND)).unlink()
    (folder / IDENTITY).unlink()
    with warned() as told:
        again = fit(checkpoint=folder)
    assert digest(again) == undisturbed
    assert ["is missing; blocks beside it" in told[0], "after iteration 40 is missing" in told[1]] == [
        True,
        True,
    ]


def fits_file(fit):
    return type(fit).__call__.__code__.co_filename


@QUICK_ON_SALES
def test_a_full_disk(fit, undisturbed, folder, monkeypatch):
    write = sealed._write

    def full(file, content):
        if file.name == block(SECOND):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)

    monkeypatch.setattr(sealed, "_write", full)
    found = r"ends here \(.*No space left on device\); sampling goes on without it"
    with pytest.warns(CheckpointWarning, match=found) as told:
        done = fit(checkpoint=folder)
    assert digest(done) == undisturbed
    assert {warning.filename for warning in told} == {fits_file(fit)}
    assert not folder.exists()


def test_an_interrupt_keeps_draws(fit, undisturbed, folder, monkeypatch):
    """Those finished are a fit; the next one goes on to all of them."""
    with monkeypatch.context() as patch:
        stop_at(patch, SECOND, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.warns(InterruptedSamplingWarning, match="kept the 25 of 60") as told:
            short = fit(checkpoint=folder)
    assert short.idata_["posterior"].sizes["draw"] == 25
    assert short.elasticities_["mean"].notna().all()
    assert np.isfinite(short.predict(fit.X)).all()
    assert np.isfinite(short.score(fit.X, fit.y))
    assert short.diagnostics().attrs["verdict"].startswith("Not converged")
    assert "Not converged" in short._repr_html_()
    assert {warning.filename for warning in told} == {fits_file(fit)}
    assert names(folder) == [*KEPT[:3], IDENTITY, LOCK]
    assert digest(fit(checkpoint=folder)) == undisturbed
    assert not folder.exists()


@QUICK_ON_SALES
def test_an_interrupt_of_the_warm_up_leaves_the_estimator_unfitted(fit, folder, monkeypatch):
    stop_at(monkeypatch, ENDS[0], lambda: signal.raise_signal(signal.SIGINT))
    model = fit.estimator(**QUICK, checkpoint=folder)
    with pytest.raises(KeyboardInterrupt):
        model.fit(fit.X, fit.y)
    with pytest.raises(ValueError, match="not fitted yet"):
        model.predict(fit.X)
    assert names(folder) == [*KEPT[:1], IDENTITY, LOCK]


@QUICK_ON_SALES
def test_another_fit_is_refused(fit, folder, monkeypatch):
    dead(fit, folder, monkeypatch)
    before = names(folder)
    differs = {
        "draws was 60, is 200": {"draws": 200},
        "random_state was 0, is 1": {"random_state": 1},
        "target_accept was 0.8, is 0.9": {"target_accept": 0.9},
    }
    prior, value = next(
        (name, value)
        for name, value in fit.estimator().get_params().items()
        if name.startswith("priors__") and isinstance(value, float)
    )
    differs[f"{prior} was .*, is "] = {prior: 2 * value + 1}
    for told, changes in differs.items():
        model = fit.estimator(**QUICK, checkpoint=folder)
        with pytest.raises(InvalidArgumentError, match=f"holds another fit: {told}.*Name another folder"):
            model.set_params(**changes).fit(fit.X, fit.y)
    with pytest.raises(InvalidArgumentError, match="holds another fit: the data differ in"):
        fit._replace(X=fit.X.assign(price=fit.X["price"] * np.linspace(1, 2, len(fit.X))))(checkpoint=folder)
    assert names(folder) == before


@QUICK_ON_SALES
def test_the_same_fit_by_other_words_goes_on(fit, undisturbed, folder, monkeypatch):
    """Another index, other numbers of the same value, a progress bar; scales that are found elsewhere."""
    dead(fit, folder, monkeypatch)
    from hdfm.sampling import nuts

    scale = nuts.posterior_scale

    def other(*args):
        found, seconds = scale(*args)
        return found * 1.1, seconds

    monkeypatch.setattr(nuts, "posterior_scale", other)
    X = fit.X.set_index(np.arange(len(fit.X)) + 7)
    same = fit._replace(X=X, y=fit.y.set_axis(X.index))
    again = same(
        checkpoint=f"{folder}/", draws=np.int64(60), progressbar=True, priors=type(fit.estimator()).PRIORS()
    )
    assert digest(again) == undisturbed


@QUICK_ON_SALES
def test_chains_of_another_precision_are_refused(fit, folder, monkeypatch):
    dead(fit, folder, monkeypatch)
    leaves = Chains.leaves
    monkeypatch.setattr(Chains, "leaves", lambda self: [leaf.astype(complex) for leaf in leaves(self)])
    with pytest.raises(
        InvalidArgumentError, match=r"chains of another model or precision.*Name another folder"
    ):
        fit(checkpoint=folder)


def test_a_folder_in_use(fit, folder):
    """Before anything is computed."""
    from faults.chain import IDENTITY as OTHER

    with Checkpoint(folder, OTHER), pytest.raises(InvalidArgumentError, match="is in use by another fit"):
        fit(checkpoint=folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sampler": "nutpie"},
            r"needs sampler=\"numpyro\"; got 'nutpie'.*Take sampler=\"numpyro\", or leave",
        ),
        ({"random_state": None}, r"needs an int as random_state.*got None"),
        ({"checkpoint": 3}, "must be the path of a folder, or None; got 3"),
        ({"checkpoint": ""}, "must be the path of a folder, or None; got ''"),
    ],
)
def test_what_a_checkpoint_needs(fit, folder, changes, message):
    with pytest.raises(InvalidArgumentError, match=f"^checkpoint {message}"):
        fit(**{"checkpoint": folder, **changes})
    assert not folder.exists()


@pytest.mark.parametrize("inference", ["laplace", "map", "variational"])
def test_engines_without_blocks_have_no_checkpoint(fit, folder, inference):
    refused = rf'^checkpoint needs inference="nuts".*got \'{inference}\'.*Leave checkpoint out'
    with pytest.raises(InvalidArgumentError, match=rf"{refused}|^inference must be one of .*{inference}"):
        fit(checkpoint=folder, inference=inference)
    assert not folder.exists()


def test_warnings_point_past_decorators():
    from contextlib import contextmanager

    from hdfm.exceptions import warn_caller

    @contextmanager
    def session():
        yield

    with pytest.warns(CheckpointWarning) as told:
        session()(computes(warn_caller))("a", CheckpointWarning)
    assert {warning.filename for warning in told} == {__file__}
