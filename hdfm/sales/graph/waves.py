"""Waves of time effects; imports no PyMC."""

import numpy as np
from scipy.fft import dct


def zero_sum_waves(n_periods: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Orthonormal cosine waves (t - 1, t) that sum to zero, and a random walk's variances along them.

    .. math:: \phi_k(t) = \sqrt{2 / T} \cos(\pi k (t + 1/2) / T), \qquad u_k = 1 / (4 \sin^2(\pi k / 2T))

    are the eigenvectors and eigenvalues of the covariance of a random walk with unit steps, less its
    mean over time [1]_.

    References
    ----------
    .. [1] Rue and Held (2005), "Gaussian Markov Random Fields", section 3.3.
    """
    k = np.arange(1, n_periods)[:, None]
    t = np.arange(n_periods)[None, :]
    waves = np.sqrt(2 / n_periods) * np.cos(np.pi * k * (t + 0.5) / n_periods)
    return waves, 1 / (4 * np.sin(np.pi * k[:, 0] / (2 * n_periods)) ** 2)


def weighted_waves(weight: np.ndarray) -> np.ndarray:
    r"""Inner products of waves (..., t - 1, t - 1), each period with a weight (..., t).

    .. math:: \sum_t w_t \phi_j(t) \phi_k(t) = (c_{|j - k|} + c_{j + k}) / T, \qquad
        c_m = \sum_t w_t \cos(\pi m (t + 1/2) / T) = -c_{2T - m}
    """
    n_periods = weight.shape[-1]
    c = dct(weight, axis=-1) / (2 * n_periods)
    c = np.concatenate([c, np.zeros((*c.shape[:-1], 1)), -c[..., :0:-1]], axis=-1)
    k = np.arange(1, n_periods)
    return c[..., abs(k[:, None] - k)] + c[..., k[:, None] + k]
