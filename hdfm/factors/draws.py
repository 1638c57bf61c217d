"""Draws of factors and loadings as plain arrays, and their forecast.

Array names and axis order: D draws (chains one after the other), N customers (1 where all have the same
loadings), S coefficients, T periods, F periods that were not fitted, L factors of a tier, G paths of a factor
(1, categories or customers).

    loading (D, N or 1, S, L); path (D, G, T, L)
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hdfm.factors.kriging import forecast, places_of
from hdfm.factors.pieces import by_draw
from hdfm.factors.tier import Tier
from hdfm.sampling.streams import labelled_stream

FORECAST_CELLS = 500_000


@dataclass(frozen=True, slots=True)
class TierDraws:
    """Draws of the factors of a tier.

    Attributes
    ----------
    tier : Tier
    loading : numpy.ndarray
        (D, N, S, L), or (D, 1, S, L) where all customers have the same.
    path : numpy.ndarray
        (D, G, T, L); those of customers times their multiplier.
    lengthscale : numpy.ndarray
        (D, L)
    multiplier : numpy.ndarray
        What paths (D, G) of unit variance were multiplied with; (1, 1) where that is 1.
    member : numpy.ndarray or None
        Which of the owners each customer (N,) belongs to, where they are groups of customers.
    ahead : numpy.ndarray or None
        The paths (D, G, F, L) in periods that were not fitted.
    """

    tier: Tier
    loading: np.ndarray
    path: np.ndarray
    lengthscale: np.ndarray
    multiplier: np.ndarray
    member: np.ndarray | None = None
    ahead: np.ndarray | None = None

    def at(self, d: np.ndarray, category: int, customer: np.ndarray, period: np.ndarray) -> np.ndarray:
        """Paths (d, O, L) that coefficients of a category read in some of the T + F periods (O,).

        Parameters
        ----------
        d : numpy.ndarray
            Positions (d, 1) of draws.
        category : int
            The category's position.
        customer : numpy.ndarray
            Positions (1 or d, O) of customers.
        """
        members = customer if self.member is None else self.member[customer]
        owner, T = self.tier.owner.reads(category, members), self.path.shape[2]
        out = self.path[d, owner, np.minimum(period, T - 1)]
        if self.ahead is None:
            return out
        late = np.flatnonzero(period >= T)
        whose = owner[:, late] if isinstance(owner, np.ndarray) else owner
        out[:, late] = self.ahead[d, whose, period[late] - T]
        return out

    def of_customers(self, which: np.ndarray) -> "TierDraws":
        """The draws of some of its customers."""
        return replace(
            self,
            loading=self.loading if self.loading.shape[1] == 1 else self.loading[:, which],
            path=self.path[:, which] if self.tier.owner.by_customer else self.path,
            member=None if self.member is None else self.member[which],
        )

    def mean(
        self, parts: Sequence[slice], which: slice | np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        r"""What the tier adds to coefficients (D, T, S), a mean over some customers.

        .. math:: \sum_l \bar w_{sl} \, \bar\theta_{sl}(t)

        Parameters
        ----------
        parts : sequence of slice
            The coefficients of each category.
        which : slice or numpy.ndarray
            Positions of the customers.
        weights : numpy.ndarray, optional
            How often each of them counts.
        """
        alike = self.loading.shape[1] == 1
        w = mean_of_customers(self.loading, *((slice(None), None) if alike else (which, weights)))
        moved = []
        for block, category in self.tier.owner.blocks(parts):
            path = self.path[:, self.tier.owner.reads(category, slice(None))]
            if self.tier.owner.by_customer:
                path = mean_of_customers(path, which, weights)
            elif self.member is not None:
                times = np.bincount(self.member[which], weights, minlength=path.shape[1])
                path = mean_of_customers(path, slice(None), times)
            moved.append(np.einsum("dsl,dtl->dts", w[:, block], path))
        return moved[0] if len(moved) == 1 else np.concatenate(moved, axis=2)


def mean_of_customers(
    values: np.ndarray, which: slice | np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Means (D, ...) over some of the customers of values (D, N, ...)."""
    return by_draw(lambda draws: np.average(draws, axis=1, weights=weights), values[None], which)[0]


def tier_draws(
    tier: Tier,
    loading: np.ndarray,
    path: np.ndarray,
    lengthscale: np.ndarray,
    multiplier: np.ndarray | None = None,
    member: np.ndarray | None = None,
) -> TierDraws:
    """Draws of a tier from its variables by draw, as graphs report them; without ``multiplier`` it is 1.

    Parameters
    ----------
    member : numpy.ndarray, optional
        Which of the paths' owners each customer (N,) belongs to, where they are customers or groups of them.
    """
    D, L = len(path), path.shape[-1]
    return TierDraws(
        tier=tier,
        loading=loading[:, None] if loading.ndim == 3 else loading,
        path=path if tier.owner.dims else path[:, None],
        lengthscale=np.broadcast_to(lengthscale.reshape(D, -1), (D, L)).astype(float),
        multiplier=np.ones((1, 1)) if multiplier is None else multiplier,
        member=None if tier.owner.by_customer else member,
    )


def extend_tier(
    draws: TierDraws, times: np.ndarray, new_times: np.ndarray, kernel: str, seed: int, *, step: float
) -> TierDraws:
    """Draws with paths in further periods, forecast by the exact process given their draws.

    Random numbers are keyed by the position of a period, in steps from those of training.
    """
    places = places_of(times, new_times, step)
    D, G, _, L = draws.path.shape
    ahead = np.empty((D, G, len(new_times), L), dtype=draws.path.dtype)
    for k in range(L):
        normals = KeyedNormals(seed, draws.tier.owner.name, k)
        _forecast(draws, k, places, kernel, normals, ahead[..., k])
    return replace(draws, ahead=ahead)


class KeyedNormals:
    """Standard normals of a seed and labels, a stream for each key, which goes on from call to call."""

    def __init__(self, seed: int, *labels: Hashable):
        self.seed, self.labels = seed, labels
        self.streams: dict[tuple, np.random.Generator] = {}

    def __call__(self, size: int, *key: Hashable) -> np.ndarray:
        """The next (size,) of a key's stream."""
        if key not in self.streams:
            self.streams[key] = labelled_stream(self.seed, *self.labels, *key)
        return self.streams[key].standard_normal(size)


def _forecast(draws, factor, places, kernel, normals, out):
    """Draws of one factor of a tier in further periods, into ``out`` (D, G, F)."""
    D, G, T = draws.path.shape[:3]
    block = max(1, FORECAST_CELLS // (G * T))
    for start in range(0, D, block):
        piece = slice(start, start + block)
        a = draws.multiplier[piece if len(draws.multiplier) > 1 else slice(None)][..., None]
        unit = (draws.path[piece, :, :, factor].astype(float) / a).reshape(-1, T)
        rho = np.repeat(draws.lengthscale[piece, factor], G)
        drawn = forecast(kernel, rho, unit, places, normals).reshape(-1, G, out.shape[2])
        if draws.tier.zero_sum:
            drawn -= drawn.mean(axis=1, keepdims=True)
        out[piece] = a * drawn
