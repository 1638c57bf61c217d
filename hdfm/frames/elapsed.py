"""How much time lies between periods."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.calendar import year_code
from hdfm.frames.columns import plain
from hdfm.frames.kinds import kind_of, period_text, span_text


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
            f"{span_text(fitted)}, were read as {code.form}. Correct them; if the numbers are something "
            f"else, convert the column before fit and predict: X[{fitted.name!r}].astype(float) + 0.5 for "
            "plain numbers, dates for weeks."
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
        labels = periods[steps < 0]
        raise InvalidDataError(
            f"{role} column {fitted.name!r} holds {len(labels):,} periods that were not fitted, such as "
            f"{plain(labels[0])!r}, and the fitted ones, such as {plain(fitted[0])!r}, do not say when these "
            "are. Use numbers or dates to look ahead, or in fit an ordered categorical with categories "
            "for all periods to come."
        )
    return (steps - order.get_loc(fitted[0])).astype(float)
