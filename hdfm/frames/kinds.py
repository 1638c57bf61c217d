"""Kinds of labels that periods have: numbers, dates, time spans, pandas Periods, text."""

from typing import Any

import numpy as np
import pandas as pd

from hdfm.frames.calendar import iso_weeks
from hdfm.frames.columns import NUMBERS, plain

_KINDS = {
    **dict.fromkeys(NUMBERS, "numbers"),
    **dict.fromkeys(("datetime64", "datetime", "date"), "dates"),
    **dict.fromkeys(("timedelta64", "timedelta"), "time spans"),
    "period": "pandas Periods",
    "string": "text",
    "boolean": "booleans",
}
PLACED = ("numbers", "dates", "dates with a time zone", "time spans", "pandas Periods")


def kind_of(labels: pd.Index | pd.Series) -> str:
    """What labels are: numbers, dates, ..., text, booleans; else pandas' name for it."""
    if isinstance(labels.dtype, pd.DatetimeTZDtype):
        return "dates with a time zone"
    inferred = pd.api.types.infer_dtype(labels, skipna=False)
    if labels.dtype == object and inferred not in ("string", "boolean"):
        return inferred  # of several zones, frequencies or types
    return _KINDS.get(inferred, inferred)


def kind_of_one(label: Any) -> str:
    """What a single label is, in the singular."""
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


def period_text(label: Any) -> str:
    """A label as text is best read: dates without the time where that is midnight."""
    if isinstance(label, pd.Timestamp):
        return label.strftime("%Y-%m-%d") + (
            label.strftime(" %H:%M:%S%z") if label != label.normalize() else ""
        )
    return str(label) if isinstance(label, pd.Period | pd.Timedelta) else plain(label)


def span_text(periods: pd.Index) -> str:
    """From the first period to the last."""
    return f"{period_text(periods[0])} to {period_text(periods[-1])}"
