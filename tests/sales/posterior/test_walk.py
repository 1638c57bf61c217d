"""Time effects of periods that were not fitted, against dense Gaussian conditioning."""

import numpy as np
import pytest

from hdfm.sales.posterior.walk import Walk, effects_at, new_effects

TIME = np.array([0.0, 1, 2, 5, 6, 7, 7.5, 15, 16])
NEW = np.array([-30.0, -2, -1, -0.5, 1.5, 3, 4, 6.25, 9, 10.5, 14, 17, 18.75, 40])
S = 40_000
SEED = 3


def covariance(time, shock, drift):
    """Of a random walk plus shocks, its level at the first time all but free."""
    t = time - TIME[0]
    walk = (np.abs(t)[:, None] + np.abs(t) - np.abs(t[:, None] - t)) / 2
    return 1e4 + drift**2 * walk + shock**2 * np.eye(len(t))


@pytest.fixture(scope="module")
def case():
    """Draws alike but for their random numbers."""
    gamma = np.random.default_rng(6).normal(size=len(TIME))
    walk = Walk(TIME, np.full(S, 0.5), np.full(S, 0.2))
    return gamma, walk, effects_at(NEW, np.repeat(gamma[:, None], S, axis=1), walk, SEED, 0)


def test_means_and_spreads_are_those_of_dense_conditioning(case):
    gamma, _, drawn = case
    T, V = len(TIME), covariance(np.append(TIME, NEW), 0.5, 0.2)
    gain = np.linalg.solve(V[:T, :T], V[:T, T:]).T
    mean, spread = gain @ gamma, V[T:, T:] - gain @ V[:T, T:]
    sd = np.sqrt(np.diag(spread))
    assert np.abs((drawn.mean(axis=1) - mean) / sd).max() < 5 / np.sqrt(S)
    assert np.abs(drawn.std(axis=1) / sd - 1).max() < 5 / np.sqrt(2 * S)
    found = np.corrcoef(drawn)
    np.testing.assert_allclose(found, spread / np.outer(sd, sd), atol=5 / np.sqrt(S))


def test_no_time_depends_on_what_else_is_asked(case):
    gamma, walk, drawn = case
    same = np.repeat(gamma[:, None], S, axis=1)
    for k, time in enumerate(NEW):
        np.testing.assert_array_equal(effects_at(np.array([time]), same, walk, SEED, 0)[0], drawn[k])
    np.testing.assert_array_equal(effects_at(TIME, same, walk, SEED, 0), same)
    assert np.isclose(effects_at(NEW, same, walk, SEED, 1), drawn).mean() < 0.01


def test_effects_of_a_new_block_are_a_walk_less_its_mean():
    walk = Walk(TIME, np.full(S, 0.5), np.full(S, 0.2))
    drawn = new_effects(walk, SEED, 0)
    centre = np.eye(len(TIME)) - 1 / len(TIME)
    expected = centre @ (covariance(TIME, 0.5, 0.2) - 1e4) @ centre
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.cov(drawn), expected, atol=6 * expected.max() / np.sqrt(S))
