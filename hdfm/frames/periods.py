"""Periods: columns of labels that have an order in time, whatever holds them."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.calendar import iso_weeks
from hdfm.frames.columns import NUMBERS, label_column, named_column, numeric_column, plain, refuse_rows

_KINDS = {
    **dict.fromkeys(NUMBERS, "numbers"),
    **dict.fromkeys(("datetime64", "datetime", "date"), "dates"),
    **dict.fromkeys(("timedelta64", "timedelta"), "time spans"),
    "period": "pandas Periods",
    "string": "text",
    "boolean": "booleans",
}
PLACED = ("numbers", "dates", "dates with a time zone", "time spans", "pandas Periods")


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
    weeks as text, such as "2024-W05", are read as their Mondays.

    Raises
    ------
    InvalidDataError
        If labels are missing, have no order in time or are of several kinds.
    """
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    label = unwrapped(label_column(column, role))
    if ordered:
        categories = unwrapped(pd.Series(column.cat.categories))
        order = pd.Index(categories, name=column.name)
        if kind_of(order) not in PLACED or not order.is_monotonic_increasing:
            return TimeColumn(label, order[order.isin(label)], order)
    _refuse_without_order(column, label, role)
    if pd.api.types.is_float_dtype(label.dtype):
        numeric_column(label, role)
    return TimeColumn(label, pd.Index(label.unique(), name=column.name).sort_values(), None)


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


def kind_of(labels: pd.Index | pd.Series) -> str:
    """What labels are: numbers, dates, ..., text, booleans; else pandas' name for it."""
    if isinstance(labels.dtype, pd.DatetimeTZDtype):
        return "dates with a time zone"
    inferred = pd.api.types.infer_dtype(labels, skipna=False)
    if labels.dtype == object and inferred not in ("string", "boolean"):
        return inferred  # of several zones, frequencies or types
    return _KINDS.get(inferred, inferred)


def unwrapped(column: pd.Series) -> pd.Series:
    """The labels (n,) in pandas' own kinds, whatever objects or Arrow types hold them."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype | pd.PeriodDtype | pd.DatetimeTZDtype) and dtype.kind != "O":
        return column
    if pd.api.types.is_numeric_dtype(dtype) and not isinstance(dtype, pd.ArrowDtype):
        return column
    code, distinct = pd.factorize(column)
    values = pd.Index(list(distinct), name=column.name, tupleize_cols=False)
    kind = pd.api.types.infer_dtype(values, skipna=False)
    if kind == "decimal":
        values = values.astype(float)
    elif kind == "date":
        values = pd.to_datetime(values)
    elif kind == "string":
        weeks = iso_weeks(values)
        values = values if weeks is None else weeks
    return pd.Series(values.take(code), index=column.index, name=column.name)


def _refuse_without_order(column, label, role):
    """Raise unless all labels are of one kind that has an order in time."""
    kind, what = kind_of(label), named_column(column, role)
    if kind in ("text", "booleans"):
        raise InvalidDataError(
            f"{what} holds text or booleans such as {plain(column.iloc[0])!r}, which have no order in time. "
            f"{_order_remedy(label)}"
        )
    if kind in PLACED:
        return
    kinds = label.map(_label_kind)
    counts = kinds.value_counts(sort=False)
    rare = kinds == counts.idxmin()
    if len(counts) > 1:
        usual = period_text(label[~rare].iloc[0])
        found = f"{counts.idxmin()} labels among {kinds[~rare].iloc[0]} ones such as {usual!r}"
        remedy = _order_remedy(label).removeprefix("Convert it ").removesuffix(".")
        refuse_rows(
            column,
            rare.to_numpy(),
            what,
            found,
            f"Labels of different types never match: convert the column to one type {remedy}",
        )
    raise InvalidDataError(
        f"{what} holds labels such as {plain(column.iloc[0])!r} ({counts.idxmin()}), which have no distance "
        f"in time. {_order_remedy(label)}"
    )


def _label_kind(label):
    if isinstance(label, str):
        return "text"
    if isinstance(label, bool | np.bool_):
        return "bool"
    if isinstance(label, pd.Timestamp) or hasattr(label, "tzinfo"):
        return "time without a zone" if label.tzinfo is None else "time with a zone"
    if isinstance(label, pd.Period):
        return f"Period[{label.freqstr}]"
    kind = pd.api.types.infer_dtype([label])
    return {"numbers": "number", "dates": "date"}.get(_KINDS.get(kind, kind), type(label).__name__)


def _order_remedy(label):
    """A sentence with the first conversion that gives these labels an order in time: each is tried."""
    name, values = f"X[{label.name!r}]", pd.Series(label.unique())
    tries = {
        "{}.astype(int)": lambda: values.astype(int) if values.dtype == bool else None,
        "pandas.to_numeric({})": lambda: pd.to_numeric(values),
        "pandas.to_datetime({})": lambda: pd.to_datetime(values) if _are_dated(values) else None,
        "pandas.to_datetime({}, utc=True)": lambda: (
            pd.to_datetime(values, utc=True) if _are_dated(values) else None
        ),
        r"{}.astype(str).str.extract(r'(\d+)', expand=False).astype(int)": lambda: _only_numbers(values),
    }
    for text, convert in tries.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = convert()
        except (TypeError, ValueError, OverflowError, UserWarning):
            continue
        if found is not None and found.notna().all() and found.nunique() == len(values):
            return f"Convert it with {text.format(name)}."
    return (
        f"Convert it with pandas.Categorical({name}.astype(str), categories=[...], ordered=True), the "
        "categories in the order of time."
    )


def _are_dated(values):
    return values.map(lambda value: isinstance(value, str) or hasattr(value, "year")).all()


def _only_numbers(values):
    """The one number (n,) in each text, None where some text has none or several."""
    texts = values.astype(str)
    return (
        texts.str.extract(r"(\d+)", expand=False).astype(int)
        if (texts.str.count(r"\d+") == 1).all()
        else None
    )


def period_text(label: Any) -> str:
    """A label as text is best read: dates without the time where that is midnight."""
    if isinstance(label, pd.Timestamp):
        return label.strftime("%Y-%m-%d") + (
            label.strftime(" %H:%M:%S%z") if label != label.normalize() else ""
        )
    return str(label) if isinstance(label, pd.Period | pd.Timedelta) else plain(label)
