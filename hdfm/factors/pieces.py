"""Draws read a few at a time, in 64 bits: they may be in 32, on disk, and larger than memory.

Array names and axis order: K chains, D draws.
"""

from collections.abc import Callable, Iterator

import numpy as np

PIECE_CELLS = 500_000  # numbers that are read at a time


def pieces(n: int, cells: int) -> Iterator[slice]:
    """Slices of n things of so many ``cells`` each, in order.

    >>> list(pieces(5, PIECE_CELLS // 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, PIECE_CELLS // max(1, cells))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def draw_pieces(values: np.ndarray) -> Iterator[tuple[int, slice]]:
    """A chain and some of its draws, of values (K, D, ...)."""
    K, D, *shape = values.shape
    cells = int(np.prod(shape))
    return ((k, draw) for k in range(K) for draw in pieces(D, cells))


def by_draw(
    function: Callable[[np.ndarray], np.ndarray], values: np.ndarray, which: slice | np.ndarray = slice(None)
) -> np.ndarray:
    """Results (K, D, ...) of a function of some draws (n, ...) at a time.

    Values broadcast over draws, the same in all of them, are read once.

    Parameters
    ----------
    function : callable
        From (n, N, ...) to (n, ...), to be small.
    values : numpy.ndarray
        (K, D, N, ...)
    which : slice or numpy.ndarray
        Which of the N to read; all by default.
    """
    K, D = values.shape[:2]
    if K * D > 1 and values.strides[:2] == (0, 0):
        once = by_draw(function, values[:1, :1], which)
        return np.broadcast_to(once, (K, D, *once.shape[2:]))
    parts = [function(np.asarray(values[k, draw][:, which], dtype=float)) for k, draw in draw_pieces(values)]
    return np.concatenate(parts).reshape(K, D, *parts[0].shape[1:])
