"""The hierarchy of products' noise: against one multivariate normal density, and truths."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from hdfm.sales.laplace.dispersion import NoiseHierarchy, hierarchy

GROUP = np.array([0, 0, 0, 1, 1, 2])
LEVEL = (0.5, 2.0)  # a prior N(0.25, 0.5)


def example(sizes=(0.5, 0.5)):
    rng = np.random.default_rng(0)
    return NoiseHierarchy(rng.normal(-1, 0.5, 6), rng.uniform(1, 20, 6), GROUP, LEVEL, sizes)


def joint(one, of_groups, of_products):
    """Prior covariance of l + a + e (N, N), and of the targets about it."""
    same = GROUP[:, None] == GROUP
    prior = 1 / LEVEL[1] + of_groups**2 * same + of_products**2 * np.eye(6)
    return prior, prior + np.diag(1 / one.information)


@pytest.mark.parametrize("spreads", [(0.4, 0.3), (0.4, 0.0), (0.0, 0.3), (0.0, 0.0)])
def test_densities_and_means_given_spreads(spreads):
    one = example()
    prior, of_targets = joint(one, *spreads)
    mean = np.full(6, LEVEL[0] / LEVEL[1])
    none = joint(one, 0.0, 0.0)[1]
    expected = multivariate_normal.logpdf(one.target, mean, of_targets)
    expected -= multivariate_normal.logpdf(one.target, mean, none)
    assert one.log_marginal(*spreads) - one.log_marginal(0.0, 0.0) == pytest.approx(expected, abs=1e-9)
    means = mean + prior @ np.linalg.solve(of_targets, one.target - mean)
    np.testing.assert_allclose(one.means(*spreads)[1], means, rtol=1e-9)


def test_draws_given_spreads():
    one, spreads = example(), (0.4, 0.3)
    prior, of_targets = joint(one, *spreads)
    level, group, product = one._drawn(*spreads, 40_000, np.random.default_rng(1))
    covariance = prior - prior @ np.linalg.solve(of_targets, prior)
    np.testing.assert_allclose(product.mean(axis=1), one.means(*spreads)[1], atol=0.01)
    np.testing.assert_allclose(np.cov(product), covariance, atol=0.004)
    assert level.mean() == pytest.approx(one.means(*spreads)[0], abs=0.02)
    assert group.shape == (3, 40_000)


@pytest.mark.parametrize("sizes", [(0.5, 0.5), (0.5, 0.0)])
def test_spreads_of_many_products_are_found(sizes):
    rng, group = np.random.default_rng(2), np.repeat(np.arange(40), 25)
    true = np.array([0.3, 0.4 * (sizes[1] > 0)])
    log_noise = -1 + true[0] * rng.standard_normal(40)[group] + true[1] * rng.standard_normal(1000)
    information = rng.uniform(10, 50, 1000)
    target = log_noise + rng.standard_normal(1000) / np.sqrt(information)
    one = hierarchy(target, np.zeros(1000), information, group, (0.0, 0.01), sizes, 1.0)
    draws = one.draw(2000, np.random.default_rng(3))
    assert draws["level"].mean() == pytest.approx(-1, abs=0.15)
    np.testing.assert_allclose(draws["spreads"].mean(axis=1), true, atol=0.08)
    z = (draws["product"].mean(axis=1) - log_noise) / draws["product"].std(axis=1)
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.1)


def test_products_that_tell_nothing_take_their_group():
    one = hierarchy(np.zeros(6), np.zeros(6), np.zeros(6), GROUP, (0.5, 1.0), (0.5, 0.5), 1.0)
    np.testing.assert_allclose(one.means(0.4, 0.3)[1], 0.5, atol=0.01)


@pytest.mark.parametrize("curvature", [9.0, 2.0, 0.0, -2.0])
def test_slopes_count_whatever_the_curvature(curvature):
    """No step is longer than asked for; precision times step is the slope."""
    slope = np.full(6, 5.0)
    one = hierarchy(np.zeros(6), slope, np.full(6, curvature), GROUP, (0.0, 1.0), (0.5, 0.5), 1.0)
    assert (one.target <= 1).all()
    np.testing.assert_allclose(one.information * one.target, slope)


@pytest.mark.parametrize("true", [0.1, 0.3])
def test_draws_of_spreads_are_as_wide_as_their_posterior(true):
    """Of a thousand products, whose posterior is far narrower than the prior."""
    rng, group = np.random.default_rng(4), np.repeat(np.arange(20), 50)
    target = true * rng.standard_normal(1000) + rng.standard_normal(1000) / 10
    one = hierarchy(target, np.zeros(1000), np.full(1000, 100.0), group, (0.0, 0.01), (0.0, 0.5), 1.0)
    fine = np.linspace(0.5, 1.5, 401) * true
    height = np.array([one.log_marginal(0.0, spread) - (spread / 0.5) ** 2 / 2 for spread in fine])
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    mean = weight @ fine
    draws = one.draw(4000, rng)["spreads"][1]
    assert draws.mean() == pytest.approx(mean, rel=0.02)
    assert draws.std() == pytest.approx(np.sqrt(weight @ (fine - mean) ** 2), rel=0.1)
