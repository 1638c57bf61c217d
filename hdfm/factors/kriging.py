"""Factors beyond the periods of training: the exact process given what it was there.

Array names and axis order: T training periods, D posterior draws, F further periods.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from hdfm.factors.kernels import JITTER, covariance

BLOCK = 32  # grid points that are drawn at once
SAME_TIME = 1e-6  # steps


@dataclass(frozen=True, slots=True)
class Places:
    """Where new times (F,) lie: in steps from an edge, which is the training time next before (or the first).

    Attributes
    ----------
    times, new_times : numpy.ndarray
        Training times (T,), rising, and new ones (F,).
    step : float
        The distance of grid points.
    edge : numpy.ndarray
        Position (F,) of the training time before a new one; -1 where there is none.
    offset : numpy.ndarray
        Steps (F,) from the edge.
    fitted : numpy.ndarray
        Position (F,) of the training time that a new one is; -1 where it is none.
    """

    times: np.ndarray
    new_times: np.ndarray
    step: float
    edge: np.ndarray
    offset: np.ndarray
    fitted: np.ndarray

    def grid(self, edge: int, n: int) -> np.ndarray:
        """The first n grid points outwards from an edge, or up to the next; fewer where it is near."""
        steps = self.step * np.arange(1, n + 1)
        if edge < 0:
            return self.times[0] - steps
        grid = self.times[edge] + steps
        if edge + 1 < len(self.times):
            grid = grid[grid < self.times[edge + 1] - SAME_TIME * self.step]
        return grid


def places_of(times: np.ndarray, new_times: np.ndarray, step: float) -> Places:
    """Places of new times among those of training."""
    close = SAME_TIME * step
    edge = np.searchsorted(times, new_times + close) - 1
    nearest = np.maximum(edge, 0)
    fitted = np.where(np.abs(new_times - times[nearest]) <= close, nearest, -1)
    offset = np.abs(new_times - times[nearest]) / step
    return Places(times, new_times, step, edge, offset, fitted)


def forecast(
    kernel: str,
    lengthscale: np.ndarray,
    factor: np.ndarray,
    places: Places,
    normals: Callable[..., np.ndarray],
) -> np.ndarray:
    r"""Ordinary kriging: draws of a factor at new times, less its training mean, given the exact process.

    Centred values y = H theta say what theta is up to its mean a, so that given y,
    :math:`\theta = y + a 1` with :math:`p(a \mid y) \propto N(y + a 1; 0, K)`. With a drawn, what is
    wanted is :math:`\theta(t^*) - a`: ordinary kriging ([1]_, equation 2.42).

    .. math::

        a \mid y \sim N\Big(-\frac{1' K^{-1} y}{1' K^{-1} 1}, \frac{1}{1' K^{-1} 1}\Big), \qquad
        \theta(t^*) \mid \theta \sim N(K_* K^{-1} \theta, \ K_{**} - K_* K^{-1} K_*')

    K (T, T), :math:`K_*` (F, T) and :math:`K_{**}` (F, F) are covariances of training and new times, with a
    little noise (``JITTER``) where a time meets itself, as in :func:`hdfm.factors.hsgp.gp_factors`.

    Outwards from the training times, and between two of them, there is a path on a grid of steps: its points
    are drawn in order, each given training and those of its block and the block before, so that no draw
    depends on which new times there are. A time off the grid is drawn given the grid, by itself. Paths of
    different parts are drawn apart, given training.

    Parameters
    ----------
    lengthscale : numpy.ndarray
        (D,), in the unit of the times of ``places``.
    factor : numpy.ndarray
        Draws (D, T) at the training times, zero-sum, of a process of variance 1.
    places : Places
        The training times and the F new ones.
    normals : callable
        ``normals(D, *key)`` are D standard normals, each time the key's next.

    Returns
    -------
    numpy.ndarray
        (D, F)

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 2.7.
    """
    D, times = factor.shape[0], places.times
    draws, cache = np.empty((D, len(places.new_times))), {}

    def noise(*key):
        if key not in cache:
            cache[key] = normals(D, *key)
        return cache[key]

    level_noise = noise("level")
    ones = np.ones(len(times))
    for rho in np.unique(lengthscale):
        same = lengthscale == rho
        root = np.linalg.cholesky(_noisy(kernel, times, rho))
        q = solve_triangular(root, ones, lower=True)
        half = solve_triangular(root, factor[same].T, lower=True)
        level = level_noise[same] / np.sqrt(q @ q) - (q @ half) / (q @ q)
        path = factor[same].T + level
        draws[same] = (_paths(kernel, rho, path, places, lambda *key, same=same: noise(*key)[same]) - level).T
    draws[:, places.fitted >= 0] = factor[:, places.fitted[places.fitted >= 0]]
    return draws


def _paths(kernel, rho, path, places, noise):
    """Conditional draws of the process (F, d) at new times, given those of training (T, d)."""
    out = np.empty((len(places.new_times), path.shape[1]))
    out[places.fitted >= 0] = path[places.fitted[places.fitted >= 0]]
    for edge in np.unique(places.edge[places.fitted < 0]):
        targets = np.flatnonzero((places.edge == edge) & (places.fitted < 0))
        reached = np.ceil(places.offset[targets] - SAME_TIME).astype(int)
        inside = 0 <= edge < len(places.times) - 1
        sites, values = places.times, path
        for start in range(0, reached.max(), BLOCK):
            grid = places.grid(edge, start + BLOCK)[start:]
            needed = min(len(grid), reached.max() - start)
            z = [noise("grid", int(edge), start + m) for m in range(needed)]
            curve = _conditional(kernel, rho, sites, values, grid, np.reshape(z, (needed, path.shape[1])))
            for f in targets[(reached > start) & (reached <= start + BLOCK)]:
                m = int(np.ceil(places.offset[f] - SAME_TIME)) - start
                if m <= len(grid) and abs(places.offset[f] - m - start) <= SAME_TIME:
                    out[f] = curve[m - 1]
                    continue
                near, at = np.append(sites, grid[:m]), np.concatenate([values, curve[:m]])
                off_noise = noise("off", int(edge), round(places.offset[f] / SAME_TIME))
                out[f] = _conditional(kernel, rho, near, at, places.new_times[[f]], off_noise[None])[0]
            sites, values = (
                (np.append(places.times, grid), np.concatenate([path, curve])) if inside else (grid, curve)
            )
    return out


def _conditional(kernel, rho, known, values, new, z):
    r"""Draws (n, d) of the process at the first n new times (N,), from normals z (n, d), given values (k, d).

    .. math:: K_* K^{-1} y + R z, \qquad R R' = K_{**} - K_* K^{-1} K_*'

    as blocks of one Cholesky root, that of all k + N times, so that rounding is the same for any n.
    """
    k, n = len(known), len(z)
    root = np.linalg.cholesky(_noisy(kernel, np.append(known, new), rho))
    mean = root[k : k + n, :k] @ solve_triangular(root[:k, :k], values, lower=True)
    return mean + root[k : k + n, k : k + n] @ z


def _noisy(kernel, times, rho):
    return covariance(kernel, times[:, None] - times, rho) + JITTER * np.eye(len(times))
