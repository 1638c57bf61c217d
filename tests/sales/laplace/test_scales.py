from dataclasses import replace

import numpy as np
import pytest
from reference.sales import LAYOUTS, case, columns, dense_posterior, size
from scipy.stats import halfnorm, multivariate_normal

from hdfm.sales.laplace.marginal import log_marginal_slope
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
    W, s = one.working
    seen = W.ravel() > 0
    F = columns(one).reshape(-1, size(one))[seen]
    data = (s.ravel()[seen] / W.ravel()[seen]).astype(float)

    def by_normal_density(scales):
        other = replace(one, scales=scales)
        prior = dense_posterior(other, 0 * W, 0 * s)
        covariance = F @ np.linalg.inv(prior.prior) @ F.T + np.diag(1 / W.ravel()[seen])
        return multivariate_normal.logpdf(data, F @ prior.mean, covariance)

    wider = replace(one.scales, elasticity=0.6, product_effect=1.2, time_drift=0.3)
    ours = [normal_posterior(one.likelihood, scales).log_marginal for scales in (one.scales, wider)]
    theirs = [by_normal_density(scales) for scales in (one.scales, wider)]
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], abs=1e-6)


def test_coordinates_and_back():
    one = case("two levels, a control")
    model = scale_model(one.model)
    again = model.scales(
        model.coordinates(one.scales), replace(one.scales, elasticity=9.0, groups=(9.0, 9.0))
    )
    for name in ("product_effect", "elasticity", "correlation", "groups", "time_shock", "between_price"):
        assert getattr(again, name) == pytest.approx(getattr(one.scales, name), rel=1e-9)


def test_prior_of_coordinates_is_that_of_scales():
    """Density of u is that of sigma times d sigma / du."""
    one = case("one level")
    model = scale_model(one.model)
    k = model.names.index("elasticity")
    u = model.coordinates(one.scales)
    heights = []
    for value in (-1.0, 0.5):
        u[k] = value
        sigma = model.scales(u, one.scales).elasticity
        slope = model.slope_of_logs(u)[k] * sigma
        by_sigma = halfnorm.logpdf(sigma, scale=one.spec.priors.product_sd) + np.log(slope)
        heights.append(model.log_prior(u)[0] - by_sigma)
    assert heights[0] == pytest.approx(heights[1], abs=1e-9)
