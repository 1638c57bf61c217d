r"""Integration points: scales and noise at which effects are drawn, and their weights.

Scales u and log noise take K values, a scrambled Sobol sequence through an approximation q of their marginal
posterior: normal, but for an sd of its own on each side of an axis [1]_. A value is drawn from as often as

.. math:: w_k \propto p(y | u_k) \, p(u_k) / q(u_k)

says, the largest weights smoothed [2]_, with p(y | u) that of the working likelihood at the mode, whose
effects are normal and drawn exactly.

Array names and axis order: K points, D coordinates: u, and log noise where data leave it open.

References
----------
.. [1] Rue, Martino, Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using
   integrated nested Laplace approximations", Journal of the Royal Statistical Society B 71(2).
.. [2] Vehtari, Simpson, Gelman, Yao, Gabry (2024), "Pareto smoothed importance sampling", Journal of Machine
   Learning Research 25(72).
"""

from dataclasses import dataclass, replace

import numpy as np
from arviz_stats.base import array_stats
from scipy.stats import qmc, truncnorm

from hdfm.sales.laplace.marginal import (
    LEAST_CURVATURE,
    SMALL,
    Marginal,
    Quadratic,
    joint_quadratic,
    joint_with_noise,
    noise_quadratic,
    quadratic,
)
from hdfm.sales.laplace.mode import LaplaceMode
from hdfm.sales.laplace.noise_step import given_way
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import Scales
from hdfm.sales.laplace.threads import in_threads

FEWEST, MOST, CELLS = 32, 512, 10_000_000  # points, and cells of all points
FAR, STRETCHED = 2.5, (0.7, 3.0)  # sds of the normal approximation
LAST = 3.0  # sds: where q ends, for beyond it a point has a weight that nothing bounds
FARTHEST = 3.0  # sds of a Newton step
MOST_HELD = 50_000_000  # numbers in posteriors of points
KNOWN_NOISE = 0.01  # posterior sd of log noise below which it stays at its mode


@dataclass(frozen=True, slots=True)
class Point:
    """Value of the scales, the share of draws that take it, and the posterior of effects there, if held."""

    scales: Scales
    weight: float
    effects: NormalPosterior | None = None

    def posterior(self, marginal: Marginal) -> NormalPosterior:
        """Of effects."""
        return self.effects or marginal.posterior(self.scales)


@dataclass(frozen=True, slots=True)
class NormalScales:
    """Normal approximation of D coordinates: u, and v, or else a root of the covariance of these alone.

    Attributes
    ----------
    centre : numpy.ndarray
        A Newton step from the mode (D,), which is known to a fixed length, not to one in sds.
    covariance : numpy.ndarray
        (D, D)
    noise_root : numpy.ndarray
        Of the covariance of v (V, V), where they are among the D of what it lacks.
    """

    centre: np.ndarray
    covariance: np.ndarray
    noise_root: np.ndarray


def integration_points(mode: LaplaceMode, rng: np.random.Generator) -> tuple[list[Point], np.ndarray]:
    r"""Values of scales with weights that sum to one; a root (V, V) of the covariance of v about theirs.

    .. math:: w_k \propto p(y | u_k) \, p(u_k) / q(u_k), \qquad u_k \sim q, \quad k = 1, \ldots, K

    the largest smoothed [2]_. u_k (D,) are those of a scrambled Sobol sequence through q, the split normal
    approximation [1]_ of p(u | y) about its mode: see :func:`_split_normal`. Log noise is among them where
    data leave it open, and K is a power of 2 from ``FEWEST`` to ``MOST``, the smaller the larger the panel;
    one point where there is nothing to integrate over. u has no unit, see
    :class:`hdfm.sales.laplace.scales.ScaleModel`.

    References
    ----------
    .. [1] Rue, Martino, Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using
       integrated nested Laplace approximations", Journal of the Royal Statistical Society B 71(2).
    .. [2] Vehtari, Simpson, Gelman, Yao, Gabry (2024), "Pareto smoothed importance sampling", Journal of
       Machine Learning Research 25(72).
    """
    normal = normal_scales(mode)
    if not len(normal.covariance):
        return [Point(mode.scales, 1.0)], normal.noise_root
    places, log_density = _split_normal(mode, normal, rng)
    scales = [mode.coordinates.at_position(place, mode.scales) for place in places]
    pairs = list(
        in_threads(mode.model, lambda s: _value_and_posterior(mode.marginal, s, len(scales)), scales)
    )
    values = np.array([value for value, _ in pairs])
    log_weight, _ = array_stats.psislw(log_density - values)
    points = [
        Point(at, float(np.exp(w)), posterior)
        for at, w, (_, posterior) in zip(scales, log_weight, pairs, strict=True)
    ]
    return points, normal.noise_root


def _split_normal(
    mode: LaplaceMode, normal: NormalScales, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    r"""Points (K, D) and their log density (K,) under q, up to a constant.

    .. math:: u = \hat u + \sum_d v_d \, \lambda_d^{1/2} \, s_d^\pm \, z_d, \qquad
        \log q = -\sum_d (z_d^2 / 2 + \log s_d^\pm)

    with eigenvalues lambda (D,) and eigenvectors v of the covariance, z standard normal between -``LAST`` and
    ``LAST``, and s the sd on the side of the sign of z, in those of the normal approximation. The two sds of
    an axis are such that q falls as far as the marginal posterior does at ``FAR``.
    """
    variance, axes = np.linalg.eigh(normal.covariance)
    if not (variance > 0).all():
        raise np.linalg.LinAlgError("The covariance of scales is not positive definite.")
    D, root = len(variance), axes * np.sqrt(variance)
    bounds = [*mode.coordinates.bounds(), *mode.coordinates.noise.bounds()]
    low, high = np.transpose(bounds[:D])

    def places(z: np.ndarray) -> np.ndarray:
        return (normal.centre + z @ root.T).clip(low, high)

    def value(place: np.ndarray) -> float:
        return mode.marginal.value(mode.coordinates.at_position(place, mode.scales))

    far = FAR * np.concatenate([np.eye(D), -np.eye(D), np.zeros((1, D))])
    *far_values, centre_value = in_threads(mode.model, value, places(far))
    drop = np.maximum(centre_value - np.array(far_values), SMALL)
    up, down = (FAR / np.sqrt(2 * drop)).clip(*STRETCHED).reshape(2, D)
    size = np.clip(CELLS / mode.model.panel.units.size, FEWEST, MOST)
    z = truncnorm.ppf(qmc.Sobol(D, rng=rng).random_base2(round(np.log2(size))), -LAST, LAST)
    stretch = np.where(z > 0, up, down)
    return places(stretch * z), -(z**2 / 2 + np.log(stretch)).sum(axis=1)


def normal_scales(mode: LaplaceMode) -> NormalScales:
    """Normal approximation of u and v, from slope and curvature of their marginal log posterior.

    Noise that the data tell to 1 %, and paths of large panels, are left out: they hardly move the others.
    """
    marginal, scales, noise = mode.marginal, mode.scales, mode.coordinates.noise
    at, noise_root = _by_scales(mode), np.zeros((len(noise.coordinates),) * 2)
    if mode.by_noise is not None:
        H = mode.by_noise.curvature
        covariance = _inverse(H - given_way(mode.model, noise, scales, mode.by_noise))
        if not mode.model.large:
            at = joint_with_noise(marginal, scales, at)
            covariance -= _inverse(H)  # what points lack, at which products' noise is held
        noise_root = _root(covariance, [j for j, _ in noise.own])
    elif mode.model.spec.family.noise is not None:
        by_noise = noise_quadratic(marginal, scales)
        curvature = by_noise.curvature[0, 0]
        if curvature < KNOWN_NOISE**-2:
            at = joint_quadratic(marginal, scales, at, by_noise)
        else:
            noise_root = np.array([[curvature**-0.5]])
    covariance = _inverse(at.curvature)
    step = covariance @ at.slope
    length = float(np.sqrt(step @ at.slope))  # in sds
    place = mode.coordinates.position(scales)[: len(step)]
    return NormalScales(place + step * min(1, FARTHEST / max(length, SMALL)), covariance, noise_root)


def _by_scales(mode: LaplaceMode) -> Quadratic:
    """Quadratic of the marginal by u alone; its curvature that of the search, where there is one."""
    if mode.curvature is None:
        return quadratic(mode.marginal, mode.scales, central=True)
    return Quadratic(*mode.marginal.slope_given_noise(mode.scales), mode.curvature)


def _inverse(H: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(H)
    return (vectors / np.maximum(values, LEAST_CURVATURE)) @ vectors.T


def _root(covariance: np.ndarray, known: list[int]) -> np.ndarray:
    """Of the positive part of a covariance (V, V), some coordinates held."""
    covariance[known], covariance[:, known] = 0.0, 0.0
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _value_and_posterior(
    marginal: Marginal, scales: Scales, n_points: int
) -> tuple[float, NormalPosterior | None]:
    """Log marginal posterior of scales, and the posterior of effects if those of all points can be held."""
    posterior = marginal.posterior(scales)
    return marginal.value_of(posterior), _to_draw_from(marginal, posterior, n_points)


def _to_draw_from(marginal: Marginal, posterior: NormalPosterior, n_points: int) -> NormalPosterior | None:
    """A posterior less the sums that draws do without, if those of all points can be held; else None."""
    likelihood = posterior.likelihood
    size = posterior.half.size + posterior.of_group.size + posterior.of_controls.size
    size += sum(root.size for root in posterior.arrow.roots)
    if likelihood is not marginal.expansion.likelihood:
        size += likelihood.cosines.size
        smaller = replace(likelihood, cosine_information=likelihood.cosine_information[:0])
        posterior = replace(posterior, likelihood=smaller)
    return posterior if n_points * size < MOST_HELD else None
