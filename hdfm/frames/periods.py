"""Periods: columns that have an order in time, and how far apart their labels lie."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.calendar import iso_weeks, year_code
from hdfm.frames.columns import NUMBERS, label_column, named_column, numeric_column, plain, refuse_rows

WIDE_GAP = 1.5  # usual distances
MOST_STEPS = 100_000
STAMPS_FROM = 200  # periods
ROWS_A_STAMP = 2.0
_KINDS = {
    **dict.fromkeys(NUMBERS, "numbers"),
    **dict.fromkeys(("datetime64", "datetime", "date"), "dates"),
    **dict.fromkeys(("timedelta64", "timedelta"), "time spans"),
    "period": "pandas Periods",
    "string": "text",
    "boolean": "booleans",
}


@dataclass(frozen=True)  # without slots, so that facts are found once
class Timeline:
    """The periods of a fit and where they lie in time; all that places a period.

    Attributes
    ----------
    period : pandas.Index
        Labels (T,) in order.
    order : pandas.Index or None
        All labels of an ordered categorical in an order of their own, of which ``period`` are some.
    role : str
        What messages call the column.
    """

    period: pd.Index
    order: pd.Index | None = None
    role: str = "time"

    @cached_property
    def elapsed(self) -> np.ndarray:
        """Time (T,) since the first period, in the unit of the column; in days for dates."""
        return elapsed(self.period, self.period, self.role, self.order)

    @cached_property
    def step(self) -> float:
        """The usual distance from one period to the next, in that unit: the median."""
        return float(np.median(np.diff(self.elapsed))) if len(self.period) > 1 else 1.0

    @cached_property
    def steps(self) -> np.ndarray:
        """Usual distances (T,) since the first period: 0, 1, 2, ... where none is missing."""
        return self.elapsed / self.step

    def place(self, labels: pd.Index) -> np.ndarray:
        """Usual distances (n,) from the first period to any others, below 0 before it."""
        return self.distance(labels) / self.step

    def distance(self, labels: pd.Index) -> np.ndarray:
        """Time (n,) from the first period to any others, in the unit of the column; in days for dates.

        Raises
        ------
        InvalidDataError
            If a period can't be placed in time, or lies too far outside those of the fit.
        """
        time = elapsed(labels, self.period, self.role, self.order)
        steps = time / self.step
        beyond = np.maximum(-steps, steps - self.steps[-1])
        far = beyond > MOST_STEPS
        if far.any():
            raise InvalidDataError(
                f"{self._column} holds {int(far.sum()):,} periods far outside those of the fit, "
                f"{_span(self.period)}, such as {_shown(labels[int(np.argmax(beyond))])!r}: "
                f"{beyond.max():,.0f} times the usual distance of periods, where {MOST_STEPS:,} is the most. "
                "Correct or drop these rows."
            )
        return time

    def read(self, column: pd.Series) -> pd.Series:
        """Labels (n,) of a column in the kind of ``period``, to be matched with it.

        Raises
        ------
        InvalidDataError
            If they are of another kind: times with a zone for some without, numbers for dates.
        """
        if self.order is not None:
            return _plain_kind(label_column(column, self.role))
        label = read_time(column, self.role).label
        new, fitted = _kind(label), _kind(self.period)
        if new != fitted or (new == "pandas Periods" and label.dtype != self.period.dtype):
            raise InvalidDataError(
                f"{self._column} holds {new} such as {_shown(label.iloc[0])!r}; "
                f"the model was fitted on {fitted} such as {_shown(self.period[0])!r}. "
                f"{_same_kind(new, fitted, self.period, column.name)}"
            )
        if isinstance(self.period, pd.DatetimeIndex) and self.period.tz is not None:
            label = label.dt.tz_convert(self.period.tz)
        return label

    @property
    def _column(self):
        return f"{self.role} column {self.period.name!r}"


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
    label = _plain_kind(label_column(column, role))
    if ordered:
        categories = _plain_kind(pd.Series(column.cat.categories))
        order = pd.Index(categories, name=column.name)
        if _kind(order) not in _PLACED or not order.is_monotonic_increasing:
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


def elapsed(
    periods: pd.Index, fitted: pd.Index, role: str = "time", order: pd.Index | None = None
) -> np.ndarray:
    """Time (n,) since the first fitted period: in days for dates, else in units of the column.

    Integers such as 202405 (YYYYWW, YYYYMM, YYYYMMDD) count weeks, months or days; see
    :data:`hdfm.frames.calendar.YEAR_CODES`. Labels in an order of their own count as one apart. Dates with a
    time zone are those on the clocks there, if all of a fit are at one time of the day.

    Parameters
    ----------
    periods, fitted : pandas.Index
        Any periods, and those of the fit in order.
    order : pandas.Index, optional
        All labels of an ordered categorical, where they have an order of their own; by default ``fitted``.

    Raises
    ------
    InvalidDataError
        If a period was not fitted and can't be placed in time: text, or dates of another kind.
    """
    kind = _kind(fitted) if fitted.is_monotonic_increasing and order is None else "an order of their own"
    measures: dict[str, Callable[[pd.Index, pd.Index], np.ndarray]] = {
        "pandas Periods": _elapsed_periods,
        "numbers": partial(_elapsed_numbers, role=role),
        "dates": _elapsed_days,
        "dates with a time zone": _elapsed_days,
        "time spans": _elapsed_spans,
    }
    if kind not in measures:
        return _elapsed_ranks(periods, fitted, role, fitted if order is None else order)
    try:
        return measures[kind](periods, fitted)
    except InvalidDataError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidDataError(
            f"{role} column {fitted.name!r}: {_shown(periods[0])!r} can't be placed in time beside the "
            f"fitted {_shown(fitted[0])!r} ({error}). Convert the column."
        ) from error


def wide_gaps(timeline: Timeline) -> list[str]:
    """Neighbours that are more than 1.5 usual distances apart, in words; the widest first."""
    gaps = np.diff(timeline.steps)
    wide = np.flatnonzero(gaps > WIDE_GAP)
    period = timeline.period
    return [
        f"{_shown(period[k])} to {_shown(period[k + 1])} ({gaps[k]:.4g} times the usual distance)"
        for k in wide[np.argsort(-gaps[wide], kind="stable")]
    ]


def time_warnings(timeline: Timeline, n_rows: int, what: str) -> list[str]:
    """What a user should hear of periods before the work starts, as sentences.

    Parameters
    ----------
    n_rows : int
        Number of observations.
    what : str
        What messages call them.
    """
    said, period = [], timeline.period
    name, code = repr(period.name), None
    if _kind(period) == "numbers" and timeline.order is None:
        code = year_code(period)
    if code is not None:
        remedy = code.remedy.format(column=f"X[{name}]")
        said.append(
            f"The {timeline.role} column {name} holds integers such as {plain(period[0])!r}, read as "
            f"{code.form}: a year and a {code.part}. Say so with {remedy}; if they are plain numbers, take "
            f"X[{name}] - {plain(period[0])!r}."
        )
    T = len(period)
    if T > STAMPS_FROM and n_rows < ROWS_A_STAMP * T:
        remedy = {
            "dates": f"X[{name}].dt.floor('D')",
            "dates with a time zone": f"X[{name}].dt.floor('D')",
            "time spans": f"X[{name}].dt.floor('D')",
            "pandas Periods": f"X[{name}].dt.asfreq('M')",
        }.get(_kind(period), f"X[{name}] // 7")
        said.append(
            f"The {timeline.role} column {name} holds {T:,} distinct periods for {n_rows:,} {what}, such as "
            f"{_shown(period[0])!r}: time stamps rather than periods? Work grows with the "
            f"square of their number. Join them to periods that hold more, as in {remedy}."
        )
    return said


def plain_labels(labels) -> list:
    """Labels that netCDF can hold: pandas Periods as the time they start."""
    if isinstance(labels, pd.PeriodIndex):
        labels = labels.to_timestamp()
    return list(labels)


_PLACED = ("numbers", "dates", "dates with a time zone", "time spans", "pandas Periods")


def _kind(labels):
    """What labels are: numbers, dates, ..., text, booleans; else pandas' name for it."""
    if isinstance(labels.dtype, pd.DatetimeTZDtype):
        return "dates with a time zone"
    inferred = pd.api.types.infer_dtype(labels, skipna=False)
    if labels.dtype == object and inferred not in ("string", "boolean"):
        return inferred  # of several zones, frequencies or types
    return _KINDS.get(inferred, inferred)


def _plain_kind(column):
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
    kind, what = _kind(label), named_column(column, role)
    if kind in ("text", "booleans"):
        raise InvalidDataError(
            f"{what} holds text or booleans such as {plain(column.iloc[0])!r}, which have no order in time. "
            f"{_order_remedy(label)}"
        )
    if kind in _PLACED:
        return
    kinds = label.map(_label_kind)
    counts = kinds.value_counts(sort=False)
    rare = kinds == counts.idxmin()
    if len(counts) > 1:
        usual = _shown(label[~rare].iloc[0])
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


def _same_kind(new, fitted, period, name):
    """How to turn labels of one kind into those of a fit."""
    dates = f"pandas.to_datetime(X[{name!r}])"
    remedies = {
        ("dates", "dates with a time zone"): "Say where they are, as in {dates}.dt.tz_localize({zone!r}).",
        ("dates with a time zone", "dates"): "Leave the zone out, as in {dates}.dt.tz_localize(None).",
        ("dates", "pandas Periods"): "Convert them with {dates}.dt.to_period({frequency!r}).",
        ("pandas Periods", "dates"): "Convert them with X[{name!r}].dt.to_timestamp().",
        ("pandas Periods", "pandas Periods"): (
            "Convert them with X[{name!r}].dt.to_timestamp().dt.to_period({frequency!r})."
        ),
    }
    remedy = remedies.get((new, fitted), "Convert the column: give it the kind that it had in fit.")
    zone, frequency = str(getattr(period, "tz", None)), getattr(period, "freqstr", None)
    return remedy.format(dates=dates, name=name, zone=zone, frequency=frequency)


def _elapsed_periods(periods, fitted):
    return np.array([(period - fitted[0]).n for period in periods], dtype=float)


def _elapsed_spans(periods, fitted):
    return np.asarray((periods - fitted[0]) / pd.Timedelta(days=1), dtype=float)


def _elapsed_numbers(periods, fitted, role):
    code = year_code(fitted)
    if code is None:
        # Whole numbers of any size, such as nanoseconds, before floats round them.
        return (periods.to_numpy(dtype=object) - fitted.to_numpy(dtype=object)[0]).astype(float)
    position = code.positions(periods.to_numpy(dtype=float))
    unknown = np.isnan(position)
    if unknown.any():
        raise InvalidDataError(
            f"{role} column {fitted.name!r} holds {int(unknown.sum()):,} periods such as "
            f"{plain(periods[unknown][0])!r}, which is no {code.part}; the fitted ones, "
            f"{_span(fitted)}, were read as {code.form}. Correct them; if the numbers are something else, "
            f"convert the column before fit and predict: X[{fitted.name!r}] - {plain(fitted[0])!r} for plain "
            "numbers, dates for weeks."
        )
    return position - code.positions(fitted[:1].to_numpy(dtype=float))


def _elapsed_days(periods, fitted):
    periods, fitted = pd.to_datetime(periods), pd.to_datetime(fitted)
    if fitted.tz is not None:
        periods, clock = periods.tz_convert(fitted.tz), fitted.tz_localize(None)
        if len((clock - clock.normalize()).unique()) == 1:
            periods, fitted = periods.tz_localize(None), clock
    return np.asarray((periods - fitted[0]) / pd.Timedelta(days=1), dtype=float)


def _elapsed_ranks(periods, fitted, role, order):
    steps = order.get_indexer(periods)
    if (steps < 0).any():
        new = periods[steps < 0]
        raise InvalidDataError(
            f"{role} column {fitted.name!r} holds {len(new):,} periods that were not fitted, such as "
            f"{plain(new[0])!r}, and the fitted ones, such as {plain(fitted[0])!r}, do not say when these "
            "are. Use numbers or dates to look ahead, or in fit an ordered categorical with categories "
            "for all periods to come."
        )
    return (steps - order.get_loc(fitted[0])).astype(float)


def _span(periods):
    return f"{_shown(periods[0])} to {_shown(periods[-1])}"


def _shown(label):
    """A label as text is best read: dates without the time where that is midnight."""
    if isinstance(label, pd.Timestamp):
        return label.strftime("%Y-%m-%d") + (
            label.strftime(" %H:%M:%S%z") if label != label.normalize() else ""
        )
    return str(label) if isinstance(label, pd.Period | pd.Timedelta) else plain(label)
