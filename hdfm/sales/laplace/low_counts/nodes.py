"""Gauss-Hermite rule over the two effects of a product: its nodes, interpolation between them, moments.

The K nodes y are standard normal; those of products are v = centre + L'^-1 y.

Array names and axis order: n products, K nodes, S draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import DTypeLike

from hdfm.sales.laplace.arrow import ProductBlocks

NODES, NODE_WEIGHTS = hermegauss(5)  # of a rule in each of two dimensions
GRID = np.stack([axis.ravel() for axis in np.meshgrid(NODES, NODES, indexing="ij")])[:, None]
WEIGHTS = np.outer(NODE_WEIGHTS, NODE_WEIGHTS).ravel() / NODE_WEIGHTS.sum() ** 2
POWERS = np.linalg.inv(np.vander(NODES, increasing=True))
LEAST = 1e-30
LAST = 3.5  # of interpolation, a little beyond the last node, at 2.9
MOST_SKEWED = 1.0  # beyond, the expansion is not monotone where draws are


def nodes_of(blocks: ProductBlocks) -> np.ndarray:
    """L'^-1 y of the nodes y (2, n, K)."""
    return blocks.half_solve_back(np.broadcast_to(GRID, (2, blocks.root.shape[1], GRID.shape[2])))


def log_polynomials(values: np.ndarray) -> np.ndarray:
    """Polynomials of y, as coefficients (n, 5, 5) by powers of its elements, for the log of values (n, K)."""
    table = np.log(np.maximum(values, LEAST)).reshape(-1, len(NODES), len(NODES))
    return POWERS @ table @ POWERS.T


def continued(coefficients: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Polynomials of y by Horner's rule, with coefficients (5, ...); lines from ``LAST`` on."""
    inside = y.clip(-LAST, LAST)
    value, slope = coefficients[-1] + 0 * inside, 0 * inside
    for coefficient in coefficients[-2::-1]:
        slope = slope * inside + value
        value = value * inside + coefficient
    return value + slope * (y - inside)


@dataclass(frozen=True, slots=True)
class NodeMoments:
    """Spread and skewness of nodes y, which are standard normal under the working likelihood.

    Attributes
    ----------
    root : numpy.ndarray
        Cholesky roots R of the covariances, as their entries 11, 21 and 22 (3, n).
    skewness : numpy.ndarray
        Of the two elements of R^-1 y (2, n).
    """

    root: np.ndarray
    skewness: np.ndarray

    def reshaped(self, z: np.ndarray, which: slice) -> np.ndarray:
        """Draws y (2, n, S) of these moments from standard normal z: Cornish and Fisher's expansion [1]_.

        References
        ----------
        .. [1] Cornish, Fisher (1938), "Moments and cumulants in the specification of distributions", Revue
           de l'Institut International de Statistique 5(4).
        """
        skewness, size = self._of(which, z.dtype)
        r11, r21, r22 = self.root[:, which, None].astype(z.dtype)
        y = z * (skewness / 6)
        y += 1
        y *= z
        y -= skewness / 6
        y /= size
        y[1] *= r22
        y[1] += r21 * y[0]
        y[0] *= r11
        return y

    def log_ratio(self, z: np.ndarray, y: np.ndarray, which: slice) -> np.ndarray:
        """Log (n, S) of the standard normal density of y over the density that y has."""
        skewness, size = self._of(which, z.dtype)
        steepness = np.log(np.abs(1 + skewness / 3 * z) / size) + (z**2 - y**2) / 2
        return steepness.sum(axis=0) + np.log(self.root[0] * self.root[2])[which, None]

    def _of(self, which: slice, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray]:
        skewness = self.skewness[:, which, None].astype(dtype)
        return skewness, np.sqrt(1 + skewness**2 / 18)


def node_moments(chance: np.ndarray) -> NodeMoments:
    """Spread and skewness of the nodes y, each with some chance (n, K)."""
    y = GRID[:, 0]
    gap = y[:, None] - (chance @ y.T).T[..., None]
    c11, c21, c22 = (np.vecdot(chance, gap[a] * gap[b]) for a, b in ((0, 0), (1, 0), (1, 1)))
    r11 = np.sqrt(c11)
    r21 = c21 / r11
    r22 = np.sqrt(c22 - r21**2)
    z1 = gap[0] / r11[:, None]
    z2 = (gap[1] - r21[:, None] * z1) / r22[:, None]
    skewness = np.stack([np.vecdot(chance, z**3) for z in (z1, z2)])
    return NodeMoments(np.stack([r11, r21, r22]), skewness.clip(-MOST_SKEWED, MOST_SKEWED))
