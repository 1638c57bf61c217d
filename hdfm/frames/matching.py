"""Calls that make labels of periods those of a fit, or join them to fewer, each tried before it is named."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from hdfm.frames.calendar import DAY, MONTH, WEEK, YearCode, year_code
from hdfm.frames.conversions import Call, mondays, tried
from hdfm.frames.kinds import kind_of

ISO_TEXT = "pandas.to_datetime({}.astype(str).str.strip().str.replace('-', '') + '1', format='%GW%V%u')"
SAME_TIME = 1e-6  # days
Test = Callable[[pd.Series], bool]
Offsets = Callable[[pd.Series], tuple[np.ndarray, np.ndarray]]


def own_kind(column: pd.Series, label: pd.Series) -> Call:
    """What turns a column into its labels (n,) in pandas' own kinds: the column itself where it has them."""
    name, kind, dtype = f"X[{column.name!r}]", kind_of(label), column.dtype
    is_own = isinstance(dtype, np.dtype) and dtype.kind != "O"
    if is_own or isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype):
        return Call(name, label)
    is_text = kind == "dates" and isinstance(column.iloc[0], str)
    texts = {
        "dates": ISO_TEXT if is_text else "pandas.to_datetime({})",
        "dates with a time zone": "pandas.to_datetime({})",
        "time spans": "pandas.to_timedelta({})",
        "pandas Periods": f"{{}}.astype({str(label.dtype)!r})",
        "numbers": "{}.astype(float)",
    }
    return Call(texts.get(kind, "{}").format(name), label)


def same_kind_call(column: pd.Series, label: pd.Series, fitted: pd.Index, offsets: Offsets) -> Call | None:
    """What gives labels (n,) the kind of the fitted ones, and those of Periods the days that these have."""
    dates = _naive_dates(own_kind(column, label), column)
    if dates is None:
        return None
    call = _of_kind(dates, fitted)
    if call is None or kind_of(label) != "pandas Periods" or not kind_of(fitted).startswith("dates"):
        return call
    before, later = offsets(call.value)
    if not len(later) or (len(before) and before.min() < SAME_TIME):
        return call
    times, counts = np.unique(later.round(6), return_counts=True)  # others lie before weeks without rows
    return _of_kind(_moved(dates, times[counts.argmax()]), fitted) or call


def _of_kind(dates, fitted):
    """Labels (n,) of the kind of the fitted ones, of dates without a zone."""
    zone, frequency = str(getattr(fitted, "tz", None)), getattr(fitted, "freqstr", None)
    code = year_code(fitted) if kind_of(fitted) == "numbers" else None
    written, value = "" if code is None else code.written, dates.value
    text = (
        f"({dates.text})" if dates.text.endswith(")") and " pandas.Timedelta(" in dates.text else dates.text
    )
    calls: dict[str, Callable[[], Call | None]] = {
        "dates": lambda: dates,
        "dates with a time zone": lambda: tried(
            f"{text}.dt.tz_localize({zone!r})", lambda: value.dt.tz_localize(zone)
        ),
        "pandas Periods": lambda: tried(
            f"{text}.dt.to_period({frequency!r})", lambda: value.dt.to_period(frequency)
        ),
        "numbers": lambda: tried(
            f"{text}.dt.strftime({written!r}).astype(int)",
            lambda: value.dt.strftime(written).astype(int) if written else None,
        ),
    }
    return calls[kind_of(fitted)]() if kind_of(fitted) in calls else None


def _naive_dates(own, column):
    """Dates without a zone (n,) of what has them; None of other numbers and time spans."""
    name, value = f"X[{column.name!r}]", own.value
    code = year_code(pd.Index(value.unique())) if kind_of(value) == "numbers" else None
    text = f"{name}.astype(int).astype(str)"
    codes: dict[YearCode | None, tuple[str, Callable[[pd.Series], pd.Series]]] = {
        DAY: (f"pandas.to_datetime({text}, format='%Y%m%d')", partial(pd.to_datetime, format="%Y%m%d")),
        MONTH: (f"pandas.to_datetime({text}, format='%Y%m')", partial(pd.to_datetime, format="%Y%m")),
        WEEK: (f"pandas.to_datetime({text} + '1', format='%G%V%u')", mondays),
    }
    if code in codes:
        call, convert = codes[code]
        return tried(call, lambda: convert(value.astype(int).astype(str)))
    calls: dict[str, tuple[str, Callable[[], pd.Series]]] = {
        "dates": ("", lambda: value),
        "dates with a time zone": (".dt.tz_localize(None)", lambda: value.dt.tz_localize(None)),
        "pandas Periods": (".dt.to_timestamp()", lambda: value.dt.to_timestamp()),
    }
    if kind_of(value) not in calls:
        return None
    call, convert = calls[kind_of(value)]
    return tried(own.text + call, convert)


def _shifted(call, days):
    """Dates (n,) some days later, or earlier where below 0."""
    span = pd.Timedelta(days=abs(days)).round("s")
    text = f"days={span.days}" if span == pd.Timedelta(days=span.days) else repr(str(span))
    sign = "+" if days > 0 else "-"
    return tried(
        f"{call.text} {sign} pandas.Timedelta({text})",
        lambda: call.value + (span if days > 0 else -span),
    )


def fitted_calls(own: Call, fitted: pd.Index, matches: Test, offsets: Offsets) -> dict[str, Call]:
    """What turns labels (n,) that lie beside fitted ones into these: of the same day, else before and after.

    By the words "before" and "after", and "" where it is the same day.

    Parameters
    ----------
    own : Call
        Labels that lie beside fitted ones, and what gives them.
    fitted : pandas.Index
        The fitted labels.
    matches : callable
        Whether labels (n,) are fitted ones.
    offsets : callable
        Times since the fitted ones before, and to those after, of labels (n,).
    """
    same = [call for call in _same_days(own, fitted) if call is not None and matches(call.value)]
    if same:
        return {"": same[0]}
    clock, text, back = _on_the_clock(own, fitted)
    if clock is None:
        return {}
    before, after = (np.median(times) if len(times) else np.nan for times in offsets(own.value))
    tries = {
        "before": (_moved(clock, -before), _begin_of_month(clock)),
        "after": (_moved(clock, after), _end_of_month(clock)),
    }
    calls: dict[str, Call] = {}
    for words, moves in tries.items():
        for moved in (move for move in moves if move is not None):
            call = tried(text.format(moved.text), partial(back, moved.value))
            if call is not None and matches(call.value) and words not in calls:
                calls[words] = call
    return calls


def _begin_of_month(call):
    text = f"{call.text}.dt.to_period('M').dt.to_timestamp()"
    return tried(text, lambda: call.value.dt.to_period("M").dt.to_timestamp())


def _end_of_month(call):
    return tried(f"{call.text} + pandas.offsets.MonthEnd(0)", lambda: call.value + pd.offsets.MonthEnd(0))


def _on_the_clock(own, fitted):
    """Labels (n,) that can be moved in time, and what makes labels of their own kind of these."""
    kind, value = kind_of(own.value), own.value
    code = year_code(fitted) if kind == "numbers" else None
    if code is not None and code.part == DAY.part:
        name = own.text.removesuffix(".astype(float)")
        return (
            tried(f"pandas.to_datetime({name}.astype(int).astype(str))", lambda: _days(value)),
            f"({{}}).dt.strftime({code.written!r}).astype(int)",
            lambda dates: dates.dt.strftime(code.written).astype(int),
        )
    if kind == "dates with a time zone":
        zone = str(fitted.tz)
        return (
            tried(
                f"{own.text}.dt.tz_convert({zone!r}).dt.tz_localize(None)",
                lambda: value.dt.tz_convert(zone).dt.tz_localize(None),
            ),
            f"({{}}).dt.tz_localize({zone!r})",
            lambda dates: dates.dt.tz_localize(zone),
        )
    return own, "{}", lambda labels: labels


def _days(codes):
    return pd.to_datetime(codes.astype(int).astype(str))


def _same_days(own, fitted):
    """Other times of the same days (n,): as on the clock of the fit, and where days begin."""
    value, zone = own.value, str(getattr(fitted, "tz", None))
    if kind_of(value) == "dates with a time zone":
        yield tried(
            f"{own.text}.dt.tz_localize(None).dt.tz_localize({zone!r})",
            lambda: value.dt.tz_localize(None).dt.tz_localize(zone),
        )
        yield tried(
            f"{own.text}.dt.tz_localize(None).dt.floor('D').dt.tz_localize({zone!r})",
            lambda: value.dt.tz_localize(None).dt.floor("D").dt.tz_localize(zone),
        )
        yield tried(
            f"{own.text}.dt.tz_convert({zone!r}).dt.floor('D')",
            lambda: value.dt.tz_convert(zone).dt.floor("D"),
        )
    elif kind_of(value) in ("dates", "time spans"):
        yield tried(f"{own.text}.dt.floor('D')", lambda: value.dt.floor("D"))
        yield tried(f"{own.text}.dt.round('D')", lambda: value.dt.round("D"))
    elif kind_of(value) == "numbers":
        yield tried(f"{own.text}.round()", lambda: value.round())


def _moved(call, time):
    """Labels (n,) some time later, in days of dates and else in their unit; earlier where below 0."""
    if not np.isfinite(time):
        return None
    if kind_of(call.value) in ("dates", "time spans"):
        return _shifted(call, time)
    amount = round(time) if time == round(time) else float(f"{time:.6g}")
    sign = "+" if amount > 0 else "-"
    return tried(f"{call.text} {sign} {abs(amount)}", lambda: call.value + amount)


def join_call(labels: pd.Series, suits: Test) -> Call | None:
    """What joins distinct labels (K,) to fewer, the finest first; ``suits`` says whether they are few."""
    name, kind = f"X[{labels.name!r}]", kind_of(labels)
    for text, convert in _joins(labels, name, kind):
        call = tried(text, convert)
        if call is not None and suits(call.value):
            return call
    return None


def _joins(labels, name, kind):
    if kind.startswith("dates") or kind == "time spans":
        text = f"pandas.to_timedelta({name})" if kind == "time spans" else f"pandas.to_datetime({name})"
        for unit in ("s", "min", "h", "D", *(("7D", "28D") if kind == "time spans" else ())):
            yield f"{text}.dt.floor({unit!r})", lambda unit=unit: labels.dt.floor(unit)
            yield f"{text}.dt.round({unit!r})", lambda unit=unit: labels.dt.round(unit)
        if kind == "time spans":
            return
        clock = text if kind == "dates" else f"{text}.dt.tz_localize(None)"
        for unit in ("W", "M"):
            yield (
                f"{clock}.dt.to_period({unit!r}).dt.start_time",
                lambda unit=unit: labels.dt.tz_localize(None).dt.to_period(unit).dt.start_time,
            )
    elif kind == "pandas Periods":
        for unit in ("min", "h", "D", "W", "M", "Y"):
            yield (
                f"{name}.astype({str(labels.dtype)!r}).dt.asfreq({unit!r})",
                lambda unit=unit: labels.dt.asfreq(unit),
            )
    elif kind == "numbers":
        gap = np.median(np.diff(labels.to_numpy(dtype=float)))
        size = 10.0 ** np.floor(np.log10(gap))
        for width in (size * 10.0 ** (k // 3) * (1, 2, 5)[k % 3] for k in range(40)):
            shown = int(width) if width >= 1 else float(f"{width:.3g}")
            yield f"{name}.astype(float) // {shown}", lambda shown=shown: labels.astype(float) // shown
            yield (
                f"({name}.astype(float) / {shown}).round()",
                lambda shown=shown: (labels.astype(float) / shown).round(),
            )
