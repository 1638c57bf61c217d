"""Distributions that the simulator of choices draws from, and arguments it refuses."""

import numpy as np
import pytest
from reference.simulated import SMALL

from hdfm.datasets import ChoiceEffects, simulate_choices
from hdfm.datasets.choice_draws import (
    customer_loadings,
    lkj_cholesky,
    matern32_paths,
    softplus,
    softplus_inverse,
    softplus_mean,
)
from hdfm.exceptions import InvalidArgumentError


def test_paths_have_the_covariance_of_the_kernel():
    """Centring a process is a projection M of its kernel: M K M."""
    rng = np.random.default_rng(0)
    T, lengthscale = 6, 0.4
    paths = matern32_paths(rng, (100_000,), T, lengthscale)
    r = 3**0.5 * np.abs(np.subtract.outer(np.linspace(0, 1, T), np.linspace(0, 1, T))) / lengthscale
    M = np.eye(T) - 1 / T
    np.testing.assert_allclose(np.cov(paths.T), M @ ((1 + r) * np.exp(-r)) @ M, atol=0.01)


def test_lkj_correlations_have_the_variance_of_their_beta_marginals():
    """LKJ(2) of size n: (r + 1) / 2 ~ Beta(a, a), a = 1 + n / 2, so that Var r = 1 / (2 a + 1)."""
    rng = np.random.default_rng(0)
    n = 4
    roots = np.stack([lkj_cholesky(rng, n) for _ in range(20_000)])
    R = roots @ roots.transpose(0, 2, 1)
    np.testing.assert_allclose(np.diagonal(R, axis1=1, axis2=2), 1)
    below = R[:, *np.tril_indices(n, -1)]
    np.testing.assert_allclose(below.mean(axis=0), 0, atol=0.015)
    np.testing.assert_allclose(below.var(axis=0), 1 / (n + 3), rtol=0.05)


def test_softplus_and_its_inverse():
    x = np.array([-30.0, -1.0, 0.0, 5.0, 800.0])
    np.testing.assert_allclose(softplus_inverse(softplus(x[:-1])), x[:-1], rtol=1e-6, atol=1e-12)
    assert softplus(x)[-1] == 800


def test_mean_loadings_are_those_of_many_customers():
    loadings, mean = customer_loadings(
        np.random.default_rng(0), 100_000, 3, np.array([0.3, 1.0]), ChoiceEffects(loading_sd=0.8)
    )
    np.testing.assert_allclose(loadings.mean(axis=0), mean, rtol=0.01)
    np.testing.assert_allclose(softplus_mean(np.array([0.7]), 0.0), softplus(0.7))


@pytest.mark.parametrize("name", ["customers", "categories", "periods"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_sizes_are_whole_numbers_of_at_least_one(name, value):
    with pytest.raises(
        InvalidArgumentError, match=rf"^{name} must be a whole number, at least 1; got {value}"
    ):
        simulate_choices(**{**SMALL, name: value})


@pytest.mark.parametrize(
    "name", ["n_factors", "n_category_factors", "n_individual_factors", "n_covariates", "seed"]
)
def test_numbers_of_factors_are_at_least_zero(name):
    with pytest.raises(InvalidArgumentError, match=rf"^{name} must be a whole number, at least 0; got -1"):
        simulate_choices(**SMALL, **{name: -1})


@pytest.mark.parametrize("name", ["unavailable_prob", "category_prob", "display_prob", "feature_prob"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_are_between_zero_and_one(name, value):
    with pytest.raises(InvalidArgumentError, match=rf"{name} is a probability, between 0 and 1; got {value}"):
        simulate_choices(**SMALL, **{name: value})


@pytest.mark.parametrize("name", ["sets_per_customer", "lengthscale"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_amounts_are_above_zero(name, value):
    with pytest.raises(InvalidArgumentError, match=rf"{name} must be above 0 and finite; got {value}"):
        simulate_choices(**SMALL, **{name: value})


@pytest.mark.parametrize(
    ("alternatives", "message"),
    [
        (1, "alternatives must be a whole number, at least 2; got 1"),
        ([3, 1], "alternatives must be a whole number, at least 2; got 1"),
        ([3, 3, 3], r"one number, or one for each of 2 categories; got \[3, 3, 3\]"),
        ("ab", "alternatives must be a whole number, at least 2; got 'a'"),
    ],
)
def test_alternatives_that_are_no_choice(alternatives, message):
    with pytest.raises(InvalidArgumentError, match=message):
        simulate_choices(**SMALL, alternatives=alternatives)


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        ({"price": float("nan")}, r"effects\.price must be finite; got nan"),
        ({"heterogeneity": -1}, r"effects\.heterogeneity must be at least 0 and finite; got -1"),
        ({"loading_sd": float("nan")}, r"effects\.loading_sd must be at least 0 and finite; got nan"),
        ({"loading_spread": -1.0}, r"effects\.loading_spread must be at least 0 and finite; got -1\.0"),
        ({"loading": 0.0}, r"effects\.loading must be a number above 0, or 2 of them; got 0\.0"),
        ({"loading": (1.0,)}, r"effects\.loading must be a number above 0, or 2 of them; got \(1\.0,\)"),
        (
            {"category_loading": (1.0, -1.0)},
            r"effects\.category_loading must be .* or 0 of them; got \(1\.0, -1",
        ),
    ],
)
def test_sizes_of_effects_out_of_range(effects, message):
    with pytest.raises(InvalidArgumentError, match=message):
        simulate_choices(**SMALL, effects=ChoiceEffects(**effects))
