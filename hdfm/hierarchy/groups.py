"""From groups to their members and back, in PyTensor."""

import numpy as np
import pytensor.tensor as pt

MOST_COLUMNS = 32


def spread_rows(table, codes: np.ndarray):
    """``table[codes]`` (n, ...) of a small table (g,) or (g, t), by a matmul where g is small.

    The gradient of a gather is a scatter-add, slow on GPUs and on CPUs for few groups.
    """
    n_groups = int(codes.max()) + 1
    if n_groups == 1:
        return table[0][None]
    if n_groups > MOST_COLUMNS:
        return table[codes]
    return pt.dot(_one_hot(codes, n_groups), table)


def sum_rows(values, codes: np.ndarray, n_groups: int):
    """Sums (g,) of values (n,) by group."""
    if n_groups > MOST_COLUMNS:
        return pt.zeros(n_groups)[codes].inc(values)
    return pt.dot(values, _one_hot(codes, n_groups))  # with the matrix first, PyTensor makes it a scatter


def _one_hot(codes, n_groups):
    return pt.constant((codes[:, None] == np.arange(n_groups)).astype(float))
