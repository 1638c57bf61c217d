from dataclasses import replace

import numpy as np
import pytest
from reference.sales import case
from scipy.stats import norm, t

from hdfm.sales.laplace.scales import scale_model


def test_coordinates_and_back():
    one = case("two levels, a control")
    model = scale_model(one.model)
    again = model.scales(
        model.coordinates(one.scales), replace(one.scales, elasticity=9.0, groups=(9.0, 9.0))
    )
    for name in ("product_effect", "elasticity", "correlation", "groups", "time_shock", "between_price"):
        assert getattr(again, name) == pytest.approx(getattr(one.scales, name), rel=1e-9)


@pytest.mark.parametrize("name", ["elasticity", "time_shock"])
def test_prior_of_coordinates_is_that_of_scales(name):
    """Density of u is that of sigma times d sigma / du."""
    one = case("one level")
    model, priors = scale_model(one.model), one.spec.priors
    half = {"elasticity": t(3, scale=priors.product_sd), "time_shock": norm(scale=priors.time_shock_sd)}
    k = model.names.index(name)
    u = model.coordinates(one.scales)
    heights = []
    for value in (-1.0, 0.5):
        u[k] = value
        sigma = getattr(model.scales(u, one.scales), name)
        slope = model.slope_of_logs(u)[k] * sigma
        by_sigma = half[name].logpdf(sigma) + np.log(slope)
        heights.append(model.log_prior(u)[0] - by_sigma)
    assert heights[0] == pytest.approx(heights[1], abs=1e-9)
