"""Posterior second moments of what scales are about.

Array names and axis order: N products, G groups, T periods; b effects of a bundle, m of the top.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dtrtri

from hdfm.sales.laplace.effects import chunks
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import expected_products


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of second moments.

    Attributes
    ----------
    products : numpy.ndarray
        Sum over products of E[(v - expected)(v - expected)'] (2, 2).
    cosines : numpy.ndarray
        Sum over bundles of E[cosine^2] (T - 1,).
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
    """Of a normal posterior."""
    model, arrow, effects = posterior.evidence.model, posterior.arrow, posterior.mean()
    panel, layout = model.panel, model.layout
    n_cosines, b, m = layout.n_cosines, layout.n_bundle, layout.n_top
    inverses, inverse_top = [_inverse(root) for root in arrow.roots], _inverse(arrow.top)
    V = inverse_top.T @ inverse_top
    gaps = effects.product - expected_products(model, effects.bundle)
    cosines = np.zeros(len(layout.cosines))
    if layout.own_cosines:
        cosines += (effects.bundle[:, :n_cosines] ** 2).sum(axis=0)
    elif len(cosines):
        part = layout.top["cosines"]
        cosines += effects.top[part] ** 2 + np.diag(V)[part]
    slopes, finest = 0.0, 0.0
    for g, (inverse, border) in enumerate(zip(inverses, arrow.border, strict=True)):
        if layout.own_cosines:
            along = inverse[:, :n_cosines]
            cosines += (along**2).sum(axis=0) + ((along.T @ border @ inverse_top.T) ** 2).sum(axis=1)
        rows = np.zeros((2, b + m))
        if "slope" in layout.group:
            rows[0, [n_cosines + layout.group["slope"], n_cosines + layout.group.get("mean", 0)]] = 1, -1
            rows[0, b + layout.top["bias"].start] = -1
        if "mean" in layout.group and panel.levels:
            rows[1, n_cosines + layout.group["mean"]] = 1
            rows[1, b + layout.above[g]] = -1
        means = rows @ np.concatenate([effects.bundle[g], effects.top])
        halves = _halves(rows[:, :b], rows[:, b:], inverse, border, inverse_top)
        squares = means**2 + sum((half**2).sum(axis=1) for half in halves)
        slopes, finest = slopes + squares[0], finest + squares[1]
    groups = [
        _coarser(layout, level.name, level.parent, k, effects.top, V, panel)
        for k, level in enumerate(panel.levels[:-1])
    ]
    products = gaps @ gaps.T + _product_covariances(posterior, inverses, inverse_top)
    return Moments(products, cosines, [*groups, finest] if panel.levels else [], slopes)


def _inverse(root):
    """Of a lower triangular matrix."""
    return dtrtri(root, lower=1)[0] if len(root) else root


def _coarser(layout, name, parent, depth, top, V, panel):
    own = np.arange(layout.top[name].start, layout.top[name].stop)
    first = layout.top[panel.levels[depth - 1].name if depth else "global"].start
    above = first + parent if depth else np.full(len(own), first)
    return float(((top[own] - top[above]) ** 2 + V[own, own] + V[above, above] - 2 * V[own, above]).sum())


def _halves(of_bundle, of_top, inverse, border, inverse_top):
    """Rows (r, b), (r, m) whose inner products are covariances of linear functions of a bundle and the top.

    Those have coefficients (r, b) and (r, m); inverses are those of roots.
    """
    half = of_bundle @ inverse.T
    return half, (of_top - half @ border) @ inverse_top.T


def _product_covariances(posterior, inverses, inverse_top):
    """Sum over products of Cov(v - expected) (2, 2).

    v - expected = L'^-1 (z - F c) for effects c of the bundle and the top, with F = U, of W Z, for cosines,
    Y + L' M for effects of the group, and Y for controls.
    """
    evidence, blocks, border = posterior.evidence, posterior.blocks, posterior.arrow.border
    layout, dtype = evidence.model.layout, evidence.cosines.dtype
    n_cosines, b, m = layout.n_cosines, layout.n_bundle, layout.n_top
    l11, l21, l22 = blocks.root
    M = layout.expected
    R = posterior.of_group + np.stack([l11[:, None] * M[0] + l21[:, None] * M[1], l22[:, None] * M[1]])
    S = np.empty((3, R.shape[1]))  # 11, 21, 22
    seen = -1
    for g, part in chunks(evidence.model.panel):
        if g != seen:
            roots, seen = [each.astype(dtype) for each in (inverses[g], border[g], inverse_top)], g
        n = part.stop - part.start
        F, of_top = np.empty((2, n, b), dtype), np.zeros((2, n, m), dtype)
        F[..., n_cosines:] = R[:, part]
        of_top[..., layout.top["controls"]] = posterior.of_controls[:, part]
        if len(layout.cosines):
            U = blocks.of(part, dtype).U(evidence.cosines[:, part])
            if layout.own_cosines:
                F[..., :n_cosines] = U
            else:
                of_top[..., layout.top["cosines"]] = U
        first, second = np.concatenate(
            _halves(F.reshape(2 * n, b), of_top.reshape(2 * n, m), *roots), axis=1
        ).reshape(2, n, -1)
        S[:, part] = np.vecdot(first, first), np.vecdot(first, second), np.vecdot(second, second)
    S[0] += 1
    S[2] += 1
    # L'^-1 S L^-1
    a, c, d = 1 / l11, -l21 / (l11 * l22), 1 / l22
    first = a**2 * S[0] + 2 * a * c * S[1] + c**2 * S[2]
    mixed = d * (a * S[1] + c * S[2])
    last = d**2 * S[2]
    return np.array([[first.sum(), mixed.sum()], [mixed.sum(), last.sum()]])
