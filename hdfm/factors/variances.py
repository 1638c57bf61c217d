"""How much of the variance of coefficients each factor has.

Array names and axis order: K chains, D draws, N customers, S coefficients, T periods, L factors of a tier.

    alpha (K, D, N, S); loadings w (K, D, N, S, L) or (K, D, S, L); paths theta (K, D, T, L) or
    (K, D, N, T, L)
"""

from collections.abc import Mapping

import numpy as np

from hdfm.factors.pieces import by_draw


def mean_squares(loadings: np.ndarray) -> np.ndarray:
    """Means over customers (K, D, S, L) of the squares of loadings."""
    if loadings.ndim == 4:
        return loadings.astype(float) ** 2
    return by_draw(lambda w: np.einsum("nisl,nisl->nsl", w, w) / w.shape[1], loadings)


def factor_variances(squares: np.ndarray, paths: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    r"""Variance over time that each factor gives to a customer's coefficients (K, D, L).

    .. math:: v_l = \frac{1}{N} \sum_{is} \operatorname{Var}_t(w_{isl} \, \theta_l(t))

    as in :meth:`hdfm.datasets.ChoiceTruth.variance_shares`, of the :func:`mean_squares` of loadings. For
    category factors, add up the categories, each with its own coefficients and paths. The paths of individual
    factors, :math:`a_i \phi_{il}(t)`, are (K, D, N, T, L).

    Parameters
    ----------
    times : numpy.ndarray, optional
        Number of customers (G,) that have each of the paths (K, D, G, T, L), where not as many have each.
    """
    L = paths.shape[-1]

    def mean_variance(path: np.ndarray) -> np.ndarray:
        return np.average(path.var(axis=-2).reshape(len(path), -1, L), axis=1, weights=times)

    return squares.sum(axis=2) * by_draw(mean_variance, paths)


def customer_variances(alpha: np.ndarray) -> np.ndarray:
    """Variance over customers (K, D, S) of their coefficients."""
    return by_draw(lambda a: a.var(axis=1), alpha)


def variance_shares(
    variances: Mapping[str, np.ndarray], static: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    r"""Share (K, D, L) of each factor of each tier in the variance of the coefficients.

    .. math:: v_l \Big/ \Big(\sum_{\text{tiers}} \sum_l v_l + \sum_s \operatorname{Var}_i(\alpha_{is})\Big)

    of :func:`factor_variances` by tier and :func:`customer_variances`. Without the latter a draw's shares
    add up to 1. With it they add up to the dynamic part of all variance, so that they can show that nothing
    moves.
    """
    total = sum(v.sum(axis=-1, keepdims=True) for v in variances.values())
    if static is not None:
        total = total + static.sum(axis=-1, keepdims=True)
    return {
        tier: np.divide(v, total, out=np.zeros_like(v), where=np.broadcast_to(total, v.shape) > 0)
        for tier, v in variances.items()
    }
