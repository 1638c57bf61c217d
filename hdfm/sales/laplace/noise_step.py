"""Newton steps in noise and paths: coordinates that products share, and the noise of each product.

Array names and axis order: N products, V coordinates v.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.dispersion import NoiseHierarchy, hierarchy
from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.marginal import DIFFERENCE, newton_step
from hdfm.sales.laplace.noise import NoiseModel
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.products import product_values

LONGEST, HALVINGS, ENOUGH = 1.0, 4, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSlopes:
    """Slope and curvature, minus the second derivatives, by v.

    Attributes
    ----------
    v : numpy.ndarray
        Where (V,).
    value : float
        Log marginal posterior there, up to a constant.
    slope, curvature : numpy.ndarray
        Of the log marginal posterior (V,) and (V, V), ratios of products' noise held.
    of_products : tuple of numpy.ndarray
        What products add to the slope (N,) and the curvatures (V, N) by the level, without the prior.
    level_prior : tuple
        What the prior adds to them: a slope, and curvatures (V,).
    """

    v: np.ndarray
    value: float
    slope: np.ndarray
    curvature: np.ndarray
    of_products: tuple[np.ndarray, np.ndarray]
    level_prior: tuple[float, np.ndarray]


def noise_slopes(at: Expansion, noise: NoiseModel, posterior: NormalPosterior) -> NoiseSlopes:
    """By differences of :func:`hdfm.sales.laplace.products.product_values`, about a posterior's scales.

    Coordinates lean on each other, such as a path's sd on its half-life: curvatures are those of pairs too.
    """
    return _slopes(_values(at, noise, posterior), noise, posterior.scales)


def _slopes(values: Callable[[np.ndarray], np.ndarray], noise: NoiseModel, scales: Scales) -> NoiseSlopes:
    """Of values by product about scales."""
    v, V = noise.position(scales), len(noise.coordinates)
    steps = DIFFERENCE * np.eye(V)
    here, up, down = values(v), [values(v + step) for step in steps], [values(v - step) for step in steps]
    slopes = (np.array(up) - down) / (2 * DIFFERENCE)  # by product, the prior last (V, N + 1)
    curvature = np.empty((V, V))
    level = level_of(noise) if any(coordinate.level for coordinate in noise.coordinates) else None
    by_level = np.zeros((V, len(here)))
    for j in range(V):
        for k in range(j + 1):
            if j == k:
                bend = (2 * here - up[j] - down[j]) / DIFFERENCE**2
            else:
                bend = (up[j] + up[k] - values(v + steps[j] + steps[k]) - here) / DIFFERENCE**2
            curvature[j, k] = curvature[k, j] = bend.sum()
            if level in (j, k):
                by_level[k if level == j else j] = bend
    of_level = np.zeros(len(here)) if level is None else slopes[level]
    return NoiseSlopes(
        v=v,
        value=float(here.sum()),
        slope=slopes.sum(axis=1),
        curvature=curvature,
        of_products=(of_level[:-1], by_level[:, :-1]),
        level_prior=(float(of_level[-1]), by_level[:, -1]),
    )


def _values(
    at: Expansion, noise: NoiseModel, posterior: NormalPosterior
) -> Callable[[np.ndarray], np.ndarray]:
    """v -> values of products, and last the log prior of v (N + 1,)."""
    of_products = product_values(at, posterior)

    def values(v: np.ndarray) -> np.ndarray:
        scales = noise.at(v, posterior.scales)
        return np.append(of_products(scales), noise.log_prior(scales))

    return values


def level_of(noise: NoiseModel) -> int:
    """Which coordinate moves the noise of all products."""
    return next(j for j, coordinate in enumerate(noise.coordinates) if coordinate.level)


def noise_hierarchy(
    model: ArrowModel, noise: NoiseModel, scales: Scales, slopes: NoiseSlopes, move: np.ndarray | None = None
) -> NoiseHierarchy:
    """What products tell of the logs of their noise, where other coordinates have moved by ``move`` (V,)."""
    level = level_of(noise)
    log_ratio = np.zeros(len(model.panel.product)) if scales.ratio is None else np.log(scales.ratio)
    place, others = slopes.v[level], np.zeros(len(slopes.v)) if move is None else move.copy()
    others[level] = 0.0
    (slope, bend), (prior_slope, prior_bend) = slopes.of_products, slopes.level_prior
    prior_slope = prior_slope - float(others @ prior_bend)
    bend_of_level = max(0.0, float(prior_bend[level]))  # less is the kink of a bound
    priors, (by_group, by_product) = model.spec.priors, model.spec.noise_levels
    return hierarchy(
        place + log_ratio,
        slope - others @ bend,
        bend[level],
        model.panel.group,
        (prior_slope + bend_of_level * place, bend_of_level),
        (by_group * priors.noise_group_sd, by_product * priors.noise_product_sd),
        LONGEST,
    )


def level_given_others(noise: NoiseModel, slopes: NoiseSlopes, v: np.ndarray) -> np.ndarray:
    """How far the level's expectation moves where other coordinates are v (..., V)."""
    level, H = level_of(noise), slopes.curvature
    beside = np.where(np.arange(len(H)) == level, 0.0, H[level] / max(H[level, level], 1.0))
    return -(v - slopes.v) @ beside


def noise_step(at: Expansion, noise: NoiseModel, posterior: NormalPosterior) -> Scales:
    """Scales with noise and paths a Newton step higher in the marginal posterior."""
    scales, model = posterior.scales, at.model
    values = _values(at, noise, posterior)
    slopes = _slopes(values, noise, scales)
    low, high = np.transpose(noise.bounds())
    step = newton_step(slopes.curvature, slopes.slope)
    step *= min(1.0, LONGEST / max(float(abs(step).max()), LONGEST))
    for _ in range(HALVINGS):
        v = (slopes.v + step).clip(low, high)
        if values(v).sum() >= slopes.value - ENOUGH:
            break
        step /= 2
    if any(model.spec.noise_levels):
        spread = noise_hierarchy(model, noise, scales, slopes, v - slopes.v)
        sds, weight = spread.spreads()
        level, (mean, by_product) = level_of(noise), spread.means(*(weight @ sds))
        v[level] = np.clip(mean, slopes.v[level] - LONGEST, slopes.v[level] + LONGEST)
        before = slopes.v[level] + (0.0 if scales.ratio is None else np.log(scales.ratio))
        by_product = by_product.clip(before - LONGEST, before + LONGEST)
        scales = replace(scales, ratio=np.exp(by_product - v[level]))
    return noise.at(v.clip(low, high), scales)
