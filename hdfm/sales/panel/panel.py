"""Units and prices over time as dense arrays.

Array names and axis order: N products sorted by their finest group, T periods, K controls.

    units, log_price, log_exposure, observed (N, T); controls (K, N, T); price_level, block (N,)
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hdfm.frames.columns import ALL
from hdfm.frames.labels import stored_labels
from hdfm.frames.periods import plain_labels
from hdfm.frames.timeline import Timeline
from hdfm.sales.panel.roles import ALL_PRODUCTS, Roles


@dataclass(frozen=True, slots=True)
class GroupLevel:
    """One level of grouping: its labels, and for each the position of its parent one level up."""

    name: str
    labels: pd.Index
    parent: np.ndarray


@dataclass(frozen=True)  # without slots, so that facts are found once
class SalesPanel:
    """A dense (product x period) panel.

    Attributes
    ----------
    product : pandas.Index
        Labels (N,), sorted by finest group, then label.
    levels : tuple of GroupLevel
        From the coarsest to the finest; products belong to the finest.
    group : numpy.ndarray
        Position (N,) of each product's finest group (zeros without groups).
    block, blocks : numpy.ndarray, pandas.Index
        Position (N,) of each product among the labels of what shares time effects: the finest groups,
        or all products.
    period : pandas.Index
        Labels (T,) in order.
    units : numpy.ndarray
        Units sold (N, T), 0 where not observed.
    observed : numpy.ndarray
        True (N, T) where the frame has a row.
    log_price : numpy.ndarray
        Log price less the product's mean over its observed periods (N, T), 0 where not observed.
    price_level : numpy.ndarray
        That mean (N,).
    log_exposure : numpy.ndarray
        Log exposure (N, T), zeros without an exposure column.
    controls : numpy.ndarray
        Controls (K, N, T), standardised over the observed cells, 0 where not observed.
    control_mean, control_sd : numpy.ndarray
        What they were standardised with (K,).
    period_order : pandas.Index or None
        All labels of an ordered categorical of periods, fitted or not, where they alone say the order.
    weight : numpy.ndarray or None
        How often each cell counts (N, T), 0 where not observed; None where every observed one counts once.
    cell : numpy.ndarray
        Position (n,) of each row of the frame among the observed cells, products one after the other.
    index : pandas.Index
        Labels (n,) of the frame's rows.
    """

    roles: Roles
    product: pd.Index
    levels: tuple[GroupLevel, ...]
    group: np.ndarray
    block: np.ndarray
    blocks: pd.Index
    period: pd.Index
    units: np.ndarray
    observed: np.ndarray
    log_price: np.ndarray
    price_level: np.ndarray
    log_exposure: np.ndarray
    controls: np.ndarray
    control_mean: np.ndarray
    control_sd: np.ndarray
    n_price_changes: np.ndarray = field(repr=False)
    last_price: np.ndarray = field(repr=False)
    cell: np.ndarray = field(repr=False)
    index: pd.Index = field(repr=False)
    weight: np.ndarray | None = field(default=None, repr=False)
    period_order: pd.Index | None = None

    @property
    def n_groups(self) -> int:
        return len(self.levels[-1].labels) if self.levels else 1

    @cached_property
    def timeline(self) -> Timeline:
        """Where the periods lie in time."""
        return Timeline(self.period, self.period_order)

    @cached_property
    def mean_log_units(self) -> float:
        """Log of units per exposure over the whole panel: about where levels are centred."""
        exposure = self.total(np.exp(self.log_exposure))
        return float(np.log((self.units_sold.sum() + 0.5) / exposure))

    @cached_property
    def units_sold(self) -> np.ndarray:
        """Units of each product (N,), as often as they count."""
        return self.weighted_units.sum(axis=1)

    @cached_property
    def weighted_units(self) -> np.ndarray:
        """Units (N, T), as often as they count."""
        return self.weighted(self.units)

    @cached_property
    def cells(self) -> np.ndarray:
        """Observed cells of each product (N,), as often as they count."""
        return (self.observed if self.weight is None else self.weight).sum(axis=1)

    @cached_property
    def distinct_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """The values (k,) that units take where they are observed, and how often (k,)."""
        if self.weight is None:
            return np.unique(self.units[self.observed], return_counts=True)
        counts, which = np.unique(self.units[self.observed], return_inverse=True)
        return counts, np.bincount(which, self.weight[self.observed])

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """Values of cells (N, T), which are 0 where not observed, as often as they count."""
        return values if self.weight is None else values * self.weight

    def total(self, values: np.ndarray, axis: int | None = None) -> Any:
        """Sums of values (N, T) over the observed cells, as often as they count."""
        return self.weighted(values).sum(axis=axis, where=self.observed)

    @cached_property
    def group_price_level(self) -> np.ndarray:
        """Mean over products of the mean log price, by finest group (G,)."""
        return np.bincount(self.group, self.price_level) / np.bincount(self.group)

    @cached_property
    def within_group_price(self) -> np.ndarray:
        """Mean log price of each product less its finest group's mean (N,)."""
        return self.price_level - self.group_price_level[self.group]

    @cached_property
    def price_range(self) -> np.ndarray:
        """Lowest and highest price (2, N) of each product."""
        log_price = self.price_level[:, None] + self.log_price
        low = np.where(self.observed, log_price, np.inf).min(axis=1)
        return np.exp([low, np.where(self.observed, log_price, -np.inf).max(axis=1)])

    @cached_property
    def exposure_range(self) -> tuple[float, float]:
        """Lowest and highest exposure."""
        log_exposure = self.log_exposure[self.observed]
        return float(np.exp(log_exposure.min())), float(np.exp(log_exposure.max()))

    @cached_property
    def control_range(self) -> np.ndarray:
        """Lowest and highest value (2, K) of each control, in its own unit."""
        standardised = self.controls[:, self.observed]
        low, high = (extreme(axis=1) for extreme in (standardised.min, standardised.max))
        return self.control_mean + self.control_sd * np.stack([low, high])

    @property
    def dims(self) -> dict[str, str]:
        """Names of the dimensions product, time, group (the finest) and block (shared time effects)."""
        return {
            "product": self.roles.product or "product",
            "time": self.roles.time or "time",
            "group": self.levels[-1].name if self.levels else ALL_PRODUCTS,
            "block": str(self.blocks.name),
        }

    @cached_property
    def coords(self) -> dict[str, list]:
        """Labels of the dimensions, which are named after the columns."""
        coords: dict[str, Any] = {
            self.dims["product"]: self.product,
            self.dims["time"]: self.period,
            "control": self.roles.controls,
        }
        coords |= {level.name: level.labels for level in self.levels}
        if not self.levels:
            coords[self.dims["group"]] = [ALL]
        coords[self.dims["block"]] = self.blocks
        return {name: stored_labels(plain_labels(labels)) for name, labels in coords.items() if len(labels)}

    def group_at(self, level: int) -> np.ndarray:
        """Position (N,) of each product's group at a level, 0 the coarsest."""
        codes = self.group
        for finer in range(len(self.levels) - 1, level, -1):
            codes = self.levels[finer].parent[codes]
        return codes
