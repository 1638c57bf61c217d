"""Means and standard deviations in place of draws, labelled."""

import xarray as xr

from hdfm.sampling.store import Moments

GROUP, MEAN, SD = "customers", "_mean", "_sd"
AVERAGE = "coefficient_average"


def moments_group(moments: dict[str, Moments], dims: dict[str, list], coords: dict[str, list]) -> xr.Dataset:
    """Means and standard deviations by name, ``alpha_mean`` and ``alpha_sd`` say, labelled."""
    variables = {
        f"{name}{ending}": (dims[name], values)
        for name, pair in moments.items()
        for ending, values in ((MEAN, pair.mean), (SD, pair.sd))
    }
    used = {dim for names, _ in variables.values() for dim in names}
    return xr.Dataset(variables, {dim: coords[dim] for dim in used})
