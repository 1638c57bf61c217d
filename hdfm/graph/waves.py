"""Waves of time effects; imports no PyMC."""

import numpy as np


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
