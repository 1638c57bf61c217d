"""Building blocks of hierarchical models in PyTensor."""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

SMALLEST_START = 0.02


class Valued(NamedTuple):
    """A tensor of the graph and its value where sampling starts."""

    tensor: Any
    start: Any


def partially_centred_normal(name: str, mean: Valued, sd: Valued, weight, *, dims, start):
    r"""Normal effects in coordinates between the centred and the non-centred form.

    .. math:: r_i \sim N(w_i \mu_i, \sigma^{w_i}), \qquad v_i = \mu_i + \sigma^{1 - w_i} (r_i - w_i \mu_i)

    has :math:`v_i \sim N(\mu_i, \sigma)` for every w. With :math:`w_i` the share of the data in what is
    known of :math:`v_i`, neither form's funnel arises [1]_.

    Parameters
    ----------
    name : str
        Name of r in the model.
    mean, sd : Valued
        Mean (n,) or scalar, sd scalar.
    weight : numpy.ndarray
        w (n,) in [0, 1].
    start : numpy.ndarray
        Where v starts (n,).

    Returns
    -------
    TensorVariable
        v (n,), not registered in the model.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts, Skoeld (2007), "A general framework for the parametrization of
       hierarchical models", Statistical Science 22(1).
    """
    raw0 = weight * mean.start + (start - mean.start) / sd.start ** (1 - weight)
    log_sd = pt.log(pt.as_tensor(sd.tensor))  # exp(w log sd): XLA has a slow power
    raw = pm.Normal(name, weight * mean.tensor, pt.exp(weight * log_sd), dims=dims, initval=raw0)
    return mean.tensor + pt.exp((1 - weight) * log_sd) * (raw - weight * mean.tensor)


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


def half_normal(name: str, scale: float, *, start: float) -> Valued:
    """A spread, half-normal, that starts at ``start`` or a little above zero."""
    start = max(float(start), SMALLEST_START)
    return Valued(pm.HalfNormal(name, scale, initval=start), start)


def spread_rows(table, codes: np.ndarray, most_columns: int = 32):
    """Rows ``table[codes]`` (n, t) of a small table (g, t), by a matmul where g is small.

    The gradient of a gather is a scatter-add, slow on GPUs and on CPUs for few groups.
    """
    n_groups = int(codes.max()) + 1
    if n_groups == 1:
        return table[0][None, :]
    if n_groups > most_columns:
        return table[codes]
    one_hot = (codes[:, None] == np.arange(n_groups)).astype(float)
    return pt.dot(pt.constant(one_hot), table)
