r"""Gaussian Markov processes in continuous time, between and beyond places where they are known.

Random numbers are keyed by time: on a grid of unit distances from the nearest known place before (or the
first) they form one path, whichever times are asked for. Times off the grid are drawn given the grid, each by
itself.

Array names and axis order: T places that are known, S draws, P times that are asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

SAME_TIME = 1e-6
Keyed = Callable[..., np.random.Generator]


class Part(IntEnum):
    """What random numbers of a process are for."""

    FITTED = 1
    BEFORE = 2
    BETWEEN = 3
    AFTER = 4
    CELL = 5
    SHOCK = 6
    NEW = 7


class Motion(Protocol):
    """A process that is Markov, and the same forwards and backwards."""

    def between(
        self, level: np.ndarray, end: np.ndarray | None, distance: float, length: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd (S,) some way from ``level`` (S,) on, given ``end`` at ``length`` if there is one."""


@dataclass(frozen=True, slots=True)
class Brownian:
    r"""A random walk: sd ``drift`` (S,) over a unit distance.

    .. math:: r_{t + d} \sim N(r_t, d \sigma^2) \quad \text{or} \quad
        r_{t + d} \sim N\Big(r_t + \frac{d}{D} (r_{t + D} - r_t),
        \ d \Big(1 - \frac{d}{D}\Big) \sigma^2\Big)
    """

    drift: np.ndarray

    def between(self, level, end, distance, length):
        """Mean and sd (S,)."""
        share = distance / length
        mean = level if end is None else level + share * (end - level)
        return mean, self.drift * np.sqrt(distance * (1 - share))


@dataclass(frozen=True, slots=True)
class OrnsteinUhlenbeck:
    r"""A stationary AR(1) in continuous time, of mean 0: ``sd`` and ``half_life`` (S,).

    .. math:: \operatorname{corr}(p_t, p_{t + d}) = \rho_d = 2^{-d / h}, \qquad
        p_{t + d} \sim N(\rho_d p_t, (1 - \rho_d^2) s^2)

    and, given where it is D after t,

    .. math:: p_{t + d} \sim N\Big(
        \frac{\rho_d (1 - \rho_{D - d}^2) p_t + \rho_{D - d} (1 - \rho_d^2) p_{t + D}}{1 - \rho_D^2}, \
        \frac{(1 - \rho_d^2) (1 - \rho_{D - d}^2)}{1 - \rho_D^2} s^2\Big)
    """

    sd: np.ndarray
    half_life: np.ndarray

    def correlation(self, distance: float | np.ndarray) -> np.ndarray:
        """rho (S,), or of distances (T, 1) rho (T, S)."""
        return 2.0 ** (-distance / self.half_life)

    def between(self, level, end, distance, length):
        """Mean and sd (S,)."""
        rho = self.correlation(distance)
        if end is None:
            return rho * level, self.sd * np.sqrt(1 - rho**2)
        rest = self.correlation(length - distance)
        total = 1 - (rho * rest) ** 2
        mean = (rho * (1 - rest**2) * level + rest * (1 - rho**2) * end) / total
        return mean, self.sd * np.sqrt((1 - rho**2) * (1 - rest**2) / total)


def nearest_before(time: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each time (P,) the last known place at or before it, -1 if none; and whether it is there."""
    k = np.searchsorted(known, time + SAME_TIME) - 1
    return k, (k >= 0) & (np.abs(time - known[k]) <= SAME_TIME)


def beyond(
    time: np.ndarray,
    known: np.ndarray,
    level: Mapping[int, np.ndarray] | np.ndarray,
    motion: Motion,
    keyed: Keyed,
) -> np.ndarray:
    """Draws (P, S) of a process at times that are none of the known places.

    Parameters
    ----------
    time, known : numpy.ndarray
        (P,) and (T,), rising, in usual distances of periods.
    level : mapping or numpy.ndarray
        Where the process is (S,) at a known place; those next to ``time`` are enough.
    keyed : callable
        Numbers -> the random numbers that they stand for.
    """
    k, _ = nearest_before(time, known)
    out, last = np.empty((len(time), len(level[max(0, int(k[0]))]))), len(known) - 1
    for j in np.unique(k):
        cells = np.flatnonzero(k == j)
        path = _Path(motion, keyed, int(j) + 1)
        if j < 0:
            out[cells[::-1]] = path.at(known[0] - time[cells[::-1]], level[0], Part.BEFORE)
        elif j == last:
            out[cells] = path.at(time[cells] - known[-1], level[int(j)], Part.AFTER)
        else:
            end, length = level[int(j) + 1], known[j + 1] - known[j]
            out[cells] = path.at(time[cells] - known[j], level[int(j)], Part.BETWEEN, end, length)
    return out


@dataclass(frozen=True, slots=True)
class _Path:
    """A path from one known place on, or to the next: ``edge`` counts the edges of a process."""

    motion: Motion
    keyed: Keyed
    edge: int

    def at(self, distance, start, part, end=None, length=np.inf):
        """The process (P, S) at rising distances from where it is ``start`` (S,), ``end`` at ``length``."""
        rng = self.keyed(part, self.edge)
        out, left, level = np.empty((len(distance), len(start))), 0.0, start
        p = 0
        while p < len(distance):
            right = left + 1.0
            if right >= length - SAME_TIME:
                right, end_level = length, end
            else:
                end_level = self._drawn(level, end, right - left, length - left, rng)
            while p < len(distance) and distance[p] <= right + SAME_TIME:
                if distance[p] >= right - SAME_TIME:
                    out[p] = end_level
                else:
                    cell_rng = self.keyed(Part.CELL, part, self.edge, time_key(distance[p]))
                    out[p] = self._drawn(level, end_level, distance[p] - left, right - left, cell_rng)
                p += 1
            left, level = right, end_level
        return out

    def _drawn(self, level, end, distance, length, rng):
        mean, sd = self.motion.between(level, end, distance, length)
        return mean + sd * rng.standard_normal(len(level))


def time_key(time: float) -> int:
    """A time as a whole number, the same for all that count as one."""
    return round(time / SAME_TIME)
