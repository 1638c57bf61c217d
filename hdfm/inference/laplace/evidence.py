r"""What cells say of effects, as a working likelihood: normal in eta, about the eta of some effects.

.. math:: g' (\eta - \eta_0) - \tfrac12 (\eta - \eta_0)' W (\eta - \eta_0)

Its sums over cells are taken once, for scales do not change them. Large panels keep W in 32 bits: it enters
products of matrices with a relative error of 1e-7, and g, whose sums cancel, stays in 64.

Array names and axis order: N products, G groups, T periods, K controls; Z = [1, x] of each product.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.inference.laplace.effects import Effects, chunks
from hdfm.inference.laplace.prior import ArrowModel

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
    W, Wx : numpy.ndarray
        (N, T)
    information : numpy.ndarray
        Z'WZ as its entries 11, 21 and 22 (3, N).
    gradient : numpy.ndarray
        Z'g (2, N).
    of_controls : numpy.ndarray
        Z'W of each control (2, N, K).
    block_information, block_gradient : numpy.ndarray
        Sums of W and g over products of a group (G, T).
    block_controls : numpy.ndarray
        Sums of W times controls (G, T, K).
    controls, controls_gradient : numpy.ndarray
        Controls' W with controls (K, K), and with g (K,).
    """

    model: ArrowModel
    at: Effects
    value: float
    W: np.ndarray
    Wx: np.ndarray
    information: np.ndarray
    gradient: np.ndarray
    of_controls: np.ndarray
    block_information: np.ndarray
    block_gradient: np.ndarray
    block_controls: np.ndarray
    controls: np.ndarray
    controls_gradient: np.ndarray


def evidence(model: ArrowModel, at: Effects, value: float, W: np.ndarray, g: np.ndarray) -> Evidence:
    """Sums of a working likelihood of precision W and gradient g (N, T)."""
    panel = model.panel
    N, T = W.shape
    G, K, x, Z = panel.n_groups, len(panel.controls), panel.log_price, panel.controls
    kept = np.float32 if W.size > LARGE else np.float64
    found = Evidence(
        model,
        at,
        value,
        np.empty((N, T), kept),
        np.empty((N, T), kept),
        np.empty((3, N)),
        np.empty((2, N)),
        np.zeros((2, N, K)),
        np.zeros((G, T)),
        np.zeros((G, T)),
        np.zeros((G, T, K)),
        np.zeros((K, K)),
        np.zeros(K),
    )
    for group, part in chunks(panel):
        w, gradient = W[part], g[part]
        wx = w * x[part]
        found.W[part], found.Wx[part] = w, wx
        found.information[:, part] = w.sum(axis=1), wx.sum(axis=1), np.vecdot(wx, x[part])
        found.gradient[:, part] = gradient.sum(axis=1), np.vecdot(gradient, x[part])
        found.block_information[group] += w.sum(axis=0)
        found.block_gradient[group] += gradient.sum(axis=0)
        if K:
            wz = w * Z[:, part]
            found.of_controls[0, part] = wz.sum(axis=2).T
            found.of_controls[1, part] = np.vecdot(wz, x[part]).T
            found.block_controls[group] += wz.sum(axis=1).T
            found.controls[:] += np.tensordot(wz, Z[:, part], axes=([1, 2], [1, 2]))
            found.controls_gradient[:] += np.tensordot(Z[:, part], gradient, axes=2)
    return found
