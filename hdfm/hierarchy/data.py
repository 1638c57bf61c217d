"""Data as arguments of a graph, of a few sizes, so that graphs of data that are alike are the same graph."""

from typing import Any

import numpy as np
import pymc as pm
from pymc.pytensorf import floatX

FEW, MANY = 8, 64


def held(name: str, array: np.ndarray) -> Any:
    """An array as ``pm.Data`` of the model in whose context this is called, of fixed shape."""
    values = np.asarray(array)
    values = floatX(values) if values.dtype.kind == "f" else values.astype(np.int32)
    return pm.Data(name, values, shape=values.shape)


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """An array whose first axis is filled up to ``size`` with zeros."""
    return np.pad(array, [(0, size - len(array))] + [(0, 0)] * (array.ndim - 1))


def rounded_up(n: int, least: int = FEW) -> int:
    """The size that n things are padded to: at least ``least``, a power of 2, or from 64 on eighths of one.

    Where there is little to compute, compiling takes longer than what the padding costs; where there is much,
    at most an eighth is added.

    Examples
    --------
    >>> [rounded_up(n) for n in (0, 16, 17, 65, 100, 300, 10_000)]
    [8, 16, 32, 72, 104, 320, 10240]
    """
    size = least
    while size < n and size < MANY:
        size *= 2
    if size >= n:
        return size
    step = 2 ** (int(n - 1).bit_length() - 4)
    return -(-n // step) * step
