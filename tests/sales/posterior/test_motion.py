"""Processes between and beyond known places, against dense Gaussian conditioning."""

import numpy as np
import pytest

from hdfm.sales.posterior.motion import Brownian, OrnsteinUhlenbeck, beyond
from hdfm.sampling.streams import labelled_stream

KNOWN = np.array([0.0, 1, 2, 5, 7.5, 15, 16])
NEW = np.array([-30.0, -2, -1, -0.5, 1.5, 3, 4, 6.25, 9, 10.5, 14, 17, 18.75, 40])
S = 40_000


def of_walk(time):
    t = time - time.min()
    return 1e6 + 0.2**2 * np.minimum(t[:, None], t)


def of_stationary(time):
    return 0.7**2 * 2.0 ** (-abs(time[:, None] - time) / 3.0)


CASES = {
    "walk": (Brownian(np.full(S, 0.2)), of_walk),
    "stationary": (OrnsteinUhlenbeck(np.full(S, 0.7), np.full(S, 3.0)), of_stationary),
}


def keyed(*numbers):
    return labelled_stream(3, *map(int, numbers))


def drawn(motion, time):
    level = np.random.default_rng(6).normal(size=len(KNOWN))
    return level, beyond(time, KNOWN, np.repeat(level[:, None], S, axis=1), motion, keyed)


@pytest.mark.parametrize("name", CASES)
def test_dense_conditioning(name):
    motion, covariance = CASES[name]
    level, found = drawn(motion, NEW)
    T, V = len(KNOWN), covariance(np.append(KNOWN, NEW))
    gain = np.linalg.solve(V[:T, :T], V[:T, T:]).T
    mean, spread = gain @ level, V[T:, T:] - gain @ V[:T, T:]
    sd = np.sqrt(np.diag(spread))
    assert np.abs((found.mean(axis=1) - mean) / sd).max() < 5 / np.sqrt(S) + 1e-4
    assert np.abs(found.std(axis=1) / sd - 1).max() < 5 / np.sqrt(2 * S)
    np.testing.assert_allclose(np.corrcoef(found), spread / np.outer(sd, sd), atol=5 / np.sqrt(S) + 1e-4)


@pytest.mark.parametrize("name", CASES)
def test_no_time_depends_on_what_else_is_asked(name):
    motion, _ = CASES[name]
    _, found = drawn(motion, NEW)
    for k, time in enumerate(NEW):
        np.testing.assert_array_equal(drawn(motion, np.array([time]))[1][0], found[k])
