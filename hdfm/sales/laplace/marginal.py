r"""Log marginal posterior of scales and noise: effects integrated out, its value, slope and curvature.

For a working likelihood held fixed, effects are normal given scales u and noise, so that

.. math:: \log p(u, \varsigma \mid y) = \log p(y \mid u, \varsigma) + \log p(u) + \log p(\log \varsigma)

has the log marginal likelihood (evidence) in closed form [1]_, products that sell little by quadrature. Its
gradient by u is that of the expected log prior under the posterior of effects (Fisher's identity), curvatures
are differences of it. The search for the mode and the points of integration ask here and nowhere else.

Array names and axis order: N products, G groups, T periods, D scales that are estimated.

References
----------
.. [1] Rue, Martino, Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using
   integrated nested Laplace approximations", Journal of the Royal Statistical Society B 71(2), equation (3).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.moments import Moments, moments
from hdfm.sales.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.scales import ScaleModel
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.laplace.wandering import likelihood_of_paths, path_posterior
from hdfm.sales.laplace.working import (
    WorkingCells,
    WorkingLikelihood,
    working_cells,
    working_likelihood,
)

DIFFERENCE = 0.05
LEAST_CURVATURE = 0.5  # of the marginal posterior of scales and noise; the prior alone has about 1
SMALL = 1e-300


@dataclass(frozen=True, slots=True)
class Quadratic:
    """Value, slope (D,) and curvature (D, D), minus the second derivatives, of a log density by u."""

    value: float
    slope: np.ndarray
    curvature: np.ndarray


@dataclass(frozen=True, slots=True)
class Marginal:
    """Log marginal posterior of scales and noise, for the working likelihood of an expansion.

    Attributes
    ----------
    coordinates : ScaleModel
    expansion : Expansion
    """

    coordinates: ScaleModel
    expansion: Expansion

    @property
    def model(self) -> ArrowModel:
        """Whose scales they are."""
        return self.expansion.model

    def likelihood(self, scales: Scales) -> WorkingLikelihood:
        """The working likelihood about the expansion's effects at the noise and paths of scales.

        What quadrature makes of precisions and gradients is taken over from the expansion's noise.
        """
        at = self.expansion
        if scales.same_noise(at.scales):
            return at.likelihood
        plain = working_cells(self.model, at.eta, self.model.variance(scales))
        if scales.paths:
            paths = path_posterior(self.model, scales, plain, at.path_means)
            return likelihood_of_paths(self.model, at.effects, plain, paths)
        W = plain.precision * at.cells.precision / np.maximum(at.plain.precision, SMALL)
        g = plain.gradient + (at.cells.gradient - at.plain.gradient)
        return working_likelihood(self.model, at.effects, WorkingCells(plain.value, g, W))

    def posterior(self, scales: Scales) -> NormalPosterior:
        """Of effects."""
        return normal_posterior(self.likelihood(scales), scales)

    def value_given_noise(self, scales: Scales) -> float:
        """log p(u | y, noise), up to a constant."""
        return self._given_noise(self.posterior(scales))[0]

    def slope_given_noise(self, scales: Scales) -> tuple[float, np.ndarray]:
        """The same and its gradient (D,) by u; where products were selected, see :func:`quadratic`."""
        posterior = self.posterior(scales)
        value, products = self._given_noise(posterior)
        _, prior_slope = self.coordinates.log_prior(self.coordinates.coordinates(scales))
        return value, log_marginal_slope(self.coordinates, posterior, products) + prior_slope

    def value(self, scales: Scales) -> float:
        """log p(u, v | y), up to a constant."""
        return self.value_of(self.posterior(scales))

    def value_of(self, posterior: NormalPosterior) -> float:
        """The same, of the scales that a posterior of effects was made for."""
        value, _ = self._given_noise(posterior)
        if not self.coordinates.noise.coordinates:
            return value
        constant = noise_constant(self.model, posterior.scales)
        prior = self.coordinates.noise.log_prior(posterior.scales)
        return value + posterior.likelihood.value + constant + prior

    def value_of_noise(self, scales: Scales, log_noise: float) -> float:
        r"""log p(log noise | y, u) with effects held at x_0, all products by Laplace's approximation.

        .. math:: \log p(y \mid x_0, \varsigma) - \tfrac12 \log |P^{-1} (P + F' A F)| + \log p(\log \varsigma)
        """
        scales, at = replace(scales, noise=float(np.exp(log_noise))), self.expansion
        cells = working_cells(self.model, at.eta, self.model.variance(scales))
        likelihood = working_likelihood(self.model, at.effects, cells)
        constant, prior = noise_constant(self.model, scales), self.coordinates.noise.log_prior(scales)
        return cells.value + constant - normal_posterior(likelihood, scales).log_det / 2 + prior

    def _given_noise(self, posterior: NormalPosterior) -> tuple[float, np.ndarray | float]:
        """log p(u | y, noise), and what low counts add to second moments of products (2, 2)."""
        low = self.expansion.low
        correction, products = low.evidence(posterior) if low is not None else (0.0, 0.0)
        prior, _ = self.coordinates.log_prior(self.coordinates.coordinates(posterior.scales))
        return posterior.log_marginal + correction + prior, products


def quadratic(marginal: Marginal, scales: Scales, *, central: bool) -> Quadratic:
    """log p(u | y, noise) about scales, its curvature by forward or central differences of the slope.

    Where products were selected, the slope lacks what the sd of levels changes in selection: by it, slope
    and curvature are differences of values.
    """
    coordinates = marginal.coordinates
    u, D = coordinates.coordinates(scales), len(coordinates.names)
    steps = DIFFERENCE * np.concatenate([np.zeros((1, D)), np.eye(D), -np.eye(D)])
    places = [coordinates.scales(u + step, scales) for step in steps[: 2 * D + 1 if central else D + 1]]
    values, slopes = _values_and_slopes(in_threads(marginal.model, marginal.slope_given_noise, places))
    if central:
        H = (slopes[D + 1 :] - slopes[1 : D + 1]) / (2 * DIFFERENCE)
    else:
        H = (slopes[0] - slopes[1:]) / DIFFERENCE
    at = Quadratic(values[0], slopes[0], H)
    if marginal.model.selection is not None:
        k = coordinates.names.index("product_effect")
        below = coordinates.scales(u - steps[k + 1], scales)
        low = values[D + 1 + k] if central else marginal.value_given_noise(below)
        at = by_values(at, k, low, values[k + 1])
    return replace(at, curvature=(at.curvature + at.curvature.T) / 2)


def noise_quadratic(marginal: Marginal, scales: Scales) -> Quadratic:
    """log p(u, log noise | y) along log noise alone, (1,) and (1, 1), by differences of values."""
    calmer, same, noisier = (_at_noise(marginal, scales, k * DIFFERENCE) for k in (-1, 0, 1))
    down, value, up = (marginal.value(at) for at in (calmer, same, noisier))
    slope = np.array([(up - down) / (2 * DIFFERENCE)])
    return Quadratic(value, slope, np.array([[(2 * value - up - down) / DIFFERENCE**2]]))


def joint_quadratic(
    marginal: Marginal, scales: Scales, by_scales: Quadratic, by_noise: Quadratic
) -> Quadratic:
    """log p(u, log noise | y), (D + 1,) and (D + 1, D + 1), from those along u and along log noise."""
    calmer, noisier = (_at_noise(marginal, scales, k * DIFFERENCE) for k in (-1, 1))
    change = marginal.slope_given_noise(calmer)[1] - marginal.slope_given_noise(noisier)[1]
    cross = change[:, None] / (2 * DIFFERENCE)
    H = np.block([[by_scales.curvature, cross], [cross.T, by_noise.curvature]])
    return Quadratic(by_noise.value, np.append(by_scales.slope, by_noise.slope), H)


def joint_with_noise(marginal: Marginal, scales: Scales, by_scales: Quadratic) -> Quadratic:
    """log p(u, v | y), (D + V,) and (D + V, D + V), from that along u, by differences in v."""
    noise, D = marginal.coordinates.noise, len(by_scales.slope)
    V, v = len(noise.coordinates), noise.position(scales)
    steps = DIFFERENCE * np.eye(V)

    def value(step: np.ndarray) -> float:
        return marginal.value(noise.at(v + step, scales))

    def value_and_slope(step: np.ndarray) -> tuple[float, np.ndarray]:
        posterior = marginal.posterior(noise.at(v + step, scales))
        return marginal.value_of(posterior), log_marginal_slope(marginal.coordinates, posterior)

    beside = in_threads(marginal.model, value_and_slope, [*steps, *-steps])
    values, slopes = map(np.array, zip(*beside, strict=True))
    pairs = [(j, k) for j in range(V) for k in range(j)]
    both = in_threads(marginal.model, value, [steps[j] + steps[k] for j, k in pairs])
    here, up, down = value(0 * v), values[:V], values[V:]
    H = np.zeros((D + V, D + V))
    H[:D, :D] = by_scales.curvature
    H[D:, :D] = (slopes[V:] - slopes[:V]) / (2 * DIFFERENCE)
    H[:D, D:] = H[D:, :D].T
    H[D:, D:] = np.diag((2 * here - up - down) / DIFFERENCE**2)
    for (j, k), corner in zip(pairs, both, strict=True):
        H[D + j, D + k] = H[D + k, D + j] = (up[j] + up[k] - corner - here) / DIFFERENCE**2
    return Quadratic(here, np.append(by_scales.slope, (up - down) / (2 * DIFFERENCE)), H)


def noise_given_effects(marginal: Marginal, scales: Scales) -> tuple[float, float]:
    """First and second derivative of :meth:`Marginal.value_of_noise` by log noise, at that of scales."""
    place = np.log(scales.noise)
    down, value, up = (marginal.value_of_noise(scales, place + k * DIFFERENCE) for k in (-1, 0, 1))
    return (up - down) / (2 * DIFFERENCE), (up + down - 2 * value) / DIFFERENCE**2


def _at_noise(marginal: Marginal, scales: Scales, step: float) -> Scales:
    """Scales a step in log noise from here."""
    place = marginal.coordinates.position(scales)
    return marginal.coordinates.at_position(np.append(place[:-1], place[-1] + step), scales)


def _values_and_slopes(pairs: Iterable[tuple[float, np.ndarray]]) -> tuple[list[float], np.ndarray]:
    values, slopes = zip(*pairs, strict=True)
    return list(values), np.array(slopes)


def by_values(at: Quadratic, k: int, below: float, above: float) -> Quadratic:
    """Slope and curvature by the coordinate k from values, at, below and above a place."""
    slope, H = at.slope.copy(), at.curvature.copy()
    slope[k] = (above - below) / (2 * DIFFERENCE)
    H[:, k] = H[k]
    H[k, k] = (2 * at.value - below - above) / DIFFERENCE**2
    return Quadratic(at.value, slope, H)


def newton_step(H: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """H^-1 slope, with H made positive definite."""
    values, vectors = np.linalg.eigh(H)
    return vectors @ (vectors.T @ slope / np.maximum(abs(values), LEAST_CURVATURE))


def log_marginal_slope(
    coordinates: ScaleModel, posterior: NormalPosterior, more_products: np.ndarray | float = 0.0
) -> np.ndarray:
    r"""Gradient (D,) of the log marginal likelihood by u, by Fisher's identity.

    .. math:: \partial_u \log p(y \mid u) = E[\partial_u \log p(x \mid u) \mid y, u]

    ``more_products`` (2, 2) add to second moments of products.
    """
    sums = moments(posterior)
    sums = replace(sums, products=sums.products + more_products)
    slopes = _slopes_by_log(coordinates, posterior, sums)
    by_log = np.array([slopes[name] for name in coordinates.names])
    return by_log * coordinates.slope_of_logs(coordinates.coordinates(posterior.scales))


def _slopes_by_log(
    coordinates: ScaleModel, posterior: NormalPosterior, sums: Moments
) -> dict[str, float | np.ndarray]:
    """Expected slopes of the log prior of effects by log spreads, and by atanh of the correlation."""
    scales, model = posterior.scales, posterior.likelihood.model
    panel, layout, G = model.panel, model.layout, model.panel.n_groups
    Sigma = scales.covariance
    D = _slope_by_covariance(Sigma, sums.products, len(panel.product))
    if "product_effect" not in coordinates.names:
        variance = Sigma[1, 1]
        D = np.diag([0.0, (sums.products[1, 1] / variance - len(panel.product)) / (2 * variance)])
    variances = scales.time_shock**2 + scales.time_drift**2 * layout.walk
    of_cosines = (sums.cosines / variances - (G if layout.by_bundle else 1)) / (2 * variances)
    slopes = {
        "product_effect": 2 * (D[0, 0] * Sigma[0, 0] + D[0, 1] * Sigma[0, 1]),
        "elasticity": 2 * (D[1, 1] * Sigma[1, 1] + D[0, 1] * Sigma[0, 1]),
        "correlation": 2 * D[0, 1] * scales.product_effect * scales.elasticity * (1 - scales.correlation**2),
        "time_shock": 2 * scales.time_shock**2 * of_cosines.sum(),
        "time_drift": 2 * scales.time_drift**2 * (of_cosines @ layout.walk),
        "between_price": sums.slopes / scales.between_price**2 - G,
    }
    for k, (level, sd) in enumerate(zip(panel.levels, scales.groups, strict=True)):
        slopes[f"group {k}"] = sums.groups[k] / sd**2 - len(level.labels) if sums.groups else 0.0
    return slopes


def _slope_by_covariance(Sigma: np.ndarray, squares: np.ndarray, N: int) -> np.ndarray:
    """Slope (2, 2) by Sigma of N normal log densities whose squares about the mean sum to (2, 2)."""
    P = np.linalg.inv(Sigma)
    return (P @ squares @ P - N * P) / 2


def noise_constant(model: ArrowModel, scales: Scales) -> float:
    """The part of the log-likelihood that depends on noise alone."""
    parameter = model.spec.family.noise
    return 0.0 if parameter is None else parameter.log_constant(model.panel, model.noise(scales))
