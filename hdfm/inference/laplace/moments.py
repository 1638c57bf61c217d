"""Posterior second moments of what scales are about.

Array names and axis order: N products, G groups, T periods; b effects of a bundle, m of the top.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from hdfm.inference.laplace.effects import chunks
from hdfm.inference.laplace.posterior import NormalPosterior
from hdfm.inference.laplace.prior import expected_products


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of second moments.

    Attributes
    ----------
    products : numpy.ndarray
        Sum over products of E[(v - expected)(v - expected)'] (2, 2).
    waves : numpy.ndarray
        Sum over bundles of E[wave^2] (T - 1,).
    groups : list of float
        Sum over groups of E[(mean - parent's mean)^2], by level, coarse to fine.
    slopes : float
        Sum over groups of E[(slope - mean - bias)^2].
    """

    products: np.ndarray
    waves: np.ndarray
    groups: list[float]
    slopes: float


def moments(posterior: NormalPosterior) -> Moments:
    """Of a normal posterior."""
    model, arrow, effects = posterior.evidence.model, posterior.arrow, posterior.mean()
    panel, layout = model.panel, model.layout
    n_waves, m = layout.n_waves, layout.n_top
    V = cho_solve((arrow.top, True), np.eye(m)) if m else np.zeros((0, 0))
    gaps = effects.product - expected_products(model, effects.bundle)
    products = gaps @ gaps.T
    waves = np.zeros(len(layout.waves))
    if layout.own_waves:
        waves += (effects.bundle[:, :n_waves] ** 2).sum(axis=0)
    elif len(waves):
        part = layout.top["waves"]
        waves += effects.top[part] ** 2 + np.diag(V)[part]
    slopes, finest, covariances = 0.0, 0.0, []
    for g in range(panel.n_groups):
        inverse = solve_triangular(arrow.roots[g], np.eye(layout.n_bundle), lower=True, check_finite=False)
        lift = inverse.T @ arrow.border[g]
        own = inverse.T @ inverse + lift @ V @ lift.T
        cross = -lift @ V
        covariances.append((own, cross))
        if layout.own_waves:
            waves += np.diag(own)[:n_waves]
        mean, slope = layout.group.get("mean", 0), layout.group.get("slope")
        together = np.block([[own, cross], [cross.T, V]])
        values = np.concatenate([effects.bundle[g], effects.top])
        if slope is not None:
            row = np.zeros(len(values))
            row[[n_waves + slope, n_waves + mean]] = 1, -1
            row[layout.n_bundle + layout.top["bias"].start] = -1
            slopes += (row @ values) ** 2 + row @ together @ row
        if "mean" in layout.group and panel.levels:
            row = np.zeros(len(values))
            row[n_waves + mean] = 1
            row[layout.n_bundle + layout.above[g]] = -1
            finest += (row @ values) ** 2 + row @ together @ row
    groups = [
        _coarser(layout, level.name, level.parent, k, effects.top, V, panel)
        for k, level in enumerate(panel.levels[:-1])
    ]
    products += _product_covariances(posterior, covariances, V)
    return Moments(products, waves, [*groups, finest] if panel.levels else [], slopes)


def _coarser(layout, name, parent, depth, top, V, panel):
    own = np.arange(layout.top[name].start, layout.top[name].stop)
    first = layout.top[panel.levels[depth - 1].name if depth else "global"].start
    above = first + parent if depth else np.full(len(own), first)
    return float(((top[own] - top[above]) ** 2 + V[own, own] + V[above, above] - 2 * V[own, above]).sum())


def _product_covariances(posterior, covariances, V):
    """Sum over products of Cov(v - expected) (2, 2), from those of bundles and of the top.

    v - expected = L'^-1 (z - Y c) - M q = L'^-1 (z - R c) for effects c of the group and controls with
    R = [Y_q + L' M, Y_k], and waves with U of W Z along waves.
    """
    evidence, blocks, layout = posterior.evidence, posterior.blocks, posterior.evidence.model.layout
    controls, n_waves, dtype = layout.top["controls"], layout.n_waves, evidence.waves.dtype
    l11, l21, l22 = blocks.root
    M = layout.expected
    LM = np.stack([l11[:, None] * M[0] + l21[:, None] * M[1], l22[:, None] * M[1]])
    R = np.concatenate([posterior.of_group + LM, posterior.of_controls], axis=2)
    S = np.empty((3, R.shape[1]))  # 11, 21, 22
    q, seen = slice(n_waves, None), -1
    for g, part in chunks(evidence.model.panel):
        if g != seen:
            own, cross = covariances[g]
            rest = np.block([[own[q, q], cross[q, controls]], [cross[q, controls].T, V[controls, controls]]])
            if layout.own_waves:
                ww, with_rest = (
                    own[:n_waves, :n_waves],
                    np.hstack([own[:n_waves, q], cross[:n_waves, controls]]),
                )
            else:
                w = layout.top["waves"]
                ww, with_rest = V[w, w], np.hstack([cross[q, w].T, V[w, controls]])
            # squares and mixed terms in one product: U (K / 2 U' + C R') + its transpose
            ww, with_rest = (ww / 2).astype(dtype), with_rest.astype(dtype)
            seen = g
        own_rest = R[:, part] @ rest
        S[0, part] = np.vecdot(R[0, part], own_rest[0])
        S[1, part] = np.vecdot(R[1, part], own_rest[0])
        S[2, part] = np.vecdot(R[1, part], own_rest[1])
        if len(layout.waves):
            U = blocks.of(part, dtype).U(evidence.waves[:, part])
            UK = U @ ww
            UK += R[:, part].astype(dtype) @ with_rest.T
            S[0, part] += 2 * np.vecdot(UK[0], U[0])
            S[1, part] += np.vecdot(UK[0], U[1]) + np.vecdot(UK[1], U[0])
            S[2, part] += 2 * np.vecdot(UK[1], U[1])
    S[0] += 1
    S[2] += 1
    # L'^-1 S L^-1
    a, b, d = 1 / l11, -l21 / (l11 * l22), 1 / l22
    first = a**2 * S[0] + 2 * a * b * S[1] + b**2 * S[2]
    mixed = d * (a * S[1] + b * S[2])
    last = d**2 * S[2]
    return np.array([[first.sum(), mixed.sum()], [mixed.sum(), last.sum()]])
