"""Likelihood of counts at the nodes of products' Gauss-Hermite rules.

Array names and axis order: n products, K = k * k nodes, T periods.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np

LARGEST_LOG_MEAN = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCells:
    """Cells of products, and how far the nodes of their rules lie from eta.

    Attributes
    ----------
    units, observed, eta, x : numpy.ndarray
        (n, T); eta with exposure, x what elasticities multiply.
    move : numpy.ndarray
        Of levels and elasticities (2, n, K), times [1, x] from eta. The second takes k values, each shared by
        k nodes, whose means differ by a factor.
    variance : numpy.ndarray
        Of the noise (n,).
    weight : numpy.ndarray or None
        How often cells count (n, T), by default once.
    """

    units: np.ndarray
    observed: np.ndarray
    eta: np.ndarray
    x: np.ndarray
    move: np.ndarray
    variance: np.ndarray
    weight: np.ndarray | None = None

    @property
    def counted(self) -> np.ndarray:
        """Units (n, T), as often as they count."""
        return self.units if self.weight is None else self.units * self.weight

    @property
    def sums(self) -> np.ndarray:
        """Units, and units times x, summed over periods (2, n), as often as they count."""
        return np.stack([self.counted.sum(axis=1), np.vecdot(self.counted, self.x)])

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Means at nodes as (n, k, T), times factors (n, k, k); in 32 bits, for these counts are small."""
        n, k = len(self.eta), isqrt(self.move.shape[2])
        tilt = np.exp((self.move[1, :, :k, None] * self.x[:, None]).astype(np.float32))
        mean = np.exp(np.minimum(self.eta, LARGEST_LOG_MEAN)) * self.observed
        tilt *= mean[:, None].astype(np.float32)
        return tilt, np.exp(self.move[0]).reshape(n, k, k)


@dataclass(frozen=True, slots=True)
class NodeLikelihood:
    """Log-likelihood of counts at the nodes of their rules, its gradient and precision.

    Attributes
    ----------
    sums : numpy.ndarray
        Units, and units times x, summed over periods (2, n).
    remainder : numpy.ndarray
        The part of eta that is linear in units, less the log-likelihood (n, K): positive, its log nearly
        linear.
    units, more, share, weight : numpy.ndarray
        y (n, T), m (n, T) or (1,), q and r (n, K, T): the gradient is y - m q, and the precision m r.
    factor : numpy.ndarray or None
        (n, k, k). Where given, q and r (n, k, T) are to be multiplied by it, for a first element of nodes.
    """

    sums: np.ndarray
    remainder: np.ndarray
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
