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
for the rows of the inverse.

Array names and axis order: k states (1 or 2), T periods, n products, last and fastest; m right-hand sides.

    W (T, n); h (k, T, n); s (k, n); rho from one period to the next (k, T - 1, n), or one for all: 1 for n

References
----------
.. [1] Rue and Held (2005), "Gaussian Markov Random Fields", chapter 1.
.. [2] Rauch, Tung, Striebel (1965), "Maximum likelihood estimates of linear dynamic systems", AIAA Journal
   3(8).
"""

from collections.abc import Iterator
from dataclasses import dataclass

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
        return Paths(*(array[..., rows] for array in arrays))

    def solve(self, y: np.ndarray) -> np.ndarray:
        """M^-1 y (k, T, ..., n) of y (k, T, ..., n)."""
        y, T = y.copy(), y.shape[1]
        for t in range(1, T):
            y[:, t] -= _times(self.step[t - 1].swapaxes(0, 1), y[:, t - 1])
        y[:, -1] = _times(self.pivot[-1], y[:, -1])
        for t in range(T - 2, -1, -1):
            y[:, t] = _times(self.pivot[t], y[:, t]) - _times(self.step[t], y[:, t + 1])
        return y

    def draw(self, z: np.ndarray) -> np.ndarray:
        """N(0, M^-1) (k, T, ..., n) of standard normal z (k, T, ..., n): L'^-1 D^-1/2 z."""
        y, T = np.empty_like(z), z.shape[1]
        for t in range(T - 1, -1, -1):
            y[:, t] = _root_times(self.pivot[t], z[:, t])
            if t < T - 1:
                y[:, t] -= _times(self.step[t], y[:, t + 1])
        return y

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
        T = len(self.W)
        sums = np.zeros((len(starts), T, T))
        for t, hW, rows in self._rows_of_inverse():
            products = -(rows * hW[:, None]).sum(axis=0)
            products[0] += self.W[t]
            sums[:, t, t:] = np.add.reduceat(products, starts, axis=1).T
            sums[:, t:, t] = sums[:, t, t:]
        return sums

    def _rows_of_inverse(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """t, (h W)_t (k, n), and row t of M^-1 h W from t on (k, T - t, n); backwards in t."""
        hW, T = self.h * self.W, self.W.shape[0]
        rows, V = np.empty(self.h.shape), self.pivot[-1]
        for t in range(T - 1, -1, -1):
            if t < T - 1:
                J = self.step[t]
                V = self.pivot[t] + _product(_product(J, V), J.swapaxes(0, 1))
                rows[:, t + 1 :] = -_times(J, rows[:, t + 1 :])
            rows[:, t] = _times(V, hW[:, t])
            yield t, hW[:, t], rows[:, t:]


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
    precision = prior.sd**-2
    pivot, step = np.empty((T, k, k, n)), np.empty((T - 1, k, k, n))
    log_det = 2 * T * np.log(prior.sd).sum(axis=0) - unit_log_det.sum(axis=0)
    carried = np.zeros((k, k, n))
    for t in range(T):
        D = h[:, None, t] * h[None, :, t] * W[t] - carried
        for j in range(k):
            D[j, j] += diagonal[j, t] * precision[j]
        pivot[t], det = _inverse(D)
        log_det += np.log(det)
        if t < T - 1:
            above = off[:, t] * precision
            step[t] = pivot[t] * above
            carried = above[:, None] * step[t]
    return Paths(W, h, pivot, step, log_det)


def _inverse(D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of symmetric blocks (k, k, n), with determinants (n,)."""
    if len(D) == 1:
        return 1 / D, D[0, 0]
    det = D[0, 0] * D[1, 1] - D[0, 1] ** 2
    return np.array([[D[1, 1], -D[0, 1]], [-D[0, 1], D[0, 0]]]) / det, det


def _times(J: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Blocks (k, k, n) times v (k, ..., n)."""
    if len(J) == 1:
        return J[0] * v
    out = np.empty(v.shape)
    for j in range(2):
        np.multiply(J[j, 0], v[0], out=out[j])
        out[j] += J[j, 1] * v[1]
    return out


def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A B of blocks (k, k, n)."""
    return A * B if len(A) == 1 else np.einsum("ijn,jkn->ikn", A, B)


def _root_times(V: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Lower Cholesky roots of blocks (k, k, n) times z (k, ..., n)."""
    first = np.sqrt(V[0, 0])
    if len(V) == 1:
        return first * z
    below = V[1, 0] / first
    return np.stack([first * z[0], below * z[0] + np.sqrt(V[1, 1] - below**2) * z[1]])
