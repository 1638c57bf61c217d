r"""The normal posterior of a demand model's effects given scales and a working likelihood.

The likelihood of a cell is taken as normal in eta, of precision W about s / W. Then

.. math:: (P + F' W F) \, x = P m + F' s

with F the columns of eta, and the prior N(m, P^{-1}). Newton's method takes W and s = W eta + gradient at the
last effects.

Array names and axis order: N products, G groups, T periods, S draws, K controls; q effects of a group, b of a
bundle, m of the top.

    W, s (N, T); of each product Y = L^{-1} times its border with what products share, (2, N, .)
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from hdfm.graph.spec import DemandSpec
from hdfm.inference.laplace.arrow import Arrow, ProductBlocks, eliminate_products, factor_arrow
from hdfm.inference.laplace.prior import Layout, Scales, product_precision, shared_prior
from hdfm.panel.sales import SalesPanel


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects of products (2, N, ...), bundles (G, b, ...) and the top (m, ...)."""

    product: np.ndarray
    bundle: np.ndarray
    top: np.ndarray


@dataclass(frozen=True, slots=True)
class NormalPosterior:
    """A normal posterior of effects, factored.

    Attributes
    ----------
    half : numpy.ndarray
        L^-1 times precision times effects of products (2, N).
    of_group, of_controls : numpy.ndarray
        Y of the effects of the group (2, N, q), and of controls (2, N, K).
    log_det : float
        Of the precision, less that of the prior.
    """

    panel: SalesPanel
    layout: Layout
    blocks: ProductBlocks
    arrow: Arrow
    half: np.ndarray
    of_group: np.ndarray
    of_controls: np.ndarray
    of_bundles: np.ndarray
    of_top: np.ndarray
    log_det: float

    def mean(self) -> Effects:
        bundle, top = self.arrow.solve(self.of_bundles, self.of_top)
        y = self.half - self._shared(bundle[..., None], top[..., None])[..., 0]
        return Effects(self.blocks.half_solve_back(y), bundle, top)

    def draw(self, n: int, rng: np.random.Generator) -> Effects:
        """Draws (..., n)."""
        centre = self.mean()
        bundle, top = self.arrow.draw(n, rng)
        z = rng.standard_normal((2, len(self.panel.product), n))
        z -= self._shared(bundle, top)
        product = self.blocks.half_solve_back(z) + centre.product[..., None]
        return Effects(product, bundle + centre.bundle[..., None], top + centre.top[:, None])

    def _shared(self, bundle, top):
        """Y times effects that products share, (2, N, S) of draws (G, b, S), (m, S)."""
        layout, panel = self.layout, self.panel
        out = np.empty((2, len(panel.product), bundle.shape[-1]))
        n_waves = layout.n_bundle - layout.n_group
        for g, part in enumerate(group_slices(panel)):
            waves = bundle[g, :n_waves] if layout.own_waves else top[layout.top["waves"]]
            paths = layout.waves.T @ waves
            for k in (0, 1):
                np.matmul(self.blocks.U[k, part], paths, out=out[k, part])
                out[k, part] += self.of_group[k, part] @ bundle[g, n_waves:]
        if self.of_controls.shape[2]:
            out += self.of_controls @ top[layout.top["controls"]]
        return out


def normal_posterior(
    panel: SalesPanel, spec: DemandSpec, layout: Layout, scales: Scales, W: np.ndarray, s: np.ndarray
) -> NormalPosterior:
    """The posterior for a working likelihood."""
    omega = product_precision(scales, spec)
    blocks = eliminate_products(W, panel.log_price, omega)
    prior = shared_prior(panel, spec, layout, scales)
    expected = np.einsum("jk,knq->jnq", omega, layout.expected)
    Yq = -blocks.half_solve(expected)
    fixed = omega @ layout.fixed
    half = blocks.half_solve(
        np.stack([s.sum(axis=1), np.einsum("nt,nt->n", s, panel.log_price)]) + fixed[:, None]
    )
    Z = panel.controls
    Yk = np.einsum("knt,cnt->knc", blocks.U, Z)
    B, C, D, hB, hD = prior.bundles, prior.border, prior.top, prior.of_bundles, prior.of_top
    n_waves, Phi, parts = layout.n_bundle - layout.n_group, layout.waves, group_slices(panel)
    own, controls = layout.own_waves, layout.top["controls"]
    q = slice(n_waves, None)
    w = slice(0, n_waves) if own else layout.top["waves"]
    for g, part in enumerate(parts):
        U, Y = blocks.U[:, part], Yq[:, part]
        M = layout.expected[:, part]
        B[g, q, q] += np.einsum("jnq,jnp->qp", M, expected[:, part]) - np.einsum("jnq,jnp->qp", Y, Y)
        hB[g, q] -= np.einsum("jnq,j->q", M, fixed) + np.einsum("jnq,jn->q", Y, half[:, part])
        C[g, q, controls] -= np.einsum("jnq,jnc->qc", Y, Yk[:, part])
        if not len(Phi):
            continue
        inner = np.diag(W[part].sum(axis=0)) - U[0].T @ U[0] - U[1].T @ U[1]
        waves = Phi @ inner @ Phi.T
        cross = -Phi @ (U[0].T @ Y[0] + U[1].T @ Y[1])
        left = Phi @ (s[part].sum(axis=0) - U[0].T @ half[0, part] - U[1].T @ half[1, part])
        with_controls = Phi @ (
            np.einsum("nt,cnt->tc", W[part], Z[:, part]) - np.einsum("jnt,jnc->tc", U, Yk[:, part])
        )
        if own:
            B[g, w, w] += waves
            B[g, w, q] += cross
            B[g, q, w] += cross.T
            hB[g, w] += left
            C[g, w, controls] += with_controls
        else:
            D[w, w] += waves
            C[g, q, w] += cross.T
            hD[w] += left
            D[w, controls] += with_controls
            D[controls, w] += with_controls.T
    D[controls, controls] += np.einsum("cnt,nt,dnt->cd", Z, W, Z, optimize=True) - np.einsum(
        "jnc,jnd->cd", Yk, Yk
    )
    hD[controls] += np.einsum("cnt,nt->c", Z, s) - np.einsum("jnc,jn->c", Yk, half)
    arrow = factor_arrow(B, C, D)
    N = len(panel.product)
    log_det = blocks.log_det + arrow.log_det - N * np.linalg.slogdet(omega)[1] - prior.log_det
    return NormalPosterior(panel, layout, blocks, arrow, half, Yq, Yk, hB, hD, float(log_det))


@dataclass(frozen=True, slots=True)
class Moments:
    """Posterior second moments of what scales are about.

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


def moments(posterior: NormalPosterior, effects: Effects) -> Moments:
    """Of the posterior, whose mean is ``effects``."""
    panel, layout, arrow = posterior.panel, posterior.layout, posterior.arrow
    n_waves, m = layout.n_bundle - layout.n_group, layout.n_top
    V = cho_solve((arrow.top, True), np.eye(m)) if m else np.zeros((0, 0))
    gaps = effects.product - np.einsum("jnq,nq->jn", layout.expected, effects.bundle[panel.group, n_waves:])
    gaps -= layout.fixed[:, None]
    products = gaps @ gaps.T
    n_all = len(layout.waves)
    waves = np.zeros(n_all)
    if layout.own_waves:
        waves += (effects.bundle[:, :n_waves] ** 2).sum(axis=0)
    elif n_all:
        part = layout.top["waves"]
        waves += effects.top[part] ** 2 + np.diag(V)[part]
    slopes, finest = 0.0, 0.0
    for g, part in enumerate(group_slices(panel)):
        inverse = solve_triangular(arrow.roots[g], np.eye(layout.n_bundle), lower=True)
        lift = inverse.T @ arrow.border[g]
        own = inverse.T @ inverse + lift @ V @ lift.T
        cross = -lift @ V
        if layout.own_waves:
            waves += np.diag(own)[:n_waves]
        products += _product_moments(posterior, part, own, cross, V)
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
    return Moments(products, waves, [*groups, finest] if panel.levels else [], slopes)


def _coarser(layout, name, parent, depth, top, V, panel):
    own = np.arange(layout.top[name].start, layout.top[name].stop)
    first = layout.top[panel.levels[depth - 1].name if depth else "global"].start
    above = first + parent if depth else np.full(len(own), first)
    return float(((top[own] - top[above]) ** 2 + V[own, own] + V[above, above] - 2 * V[own, above]).sum())


def _product_moments(posterior, part, own, cross, V):
    """Sum over a bundle's products of Cov(v - expected) (2, 2)."""
    layout, blocks = posterior.layout, posterior.blocks
    n_waves = layout.n_bundle - layout.n_group
    U, Yq, Yk = blocks.U[:, part], posterior.of_group[:, part], posterior.of_controls[:, part]
    l11, l21, l22 = blocks.root[:, part]
    Phi, q = layout.waves, slice(n_waves, None)
    controls = layout.top["controls"]
    if layout.own_waves:
        ww, wq, wk = own[:n_waves, :n_waves], own[:n_waves, q], cross[:n_waves, controls]
    else:
        w = layout.top["waves"]
        ww, wq, wk = V[w, w], cross[q, w].T, V[w, controls]
    # v - expected = L'^-1 (z - Y c) - M q, so that with R = [Y_q + L' M, Y_k] and waves U' Phi'
    M = layout.expected[:, part]
    LM = np.stack([l11[:, None] * M[0] + l21[:, None] * M[1], l22[:, None] * M[1]])
    R = np.concatenate([Yq + LM, Yk], axis=2)
    rest = np.block([[own[q, q], cross[q, controls]], [cross[q, controls].T, V[controls, controls]]])
    with_waves = Phi.T @ np.concatenate([wq, wk], axis=1)
    UK = U @ (Phi.T @ ww @ Phi)
    UR = U @ with_waves
    S = np.einsum("jnt,knt->jkn", UK, U)
    mixed = np.einsum("jnr,knr->jkn", UR, R)
    S += mixed + mixed.transpose(1, 0, 2) + np.einsum("jnr,rs,kns->jkn", R, rest, R, optimize=True)
    S[0, 0] += 1
    S[1, 1] += 1
    # L'^-1 S L^-1
    a = np.stack([1 / l11, -l21 / (l11 * l22)])  # first row of L'^-1
    d = 1 / l22
    first = a[0] ** 2 * S[0, 0] + 2 * a[0] * a[1] * S[0, 1] + a[1] ** 2 * S[1, 1]
    mixed = d * (a[0] * S[0, 1] + a[1] * S[1, 1])
    last = d**2 * S[1, 1]
    return np.array([[first.sum(), mixed.sum()], [mixed.sum(), last.sum()]])


def group_slices(panel: SalesPanel) -> list[slice]:
    """Where the products of each finest group stand."""
    ends = np.searchsorted(panel.group, np.arange(panel.n_groups + 1))
    return [slice(a, b) for a, b in pairwise(ends)]


def linear_predictor(panel: SalesPanel, layout: Layout, effects: Effects) -> np.ndarray:
    """eta (N, T) of effects, without exposure."""
    delta, beta = effects.product
    eta = beta[:, None] * panel.log_price
    eta += delta[:, None]
    n_waves = layout.n_bundle - layout.n_group
    waves = effects.bundle[:, :n_waves] if layout.own_waves else effects.top[layout.top["waves"]][None]
    paths = waves @ layout.waves
    eta += paths[panel.group] if layout.own_waves else paths
    if len(panel.controls):
        eta += np.tensordot(effects.top[layout.top["controls"]], panel.controls, axes=1)
    return eta
