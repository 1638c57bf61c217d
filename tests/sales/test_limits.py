"""Limits in which the posterior is known in closed form."""

import numpy as np
import pytest
from conftest import NO_PATHS

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales

MEAN_TOLERANCE = 0.15  # posterior sds: 4 Monte Carlo standard errors at an effective sample size of 800
SD_TOLERANCE = 0.12  # relative: 4 Monte Carlo standard errors of a standard deviation
N_PRODUCTS = 40


@pytest.fixture(scope="module")
def gaussian():
    """Log-normal volumes, levels not pooled, no time effects, the article's fixed spreads."""
    volumes = simulate_sales(
        N_PRODUCTS, 3, 25, seed=5, price_change_prob=0.6, noise="log_normal", period_noise=0.0
    )
    model = HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        price="price",
        likelihood="log_normal",
        product_effects="fixed",
        time_effects=None,
        priors=ElasticityPriors.article(),
        **NO_PATHS,
        draws=800,
        tune=500,
        chains=2,
        progressbar=False,
    )
    return model.fit(volumes, volumes["units_sold"])


def closed_form(panel, priors, noise_sd):
    """Mean and sd of the products', groups' and the overall elasticity, given the noise's sd.

    The precision of (beta (N,), beta_g (G,), beta_global) is the prior's plus, with levels profiled out,
    the products' sums of squares.
    """
    N, G = len(panel.product), panel.n_groups
    size = N + G + 1
    Q, h = np.zeros((size, size)), np.zeros(size)
    y = np.log(panel.units) - panel.mean_log_units
    x, T = panel.log_price, panel.units.shape[1]
    shrink = 1 / (T / noise_sd**2 + priors.group_effect_sd**-2) / noise_sd**4
    for i in range(N):
        g = N + panel.group[i]
        Q[i, i] += x[i] @ x[i] / noise_sd**2 - shrink * x[i].sum() ** 2
        h[i] += x[i] @ y[i] / noise_sd**2 - shrink * x[i].sum() * y[i].sum()
        Q[np.ix_([i, g], [i, g])] += np.array([[1, -1], [-1, 1]]) / priors.product_sd**2
    for g in range(N, N + G):
        Q[np.ix_([g, -1], [g, -1])] += np.array([[1, -1], [-1, 1]]) / priors.group_sd**2
    Q[-1, -1] += priors.global_sd**-2
    h[-1] += priors.global_mean / priors.global_sd**2
    covariance = np.linalg.inv(Q)
    return covariance @ h, np.sqrt(np.diag(covariance))


def test_log_normal_is_gaussian(gaussian):
    posterior = gaussian.idata_["posterior"]
    names = ["elasticity", "elasticity_category", "elasticity_global"]
    draws = np.concatenate([posterior[name].to_numpy().reshape(1600, -1) for name in names], axis=1)
    noise_sd = float(posterior["noise_sd"].mean())
    mean, sd = closed_form(gaussian.panel_, ElasticityPriors.article(), noise_sd)
    assert np.abs((draws.mean(0) - mean) / sd).max() < MEAN_TOLERANCE
    np.testing.assert_allclose(draws.std(0), sd, rtol=SD_TOLERANCE)


def test_article_preset_has_no_spreads(gaussian):
    names = set(gaussian.idata_["posterior"].data_vars)
    assert not names & {"elasticity_sd", "elasticity_category_sd", "correlation", "between_price"}
