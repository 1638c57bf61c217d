r"""Points at which scales and noise are held while effects are drawn, and their weights.

Scales u and log noise take K values, a scrambled Sobol sequence through an approximation q of their marginal
posterior: normal, but for an sd of its own on each side of an axis [1]_. Each is taken as often as

.. math:: w_k \propto p(y | u_k) \, p(u_k) / q(u_k)

says, the largest weights smoothed [2]_, with p(y | u) that of the working likelihood at the mode, whose
effects are normal and drawn exactly.

Array names and axis order: N products, T periods, K points, D coordinates.

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

from hdfm.sales.laplace.evidence import Evidence, evidence
from hdfm.sales.laplace.mode import (
    DIFFERENCE,
    LEAST_CURVATURE,
    LEAST_NOISE,
    LaplaceMode,
    height_of,
    log_posterior,
    mend_levels,
    noise_terms,
    position,
)
from hdfm.sales.laplace.newton import working_likelihood
from hdfm.sales.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.sales.laplace.prior import Scales
from hdfm.sales.laplace.threads import in_threads

FEWEST, MOST, CELLS = 32, 512, 10_000_000  # points, and cells of all points
FAR, STRETCHED = 2.5, (0.7, 3.0)  # sds of the normal approximation
LAST = 3.0  # sds: where q ends, for beyond it a point has a weight that nothing bounds
SMALL = 1e-300
FARTHEST = 3.0  # sds of a Newton step
MOST_KEPT = 50_000_000  # numbers in posteriors of points
KNOWN_NOISE = 0.01  # posterior sd of log noise below which it stays at its mode


@dataclass(frozen=True, slots=True)
class Point:
    """A value of the scales, the share of draws that take it, and the posterior of effects there, if kept."""

    scales: Scales
    weight: float
    kept: NormalPosterior | None = None

    def posterior(self, mode: LaplaceMode) -> NormalPosterior:
        """Of effects."""
        return self.kept or normal_posterior(evidence_for(mode, self.scales), self.scales)


@dataclass(frozen=True, slots=True)
class ScaleCurvature:
    """A normal approximation of D coordinates: u, and log noise, or else the sd of that alone.

    Attributes
    ----------
    centre : numpy.ndarray
        A Newton step from the mode (D,), which is known to a fixed length, not to one in sds.
    covariance : numpy.ndarray
        (D, D)
    """

    centre: np.ndarray
    covariance: np.ndarray
    log_noise_sd: float


def scale_points(mode: LaplaceMode, rng: np.random.Generator) -> tuple[list[Point], float]:
    """Values of the scales with weights that sum to one, and the sd of log noise about theirs."""
    curvature = scale_curvature(mode)
    D = len(curvature.covariance)
    if not D:
        return [Point(mode.scales, 1.0)], curvature.log_noise_sd
    values, log_density = _split_normal(mode, curvature, rng)
    scales = [_scales(mode, value) for value in values]
    found = list(in_threads(mode.model, lambda each: _height(mode, each, len(scales)), scales))
    height = np.array([value for value, _ in found])
    log_weight, _ = array_stats.psislw(log_density - height)
    points = [
        Point(each, float(np.exp(w)), posterior)
        for each, w, (_, posterior) in zip(scales, log_weight, found, strict=True)
    ]
    return points, curvature.log_noise_sd


def _split_normal(mode, curvature, rng):
    """Points (K, D) and their log density (K,) under q, up to a constant.

    The two sds of an axis are such that q falls as far as the marginal posterior does at ``FAR``.
    """
    variance, axes = np.linalg.eigh(curvature.covariance)
    D, root = len(variance), axes * np.sqrt(variance)
    low, high = np.transpose([*mode.coordinates.bounds(), (np.log(LEAST_NOISE), np.inf)][:D])

    def values(z):
        return (curvature.centre + z @ root.T).clip(low, high)

    far = FAR * np.concatenate([np.eye(D), -np.eye(D), np.zeros((1, D))])
    *around, here = in_threads(mode.model, lambda u: _height(mode, _scales(mode, u))[0], values(far))
    drop = np.maximum(here - np.array(around), SMALL)
    up, down = (FAR / np.sqrt(2 * drop)).clip(*STRETCHED).reshape(2, D)
    size = np.clip(CELLS / mode.model.panel.units.size, FEWEST, MOST)
    z = truncnorm.ppf(qmc.Sobol(D, rng=rng).random_base2(round(np.log2(size))), -LAST, LAST)
    stretch = np.where(z > 0, up, down)
    return values(stretch * z), -(z**2 / 2 + np.log(stretch)).sum(axis=1)


def scale_curvature(mode: LaplaceMode) -> ScaleCurvature:
    """From the gradient of the marginal log posterior by u and log noise, and its differences.

    Noise that the data tell to 1 % is left out: it hardly moves the rest.
    """
    place = position(mode.coordinates, mode.scales)
    D = len(place) - 1
    H, slope, noise_sd, u = np.zeros((D + 1, D + 1)), np.zeros(D + 1), 0.0, place[:D]
    slope[:D], H[:D, :D] = _slope_and_curvature(mode, u)
    if mode.model.spec.family.noise is not None:
        noisier, same, calmer = (_scales(mode, np.append(u, place[D] + k * DIFFERENCE)) for k in (1, 0, -1))
        heights = [_height(mode, scales)[0] for scales in (noisier, same, calmer)]
        H[D, D] = (2 * heights[1] - heights[0] - heights[2]) / DIFFERENCE**2
        if H[D, D] < KNOWN_NOISE**-2:
            H[D, :D] = H[:D, D] = (_at(mode, calmer)[1] - _at(mode, noisier)[1]) / (2 * DIFFERENCE)
            slope[D] = (heights[0] - heights[2]) / (2 * DIFFERENCE)
            D += 1
        else:
            noise_sd = H[D, D] ** -0.5
    covariance = _inverse(H[:D, :D])
    step = covariance @ slope[:D]
    length = np.sqrt(step @ slope[:D])  # in sds
    return ScaleCurvature(place[:D] + step * min(1, FARTHEST / max(length, SMALL)), covariance, noise_sd)


def _slope_and_curvature(mode, u):
    """Gradient (D,) by u and curvature (D, D); the latter from the search, where it kept one."""
    if mode.curvature is not None:
        return _at(mode, mode.scales)[1], mode.curvature
    D = len(u)
    steps = DIFFERENCE * np.concatenate([np.eye(D), -np.eye(D), np.zeros((1, D))])
    found = list(in_threads(mode.model, lambda step: _at(mode, _scales(mode, u + step)), steps))
    up, down, here = np.split(np.array([slope for _, slope in found]), [D, 2 * D])
    slope, H = here[0], (down - up) / (2 * DIFFERENCE)
    if mode.model.selection is not None:
        k = mode.coordinates.names.index("product_effect")
        around = np.array([found[place][0] for place in (D + k, 2 * D, k)])
        mend_levels(mode.coordinates, slope, H, around)
    return slope, (H + H.T) / 2


def _inverse(H):
    values, vectors = np.linalg.eigh(H)
    return (vectors / np.maximum(values, LEAST_CURVATURE)) @ vectors.T


def _scales(mode, value):
    """Scales of coordinates, log noise last if it is among them."""
    D = len(mode.coordinates.names)
    scales = mode.coordinates.scales(value[:D], mode.scales)
    return replace(scales, noise=float(np.exp(value[D]))) if len(value) > D else scales


def evidence_for(mode: LaplaceMode, scales: Scales) -> Evidence:
    """The working likelihood at the mode's effects for the noise of scales."""
    if scales.noise == mode.scales.noise:
        return mode.evidence
    now = working_likelihood(mode.model, mode.eta, scales.noise)
    W = now.precision * mode.working.precision / np.maximum(mode.plain.precision, SMALL)
    g = now.gradient + (mode.working.gradient - mode.plain.gradient)
    return evidence(mode.model, mode.evidence.at, now.value, W, g)


def _height(mode, scales, points=1):
    """Log marginal posterior of scales and log noise, up to a constant; posterior of effects, if small."""
    found = evidence_for(mode, scales)
    posterior = normal_posterior(found, scales)
    value = height_of(mode.coordinates, posterior, mode.low)
    kept = _to_draw_from(mode, posterior, points)
    if mode.model.spec.family.noise is None:
        return value, kept
    constant, prior = noise_terms(mode.model, scales.noise)
    return value + found.value + constant + prior, kept


def _to_draw_from(mode, posterior, points):
    """A posterior less the sums that draws do without, if those of all points can be held; else None."""
    found = posterior.evidence
    size = posterior.half.size + posterior.of_group.size + posterior.of_controls.size
    size += sum(root.size for root in posterior.arrow.roots)
    if found is not mode.evidence:
        size += found.cosines.size
        posterior = replace(
            posterior, evidence=replace(found, cosine_information=found.cosine_information[:0])
        )
    return posterior if points * size < MOST_KEPT else None


def _at(mode, scales):
    """Log marginal posterior by the working likelihood, and its gradient (D,) by u."""
    return log_posterior(mode.coordinates, scales, evidence_for(mode, scales), mode.low)
