"""A Gauss-Hermite rule over the two effects of a product, and what it finds.

The K nodes y are standard normal; those of products are v = centre + L'^-1 y.

Array names and axis order: n products, K nodes, T periods, S draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from hdfm.inference.laplace.arrow import ProductBlocks
from hdfm.inference.laplace.newton import LARGEST_LOG_MEAN

NODES, NODE_WEIGHTS = hermegauss(5)  # of a rule in each of two dimensions
GRID = np.stack([part.ravel() for part in np.meshgrid(NODES, NODES, indexing="ij")])[:, None]
WEIGHTS = np.outer(NODE_WEIGHTS, NODE_WEIGHTS).ravel() / NODE_WEIGHTS.sum() ** 2
LEAST_SPREAD = 1e-4  # of which 1 / spread times a rounding error in 32 bits is small
MOST_SKEWED = 1.0  # beyond, the expansion is not monotone where draws are


def nodes_of(blocks: ProductBlocks) -> np.ndarray:
    """L'^-1 y of the nodes y (2, n, K)."""
    return blocks.half_solve_back(np.broadcast_to(GRID, (2, blocks.root.shape[1], GRID.shape[2])))


def lagrange(y: np.ndarray) -> np.ndarray:
    """Values (nodes, ...) at y of the polynomials that are one at a node and zero at the others."""
    gaps = [y - y.dtype.type(node) for node in NODES]
    out = np.ones((len(NODES), *y.shape), y.dtype)
    for k, node in enumerate(NODES):
        for other in np.delete(np.arange(len(NODES)), k):
            out[k] *= gaps[other]
        out[k] /= y.dtype.type(np.prod(node - np.delete(NODES, k)))
    return out


@dataclass(frozen=True, slots=True)
class NodeMoments:
    """Spread and skewness of what is standard normal under the working likelihood.

    Attributes
    ----------
    root : numpy.ndarray
        Cholesky roots R of the covariances, as their entries 11, 21 and 22 (3, n).
    skewness : numpy.ndarray
        Of the two elements of R^-1 y (2, n).
    """

    root: np.ndarray
    skewness: np.ndarray

    def reshape(self, z: np.ndarray, which: slice) -> np.ndarray:
        """Draws y (2, n, S) of standard normal z with these moments, by Cornish and Fisher's expansion [1]_.

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

    def _of(self, which, dtype):
        skewness = self.skewness[:, which, None].astype(dtype)
        return skewness, np.sqrt(1 + skewness**2 / 18)


def node_moments(chance: np.ndarray) -> NodeMoments:
    """Of the nodes y, each with some chance (n, K)."""
    y = GRID[:, 0]
    gap = y[:, None] - (chance @ y.T).T[..., None]
    c11, c21, c22 = (np.vecdot(chance, gap[a] * gap[b]) for a, b in ((0, 0), (1, 0), (1, 1)))
    r11 = np.sqrt(c11)
    r21 = c21 / r11
    r22 = np.sqrt(c22 - r21**2)
    first = gap[0] / r11[:, None]
    second = (gap[1] - r21[:, None] * first) / r22[:, None]
    skewness = np.stack([np.vecdot(chance, each**3) for each in (first, second)])
    return NodeMoments(np.stack([r11, r21, r22]), skewness.clip(-MOST_SKEWED, MOST_SKEWED))


@dataclass(frozen=True, slots=True)
class NodeLikelihood:
    """Counts of products at the nodes of their rules.

    Attributes
    ----------
    value : numpy.ndarray
        Log-likelihood (n, K), up to a constant of each product.
    gradient, precision : numpy.ndarray
        By cell (n, K, T).
    """

    value: np.ndarray
    gradient: np.ndarray
    precision: np.ndarray

    def averages(self, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of precision and gradient (n, T) over nodes of some chance (n, K)."""
        row = chance[:, None].astype(self.gradient.dtype)
        return (row @ self.precision)[:, 0].astype(float), (row @ self.gradient)[:, 0].astype(float)


def node_likelihood(
    likelihood: str,
    units: np.ndarray,
    observed: np.ndarray,
    eta: np.ndarray,
    x: np.ndarray,
    move: np.ndarray,
    noise: float,
) -> NodeLikelihood:
    """At eta (n, T) plus move (2, n, K) times [1, x]; in 32 bits, for these counts are small.

    A second element of the move is shared by several nodes, whose means differ by a factor.
    """
    size = len(NODES)
    tilt = np.exp((move[1, :, :size, None] * x[:, None]).astype(np.float32))
    tilt *= (np.exp(np.minimum(eta, LARGEST_LOG_MEAN)) * observed)[:, None].astype(np.float32)
    n, T = eta.shape
    factor = np.exp(move[0]).astype(np.float32).reshape(n, size, size, 1)
    mu = (factor * tilt[:, None]).reshape(n, -1, T)
    sums = np.stack([units.sum(axis=1), np.vecdot(units, x)])[..., None]
    value = (units * eta).sum(axis=1, keepdims=True) + (sums * move).sum(axis=0)
    y = units[:, None].astype(np.float32)
    if likelihood == "poisson":
        value -= mu.sum(axis=2, dtype=float)
        return NodeLikelihood(value, y - mu, mu)
    spread = np.float32(noise**2)
    odds = 1 + spread * mu
    logs = np.log(odds) if spread > LEAST_SPREAD else np.log1p(spread * mu)  # which takes ten times as long
    logs *= y + 1 / spread
    value -= logs.sum(axis=2, dtype=float)
    mu /= odds
    np.divide(1, odds, out=odds)
    gradient = y * odds
    gradient -= mu
    odds *= 1 + spread * y
    odds *= mu
    return NodeLikelihood(value, gradient, odds)
