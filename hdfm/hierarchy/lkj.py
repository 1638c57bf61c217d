"""Roots of correlation and covariance matrices with LKJ priors, in PyTensor."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable

from hdfm.hierarchy.whitened import spread

LARGEST_START = 0.9


def correlation_root(name: str, eta: float, start: np.ndarray) -> TensorVariable:
    r"""Cholesky root L (S, S) of a correlation matrix, :math:`R = L L' \sim LKJ(\eta)`.

    .. math:: p(R) \propto \det(R)^{\eta - 1}

    It is the prior under which the partial correlations of i and j > i given those before i are independent,

    .. math:: \rho_{ij | 1..i-1} = 2 b - 1, \quad b \sim \mathrm{Beta}(c_i, c_i), \quad
        c_i = \eta + \frac{S - 1 - i}{2}, \qquad
        L_{ji} = \rho_{ij | 1..i-1} \prod_{k<i} \sqrt{1 - \rho_{kj | 1..k-1}^2}

    with rows and columns counted from 1 [1]_, and :math:`L_{jj}` the product over all k < j. In the packed
    covariance root of :class:`pymc.LKJCholeskyCov` a row shrinks with its scale, which makes a funnel where
    the data say little about the scale; here scales are apart, and L has no unit.

    Parameters
    ----------
    name : str
        Of the shares b (S (S - 1) / 2,) in the model, row by row below the diagonal.
    eta : float
        1: all correlation matrices are equally likely; the larger, the nearer correlations are to 0.
    start : numpy.ndarray
        The R (S, S) to start at.

    References
    ----------
    .. [1] Lewandowski, Kurowicka, Joe (2009), "Generating random correlation matrices based on vines and
       extended onion method", Journal of Multivariate Analysis 100(9).
    """
    size = len(start)
    row, column = np.tril_indices(size, -1)
    shape = eta + (size - 2 - column) / 2
    start_share = (1 + _partial_correlations(start)[row, column]) / 2
    share = pm.Beta(name, shape, shape, initval=floatX(start_share))
    partial = pt.zeros((size, size))[row, column].set(2 * share - 1)
    log_left = pt.log1p(-(partial**2))
    before = pt.cumsum(log_left, axis=1) - log_left
    return (partial + pt.eye(size)) * pt.exp(before / 2)


def _partial_correlations(correlation):
    """Partial correlations (S, S), below the diagonal, of i and j given those before i; clipped."""
    root = np.linalg.cholesky(correlation)
    left = 1 - np.tril(np.cumsum(root**2, axis=1) - root**2, -1)
    return np.tril(root / np.sqrt(left), -1).clip(-LARGEST_START, LARGEST_START)


def covariance_root(
    name: str, sd_scale: float, lkj: float, start: np.ndarray
) -> tuple[TensorVariable, TensorVariable]:
    r"""Root (S, S) of a covariance with an LKJ prior, and its sds (S,), that start at ``start`` (S, S).

    .. math:: \mathrm{diag}(\sigma) L, \quad L L' = R \sim \mathrm{LKJ}(\eta), \quad
        \sigma_s \sim N^+(0, \text{sd\_scale})

    with L from :func:`correlation_root` and sds, in the unit of what varies, from
    :func:`hdfm.hierarchy.whitened.spread`; ``lkj`` is eta.
    """
    start_sd = np.sqrt(np.diag(start))
    sd = spread(f"{name}_sd_raw", sd_scale, start_sd)
    if len(start_sd) == 1:
        return sd[:, None], sd
    correlation = start / np.outer(start_sd, start_sd)
    return sd[:, None] * correlation_root(f"{name}_partial_raw", lkj, correlation), sd
