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
        Correlation (k, T - 1, n), or (k, T - 1, 1), of one period with the next.
    sd : numpy.ndarray
        (k, n)
    """

    rho: np.ndarray
    sd: np.ndarray

    def part(self, rows: slice) -> "PathPrior":
        """Of some products, which have one rho."""
        return PathPrior(self.rho, self.sd[:, rows])

    def unit_precision(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Diagonal (k, T, n), off-diagonal (k, T - 1, n) and log determinant (k, n) of R^-1; or 1 for n."""
        left = 1 - self.rho**2
        k, steps, n = self.rho.shape
        diagonal = np.ones((k, steps + 1, n))
        diagonal[:, 1:] = 1 / left
        diagonal[:, :-1] += self.rho**2 / left
        return diagonal, -self.rho / left, -np.log(left).sum(axis=1)


@dataclass(frozen=True, slots=True)
class Paths:
    """M = L D L', factored.

    Attributes
    ----------
    W, h : numpy.ndarray
        (T, n), (k, T, n)
    pivot : numpy.ndarray
        Blocks of D^-1 (T, k, k, n).
    step : numpy.ndarray
        J, blocks of L' above the diagonal (T - 1, k, k, n).
    log_det : numpy.ndarray
        log det M - log det Q (n,).
    """

    W: np.ndarray
    h: np.ndarray
    pivot: np.ndarray
    step: np.ndarray
    log_det: np.ndarray

    def part(self, rows: slice) -> "Paths":
        """Of some products."""
        arrays = (self.W, self.h, self.pivot, self.step, self.log_det)
        return Paths(*(np.ascontiguousarray(array[..., rows]) for array in arrays))

    def solve(self, y: np.ndarray) -> np.ndarray:
        """M^-1 y (k, T, ..., n) of y (k, T, ..., n)."""
        out = y.copy(order="C")
        columns = out.reshape(*y.shape[:2], -1, y.shape[-1])
        _sweeps().forwards(self.step, columns)
        _sweeps().backwards(self.pivot, self.step, columns)
        return out

    def draw(self, z: np.ndarray) -> np.ndarray:
        """N(0, M^-1) (k, T, ..., n) of standard normal z (k, T, ..., n): L'^-1 D^-1/2 z."""
        out = z.copy(order="C")
        columns = out.reshape(*z.shape[:2], -1, z.shape[-1])
        _sweeps().backwards(_lower_roots(self.pivot), self.step, columns)
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
        group = np.repeat(np.arange(len(starts)), np.diff(starts, append=n))
        _sweeps().take_totals(self.h * self.W, self.pivot, self.step, group, sums)
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
    diagonal, off, unit_log_det = prior.unit_precision()
    pivot, step = np.empty((T, k, k, n)), np.empty((T - 1, k, k, n))
    log_det = 2 * T * np.log(prior.sd).sum(axis=0) - unit_log_det.sum(axis=0)
    W, h = np.ascontiguousarray(W), np.ascontiguousarray(h)
    _sweeps().factor(W, h, diagonal, off, prior.sd**-2, pivot, step, log_det)
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
    diagonal, off, unit_log_det = prior.unit_precision()
    out = np.empty((len(columns), 4, columns.shape[2]))
    log_det = 2 * W.shape[1] * np.log(prior.sd).sum(axis=0) - unit_log_det.sum(axis=0)
    _sweeps().quadratics(
        W, h, diagonal[..., 0], off[..., 0], prior.sd**-2, pull, columns, out, log_det
    )
    return out, log_det


def _lower_roots(V: np.ndarray) -> np.ndarray:
    """Cholesky roots of blocks (T, k, k, n)."""
    root = np.zeros_like(V)
    root[:, 0, 0] = np.sqrt(V[:, 0, 0])
    if V.shape[1] > 1:
        root[:, 1, 0] = V[:, 1, 0] / root[:, 0, 0]
        root[:, 1, 1] = np.sqrt(V[:, 1, 1] - root[:, 1, 0] ** 2)
    return root


def _sweeps() -> ModuleType:
    """Only what has paths waits for numba."""
    return import_module("hdfm.sales.laplace.sweeps")
