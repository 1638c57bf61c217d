"""A Gauss-Hermite rule over the two effects of a product, and what it finds.

The K nodes y are standard normal; those of products are v = centre + L'^-1 y.

Array names and axis order: n products, K nodes, T periods, S draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from hdfm.exceptions import unknown
from hdfm.sales.laplace.arrow import ProductBlocks
from hdfm.sales.laplace.newton import LARGEST_LOG_MEAN

NODES, NODE_WEIGHTS = hermegauss(5)  # of a rule in each of two dimensions
GRID = np.stack([part.ravel() for part in np.meshgrid(NODES, NODES, indexing="ij")])[:, None]
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
    """Polynomials of y, with coefficients (5, ...); lines from ``LAST`` on."""
    inside = y.clip(-LAST, LAST)
    value, slope = coefficients[-1] + 0 * inside, 0 * inside
    for coefficient in coefficients[-2::-1]:
        slope = slope * inside + value
        value = value * inside + coefficient
    return value + slope * (y - inside)


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
    sums : numpy.ndarray
        Units, and units times x, summed over periods (2, n).
    rest : numpy.ndarray
        What they make of eta less the log-likelihood (n, K): positive, and its log nearly linear.
    units, more, share, weight : numpy.ndarray
        y (n, T), m (n, T) or (1,), q and r (n, K, T): the gradient is y - m q, and the precision m r.
    factor : numpy.ndarray or None
        (n, 5, 5). Where given, q and r (n, 5, T) are to be multiplied by it, for a first element of nodes.
    """

    sums: np.ndarray
    rest: np.ndarray
    units: np.ndarray
    more: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    factor: np.ndarray | None = None

    def averages(self, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of precision and gradient (n, T) over nodes of some chance (n, K)."""
        if self.factor is not None:
            chance = (chance.reshape(self.factor.shape) * self.factor).sum(axis=1)
        row = chance[:, None].astype(self.share.dtype)
        W, q = ((row @ cells)[:, 0].astype(float) * self.more for cells in (self.weight, self.share))
        return W, self.units - q


def node_likelihood(
    likelihood: str,
    units: np.ndarray,
    observed: np.ndarray,
    eta: np.ndarray,
    x: np.ndarray,
    move: np.ndarray,
    noise: float,
    weight: np.ndarray | None = None,
) -> NodeLikelihood:
    """At eta (n, T) plus move (2, n, K) times [1, x]; in 32 bits, for these counts are small.

    Cells count as often as ``weight`` (n, T) says, by default once. A second element of the move is shared by
    several nodes, whose means differ by a factor.
    """
    size, n = len(NODES), len(eta)
    tilt = np.exp((move[1, :, :size, None] * x[:, None]).astype(np.float32))
    tilt *= (np.exp(np.minimum(eta, LARGEST_LOG_MEAN)) * observed)[:, None].astype(np.float32)
    factor = np.exp(move[0]).reshape(n, size, size)
    counted = units if weight is None else units * weight
    sums = np.stack([counted.sum(axis=1), np.vecdot(counted, x)])
    match likelihood:
        case "poisson":
            if weight is not None:
                tilt *= weight[:, None].astype(np.float32)
            rest = factor * tilt.sum(axis=2, dtype=float)[:, None]
            return NodeLikelihood(sums, rest.reshape(n, -1), counted, np.ones(1), tilt, tilt, factor)
        case "negative_binomial":
            more = units + 1 / noise**2
            more = more if weight is None else more * weight
            return _overdispersed_nodes(counted, more, sums, tilt, factor, noise)
        case _:
            raise unknown("likelihood of counts", likelihood)


def _overdispersed_nodes(units, more, sums, tilt, factor, noise):
    """Of a negative binomial, given means at nodes as ``tilt`` (n, 5, T) times ``factor`` (n, 5, 5).

    Units (n, T) and ``more``, units plus dispersion, are weighted.
    """
    (n, T), spread = units.shape, noise**2
    tilt *= np.float32(spread)
    odds_less_one = (factor[..., None].astype(np.float32) * tilt[:, None]).reshape(n, -1, T)
    odds = 1 + odds_less_one
    logs, lost = np.log(odds), odds - 1
    np.subtract(odds_less_one, lost, out=lost)  # to rounding
    np.divide(1, odds, out=odds)
    lost *= odds
    logs += lost
    rest = logs @ more.astype(np.float32)[..., None]
    share = np.multiply(odds_less_one, odds, out=odds_less_one)
    weight = np.multiply(odds, share, out=odds)
    return NodeLikelihood(sums, rest[..., 0].astype(float), units, more, share, weight)
