"""Sufficient statistics of units sold, which graphs are given wherever there are any.

Array names and axis order: N products, G groups of time effects, T periods, K controls, k distinct counts.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hdfm.sales.panel.panel import SalesPanel

MASKED = -1e30


class Effects(NamedTuple):
    """delta (N,), beta (N,), gamma (G, T), kappa (K,) and what paths add to eta (N, T).

    None for parts that the model does not have.
    """

    delta: Any
    beta: Any
    gamma: Any
    kappa: Any
    paths: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatistics:
    r"""Sufficient statistics of units sold y, those that a likelihood takes: arrays, or data of a graph.

    Attributes
    ----------
    constant : array
        What depends on nothing that is estimated.
    weight : array or None
        How often cells count (N, T), 0 where not observed; None where all are, and count once.
    log_weight : array or None
        Its log, a very low number for 0.
    units_of_product, units_by_price, units_of_block, units_by_control : array or None
        :math:`\sum_t w_{it} y_{it}` (N,), :math:`\sum_t w_{it} y_{it} x_{it}` (N,), sums over products (G, T)
        and over all cells times the controls (K,): :math:`\sum_{it} w_{it} y_{it} \eta_{it}` needs no more.
    units, log_units : array or None
        y (N, T), or its logarithm.
    counts, times : array or None
        Distinct counts (k,), and how often each stands there (k,).
    number : array or None
        How many cells are observed, as often as they count.
    """

    constant: Any
    weight: Any = None
    log_weight: Any = None
    units_of_product: Any = None
    units_by_price: Any = None
    units_of_block: Any = None
    units_by_control: Any = None
    units: Any = None
    log_units: Any = None
    counts: Any = None
    times: Any = None
    number: Any = None


def weight_of(panel: SalesPanel) -> np.ndarray:
    """How often cells count (N, T), 0 where not observed."""
    return panel.weighted(panel.observed.astype(float))


def linear_sums(panel: SalesPanel) -> dict[str, np.ndarray]:
    """The sums of units that :func:`linear_statistic` takes."""
    y = panel.weighted_units
    of_block = np.zeros((len(panel.blocks), y.shape[1]))
    np.add.at(of_block, panel.block, y)
    return {
        "units_of_product": y.sum(axis=1),
        "units_by_price": (y * panel.log_price).sum(axis=1),
        "units_of_block": of_block,
        "units_by_control": np.tensordot(panel.controls, y, axes=2),
    }


def linear_statistic(units: UnitStatistics, effects: Effects) -> Any:
    r""":math:`\sum_{it} w_{it} y_{it} \eta_{it}` but for exposure; parts that are None are left out."""
    sums = (units.units_of_product, units.units_by_price, units.units_of_block, units.units_by_control)
    pairs = zip(effects[:-1], sums, strict=True)
    linear = sum((effect * total).sum() for effect, total in pairs if effect is not None)
    return linear if effects.paths is None else linear + masked(units, units.units * effects.paths).sum()


def masked(units: UnitStatistics, values: Any) -> Any:
    """Values of cells (N, T), as often as they count."""
    return values if units.weight is None else values * units.weight
