r"""Paths of products in the graph: demand u that wanders, elasticities that move by b about their mean.

.. math:: u_i \sim N(0, s_i^2 R(h_u)), \qquad b_i \sim N(0, s_b^2 R(h_b)), \qquad
    R_{tt'}(h) = 2^{-|\tau_t - \tau_{t'}| / h}

Neither is reported: given effects they are normal, and drawn where they are asked for.

Array names and axis order: N products, T periods.
"""

import numpy as np
import pymc as pm
from pymc.pytensorf import floatX

from hdfm.hierarchy.paths import PathClock, PathEvidence, paths_by_innovations, whitened_paths
from hdfm.hierarchy.whitened import Evidence, spread


def paths_of_products(panel, spec, data, eta, demand_sd):
    """u + b x (N, T), what paths add to eta (N, T); None where there are none."""
    if data.paths is None:
        return None
    moves = 0.0
    if spec.moves:
        moves = elasticity_paths(panel, spec, data, eta) * data.log_price
    if not spec.wanders:
        return moves
    return moves + demand_paths(panel, spec, data, eta + moves, demand_sd)


def elasticity_paths(panel, spec, data, eta):
    """b (N, T) about eta (N, T) of effects; weeks of other prices than usual alone say something of it."""
    priors, x = spec.priors, data.log_price
    size, median = priors.elasticity_path_sd, priors.elasticity_path_half_life
    sd = pm.Deterministic("elasticity_path_sd", spread("elasticity_path_sd_raw", size, size / 2))
    life = half_life("elasticity_path_half_life", median, priors.elasticity_path_half_life_log_sd)
    precision, shift = _about(data, eta)
    return paths_by_innovations(
        "elasticity_path_raw",
        sd,
        PathClock(data.paths.times, life),
        Evidence(precision * x**2, shift * x),
        **_cells(panel, data),
    )


def demand_paths(panel, spec, data, eta, sd):
    """u (N, T), with sds (N,) or (1,), about eta (N, T) of effects and moves."""
    priors, about = spec.priors, data.paths
    life = half_life("demand_half_life", priors.demand_half_life, priors.demand_half_life_log_sd)
    return whitened_paths(
        "demand_raw",
        sd,
        PathClock(about.times, life),
        PathEvidence(_about(data, eta), about.cosines, about.there),
        **_cells(panel, data),
    )


def _about(data, eta):
    """Evidence about what is added to eta (N, T): coordinates then are nearly independent of effects."""
    precision, shift = data.paths.evidence
    return Evidence(precision, shift - precision * eta)


def half_life(name, median, log_sd):
    """A half-life in usual distances of periods, log-normal."""
    return pm.LogNormal(name, np.log(median), log_sd, initval=floatX(median))


def _cells(panel, data):
    """Names and sizes of the dimensions of a cell."""
    sizes = data.product.type.shape + data.paths.times.type.shape
    return {"dims": (panel.dims["product"], panel.dims["time"]), "shape": sizes}
