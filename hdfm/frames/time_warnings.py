"""What a user should hear of periods before the work starts."""

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.calendar import WEEK, weeks_of_their_own, year_code, year_turns
from hdfm.frames.columns import plain
from hdfm.frames.conversions import Call, code_calls, in_order, turns_call
from hdfm.frames.kinds import kind_of, period_text, span_text
from hdfm.frames.matching import join_call
from hdfm.frames.periods import TimeColumn, read_time
from hdfm.frames.timeline import Timeline

FEWEST, STRAY, FEW_STRAYS = 5, 1000.0, 0.1  # periods; usual distances from all others; of the periods
HOURS = 24
EVEN, NEARLY_ALL = 0.01, 0.9
STAMPS_FROM = 200  # periods
ROWS_A_STAMP = 2.0


def time_warnings(timeline: Timeline, n_rows: int, what: str) -> list[str]:
    """Warnings about periods before the work starts, as sentences.

    Parameters
    ----------
    n_rows : int
        Number of observations.
    what : str
        What messages call them.
    """
    sentences = _said_of_codes(timeline)
    return sentences + (_said_of_close_periods(timeline) or _said_of_stamps(timeline, n_rows, what))


def _said_of_close_periods(timeline):
    """Warnings about periods most of which are parts of one."""
    call = None if timeline.order is not None else timeline.joined()
    if call is None:
        return []
    k = int(np.argmin(np.diff(timeline.steps)))
    pair = " and ".join(str(period_text(label)) for label in timeline.period[[k, k + 1]])
    distance = timeline.in_words(timeline.step)
    return [
        f"The {timeline.role} column {timeline.period.name!r} holds {len(timeline.period):,} periods, "
        f"{span_text(timeline.period)}, that are usually {distance} apart, while half of that time lies in "
        f"gaps of {timeline.widest_half:,.0f} times that or more: are {pair} parts of one period rather than "
        f"two? Effects move by distance in time. Join them, as in {call.text}."
    ]


def _said_of_stamps(timeline, n_rows, what):
    """Warnings about time stamps of events, rather than periods that rows share."""
    T, period = len(timeline.period), timeline.period
    if not (T > STAMPS_FROM and n_rows < ROWS_A_STAMP * T and _are_stamps(timeline)):
        return []

    def are_periods(labels):
        joined = pd.Index(labels.unique()).sort_values()
        few = len(joined) <= max(STAMPS_FROM, n_rows / ROWS_A_STAMP)
        as_usual = isinstance(joined, pd.DatetimeIndex) and not _are_stamps(Timeline(joined))
        return 1 < len(joined) < T and (few or as_usual)

    call = join_call(pd.Series(period, name=period.name), are_periods)
    remedy = "" if call is None else f" Join them to periods that hold more, as in {call.text}."
    return [
        f"The {timeline.role} column {period.name!r} holds {T:,} distinct periods for {n_rows:,} {what}, "
        f"such as {period_text(period[0])!r}: time stamps rather than periods? Work grows with the square of "
        f"their number.{remedy}"
    ]


def _are_stamps(timeline):
    """Whether periods are uneven; those of dates too that are at more times of the day than there are hours.

    Dates at one time of the day are none.
    """
    period = timeline.period
    gaps = np.diff(timeline.steps)
    even = np.mean((np.abs(gaps - np.round(gaps)) < EVEN) & (gaps > EVEN)) >= NEARLY_ALL
    if not isinstance(period, pd.DatetimeIndex) or timeline.order is not None:
        return not even
    clock = period.tz_localize(None)
    times = (clock - clock.normalize()).nunique()
    return times > 1 and (not even or times > HOURS)


def _said_of_codes(timeline):
    """Warnings about numbers that are a year and a part of it, or look so."""
    period, name = timeline.period, f"X[{timeline.period.name!r}]"
    if kind_of(period) != "numbers" or timeline.order is not None:
        return []
    what = f"The {timeline.role} column {period.name!r} holds integers"
    plain_numbers = f"if they are plain numbers, take {name}.astype(float) + 0.5."
    code, turns = year_code(period), year_turns(period)
    if code is not None:
        remedy = "; ".join(f"{words}{call.text}" for words, call in code_calls(code, period, name).items())
        unusual = weeks_of_their_own(period) if code.part == WEEK.part else []
        note = f" ({unusual[0]}, which ISO's calendar lacks, as the rest of the 52nd)" if unusual else ""
        return [
            f"{what} such as {plain(period[0])!r}, read as {code.form}: a year and a {code.part}{note}. Say "
            f"so with {remedy}; {plain_numbers}"
        ]
    if turns is not None:
        k = turns.turn
        return [
            f"{what} that look like a year and a {turns.part} ({turns.form}): after {plain(period[k])!r} "
            f"comes {plain(period[k + 1])!r}, read as {timeline.steps[k + 1] - timeline.steps[k]:.4g} times "
            f"the usual distance. Say so with {turns_call(turns, period, name).text}; {plain_numbers}"
        ]
    return []


def fitted_time(column: pd.Series, role: str = "time") -> TimeColumn:
    """A column of periods to fit, as :func:`hdfm.frames.periods.read_time`; warns of what misleads.

    That is of periods very far from all others, such as dates that stand for none, and of categories in the
    order of the alphabet.
    """
    time = read_time(column, role)
    timeline = Timeline(time.periods, time.order, role)
    _warn_of_strays(column, time, timeline)
    _warn_of_alphabet(column, time, timeline)
    return time


def _warn_of_strays(column, time, timeline):
    if len(time.periods) < FEWEST:
        return
    far = np.diff(timeline.steps) > STRAY
    cluster = np.concatenate([[0], np.cumsum(far)])
    stray = cluster != np.bincount(cluster).argmax()
    if not stray.any() or stray.sum() > max(1, FEW_STRAYS * len(stray)):
        return
    rows = time.label.isin(time.periods[stray]).to_numpy()
    text = column.astype(str)
    k, row = int(np.flatnonzero(stray)[0]), int(np.flatnonzero(rows)[0])
    apart = np.abs(timeline.steps[~stray] - timeline.steps[k]).min()
    expression = f"~X[{column.name!r}].astype(str).isin({text[rows].unique().tolist()})"
    warn_caller(
        f"{timeline.role} column {column.name!r} has {int(rows.sum()):,} of {len(rows):,} rows in "
        f"{int(stray.sum()):,} periods far from all others, such as {text.iloc[row]!r} in row "
        f"{plain(column.index[row])!r}, {apart:,.0f} times the usual distance from the nearest of those. If "
        f"it stands for no time, correct or drop these rows: keep = {expression}, X[keep], y[keep].",
        DataWarning,
    )


def _warn_of_alphabet(column, time, timeline):
    """Warn of ordered categories that are in the order of the alphabet, and not in that of what they say."""
    if time.order is None or kind_of(time.order) != "text" or list(time.order) != sorted(time.order):
        return
    name = f"X[{column.name!r}]"
    calls = in_order(pd.Series(time.order), f"{name}.astype(str)") or _months(time.order, name)
    if not calls or calls[0].value.is_monotonic_increasing:
        return
    k = int(np.flatnonzero(np.diff(calls[0].value.argsort()) != 1)[0])
    warn_caller(
        f"{timeline.role} column {column.name!r} has {len(time.order):,} ordered categories in the order of "
        f"the alphabet, {time.order[k + 1]!r} after {time.order[k]!r}, and periods are taken in it. If that "
        f"is not their order in time, convert it with {calls[0].text}.",
        DataWarning,
    )


def _months(order, name):
    """What puts categories that are names of months in the order of the year."""
    for form in ("%b", "%B"):
        month = pd.Series(pd.to_datetime(pd.Series(order), format=form, errors="coerce"))
        if month.notna().all():
            return [Call(f"{name}.cat.reorder_categories({list(order[month.argsort()])})", month)]
    return []
