r"""Laplace approximation of effects given scales: the normal posterior for a working likelihood.

With the working likelihood of gradient g and information A about effects :math:`x_0`, and the prior of
effects of precision P,

.. math:: (P + F' A F) (x - x_0) = \nabla \log p(x_0) + F' g

with F the columns of eta. One such step is a Newton step.

Array names and axis order: N products, G groups, T periods, S draws, K controls; q effects of a group, b of a
bundle, m of the top. Of each product Y = L^{-1} times its border with what products share, (2, N, .)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.arrow import Arrow, ProductBlocks, factor_arrow, left_by_first
from hdfm.sales.laplace.effects import Effects, chunks, cosine_heights
from hdfm.sales.laplace.elimination import add_products, product_border
from hdfm.sales.laplace.prior import (
    NormalEquations,
    Scales,
    expected_products,
    product_precision,
    shared_prior,
)
from hdfm.sales.laplace.selection import SelectionTerm
from hdfm.sales.laplace.working import WorkingLikelihood

SELECTION_ROUNDS, SETTLED = 20, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPosterior:
    """Normal posterior of effects, factored.

    Attributes
    ----------
    likelihood : WorkingLikelihood
        About x_0.
    scales : Scales
    blocks : ProductBlocks
        Roots L of products.
    arrow : Arrow
        Of what products share.
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

    likelihood: WorkingLikelihood
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
        """Posterior mean of effects."""
        at, y = self.likelihood.at, self.half.copy()
        for part, Y in self._of_shared(self.bundle[..., None], self.top[:, None]):
            y[:, part] -= Y[..., 0]
        return Effects(
            at.product + self.blocks.half_solve_back(y), at.bundle + self.bundle, at.top + self.top
        )

    def draw(
        self,
        n: int,
        rng: np.random.Generator,
        reshaped: Callable[[np.ndarray, slice], np.ndarray] | None = None,
    ) -> Effects:
        """Draws (..., n); ``reshaped`` gives standard normal z (2, N, n) of some products another shape."""
        at, dtype = self.likelihood.at, self.likelihood.cosines.dtype
        bundle, top = self.arrow.draw(n, rng)
        bundle += self.bundle[..., None]
        top += self.top[:, None]
        product = np.empty((*self.half.shape, n), dtype)
        for part, Y in self._of_shared(bundle, top):
            z = rng.standard_normal(Y.shape, dtype)
            if reshaped is not None:
                z = reshaped(z, part)
            z += self.half[:, part, None].astype(dtype)
            z -= Y
            self.blocks.of(part, dtype).half_solve_back(z, out=product[:, part])
            product[:, part] += at.product[:, part, None].astype(dtype)
        return Effects(product, bundle + at.bundle[..., None], top + at.top[:, None])

    def _of_shared(self, bundle: np.ndarray, top: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Position and Y times shared effects (2, n, S), by pieces of products."""
        AZ, layout = self.likelihood.cosines, self.likelihood.model.layout
        dtype = AZ.dtype
        heights = cosine_heights(layout, bundle, top).astype(dtype)
        of_group = bundle[:, layout.n_cosines :].astype(dtype)
        of_controls = top[layout.top["controls"]].astype(dtype)
        for g, part in chunks(self.likelihood.model.panel):
            out = self.of_group[:, part].astype(dtype) @ of_group[g]
            if len(of_controls):
                out += self.of_controls[:, part].astype(dtype) @ of_controls
            if len(layout.cosines):
                out += self.blocks.of(part, dtype).U(AZ[:, part]) @ heights[g if layout.by_bundle else 0]
            yield part, out


def normal_posterior(likelihood: WorkingLikelihood, scales: Scales) -> NormalPosterior:
    """The posterior for a working likelihood: products eliminated, then bundles, then the top."""
    model, at = likelihood.model, likelihood.at
    omega, equations = product_precision(scales, model.spec), shared_prior(model, scales)
    gap = at.product - expected_products(model, at.bundle)
    border = product_border(likelihood, omega, gap)
    height = equations.log_density(at.bundle, at.top) - float(np.vdot(gap, border.pull)) / 2
    log_det = border.blocks.log_det - gap.shape[1] * np.linalg.slogdet(omega)[1] - equations.log_det
    equations.of_bundles, equations.of_top = equations.slope(at.bundle, at.top)
    add_products(equations, likelihood, border)
    if model.selection is not None:
        term, q = _selection_term(equations, likelihood, scales), slice(equations.n_cosines, None)
        equations.bundles[:, q, q] -= term.curvature
        equations.of_bundles[:, q] += term.slope
        height += term.value
    arrow = factor_arrow(equations.bundles, equations.border, equations.top)
    bundle, top, inner = arrow.solve(equations.of_bundles, equations.of_top)
    log_det += arrow.log_det
    height += (float(np.vdot(border.half, border.half)) + inner - log_det) / 2
    return NormalPosterior(
        likelihood=likelihood,
        scales=scales,
        blocks=border.blocks,
        arrow=arrow,
        half=border.half,
        of_group=border.of_group,
        of_controls=border.of_controls,
        bundle=bundle,
        top=top,
        log_det=float(log_det),
        log_marginal=float(height),
    )


def _selection_term(
    equations: NormalEquations, likelihood: WorkingLikelihood, scales: Scales
) -> SelectionTerm:
    """Quadratic expansion of the truncated-sample likelihood about the mode that it leads to."""
    selection = likelihood.model.selection
    assert selection is not None
    q, (a, c, d) = slice(equations.n_cosines, None), likelihood.information
    d = d + scales.elasticity**-2
    at, variance = likelihood.at.bundle[:, q], d / (a * d - c**2)
    right = np.concatenate([equations.border, equations.of_bundles[..., None]], axis=2)
    of_top = np.concatenate([equations.top, equations.of_top[:, None]], axis=1)
    bundles, right, of_top = left_by_first(equations.n_cosines, equations.bundles, right, of_top)
    move = np.zeros(at.shape)
    for _ in range(SELECTION_ROUNDS):
        term = selection.term(at + move, scales.product_effect, variance).about(move)
        arrow = factor_arrow(bundles - term.curvature, right[..., :-1], of_top[:, :-1])
        before, move = move, arrow.solve(right[..., -1] + term.slope, of_top[:, -1])[0]
        if abs(move - before).max() < SETTLED:
            break
    return term
