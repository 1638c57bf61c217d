r"""Products that sell little, integrated by quadrature instead of Laplace's approximation.

Given what products share, products are independent, and each has two effects v. Where a product's counts are
low the likelihood of v is skewed: its mode is not its mean, and evidence about spreads is biased. With nodes
v_k of a Gauss-Hermite rule about the normal posterior of v, the exact one has weights

.. math:: \omega_k \propto w_k \, p(y | v_k) \, p(v_k) / \phi(z_k)

and a working likelihood that takes the mean gradient and information over nodes gives the product its exact
mean, and what products share the exact gradient, for :math:`E[Z'(y - \mu)] = \Omega (E v - m)` (Stein). The
mean information is more than there is, :math:`E[-\nabla^2 \log p(v | y)] \ge \operatorname{Var}(v | y)^{-1}`.
The share of it is taken that leaves v its exact generalised variance, and with it what products share.

Array names and axis order: n products that sell little, K nodes, T periods.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from hdfm.sales.laplace.arrow import ProductBlocks, product_blocks
from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.evidence import Evidence, evidence
from hdfm.sales.laplace.newton import Working, working_likelihood
from hdfm.sales.laplace.nodes import (
    GRID,
    NODES,
    WEIGHTS,
    NodeMoments,
    continued,
    log_polynomials,
    node_moments,
    nodes_of,
)
from hdfm.sales.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales, expected_products, product_precision
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.likelihoods.nodes import NodeCells

ENOUGH = 100.0  # information about a level: its likelihood is normal but for a skewness of a tenth
ROUNDS, SETTLED = 8, 0.01
MANY = 1000  # products, whose evidence is interpolated in 32 bits
LEAST_SHARE = 0.1
LARGEST = 80.0  # log, in 32 bits
BLOCK = 500_000  # cells times nodes at a time
PATH = ["einsum_path", (0, 1), (0, 1)]  # of second moments over nodes, which is else looked for each time


@dataclass(frozen=True, slots=True)
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
    rest : numpy.ndarray
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
    rest: np.ndarray
    shape: NodeMoments

    def evidence(self, posterior: NormalPosterior) -> tuple[float, np.ndarray]:
        """Log marginal likelihood less the working one's; so too second moments (2, 2) about the expected.

        The first is up to a constant of each product. Both are given the mean of what products share.
        """
        model, at = posterior.evidence.model, posterior.evidence.at
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

    def reshape(self, z: np.ndarray, part: slice) -> None:
        """Give what products of a part have of their own (2, n, S) its spread and skewness."""
        first, last = np.searchsorted(self.which, (part.start, part.stop))
        rows = self.which[first:last] - part.start
        z[:, rows] = self.shape.reshape(z[:, rows], slice(first, last))

    def _excess_at(self, v):
        """Log-likelihood less the working one (n, K) at v (2, n, K), nodes of a rule.

        Their second element takes few values.
        """
        n, size = len(self.which), len(NODES)
        kept = np.float32 if n > MANY else np.float64
        l11, l21, l22 = self.blocks.root[..., None].astype(kept)
        own = (v - self.centre[..., None]).astype(kept)
        first = (l11 * own[0] + l21 * own[1]).reshape(n, size, size)
        second = (l22 * own[1, :, :size])[:, None]
        rest = self.rest.astype(kept)
        along = continued(rest.transpose(2, 0, 1)[..., None], second)
        P = continued(along.transpose(1, 0, 2)[:, :, None], first).reshape(n, -1)
        a, b, d = self.information[..., None].astype(kept)
        s = (self.sums - self.gradient)[..., None].astype(kept)
        height = (s[0] + a / 2 * own[0] + b * own[1]) * own[0] + (s[1] + d / 2 * own[1]) * own[1]
        return height - np.exp(np.minimum(P, LARGEST)) + np.exp(rest[:, 0, 0, None])


@dataclass(frozen=True, slots=True)
class Refined:
    """A working likelihood about effects and their eta (N, T), and products that sell little."""

    evidence: Evidence
    working: Working
    eta: np.ndarray
    low: LowCounts | None

    @property
    def effects(self) -> Effects:
        return self.evidence.at


def refine(
    model: ArrowModel, scales: Scales, found: Evidence, rounds: int = ROUNDS, before: Effects | None = None
) -> Refined:
    """The working likelihood whose posterior has the means that it was made at, or was ``before``."""
    for _ in range(rounds):
        posterior = normal_posterior(found, scales)
        effects = posterior.mean()
        eta = linear_predictor(model, effects)
        now = working_likelihood(model, eta, scales.noise)
        low = _integrate(posterior, effects, eta, now)
        found = evidence(model, effects, now.value, now.precision, now.gradient)
        sd = 1 / posterior.blocks.root[[0, 2]]
        if before is not None and (abs(effects.product - before.product) / sd).max() < SETTLED:
            break
        before = effects
    return Refined(found, now, eta, low)


def _integrate(
    posterior: NormalPosterior, effects: Effects, eta: np.ndarray, now: Working
) -> LowCounts | None:
    """Products that sell little; writes their rows of the working likelihood."""
    if posterior.evidence.model.spec.family.nodes is None:
        return None
    which = np.flatnonzero(now.precision.sum(axis=1) < ENOUGH)
    return _integrate_counts(posterior, effects, eta, now, which) if len(which) else None


def _integrate_counts(
    posterior: NormalPosterior, effects: Effects, eta: np.ndarray, now: Working, which: np.ndarray
) -> LowCounts:
    """The products at positions ``which``; writes their rows of the working likelihood."""
    model, scales = posterior.evidence.model, posterior.scales
    panel, spec = model.panel, model.spec
    expected, centre = expected_products(model, effects.bundle)[:, which], effects.product[:, which]
    blocks, omega = ProductBlocks(posterior.blocks.root[:, which]), product_precision(scales, spec)
    move = nodes_of(blocks)
    gap = centre[..., None] + move - expected[..., None]
    prior = (GRID**2).sum(axis=0) / 2 - 0.5 * np.einsum("jnk,ji,ink->nk", gap, omega, gap, optimize=True)
    n = len(which)
    rest = np.empty((n, len(NODES), len(NODES)))
    information, gradient, sums = np.empty((3, n)), np.empty((2, n)), np.empty((2, n))
    shape, variance = NodeMoments(np.empty((3, n)), np.empty((2, n))), model.by_product(scales.noise**2)
    assert spec.family.nodes is not None
    at_nodes = spec.family.nodes

    def fill(first):
        part = slice(first, first + step)
        rows = which[part]
        x, own = panel.log_price[rows], move[:, part]
        cells = at_nodes(
            NodeCells(
                units=panel.units[rows],
                observed=panel.observed[rows],
                eta=eta[rows] + panel.log_exposure[rows],
                x=x,
                move=own,
                variance=variance[rows],
                weight=None if panel.weight is None else panel.weight[rows],
            )
        )
        linear = (cells.sums[..., None] * own).sum(axis=0)
        heights = np.log(WEIGHTS) + linear - cells.rest + prior[part]
        chance = np.exp(heights - logsumexp(heights, axis=1, keepdims=True))
        moments = node_moments(chance)
        shape.root[:, part], shape.skewness[:, part] = moments.root, moments.skewness
        W, slope = cells.averages(chance)
        W *= _share(W, x, omega, blocks.of(part, float), moments)[:, None]
        mean = np.vecdot(chance, own)
        g = slope + W * (mean[0][:, None] + mean[1][:, None] * x)
        now.precision[rows], now.gradient[rows] = W, g
        known = np.stack([W.sum(axis=1), (W * x).sum(axis=1), (W * x**2).sum(axis=1)])
        pull = np.stack([g.sum(axis=1), (g * x).sum(axis=1)])
        information[:, part], gradient[:, part] = known, pull
        sums[:, part], rest[part] = cells.sums, log_polynomials(cells.rest)

    step = max(1, BLOCK // (len(WEIGHTS) * eta.shape[1]))
    list(in_threads(model, fill, range(0, n, step)))
    return LowCounts(which, centre, blocks, information, gradient, sums, rest, shape)


def _share(W, x, omega, blocks, shape):
    """How much of W (n, T) leaves products the generalised variance that nodes found (n,)."""
    a, b, d = W.sum(axis=1), (W * x).sum(axis=1), (W * x**2).sum(axis=1)
    square, line = a * d - b**2, a * omega[1, 1] + d * omega[0, 0] - 2 * b * omega[0, 1]
    size = (blocks.root[0] * blocks.root[2] / (shape.root[0] * shape.root[2])) ** 2
    more = np.maximum(size - np.linalg.det(omega), 0)
    return (2 * more / (line + np.sqrt(line**2 + 4 * square * more))).clip(LEAST_SHARE, 1)
