"""Means of a panel of sales that models are centred on."""

import numpy as np

from hdfm.sales.panel.panel import SalesPanel


def mean_log_units(panel: SalesPanel) -> float:
    """Log of units per exposure over the whole panel: about where levels are centred."""
    exposure = np.exp(panel.log_exposure).sum(where=panel.observed)
    return float(np.log((panel.units.sum() + 0.5) / exposure))


def within_group_price(panel: SalesPanel) -> np.ndarray:
    """Mean log price of each product less its finest group's mean (N,)."""
    return panel.price_level - group_price_level(panel)[panel.group]


def group_price_level(panel: SalesPanel) -> np.ndarray:
    """Mean over products of the mean log price, by finest group (G,)."""
    return np.bincount(panel.group, panel.price_level) / np.bincount(panel.group)
