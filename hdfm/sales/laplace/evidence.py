r"""What cells say of effects, as a working likelihood: normal in eta, about the eta of some effects.

.. math:: g' (\eta - \eta_0) - \tfrac12 (\eta - \eta_0)' W (\eta - \eta_0)

Its sums over cells are taken once, for scales do not change them. Of time, cosines alone matter. Large panels
keep W along them in 32 bits: it enters products of matrices with a relative error of 1e-7, and g, whose sums
cancel, stays in 64.

Array names and axis order: N products, G groups, T periods, w cosines, K controls; Z = [1, x] of each
product.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.graph.cosines import evenly_spaced, weighted_cosines
from hdfm.sales.laplace.effects import Effects, chunks
from hdfm.sales.laplace.prior import ArrowModel

LARGE = 50_000  # cells


@dataclass(frozen=True, slots=True)
class Evidence:
    """A working likelihood and its sums.

    Attributes
    ----------
    model : ArrowModel
    at : Effects
        Those of eta_0.
    value : float
        The log-likelihood there.
    cosines : numpy.ndarray
        W and W x along cosines (2, N, w).
    information : numpy.ndarray
        Z'WZ as its entries 11, 21 and 22 (3, N).
    gradient : numpy.ndarray
        Z'g (2, N).
    of_controls : numpy.ndarray
        Z'W of each control (2, N, K).
    cosine_information, cosine_gradient, cosine_controls : numpy.ndarray
        Sums of W over products of a group along pairs of cosines (G, w, w), of g (G, w), and of W times
        controls (G, w, K).
    controls, controls_gradient : numpy.ndarray
        Controls' W with controls (K, K), and with g (K,).
    """

    model: ArrowModel
    at: Effects
    value: float
    cosines: np.ndarray
    information: np.ndarray
    gradient: np.ndarray
    of_controls: np.ndarray
    cosine_information: np.ndarray
    cosine_gradient: np.ndarray
    cosine_controls: np.ndarray
    controls: np.ndarray
    controls_gradient: np.ndarray


def evidence(model: ArrowModel, at: Effects, value: float, W: np.ndarray, g: np.ndarray) -> Evidence:
    """Sums of a working likelihood of precision W and gradient g (N, T)."""
    panel, Phi = model.panel, model.layout.cosines
    N, T = W.shape
    G, K, x, Z = panel.n_groups, len(panel.controls), panel.log_price, panel.controls
    kept = np.float32 if W.size > LARGE else np.float64
    along = Phi.T.astype(kept)
    cosines, information, gradient = np.empty((2, N, len(Phi)), kept), np.empty((3, N)), np.empty((2, N))
    of_controls, controls, controls_gradient = np.zeros((2, N, K)), np.zeros((K, K)), np.zeros(K)
    sum_W, sum_g, sum_controls = np.zeros((G, T)), np.zeros((G, T)), np.zeros((G, T, K))
    for group, part in chunks(panel):
        w, slope = W[part], g[part]
        wx = w * x[part]
        np.matmul(w.astype(kept), along, out=cosines[0, part])
        np.matmul(wx.astype(kept), along, out=cosines[1, part])
        information[:, part] = w.sum(axis=1), wx.sum(axis=1), np.vecdot(wx, x[part])
        gradient[:, part] = slope.sum(axis=1), np.vecdot(slope, x[part])
        sum_W[group] += w.sum(axis=0)
        sum_g[group] += slope.sum(axis=0)
        if K:
            wz = w * Z[:, part]
            of_controls[0, part] = wz.sum(axis=2).T
            of_controls[1, part] = np.vecdot(wz, x[part]).T
            sum_controls[group] += wz.sum(axis=1).T
            controls += np.tensordot(wz, Z[:, part], axes=([1, 2], [1, 2]))
            controls_gradient += np.tensordot(Z[:, part], slope, axes=2)
    return Evidence(
        model,
        at,
        value,
        cosines,
        information,
        gradient,
        of_controls,
        weighted_cosines(sum_W, None if evenly_spaced(np.diff(panel.timeline.steps)) else Phi)
        if len(Phi)
        else np.zeros((G, 0, 0)),
        sum_g @ Phi.T,
        Phi @ sum_controls,
        controls,
        controls_gradient,
    )
