"""Newton steps in noise and paths: coordinates that products share, and the noise of each product.

Array names and axis order: N products, V coordinates v.
"""

from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.dispersion import NoiseHierarchy, hierarchy
from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.marginal import DIFFERENCE, LEAST_CURVATURE
from hdfm.sales.laplace.noise import NoiseModel
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.products import product_values, shared_moves

LONGEST = 1.0


@dataclass(frozen=True, slots=True)
class NoiseSlopes:
    """Slope and curvature, minus the second derivative, by v.

    Attributes
    ----------
    v : numpy.ndarray
        Where (V,).
    slope, curvature : numpy.ndarray
        Of the log marginal posterior (V,).
    of_products : tuple of numpy.ndarray
        What products add to those by the level, without the prior (N,) and (N,).
    level_prior : tuple of float
        What the prior adds to them.
    """

    v: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    of_products: tuple[np.ndarray, np.ndarray]
    level_prior: tuple[float, float]


def noise_slopes(at: Expansion, noise: NoiseModel, posterior: NormalPosterior) -> NoiseSlopes:
    """By differences of :func:`hdfm.sales.laplace.products.product_values`, about a posterior's scales."""
    scales, shared = posterior.scales, shared_moves(posterior)
    v, V = noise.position(scales), len(noise.coordinates)
    here, prior = product_values(at, shared, scales), noise.log_prior(scales)
    slope, curvature = np.empty(V), np.empty(V)
    of_products, level_prior = (np.zeros(len(here)),) * 2, (0.0, 0.0)
    for j, coordinate in enumerate(noise.coordinates):
        beside = [noise.at(v + step * np.eye(V)[j], scales) for step in (-DIFFERENCE, DIFFERENCE)]
        down, up = (product_values(at, shared, other) for other in beside)
        prior_down, prior_up = (noise.log_prior(other) for other in beside)
        own = (up - down) / (2 * DIFFERENCE), (2 * here - up - down) / DIFFERENCE**2
        rise = (prior_up - prior_down) / (2 * DIFFERENCE)
        bend = (2 * prior - prior_up - prior_down) / DIFFERENCE**2
        slope[j], curvature[j] = own[0].sum() + rise, own[1].sum() + bend
        if coordinate.level:
            of_products, level_prior = own, (float(rise), float(bend))
    return NoiseSlopes(v, slope, curvature, of_products, level_prior)


def level_of(noise: NoiseModel) -> int:
    """Which coordinate moves the noise of all products."""
    return next(j for j, coordinate in enumerate(noise.coordinates) if coordinate.level)


def noise_hierarchy(
    model: ArrowModel, noise: NoiseModel, scales: Scales, slopes: NoiseSlopes
) -> NoiseHierarchy:
    """What products tell of the logs of their noise."""
    level = slopes.v[level_of(noise)]
    log_ratio = np.zeros(len(model.panel.product)) if scales.ratio is None else np.log(scales.ratio)
    slope, curvature = slopes.level_prior
    priors, (by_group, by_product) = model.spec.priors, model.spec.noise_levels
    return hierarchy(
        level + log_ratio,
        *slopes.of_products,
        model.panel.group,
        (slope + curvature * level, curvature),
        (by_group * priors.noise_group_sd, by_product * priors.noise_product_sd),
        LONGEST,
    )


def noise_step(at: Expansion, noise: NoiseModel, posterior: NormalPosterior) -> Scales:
    """Scales with noise and paths a Newton step higher in the marginal posterior."""
    scales, model = posterior.scales, at.model
    slopes = noise_slopes(at, noise, posterior)
    step = slopes.slope / np.maximum(abs(slopes.curvature), LEAST_CURVATURE)
    v = slopes.v + step.clip(-LONGEST, LONGEST)
    low, high = np.transpose(noise.bounds())
    if any(model.spec.noise_levels):
        spread = noise_hierarchy(model, noise, scales, slopes)
        values, weight = spread.spreads()
        v[level_of(noise)], by_product = spread.means(*(weight @ values))
        scales = replace(scales, ratio=np.exp(by_product - v[level_of(noise)]))
    return noise.at(v.clip(low, high), scales)
