"""A posterior of which customers' draws are not there, but their means and standard deviations.

Array names and axis order: K chains, D draws.
"""

import numpy as np
import xarray as xr

from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.tables import values_of
from hdfm.summaries.moments import AVERAGE, GROUP, MEAN, SD


def has_means_alone(tree: xr.DataTree) -> bool:
    """Whether posterior means of customers are kept without their draws."""
    return GROUP in tree.children


def refuse_means_alone(tree: xr.DataTree, what: str) -> None:
    """Raise if draws of customers, which something needs, are not kept."""
    if has_means_alone(tree):
        raise InvalidArgumentError(
            f'{what} needs the draws of customers; keep="means" kept their means. Fit with keep="draws", or '
            "with a number of draws to keep."
        )


def plug_in(tree: xr.DataTree) -> xr.Dataset:
    """Plug-in estimate: one draw, everything at its posterior mean; or all draws where they are."""
    posterior = tree["posterior"].to_dataset()
    if not has_means_alone(tree):
        return posterior
    means = posterior.mean(["chain", "draw"]).assign(_means(tree))
    return means.expand_dims(chain=1, draw=1).transpose("chain", "draw", ...)


def all_values(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Arrays (K, D, ...) by name; where means are kept, the same in all draws, without their memory."""
    values = values_of(tree["posterior"].to_dataset())
    if has_means_alone(tree):
        size = next(iter(values.values())).shape[:2]
        for name, mean in _means(tree).items():
            values[str(name)] = np.broadcast_to(mean.to_numpy(), (*size, *mean.shape))
    return values


def population_draws(tree: xr.DataTree) -> np.ndarray | None:
    """Mean coefficients (K D, T, S) of all customers, where their own draws are not kept."""
    if not has_means_alone(tree):
        return None
    posterior = tree["posterior"].to_dataset()
    if "coefficient_path" in posterior:
        paths = posterior["coefficient_path"].to_numpy()
    else:
        paths = posterior[AVERAGE].to_numpy()[:, :, None, :]
    return paths.reshape(-1, *paths.shape[2:])


def customer_sd(tree: xr.DataTree) -> np.ndarray | None:
    """Standard deviations (N, S) over draws of customers' coefficients, where they are kept instead."""
    if not has_means_alone(tree) or f"alpha{SD}" not in tree[GROUP]:
        return None
    return tree[GROUP][f"alpha{SD}"].to_numpy()


def _means(tree):
    group = tree[GROUP].to_dataset()
    names = [str(name) for name in group if str(name).endswith(MEAN)]
    return group[names].rename({name: name.removesuffix(MEAN) for name in names})
