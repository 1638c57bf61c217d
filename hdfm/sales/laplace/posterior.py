r"""The normal posterior of a demand model's effects given scales and a working likelihood.

With the working likelihood of gradient g and precision W about effects :math:`x_0`, and the prior of effects
of precision P,

.. math:: (P + F' W F) (x - x_0) = \nabla \log p(x_0) + F' g

with F the columns of eta. One such step is a Newton step.

Array names and axis order: N products, G groups, T periods, S draws, K controls; q effects of a group, b of a
bundle, m of the top. Of each product Y = L^{-1} times its border with what products share, (2, N, .)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.arrow import Arrow, ProductBlocks, factor_arrow, left_by_first, product_blocks
from hdfm.sales.laplace.effects import Effects, chunks, cosine_heights
from hdfm.sales.laplace.evidence import Evidence
from hdfm.sales.laplace.prior import (
    Scales,
    expected_products,
    product_precision,
    shared_prior,
)

SELECTION_ROUNDS, SETTLED = 20, 1e-4


@dataclass(frozen=True, slots=True)
class NormalPosterior:
    """A normal posterior of effects, factored.

    Attributes
    ----------
    half : numpy.ndarray
        L^-1 times the gradient at x_0 by products (2, N).
    of_group, of_controls : numpy.ndarray
        Y of the effects of the group (2, N, q), and of controls (2, N, K).
    bundle, top : numpy.ndarray
        Mean of shared effects (G, b), (m,), less x_0.
    log_det : float
        Of the precision, less that of the prior.
    log_marginal : float
        Log of the integral of prior times working likelihood, up to what no scale changes.
    """

    evidence: Evidence
    scales: Scales
    blocks: ProductBlocks
    arrow: Arrow
    half: np.ndarray
    of_group: np.ndarray
    of_controls: np.ndarray
    bundle: np.ndarray
    top: np.ndarray
    log_det: float
    log_marginal: float

    def mean(self) -> Effects:
        at, y = self.evidence.at, self.half.copy()
        bundle, top = self.bundle[..., None], self.top[:, None]
        for _, part, Y in self._of_shared(bundle, top):
            y[:, part] -= Y[..., 0]
        return Effects(
            at.product + self.blocks.half_solve_back(y), at.bundle + self.bundle, at.top + self.top
        )

    def draw(
        self, n: int, rng: np.random.Generator, reshape: Callable[[np.ndarray, slice], None] | None = None
    ) -> Effects:
        """Draws (..., n); ``reshape`` may change what is a product's own, standard normal (2, N, n)."""
        at, dtype = self.evidence.at, self.evidence.cosines.dtype
        bundle, top = self.arrow.draw(n, rng)
        bundle += self.bundle[..., None]
        top += self.top[:, None]
        product = np.empty((*self.half.shape, n), dtype)
        for _, part, Y in self._of_shared(bundle, top):
            z = rng.standard_normal(Y.shape, dtype)
            if reshape is not None:
                reshape(z, part)
            z += self.half[:, part, None].astype(dtype)
            z -= Y
            self.blocks.of(part, dtype).half_solve_back(z, out=product[:, part])
            product[:, part] += at.product[:, part, None].astype(dtype)
        return Effects(product, bundle + at.bundle[..., None], top + at.top[:, None])

    def _of_shared(self, bundle, top):
        """Group, position and Y times shared effects (2, n, S), by pieces of products."""
        cosines, model = self.evidence.cosines, self.evidence.model
        layout, dtype = model.layout, cosines.dtype
        heights = cosine_heights(layout, bundle, top).astype(dtype)
        of_group, of_top = (
            bundle[:, layout.n_cosines :].astype(dtype),
            top[layout.top["controls"]].astype(dtype),
        )
        for g, part in chunks(model.panel):
            out = self.of_group[:, part].astype(dtype) @ of_group[g]
            if len(of_top):
                out += self.of_controls[:, part].astype(dtype) @ of_top
            if len(layout.cosines):
                out += (
                    self.blocks.of(part, dtype).U(cosines[:, part]) @ heights[g if layout.own_cosines else 0]
                )
            yield g, part, out


def normal_posterior(evidence: Evidence, scales: Scales) -> NormalPosterior:
    """The posterior for a working likelihood."""
    model, at = evidence.model, evidence.at
    layout, omega = model.layout, product_precision(scales, model.spec)
    blocks = product_blocks(evidence.information, omega)
    prior = shared_prior(model, scales)
    gap = at.product - expected_products(model, at.bundle)
    pull = omega @ gap
    height = prior.log_density(at.bundle, at.top) - float(np.vdot(gap, pull)) / 2
    log_det = blocks.log_det - gap.shape[1] * np.linalg.slogdet(omega)[1] - prior.log_det
    prior.of_bundles, prior.of_top = prior.slope(at.bundle, at.top)
    expected = np.einsum("jk,knq->jnq", omega, layout.expected)
    Yq, Yk = -blocks.half_solve(expected), blocks.half_solve(evidence.of_controls)
    half = blocks.half_solve(evidence.gradient - pull)
    _add_groups(prior, layout, evidence, expected, pull, Yq, Yk, half)
    if len(layout.cosines):
        _add_cosines(prior, layout, evidence, blocks, Yq, Yk, half)
    if model.selection is not None:
        height += _add_selection(prior, evidence, scales)
    arrow = factor_arrow(prior.bundles, prior.border, prior.top)
    bundle, top, inner = arrow.solve(prior.of_bundles, prior.of_top)
    log_det += arrow.log_det
    height += (float(np.vdot(half, half)) + inner - log_det) / 2
    return NormalPosterior(
        evidence, scales, blocks, arrow, half, Yq, Yk, bundle, top, float(log_det), float(height)
    )


def _add_selection(prior, evidence, scales):
    """The quadratic expansion of selection about the mode that it leads to; returns its value at x_0."""
    q, (a, c, d) = slice(prior.n_cosines, None), evidence.information
    d = d + scales.elasticity**-2
    at, known = evidence.at.bundle[:, q], d / (a * d - c**2)
    right = np.concatenate([prior.border, prior.of_bundles[..., None]], axis=2)
    of_top = np.concatenate([prior.top, prior.of_top[:, None]], axis=1)
    bundles, right, of_top = left_by_first(prior.n_cosines, prior.bundles, right, of_top)
    moved = np.zeros(at.shape)
    for _ in range(SELECTION_ROUNDS):
        term = evidence.model.selection.term(at + moved, scales.product_effect, known).about(moved)
        arrow = factor_arrow(bundles - term.curvature, right[..., :-1], of_top[:, :-1])
        before, moved = moved, arrow.solve(right[..., -1] + term.slope, of_top[:, -1])[0]
        if abs(moved - before).max() < SETTLED:
            break
    prior.bundles[:, q, q] -= term.curvature
    prior.of_bundles[:, q] += term.slope
    return term.value


def _add_groups(prior, layout, evidence, expected, pull, Yq, Yk, half):
    """What products leave to the effects of their group and to controls."""
    q, controls, K = slice(layout.n_cosines, None), layout.top["controls"], Yk.shape[2]
    M = layout.expected
    for g, part in chunks(evidence.model.panel):
        for k in (0, 1):
            Y, Yc, h = Yq[k, part], Yk[k, part], half[k, part]
            prior.bundles[g, q, q] += M[k, part].T @ expected[k, part] - Y.T @ Y
            prior.of_bundles[g, q] += M[k, part].T @ pull[k, part] - Y.T @ h
            if K:
                prior.border[g, q, controls] -= Y.T @ Yc
                prior.top[controls, controls] -= Yc.T @ Yc
                prior.of_top[controls] -= Yc.T @ h
    prior.top[controls, controls] += evidence.controls
    prior.of_top[controls] += evidence.controls_gradient


def _add_cosines(prior, layout, evidence, blocks, Yq, Yk, half):
    """What products leave to time effects."""
    dtype = evidence.cosines.dtype
    n_cosines, n_q, K = len(layout.cosines), Yq.shape[2], Yk.shape[2]
    controls, q = layout.top["controls"], slice(layout.n_cosines, None)
    w = slice(0, n_cosines) if layout.own_cosines else layout.top["cosines"]
    rest = np.concatenate([Yq, Yk, half[..., None]], axis=2).astype(dtype)
    with_rest = np.zeros((len(prior.bundles), n_cosines, n_q + K + 1))
    with_rest[..., n_q:-1] = evidence.cosine_controls
    with_rest[..., -1] = evidence.cosine_gradient
    own = prior.bundles if layout.own_cosines else [prior.top] * len(prior.bundles)
    squares = [each[w, w] for each in own]
    for square, information in zip(squares, evidence.cosine_information, strict=True):
        square += information
    for g, part in chunks(evidence.model.panel):
        U = blocks.of(part, dtype).U(evidence.cosines[:, part]).reshape(-1, n_cosines)
        squares[g] -= U.T @ U
        with_rest[g] -= U.T @ rest[:, part].reshape(len(U), -1)
    group, control, left = np.split(with_rest, [n_q, n_q + K], axis=2)
    if layout.own_cosines:
        prior.bundles[:, w, q] += group
        prior.bundles[:, q, w] += group.transpose(0, 2, 1)
        prior.of_bundles[:, w] += left[..., 0]
        prior.border[:, w, controls] += control
    else:
        prior.border[:, q, w] += group.transpose(0, 2, 1)
        prior.of_top[w] += left[..., 0].sum(axis=0)
        prior.top[w, controls] += control.sum(axis=0)
        prior.top[controls, w] += control.sum(axis=0).T
