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

GRID = np.linspace(-2.5, 2.5, 21)  # of spreads, in a coordinate that is standard normal a priori
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
        """Values (K, 2) of the spreads between groups and products, and their posterior weights (K,)."""
        axes = [_spreads(size) for size in self.sizes]
        values = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        heights = [np.zeros(1) if size == 0 else -(GRID**2) / 2 for size in self.sizes]
        prior = np.add.outer(*heights).ravel()
        log_weight = prior + [self.log_marginal(*spreads) for spreads in values]
        return values, np.exp(log_weight - logsumexp(log_weight))

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
        return {"spreads": values[which].T, "level": level, "group": group, "product": product}

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
    """From slopes and curvatures (N,) about the present log noise (N,); a target is not farther than so."""
    k = np.maximum(curvature, LEAST_INFORMATION)
    return NoiseHierarchy(place + np.clip(slope / k, -longest, longest), k, group, level, sizes)


def _spreads(size: float) -> np.ndarray:
    """Values of a half-normal spread on the grid; 0 alone where its scale is."""
    return np.zeros(1) if size == 0 else np.maximum(-size * ndtri(ndtr(-GRID) / 2), LEAST_SPREAD)


def _towards(above, target, information, spread, rng):
    """Draws of N(above, spread^2) given a normal observation of some information."""
    variance = 1 / (information + 1 / spread**2) if spread else np.zeros_like(information)
    mean = above + variance * information * (target - above)
    return mean + np.sqrt(variance) * rng.standard_normal(np.broadcast_shapes(above.shape, target.shape))
