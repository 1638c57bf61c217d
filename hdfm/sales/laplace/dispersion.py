r"""Noise that differs by group and product: a hierarchy of its log, given what each product tells.

About its present value the log of a product's noise is told by the data as by a normal observation t_i of
precision k_i, slope and curvature of :mod:`hdfm.sales.laplace.products`:

.. math:: t_i \sim N(l + a_{g(i)} + e_i, 1 / k_i), \qquad a_g \sim N(0, \omega_g^2), \quad
    e_i \sim N(0, \omega_p^2)

of which spreads are half-normal a priori, integrated over a grid; everything else is normal given them.

Array names and axis order: N products sorted by group, G groups, S draws, K values of the spreads.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

FARTHEST, KNOTS, PASSES = 2.5, 21, 4  # of spreads, in a coordinate that is standard normal a priori
REACH, COARSE = 3.5, 1.0  # sds that a grid covers, and the distance of knots in sds that calls for another
LEAST_INFORMATION = 1e-3
LEAST_SPREAD = 1e-4


@dataclass(frozen=True, slots=True)
class NoiseHierarchy:
    """What products tell of the log of their noise, and its prior.

    Attributes
    ----------
    target, information : numpy.ndarray
        t and k (N,).
    group : numpy.ndarray
        (N,)
    level : tuple of float
        Linear and quadratic coefficient, h l - P l^2 / 2, of the log prior of l.
    sizes : tuple of float
        Half-normal scales of the spreads between groups and between products; 0 where there is none.
    """

    target: np.ndarray
    information: np.ndarray
    group: np.ndarray
    level: tuple[float, float]
    sizes: tuple[float, float]

    def spreads(self) -> tuple[np.ndarray, np.ndarray]:
        """Values (K, 2) of the spreads between groups and products, and their posterior weights (K,).

        On a grid over the prior, then, where few knots have the weight, on one over the posterior.
        """
        low, high = np.full(2, -FARTHEST), np.full(2, FARTHEST)
        for _ in range(PASSES):
            places, values, weight = self._weighed(low, high)
            mean = weight @ places
            knot = (high - low) / (KNOTS - 1)
            sd = np.sqrt(weight @ (places - mean) ** 2)
            coarse = (knot > COARSE * sd) & (np.array(self.sizes) > 0)
            if not coarse.any():
                break
            reach = REACH * np.maximum(sd, knot / 2)
            low, high = np.maximum(low, mean - reach), np.minimum(high, mean + reach)
        return values, weight

    def _weighed(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Knots (K, 2) between bounds (2,), spreads there (K, 2) and their posterior weights (K,)."""
        axes = [
            np.linspace(a, b, KNOTS) if size else np.zeros(1)
            for a, b, size in zip(low, high, self.sizes, strict=True)
        ]
        places = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        values = np.stack([_spreads(u, size) for u, size in zip(places.T, self.sizes, strict=True)], axis=1)
        log_weight = np.array([self.log_marginal(*spreads) for spreads in values])
        log_weight -= np.square(places).sum(axis=1) / 2
        return places, values, np.exp(log_weight - logsumexp(log_weight))

    def log_marginal(self, of_groups: float, of_products: float) -> float:
        """Log density of the targets given spreads, up to a constant."""
        precision, mean, log_det = self._group_means(of_products)
        of_mean = 1 / (1 / precision + of_groups**2)
        P, h = self.level[1] + of_mean.sum(), self.level[0] + of_mean @ mean
        within = 1 / (1 / self.information + of_products**2)
        energy = within @ (self.target - mean[self.group]) ** 2 + of_mean @ mean**2 - h**2 / P
        log_det += np.log(of_mean / precision).sum() - np.log(P)
        return float(log_det - energy) / 2

    def means(self, of_groups: float, of_products: float) -> tuple[float, np.ndarray]:
        """Posterior means of l, and of l + a + e (N,), given spreads."""
        precision, mean, _ = self._group_means(of_products)
        of_mean = 1 / (1 / precision + of_groups**2)
        level = (self.level[0] + of_mean @ mean) / (self.level[1] + of_mean.sum())
        group = level + of_groups**2 / (1 / precision + of_groups**2) * (mean - level)
        above = group[self.group]
        share = of_products**2 / (of_products**2 + 1 / self.information)
        return float(level), above + share * (self.target - above)

    def draw(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws of ``spreads`` (2, S), ``level`` (S,), ``group`` (G, S), l + a, and ``product`` (N, S)."""
        values, weight = self.spreads()
        which = rng.choice(len(weight), n, p=weight)
        N, G = len(self.target), int(self.group[-1]) + 1
        level, group, product = np.empty(n), np.empty((G, n)), np.empty((N, n))
        for k in np.unique(which):
            columns = np.flatnonzero(which == k)
            of_groups, of_products = values[k]
            parts = self._drawn(of_groups, of_products, len(columns), rng)
            level[columns], group[:, columns], product[:, columns] = parts
        return {
            "spreads": np.ascontiguousarray(values[which].T),
            "level": level,
            "group": group,
            "product": product,
        }

    def _drawn(
        self, of_groups: float, of_products: float, n: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws (n,), (G, n), (N, n) given spreads."""
        precision, mean, _ = self._group_means(of_products)
        of_mean = 1 / (1 / precision + of_groups**2)
        P = self.level[1] + of_mean.sum()
        level = (self.level[0] + of_mean @ mean) / P + rng.standard_normal(n) / np.sqrt(P)
        group = _towards(level, mean[:, None], precision[:, None], of_groups, rng)
        above = group[self.group]
        product = _towards(above, self.target[:, None], self.information[:, None], of_products, rng)
        return level, group, product

    def _group_means(self, of_products: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Precision and mean (G,) of l + a from the products of each group; log determinant of these."""
        within = 1 / (1 / self.information + of_products**2)
        precision = np.bincount(self.group, within)
        mean = np.bincount(self.group, within * self.target) / precision
        return precision, mean, float(np.log(within).sum())


def hierarchy(
    place: np.ndarray,
    slope: np.ndarray,
    curvature: np.ndarray,
    group: np.ndarray,
    level: tuple[float, float],
    sizes: tuple[float, float],
    longest: float,
) -> NoiseHierarchy:
    """From slopes and curvatures (N,) about the present log noise (N,); a target is not farther than so.

    Where the log posterior is not concave, or a step would be longer, information is what makes precision
    times step the slope all the same: where all targets are at their places, slopes are 0.
    """
    k = np.maximum(abs(curvature), np.maximum(abs(slope) / longest, LEAST_INFORMATION))
    return NoiseHierarchy(place + slope / k, k, group, level, sizes)


def _spreads(u: np.ndarray, size: float) -> np.ndarray:
    """Values of a half-normal spread at u; 0 where its scale is."""
    return np.zeros_like(u) if size == 0 else np.maximum(-size * ndtri(ndtr(-u) / 2), LEAST_SPREAD)


def _towards(above, target, information, spread, rng):
    """Draws of N(above, spread^2) given a normal observation of some information."""
    variance = 1 / (information + 1 / spread**2) if spread else np.zeros_like(information)
    mean = above + variance * information * (target - above)
    return mean + np.sqrt(variance) * rng.standard_normal(np.broadcast_shapes(above.shape, target.shape))
