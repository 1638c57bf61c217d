"""Periods: columns that have an order in time, and how far apart their labels lie."""

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import NUMBERS, label_column, plain, sorted_labels
from hdfm.frames.remedies import text_as_time

_DATES = ("datetime64", "datetime", "date")


def time_column(column: pd.Series, role: str = "time") -> pd.Series:
    """A column of periods in an order: numbers, datetimes, pandas Periods or an ordered categorical."""
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    column = label_column(column, role)
    if not ordered and (pd.api.types.is_string_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise InvalidDataError(
            f"{role} column {column.name!r} holds text or booleans such as {plain(column.iloc[0])!r}, which "
            f"have no order in time. {text_as_time(column)}."
        )
    return column


def sorted_periods(column: pd.Series) -> pd.Index:
    """The distinct periods in order: of an ordered categorical's categories, else of the values."""
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    return sorted_labels(column if ordered else label_column(column, "time"))


def in_time_order(labels: pd.Index, periods: pd.Index) -> pd.Index:
    """Labels of periods so that they sort in time: an ordered categorical where their values don't."""
    if periods.is_monotonic_increasing:
        return labels
    return pd.CategoricalIndex(labels, categories=periods, ordered=True)


def elapsed(periods: pd.Index, fitted: pd.Index, role: str) -> np.ndarray:
    """Time (n,) since the first fitted period: in days for dates, else in units of the column.

    Parameters
    ----------
    periods, fitted : pandas.Index
        Any periods, and those of the fit in order.

    Raises
    ------
    InvalidDataError
        If a period was not fitted and can't be placed in time: text, or dates of another kind.
    """
    first = fitted[0]
    kind = fitted.inferred_type if fitted.is_monotonic_increasing else "in an order of their own"
    try:
        if kind == "period":
            return np.array([(period - first).n for period in periods], dtype=float)
        if kind in NUMBERS:
            return periods.to_numpy(dtype=float) - float(first)
        if kind in _DATES:
            return np.asarray((pd.to_datetime(periods) - pd.to_datetime(first)) / pd.Timedelta(days=1))
        if kind.startswith("timedelta"):
            return np.asarray((periods - first) / pd.Timedelta(days=1), dtype=float)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidDataError(
            f"{role} column {fitted.name!r}: {plain(periods[0])!r} can't be placed in time beside the fitted "
            f"{plain(first)!r} ({error}). Convert the column."
        ) from error
    steps = fitted.get_indexer(periods)
    if (steps < 0).any():
        new = periods[steps < 0]
        raise InvalidDataError(
            f"{role} column {fitted.name!r} holds {len(new):,} periods that were not fitted, such as "
            f"{plain(new[0])!r}, and the fitted ones, such as {plain(first)!r}, do not say when these are. "
            "Use numbers or dates to look ahead."
        )
    return steps.astype(float)


def steps_ahead(fitted: pd.Index, new: pd.Index) -> np.ndarray:
    """Steps (len(new),) from the last fitted period to each new one; 0 for those not after it.

    A step is the median distance of fitted periods; labels without a distance count one step.
    """
    both = fitted.append(new)
    if isinstance(both, pd.PeriodIndex | pd.DatetimeIndex):
        position = both.astype("int64").to_numpy().astype(float)
    elif pd.api.types.is_numeric_dtype(both):
        position = both.to_numpy(dtype=float)
    else:
        return np.ones(len(new), dtype=int)
    old, later = position[: len(fitted)], position[len(fitted) :]
    step = np.median(np.diff(old)) if len(old) > 1 else 1.0
    return np.where(later > old[-1], np.maximum(1, np.round((later - old[-1]) / step)), 0).astype(int)


def plain_labels(labels) -> list:
    """Labels that netCDF can hold: pandas Periods as the time they start."""
    if isinstance(labels, pd.PeriodIndex):
        labels = labels.to_timestamp()
    return list(labels)
