r"""Paths of products through time: their posterior precision, block-tridiagonal, and sums over products.

With noise that wanders, :math:`\eta_i = f_i + \sum_k h_{ki} p_{ki}`, of effects f and paths p that are
AR(1), or Ornstein-Uhlenbeck processes where periods are uneven [1]_: demand u (h = 1), and the elasticity's
own moves b (h = x).

.. math:: p_{k} \sim N(0, s_k^2 R_k), \quad R_{k, tt'} = \rho_k^{|t - t'|}, \qquad
    M_i = Q_i + h_i' W_i h_i

with Q the precision of paths and W that of a working likelihood, diagonal. Integrated out they leave
effects the information

.. math:: A_i = W_i - W_i h_i M_i^{-1} h_i' W_i

which is dense, and formed for no product: M is factored by a sweep over periods, and what is asked of A are
sweeps too (Rauch, Tung and Striebel's [2]_, in information form); sums of A over products take a recursion
for the rows of the inverse. All of them are in :mod:`hdfm.sales.laplace.sweeps`, compiled.

Array names and axis order: k states (1 or 2), T periods, n products, last and fastest; m right-hand sides.

    W (T, n); h (k, T, n); s (k, n); rho from one period to the next (k, T - 1, n), or one for all: 1 for n

References
----------
.. [1] Rue and Held (2005), "Gaussian Markov Random Fields", chapter 1.
.. [2] Rauch, Tung, Striebel (1965), "Maximum likelihood estimates of linear dynamic systems", AIAA Journal
   3(8).
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np


@dataclass(frozen=True, slots=True)
class PathPrior:
    """Stationary AR(1) paths.

    Attributes
    ----------
    rho : numpy.ndarray
        Correlation (k, T - 1, n) of one period with the next; 1 for n or T - 1 where it is one for all.
    sd : numpy.ndarray
        (k, n)
    """

    rho: np.ndarray
    sd: np.ndarray

    def part(self, rows: slice) -> "PathPrior":
        """Of some products."""
        return PathPrior(self.rho if self.rho.shape[2] == 1 else self.rho[..., rows], self.sd[:, rows])

    def unit_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a step adds to 1 in both diagonal entries of R^-1 beside it, what it has between them, and
        its part of log det R^-1: as rho."""
        left = 1 - self.rho**2
        return self.rho**2 / left, -self.rho / left, -np.log(left)

    def log_det(self, T: int) -> np.ndarray:
        """Of s^2 R (n,), all states."""
        unit = self.unit_rows()[2]
        steps = unit.sum(axis=1) * ((T - 1) / max(1, unit.shape[1]))
        return 2 * T * np.log(self.sd).sum(axis=0) - steps.sum(axis=0)


@dataclass(frozen=True, slots=True)
class Paths:
    """M = L D L', factored.

    Attributes
    ----------
    W, h : numpy.ndarray
        (T, n), (k, T, n)
    pivot : numpy.ndarray
        Blocks of D^-1 (T, k, k, N), of these products and maybe others.
    step : numpy.ndarray
        J, blocks of L' above the diagonal (T - 1, k, k, N).
    log_det : numpy.ndarray
        log det M - log det Q (n,).
    begin : int
        Of the n products among the N.
    """

    W: np.ndarray
    h: np.ndarray
    pivot: np.ndarray
    step: np.ndarray
    log_det: np.ndarray
    begin: int = 0

    def part(self, rows: slice) -> "Paths":
        """Of some products."""
        begin = self.begin + rows.indices(len(self.log_det))[0]
        W, h, log_det = (array[..., rows] for array in (self.W, self.h, self.log_det))
        return Paths(W, h, self.pivot, self.step, log_det, begin)

    def solve(self, y: np.ndarray) -> np.ndarray:
        """M^-1 y (k, T, ..., n) of y (k, T, ..., n)."""
        out = y.copy(order="C")
        columns = out.reshape(*y.shape[:2], -1, y.shape[-1])
        _sweeps().forwards(self.step, self.begin, columns)
        _sweeps().backwards(self.pivot, self.step, self.begin, columns)
        return out

    def draw(self, z: np.ndarray, y: np.ndarray | float = 0.0) -> np.ndarray:
        """N(M^-1 y, M^-1) (k, T, ..., n) of standard normal z and y (k, T, ..., n).

        .. math:: L'^{-1} (D^{-1} L^{-1} y + D^{-1/2} z)
        """
        out = np.array(np.broadcast_to(y, z.shape), order="C")
        columns = out.reshape(*z.shape[:2], -1, z.shape[-1])
        _sweeps().forwards(self.step, self.begin, columns)
        own = slice(self.begin, self.begin + z.shape[-1])
        columns += _scaled(self.pivot[..., own], z.reshape(columns.shape))
        _sweeps().backwards(self.pivot, self.step, self.begin, columns)
        return out

    def towards(self, c: np.ndarray) -> np.ndarray:
        """M^-1 h c (k, T, ..., n) of c (T, ..., n)."""
        k, T, n = self.h.shape
        return self.solve(self.h.reshape(k, T, *(1,) * (c.ndim - 2), n) * c)

    def of(self, paths: np.ndarray) -> np.ndarray:
        """What paths (k, T, ..., n) add to eta (T, ..., n)."""
        k, T, n = self.h.shape
        return (self.h.reshape(k, T, *(1,) * (paths.ndim - 3), n) * paths).sum(axis=0)

    def times(self, c: np.ndarray) -> np.ndarray:
        """A c (T, m, n) of c (T, m, n)."""
        Wc = self.W[:, None] * c
        return Wc - self.W[:, None] * self.of(self.towards(Wc))

    def total(self, starts: np.ndarray) -> np.ndarray:
        """Sums of A over products from each of ``starts`` (G,) to the next (G, T, T)."""
        T, n = self.W.shape
        sums = np.zeros((len(starts), T, T))
        hW = np.ascontiguousarray(self.h * self.W)
        group = np.repeat(np.arange(len(starts)), np.diff(starts, append=n))
        _sweeps().take_totals(hW, self.pivot, self.step, self.begin, group, sums)
        sums += np.triu(sums, 1).swapaxes(1, 2)
        sums[:, np.arange(T), np.arange(T)] += np.add.reduceat(self.W, starts, axis=1).T
        return sums


def factored(W: np.ndarray, h: np.ndarray, prior: PathPrior) -> Paths:
    r"""Sweep over periods that factors M.

    .. math:: D_t = Q_{tt} + h_t h_t' W_t - O_{t - 1}' J_{t - 1}, \qquad J_t = D_t^{-1} O_t

    with O the blocks of Q above the diagonal.

    Parameters
    ----------
    W, h : numpy.ndarray
        (T, n), (k, T, n); or 1 for n where it is one for all.
    """
    (k, T, _), n = h.shape, prior.sd.shape[1]
    (more, off, _), log_det = prior.unit_rows(), prior.log_det(T)
    pivot, step = np.empty((T, k, k, n)), np.empty((T - 1, k, k, n))
    W, h = np.ascontiguousarray(W), np.ascontiguousarray(h)
    _sweeps().factor(W, h, more, off, prior.sd**-2, pivot, step, log_det)
    return Paths(W, h, pivot, step, log_det)


def quadratics(
    W: np.ndarray, h: np.ndarray, prior: PathPrior, pull: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inner products (n, 4, m) of columns (n, T, m), the first two Z, and a pull r; log det M Q^-1 (n,).

    Of a column c, Z'A c, c'A c and, of the first three alone, c'(r - W h M^-1 h r); last but for those
    there is -r'h M^-1 h r.

    Parameters
    ----------
    W, h, pull : numpy.ndarray
        (n, T), (k, n, T) and (n, T), k from 0 on.
    prior : PathPrior
        Of one rho.
    """
    (more, off, _), log_det = prior.unit_rows(), prior.log_det(W.shape[1])
    out = np.empty((len(columns), 4, columns.shape[2]))
    _sweeps().quadratics(W, h, more, off, prior.sd**-2, pull, columns, out, log_det)
    return out, log_det


def _scaled(V: np.ndarray, z: np.ndarray) -> np.ndarray:
    """D^1/2 z (k, T, m, n) with roots R'^-1 of D^-1 = V = R R' (T, k, k, n)."""
    scale = np.sqrt(V[:, 0, 0, None])
    if len(z) == 1:
        return z / scale
    below = V[:, 1, 0, None] / scale
    second = z[1] / np.sqrt(V[:, 1, 1, None] - below**2)
    return np.stack([(z[0] - below * second) / scale, second])


def _sweeps() -> ModuleType:
    """Only what has paths waits for numba."""
    return import_module("hdfm.sales.laplace.sweeps")
