r"""Factors of all tiers: aligned over draws, their shares of variance, what is identified.

Array names and axis order: K chains, D draws, N customers, S coefficients, T periods, C categories, L factors
of a tier. Values by name, as the graph of a model reports them; coefficients are multiplied by
``scale`` (S,) where they are compared.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from hdfm.factors.align import align, identification_report
from hdfm.factors.curves import Curves, contribution_curves, curve_sd, mean_loadings, permute
from hdfm.factors.tier import Tier, present_tiers, tier_of
from hdfm.factors.variances import customer_variances, factor_variances, mean_squares, variance_shares

Values = Mapping[str, np.ndarray]


def values_of(draws: xr.Dataset) -> dict[str, np.ndarray]:
    """Arrays (K, D, ...) by name, views of the variables."""
    return {str(name): values.transpose("chain", "draw", ...).to_numpy() for name, values in draws.items()}


def align_factors(values: Values, parts: Sequence[slice], scale: np.ndarray) -> dict[str, np.ndarray]:
    """The values with the factors of each tier in one order, the same in all draws.

    Arrays are changed in place where they can be written, draw by draw: they may be as large as memory.

    Parameters
    ----------
    parts : sequence of slice
        The coefficients of each category.
    """
    out = dict(values)
    for tier in present_tiers(values):
        if values[tier.path].shape[-1] > 1:
            permutation = align(tier_curves(tier, values, parts, scale)).permutation
            for name in tier.by_factor:
                out[name] = permute(values[name], permutation)
    return out


def tier_curves(tier: Tier, values: Values, parts: Sequence[slice], scale: np.ndarray) -> Curves:
    """Contribution curves (K, D, G T, L), of the mean loadings of the coefficients that read each path."""
    blocks = [block for block, _ in tier.owner.blocks(parts)]
    w = mean_loadings(values[tier.loading]) * scale[:, None]
    return contribution_curves(w, _paths(tier, values), blocks)


def tier_variances(
    values: Values, parts: Sequence[slice], scale: np.ndarray, owners: Values | None = None
) -> dict[str, np.ndarray]:
    """:func:`hdfm.factors.variances.factor_variances` (K, D, L) by name of a tier.

    Parameters
    ----------
    owners : mapping of str to numpy.ndarray, optional
        As in :class:`hdfm.factors.data.FactorData`; needed of groups of customers.
    """
    variances: dict[str, np.ndarray] = {}
    for tier in present_tiers(values):
        squares, theta = mean_squares(values[tier.loading]) * scale[:, None] ** 2, _paths(tier, values)
        times = _members(tier, owners or {})
        blocks = [
            factor_variances(
                squares[..., block, :], theta[:, :, tier.owner.reads(category, slice(None))], times
            )
            for block, category in tier.owner.blocks(parts)
        ]
        variances[tier.name] = np.sum(blocks, axis=0)
    return variances


def _members(tier, owners):
    """Number of customers (G,) of each owner; None where owners are no groups of customers."""
    are_groups = tier.owner.name in owners and not tier.owner.by_customer
    return np.bincount(owners[tier.owner.name]) if are_groups else None


def _paths(tier, values):
    """theta (K, D, G, T, L)."""
    theta = values[tier.path]
    return theta if tier.owner.dims else theta[:, :, None]


def static_variances(values: Values, scale: np.ndarray) -> np.ndarray | None:
    """Variances (K, D, S) over customers of their coefficients; None without customers."""
    return customer_variances(values["alpha"]) * scale**2 if "alpha" in values else None


def factor_table(
    values: Values,
    parts: Sequence[slice],
    scale: np.ndarray,
    time_span: float,
    ci_prob: float,
    *,
    owners: Values | None = None,
) -> pd.DataFrame:
    """Each factor's share of variance and lengthscale, a row by ``tier`` and ``factor``.

    Parameters
    ----------
    owners : mapping of str to numpy.ndarray, optional
        As in :func:`tier_variances`.

    Returns
    -------
    pandas.DataFrame
        ``share``: posterior mean of the share in all that moves; ``share_of_all``: in that and the
        differences between customers, with interval ``share_lower`` to ``share_upper``; ``lengthscale``:
        posterior median, with interval, in the unit of the time column (days for dates).
    """
    ends = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    variances = tier_variances(values, parts, scale, owners)
    moving, every = variance_shares(variances), variance_shares(variances, static_variances(values, scale))
    tables = {}
    for tier, share in moving.items():
        rho = values[tier_of(tier).lengthscale] * time_span
        rho = np.broadcast_to(rho.reshape(*rho.shape[:2], -1), share.shape)
        share_lower, share_upper = np.quantile(every[tier], ends, axis=(0, 1))
        lower, middle, upper = np.quantile(rho, [ends[0], 0.5, ends[1]], axis=(0, 1))
        columns = {
            "share": share.mean(axis=(0, 1)),
            "share_of_all": every[tier].mean(axis=(0, 1)),
            "share_lower": share_lower,
            "share_upper": share_upper,
            "lengthscale": middle,
            "lengthscale_lower": lower,
            "lengthscale_upper": upper,
        }
        tables[tier] = pd.DataFrame(columns, index=pd.RangeIndex(1, share.shape[-1] + 1))
    names = ["tier", "factor"]
    if not tables:
        empty = pd.MultiIndex.from_arrays([[], []], names=names)
        return pd.DataFrame(columns=["share", "share_of_all", "lengthscale"], index=empty, dtype=float)
    table = pd.concat(tables, names=names)
    table.attrs["ci_prob"] = ci_prob
    return table


def identification_table(
    values: Values,
    prior: Values,
    parts: Sequence[slice],
    scale: np.ndarray,
    *,
    owners: Values | None = None,
) -> pd.DataFrame:
    """The :func:`hdfm.factors.align.identification_report` of all tiers.

    Parameters
    ----------
    values, prior : mapping of str to numpy.ndarray
        Aligned draws of the posterior, and draws of the prior, which are put in order in place.
    owners : mapping of str to numpy.ndarray, optional
        As in :func:`tier_variances`.
    """
    variances = tier_variances(values, parts, scale, owners)
    shares = variance_shares(variances, static_variances(values, scale))
    before = align_factors(prior, parts, scale)
    tables = {}
    for tier in present_tiers(values):
        curves = tier_curves(tier, values, parts, scale)
        spread = curve_sd(tier_curves(tier, before, parts, scale))
        tables[tier.name] = identification_report(curves, align(curves), shares[tier.name], spread)
    return pd.concat(tables, names=["tier", "factor"]) if tables else pd.DataFrame()
