r"""Cosine basis of time effects: the discrete cosine transform that makes a random walk independent.

Imports no PyMC. Where periods are unevenly spaced, cosines stand for what takes their place: the walk's
eigenvectors.

Array names and axis order: t periods, and t - 1 steps between them.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct

SAME_STEP = 1e-6


def zero_sum_cosines(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Orthonormal cosine basis (t - 1, t) that sums to zero, and a random walk's variances along it.

    They are the eigenvectors and eigenvalues of the covariance of a random walk, with steps of variance
    d_t (t - 1,), less its mean over time. Where all steps are 1 these are cosines [1]_,

    .. math:: \phi_k(t) = \sqrt{2 / T} \cos(\pi k (t + 1/2) / T), \qquad u_k = 1 / (4 \sin^2(\pi k / 2T))

    References
    ----------
    .. [1] Rue and Held (2005), "Gaussian Markov Random Fields", section 3.3.
    """
    n_periods = len(steps) + 1
    k = np.arange(1, n_periods)[:, None]
    t = np.arange(n_periods)[None, :]
    cosines = np.sqrt(2 / n_periods) * np.cos(np.pi * k * (t + 0.5) / n_periods)
    if evenly_spaced(steps):
        return cosines, 1 / (4 * np.sin(np.pi * k[:, 0] / (2 * n_periods)) ** 2)
    time = np.append(0.0, np.cumsum(steps))
    variances, rotation = np.linalg.eigh(cosines @ np.minimum.outer(time, time) @ cosines.T)
    return rotation[:, ::-1].T @ cosines, variances[::-1]


def evenly_spaced(steps: np.ndarray) -> bool:
    """Whether all steps are 1, so that a walk's eigenvectors are cosines."""
    return bool(np.allclose(steps, 1.0, rtol=0, atol=SAME_STEP))


def weighted_cosines(weight: np.ndarray, cosines: np.ndarray | None = None) -> np.ndarray:
    r"""Weighted inner products of the basis (..., t - 1, t - 1), each period with a weight (..., t).

    Of evenly spaced periods by one transform, where ``cosines`` (t - 1, t) are not given,

    .. math:: \sum_t w_t \phi_j(t) \phi_k(t) = (c_{|j - k|} + c_{j + k}) / T, \qquad
        c_m = \sum_t w_t \cos(\pi m (t + 1/2) / T) = -c_{2T - m}
    """
    if cosines is not None:
        return (weight[..., None, :] * cosines) @ cosines.T
    n_periods = weight.shape[-1]
    c = dct(weight, axis=-1) / (2 * n_periods)
    c = np.concatenate([c, np.zeros((*c.shape[:-1], 1)), -c[..., :0:-1]], axis=-1)
    near, n = c[..., : n_periods - 1], n_periods - 1
    about = np.concatenate([near[..., :0:-1], near], axis=-1)
    differences = sliding_window_view(about, n, axis=-1)[..., ::-1, :]
    return differences + sliding_window_view(c[..., 2 : 2 * n + 1], n, axis=-1)
