r"""What each factor adds to the average coefficient over time, draw by draw.

.. math:: c_l(t) = \bar w_l \, \theta_l(t)

Array names and axis order: K chains, D draws, N customers, S coefficients, G paths of a factor (1, categories
or customers), T times of a path, L factors of a tier.

    loadings w (K, D, N, S, L) or (K, D, S, L); paths theta (K, D, T, L) or (K, D, G, T, L)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hdfm.factors.pieces import by_draw, draw_pieces, pieces


@dataclass(frozen=True, slots=True)
class Curves:
    """Contribution curves (K, D, G T, L), made for some draws or some times when they are asked for.

    With a path for every customer all of them would be larger than the draws.

    Attributes
    ----------
    weight : numpy.ndarray
        Mean loadings (K, D, G or 1, L).
    path : numpy.ndarray
        (K, D, G, T, L)
    """

    weight: np.ndarray
    path: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(K, D, G T, L)"""
        K, D, G, T, L = self.path.shape
        return K, D, G * T, L

    def of_draw(self, m: int) -> np.ndarray:
        """(G T, L), of one of the K D draws."""
        k, d = divmod(m, self.path.shape[1])
        return (self.weight[k, d, :, None] * self.path[k, d]).reshape(self.shape[2:])

    def over_draws(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Positions among the K D draws, and the curves (n, G T, L) there, until all are seen."""
        D = self.path.shape[1]
        for k, draw in draw_pieces(self.path):
            curves = self.weight[k, draw, :, None] * self.path[k, draw]
            yield slice(k * D + draw.start, k * D + draw.stop), curves.reshape(-1, *self.shape[2:])

    def over_times(self, permutation: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Curves (K, D, t, L) of all draws at some times, until all are seen; see :func:`permuted`."""
        K, D, G, T, L = self.path.shape
        for g in pieces(G, K * D * T * L):
            weight = self.weight if self.weight.shape[2] == 1 else self.weight[:, :, g]
            for t in pieces(T, K * D * (g.stop - g.start) * L):
                curves = (weight[..., None, :] * self.path[:, :, g, t]).reshape(K, D, -1, L)
                yield curves if permutation is None else permuted(curves, permutation, -1)

    def to_dense(self) -> np.ndarray:
        """All of them (K, D, G T, L)."""
        return (self.weight[..., None, :] * self.path).reshape(self.shape)


def contribution_curves(
    loadings: np.ndarray, paths: np.ndarray, blocks: Sequence[slice] = (slice(None),)
) -> Curves:
    r"""Contribution of each factor to the average coefficient.

    .. math:: c_l(t) = \bar w_l \, \theta_l(t), \qquad \bar w_l = \frac{1}{N S} \sum_{is} w_{isl}

    Parameters
    ----------
    blocks : sequence of slice
        The coefficients that read each of the G paths, where those are several; by default all read all.

    Examples
    --------
    >>> curves = contribution_curves(np.full((1, 1, 3, 1), 0.5), np.array([[[[1.0], [-1.0]]]]))
    >>> curves.to_dense().ravel().tolist()
    [0.5, -0.5]
    """
    weights = [by_draw(partial(_mean_of_block, block), loadings) for block in blocks]
    return Curves(np.stack(weights, axis=2), paths if paths.ndim == 5 else paths[:, :, None])


def _mean_of_block(block, w):
    """Mean loadings (n, L) of some coefficients, of w (n, ..., S, L)."""
    w = w[..., block, :]
    return w.reshape(len(w), -1, w.shape[-1]).mean(axis=1)


def mean_loadings(loadings: np.ndarray) -> np.ndarray:
    """Means over customers (K, D, S, L) of loadings (K, D, N, S, L) or (K, D, S, L)."""
    if loadings.ndim == 4:
        return loadings.astype(float)
    return by_draw(lambda w: w.mean(axis=1), loadings)


def curve_sd(curves: Curves, permutation: np.ndarray | None = None) -> np.ndarray:
    """Standard deviation over draws of the curves, root mean square over time (L,)."""
    variance = sum(piece.var(axis=(0, 1)).sum(axis=0) for piece in curves.over_times(permutation))
    return np.sqrt(variance / curves.shape[2])


def permuted(values: np.ndarray, permutation: np.ndarray, axis: int) -> np.ndarray:
    """Values, say loadings (K, D, N, S, L), with the factors on ``axis`` put in the order (K, D, L)."""
    draws = permutation.shape[:-1]
    shape = [*draws] + [1] * (values.ndim - len(draws))
    shape[axis] = permutation.shape[-1]
    return np.take_along_axis(values, permutation.reshape(shape), axis=axis)


def permute(values: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """As :func:`permuted` on the last axis, in place: only draws in which factors move are touched.

    Returns
    -------
    numpy.ndarray
        ``values`` themselves, or a permuted copy where they can't be written.
    """
    if not values.flags.writeable:
        return permuted(values, permutation, -1)
    for k, d in np.argwhere((permutation != np.arange(permutation.shape[-1])).any(axis=-1)):
        values[k, d] = values[k, d][..., permutation[k, d]]
    return values
