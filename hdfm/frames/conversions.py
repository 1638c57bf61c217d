"""Calls that turn a column of periods into what can be placed in time, each tried before it is named."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from hdfm.frames.calendar import (
    DAYS_OF_A_WEEK,
    ISO_MONDAY,
    MONTH,
    WEEK,
    WEEKS,
    YearCode,
    YearTurns,
    weeks_of_their_own,
    year_turns,
)

DAY_OR_MONTH_FIRST = r"\s*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
EVEN = 0.1  # standard deviation of distances over their mean; of months 0.03
MONTHS = ("%m/%Y", "%m.%Y", "%b %Y", "%B %Y")
QUARTER = r"\s*\d{4}-?Q[1-4]\s*"


@dataclass(frozen=True, slots=True)
class Call:
    """A conversion.

    Attributes
    ----------
    text : str
        Code that does it to a column X[...].
    value : pandas.Series
        What it gives (n,).
    """

    text: str
    value: pd.Series


def tried(text: str, convert: Callable[[], pd.Series | pd.Index | None]) -> Call | None:
    """The call, unless it fails, warns or leaves something missing."""
    try:
        with warnings.catch_warnings(record=True) as records:
            warnings.simplefilter("always")
            value = convert()
    except (TypeError, ValueError, OverflowError, AttributeError, NotImplementedError):
        return None
    if value is None or records or pd.isna(value).any():
        return None
    return Call(text, pd.Series(value))


def order_remedy(label: pd.Series, name: str | None = None) -> str:
    """A sentence with the first conversion that gives labels (n,) an order in time.

    Where dates as text may begin with the day or with the month, both are named.

    Examples
    --------
    >>> import pandas as pd
    >>> order_remedy(pd.Series(["week 1", "week 2"], name="week"))
    "Convert it with X['week'].astype(str).str.extract(r'(\\\\d+)', expand=False).astype(int)."
    >>> order_remedy(pd.Series(["13.05.2024", "20.05.2024"], name="week"))
    "Convert it with pandas.to_datetime(X['week'], dayfirst=True)."
    """
    name = f"X[{label.name!r}]" if name is None else name
    calls = in_order(pd.Series(label.unique()), name)
    if not calls:
        return (
            f"Convert it with pandas.Categorical({name}.astype(str), categories=[...], ordered=True), the "
            "categories in the order of time."
        )
    remedy = f"Convert it with {calls[0].text}."
    if len(calls) == 1:
        return remedy
    k = int(np.argmax(calls[0].value != calls[1].value))
    date, rival = (call.value.iloc[k].strftime("%-d %B %Y") for call in calls)
    return (
        f"{label.unique()[k]!r} may be {date} or, with {calls[1].text}, {rival}; the former looks "
        f"likelier by the distances between dates. {remedy}"
    )


def in_order(values: pd.Series, name: str) -> list[Call]:
    """The first conversion of distinct labels (K,) that keeps them apart and gives them an order in time.

    The other one too where dates begin with the day or the month; the likelier one first.
    """
    tries: dict[str, Callable[[], pd.Series | pd.Index | None]] = {
        "{}.astype(int)": lambda: values.astype(int) if values.dtype == bool else None,
        "pandas.to_numeric({})": lambda: pd.to_numeric(values),
        "pandas.PeriodIndex({}, freq='Q')": lambda: _quarters(values),
        "pandas.to_datetime({})": lambda: pd.to_datetime(values) if _are_dated(values) else None,
        "pandas.to_datetime({}, dayfirst=True)": lambda: _day_first(values),
        "pandas.to_datetime({}, utc=True)": lambda: (
            pd.to_datetime(values, utc=True) if _are_dated(values) else None
        ),
        **{f"pandas.to_datetime({{}}, format={form!r})": _in_form(values, form) for form in MONTHS},
        r"{}.astype(str).str.extract(r'(\d+)', expand=False).astype(int)": lambda: _only_numbers(values),
    }
    for text, convert in tries.items():
        call = tried(text.format(name).replace(".astype(str)" * 2, ".astype(str)"), convert)
        if call is None or call.value.nunique() != len(values):
            continue
        rival = tried(f"pandas.to_datetime({name}, dayfirst=True)", lambda: _day_first(values))
        if not text.startswith("pandas.to_datetime") or rival is None or rival.value.equals(call.value):
            return [call]
        return sorted((call, rival), key=lambda candidate: _unlikeliness(candidate.value))
    return []


def _in_form(values, form):
    return lambda: pd.to_datetime(values, format=form)


def _quarters(values):
    return pd.PeriodIndex(values, freq="Q") if values.astype(str).str.fullmatch(QUARTER).all() else None


def _day_first(values):
    """Dates (K,) that begin with the day; what begins with the year is none of them."""
    if not values.map(lambda value: isinstance(value, str)).all():
        return None
    return (
        pd.to_datetime(values, dayfirst=True)
        if values.astype(str).str.match(DAY_OR_MONTH_FIRST).all()
        else None
    )


def _unlikeliness(dates):
    """By what readings of dates (K,) are sorted: uneven distances, other days than one in each month."""
    gaps = np.diff(np.sort(dates.to_numpy(dtype="datetime64[s]")).astype(float))
    unevenness = float(gaps.std() / gaps.mean()) if len(gaps) else 0.0
    return unevenness > EVEN, dates.dt.day.nunique() > 1, unevenness


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


def code_calls(code: YearCode, periods: pd.Index, name: str) -> dict[str, Call]:
    """Calls that spell out integers with a year, as they are read first, by the words that introduce them."""
    values = pd.Series(periods).astype(int)
    calls: dict[str, Call | None] = {"": Call(code.remedy.format(column=name), values)}
    turns = year_turns(periods)
    if code.part == MONTH.part:
        calls["for weeks with "] = tried(ISO_MONDAY.format(column=name), lambda: mondays(values.astype(str)))
    elif code.part == WEEK.part and weeks_of_their_own(periods):
        calls[""] = _rest_of_a_year(values, weeks_of_their_own(periods), name)
        calls["for weeks of their own with "] = _week_call(values, f"{name}.astype(int)")
    elif code.part == WEEK.part and turns is not None and turns.length < WEEKS - 1:
        calls[f"for {turns.length} periods a year with "] = _counted(values, turns, name)
    return {words: call for words, call in calls.items() if call is not None}


def turns_call(turns: YearTurns, periods: pd.Index, name: str) -> Call:
    """The call that makes even periods of numbers that look like a year and a part of it."""
    values, unit = pd.Series(periods).astype(int), 10**turns.digits
    added = turns.century * unit
    whole = f"({name}.astype(int) + {added})" if added else f"{name}.astype(int)"
    number = values + added
    tries: dict[str, Callable[[], Call | None]] = {
        "quarter": lambda: tried(
            f"pandas.PeriodIndex.from_fields(year={whole} // 10, quarter={whole} % 10, freq='Q')",
            lambda: _of_quarters(number // 10, number % 10),
        ),
        "month": lambda: tried(
            f"pandas.PeriodIndex({whole}.astype(str), freq='M')",
            lambda: pd.PeriodIndex(number.astype(str), freq="M"),
        ),
        "week": lambda: _week_call(number, whole),
        "day": lambda: tried(
            f"pandas.to_datetime({whole}.astype(str), format='%Y%j')",
            lambda: pd.to_datetime(number.astype(str), format="%Y%j"),
        ),
    }
    call = tries[turns.part]() if turns.part in tries else None
    if call is not None:
        return call
    return _counted(values, turns, name)


def _of_quarters(year, quarter):
    return pd.PeriodIndex.from_fields(year=year, quarter=quarter, freq="Q")


def _counted(values, turns, name):
    """Numbers of parts (K,) as if all years had as many."""
    unit, length = 10**turns.digits, turns.length
    whole = f"{name}.astype(int)"
    return Call(f"{whole} // {unit} * {length} + {whole} % {unit}", values // unit * length + values % unit)


def _rest_of_a_year(values, weeks, name):
    """Mondays (K,) of ISO weeks; of a 53rd that ISO does not have, half a week after that of the 52nd."""
    before = {str(week): str(week - 1) for week in weeks}
    return tried(
        f"{ISO_MONDAY.format(column=name).replace('(str)', f'(str).replace({before})')} + "
        f"pandas.to_timedelta(3.5 * {name}.isin({weeks}), 'D')",
        lambda: mondays(values.astype(str).replace(before)) + pd.to_timedelta(3.5 * values.isin(weeks), "D"),
    )


def mondays(texts: pd.Series) -> pd.Series:
    """Mondays (n,) of ISO weeks YYYYWW as text."""
    return pd.to_datetime(texts + "1", format="%G%V%u")


def _week_call(values, name):
    """Dates of weeks YYYYWW (K,), which count them by one of the three ways so that all are 7 days apart."""
    for form, day in (("%G%V%u", 1), ("%Y%U%w", 1), ("%Y%W%w", 1), ("%Y%U%w", 0), ("%Y%W%w", 0)):
        call = tried(
            f"pandas.to_datetime({name}.astype(str) + '{day}', format={form!r})",
            partial(pd.to_datetime, values.astype(str) + str(day), format=form),
        )
        if call is None:
            continue
        days = np.diff(call.value.to_numpy(dtype="datetime64[D]")).astype(int)
        following = np.diff(values) == 1
        apart = (days > 0).all() and (days % DAYS_OF_A_WEEK == 0).all()
        if apart and (days[following] == DAYS_OF_A_WEEK).all():
            return call
    return None
