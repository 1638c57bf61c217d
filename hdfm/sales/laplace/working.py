r"""Working (IRLS) likelihood of effects: normal in eta, about the eta_0 of some effects.

.. math:: g' (\eta - \eta_0) - \tfrac12 (\eta - \eta_0)' A (\eta - \eta_0)

g is the gradient of the log-likelihood and A its observed information, as in Newton's method [1]_. Their sums
over periods and products are taken once, for scales do not change them; of time effects, cosines alone
matter. Large panels keep A along cosines in 32 bits: it enters products of matrices with a relative error of
1e-7, and g, whose sums cancel, stays in 64.

Array names and axis order: N products, G groups, T periods, w cosines Phi (w, T), K controls z;
Z_i = [1, x_i] of each product.

References
----------
.. [1] Green (1984), "Iteratively reweighted least squares for maximum likelihood estimation, and some robust
   and resistant alternatives", Journal of the Royal Statistical Society B 46(2).
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.effects import CHUNK, Effects, chunks
from hdfm.sales.laplace.information import DiagonalInformation, Information
from hdfm.sales.laplace.prior import ArrowModel


@dataclass(frozen=True, slots=True)
class WorkingCells:
    """Log-likelihood of cells at some eta, up to what noise alone decides.

    Attributes
    ----------
    value : float
    gradient, precision : numpy.ndarray
        g and W (N, T), 0 where not observed.
    """

    value: float
    gradient: np.ndarray
    precision: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingLikelihood:
    """Working (IRLS) likelihood, as its sums over periods and products.

    Attributes
    ----------
    model : ArrowModel
    at : Effects
        Those of eta_0.
    value : float
        The log-likelihood there.
    cosines : numpy.ndarray
        Phi A_i Z_i, column by column (2, N, w).
    information : numpy.ndarray
        Z'AZ as its entries 11, 21 and 22 (3, N).
    gradient : numpy.ndarray
        Z'g (2, N).
    of_controls : numpy.ndarray
        Z'A z of each control (2, N, K).
    cosine_information, cosine_gradient, cosine_controls : numpy.ndarray
        Sums over products of a group of Phi A Phi' (G, w, w), Phi g (G, w) and Phi A z (G, w, K).
    controls, controls_gradient : numpy.ndarray
        Sums over products of z'A z (K, K) and z'g (K,).
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


def working_cells(model: ArrowModel, eta: np.ndarray, variance: np.ndarray) -> WorkingCells:
    """Log-likelihood, gradient and observed information at eta (N, T) less exposure; variances (N,)."""
    panel, value = model.panel, 0.0
    gradient, precision = np.empty(eta.shape), np.empty(eta.shape)
    for start in range(0, len(eta), CHUNK):
        part = slice(start, start + CHUNK)
        cells, gradient[part], precision[part] = model.spec.family.working(
            panel.units[part],
            panel.observed[part],
            eta[part] + panel.log_exposure[part],
            variance[part, None],
        )
        if panel.weight is not None:
            cells = cells * panel.weight[part]
            gradient[part] *= panel.weight[part]
            precision[part] *= panel.weight[part]
        value += float(cells.sum())
    return WorkingCells(value, gradient, precision)


def working_likelihood(model: ArrowModel, at: Effects, cells: WorkingCells) -> WorkingLikelihood:
    """Sums of the working likelihood about effects, of cells that are independent given eta."""
    return working_sums(model, at, DiagonalInformation(cells.precision), cells.gradient, value=cells.value)


def working_sums(
    model: ArrowModel, at: Effects, A: Information, g: np.ndarray, *, value: float
) -> WorkingLikelihood:
    """Sums of a working likelihood about effects, of any information A and gradient g (N, T)."""
    panel, Phi = model.panel, model.layout.cosines
    (N, T), G, w = g.shape, panel.n_groups, len(Phi)
    dtype = np.float32 if model.large else np.float64
    basis, sum_g = Phi.T.astype(dtype), np.zeros((G, T))
    cosines, information, gradient = np.empty((2, N, w), dtype), np.empty((3, N)), np.empty((2, N))
    for part in A.pieces(panel):
        A_i, slope, x = A.part(part), g[part], panel.log_price[part]
        A1, Ax = A_i.ones(), A_i.times(x)
        np.matmul(A1.astype(dtype), basis, out=cosines[0, part])
        np.matmul(Ax.astype(dtype), basis, out=cosines[1, part])
        information[:, part] = A1.sum(axis=1), Ax.sum(axis=1), np.vecdot(Ax, x)
        gradient[:, part] = slope.sum(axis=1), np.vecdot(slope, x)
    for group, part in chunks(panel):
        sum_g[group] += g[part].sum(axis=0)
    of_controls, sum_controls, controls, controls_gradient = _control_sums(model, g, A)
    return WorkingLikelihood(
        model=model,
        at=at,
        value=value,
        cosines=cosines,
        information=information,
        gradient=gradient,
        of_controls=of_controls,
        cosine_information=A.along(A.totals(panel), Phi, model.layout.even) if w else np.zeros((G, 0, 0)),
        cosine_gradient=sum_g @ Phi.T,
        cosine_controls=Phi @ sum_controls,
        controls=controls,
        controls_gradient=controls_gradient,
    )


def _control_sums(model: ArrowModel, g: np.ndarray, A: Information) -> tuple[np.ndarray, ...]:
    """Z'A z (2, N, K), A z by group (G, T, K), z'A z (K, K) and z'g (K,) of controls z."""
    panel, (N, T) = model.panel, g.shape
    K, Z = len(panel.controls), panel.controls
    of_controls, sum_controls = np.zeros((2, N, K)), np.zeros((panel.n_groups, T, K))
    controls, gradient = np.zeros((K, K)), np.zeros(K)
    for part in A.pieces(panel) if K else ():
        z, x, group = Z[:, part], panel.log_price[part], panel.group[part]
        Az = A.part(part).times(z)
        of_controls[0, part] = Az.sum(axis=2).T
        of_controls[1, part] = np.vecdot(Az, x).T
        for own in np.unique(group):
            members = slice(*np.searchsorted(group, (own, own + 1)))
            sum_controls[own] += Az[:, members].sum(axis=1).T
        controls += np.tensordot(Az, z, axes=([1, 2], [1, 2]))
        gradient += np.tensordot(z, g[part], axes=2)
    return of_controls, sum_controls, controls, gradient
