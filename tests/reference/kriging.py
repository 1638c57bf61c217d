"""Ordinary kriging of one factor, all new times at once."""

import numpy as np
from scipy.linalg import solve_triangular

from hdfm.factors.kernels import JITTER, covariance


def kriging(
    kernel: str, lengthscale: float, times: np.ndarray, new_times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""The exact process at new times given its centred training values, as weights and a root.

    Centred values y = H theta say what theta is up to its mean a, so that given y,
    :math:`\theta = y + a 1` with :math:`p(a \mid y) \propto N(y + a 1; 0, K)`, and what is wanted,
    :math:`u = \theta(t^*) - a`, is ordinary kriging ([1]_, equation 2.42):

    .. math::

        u \mid y \sim N\Big(W y + \frac{b 1' K^{-1} y}{1' K^{-1} 1}, \;
        K_{**} - W K_*' + \frac{b b'}{1' K^{-1} 1}\Big), \qquad W = K_* K^{-1}, \quad b = 1 - W 1

    K has a little noise (``JITTER``) on its diagonal, as in :func:`hdfm.factors.hsgp.gp_factors`.

    Returns
    -------
    weights : numpy.ndarray
        (F, T): the mean is ``weights @ y``.
    root : numpy.ndarray
        (F, F + 1): the covariance is ``root @ root.T``.

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 2.7.
    """
    T, joint = len(times), np.concatenate([times, new_times])
    K = covariance(kernel, joint[:, None] - joint, lengthscale) + JITTER * np.eye(len(joint))
    cholesky = np.linalg.cholesky(K)
    A, B, D = cholesky[:T, :T], cholesky[T:, :T], cholesky[T:, T:]
    q = solve_triangular(A, np.ones(T), lower=True)
    b = 1 - B @ q
    weights = solve_triangular(A, (B + np.outer(b, q) / (q @ q)).T, lower=True, trans="T").T
    return weights, np.column_stack([b / np.sqrt(q @ q), D])
