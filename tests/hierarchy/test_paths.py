"""Ornstein-Uhlenbeck paths: their prior and their coordinates, against dense matrices."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.fft import dct
from scipy.stats import multivariate_normal

from hdfm.hierarchy.paths import PathClock, PathEvidence, paths_by_innovations, whitened_paths
from hdfm.hierarchy.whitened import Evidence

TIMES = np.array([0.0, 1, 2, 4, 4.5, 6, 7, 8, 10, 11])
SD = np.array([0.3, 0.8, 0.5])
T, N = len(TIMES), len(SD)
COSINES = dct(np.eye(T), axis=0, norm="ortho")
MISSING = np.array([True, True, False])  # the last path, and the last two times, are not there


def correlation(half_life, times=TIMES):
    return 2.0 ** (-abs(times[:, None] - times) / half_life)


def evidence(strength):
    rng = np.random.default_rng(1)
    return Evidence(strength * rng.uniform(0.5, 1.5, (N, T)), strength * rng.normal(size=(N, T)))


def whitened(about, there=None, cosines=COSINES, half_life=5.0, times=TIMES):
    """A model of three paths; these are a deterministic."""
    there = np.ones((N, T)) if there is None else there
    tensors = [pt.constant(part) for part in (*about, cosines, there)]
    with pm.Model() as model:
        clock = PathClock(pt.constant(times), pt.constant(half_life))
        put = PathEvidence(Evidence(*tensors[:2]), *tensors[2:])
        pm.Deterministic("u", whitened_paths("r", pt.constant(SD), clock, put, dims=None, shape=(N, T)))
    return model


def by_innovations(about, half_life=5.0):
    with pm.Model() as model:
        clock = PathClock(pt.constant(TIMES), pt.constant(half_life))
        given = Evidence(*map(pt.constant, about))
        pm.Deterministic("u", paths_by_innovations("r", 0.3, clock, given, dims=None, shape=(N, T)))
    return model


def functions(model):
    """Log density of coordinates, and paths of them."""
    (u,) = model.replace_rvs_by_values([model["u"]])
    return model.compile_logp(), model.compile_fn(u, inputs=model.value_vars)


def test_the_clock():
    clock = PathClock(pt.constant(TIMES), pt.constant(5.0))
    R, root = clock.correlation().eval(), clock.root().eval()
    np.testing.assert_allclose(R, correlation(5.0))
    np.testing.assert_allclose(root, np.linalg.cholesky(R), atol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 3.0, 300.0])
@pytest.mark.parametrize("make", [whitened, by_innovations])
def test_paths_have_their_prior_whatever_the_evidence(make, strength):
    """p(r) = p(u) |du / dr|, the derivative of what is linear."""
    log_density, paths = functions(make(evidence(strength)))
    r = np.random.default_rng(2).normal(size=(N, T))
    sd = SD if make is whitened else np.full(N, 0.3)
    expected = 0.0
    for i in range(N):
        moved = np.zeros((T, N, T))
        moved[:, i] = np.eye(T)
        J = np.stack([(paths({"r": r + step}) - paths({"r": r}))[i] for step in moved])
        covariance = sd[i] ** 2 * correlation(5.0)
        u = paths({"r": r})[i]
        expected += multivariate_normal.logpdf(u, cov=covariance) + np.linalg.slogdet(J)[1]
    assert log_density({"r": r}) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("strength", [0.0, 3.0])
@pytest.mark.parametrize("make", [whitened, by_innovations])
def test_draws_a_priori(make, strength):
    drawn = pm.draw(make(evidence(strength))["u"], 20_000, random_seed=1)
    sd = SD if make is whitened else np.full(N, 0.3)
    for i in range(N):
        np.testing.assert_allclose(np.cov(drawn[:, i].T) / sd[i] ** 2, correlation(5.0), atol=0.05)
    np.testing.assert_allclose(drawn.mean(axis=0) / sd[:, None], 0, atol=0.05)


def test_what_is_not_there_is_standard_normal_and_alone():
    there = np.ones((N, T))
    there[~MISSING], there[:, -2:] = 0, 0
    cosines = np.zeros((T, T))
    cosines[:-2, :-2] = dct(np.eye(T - 2), axis=0, norm="ortho")
    about = Evidence(*(part * there for part in evidence(3.0)))
    log_density, paths = functions(whitened(about, there, cosines))
    rng = np.random.default_rng(3)
    r = rng.normal(size=(N, T))
    other = np.where(there, r, rng.normal(size=(N, T)))
    gap = -(other**2 - r**2).sum() / 2
    assert log_density({"r": other}) - log_density({"r": r}) == pytest.approx(gap, abs=1e-9)
    np.testing.assert_array_equal(paths({"r": r})[MISSING], paths({"r": other})[MISSING])


@pytest.mark.parametrize("half_life", [1.0, 8.0, 60.0])
@pytest.mark.parametrize("strength", [0.0, 30.0])
def test_the_posterior_of_coordinates_is_nearly_white(half_life, strength):
    """Of evenly spaced times that tell equally much: eigenvalues of minus the second derivative are alike."""
    times = np.arange(T)
    about = Evidence(np.full((N, T), strength), np.zeros((N, T)))
    _, paths = functions(whitened(about, half_life=half_life, times=times))
    J = np.stack([paths({"r": np.broadcast_to(step, (N, T))}) for step in np.eye(T)], axis=-1)
    for i in range(N):
        precision = np.linalg.inv(SD[i] ** 2 * correlation(half_life, times)) + strength * np.eye(T)
        values = np.linalg.eigvalsh(J[i].T @ precision @ J[i])
        assert values.max() / values.min() < 2.3
