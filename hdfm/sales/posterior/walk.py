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
from enum import IntEnum

import numpy as np

from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sampling.streams import Stream, stream

SAME_TIME = 1e-6


class Part(IntEnum):
    """What random numbers of a block are for."""

    FITTED = 1
    BEFORE = 2
    BETWEEN = 3
    AFTER = 4
    CELL = 5
    SHOCK = 6
    NEW = 7


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

    A draw of the walk r in the fitted periods, backwards from :func:`filtered_walk`; then, d after a fitted
    period t, or before the first, and between two that are D apart,

    .. math:: r_{t + d} \sim N(r_t, d \sigma_r^2) \quad \text{or} \quad
        r_{t + d} \sim N\Big(r_t + \frac{d}{D} (r_{t + D} - r_t),
        \ d \Big(1 - \frac{d}{D}\Big) \sigma_r^2\Big)

    and a shock :math:`N(0, \sigma_s^2)` more, in log units.

    Random numbers are keyed by seed, block and time: on a grid of usual distances from the nearest fitted
    period before (or the first) they form one path, whichever times are asked for. Times off the grid are
    drawn given the grid, each by itself.

    Parameters
    ----------
    time : numpy.ndarray
        (P,), rising, in usual distances of periods.
    gamma : numpy.ndarray
        (T, S) in the fitted periods.
    """
    rising = walk.time
    k = np.searchsorted(rising, time + SAME_TIME) - 1
    fitted = (k >= 0) & (np.abs(time - rising[k]) <= SAME_TIME)
    out = np.empty((len(time), gamma.shape[1]))
    out[fitted] = gamma[k[fitted]]
    if fitted.all():
        return out
    nearest = np.unique(k[~fitted])
    level = _fitted_walk(
        gamma, walk, int(max(nearest[0], 0)), stream(seed, Stream.TIME_EFFECTS, block, Part.FITTED)
    )
    for j in nearest:
        cells = np.flatnonzero((k == j) & ~fitted)
        path = _Path(walk.drift, seed, block, int(j) + 1)
        if j < 0:
            out[cells[::-1]] = path.at(rising[0] - time[cells[::-1]], level[0], Part.BEFORE)
        elif j == len(rising) - 1:
            out[cells] = path.at(time[cells] - rising[-1], level[j], Part.AFTER)
        else:
            length = rising[j + 1] - rising[j]
            out[cells] = path.at(time[cells] - rising[j], level[j], Part.BETWEEN, level[j + 1], length)
    for p in np.flatnonzero(~fitted):
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


@dataclass(frozen=True, slots=True)
class _Path:
    """A path from one fitted period on, or to the next: ``edge`` counts the edges of a block."""

    drift: np.ndarray
    seed: int
    block: int
    edge: int

    def at(self, distance, start, part, end=None, length=np.inf):
        """The walk (P, S) at rising distances from where it is ``start`` (S,), ``end`` at ``length``."""
        rng = stream(self.seed, Stream.TIME_EFFECTS, self.block, part, self.edge)
        out, left, level = np.empty((len(distance), len(start))), 0.0, start
        p = 0
        while p < len(distance):
            right = left + 1.0
            if right >= length - SAME_TIME:
                right, end_level = length, end
            else:
                end_level = self._between(level, end, right - left, length - left, rng)
            while p < len(distance) and distance[p] <= right + SAME_TIME:
                if distance[p] >= right - SAME_TIME:
                    out[p] = end_level
                else:
                    key = (part, self.edge, time_key(distance[p]))
                    cell_rng = stream(self.seed, Stream.TIME_EFFECTS, self.block, Part.CELL, *key)
                    out[p] = self._between(level, end_level, distance[p] - left, right - left, cell_rng)
                p += 1
            left, level = right, end_level
        return out

    def _between(self, level, end, distance, length, rng):
        """A draw (S,) of the walk some way from ``level`` on, given ``end`` at ``length`` if there is one."""
        share = distance / length
        mean = level if end is None else level + share * (end - level)
        return mean + self.drift * np.sqrt(distance * (1 - share)) * rng.standard_normal(len(level))


def time_key(time: float) -> int:
    """A time as a whole number, the same for all that count as one."""
    return round(time / SAME_TIME)
