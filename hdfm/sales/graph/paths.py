r"""Paths of products in the graph: demand u that wanders, elasticities that move by b about their mean.

.. math:: u_i \sim N(0, s_i^2 R(h_u)), \qquad b_i \sim N(0, s_b^2 R(h_b)), \qquad
    R_{tt'}(h) = 2^{-|\tau_t - \tau_{t'}| / h}

Neither is reported: given effects they are normal, and drawn where they are asked for.

Array names and axis order: N products, T periods.
"""

import numpy as np
import pymc as pm
from pymc.pytensorf import floatX

from hdfm.hierarchy.paths import PathClock, free_paths, whitened_paths
from hdfm.hierarchy.whitened import Evidence, spread


def paths_of_products(panel, spec, data, eta, demand_sd):
    """u + b x (N, T), what paths add to eta (N, T); None where there are none."""
    if data.paths is None:
        return None
    moves = 0.0
    if spec.moves:
        moves = elasticity_paths(panel, spec, data) * data.log_price
    if not spec.wanders:
        return moves
    return moves + demand_paths(panel, spec, data, eta + moves, demand_sd)


def elasticity_paths(panel, spec, data):
    """b (N, T): single periods say little of it, and it is sampled as it is a priori."""
    priors = spec.priors
    size, median = priors.elasticity_path_sd, priors.elasticity_path_half_life
    sd = pm.Deterministic("elasticity_path_sd", spread("elasticity_path_sd_raw", size, size / 2))
    life = half_life("elasticity_path_half_life", median, priors.elasticity_path_half_life_log_sd)
    dims, shape = _cells(panel, data)
    return free_paths("elasticity_path_raw", sd, PathClock(data.paths.times, life), dims=dims, shape=shape)


def demand_paths(panel, spec, data, eta, sd):
    """u (N, T), with sds (N,) or (1,), about eta (N, T) of everything else.

    Evidence about cells is evidence about u less eta: coordinates then are nearly independent of effects.
    """
    priors = spec.priors
    life = half_life("demand_half_life", priors.demand_half_life, priors.demand_half_life_log_sd)
    precision, shift = data.paths.evidence.about
    about = Evidence(precision, shift - precision * eta)
    dims, shape = _cells(panel, data)
    return whitened_paths(
        "demand_raw",
        sd,
        PathClock(data.paths.times, life),
        data.paths.evidence._replace(about=about),
        dims=dims,
        shape=shape,
    )


def half_life(name, median, log_sd):
    """A half-life in usual distances of periods, log-normal."""
    return pm.LogNormal(name, np.log(median), log_sd, initval=floatX(median))


def _cells(panel, data):
    """Names and sizes of the dimensions of a cell."""
    sizes = data.product.type.shape + data.paths.times.type.shape
    return (panel.dims["product"], panel.dims["time"]), sizes
