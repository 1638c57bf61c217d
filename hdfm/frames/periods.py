"""Periods: columns of labels that have an order in time, whatever holds them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import label_column, named_column, numeric_column, plain, refuse_rows
from hdfm.frames.conversions import order_remedy
from hdfm.frames.kinds import PLACED, kind_of, kind_of_one, period_text, unwrapped

SAME = 1e-6  # of the usual distance


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A column of periods as read.

    Attributes
    ----------
    label : pandas.Series
        Labels (n,): numbers, pandas' own dates, time spans and Periods, or what an ordered categorical has.
    periods : pandas.Index
        The distinct ones in order.
    order : pandas.Index or None
        As in :class:`Timeline`.
    """

    label: pd.Series
    periods: pd.Index
    order: pd.Index | None


def read_time(column: pd.Series, role: str = "time") -> TimeColumn:
    """A column of periods in an order: numbers, dates, pandas Periods or an ordered categorical.

    Dates, numbers and time spans are read whatever holds them: objects, Arrow columns, dictionaries. ISO
    weeks as text, such as "2024-W05", are read as their Mondays. Numbers that differ by rounding are one.

    Raises
    ------
    InvalidDataError
        If labels are missing, have no order in time or are of several kinds.
    """
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        label = unwrapped(label_column(column, role))
        order = pd.Index(unwrapped(pd.Series(column.cat.categories)), name=column.name)
        if kind_of(order) not in PLACED or not order.is_monotonic_increasing:
            return TimeColumn(label, order[order.isin(label)], order)
    label = _without_rounding(time_labels(column, role))
    return TimeColumn(label, pd.Index(label.unique(), name=column.name).sort_values(), None)


def time_labels(column: pd.Series, role: str = "time") -> pd.Series:
    """Labels (n,) of a column of periods that have a distance in time, as they are."""
    label = unwrapped(label_column(column, role))
    _refuse_without_order(column, label, role)
    if pd.api.types.is_float_dtype(label.dtype):
        numeric_column(label, role)
    return label


def _without_rounding(label):
    """Numbers (n,), each that lies beside another as if by rounding replaced by the least of these.

    That is less than a millionth of the usual distance in which time goes by, or a few units in the last
    place.
    """
    if not isinstance(label.dtype, np.dtype) or label.dtype.kind != "f":
        return label
    values = np.unique(label.to_numpy())
    gaps = np.sort(np.diff(values))[::-1].astype(float)
    if not len(gaps):
        return label
    usual = gaps[np.searchsorted(np.cumsum(gaps), gaps.sum() / 2)]
    last_place = 4 * np.finfo(label.dtype).eps * np.abs(values).max()
    begins = np.concatenate([[True], np.diff(values) > max(SAME * usual, last_place)])
    if begins.all():
        return label
    least = values[begins][np.cumsum(begins) - 1]
    return pd.Series(least[np.searchsorted(values, label.to_numpy())], label.index, name=label.name)


def time_column(column: pd.Series, role: str = "time") -> pd.Series:
    """Labels (n,) of a column of periods; see :func:`read_time`."""
    return read_time(column, role).label


def sorted_periods(column: pd.Series) -> pd.Index:
    """The distinct periods in order; see :func:`read_time`."""
    return read_time(column).periods


def in_time_order(labels: pd.Index, periods: pd.Index) -> pd.Index:
    """Labels of periods so that they sort in time: an ordered categorical where their values don't."""
    if periods.is_monotonic_increasing:
        return labels
    return pd.CategoricalIndex(labels, categories=periods, ordered=True)


def plain_labels(labels) -> list:
    """Labels that netCDF can hold: pandas Periods as the time they start."""
    if isinstance(labels, pd.PeriodIndex):
        labels = labels.to_timestamp()
    return list(labels)


def _refuse_without_order(column, label, role):
    """Raise unless all labels are of one kind that has an order in time."""
    kind, what = kind_of(label), named_column(column, role)
    if kind in ("text", "booleans"):
        raise InvalidDataError(
            f"{what} holds text or booleans such as {plain(column.iloc[0])!r}, which have no order in time. "
            f"{order_remedy(label)}"
        )
    if kind in PLACED:
        return
    kinds = label.map(kind_of_one)
    counts = kinds.value_counts(sort=False)
    rare = kinds == counts.idxmin()
    if len(counts) > 1:
        usual = period_text(label[~rare].iloc[0])
        finding = f"{counts.idxmin()} labels among {kinds[~rare].iloc[0]} ones such as {usual!r}"
        remedy = order_remedy(label).removeprefix("Convert it ").removesuffix(".")
        refuse_rows(
            column,
            rare.to_numpy(),
            what,
            finding,
            f"Labels of different types never match: convert the column to one type {remedy}",
        )
    raise InvalidDataError(
        f"{what} holds labels such as {plain(column.iloc[0])!r} ({counts.idxmin()}), which have no distance "
        f"in time. {order_remedy(label)}"
    )
