"""The marginal posterior of scales and noise against dense normal densities, and its slope against values."""

from dataclasses import replace

import numpy as np
import pytest
from reference.sales import LAYOUTS, case, columns, dense_posterior, size
from scipy.stats import multivariate_normal

from hdfm.sales.laplace.information import DiagonalInformation
from hdfm.sales.laplace.marginal import DIFFERENCE, log_marginal_slope, quadratic
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.laplace.posterior import normal_posterior
from hdfm.sales.laplace.scales import scale_model

STEP = 1e-5


def height(one, model, u):
    return normal_posterior(one.likelihood, model.scales(u, one.scales)).log_marginal


@pytest.mark.parametrize("name", LAYOUTS)
def test_slope_is_that_of_differences(name):
    one = case(name)
    model = scale_model(one.model)
    u = model.coordinates(one.scales)
    slope = log_marginal_slope(model, normal_posterior(one.likelihood, one.scales))
    steps = STEP * np.eye(len(u))
    differences = [
        (height(one, model, u + step) - height(one, model, u - step)) / (2 * STEP) for step in steps
    ]
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LAYOUTS)
def test_differences_of_the_marginal_are_those_of_normal_data(name):
    """s / W as data with variances 1 / W."""
    one = case(name)
    A, s = one.working
    W = A.W
    seen = W.ravel() > 0
    F = columns(one).reshape(-1, size(one))[seen]
    data = (s.ravel()[seen] / W.ravel()[seen]).astype(float)

    def by_normal_density(scales):
        other = replace(one, scales=scales)
        prior = dense_posterior(other, DiagonalInformation(0 * W), 0 * s)
        covariance = F @ np.linalg.inv(prior.prior) @ F.T + np.diag(1 / W.ravel()[seen])
        return multivariate_normal.logpdf(data, F @ prior.mean, covariance)

    wider = replace(one.scales, elasticity=0.6, product_effect=1.2, time_drift=0.3)
    ours = [normal_posterior(one.likelihood, scales).log_marginal for scales in (one.scales, wider)]
    theirs = [by_normal_density(scales) for scales in (one.scales, wider)]
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], abs=1e-6)


@pytest.fixture(scope="module")
def modes():
    """Of log-normal data, whose marginal posterior is exact, and of counts, few of some products."""
    one = case("one level", "log_normal", noise="log_normal")
    few = case("one level", "negative_binomial", noise="negative_binomial")
    return {two.spec.likelihood: laplace_mode(two.panel, two.spec) for two in (one, few)}


def test_scales_and_noise_have_the_exact_marginal_posterior(modes):
    """log y ~ N(F m, F P^-1 F' + noise^2), times priors of coordinates and of log noise."""
    mode = modes["log_normal"]
    one = replace(case("one level", "log_normal", noise="log_normal"), scales=mode.scales)
    seen = one.panel.observed.ravel()
    data, F = np.log(one.panel.units.ravel()[seen]), columns(one).reshape(-1, size(one))[seen]
    nothing = 0 * one.panel.units

    def exact(scales):
        prior = dense_posterior(replace(one, scales=scales), DiagonalInformation(nothing), nothing)
        covariance = F @ np.linalg.inv(prior.prior) @ F.T + scales.noise**2 * np.eye(len(data))
        priors = mode.coordinates.log_prior(mode.coordinates.coordinates(scales))[0]
        priors += one.spec.family.noise.log_prior(one.spec.priors, scales.noise)
        return multivariate_normal.logpdf(data, F @ prior.mean, covariance) + priors

    wider = replace(mode.scales, elasticity=0.6, product_effect=1.2, time_drift=0.3, noise=0.5)
    ours = [mode.marginal.value(scales) for scales in (mode.scales, wider)]
    assert ours[0] - ours[1] == pytest.approx(exact(mode.scales) - exact(wider), abs=1e-6)


@pytest.mark.parametrize("central", [True, False])
@pytest.mark.parametrize("likelihood", ["log_normal", "negative_binomial"])
def test_slope_and_curvature_are_those_of_values(modes, likelihood, central):
    """By the spread of elasticities; of low counts, which are interpolated, another test says so."""
    mode = modes[likelihood]
    marginal = replace(mode.marginal, expansion=replace(mode.expansion, low=None))
    coordinates, u = mode.coordinates, mode.coordinates.coordinates(mode.scales)
    at, k = quadratic(marginal, mode.scales, central=central), coordinates.names.index("elasticity")
    step = DIFFERENCE * np.eye(len(u))[k]
    down, here, up = (
        marginal.value_given_noise(coordinates.scales(u + j * step, mode.scales)) for j in (-1, 0, 1)
    )
    assert at.value == pytest.approx(here, abs=1e-9)
    assert at.slope[k] == pytest.approx((up - down) / (2 * DIFFERENCE), abs=0.01)
    assert at.curvature[k, k] == pytest.approx((2 * here - up - down) / DIFFERENCE**2, rel=0.05, abs=0.05)
    np.testing.assert_array_equal(at.curvature, at.curvature.T)


def test_the_working_likelihood_of_another_noise_tends_to_that_of_the_same(modes):
    mode = modes["negative_binomial"]
    nearby = replace(mode.scales, noise=mode.scales.noise + 1e-9)
    same, near = (mode.marginal.likelihood(scales) for scales in (mode.scales, nearby))
    assert same is mode.expansion.likelihood
    assert near is not same
    np.testing.assert_allclose(near.information, same.information, rtol=1e-6)
    np.testing.assert_allclose(near.gradient, same.gradient, rtol=1e-6, atol=1e-6)
