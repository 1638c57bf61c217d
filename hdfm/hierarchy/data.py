"""Data as arguments of a graph, of a few sizes, so that graphs of data that are alike are the same graph."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from pymc.pytensorf import floatX

from hdfm.frames.periods import plain_labels

FEW, MANY = 8, 64


def held(name: str, array: np.ndarray) -> Any:
    """An array as ``pm.Data`` of the model in whose context this is called, of fixed shape."""
    values = np.asarray(array)
    values = floatX(values) if values.dtype.kind == "f" else values.astype(np.int32)
    return pm.Data(name, values, shape=values.shape)


def padded(array: np.ndarray, *sizes: int, fill: float = 0.0) -> np.ndarray:
    """An array whose first axes are filled up to ``sizes``, by default with zeros."""
    sizes += array.shape[len(sizes) :]
    room = [(0, size - n) for size, n in zip(sizes, array.shape, strict=True)]
    return np.pad(array, room, constant_values=fill)


def labels_of(labels: pd.Index, size: int) -> list:
    """Labels of a dimension of this size: plain numbers where it is padded."""
    return plain_labels(labels) if len(labels) == size else list(range(size))


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


def room_for(n: int, least: int, many: int | None = None) -> int:
    """Room for n things that cost little where they are not used.

    ``least`` times a power of 4; from ``many`` on a power of 2 more.

    Examples
    --------
    >>> [room_for(n, 64) for n in (10, 65, 1_000)]
    [64, 256, 1024]
    >>> [room_for(n, 2**14, 2**20) for n in (100, 20_000, 2_000_000)]
    [16384, 65536, 2097152]
    """
    room = least
    while room < n:
        room *= 4 if many is None or room < many else 2
    return room
