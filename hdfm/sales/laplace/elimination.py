r"""Schur complement of the products: what their observations leave to what they share.

With A_i the information of a product's observations over periods, the block of its two effects is
:math:`Z_i' A_i Z_i + \Omega = L L'`. With :math:`U_i = A_i Z_i L'^{-1}`,

.. math:: A_i - A_i Z_i (Z_i' A_i Z_i + \Omega)^{-1} Z_i' A_i = A_i - U_i U_i'

is what is left of A_i to columns of eta that products share: time effects along cosines, controls [1]_.
Effects of the group enter through products' expectations M_i c, and so by :math:`Y_i = -L^{-1} \Omega M_i`.

Array names and axis order: N products, G groups, T periods, w cosines, K controls; q effects of a group, b of
a bundle, m of the top.

    A_i (T, T); Z_i = [1, x_i] and U_i (T, 2); Omega, the prior's precision of the two effects, and L (2, 2);
    M_i and Y_i (2, q)

References
----------
.. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", appendix A.3: the inverse of
   a partitioned matrix, and the matrix inversion lemma.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.arrow import ProductBlocks, product_blocks
from hdfm.sales.laplace.effects import chunks
from hdfm.sales.laplace.layout import Layout
from hdfm.sales.laplace.prior import NormalEquations
from hdfm.sales.laplace.working import WorkingLikelihood


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductBorder:
    """Blocks of products, and L^-1 times their borders with what they share.

    Attributes
    ----------
    blocks : ProductBlocks
        Roots L.
    half : numpy.ndarray
        L^-1 times the gradient at x_0 by products (2, N).
    expected : numpy.ndarray
        Omega M (2, N, q).
    pull : numpy.ndarray
        Omega times the gap of products from what is expected of them at x_0 (2, N).
    of_group, of_controls : numpy.ndarray
        Y of the effects of the group (2, N, q), and of controls (2, N, K).
    """

    blocks: ProductBlocks
    half: np.ndarray
    expected: np.ndarray
    pull: np.ndarray
    of_group: np.ndarray
    of_controls: np.ndarray


def product_border(likelihood: WorkingLikelihood, omega: np.ndarray, gap: np.ndarray) -> ProductBorder:
    """Blocks and borders, of Omega (2, 2) and the gap v - E v at x_0 (2, N)."""
    blocks, pull = product_blocks(likelihood.information, omega), omega @ gap
    expected = np.einsum("jk,knq->jnq", omega, likelihood.model.layout.design)
    return ProductBorder(
        blocks=blocks,
        half=blocks.half_solve(likelihood.gradient - pull),
        expected=expected,
        pull=pull,
        of_group=-blocks.half_solve(expected),
        of_controls=blocks.half_solve(likelihood.of_controls),
    )


def add_products(equations: NormalEquations, likelihood: WorkingLikelihood, border: ProductBorder) -> None:
    r"""Arrow elimination: add the working likelihood to the equations of what products share, less products.

    Of a prior's P c = h it makes a system of the left-hand matrix and right-hand side

    .. math:: P + \sum_i (D_i - Y_i' Y_i), \qquad h + \sum_i (d_i - Y_i' L_i^{-1} r_i), \qquad
        Y_i = L_i^{-1} B_i, \quad L_i L_i' = Z_i' A_i Z_i + \Omega

    the Schur complement of all products [1]_. r_i (2,) is the gradient by the effects of product i, D_i and
    d_i are what it adds to P and h by itself, and B_i is its border (2, .) with what is shared: of cosines
    Phi (w, T), effects of the group and controls z

    .. math:: B_i = [Z_i' A_i \Phi', \ -\Omega M_i, \ Z_i' A_i z_i], \qquad
        D_i = \begin{pmatrix} \Phi A_i \Phi' & 0 & \Phi A_i z_i \\
        0 & M_i' \Omega M_i & 0 \\ z_i' A_i \Phi' & 0 & z_i' A_i z_i \end{pmatrix}

    Parameters
    ----------
    equations : NormalEquations
        P and h at x_0, which are changed: bundles (G, b, b), border (G, b, m), top (m, m). Entries of P are
        in the units of two effects to the power of -1 each, those of h in that of one.
    likelihood : WorkingLikelihood
        About x_0.
    border : ProductBorder
        L_i, L_i^-1 r_i and Y_i, but for those of cosines.

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", appendix A.3.
    """
    _add_groups(equations, likelihood, border)
    if len(likelihood.model.layout.cosines):
        _add_cosines(equations, likelihood, border)


def _add_groups(equations: NormalEquations, likelihood: WorkingLikelihood, border: ProductBorder) -> None:
    """Effects of the group and controls."""
    layout = likelihood.model.layout
    q, controls = slice(layout.n_cosines, None), layout.top["controls"]
    M = layout.design
    for g, part in chunks(likelihood.model.panel):
        for k in (0, 1):
            Y, Yc, h = border.of_group[k, part], border.of_controls[k, part], border.half[k, part]
            equations.bundles[g, q, q] += M[k, part].T @ border.expected[k, part] - Y.T @ Y
            equations.of_bundles[g, q] += M[k, part].T @ border.pull[k, part] - Y.T @ h
            if Yc.shape[1]:
                equations.border[g, q, controls] -= Y.T @ Yc
                equations.top[controls, controls] -= Yc.T @ Yc
                equations.of_top[controls] -= Yc.T @ h
    equations.top[controls, controls] += likelihood.controls
    equations.of_top[controls] += likelihood.controls_gradient


def _add_cosines(equations: NormalEquations, likelihood: WorkingLikelihood, border: ProductBorder) -> None:
    """Cosines of time effects, each bundle's or those that all share."""
    layout = likelihood.model.layout
    group, control, right = np.split(
        _add_squares(equations, likelihood, border),
        np.cumsum([layout.n_group, border.of_controls.shape[2]]),
        axis=2,
    )
    w, q, controls = cosine_slice(layout), slice(layout.n_cosines, None), layout.top["controls"]
    if layout.by_bundle:
        equations.bundles[:, w, q] += group
        equations.bundles[:, q, w] += group.transpose(0, 2, 1)
        equations.of_bundles[:, w] += right[..., 0]
        equations.border[:, w, controls] += control
    else:
        equations.border[:, q, w] += group.transpose(0, 2, 1)
        equations.of_top[w] += right[..., 0].sum(axis=0)
        equations.top[w, controls] += control.sum(axis=0)
        equations.top[controls, w] += control.sum(axis=0).T


def cosine_slice(layout: Layout) -> slice:
    """Where cosines stand, in bundles or the top."""
    return slice(0, len(layout.cosines)) if layout.by_bundle else layout.top["cosines"]


def _add_squares(
    equations: NormalEquations, likelihood: WorkingLikelihood, border: ProductBorder
) -> np.ndarray:
    """Add Phi (A - U U') Phi' to squares of cosines.

    Returns Phi (A - U U') times the columns of group, controls and right-hand side (G, w, q + K + 1).
    """
    layout, AZ = likelihood.model.layout, likelihood.cosines
    dtype, n_cosines, w = AZ.dtype, len(layout.cosines), cosine_slice(layout)
    n_q, G = layout.n_group, len(equations.bundles)
    Y = np.concatenate([border.of_group, border.of_controls, border.half[..., None]], axis=2).astype(dtype)
    out = np.zeros((G, n_cosines, Y.shape[2]))
    out[..., n_q:-1] = likelihood.cosine_controls
    out[..., -1] = likelihood.cosine_gradient
    targets = equations.bundles if layout.by_bundle else [equations.top] * G
    squares = [target[w, w] for target in targets]
    for square, information in zip(squares, likelihood.cosine_information, strict=True):
        square += information
    for g, part in chunks(likelihood.model.panel):
        U = border.blocks.of(part, dtype).U(AZ[:, part]).reshape(-1, n_cosines)
        squares[g] -= U.T @ U
        out[g] -= U.T @ Y[:, part].reshape(len(U), -1)
    return out
