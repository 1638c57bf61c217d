"""From groups to their members and back, in PyTensor."""

from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from hdfm.hierarchy.data import held, padded

MOST_COLUMNS = 32


class Members(NamedTuple):
    """Which group each of n members belongs to.

    Sums and copies are matmuls where groups are few: the gradient of a gather is a scatter-add, slow on GPUs
    and on CPUs for few groups.

    Attributes
    ----------
    n_groups : int
        G.
    codes : TensorVariable or None
        Positions of groups (n,), where they are many.
    one_hot : TensorVariable or None
        (n, G), where they are few; 0 for members that there are not.
    """

    n_groups: int
    codes: Any = None
    one_hot: Any = None

    def spread(self, table: Any) -> Any:
        """Rows (n, ...) of a table (G,) or (G, t), those of members' groups; (1, ...) of a single group."""
        if self.n_groups == 1:
            return table[0][None]
        if self.codes is not None:
            return table[self.codes]
        return pt.dot(self.one_hot, table)

    def sum(self, values: Any) -> Any:
        """Sums (G,) of values (n,) by group."""
        if self.n_groups == 1:
            return values.sum()[None]
        if self.codes is not None:
            return pt.zeros(self.n_groups)[self.codes].inc(values)
        return pt.dot(values, self.one_hot)  # with the matrix first, PyTensor makes it a scatter


def held_members(name: str, codes: np.ndarray, n_groups: int, size: int | None = None) -> Members:
    """Members of groups as data of the model at hand, padded to ``size``."""
    size = len(codes) if size is None else size
    if n_groups == 1:
        return Members(1)
    if n_groups > MOST_COLUMNS:
        return Members(n_groups, codes=held(name, padded(codes, size)))
    one_hot = (codes[:, None] == np.arange(n_groups)).astype(float)
    return Members(n_groups, one_hot=held(name, padded(one_hot, size)))
