"""Draws of factors and loadings as plain arrays, and their forecast.

Array names and axis order: D draws (chains one after the other), N customers (1 where all have the same
loadings), S coefficients, T periods, F periods that were not fitted, L factors of a tier, G paths of a tier
(1, categories or customers).

    loading (D, N or 1, S, L); path (D, G, T, L)
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np

from hdfm.exceptions import unknown
from hdfm.factors.kriging import forecast, places_of
from hdfm.sampling.streams import labelled_stream

FORECAST_CELLS = 500_000


@dataclass(frozen=True, slots=True)
class Tier:
    """Draws of the factors of a tier.

    Attributes
    ----------
    owner : {"one", "category", "customer"}
        Whether a factor has one path, one a category, or one a customer.
    loading : numpy.ndarray
        (D, N, S, L), or (D, 1, S, L) where all customers have the same.
    path : numpy.ndarray
        (D, G, T, L); those of customers times their multiplier.
    lengthscale : numpy.ndarray
        (D, L)
    multiplier : numpy.ndarray
        What paths (D, G) of unit variance were multiplied with; (1, 1) where that is 1.
    ahead : numpy.ndarray or None
        The paths (D, G, F, L) in periods that were not fitted.
    """

    owner: str
    loading: np.ndarray
    path: np.ndarray
    lengthscale: np.ndarray
    multiplier: np.ndarray
    ahead: np.ndarray | None = None

    def at(self, d: np.ndarray, owner: int | np.ndarray, period: np.ndarray) -> np.ndarray:
        """Paths (d, O, L) in some of the T + F periods (O,), in the draws d (d, 1).

        Parameters
        ----------
        owner : int or numpy.ndarray
            Which of the G paths; (1 or d, O) where they are several.
        """
        T = self.path.shape[2]
        out = self.path[d, owner, np.minimum(period, T - 1)]
        if self.ahead is None:
            return out
        late = np.flatnonzero(period >= T)
        whose = owner[:, late] if isinstance(owner, np.ndarray) else owner
        out[:, late] = self.ahead[d, whose, period[late] - T]
        return out

    def of_customers(self, which: np.ndarray) -> "Tier":
        """The tier of some of its customers."""
        return replace(
            self,
            loading=self.loading if self.loading.shape[1] == 1 else self.loading[:, which],
            path=self.path[:, which] if _by_customer(self.owner) else self.path,
        )


def tier_draws(
    owner: str,
    loading: np.ndarray,
    path: np.ndarray,
    lengthscale: np.ndarray,
    multiplier: np.ndarray | None,
) -> Tier:
    """A tier from its variables by draw, as graphs report them; without ``multiplier`` (D, N) it is 1."""
    D, L = len(path), path.shape[-1]
    same = np.ones((1, 1))
    match owner:
        case "one":
            path, multiplier = path[:, None], same
        case "category":
            multiplier = same
        case "customer":
            multiplier = same if multiplier is None else multiplier
        case _:
            raise unknown("tier", owner)
    return Tier(
        owner=owner,
        loading=loading[:, None] if loading.ndim == 3 else loading,
        path=path,
        lengthscale=np.broadcast_to(lengthscale.reshape(D, -1), (D, L)).astype(float),
        multiplier=multiplier,
    )


def extend_tier(
    tier: Tier, times: np.ndarray, new_times: np.ndarray, kernel: str, seed: int, *, step: float
) -> Tier:
    """The tier with paths in further periods, forecast by the exact process given their draws.

    Random numbers are keyed by the position of a period, in steps from those of training.
    """
    places = places_of(times, new_times, step)
    D, G, _, L = tier.path.shape
    ahead = np.empty((D, G, len(new_times), L), dtype=tier.path.dtype)
    for k in range(L):
        _forecast(tier, k, places, kernel, KeyedNormals(seed, tier.owner, k), ahead[..., k])
    return replace(tier, ahead=ahead)


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


def _forecast(tier, factor, places, kernel, normals, out):
    """Draws of one factor of a tier in further periods, into ``out`` (D, G, F)."""
    D, G, T = tier.path.shape[:3]
    block = max(1, FORECAST_CELLS // (G * T))
    for first in range(0, D, block):
        piece = slice(first, first + block)
        a = tier.multiplier[piece if len(tier.multiplier) > 1 else slice(None)][..., None]
        unit = (tier.path[piece, :, :, factor].astype(float) / a).reshape(-1, T)
        rho = np.repeat(tier.lengthscale[piece, factor], G)
        drawn = forecast(kernel, rho, unit, places, normals).reshape(-1, G, out.shape[2])
        if _by_customer(tier.owner):  # individual factors sum to zero
            drawn -= drawn.mean(axis=1, keepdims=True)
        out[piece] = a * drawn


def _by_customer(owner):
    """Whether every customer has a path."""
    match owner:
        case "customer":
            return True
        case "one" | "category":
            return False
        case _:
            raise unknown("tier", owner)
