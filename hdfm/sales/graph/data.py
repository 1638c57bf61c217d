"""What the graph of demand is given, as arguments, padded to sizes that other panels share.

Array names and axis order: N products, G finest groups, T periods, K controls.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaln

from hdfm.exceptions import unknown
from hdfm.hierarchy.data import MANY, held, padded, room_for, rounded_up
from hdfm.hierarchy.groups import Members, held_members
from hdfm.hierarchy.whitened import Evidence
from hdfm.sales.graph.start import Start
from hdfm.sales.graph.waves import zero_sum_waves
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.selection import level_thresholds
from hdfm.sales.spec import DemandSpec

MOST_MIXED = 2_000_000
FEW_COUNTS = 64
MASKED = -1e30
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
    """Those of the panel itself."""
    N, T = panel.units.shape
    return Sizes(N, T, bool(panel.observed.all()) and panel.weight is None)


def common_sizes(panel: SalesPanel) -> Sizes:
    """Sizes that panels of some more or fewer products and periods share."""
    N, T = map(rounded_up, panel.units.shape)
    return Sizes(N, max(T, MANY) if N * MANY <= FEW_CELLS else T, complete=False)


@dataclass(frozen=True, slots=True)
class UnitsData:
    r"""What likelihoods take of units sold y, and nothing of what they don't.

    Attributes
    ----------
    constant : TensorVariable
        What depends on nothing that is estimated.
    weight : TensorVariable or None
        How often cells count (N, T), 0 where not observed; None where all are, and count once.
    log_weight : TensorVariable or None
        Its log, a very low number for 0.
    of_product, of_price, of_block, of_control : TensorVariable or None
        :math:`\sum_t w_{it} y_{it}` (N,), :math:`\sum_t w_{it} y_{it} x_{it}` (N,), sums over products (G, T)
        and over all cells times the controls (K,): :math:`\sum_{it} w_{it} y_{it} \eta_{it}` needs no more.
    cells : TensorVariable or None
        y (N, T), or its logarithm.
    counts, times : TensorVariable or None
        Distinct counts, and how often each stands there.
    number : TensorVariable or None
        How many cells are observed, as often as they count.
    """

    constant: Any
    weight: Any
    log_weight: Any = None
    of_product: Any = None
    of_price: Any = None
    of_block: Any = None
    of_control: Any = None
    cells: Any = None
    counts: Any = None
    times: Any = None
    number: Any = None


def units_data(panel: SalesPanel, spec: DemandSpec, sizes: Sizes) -> UnitsData:
    """The units of a panel, registered in the model in whose context this is called."""
    y, (N, T, complete) = panel.units, sizes
    cells = padded(panel.weighted(panel.observed.astype(float)), N, T)
    weight = None if complete else held("weight", cells)
    match spec.likelihood:
        case "log_normal":
            log_units = np.log(np.where(panel.observed, y, 1.0))
            number = panel.cells.sum()
            constant = -panel.weighted(log_units).sum() - number * np.log(2 * np.pi) / 2
            return UnitsData(
                held("constant", constant),
                weight,
                cells=held("log_units", padded(log_units, N, T)),
                number=held("number", np.asarray(float(number))),
            )
        case "negative_binomial":
            counts, times = panel.distinct_counts
            size = len(counts) if complete else room_for(len(counts), FEW_COUNTS)
            return _sums_of_units(
                panel,
                sizes,
                held("constant", _of_counts(panel)),
                weight,
                cells=held("units", padded(y, N, T)),
                counts=held("counts", padded(counts, size)),
                times=held("times", padded(times.astype(float), size)),
            )
        case "poisson":
            constant = _of_counts(panel)
            if not spec.conditional:
                return _sums_of_units(panel, sizes, held("constant", constant), weight)
            constant += gammaln(panel.units_sold + 1).sum()
            logs = np.log(cells, where=cells > 0, out=np.full(cells.shape, MASKED))
            log_weight = None if complete else held("log_weight", logs)
            return _sums_of_units(panel, sizes, held("constant", constant), None, log_weight=log_weight)
        case _:
            raise unknown("likelihood", spec.likelihood)


def _of_counts(panel):
    y = panel.weighted_units
    return (y * panel.log_exposure).sum() - panel.total(gammaln(panel.units + 1))


def _sums_of_units(panel, sizes, constant, weight, **more):
    y, (N, T, _) = panel.weighted_units, sizes
    by_block = np.zeros((len(panel.blocks), y.shape[1]))
    np.add.at(by_block, panel.block, y)
    return UnitsData(
        constant,
        weight,
        of_product=held("units_of_product", padded(y.sum(axis=1), N)),
        of_price=held("units_by_price", padded((y * panel.log_price).sum(axis=1), N)),
        of_block=held("units_of_block", padded(by_block, len(by_block), T)),
        of_control=held("units_by_control", np.tensordot(panel.controls, y, axes=2)),
        **more,
    )


class TimeData(NamedTuple):
    """Waves of time effects.

    Attributes
    ----------
    waves, walk : TensorVariable
        Of :func:`hdfm.sales.graph.waves.zero_sum_waves`; 0 for waves and periods that there are not.
    evidence : Evidence
        About heights of waves, (G, 1) and (G, T - 1).
    mixing : TensorVariable or None
        Roots (G, T - 1, T - 1) of the covariances that heights have.
    """

    waves: Any
    walk: Any
    evidence: Evidence
    mixing: Any


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
    )


def _held_evidence(name, evidence, *sizes):
    return Evidence(
        *(
            held(f"{name}_{part}", padded(each, *sizes))
            for part, each in zip(Evidence._fields, evidence, strict=True)
        )
    )


def _time_data(panel, start, n_periods):
    waves, walk = zero_sum_waves(np.diff(panel.timeline.steps))
    G, n = len(panel.blocks), n_periods - 1
    precision, shift = start.time_evidence
    mixing = None
    if 0 < G * n**2 <= MOST_MIXED:
        mixing = np.tile(np.eye(n), (G, 1, 1))
        mixing[:, : len(waves), : len(waves)] = _mixing_of_waves(start, waves, walk)
    return TimeData(
        waves=held("waves", padded(waves, n, n_periods)),
        walk=held("walk", padded(walk, n)),
        evidence=Evidence(
            held("time_precision", _of_waves(np.broadcast_to(precision, shift.shape), n)),
            held("time_shift", _of_waves(shift, n)),
        ),
        mixing=None if mixing is None else held("mixing", mixing),
    )


def _of_waves(array, n):
    return padded(array, len(array), n)


def _mixing_of_waves(start, waves, walk):
    """Cholesky roots (G, T - 1, T - 1) of the covariances that coordinates of waves have.

    Periods in which more is sold tell more, which joins waves.
    """
    sd = np.sqrt(start.time_shock_sd**2 + start.time_drift_sd**2 * walk)
    scale = sd / np.sqrt(1 + start.time_evidence.precision * sd**2)
    precision = (waves * start.time_information[:, None]) @ waves.T + np.diag(sd**-2)
    return np.linalg.cholesky(np.linalg.inv(scale[:, :, None] * precision * scale[:, None]))
