r"""Integration points: scales and noise at which effects are drawn, and their weights.

Scales u and log noise take K values, a scrambled Sobol sequence through an approximation q of their marginal
posterior: normal, but for an sd of its own on each side of an axis [1]_. Each is taken as often as

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

from hdfm.sales.laplace.marginal import DIFFERENCE, SMALL, Marginal, quadratic
from hdfm.sales.laplace.mode import LEAST_CURVATURE, LEAST_NOISE, LaplaceMode
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import Scales
from hdfm.sales.laplace.threads import in_threads

FEWEST, MOST, CELLS = 32, 512, 10_000_000  # points, and cells of all points
FAR, STRETCHED = 2.5, (0.7, 3.0)  # sds of the normal approximation
LAST = 3.0  # sds: where q ends, for beyond it a point has a weight that nothing bounds
FARTHEST = 3.0  # sds of a Newton step
MOST_KEPT = 50_000_000  # numbers in posteriors of points
KNOWN_NOISE = 0.01  # posterior sd of log noise below which it stays at its mode


@dataclass(frozen=True, slots=True)
class Point:
    """Value of the scales, the share of draws that take it, and the posterior of effects there, if kept."""

    scales: Scales
    weight: float
    kept: NormalPosterior | None = None

    def posterior(self, marginal: Marginal) -> NormalPosterior:
        """Of effects."""
        return self.kept or marginal.posterior(self.scales)


@dataclass(frozen=True, slots=True)
class NormalScales:
    """Normal approximation of D coordinates: u, and log noise, or else the sd of that alone.

    Attributes
    ----------
    centre : numpy.ndarray
        A Newton step from the mode (D,), which is known to a fixed length, not to one in sds.
    covariance : numpy.ndarray
        (D, D)
    log_noise_sd : float
    """

    centre: np.ndarray
    covariance: np.ndarray
    log_noise_sd: float


def integration_points(mode: LaplaceMode, rng: np.random.Generator) -> tuple[list[Point], float]:
    """Values of the scales with weights that sum to one, and the sd of log noise about theirs."""
    normal = normal_scales(mode)
    if not len(normal.covariance):
        return [Point(mode.scales, 1.0)], normal.log_noise_sd
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
    return points, normal.log_noise_sd


def _split_normal(
    mode: LaplaceMode, normal: NormalScales, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (K, D) and their log density (K,) under q, up to a constant.

    The two sds of an axis are such that q falls as far as the marginal posterior does at ``FAR``.
    """
    variance, axes = np.linalg.eigh(normal.covariance)
    D, root = len(variance), axes * np.sqrt(variance)
    low, high = np.transpose([*mode.coordinates.bounds(), (np.log(LEAST_NOISE), np.inf)][:D])

    def places(z: np.ndarray) -> np.ndarray:
        return (normal.centre + z @ root.T).clip(low, high)

    def value(place: np.ndarray) -> float:
        return log_marginal(mode.marginal, mode.coordinates.at_position(place, mode.scales))

    far = FAR * np.concatenate([np.eye(D), -np.eye(D), np.zeros((1, D))])
    *around, here = in_threads(mode.model, value, places(far))
    drop = np.maximum(here - np.array(around), SMALL)
    up, down = (FAR / np.sqrt(2 * drop)).clip(*STRETCHED).reshape(2, D)
    size = np.clip(CELLS / mode.model.panel.units.size, FEWEST, MOST)
    z = truncnorm.ppf(qmc.Sobol(D, rng=rng).random_base2(round(np.log2(size))), -LAST, LAST)
    stretch = np.where(z > 0, up, down)
    return places(stretch * z), -(z**2 / 2 + np.log(stretch)).sum(axis=1)


def normal_scales(mode: LaplaceMode) -> NormalScales:
    """From slope and curvature of the marginal log posterior by u and log noise.

    Noise that the data tell to 1 % is left out: it hardly moves the others.
    """
    marginal, place, noise_sd = mode.marginal, mode.coordinates.position(mode.scales), 0.0
    D = len(place) - 1
    H, slope = np.zeros((D + 1, D + 1)), np.zeros(D + 1)
    slope[:D], H[:D, :D] = _slope_and_curvature(mode)
    if mode.model.spec.family.noise is not None:
        noisier, same, calmer = (_at_noise(mode, place, k * DIFFERENCE) for k in (1, 0, -1))
        up, here, down = (log_marginal(marginal, scales) for scales in (noisier, same, calmer))
        H[D, D] = (2 * here - up - down) / DIFFERENCE**2
        if H[D, D] < KNOWN_NOISE**-2:
            change = marginal.slope_given_noise(calmer)[1] - marginal.slope_given_noise(noisier)[1]
            H[D, :D] = H[:D, D] = change / (2 * DIFFERENCE)
            slope[D] = (up - down) / (2 * DIFFERENCE)
            D += 1
        else:
            noise_sd = H[D, D] ** -0.5
    covariance = _inverse(H[:D, :D])
    step = covariance @ slope[:D]
    length = float(np.sqrt(step @ slope[:D]))  # in sds
    return NormalScales(place[:D] + step * min(1, FARTHEST / max(length, SMALL)), covariance, noise_sd)


def _slope_and_curvature(mode: LaplaceMode) -> tuple[np.ndarray, np.ndarray]:
    """By u (D,), (D, D); the latter from the search, where it kept one."""
    if mode.curvature is not None:
        return mode.marginal.slope_given_noise(mode.scales)[1], mode.curvature
    at = quadratic(mode.marginal, mode.scales, central=True)
    return at.slope, at.curvature


def _at_noise(mode: LaplaceMode, place: np.ndarray, step: float) -> Scales:
    """Scales of u and log noise (D + 1,), a step in log noise from there."""
    return mode.coordinates.at_position(np.append(place[:-1], place[-1] + step), mode.scales)


def _inverse(H: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(H)
    return (vectors / np.maximum(values, LEAST_CURVATURE)) @ vectors.T


def log_marginal(marginal: Marginal, scales: Scales) -> float:
    """Log marginal posterior of scales and log noise, up to a constant."""
    return marginal.value(marginal.posterior(scales))


def _value_and_posterior(
    marginal: Marginal, scales: Scales, n_points: int
) -> tuple[float, NormalPosterior | None]:
    """Log marginal posterior of scales, and the posterior of effects if those of all points can be held."""
    posterior = marginal.posterior(scales)
    return marginal.value(posterior), _to_draw_from(marginal, posterior, n_points)


def _to_draw_from(marginal: Marginal, posterior: NormalPosterior, n_points: int) -> NormalPosterior | None:
    """A posterior less the sums that draws do without, if those of all points can be held; else None."""
    likelihood = posterior.likelihood
    size = posterior.half.size + posterior.of_group.size + posterior.of_controls.size
    size += sum(root.size for root in posterior.arrow.roots)
    if likelihood is not marginal.expansion.likelihood:
        size += likelihood.cosines.size
        smaller = replace(likelihood, cosine_information=likelihood.cosine_information[:0])
        posterior = replace(posterior, likelihood=smaller)
    return posterior if n_points * size < MOST_KEPT else None
