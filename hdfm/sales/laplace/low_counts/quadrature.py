r"""Products that sell little, integrated by quadrature instead of Laplace's approximation.

Given what products share, products are independent, and each has two effects v. Where a product's counts are
low the likelihood of v is skewed: its mode is not its mean, and evidence about spreads is biased. With nodes
v_k of a Gauss-Hermite rule about the normal posterior of v, of mean v_0 and precision LL' [1]_, the exact one
has weights

.. math:: \omega_k \propto w_k \, p(y | v_k) \, p(v_k) / \phi(z_k), \qquad v_k = v_0 + L'^{-1} z_k

where w_k and z_k are weights and nodes for a standard normal in two dimensions, and p(v) is normal with mean
m and precision Omega. A working likelihood that takes the mean gradient and information over nodes gives the
product its exact mean, and what products share the exact gradient, for
:math:`E[Z'(y - \mu)] = \Omega (E v - m)` (Stein). The mean information is more than there is,
:math:`E[-\nabla^2 \log p(v | y)] \ge \operatorname{Var}(v | y)^{-1}`. The share of it is taken that leaves v
its exact generalised variance, and with it what products share.

Array names and axis order: N products, n that sell little or a part of them, K nodes, T periods.

References
----------
.. [1] Liu and Pierce (1994), "A note on Gauss-Hermite quadrature", Biometrika 81(3).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from hdfm.sales.laplace.arrow import ProductBlocks
from hdfm.sales.laplace.effects import Effects
from hdfm.sales.laplace.low_counts.nodes import (
    GRID,
    NODES,
    WEIGHTS,
    NodeMoments,
    log_polynomials,
    node_moments,
    nodes_of,
)
from hdfm.sales.laplace.low_counts.products import LowCounts
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, expected_products, product_precision
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.laplace.working import WorkingCells
from hdfm.sales.likelihoods.nodes import NodeCells, NodeLikelihood

ENOUGH = 100.0  # information about a level: its likelihood is normal but for a skewness of a tenth
LEAST_SHARE = 0.1
BLOCK = 500_000  # cells times nodes at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """Rules of products that sell little, as they are before their likelihood is asked.

    Attributes
    ----------
    which : numpy.ndarray
        Positions of the products (n,).
    eta : numpy.ndarray
        At the centre (N, T), of all products.
    variance : numpy.ndarray
        Of noise (N,), of all products.
    blocks : ProductBlocks
        Roots L of their normal posteriors.
    omega : numpy.ndarray
        (2, 2).
    move : numpy.ndarray
        Nodes about the centre (2, n, K).
    log_prior : numpy.ndarray
        log p(v_k) / phi(z_k) (n, K), up to a constant.
    """

    which: np.ndarray
    eta: np.ndarray
    variance: np.ndarray
    blocks: ProductBlocks
    omega: np.ndarray
    move: np.ndarray
    log_prior: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Integral:
    """A part of products, integrated.

    Attributes
    ----------
    W, g : numpy.ndarray
        Precision and gradient of the working likelihood (n, T).
    information, gradient : numpy.ndarray
        Z'WZ as its entries 11, 21 and 22 (3, n), and Z'g (2, n).
    sums, remainder : numpy.ndarray
        (2, n) and (n, 5, 5), as in :class:`hdfm.sales.laplace.low_counts.products.LowCounts`.
    moments : NodeMoments
    """

    W: np.ndarray
    g: np.ndarray
    information: np.ndarray
    gradient: np.ndarray
    sums: np.ndarray
    remainder: np.ndarray
    moments: NodeMoments


def integrated(
    posterior: NormalPosterior, effects: Effects, eta: np.ndarray, cells: WorkingCells
) -> tuple[WorkingCells, LowCounts | None]:
    r"""Low-count quadrature: the working likelihood with products that sell little integrated, and these.

    Those whose level the data tell less than ``ENOUGH``, :math:`\sum_t W_{it} < 100`; in a Poisson model that
    is the units expected of them. None where there are none. A product's nodes and their weights are those of
    a Gauss-Hermite rule about its normal posterior, of mean v_0 and precision LL' [1]_,

    .. math:: v_{ik} = v_{i0} + L_i'^{-1} z_k, \qquad
        \omega_{ik} \propto w_k \, p(y_i | v_{ik}) \, p(v_{ik}) / \phi(z_k), \quad
        \sum_k \omega_{ik} = 1

    and its rows of the working likelihood, with :math:`\bar v_i = \sum_k \omega_{ik} v_{ik}`,

    .. math:: W_{it} = s_i \sum_k \omega_{ik} W_{it}(v_{ik}), \qquad
        g_{it} = \sum_k \omega_{ik} g_{it}(v_{ik}) + W_{it} \, Z_{it}' (\bar v_i - v_{i0})

    with the share s_i at which the determinant of the product's posterior precision is that of the inverse
    covariance over nodes. v (2, n, K) are levels, in log units, and elasticities; omega (n, K) has no unit, W
    and g (n, T) are in log units to the power of -2 and -1.

    Parameters
    ----------
    posterior : NormalPosterior
        Of effects: rules are about it.
    effects : Effects
        Its mean.
    eta : numpy.ndarray
        Of effects (N, T), log units.
    cells : WorkingCells
        At eta: g and W (N, T).

    References
    ----------
    .. [1] Liu and Pierce (1994), "A note on Gauss-Hermite quadrature", Biometrika 81(3).
    """
    model = posterior.likelihood.model
    if model.spec.family.nodes is None:
        return cells, None
    which = np.flatnonzero(cells.precision.sum(axis=1) < ENOUGH)
    if not len(which):
        return cells, None
    rules = _rules(posterior, effects, eta, which)
    step = max(1, BLOCK // (len(WEIGHTS) * eta.shape[1]))
    parts = [slice(start, start + step) for start in range(0, len(which), step)]
    integrals = in_threads(model, lambda part: _integral(model, rules, part), parts)
    return _joined(cells, effects.product[:, which], rules, zip(parts, integrals, strict=True))


def _rules(posterior: NormalPosterior, effects: Effects, eta: np.ndarray, which: np.ndarray) -> _Rules:
    """Quadrature rules of the products at positions (n,)."""
    model = posterior.likelihood.model
    expected, centre = expected_products(model, effects.bundle)[:, which], effects.product[:, which]
    blocks = ProductBlocks(posterior.blocks.root[:, which])
    omega, move = product_precision(posterior.scales, model.spec), nodes_of(blocks)
    gap = centre[..., None] + move - expected[..., None]
    energy = 0.5 * np.einsum("jnk,ji,ink->nk", gap, omega, gap, optimize=True)
    return _Rules(
        which=which,
        eta=eta,
        variance=model.variance(posterior.scales),
        blocks=blocks,
        omega=omega,
        move=move,
        log_prior=(GRID**2).sum(axis=0) / 2 - energy,
    )


def _integral(model: ArrowModel, rules: _Rules, part: slice) -> _Integral:
    """A part of the products: exact weights of their nodes, and the working likelihood that these make."""
    x, move = model.panel.log_price[rules.which[part]], rules.move[:, part]
    at_nodes = _at_nodes(model, rules, part)
    linear = (at_nodes.sums[..., None] * move).sum(axis=0)
    heights = np.log(WEIGHTS) + linear - at_nodes.remainder + rules.log_prior[part]
    chance = np.exp(heights - logsumexp(heights, axis=1, keepdims=True))
    moments = node_moments(chance)
    W, slope = at_nodes.averages(chance)
    W = W * _share(_squares(W, x), rules.omega, rules.blocks.of(part, float), moments)[:, None]
    mean = np.vecdot(chance, move)
    g = slope + W * (mean[0][:, None] + mean[1][:, None] * x)
    return _Integral(
        W=W,
        g=g,
        information=_squares(W, x),
        gradient=np.stack([g.sum(axis=1), (g * x).sum(axis=1)]),
        sums=at_nodes.sums,
        remainder=log_polynomials(at_nodes.remainder),
        moments=moments,
    )


def _squares(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Z'WZ as its entries 11, 21 and 22 (3, n)."""
    return np.stack([W.sum(axis=1), (W * x).sum(axis=1), (W * x**2).sum(axis=1)])


def _at_nodes(model: ArrowModel, rules: _Rules, part: slice) -> NodeLikelihood:
    """Likelihood of a part of the products at their nodes."""
    panel, nodes, rows = model.panel, model.spec.family.nodes, rules.which[part]
    assert nodes is not None
    return nodes(
        NodeCells(
            units=panel.units[rows],
            observed=panel.observed[rows],
            eta=rules.eta[rows] + panel.log_exposure[rows],
            x=panel.log_price[rows],
            move=rules.move[:, part],
            variance=rules.variance[rows],
            weight=None if panel.weight is None else panel.weight[rows],
        )
    )


def _joined(
    cells: WorkingCells, centre: np.ndarray, rules: _Rules, integrals: Iterator[tuple[slice, _Integral]]
) -> tuple[WorkingCells, LowCounts]:
    """The working likelihood with rows of integrated products in place of their own."""
    n, side = len(rules.which), len(NODES)
    precision, gradient = cells.precision.copy(), cells.gradient.copy()
    information, pull, sums = np.empty((3, n)), np.empty((2, n)), np.empty((2, n))
    remainder, root, skewness = np.empty((n, side, side)), np.empty((3, n)), np.empty((2, n))
    for part, integral in integrals:
        rows = rules.which[part]
        precision[rows], gradient[rows] = integral.W, integral.g
        information[:, part], pull[:, part] = integral.information, integral.gradient
        sums[:, part], remainder[part] = integral.sums, integral.remainder
        root[:, part], skewness[:, part] = integral.moments.root, integral.moments.skewness
    low = LowCounts(
        which=rules.which,
        centre=centre,
        blocks=rules.blocks,
        information=information,
        gradient=pull,
        sums=sums,
        remainder=remainder,
        shape=NodeMoments(root, skewness),
    )
    return WorkingCells(cells.value, gradient, precision), low


def _share(
    information: np.ndarray, omega: np.ndarray, blocks: ProductBlocks, moments: NodeMoments
) -> np.ndarray:
    r"""Share s (n,) of Z'WZ (3, n) at which a product's generalised variance is that over the nodes.

    .. math:: |s Z' W Z + \Omega| = |\operatorname{Var}_\omega(v)|^{-1}

    a quadratic equation in s; its root is held between ``LEAST_SHARE`` and 1.
    """
    a, b, d = information
    square, line = a * d - b**2, a * omega[1, 1] + d * omega[0, 0] - 2 * b * omega[0, 1]
    size = (blocks.root[0] * blocks.root[2] / (moments.root[0] * moments.root[2])) ** 2
    excess = np.maximum(size - np.linalg.det(omega), 0)
    return (2 * excess / (line + np.sqrt(line**2 + 4 * square * excess))).clip(LEAST_SHARE, 1)
