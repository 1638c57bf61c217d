r"""Cholesky roots of precisions shaped like an arrow: block of a product, bundles, a top.

Given scales, the effects of a demand model fall into products, bundles and a top: a product touches its
bundle and the top, a bundle the top alone. So products are eliminated first, two effects at a time
(:mod:`hdfm.sales.laplace.elimination`), then bundles, and what is left is small.

Array names and axis order: N products sorted by bundle, n of a part, G bundles, T periods, S draws; b effects
of a bundle, m of the top.

    A Z (2, N, T); blocks Z'AZ + Omega = L L' (N, 2, 2); U = A Z L'^{-1} (2, N, T)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

LOWER = np.tril_indices(2)


# SciPy's own functions spend more time on their arguments than on matrices as small as these.
def lower_root(A: np.ndarray) -> np.ndarray:
    """Lower Cholesky root of A (n, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        If A is not positive definite.
    """
    if not len(A):
        return A
    root, order = dpotrf(A.T, lower=0, clean=1)
    if order:
        raise np.linalg.LinAlgError(f"The leading {order} columns of a precision are not positive definite.")
    return root.T


def half_solved(L: np.ndarray, y: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """L^-1 y, or L'^-1 y, of a lower root L (n, n) and y (n,) or (n, r)."""
    if not y.size:
        return np.zeros(y.shape)
    return dtrtrs(L.T, y, lower=0, trans=0 if transposed else 1)[0]


@dataclass(frozen=True, slots=True)
class ProductBlocks:
    """Cholesky roots L of the blocks Z'AZ + Omega of products, as their entries 11, 21 and 22 (3, N)."""

    root: np.ndarray

    @property
    def log_det(self) -> float:
        """Of the blocks, summed over products."""
        return 2 * float(np.log(self.root[0] * self.root[2]).sum())

    def half_solve(self, y: np.ndarray) -> np.ndarray:
        """L^-1 y of y (2, N, ...)."""
        l11, l21, l22 = self._root_like(y[0])
        z = y[0] / l11
        return np.stack([z, (y[1] - l21 * z) / l22])

    def half_solve_back(self, y: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """L'^-1 y of y (2, N, ...)."""
        l11, l21, l22 = self._root_like(y[0])
        out = np.empty_like(y) if out is None else out
        np.divide(y[1], l22, out=out[1])
        np.multiply(out[1], -l21, out=out[0])
        out[0] += y[0]
        out[0] /= l11
        return out

    def of(self, part: slice, dtype: DTypeLike) -> "ProductBlocks":
        """Some products, in some precision."""
        return ProductBlocks(self.root[:, part].astype(dtype))

    def U(self, AZ: np.ndarray) -> np.ndarray:
        """A Z L'^-1 (2, N, ...) of A Z, column by column, or of linear functions of it (2, N, ...)."""
        l11, l21, l22 = self.root[:, :, None]
        out = np.empty_like(AZ)
        np.divide(AZ[0], l11, out=out[0])
        np.multiply(out[0], -l21, out=out[1])
        out[1] += AZ[1]
        out[1] /= l22
        return out

    def to_dense(self) -> np.ndarray:
        """The blocks (N, 2, 2)."""
        l11, l21, l22 = self.root
        L = np.moveaxis(np.array([[l11, 0 * l11], [l21, l22]]), -1, 0)
        return L @ L.transpose(0, 2, 1)

    def _root_like(self, y: np.ndarray) -> Iterator[np.ndarray]:
        return (entry.reshape(-1, *(1,) * (y.ndim - 1)) for entry in self.root)


def product_blocks(information: np.ndarray, omega: np.ndarray) -> ProductBlocks:
    """Blocks Z'AZ + Omega of Z'AZ as its entries 11, 21 and 22 (3, N) and Omega (2, 2), factored."""
    a, c, d = information + omega[LOWER][:, None]
    l11 = np.sqrt(a)
    l21 = c / l11
    return ProductBlocks(np.stack([l11, l21, np.sqrt(d - l21**2)]))


@dataclass(frozen=True, slots=True)
class Arrow:
    """Cholesky root of the precision of bundles and the top, by block elimination.

    Attributes
    ----------
    roots : list of numpy.ndarray
        Lower Cholesky roots R of the bundles (b, b).
    border : list of numpy.ndarray
        Each bundle's R^-1 times its border with the top (b, m).
    top : numpy.ndarray
        Lower Cholesky root of the top's Schur complement (m, m).
    """

    roots: list[np.ndarray]
    border: list[np.ndarray]
    top: np.ndarray

    @property
    def log_det(self) -> float:
        """Of the whole."""
        return 2 * float(sum(np.log(np.diag(root)).sum() for root in [*self.roots, self.top]))

    def solve(self, of_bundles: np.ndarray, of_top: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Solution (G, b), (m,) for a right-hand side, and their inner product."""
        halves = [half_solved(L, y) for L, y in zip(self.roots, of_bundles, strict=True)]
        right = of_top - sum(
            (C.T @ h for C, h in zip(self.border, halves, strict=True)), np.zeros(len(of_top))
        )
        top = dpotrs(self.top, right, lower=1)[0] if len(right) else right
        inner = sum(float(h @ h) for h in halves) + float(right @ top)
        return self._back(halves, top), top, inner

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Normal draws (G, b, n), (m, n) with this precision, about 0."""
        z = rng.standard_normal((len(self.top), n))
        top = half_solved(self.top, z, transposed=True)
        halves = [rng.standard_normal((len(L), n)) for L in self.roots]
        return self._back(halves, top), top

    def to_dense(self) -> np.ndarray:
        """The whole precision (G b + m, G b + m): bundles one after the other, then the top."""
        ends = np.cumsum([0, *(len(L) for L in self.roots)])
        root = np.zeros((ends[-1] + len(self.top),) * 2)
        for L, C, start, end in zip(self.roots, self.border, ends[:-1], ends[1:], strict=True):
            root[start:end, start:end] = L
            root[ends[-1] :, start:end] = C.T
        root[ends[-1] :, ends[-1] :] = self.top
        return root @ root.T

    def _back(self, halves: list[np.ndarray], top: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                half_solved(L, h - C @ top, transposed=True)
                for L, C, h in zip(self.roots, self.border, halves, strict=True)
            ]
        )


def factor_arrow(bundles: np.ndarray, border: np.ndarray, top: np.ndarray) -> Arrow:
    r"""Cholesky roots of a precision of bundles P (G, b, b), their border C (G, b, m) and the top Q (m, m).

    .. math:: P_g = R_g R_g', \qquad Q - \sum_g (R_g^{-1} C_g)' R_g^{-1} C_g = R R'

    Bundles touch the top alone, so that each is eliminated by itself, and what they leave to the top is its
    Schur complement [1]_. Entries of P are in the units of two effects to the power of -1 each. Products were
    eliminated before, by :func:`hdfm.sales.laplace.elimination.add_products`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the precision is not positive definite.

    References
    ----------
    .. [1] Boyd and Vandenberghe (2004), "Convex Optimization", appendix C.4: block elimination and Schur
       complements.
    """
    roots = [lower_root(block) for block in bundles]
    half = [half_solved(L, C) for L, C in zip(roots, border, strict=True)]
    complement = top - sum((C.T @ C for C in half), np.zeros_like(top))
    return Arrow(roots, half, lower_root(complement))


def left_by_first(
    n: int, bundles: np.ndarray, right: np.ndarray, top: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Schur complement of the first n effects of each bundle.

    Of a system of bundles (G, b, b), their ``right`` (G, b, m + 1), that is border and right-hand side, and
    the top's (m, m + 1): the same with b - n effects a bundle.
    """
    if not n:
        return bundles, right, top
    wide = np.concatenate([bundles[:, :n, n:], right[:, :n]], axis=2)
    roots = [lower_root(block) for block in bundles[:, :n, :n]]
    half = np.stack([half_solved(L, y) for L, y in zip(roots, wide, strict=True)])
    of_bundle, of_right = half[..., : -right.shape[2]], half[..., -right.shape[2] :]
    back = of_bundle.transpose(0, 2, 1)
    of_top = np.einsum("gnm,gnr->mr", of_right[..., :-1], of_right)
    return bundles[:, n:, n:] - back @ of_bundle, right[:, n:] - back @ of_right, top - of_top
