"""The sampler on densities that are known, its interrupts, and where it refuses to start."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from hdfm.exceptions import HdfmError, InterruptedSamplingWarning
from hdfm.sampling import nuts
from hdfm.sampling.nuts import BLOCK, sample_numpyro, sample_nutpie, time_text
from hdfm.sampling.progress import SamplingProgress
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported

DIMENSION = 5


def kept(*names):
    return Reported(names)


def settings(**changes):
    return SamplingSettings(**{"draws": 1000, "tune": 500, "chains": 2, "progressbar": False, **changes})


@pytest.fixture(scope="module")
def gaussian():
    """A correlated Gaussian, its sum and a positive scale; mean and covariance of the Gaussian."""
    rng = np.random.default_rng(0)
    mean = rng.normal(0, 3, DIMENSION)
    root = np.tril(rng.normal(size=(DIMENSION, DIMENSION))) + 2 * np.eye(DIMENSION)
    with pm.Model() as model:
        x = pm.MvNormal("x", mean, chol=root)
        pm.HalfNormal("scale", 2.0)
        pm.Deterministic("total", x.sum())
    return model, mean, root @ root.T


@pytest.fixture(scope="module")
def draws(gaussian):
    return sample_numpyro(gaussian[0], kept("x", "scale", "total"), settings())


def standard_error(sd, draws):
    """Of a mean over all draws, as if every fourth were independent."""
    return sd / np.sqrt(draws.values["x"][..., 0].size / 4)


def test_moments(gaussian, draws):
    _, mean, covariance = gaussian
    sd = np.sqrt(np.diag(covariance))
    x = draws.values["x"].reshape(-1, DIMENSION)
    assert (np.abs(x.mean(axis=0) - mean) < 4 * standard_error(sd, draws)).all()
    # Var(sample covariance of i and j) = (s_ii s_jj + s_ij^2) / n
    error = standard_error(np.sqrt(np.outer(sd**2, sd**2) + covariance**2), draws)
    assert (np.abs(np.cov(x.T) - covariance) < 4 * error).all()
    scale = draws.values["scale"]
    assert (scale > 0).all()
    assert abs(scale.mean() - 2 * np.sqrt(2 / np.pi)) < 4 * standard_error(2 * np.sqrt(1 - 2 / np.pi), draws)


def test_shapes_and_deterministics(draws):
    assert draws.library == "numpyro"
    assert draws.tune == 500
    assert draws.seconds > 0
    assert {name: values.shape for name, values in draws.values.items()} == {
        "x": (2, 1000, DIMENSION),
        "scale": (2, 1000),
        "total": (2, 1000),
    }
    np.testing.assert_allclose(draws.values["total"], draws.values["x"].sum(axis=-1))
    assert len(np.unique(draws.values["scale"])) > 1500


def test_statistics(gaussian, draws):
    names = ["acceptance_rate", "diverging", "energy", "lp", "n_steps", "step_size", "tree_depth"]
    assert sorted(draws.statistics) == names
    assert {values.shape for values in draws.statistics.values()} == {(2, 1000)}
    assert 0.7 < draws.statistics["acceptance_rate"].mean() < 0.95
    assert draws.statistics["diverging"].mean() < 0.01
    steps, depth = draws.statistics["n_steps"], draws.statistics["tree_depth"]
    assert (2 ** (depth - 1) <= steps).all()
    assert (steps < 2**depth).all()
    assert (draws.statistics["energy"] > -draws.statistics["lp"]).all()
    assert all(len(np.unique(chain)) == 1 for chain in draws.statistics["step_size"])
    logp = gaussian[0].compile_logp()
    for c, s in ((0, 0), (1, -1)):
        point = {
            "x": draws.values["x"][c, s],
            "scale_log__": np.log(draws.values["scale"][c, s]),
        }
        assert draws.statistics["lp"][c, s] == pytest.approx(float(logp(point)))


NUMBERS = [
    (7, 3),
    *(pytest.param(*n, marks=pytest.mark.slow) for n in [(BLOCK, BLOCK), (BLOCK + 1, 0), (4, 2 * BLOCK - 1)]),
]


@pytest.mark.parametrize(("draws", "tune"), NUMBERS)
def test_numbers_of_draws_that_are_no_blocks(gaussian, draws, tune):
    out = sample_numpyro(gaussian[0], kept("x"), settings(draws=draws, tune=tune, chains=1))
    assert out.values["x"].shape == (1, draws, DIMENSION)
    assert {values.shape for values in out.statistics.values()} == {(1, draws)}


@pytest.mark.slow
def test_a_short_warm_up_of_whitened_coordinates():
    """Scales that the curvature gives stay; those from a few draws are off, and make steps short."""
    with pm.Model() as model:
        pm.Normal("x", 0, np.repeat([0.5, 2.0], 200), shape=400)
    steps = {
        whitened: sample_numpyro(model, kept("x"), settings(draws=50, tune=150, whitened=whitened)).statistics
        for whitened in (True, False)
    }
    assert steps[True]["step_size"].mean() > 1.05 * steps[False]["step_size"].mean()
    out = sample_numpyro(model, kept("x"), settings(draws=200, tune=100, whitened=True))
    sd = out.values["x"].std(axis=(0, 1))
    assert sd[:200].mean() == pytest.approx(0.5, rel=0.05)
    assert sd[200:].mean() == pytest.approx(2, rel=0.05)


def test_seeds(gaussian):
    short = {"draws": 20, "tune": 20}
    first, again, other = (
        sample_numpyro(gaussian[0], kept("x"), settings(seed=seed, **short)).values["x"] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert (first[0] != first[1]).all()


def test_nutpie(gaussian, draws):
    pytest.importorskip("nutpie")
    out = sample_nutpie(gaussian[0], kept("x", "total"), settings())
    assert out.library == "nutpie"
    assert out.values["x"].shape == (2, 1000, DIMENSION)
    assert set(out.statistics) <= set(draws.statistics)
    assert {values.shape for values in out.statistics.values()} == {(2, 1000)}
    _, mean, covariance = gaussian
    error = standard_error(np.sqrt(np.diag(covariance)), out)
    assert (np.abs(out.values["x"].mean(axis=(0, 1)) - mean) < 4 * error).all()


def interrupt_at(monkeypatch, iteration):
    """Ctrl-C once ``iteration`` iterations a chain are done."""

    def update(self, done, statistics):
        if done >= iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(SamplingProgress, "update", update)


def test_an_interrupt_of_the_warm_up_is_passed_on(gaussian, monkeypatch):
    interrupt_at(monkeypatch, 2 * BLOCK)
    with pytest.raises(KeyboardInterrupt):
        sample_numpyro(gaussian[0], kept("x"), settings(draws=100, tune=2 * BLOCK))


@pytest.mark.parametrize(("tune", "blocks", "finished"), [(50, 4, 50), (40, 2, 25)])
def test_an_interrupt_keeps_what_was_finished(gaussian, monkeypatch, tune, blocks, finished):
    whole = sample_numpyro(gaussian[0], kept("x"), settings(draws=100, tune=tune))
    interrupt_at(monkeypatch, blocks * BLOCK)
    with pytest.warns(InterruptedSamplingWarning, match=rf"kept the {finished} of 100 draws a chain"):
        out = sample_numpyro(gaussian[0], kept("x"), settings(draws=100, tune=tune))
    np.testing.assert_array_equal(out.values["x"], whole.values["x"][:, :finished])
    assert {values.shape for values in out.statistics.values()} == {(2, finished)}


def test_a_start_where_the_density_is_not_finite():
    with pm.Model() as model:
        x = pm.Normal("x", initval=0.0)
        pm.Potential("below", pt.log(x - 10))
    with pytest.raises(HdfmError, match=r"log density is nan where sampling starts"):
        sample_numpyro(model, kept("x"), settings())


def test_a_start_where_a_gradient_is_not_finite():
    with pm.Model() as model:
        x = pm.Normal("x", initval=np.zeros(2), shape=2)
        pm.Potential("cusp", pt.sqrt(x[0]))
    with pytest.raises(HdfmError, match=r"with 1 gradients that are not finite"):
        sample_numpyro(model, kept("x"), settings())


def test_the_progress_bar_counts_divergences_after_warm_up():
    with SamplingProgress(tune=50, draws=50, chains=2, visible=False) as progress:
        for done in (25, 50, 75, 100):
            progress.update(
                done, {"diverging": np.ones((2, BLOCK), dtype=bool), "n_steps": np.full((2, BLOCK), 7)}
            )
    assert progress.divergences == 2 * 2 * BLOCK
    assert progress.bar.tasks[0].completed == 100


def test_a_visible_progress_bar(gaussian, capfd):
    sample_numpyro(gaussian[0], kept("x"), settings(draws=10, tune=10, progressbar=True))
    assert "steps a draw" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("milliseconds", "cores", "text"),
    [
        (2, 2, "2 ms: expect roughly 15.0 minutes"),
        (2, 1, "30.0 minutes"),
        (50, 2, "6.2 hours"),
        (1e-3, 2, "0.1 m"),
    ],
)
def test_a_rough_time_is_said(milliseconds, cores, text, monkeypatch):
    """Of so many steps a draw, four times as many while warming up."""
    monkeypatch.setattr(nuts, "_cores", lambda: cores)
    steps = {"draws": 6_000, "tune": 6_000, "usual_steps": 15}
    monkeypatch.setattr(nuts, "WARM_UP_STEPS", 4)
    assert text in time_text(milliseconds / 1000, settings(**steps))
