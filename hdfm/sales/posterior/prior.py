"""Units drawn from the prior.

Array names and axis order: D draws, n rows.
"""

import numpy as np
import xarray as xr
from arviz_base import from_dict

from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.rows import SalesRows, rows_of_frame
from hdfm.sales.posterior.draws import DemandPosterior, demand_draws
from hdfm.sales.posterior.predict import linear_predictor_blocks
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.streams import Stream, stream


def with_units(
    tree: xr.DataTree, panel: SalesPanel, spec: DemandSpec, rows: SalesRows, seed: int
) -> xr.DataTree:
    """A tree of ``prior`` draws with ``prior_predictive``: ``units`` (1, D, n), rows in the frame's order."""
    effects = demand_draws(tree["prior"].to_dataset(), panel, spec)
    prior = DemandPosterior(effects, panel, spec, seed)
    units = np.empty((effects.delta.shape[1], len(rows.product)))
    rng = stream(seed, Stream.PRIOR_UNITS)
    for piece, eta, scale in linear_predictor_blocks(prior, rows):
        units[:, piece] = spec.family.draw_units(eta, scale, rng).T
    order, labels = rows_of_frame(panel)
    predictive = from_dict(
        {"prior_predictive": {"units": units[None, :, order]}},
        dims={"units": ["row"]},
        coords={"row": labels["row"]},
    )
    tree["prior_predictive"] = predictive["prior_predictive"]
    return tree
