"""Draws of factors and loadings as plain arrays, and their forecast.

Array names and axis order: D draws (chains one after the other), N customers (1 where all have the same
loadings), S coefficients, T periods, F periods that were not fitted, L factors of a tier, G paths of a tier
(1, categories or customers).

    loading (D, N or 1, S, L); path (D, G, T, L)
"""

from dataclasses import dataclass, replace

import numpy as np

from hdfm.exceptions import unknown
from hdfm.factors.kriging import forecast
from hdfm.sampling.streams import labelled_stream

FORECAST_CELLS = 2_000_000


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
    """

    owner: str
    loading: np.ndarray
    path: np.ndarray
    lengthscale: np.ndarray
    multiplier: np.ndarray


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


def extend_tier(tier: Tier, times: np.ndarray, new_times: np.ndarray, kernel: str, seed: int) -> Tier:
    """The tier with paths in further periods, forecast by the exact process given their draws."""
    ahead = [_ahead(tier, k, times, new_times, kernel, seed) for k in range(tier.path.shape[-1])]
    return replace(tier, path=np.concatenate([tier.path, np.stack(ahead, axis=-1)], axis=2))


def _ahead(tier, factor, times, new_times, kernel, seed):
    """Draws (D, G, F) of one factor of a tier in further periods."""
    D, G, T = tier.path.shape[:3]
    rng = labelled_stream(seed, tier.owner, factor)
    out = np.empty((D, G, len(new_times)))
    block = max(1, FORECAST_CELLS // (G * T))
    for first in range(0, D, block):
        piece = slice(first, first + block)
        a = tier.multiplier[piece if len(tier.multiplier) > 1 else slice(None)][..., None]
        unit = (tier.path[piece, :, :, factor] / a).reshape(-1, T)
        rho = np.repeat(tier.lengthscale[piece, factor], G)
        drawn = forecast(kernel, rho, times, unit, new_times, rng).reshape(-1, G, len(new_times))
        if _sums_to_zero(tier.owner):
            drawn -= drawn.mean(axis=1, keepdims=True)
        out[piece] = a * drawn
    return out


def _sums_to_zero(owner):
    """Whether the paths of a tier sum to zero over its G."""
    match owner:
        case "customer":
            return True
        case "one" | "category":
            return False
        case _:
            raise unknown("tier", owner)
