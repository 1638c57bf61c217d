"""What the graph of demand is given, as arguments, padded to sizes that other panels share.

Array names and axis order: N products, G finest groups, T periods, K controls.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from hdfm.hierarchy.data import MANY, held, padded, room_for, rounded_up
from hdfm.hierarchy.groups import Members, held_members
from hdfm.hierarchy.whitened import Evidence
from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.graph.start import Start
from hdfm.sales.graph.wandering import time_cosines
from hdfm.sales.likelihoods.statistics import MASKED, UnitStatistics
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.selection import level_thresholds
from hdfm.sales.spec import DemandSpec

MOST_MIXED = 2_000_000
FEW_COUNTS = 64
FILL = {"log_weight": MASKED}  # of padding, elsewhere 0
FEW_CELLS = 2**13  # which take less long to compute than a program to compile


class Sizes(NamedTuple):
    """To what the arrays of a graph are padded.

    Attributes
    ----------
    products, periods : int
    complete : bool
        Whether all cells are observed and count once, and none is padded.
    """

    products: int
    periods: int
    complete: bool


def sizes_of(panel: SalesPanel) -> Sizes:
    """Exact sizes of a panel, without padding."""
    N, T = panel.units.shape
    return Sizes(N, T, bool(panel.observed.all()) and panel.weight is None)


def common_sizes(panel: SalesPanel) -> Sizes:
    """Padded sizes, shared by panels of some more or fewer products and periods."""
    N, T = map(rounded_up, panel.units.shape)
    return Sizes(N, max(T, MANY) if N * MANY <= FEW_CELLS else T, complete=False)


def units_data(panel: SalesPanel, spec: DemandSpec, sizes: Sizes) -> UnitStatistics:
    """Statistics of units for the likelihood, registered in the model in whose context this is called."""
    units, (N, T, complete) = spec.family.statistics(panel, spec.conditional), sizes
    if spec.has_paths and units.units_of_product is not None:
        units = replace(units, units=panel.units)  # sums do not suffice for what differs by cell
    if complete:  # weights are 1
        units = replace(units, weight=None, log_weight=None)
    n = 0 if units.counts is None else len(units.counts)
    room = n if complete else room_for(n, FEW_COUNTS)
    lengths: dict[str, tuple[int, ...]] = {
        "weight": (N, T),
        "log_weight": (N, T),
        "units": (N, T),
        "log_units": (N, T),
        "units_of_product": (N,),
        "units_by_price": (N,),
        "units_of_block": (len(panel.blocks), T),
        "counts": (room,),
        "times": (room,),
    }
    arrays = {field.name: getattr(units, field.name) for field in fields(units)}
    data = {}
    for name, array in arrays.items():
        if name in lengths and array is not None:
            array = padded(array, *lengths[name], fill=FILL.get(name, 0.0))
        data[name] = None if array is None else held(name, array)
    return UnitStatistics(**data)


class TimeData(NamedTuple):
    """Cosines of time effects.

    Attributes
    ----------
    cosines, walk : TensorVariable
        Of :func:`hdfm.sales.graph.cosines.zero_sum_cosines`; 0 for cosines and periods that there are not.
    evidence : Evidence
        About heights of cosines, (G, 1) and (G, T - 1).
    mixing : TensorVariable or None
        Roots (G, T - 1, T - 1) of the covariances that heights have.
    """

    cosines: Any
    walk: Any
    evidence: Evidence
    mixing: Any


class PathData(NamedTuple):
    """Of demand that wanders and elasticities that move.

    Attributes
    ----------
    times : TensorVariable
        (T,), in usual distances of periods.
    evidence : Evidence
        About eta by cell (N, T).
    cosines : TensorVariable
        Of time (T, T), the constant among them; 0 for those that there are not.
    there : TensorVariable
        1 for cells (N, T), and 0 for those of products and periods that there are not.
    """

    times: Any
    evidence: Evidence
    cosines: Any
    there: Any


@dataclass(frozen=True, slots=True)
class DemandData:
    """All data of a graph but units, ``pm.Data`` of its model.

    Attributes
    ----------
    product : TensorVariable
        1 (N,), and 0 for products that there are not.
    group, block : Members
        Products' finest groups, and what shares time effects.
    levels : tuple of Members
        By level of groups, each one's parents.
    mean_log_units : TensorVariable
        About where levels are centred.
    log_price, log_exposure : TensorVariable or None
        (N, T).
    controls : TensorVariable or None
        (N, T, K).
    control_sd : TensorVariable or None
        (K,).
    product_evidence, elasticity_evidence : Evidence
        About products' levels and elasticities (N,).
    between_evidence : Evidence
        About slopes of levels on mean prices (G,), times the variance of levels.
    within_group_price : TensorVariable
        (N,).
    threshold : TensorVariable or None
        Levels (N,) from which on products were selected.
    time : TimeData or None
        None without time effects.
    noise_evidence : Evidence or None
        About logs of products' noise (N,); None where these do not differ.
    paths : PathData or None
        None where there are none.
    """

    product: Any
    group: Members
    block: Members
    levels: tuple[Members, ...]
    mean_log_units: Any
    log_price: Any
    log_exposure: Any
    controls: Any
    control_sd: Any
    product_evidence: Evidence
    elasticity_evidence: Evidence
    between_evidence: Evidence
    within_group_price: Any
    threshold: Any
    time: TimeData | None
    noise_evidence: Evidence | None
    paths: PathData | None


def demand_data(panel: SalesPanel, spec: DemandSpec, start: Start, sizes: Sizes) -> DemandData:
    """The data of a panel, registered in the model in whose context this is called."""
    N, T, _ = sizes
    within, above = panel.within_group_price, spec.selected_here
    threshold = None if above is None else level_thresholds(panel, above, spec.priors.global_mean)
    between = Evidence(
        np.bincount(panel.group, within**2), np.bincount(panel.group, within * start.product_effect)
    )
    levels, above_finest = [], 1
    for level in panel.levels:
        levels.append(held_members(f"{level.name}_parent", level.parent, above_finest))
        above_finest = len(level.labels)
    has_controls = bool(len(panel.controls))
    controls = padded(np.moveaxis(panel.controls, 0, -1), N, T)
    return DemandData(
        product=held("products", padded(np.ones(len(panel.product)), N)),
        group=held_members("product_group", panel.group, panel.n_groups, N),
        block=held_members("product_block", panel.block, len(panel.blocks), N),
        levels=tuple(levels),
        mean_log_units=held("mean_log_units", np.asarray(panel.mean_log_units)),
        log_price=None if panel.roles.price is None else held("log_price", padded(panel.log_price, N, T)),
        log_exposure=None
        if panel.roles.exposure is None
        else held("log_exposure", padded(panel.log_exposure, N, T)),
        controls=held("controls", controls) if has_controls else None,
        control_sd=held("control_sd", panel.control_sd) if has_controls else None,
        product_evidence=_held_evidence("product", start.product_evidence, N),
        elasticity_evidence=_held_evidence("elasticity", start.elasticity_evidence, N),
        between_evidence=_held_evidence("between_price", between, panel.n_groups),
        within_group_price=held("within_group_price", padded(within, N)),
        threshold=None if threshold is None else held("threshold", padded(threshold, N)),
        time=_time_data(panel, start, T) if spec.time_effects else None,
        noise_evidence=_held_evidence("noise", start.noise_evidence, N) if any(spec.noise_levels) else None,
        paths=_path_data(panel, start, sizes) if spec.has_paths else None,
    )


def _held_evidence(name, evidence, *sizes):
    return Evidence(
        *(
            held(f"{name}_{part}", padded(array, *sizes))
            for part, array in zip(Evidence._fields, evidence, strict=True)
        )
    )


def _time_data(panel, start, n_periods):
    cosines, walk = zero_sum_cosines(np.diff(panel.timeline.steps))
    G, n = len(panel.blocks), n_periods - 1
    precision, shift = start.time_evidence
    mixing = None
    if 0 < G * n**2 <= MOST_MIXED:
        mixing = np.tile(np.eye(n), (G, 1, 1))
        mixing[:, : len(cosines), : len(cosines)] = _mixing_of_cosines(start, cosines, walk)
    return TimeData(
        cosines=held("waves", padded(cosines, n, n_periods)),
        walk=held("walk", padded(walk, n)),
        evidence=Evidence(
            held("time_precision", _of_cosines(np.broadcast_to(precision, shift.shape), n)),
            held("time_shift", _of_cosines(shift, n)),
        ),
        mixing=None if mixing is None else held("mixing", mixing),
    )


def _path_data(panel, start, sizes):
    N, T, _ = sizes
    steps = panel.timeline.steps
    after = steps[-1] + np.arange(1, T - len(steps) + 1)
    return PathData(
        times=held("path_times", np.append(steps, after)),
        evidence=_held_evidence("cell", start.cell_evidence, N, T),
        cosines=held("path_cosines", padded(time_cosines(panel), T, T)),
        there=held("cells", padded(np.ones(panel.units.shape), N, T)),
    )


def _of_cosines(array, n):
    return padded(array, len(array), n)


def _mixing_of_cosines(start, cosines, walk):
    """Cholesky roots (G, T - 1, T - 1) of the covariances that coordinates of cosines have.

    Periods in which more is sold tell more, which joins cosines; demand that wanders leaves slow ones less.
    """
    sd = np.sqrt(start.time_shock_sd**2 + start.time_drift_sd**2 * walk)
    information = start.time_evidence.precision
    scale = sd / np.sqrt(1 + information * sd**2)
    left = np.sqrt(information / start.time_information.mean(axis=1, keepdims=True))
    joint = (cosines * start.time_information[:, None]) @ cosines.T
    precision = left[:, :, None] * joint * left[:, None] + np.diag(sd**-2)
    return np.linalg.cholesky(np.linalg.inv(scale[:, :, None] * precision * scale[:, None]))
