"""Sweeps over periods of :mod:`hdfm.sales.laplace.paths`, compiled.

Many products, columns or periods are innermost, products a few at a time, so that what a sweep carries stays
near the processor, in short loops of one result each, for the compiler vectorises no others.

Array names and axis order: k states (0, 1 or 2), T periods, m right-hand sides, n products, last.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit

LANES = 64  # products at a time
SAFE = 4  # determinants whose product overflows nowhere


def _compiled(function: Callable) -> Any:
    """By machine, kept for the next process where any folder for that can be written."""
    compiler = partial(njit, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    try:
        return compiler(cache=True)(function)
    except RuntimeError:
        return compiler()(function)


@_compiled
def _unit(more: np.ndarray, j: int, t: int, T: int, i: int) -> float:
    """Diagonal entry of a path's R^-1, from the steps at both sides of t."""
    g, out = min(1, more.shape[1] - 1), 1.0
    if t > 0:
        out += more[j, (t - 1) * g, i]
    if t < T - 1:
        out += more[j, t * g, i]
    return out


@_compiled
def factor(
    W: np.ndarray,
    h: np.ndarray,
    more: np.ndarray,
    off: np.ndarray,
    precision: np.ndarray,
    pivot: np.ndarray,
    step: np.ndarray,
    log_det: np.ndarray,
) -> None:
    """Fill pivot (T, k, k, n) and step (T - 1, k, k, n), k = 1 or 2, and add log determinants of blocks (n,).

    W (T, n) and h (k, T, n) may have 1 for n; so may ``more`` and ``off`` (k, T - 1, n), what
    :meth:`~hdfm.sales.laplace.paths.PathPrior.unit_rows` gives, and 1 for T - 1.
    """
    T, k, _, n = pivot.shape
    w, g, q = min(1, W.shape[1] - 1), min(1, off.shape[1] - 1), min(1, off.shape[2] - 1)
    carried, product = np.empty((3, LANES)), np.empty(LANES)  # O'J: entries 11, 21 and 22; determinants
    for start in range(0, n, LANES):
        size = min(LANES, n - start)
        carried[:], product[:] = 0.0, 1.0
        for t in range(T):
            for i in range(size):
                at, of, weight = start + i, (start + i) * q, W[t, (start + i) * w]
                x, first, o = h[0, t, (start + i) * w], precision[0, at], 0.0
                a = x * x * weight + first * _unit(more, 0, t, T, of) - carried[0, i]
                if t < T - 1:
                    o = off[0, t * g, of] * first
                if k == 1:
                    det = a
                    pivot[t, 0, 0, at] = 1 / a
                else:
                    y, second, u = h[1, t, (start + i) * w], precision[1, at], 0.0
                    b = x * y * weight - carried[1, i]
                    d = y * y * weight + second * _unit(more, 1, t, T, of) - carried[2, i]
                    det = a * d - b * b
                    P, Q, R = d / det, -b / det, a / det
                    pivot[t, 0, 0, at], pivot[t, 1, 1, at] = P, R
                    pivot[t, 0, 1, at], pivot[t, 1, 0, at] = Q, Q
                    if t < T - 1:
                        u = off[1, t * g, of] * second
                        step[t, 0, 1, at], step[t, 1, 0, at], step[t, 1, 1, at] = Q * u, Q * o, R * u
                    carried[1, i], carried[2, i] = u * Q * o, u * R * u
                if t < T - 1:
                    step[t, 0, 0, at] = pivot[t, 0, 0, at] * o
                carried[0, i] = o * pivot[t, 0, 0, at] * o
                product[i] *= det
            if t % SAFE == SAFE - 1 or t == T - 1:
                for i in range(size):
                    log_det[start + i] += np.log(product[i])
                    product[i] = 1.0


@_compiled
def forwards(step: np.ndarray, begin: int, y: np.ndarray) -> None:
    """L^-1 y in place of y (k, T, m, n), of n products from ``begin`` on."""
    k, T, m, n = y.shape
    for start in range(0, n, LANES):
        end = min(start + LANES, n)
        for t in range(1, T):
            for j in range(k):
                for r in range(k):
                    for c in range(m):
                        for i in range(start, end):
                            y[j, t, c, i] -= step[t - 1, r, j, begin + i] * y[r, t - 1, c, i]


@_compiled
def backwards(pivot: np.ndarray, step: np.ndarray, begin: int, y: np.ndarray) -> None:
    """L'^-1 D^-1 y in place of y (k, T, m, n), of n products from ``begin`` on."""
    k, T, m, n = y.shape
    v = np.empty((k, LANES))
    for start in range(0, n, LANES):
        size = min(LANES, n - start)
        for t in range(T - 1, -1, -1):
            for c in range(m):
                for j in range(k):
                    for i in range(size):
                        v[j, i] = y[j, t, c, start + i]
                        y[j, t, c, start + i] = 0.0
                for j in range(k):
                    for r in range(k):
                        for i in range(size):
                            y[j, t, c, start + i] += pivot[t, j, r, begin + start + i] * v[r, i]
                    if t < T - 1:
                        for r in range(k):
                            for i in range(size):
                                y[j, t, c, start + i] -= (
                                    step[t, j, r, begin + start + i] * y[r, t + 1, c, start + i]
                                )


@_compiled
def take_totals(
    hW: np.ndarray, pivot: np.ndarray, step: np.ndarray, begin: int, group: np.ndarray, sums: np.ndarray
) -> None:
    """Take W h M^-1 h' W of products in groups (n,) from sums (G, T, T), of a row t from t on.

    The n products are those from ``begin`` on.

    Rows of M^-1 h W come backwards in t: those from t + 1 on times -J_t, and before them what V_t, the block
    of the inverse on the diagonal, makes of (h W)_t.
    """
    k, T, n = hW.shape
    a, b = np.empty(T), np.empty(T)
    for i in range(n):
        V, W, X = 0.0, 0.0, 0.0  # entries 11, 21 and 22
        g, at = group[i], begin + i
        for t in range(T - 1, -1, -1):
            if k == 1:
                u = hW[0, t, i]
                if t < T - 1:
                    J = step[t, 0, 0, at]
                    V *= J * J
                    for s in range(t + 1, T):
                        a[s] *= -J
                V += pivot[t, 0, 0, at]
                a[t] = V * u
                for s in range(t, T):
                    sums[g, t, s] -= u * a[s]
            else:
                u, v = hW[0, t, i], hW[1, t, i]
                if t < T - 1:
                    p, q, r, z = step[t, 0, 0, at], step[t, 0, 1, at], step[t, 1, 0, at], step[t, 1, 1, at]
                    V, W, X = (
                        p * (p * V + q * W) + q * (p * W + q * X),
                        r * (p * V + q * W) + z * (p * W + q * X),
                        r * (r * V + z * W) + z * (r * W + z * X),
                    )
                    for s in range(t + 1, T):
                        y, x = a[s], b[s]
                        a[s] = -p * y - q * x
                        b[s] = -r * y - z * x
                V, W, X = V + pivot[t, 0, 0, at], W + pivot[t, 1, 0, at], X + pivot[t, 1, 1, at]
                a[t], b[t] = V * u + W * v, W * u + X * v
                for s in range(t, T):
                    sums[g, t, s] -= u * a[s] + v * b[s]


@_compiled
def quadratics(
    W: np.ndarray,
    h: np.ndarray,
    more: np.ndarray,
    off: np.ndarray,
    precision: np.ndarray,
    pull: np.ndarray,
    columns: np.ndarray,
    out: np.ndarray,
    log_det: np.ndarray,
) -> None:
    """Factor M, and fill out (n, 4, m) with inner products that need no sweep back: M^-1 = L'^-1 D^-1 L^-1.

    Of columns C (n, T, m), the first two Z, and the pull r (n, T): Z'A c, c'A c and last, of the first three
    columns alone, c'(r - W h M^-1 h r); and -r'h M^-1 h r in the place of a fourth one. W (n, T) and
    h (k, n, T); ``more`` and ``off`` are those of all products; log determinants are added to (n,).
    """
    (n, T, m), k, g = columns.shape, len(h), min(1, off.shape[1] - 1)
    e, f = np.empty(m), np.empty(m)
    for i in range(n):
        e[:], f[:], out[i] = 0.0, 0.0, 0.0
        e_r, f_r, det = 0.0, 0.0, 1.0
        J, K, L, M = 0.0, 0.0, 0.0, 0.0  # of the period before: entries 11, 21, 12 and 22
        A, B, C = 0.0, 0.0, 0.0  # O'J of the period before, and all other blocks: entries 11, 21 and 22
        first, second = precision[0, i] if k > 0 else 0.0, precision[1, i] if k > 1 else 0.0
        for t in range(T):
            w, r = W[i, t], pull[i, t]
            a, b = h[0, i, t] if k > 0 else 0.0, h[1, i, t] if k > 1 else 0.0
            A, B, C = a * a * w - A, a * b * w - B, b * b * w - C
            A = A + _unit(more, 0, t, T, 0) * first if k > 0 else 1.0
            C = C + _unit(more, 1, t, T, 0) * second if k > 1 else 1.0
            D = A * C - B * B
            P, Q, R = C / D, -B / D, A / D
            det *= D
            if t % SAFE == SAFE - 1 or t == T - 1:
                log_det[i] += np.log(det)
                det = 1.0
            if k > 1:
                for c in range(m):
                    p, q = e[c], f[c]
                    e[c] = a * w * columns[i, t, c] - J * p - K * q
                    f[c] = b * w * columns[i, t, c] - L * p - M * q
            elif k > 0:
                for c in range(m):
                    e[c] = a * w * columns[i, t, c] - J * e[c]
            e_r, f_r = a * r - J * e_r - K * f_r, b * r - L * e_r - M * f_r
            for z in range(2):
                y = w * columns[i, t, z]
                u, v = P * e[z] + Q * f[z], Q * e[z] + R * f[z]
                if k > 1:
                    for c in range(m):
                        out[i, z, c] += y * columns[i, t, c] - u * e[c] - v * f[c]
                else:
                    for c in range(m):
                        out[i, z, c] += y * columns[i, t, c] - u * e[c]
            if k > 1:
                for c in range(m):
                    out[i, 2, c] += (
                        w * columns[i, t, c] ** 2 - P * e[c] ** 2 - (2 * Q * e[c] + R * f[c]) * f[c]
                    )
            else:
                for c in range(m):
                    out[i, 2, c] += w * columns[i, t, c] ** 2 - P * e[c] ** 2
            u, v = P * e_r + Q * f_r, Q * e_r + R * f_r
            for c in range(3):
                out[i, 3, c] += r * columns[i, t, c] - u * e[c] - v * f[c]
            out[i, 3, 3] -= u * e_r + v * f_r
            if t < T - 1:
                p = off[0, t * g, 0] * first if k > 0 else 0.0
                q = off[1, t * g, 0] * second if k > 1 else 0.0
                J, K, L, M = P * p, Q * p, Q * q, R * q
                A, B, C = p * J, q * K, q * M
