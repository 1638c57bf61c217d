r"""Likelihood of products that sell little, interpolated between the nodes of their rules.

Array names and axis order: n products that sell little, K nodes y, S draws.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from hdfm.sales.laplace.arrow import ProductBlocks, product_blocks
from hdfm.sales.laplace.low_counts.nodes import (
    NODES,
    WEIGHTS,
    NodeMoments,
    continued,
    nodes_of,
)
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import expected_products, product_precision

MANY = 1000  # products, whose evidence is interpolated in 32 bits
LARGEST = 80.0  # log, in 32 bits
PATH = ["einsum_path", (0, 1), (0, 1)]  # of second moments over nodes, which is else looked for each time


@dataclass(frozen=True, slots=True, kw_only=True)
class LowCounts:
    r"""Products that sell little, at one value of shared effects and scales.

    For other scales their log-likelihood is interpolated between nodes y, v = centre + L'^{-1} y, as

    .. math:: s' v - \exp(P(y)),

    for Poisson counts have a P that is linear in the level, and hardly bent in the elasticity.

    Attributes
    ----------
    which : numpy.ndarray
        Positions of the products (n,).
    centre : numpy.ndarray
        Where y = 0 (2, n).
    blocks : ProductBlocks
        With roots L.
    information : numpy.ndarray
        The working likelihood's Z'WZ, as its entries 11, 21 and 22 (3, n).
    gradient : numpy.ndarray
        Its Z'g at the centre (2, n).
    sums : numpy.ndarray
        s (2, n).
    remainder : numpy.ndarray
        Coefficients of P (n, 5, 5).
    shape : NodeMoments
        Of the exact posterior of y.
    """

    which: np.ndarray
    centre: np.ndarray
    blocks: ProductBlocks
    information: np.ndarray
    gradient: np.ndarray
    sums: np.ndarray
    remainder: np.ndarray
    shape: NodeMoments

    def evidence(self, posterior: NormalPosterior) -> tuple[float, np.ndarray]:
        """Log marginal likelihood less the working one's; so too second moments (2, 2) about the expected.

        The former is up to a constant of each product. Both are given the mean of what products share.
        """
        model, at = posterior.likelihood.model, posterior.likelihood.at
        expected = expected_products(model, at.bundle + posterior.bundle)[:, self.which]
        mean, blocks = self.working_posterior(product_precision(posterior.scales, model.spec), expected)
        v = mean[..., None] + nodes_of(blocks)
        height = np.log(WEIGHTS) + self._excess_at(v)
        total = logsumexp(height, axis=1, keepdims=True)
        change = np.exp(height - total) - WEIGHTS
        gap = v - expected[..., None]
        return float(total.sum()), np.einsum("nk,jnk,ink->ji", change, gap, gap, optimize=PATH)

    def working_posterior(self, omega: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, ProductBlocks]:
        """Mean (2, n) and precision of products' normal posterior given what is expected of them (2, n)."""
        blocks = product_blocks(self.information, omega)
        half = blocks.half_solve(self.gradient - omega @ (self.centre - expected))
        return self.centre + blocks.half_solve_back(half), blocks

    def reshaped(self, z: np.ndarray, part: slice) -> np.ndarray:
        """Standard normal draws of a part of products (2, N, S), with the spread and skewness of those here.

        z itself where none of them is here.
        """
        start, end = np.searchsorted(self.which, (part.start, part.stop))
        if start == end:
            return z
        rows = self.which[start:end] - part.start
        y = self.shape.reshaped(z[:, rows], slice(start, end))
        if len(rows) == z.shape[1]:
            return y
        out = z.copy()
        out[:, rows] = y
        return out

    def _excess_at(self, v: np.ndarray) -> np.ndarray:
        """Log-likelihood less the working one (n, K) at v (2, n, K), nodes of a rule.

        Their second element takes few values.
        """
        n, size = len(self.which), len(NODES)
        dtype = np.float32 if n > MANY else np.float64
        l11, l21, l22 = self.blocks.root[..., None].astype(dtype)
        gap = (v - self.centre[..., None]).astype(dtype)
        y1 = (l11 * gap[0] + l21 * gap[1]).reshape(n, size, size)
        y2 = (l22 * gap[1, :, :size])[:, None]
        coefficients = self.remainder.astype(dtype)
        along = continued(coefficients.transpose(2, 0, 1)[..., None], y2)
        P = continued(along.transpose(1, 0, 2)[:, :, None], y1).reshape(n, -1)
        a, b, d = self.information[..., None].astype(dtype)
        s = (self.sums - self.gradient)[..., None].astype(dtype)
        height = (s[0] + a / 2 * gap[0] + b * gap[1]) * gap[0] + (s[1] + d / 2 * gap[1]) * gap[1]
        return height - np.exp(np.minimum(P, LARGEST)) + np.exp(coefficients[:, 0, 0, None])
