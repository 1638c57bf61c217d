r"""Time effects in periods that were not fitted: a random walk plus shocks, given the fitted ones.

.. math:: \gamma_t = r_t + s_t, \quad r_{t + d} \sim N(r_t, d \sigma_r^2), \quad s_t \sim N(0, \sigma_s^2)

with a flat prior on the walk's level, since time effects are known less their mean: the local level model
[1]_. Given the walk in the fitted periods, its parts before, between and after these are independent: draws
of it there are made first, then what is asked for. Times are in usual distances of periods from the first
fitted one; time effects and shocks are in log units, drift is that of a walk over one usual distance.

Array names and axis order: T fitted periods, S draws, P periods that are asked for.

    gamma (T, S); shock, drift (S,)

References
----------
.. [1] Durbin and Koopman (2012), "Time Series Analysis by State Space Methods", chapter 2.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.posterior.motion import Brownian, Part, beyond, nearest_before, time_key
from hdfm.sampling.streams import Stream, stream


@dataclass(frozen=True, slots=True)
class Walk:
    """A random walk plus shocks: times (T,) of the fitted periods, standard deviations (S,) of the parts."""

    time: np.ndarray
    shock: np.ndarray
    drift: np.ndarray


def new_effects(walk: Walk, seed: int, block: int) -> np.ndarray:
    """Time effects (T, S) of a block that was not fitted, less their mean."""
    cosines, variances = zero_sum_cosines(np.diff(walk.time))
    rng = stream(seed, Stream.TIME_EFFECTS, block, Part.NEW)
    sd = np.sqrt(walk.shock**2 + walk.drift**2 * variances[:, None])
    return cosines.T @ (sd * rng.standard_normal(sd.shape))


def effects_at(time: np.ndarray, gamma: np.ndarray, walk: Walk, seed: int, block: int) -> np.ndarray:
    r"""Draws (P, S) of time effects at any times, from their distribution given those fitted.

    A draw of the walk in the fitted periods, backwards from :func:`filtered_walk`; then it goes on as a
    :class:`hdfm.sales.posterior.motion.Brownian` motion, and a shock :math:`s_t \sim N(0, \sigma_s^2)` is
    added, in log units. Random numbers are keyed by seed, block and time: see
    :mod:`hdfm.sales.posterior.motion`.

    Parameters
    ----------
    time : numpy.ndarray
        (P,), rising, in usual distances of periods.
    gamma : numpy.ndarray
        (T, S) in the fitted periods.
    """
    k, fitted = nearest_before(time, walk.time)
    out = np.empty((len(time), gamma.shape[1]))
    out[fitted] = gamma[k[fitted]]
    if fitted.all():
        return out
    new, first = np.flatnonzero(~fitted), int(max(k[~fitted].min(), 0))
    level = _fitted_walk(gamma, walk, first, stream(seed, Stream.TIME_EFFECTS, block, Part.FITTED))
    motion = Brownian(walk.drift)
    out[new] = beyond(
        time[new], walk.time, level, motion, lambda *key: stream(seed, Stream.TIME_EFFECTS, block, *key)
    )
    for p in new:
        rng = stream(seed, Stream.TIME_EFFECTS, block, Part.SHOCK, int(time[p] < 0), time_key(abs(time[p])))
        out[p] += walk.shock * rng.standard_normal(gamma.shape[1])
    return out


def filtered_walk(gamma: np.ndarray, walk: Walk, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r"""Means m and variances V (T - first, S) of the walk from a period on, each given gamma up to it.

    .. math:: P_t = V_{t - 1} + d_t \sigma_r^2, \quad k_t = \frac{P_t}{P_t + \sigma_s^2}, \qquad
        m_t = m_{t - 1} + k_t (\gamma_t - m_{t - 1}), \quad V_t = (1 - k_t) P_t

    The Kalman filter of the local level model, diffuse at first: :math:`m_0 = \gamma_0, V_0 = \sigma_s^2`.
    d_t is the distance of period t from the one before.
    """
    T, S = gamma.shape
    means, variances = np.empty((T - first, S)), np.empty((T - first, S))
    mean, variance = gamma[0], walk.shock**2
    for t in range(T):
        if t:
            ahead = variance + (walk.time[t] - walk.time[t - 1]) * walk.drift**2
            gain = ahead / (ahead + walk.shock**2)
            mean = mean + gain * (gamma[t] - mean)
            variance = (1 - gain) * ahead
        if t >= first:
            means[t - first], variances[t - first] = mean, variance
    return means, variances


def _fitted_walk(gamma, walk, first, rng):
    r"""Draws (S,) of the walk in the fitted periods from ``first`` on, by period: from the last backwards.

    .. math:: r_t \sim N(m_t + J_t (r_{t + 1} - m_t), (1 - J_t) V_t), \qquad
        J_t = \frac{V_t}{V_t + d_{t + 1} \sigma_r^2}
    """
    means, variances = filtered_walk(gamma, walk, first)
    level = {}
    for t in range(len(gamma) - 1, first - 1, -1):
        mean, variance = means[t - first], variances[t - first]
        if t + 1 < len(gamma):
            step = (walk.time[t + 1] - walk.time[t]) * walk.drift**2
            gain = variance / (variance + step)
            mean, variance = mean + gain * (level[t + 1] - mean), (1 - gain) * variance
        level[t] = mean + np.sqrt(variance) * rng.standard_normal(gamma.shape[1])
    return level
