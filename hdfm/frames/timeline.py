"""Where periods lie in time: how far apart they are, and what a user should hear of that."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.calendar import year_code
from hdfm.frames.columns import label_column, plain
from hdfm.frames.periods import kind_of, period_text, read_time, unwrapped

WIDE_GAP = 1.5  # usual distances
MOST_STEPS = 100_000
STAMPS_FROM = 200  # periods
ROWS_A_STAMP = 2.0


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
                f"{_span(self.period)}, such as {period_text(labels[int(np.argmax(beyond))])!r}: "
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
            return unwrapped(label_column(column, self.role))
        label = read_time(column, self.role).label
        new, fitted = kind_of(label), kind_of(self.period)
        if new != fitted or (new == "pandas Periods" and label.dtype != self.period.dtype):
            raise InvalidDataError(
                f"{self._column} holds {new} such as {period_text(label.iloc[0])!r}; "
                f"the model was fitted on {fitted} such as {period_text(self.period[0])!r}. "
                f"{_same_kind(new, fitted, self.period, column.name)}"
            )
        if isinstance(self.period, pd.DatetimeIndex) and self.period.tz is not None:
            label = label.dt.tz_convert(self.period.tz)
        return label

    @property
    def _column(self):
        return f"{self.role} column {self.period.name!r}"


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
    kind = kind_of(fitted) if fitted.is_monotonic_increasing and order is None else "an order of their own"
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
            f"{role} column {fitted.name!r}: {period_text(periods[0])!r} can't be placed in time beside the "
            f"fitted {period_text(fitted[0])!r} ({error}). Convert the column."
        ) from error


def wide_gaps(timeline: Timeline) -> list[str]:
    """Neighbours that are more than 1.5 usual distances apart, in words; the widest first."""
    gaps = np.diff(timeline.steps)
    wide = np.flatnonzero(gaps > WIDE_GAP)
    period = timeline.period
    return [
        f"{period_text(period[k])} to {period_text(period[k + 1])} ({gaps[k]:.4g} times the usual distance)"
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
    if kind_of(period) == "numbers" and timeline.order is None:
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
        }.get(kind_of(period), f"X[{name}] // 7")
        said.append(
            f"The {timeline.role} column {name} holds {T:,} distinct periods for {n_rows:,} {what}, such as "
            f"{period_text(period[0])!r}: time stamps rather than periods? Work grows with the "
            f"square of their number. Join them to periods that hold more, as in {remedy}."
        )
    return said


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
    return f"{period_text(periods[0])} to {period_text(periods[-1])}"
