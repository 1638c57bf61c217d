r"""Products that sell little, integrated by quadrature instead of Laplace's approximation.

Given what products share, products are independent, and each has two effects v. Where a product's counts are
low the likelihood of v is skewed: its mode is not its mean, and evidence about spreads is biased. With nodes
v_k of a Gauss-Hermite rule about the normal posterior of v, the exact one has weights

.. math:: \omega_k \propto w_k \, p(y | v_k) \, p(v_k) / \phi(z_k)

and a working likelihood that takes the mean gradient and information over nodes gives the product its exact
mean, and what products share the exact gradient, for :math:`E[Z'(y - \mu)] = \Omega (E v - m)` (Stein).

Array names and axis order: n products that sell little, K nodes, T periods.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import logsumexp

from hdfm.graph.spec import DemandSpec
from hdfm.inference.laplace.arrow import ProductBlocks, product_blocks
from hdfm.inference.laplace.effects import Effects, linear_predictor
from hdfm.inference.laplace.evidence import Evidence, evidence
from hdfm.inference.laplace.newton import Working, cell_likelihood, working_likelihood
from hdfm.inference.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.inference.laplace.prior import ArrowModel, Scales, expected_products, product_precision

NODES, NODE_WEIGHTS = hermegauss(5)  # of a rule in each of two dimensions
GRID = np.stack([part.ravel() for part in np.meshgrid(NODES, NODES, indexing="ij")])[:, None]
WEIGHTS = np.outer(NODE_WEIGHTS, NODE_WEIGHTS).ravel() / NODE_WEIGHTS.sum() ** 2
ENOUGH = 100.0  # information about a level: its likelihood is normal but for a skewness of a tenth
ROUNDS, SETTLED = 8, 0.01
FARTHEST = 3.5  # of interpolation, beyond the last node at 2.9
MOST_SKEWED = 1.0  # beyond, the expansion is not monotone where draws are
BLOCK = 2_000_000  # cells times nodes at a time


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

    def reshape(self, z: np.ndarray, which: slice) -> tuple[np.ndarray, np.ndarray]:
        """Draws y (2, n, S) of standard normal z by Cornish and Fisher's expansion [1]_.

        And the log (n, S) of their standard normal density over that which they have.

        References
        ----------
        .. [1] Cornish, Fisher (1938), "Moments and cumulants in the specification of distributions", Revue
           de l'Institut International de Statistique 5(4).
        """
        r11, r21, r22 = self.root[:, which, None].astype(z.dtype)
        skewness = self.skewness[:, which, None].astype(z.dtype)
        size = np.sqrt(1 + skewness**2 / 18)
        e = (z + skewness / 6 * (z**2 - 1)) / size
        y = np.stack([r11 * e[0], r21 * e[0] + r22 * e[1]])
        steepness = np.log(np.abs(1 + skewness / 3 * z) / size) + (z**2 - y**2) / 2
        return y, steepness.sum(axis=0) + np.log(r11 * r22)


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
class LowCounts:
    """Products that sell little, at one value of shared effects and scales.

    Their log-likelihood less the working one is kept at nodes y, v = centre + L'^{-1} y, and interpolated
    between them for other scales.

    Attributes
    ----------
    which : numpy.ndarray
        Positions of the products (n,).
    expected : numpy.ndarray
        Levels and elasticities that groups let expect (2, n).
    centre : numpy.ndarray
        Where y = 0 (2, n).
    blocks : ProductBlocks
        With roots L.
    information : numpy.ndarray
        The working likelihood's Z'WZ, as its entries 11, 21 and 22 (3, n).
    gradient : numpy.ndarray
        Its Z'g at the centre (2, n).
    excess : numpy.ndarray
        Log-likelihood less the working one (n, K), up to a constant of each product.
    shape : NodeMoments
        Of the exact posterior of y.
    """

    which: np.ndarray
    expected: np.ndarray
    centre: np.ndarray
    blocks: ProductBlocks
    information: np.ndarray
    gradient: np.ndarray
    excess: np.ndarray
    shape: NodeMoments

    def evidence(self, spec: DemandSpec, scales: Scales) -> tuple[float, np.ndarray]:
        """Log marginal likelihood less the working one's; so too second moments (2, 2) about ``expected``."""
        mean, blocks = self.working_posterior(product_precision(scales, spec))
        v = mean[..., None] + _nodes(blocks)
        height = np.log(WEIGHTS) + self._excess_at(v)
        total = logsumexp(height, axis=1, keepdims=True)
        change = np.exp(height - total) - WEIGHTS
        gap = v - self.expected[..., None]
        return float(total.sum()), np.einsum("nk,jnk,ink->ji", change, gap, gap, optimize=True)

    def working_posterior(self, omega: np.ndarray) -> tuple[np.ndarray, ProductBlocks]:
        """Mean (2, n) and precision of products' normal posterior given what they share."""
        blocks = product_blocks(self.information, omega)
        half = blocks.half_solve(self.gradient - omega @ (self.centre - self.expected))
        return self.centre + blocks.half_solve_back(half), blocks

    def reshape(self, z: np.ndarray, part: slice) -> np.ndarray:
        """Give what products of a part have of their own (2, n, S) its spread and skewness.

        Returns the log (n', S) of the working density of what comes over that of the draws, for those of
        the part that sell little.
        """
        first, last = np.searchsorted(self.which, (part.start, part.stop))
        rows = self.which[first:last] - part.start
        z[:, rows], volume = self.shape.reshape(z[:, rows], slice(first, last))
        return volume

    def _excess_at(self, v):
        """Interpolated (n, K) at v (2, n, K)."""
        l11, l21, l22 = self.blocks.root[..., None]
        move = v - self.centre[..., None]
        y = np.stack([l11 * move[0] + l21 * move[1], l22 * move[1]]).clip(-FARTHEST, FARTHEST)
        table = self.excess.reshape(-1, len(NODES), len(NODES))
        return np.einsum("nka,nkb,nab->nk", _lagrange(y[0]), _lagrange(y[1]), table, optimize=True)


def _nodes(blocks):
    """L'^-1 y of the nodes y (2, n, K)."""
    return blocks.half_solve_back(np.broadcast_to(GRID, (2, blocks.root.shape[1], GRID.shape[2])))


def _lagrange(y):
    """Values (..., nodes) of the polynomials that are one at a node and zero at the others."""
    gaps = y[..., None] - NODES
    parts = [
        np.delete(gaps, k, axis=-1).prod(axis=-1) / np.delete(z - NODES, k).prod()
        for k, z in enumerate(NODES)
    ]
    return np.stack(parts, axis=-1)


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


def refine(model: ArrowModel, scales: Scales, found: Evidence) -> Refined:
    """The working likelihood whose posterior has the means that it was made at."""
    before = None
    for _ in range(ROUNDS):
        posterior = normal_posterior(found, scales)
        effects = posterior.mean()
        eta = linear_predictor(model, effects)
        now = working_likelihood(model, eta, scales.noise)
        low = _integrate(posterior, effects, eta, now)
        found = evidence(model, effects, now.value, now.precision, now.gradient)
        sd = 1 / posterior.blocks.root[[0, 2]]
        if before is not None and (abs(effects.product - before) / sd).max() < SETTLED:
            break
        before = effects.product
    return Refined(found, now, eta, low)


def _integrate(
    posterior: NormalPosterior, effects: Effects, eta: np.ndarray, now: Working
) -> LowCounts | None:
    """Products that sell little; writes their rows of the working likelihood."""
    model, scales = posterior.evidence.model, posterior.scales
    panel, spec = model.panel, model.spec
    if spec.likelihood == "log_normal":
        return None
    which = np.flatnonzero(now.precision.sum(axis=1) < ENOUGH)
    if not len(which):
        return None
    expected, centre = expected_products(model, effects.bundle)[:, which], effects.product[:, which]
    blocks, omega = ProductBlocks(posterior.blocks.root[:, which]), product_precision(scales, spec)
    move = _nodes(blocks)
    gap = centre[..., None] + move - expected[..., None]
    prior = (GRID**2).sum(axis=0) / 2 - 0.5 * np.einsum("jnk,ji,ink->nk", gap, omega, gap, optimize=True)
    excess, all_chances, information, gradient = (
        np.empty(gap.shape[1:]),
        np.empty(gap.shape[1:]),
        np.empty((3, len(which))),
        np.empty((2, len(which))),
    )
    step = max(1, BLOCK // (len(WEIGHTS) * eta.shape[1]))
    for first in range(0, len(which), step):
        part = slice(first, first + step)
        rows = which[part]
        x, shift = (
            panel.log_price[rows],
            move[0, part, :, None] + move[1, part, :, None] * panel.log_price[rows, None],
        )
        value, slope, precision = cell_likelihood(
            spec.likelihood,
            panel.units[rows, None],
            panel.observed[rows, None],
            (eta[rows] + panel.log_exposure[rows])[:, None] + shift,
            scales.noise,
        )
        exact = value.sum(axis=2)
        heights = np.log(WEIGHTS) + exact + prior[part]
        all_chances[part] = chance = np.exp(heights - logsumexp(heights, axis=1, keepdims=True))
        W = np.einsum("nk,nkt->nt", chance, precision)
        mean = np.einsum("nk,nkt->nt", chance, shift)
        g = np.einsum("nk,nkt->nt", chance, slope) + W * mean
        now.precision[rows], now.gradient[rows] = W, g
        excess[part] = exact - ((g[:, None] - 0.5 * W[:, None] * shift) * shift).sum(axis=2)
        information[:, part] = W.sum(axis=1), (W * x).sum(axis=1), (W * x**2).sum(axis=1)
        gradient[:, part] = g.sum(axis=1), (g * x).sum(axis=1)
    shape = node_moments(all_chances)
    return LowCounts(which, expected, centre, blocks, information, gradient, excess, shape)
