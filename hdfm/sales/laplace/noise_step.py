"""Newton steps in noise and paths: coordinates that products share, and the noise of each product.

Array names and axis order: N products, V coordinates v.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.dispersion import NoiseHierarchy, hierarchy
from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.marginal import DIFFERENCE, newton_step
from hdfm.sales.laplace.noise import NoiseModel
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.products import product_values
from hdfm.sales.likelihoods.noise import LEAST_NOISE

LONGEST, HALVINGS, ENOUGH = 1.0, 4, 0.01


@dataclass(frozen=True, slots=True)
class NoiseSlopes:
    """Slope and curvature, minus the second derivatives, by v.

    Attributes
    ----------
    v : numpy.ndarray
        Where (V,).
    value : float
        Log marginal posterior there, up to a constant.
    slopes, bends : numpy.ndarray
        What products, and last the prior, add to slope (V, N + 1) and curvature (V, V, N + 1) of the log
        marginal posterior, what products add to coordinates held.
    """

    v: np.ndarray
    value: float
    slopes: np.ndarray
    bends: np.ndarray

    @property
    def slope(self) -> np.ndarray:
        """(V,)"""
        return self.slopes.sum(axis=1)

    @property
    def curvature(self) -> np.ndarray:
        """(V, V)"""
        return self.bends.sum(axis=2)


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
    slopes, bends = (np.array(up) - down) / (2 * DIFFERENCE), np.empty((V, V, len(here)))
    for j in range(V):
        bends[j, j] = (2 * here - up[j] - down[j]) / DIFFERENCE**2
        for k in range(j):
            corner = values(v + steps[j] + steps[k])
            bends[j, k] = bends[k, j] = (up[j] + up[k] - corner - here) / DIFFERENCE**2
    return NoiseSlopes(v, float(here.sum()), slopes, bends)


def _values(
    at: Expansion, noise: NoiseModel, posterior: NormalPosterior
) -> Callable[[np.ndarray], np.ndarray]:
    """v -> values of products, and last the log prior of v (N + 1,)."""
    of_products = product_values(at, posterior)

    def values(v: np.ndarray) -> np.ndarray:
        scales = noise.at(v, posterior.scales)
        return np.append(of_products(scales), noise.log_prior(scales))

    return values


def noise_hierarchy(
    model: ArrowModel,
    noise: NoiseModel,
    scales: Scales,
    slopes: NoiseSlopes,
    j: int,
    move: np.ndarray | None = None,
) -> NoiseHierarchy:
    """What products tell of the coordinate j of their noise, where others have moved by ``move`` (V,)."""
    own, place = noise.coordinates[j].own, slopes.v[j]
    assert own is not None
    others = np.zeros(len(slopes.v)) if move is None else np.where(np.arange(len(move)) == j, 0.0, move)
    slope, bend = slopes.slopes[j] - others @ slopes.bends[j], slopes.bends[j, j]
    prior_bend = max(0.0, float(bend[-1]))  # less is the kink of a bound
    return hierarchy(
        place + own.of(scales),
        slope[:-1],
        bend[:-1],
        model.panel.group,
        (float(slope[-1]) + prior_bend * place, prior_bend),
        own.sizes,
        LONGEST,
    )


def given_others(noise: NoiseModel, slopes: NoiseSlopes, j: int, v: np.ndarray) -> np.ndarray:
    """How far the expectation of coordinate j moves where those that no product adds to are v (..., V)."""
    H, shared = slopes.curvature, np.array([one.own is None for one in noise.coordinates])
    beside = np.where(shared, H[j] / max(H[j, j], 1.0), 0.0)
    return -(v - slopes.v) @ beside


def given_way(model: ArrowModel, noise: NoiseModel, scales: Scales, slopes: NoiseSlopes) -> np.ndarray:
    r"""Curvature C (V, V) that is lost where what products add to noise gives way, held in ``slopes``.

    .. math:: C = \sum_i B_i (K_i + \Omega^{-1})^{-1} B_i'

    with B the curvatures of a product between all coordinates and what it adds, K those among the latter, and
    Omega their variances about groups.
    """
    own = [j for j, _ in noise.own]
    if not own:
        return np.zeros_like(slopes.curvature)
    B = slopes.bends[:, own, :-1].transpose(2, 0, 1)
    K = B[:, own].copy()
    for a, j in enumerate(own):
        told = noise_hierarchy(model, noise, scales, slopes, j)
        sds, weight = told.spreads()
        K[:, a, a] = told.information + max(float(weight @ sds[:, 1]), LEAST_NOISE) ** -2
    C = (B @ np.linalg.solve(K, B.swapaxes(1, 2))).sum(axis=0)
    return (C + C.T) / 2


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
    move = v - slopes.v
    for j, own in noise.own:
        told = noise_hierarchy(model, noise, posterior.scales, slopes, j, move)
        sds, weight = told.spreads()
        mean, by_product = told.means(*(weight @ sds))
        v[j] = np.clip(mean, slopes.v[j] - LONGEST, slopes.v[j] + LONGEST).clip(low[j], high[j])
        before = slopes.v[j] + own.of(posterior.scales)
        scales = own.moved(scales, by_product.clip(before - LONGEST, before + LONGEST) - v[j])
    return noise.at(v.clip(low, high), scales)
