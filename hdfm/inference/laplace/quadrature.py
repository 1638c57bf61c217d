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
from hdfm.inference.laplace.effects import Effects, linear_predictor, normal_posterior
from hdfm.inference.laplace.newton import cell_likelihood, working_likelihood
from hdfm.inference.laplace.prior import Scales, product_precision

NODES, NODE_WEIGHTS = hermegauss(5)  # of a rule in each of two dimensions
GRID = np.stack([part.ravel() for part in np.meshgrid(NODES, NODES, indexing="ij")])[:, None]
WEIGHTS = np.outer(NODE_WEIGHTS, NODE_WEIGHTS).ravel() / NODE_WEIGHTS.sum() ** 2
ENOUGH = 100.0  # information about a level: its likelihood is normal but for a skewness of a tenth
ROUNDS, SETTLED = 8, 0.01
FARTHEST = 3.5  # of interpolation, beyond the last node at 2.9
BLOCK = 2_000_000  # cells times nodes at a time


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
    root : numpy.ndarray
        l11, l21, l22 of L (3, n).
    information : numpy.ndarray
        The working likelihood's Z'WZ, as its entries 11, 21 and 22 (3, n).
    pull : numpy.ndarray
        Its Z'(s - W (eta - Z v)) (2, n).
    excess : numpy.ndarray
        Log-likelihood less the working one (n, K).
    """

    which: np.ndarray
    expected: np.ndarray
    centre: np.ndarray
    root: np.ndarray
    information: np.ndarray
    pull: np.ndarray
    excess: np.ndarray

    def evidence(self, spec: DemandSpec, scales: Scales) -> tuple[float, np.ndarray]:
        """Log marginal likelihood less the working one's; so too second moments (2, 2) about ``expected``."""
        mean, root = self.working_posterior(product_precision(scales, spec))
        v = mean[..., None] + _back(root, GRID)
        height = np.log(WEIGHTS) + self._excess_at(v)
        total = logsumexp(height, axis=1, keepdims=True)
        change = np.exp(height - total) - WEIGHTS
        gap = v - self.expected[..., None]
        return float(total.sum()), np.einsum("nk,jnk,ink->ji", change, gap, gap, optimize=True)

    def working_posterior(self, omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (2, n) and root (3, n) of products' normal posterior given what they share."""
        a, c, d = self.information + omega[np.tril_indices(2)][:, None]
        l11 = np.sqrt(a)
        l21 = c / l11
        root = np.stack([l11, l21, np.sqrt(d - l21**2)])
        h = self.pull + omega @ self.expected
        first = h[0] / root[0]
        half = np.stack([first, (h[1] - root[1] * first) / root[2]])
        return _back(root, half[..., None])[..., 0], root

    def _excess_at(self, v):
        """Interpolated (n, K) at v (2, n, K)."""
        l11, l21, l22 = self.root[..., None]
        move = v - self.centre[..., None]
        y = np.stack([l11 * move[0] + l21 * move[1], l22 * move[1]]).clip(-FARTHEST, FARTHEST)
        table = self.excess.reshape(-1, len(NODES), len(NODES))
        return np.einsum("nka,nkb,nab->nk", _lagrange(y[0]), _lagrange(y[1]), table, optimize=True)


def _back(root, y):
    """L'^-1 y (2, n, K)."""
    l11, l21, l22 = root[..., None]
    second = y[1] / l22
    return np.stack([(y[0] - l21 * second) / l11, np.broadcast_to(second, np.shape(y[0] / l11))])


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
    """A working likelihood W, s (N, T) about eta (N, T), effects there, and products that sell little."""

    effects: Effects
    eta: np.ndarray
    W: np.ndarray
    s: np.ndarray
    low: LowCounts | None


def refine(panel, spec, layout, scales, W, s) -> Refined:
    """The working likelihood whose posterior has the means that it was made at."""
    before = None
    for _ in range(ROUNDS):
        posterior = normal_posterior(panel, spec, layout, scales, W, s)
        effects = posterior.mean()
        eta = linear_predictor(panel, layout, effects)
        now = working_likelihood(panel, spec.likelihood, eta, scales.noise)
        W, s = now.precision, now.precision * eta + now.gradient
        low = _integrate(panel, spec, layout, scales, posterior, effects, eta, W, s)
        sd = 1 / np.stack([posterior.blocks.root[0], posterior.blocks.root[2]])
        if before is not None and (abs(effects.product - before) / sd).max() < SETTLED:
            break
        before = effects.product
    return Refined(effects, eta, W, s, low)


def _integrate(panel, spec, layout, scales, posterior, effects, eta, W, s) -> LowCounts | None:
    """Products that sell little; writes their rows of W and s."""
    if spec.likelihood == "log_normal":
        return None
    which = np.flatnonzero(W.sum(axis=1) < ENOUGH)
    if not len(which):
        return None
    of_group = effects.bundle[panel.group[which], layout.n_bundle - layout.n_group :]
    expected = np.einsum("jnq,nq->jn", layout.expected[:, which], of_group) + layout.fixed[:, None]
    centre, root, omega = (
        effects.product[:, which],
        posterior.blocks.root[:, which],
        product_precision(scales, spec),
    )
    move = _back(root, GRID)
    gap = centre[..., None] + move - expected[..., None]
    prior = (GRID**2).sum(axis=0) / 2 - 0.5 * np.einsum("jnk,ji,ink->nk", gap, omega, gap, optimize=True)
    excess, information, pull = np.empty(gap.shape[1:]), np.empty((3, len(which))), np.empty((2, len(which)))
    step = max(1, BLOCK // (len(WEIGHTS) * W.shape[1]))
    for first in range(0, len(which), step):
        part = slice(first, first + step)
        rows = which[part]
        x, units, observed = panel.log_price[rows], panel.units[rows], panel.observed[rows]
        exposure = np.broadcast_to(panel.log_exposure, W.shape)[rows]
        eta_k = eta[rows, None] + move[0, part, :, None] + move[1, part, :, None] * x[:, None]
        value, gradient, precision = cell_likelihood(
            spec.likelihood, units[:, None], observed[:, None], eta_k + exposure[:, None], scales.noise
        )
        exact = value.sum(axis=2)
        heights = np.log(WEIGHTS) + exact + prior[part]
        chance = np.exp(heights - logsumexp(heights, axis=1, keepdims=True))
        mean = np.einsum("nk,jnk->jn", chance, move[:, part])
        own = np.einsum("nk,nkt->nt", chance, precision)
        at = eta[rows] + mean[0][:, None] + mean[1][:, None] * x
        shift = own * at + np.einsum("nk,nkt->nt", chance, gradient)
        W[rows], s[rows] = own, shift
        excess[part] = exact - ((shift[:, None] - 0.5 * own[:, None] * eta_k) * eta_k).sum(axis=2)
        information[:, part] = own.sum(axis=1), (own * x).sum(axis=1), (own * x**2).sum(axis=1)
        shared = eta[rows] - centre[0, part, None] - centre[1, part, None] * x
        left = shift - own * shared
        pull[:, part] = left.sum(axis=1), (left * x).sum(axis=1)
    return LowCounts(which, expected, centre, root, information, pull, excess)
