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
from hdfm.sales.laplace.effects import CHUNK, chunks
from hdfm.sales.laplace.paths import Paths
from hdfm.sales.panel.panel import SalesPanel


class Information(Protocol):
    """The matrices A_i (N, T, T), symmetric, without being formed."""

    def part(self, rows: slice) -> "Information":
        """Those of some products (n, T, T)."""

    def pieces(self, panel: SalesPanel) -> list[slice]:
        """Products that are best taken at a time."""

    def ones(self) -> np.ndarray:
        """A_i 1 (n, T)."""

    def times(self, v: np.ndarray) -> np.ndarray:
        """A_i v_i (..., n, T) of v (..., n, T)."""

    def totals(self, panel: SalesPanel) -> np.ndarray:
        """Sums of A_i over products of a group, (G, T) or (G, T, T) or whatever else can hold them."""

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

    def pieces(self, panel: SalesPanel) -> list[slice]:
        """Those of a group, in chunks."""
        return [part for _, part in chunks(panel)]

    def ones(self) -> np.ndarray:
        """W_i (n, T)."""
        return self.W

    def times(self, v: np.ndarray) -> np.ndarray:
        """W_i v_i (..., n, T)."""
        return self.W * v

    def totals(self, panel: SalesPanel) -> np.ndarray:
        """Sums of W over products (G, T)."""
        out = np.zeros((panel.n_groups, self.W.shape[1]))
        for group, part in chunks(panel):
            out[group] += self.W[part].sum(axis=0)
        return out

    def along(self, totals: np.ndarray, cosines: np.ndarray, even: bool) -> np.ndarray:
        """Phi diag(W) Phi' (G, w, w) of totals W (G, T): by a transform where periods are evenly spaced."""
        return weighted_cosines(totals, None if even else cosines)

    def to_dense(self) -> np.ndarray:
        """diag(W_i) (N, T, T)."""
        return self.W[:, :, None] * np.eye(self.W.shape[1])


@dataclass(frozen=True, slots=True)
class PathInformation:
    r"""A_i = W_i - W_i h_i M_i^-1 h_i' W_i: observations whose paths through time are integrated out.

    Attributes
    ----------
    paths : Paths
        W and M of products, factored.
    """

    paths: Paths

    def part(self, rows: slice) -> "PathInformation":
        """Some products."""
        return PathInformation(self.paths.part(rows))

    def pieces(self, panel: SalesPanel) -> list[slice]:
        """As many products as stay near the processor, whatever their groups: a sweep has many steps."""
        return [slice(start, start + CHUNK) for start in range(0, len(panel.product), CHUNK)]

    def ones(self) -> np.ndarray:
        """A_i 1 (n, T)."""
        return self.times(np.ones(self.paths.W.shape[::-1]))

    def times(self, v: np.ndarray) -> np.ndarray:
        """A_i v_i (..., n, T), by a sweep there and back."""
        columns = np.moveaxis(v.reshape(-1, *v.shape[-2:]), 2, 0)
        return np.moveaxis(self.paths.times(columns), 0, 2).reshape(v.shape)

    def totals(self, panel: SalesPanel) -> np.ndarray:
        """Sums of A over products (G, T, T)."""
        T = self.paths.W.shape[0]
        out = np.zeros((panel.n_groups, T, T))
        for part in self.pieces(panel):
            group = panel.group[part]
            starts = np.flatnonzero(np.diff(group, prepend=-1))
            out[group[starts]] += self.paths.part(part).total(starts)
        return out

    def along(self, totals: np.ndarray, cosines: np.ndarray, even: bool) -> np.ndarray:
        """Phi A Phi' (G, w, w) of totals A (G, T, T)."""
        return cosines @ totals @ cosines.T

    def to_dense(self) -> np.ndarray:
        """A_i (N, T, T)."""
        T, n = self.paths.W.shape
        return np.moveaxis(self.paths.times(np.repeat(np.eye(T)[..., None], n, axis=2)), 2, 0)
