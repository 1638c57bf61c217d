r"""Information of a product's observations about its eta over periods: a matrix A_i (T, T), as an operator.

A working (IRLS) likelihood is :math:`g_i' \epsilon - \tfrac12 \epsilon' A_i \epsilon` in a product's
:math:`\epsilon = \eta_i - \eta_{0i}`. Independent observations have a diagonal A_i; noise that wanders,
integrated out of W_i, leaves W_i less a matrix of low rank or the inverse of a banded one. All that the
elimination of products asks of A_i is here, for all products at once.

Array names and axis order: N products, n of a part, T periods, w cosines Phi (w, T), G groups.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hdfm.sales.graph.cosines import weighted_cosines


class Information(Protocol):
    """The matrices A_i (N, T, T), symmetric, without being formed."""

    def part(self, rows: slice) -> "Information":
        """Those of some products (n, T, T)."""

    def ones(self) -> np.ndarray:
        """A_i 1 (n, T)."""

    def times(self, v: np.ndarray) -> np.ndarray:
        """A_i v_i (..., n, T) of v (..., n, T)."""

    def total(self) -> np.ndarray:
        """The sum of A_i over products, (T,) or (T, T) or whatever else sums of it can be held in."""

    def along(self, totals: np.ndarray, cosines: np.ndarray, even: bool) -> np.ndarray:
        """Phi A Phi' (G, w, w) of totals A by group (G, ...); ``even`` where Phi is evenly spaced cosines."""

    def to_dense(self) -> np.ndarray:
        """A_i (N, T, T)."""


@dataclass(frozen=True, slots=True)
class DiagonalInformation:
    """A_i = diag(W_i): observations are independent given eta.

    Attributes
    ----------
    W : numpy.ndarray
        (N, T), 0 where not observed.
    """

    W: np.ndarray

    def part(self, rows: slice) -> "DiagonalInformation":
        """Some products."""
        return DiagonalInformation(self.W[rows])

    def ones(self) -> np.ndarray:
        """W_i (n, T)."""
        return self.W

    def times(self, v: np.ndarray) -> np.ndarray:
        """W_i v_i (..., n, T)."""
        return self.W * v

    def total(self) -> np.ndarray:
        """Sums of W over products (T,)."""
        return self.W.sum(axis=0)

    def along(self, totals: np.ndarray, cosines: np.ndarray, even: bool) -> np.ndarray:
        """Phi diag(W) Phi' (G, w, w) of totals W (G, T): by a transform where periods are evenly spaced."""
        return weighted_cosines(totals, None if even else cosines)

    def to_dense(self) -> np.ndarray:
        """diag(W_i) (N, T, T)."""
        return self.W[:, :, None] * np.eye(self.W.shape[1])
