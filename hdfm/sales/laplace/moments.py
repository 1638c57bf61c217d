"""Posterior second moments of effects about their prior means, which the scales are the spreads of.

Array names and axis order: N products, G groups, T periods; b effects of a bundle, m of the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dtrtri

from hdfm.sales.laplace.effects import Effects, chunks
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, expected_products


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of second moments.

    Attributes
    ----------
    products : numpy.ndarray
        Sum over products of E[(v - expected)(v - expected)'] (2, 2).
    cosines : numpy.ndarray
        Sum over bundles of E[coefficient^2] (T - 1,).
    groups : list of float
        Sum over groups of E[(mean - parent's mean)^2], by level, coarse to fine.
    slopes : float
        Sum over groups of E[(slope - mean - bias)^2].
    """

    products: np.ndarray
    cosines: np.ndarray
    groups: list[float]
    slopes: float


def moments(posterior: NormalPosterior) -> Moments:
    """Second moments under a normal posterior."""
    model, arrow, effects = posterior.likelihood.model, posterior.arrow, posterior.mean()
    inverses, inverse_top = [_inverse(root) for root in arrow.roots], _inverse(arrow.top)
    V = inverse_top.T @ inverse_top
    slopes, finest = _of_finest(posterior, effects, inverses, inverse_top)
    levels = model.panel.levels if model.panel.roles.price is not None else ()
    groups = [_coarser(model, depth, effects.top, V) for depth in range(len(levels) - 1)]
    gaps = effects.product - expected_products(model, effects.bundle)
    return Moments(
        products=gaps @ gaps.T + _product_covariances(posterior, inverses, inverse_top),
        cosines=_of_cosines(posterior, effects, inverses, inverse_top),
        groups=[*groups, finest] if levels else [],
        slopes=slopes,
    )


def _of_cosines(
    posterior: NormalPosterior, effects: Effects, inverses: list[np.ndarray], inverse_top: np.ndarray
) -> np.ndarray:
    """Sum over bundles of E[coefficient^2] (T - 1,)."""
    layout, n_cosines = posterior.likelihood.model.layout, posterior.likelihood.model.layout.n_cosines
    squares = np.zeros(len(layout.cosines))
    if layout.by_bundle:
        squares += (effects.bundle[:, :n_cosines] ** 2).sum(axis=0)
        for inverse, border in zip(inverses, posterior.arrow.border, strict=True):
            along = inverse[:, :n_cosines]
            squares += (along**2).sum(axis=0) + ((along.T @ border @ inverse_top.T) ** 2).sum(axis=1)
    elif len(squares):
        part = layout.top["cosines"]
        squares += effects.top[part] ** 2 + np.diag(inverse_top.T @ inverse_top)[part]
    return squares


def _of_finest(
    posterior: NormalPosterior, effects: Effects, inverses: list[np.ndarray], inverse_top: np.ndarray
) -> tuple[float, float]:
    """Sums over finest groups of E[(slope - mean - bias)^2] and E[(mean - parent's mean)^2]."""
    panel, layout = posterior.likelihood.model.panel, posterior.likelihood.model.layout
    n_cosines, b, m = layout.n_cosines, layout.n_bundle, layout.n_top
    slopes, finest = 0.0, 0.0
    for g, (inverse, border) in enumerate(zip(inverses, posterior.arrow.border, strict=True)):
        rows = np.zeros((2, b + m))
        if "slope" in layout.group:
            rows[0, [n_cosines + layout.group["slope"], n_cosines + layout.group.get("mean", 0)]] = 1, -1
            rows[0, b + layout.top["bias"].start] = -1
        if "mean" in layout.group and panel.levels:
            rows[1, n_cosines + layout.group["mean"]] = 1
            rows[1, b + layout.above[g]] = -1
        means = rows @ np.concatenate([effects.bundle[g], effects.top])
        halves = _halves(rows[:, :b], rows[:, b:], (inverse, border, inverse_top))
        squares = means**2 + sum((half**2).sum(axis=1) for half in halves)
        slopes, finest = slopes + squares[0], finest + squares[1]
    return slopes, finest


def _inverse(root: np.ndarray) -> np.ndarray:
    """Inverse of a lower triangular matrix."""
    return dtrtri(root, lower=1)[0] if len(root) else root


def _coarser(model: ArrowModel, depth: int, top: np.ndarray, V: np.ndarray) -> float:
    """Sum over groups of a level but the finest, from the mean (m,) and covariance (m, m) of the top."""
    levels, slices = model.panel.levels, model.layout.top
    level, span = levels[depth], slices[levels[depth].name]
    rows = np.arange(span.start, span.stop)
    start = slices[levels[depth - 1].name if depth else "global"].start
    above = start + level.parent if depth else np.full(len(rows), start)
    gap = top[rows] - top[above]
    return float((gap**2 + V[rows, rows] + V[above, above] - 2 * V[rows, above]).sum())


def _halves(
    of_bundle: np.ndarray, of_top: np.ndarray, roots: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (r, b), (r, m) whose inner products are covariances of linear functions of a bundle and the top.

    Those have coefficients (r, b) and (r, m); ``roots`` are the bundle's root^-1, its border and the top's
    root^-1.
    """
    inverse, border, inverse_top = roots
    half = of_bundle @ inverse.T
    return half, (of_top - half @ border) @ inverse_top.T


def _product_covariances(
    posterior: NormalPosterior, inverses: list[np.ndarray], inverse_top: np.ndarray
) -> np.ndarray:
    """Sum over products of Cov(v - expected) (2, 2)."""
    l11, l21, l22 = posterior.blocks.root
    S = _shared_squares(posterior, inverses, inverse_top)
    S[0] += 1
    S[2] += 1
    # L'^-1 S L^-1
    a, c, d = 1 / l11, -l21 / (l11 * l22), 1 / l22
    s11 = a**2 * S[0] + 2 * a * c * S[1] + c**2 * S[2]
    s21 = d * (a * S[1] + c * S[2])
    s22 = d**2 * S[2]
    return np.array([[s11.sum(), s21.sum()], [s21.sum(), s22.sum()]])


def _shared_squares(
    posterior: NormalPosterior, inverses: list[np.ndarray], inverse_top: np.ndarray
) -> np.ndarray:
    """Cov(F c), its entries 11, 21 and 22 (3, N), of effects c of the bundle and the top.

    v - expected = L'^-1 (z - F c), with F = U, of A Z, for cosines, Y + L' M for effects of the group, and Y
    for controls.
    """
    likelihood, blocks, border = posterior.likelihood, posterior.blocks, posterior.arrow.border
    layout, dtype = likelihood.model.layout, likelihood.cosines.dtype
    n_cosines, b, m = layout.n_cosines, layout.n_bundle, layout.n_top
    (l11, l21, l22), M = blocks.root, layout.design
    R = posterior.of_group + np.stack([l11[:, None] * M[0] + l21[:, None] * M[1], l22[:, None] * M[1]])
    S = np.empty((3, R.shape[1]))
    group = -1
    for g, part in chunks(likelihood.model.panel):
        if g != group:
            roots, group = [array.astype(dtype) for array in (inverses[g], border[g], inverse_top)], g
        n = part.stop - part.start
        F, of_top = np.empty((2, n, b), dtype), np.zeros((2, n, m), dtype)
        F[..., n_cosines:] = R[:, part]
        of_top[..., layout.top["controls"]] = posterior.of_controls[:, part]
        if len(layout.cosines):
            U = blocks.of(part, dtype).U(likelihood.cosines[:, part])
            if layout.by_bundle:
                F[..., :n_cosines] = U
            else:
                of_top[..., layout.top["cosines"]] = U
        level, elasticity = np.concatenate(
            _halves(F.reshape(2 * n, b), of_top.reshape(2 * n, m), roots), axis=1
        ).reshape(2, n, -1)
        S[:, part] = (
            np.vecdot(level, level),
            np.vecdot(level, elasticity),
            np.vecdot(elasticity, elasticity),
        )
    return S
