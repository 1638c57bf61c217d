"""Likelihoods of counts: what Poisson and negative binomial have in common.

Array names and axis order: N products, T periods, S draws, n rows.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.columns import named_column, numeric_column, refuse_rows
from hdfm.sales.likelihoods.nodes import LARGEST_LOG_MEAN
from hdfm.sales.panel.panel import SalesPanel

REMEDY_FOR_ZEROS = "units may be 0 there"
REMEDY_FOR_FRACTIONS = (
    "Count likelihoods need whole units: round them, sell in a smaller unit (grams, not kg), or set "
    'likelihood="log_normal" for measured volumes'
)
LARGEST_LOG_RATE = 41.0  # NumPy draws Poisson counts below 2**63
HALF = 0.5  # a unit, so that totals of 0 have a log


def read_counts(column: pd.Series, whole: bool) -> np.ndarray:
    """Counts (n,); fractions are refused if ``whole``, else taken for a quasi-likelihood."""
    units = numeric_column(column, "units", nonnegative=True)
    fractional = units != np.round(units)
    if whole:
        what = named_column(column, "units")
        refuse_rows(column, fractional, what, "fractional values", REMEDY_FOR_FRACTIONS)
    if fractional.any():
        warn_caller(
            f"y has fractional values in {int(fractional.sum()):,} of {len(units):,} rows, such as "
            f"{units[fractional][0]:g}; the count likelihood is used as a quasi-likelihood.",
            DataWarning,
        )
    return units


def log_total_variance(above: float) -> float:
    """Variance of the log of a Poisson total of which ``above`` are expected."""
    return 1 / above


def units_of(panel: SalesPanel) -> np.ndarray:
    """y (N, T)."""
    return panel.units


def levels_of_totals(panel: SalesPanel) -> np.ndarray:
    """Logs of units sold over exposure (N,)."""
    return np.log((panel.units_sold + HALF) / panel.total(np.exp(panel.log_exposure), axis=1))


def means_of(eta: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """eta, bounded, and its exponential, 0 where not observed."""
    bounded = np.minimum(eta, LARGEST_LOG_MEAN)
    mu = np.exp(bounded)
    mu *= observed
    return bounded, mu


def mean_units(eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """exp(eta), whatever the dispersion."""
    return np.exp(eta)


def rates_of(eta: np.ndarray) -> np.ndarray:
    """exp(eta), bounded for drawing."""
    return np.exp(np.minimum(eta, LARGEST_LOG_RATE))


def draw_counts(rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts, shaped as rates."""
    return rng.poisson(np.minimum(rate, np.exp(LARGEST_LOG_RATE))).astype(float)


def constant_of(panel: SalesPanel) -> float:
    """Constant of log-likelihoods: what exposure adds to the linear statistic, less logs of factorials."""
    y = panel.weighted_units
    return (y * panel.log_exposure).sum() - panel.total(gammaln(panel.units + 1))


# Fields of the record of a likelihood that all of counts share.
OF_COUNTS: dict[str, Any] = {
    "remedy_for_zeros": REMEDY_FOR_ZEROS,
    "read_units": read_counts,
    "log_total_variance": log_total_variance,
    "response": units_of,
    "start_levels": levels_of_totals,
}
