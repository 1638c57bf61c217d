"""What is said of periods before the work starts, and that it is silent after its remedy."""

import re
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError
from hdfm.frames.time_warnings import fitted_time, time_warnings
from hdfm.frames.timeline import Timeline

START = pd.Timestamp("2024-01-01")
MONDAYS = pd.Series(pd.date_range(START, periods=40, freq="7D"))
EVENTS = pd.Series(
    START + pd.to_timedelta(np.sort(np.random.default_rng(0).integers(0, 60 * 86400, 300)), unit="s")
)
WEEKS_AND_SECONDS = pd.Series(
    (START + pd.to_timedelta(7 * np.arange(40), unit="D")).repeat(3)
    + pd.to_timedelta(np.tile(range(3), 40), unit="s")
)
KINDS = {
    "datetime64": lambda stamps: stamps,
    "objects": lambda stamps: stamps.astype(object),
    "zoned": lambda stamps: stamps.dt.tz_localize("Europe/Berlin"),
    "Arrow": lambda stamps: stamps.astype(pd.ArrowDtype(pa.timestamp("us"))),
    "time spans": lambda stamps: stamps - stamps[0],
    "Periods": lambda stamps: stamps.dt.to_period("s"),
    "seconds": lambda stamps: (stamps - START) // pd.Timedelta(seconds=1),
    "floats": lambda stamps: (stamps - START) / pd.Timedelta(days=7),
    "Decimals": lambda stamps: ((stamps - START) // pd.Timedelta(seconds=1)).map(Decimal),
}


def timeline(labels):
    time = fitted_time(pd.Series(labels).rename("week"))
    return Timeline(time.periods, time.order)


def said_of(labels):
    return time_warnings(timeline(labels), len(labels), "rows")


@pytest.mark.parametrize("convert", KINDS.values(), ids=KINDS)
def test_time_stamps(convert):
    X = pd.DataFrame({"week": convert(EVENTS)})
    (said,) = said_of(X["week"])
    assert said.startswith("The time column 'week' holds 300 distinct periods for 300 rows")
    call = re.search(r"Join them to periods that hold more, as in (.*)\.$", said)[1]
    joined = pd.Series(eval(call, {"pandas": pd, "X": X}))
    assert joined.nunique() < 200
    assert said_of(joined) == []
    assert time_warnings(timeline(X["week"]), 3000, "rows") == []


def test_stamps_of_even_distances_are_joined_to_weeks():
    X = pd.DataFrame({"week": START + pd.to_timedelta(7919 * np.arange(300), unit="min")})
    (said,) = said_of(X["week"])
    assert said_of(eval(re.search(r"as in (.*)\.$", said)[1], {"pandas": pd, "X": X})) == []


DAYS = pd.Series(pd.date_range(START, periods=250))
PERIODS = {
    "days": DAYS,
    "date objects": DAYS.dt.date,
    "days of Arrow": DAYS.astype(pd.ArrowDtype(pa.date32())),
    "days of a zone": DAYS.dt.tz_localize("Europe/Berlin"),
    "days as Periods": DAYS.dt.to_period("D"),
    "business days": pd.Series(pd.bdate_range(START, periods=250)),
    "some days": DAYS[np.random.default_rng(1).random(250) < 0.85],
    "numbers": pd.Series(range(250)),
    "ordered categories": pd.Series(
        pd.Categorical.from_codes(range(250), [f"day {k}" for k in range(250)], ordered=True)
    ),
    "hours": pd.Series(pd.date_range(START, periods=250, freq="h")),
    "months": pd.Series(pd.date_range("2000-01-01", periods=250, freq="MS")),
    "Decembers": pd.Series(pd.date_range("2010-01-01", "2020-01-01")).loc[lambda day: day.dt.month == 12],
}


@pytest.mark.parametrize("labels", PERIODS.values(), ids=PERIODS)
def test_periods_of_one_product_are_no_stamps(labels):
    assert said_of(labels) == []


@pytest.mark.parametrize("convert", KINDS.values(), ids=KINDS)
def test_periods_seconds_apart(convert):
    X = pd.DataFrame({"week": convert(WEEKS_AND_SECONDS)})
    (said,) = said_of(X["week"])
    assert "gaps of 604,798 times that or more" in said
    joined = timeline(eval(re.search(r"Join them, as in (.*)\.$", said)[1], {"pandas": pd, "X": X}))
    assert len(joined.period) == 40
    assert time_warnings(joined, len(X), "rows") == []


def test_a_period_too_far_from_ones_seconds_apart():
    fit = timeline(WEEKS_AND_SECONDS)
    with pytest.raises(
        InvalidDataError, match="distance is 0 days 00:00:01, as periods of the fit lie"
    ) as said:
        fit.place(pd.Index([pd.Timestamp("2024-12-02")]))
    X = pd.DataFrame({"week": WEEKS_AND_SECONDS})
    joined = eval(re.search(r"as in (.*)\.$", str(said.value))[1], {"pandas": pd, "X": X})
    assert timeline(joined).place(pd.Index([pd.Timestamp("2024-12-02")])) == 48


STRAYS = {
    "date objects": MONDAYS.dt.date.where(MONDAYS.index != 5, date(9999, 12, 31)),
    "ISO text": MONDAYS.dt.strftime("%G-W%V").where(MONDAYS.index != 5, "9999-W52"),
    "dates": MONDAYS.where(MONDAYS.index != 5, pd.Timestamp("2200-01-01")),
    "dates long ago": MONDAYS.where(MONDAYS.index != 5, pd.Timestamp("1970-01-01")),
    "Periods": MONDAYS.where(MONDAYS.index != 5, pd.Timestamp("2200-01-01")).dt.to_period("W"),
    "zoned": MONDAYS.where(MONDAYS.index != 5, pd.Timestamp("2200-01-01")).dt.tz_localize("Europe/Berlin"),
    "numbers": pd.Series(range(40)).where(MONDAYS.index != 5, 99_999),
    "floats": pd.Series(range(40)).where(MONDAYS.index != 5, -99_999) + 0.0,
    "categories": pd.Series(
        pd.Categorical(MONDAYS.where(MONDAYS.index != 5, pd.Timestamp("2200-01-01")), ordered=True)
    ),
}


@pytest.mark.parametrize("labels", STRAYS.values(), ids=STRAYS)
def test_a_period_far_from_all_others(labels):
    X = pd.DataFrame({"week": labels})
    found = r"has 1 of 40 rows in 1 periods far from all others, such as .* in row 5, [\d,]+ times the usual"
    with pytest.warns(DataWarning, match=found) as said:
        fitted_time(X["week"])
    keep = re.search(r"keep = (.*), X\[keep\], y\[keep\]\.$", str(said[0].message))[1]
    assert len(fitted_time(X[eval(keep, {"X": X})]["week"]).periods) == 39


ALPHABETS = {
    "numbers": [str(k) for k in range(1, 13)],
    "numbers in words": [f"week {k}" for k in range(1, 13)],
    "months": ["Jan", "Feb", "Mar", "Apr", "May"],
    "months in full": ["January", "February", "March"],
    "dates": list(pd.date_range("2022-01-01", periods=14, freq="MS").strftime("%d.%m.%Y")),
}


@pytest.mark.parametrize("labels", ALPHABETS.values(), ids=ALPHABETS)
def test_ordered_categories_in_the_order_of_the_alphabet(labels):
    X = pd.DataFrame({"week": pd.Categorical(labels, ordered=True)})
    with pytest.warns(
        DataWarning, match=r"ordered categories in the order of the alphabet, .* after"
    ) as said:
        fitted_time(X["week"])
    call = re.search(r"convert it with (.*)\.$", str(said[0].message))[1]
    repaired = pd.Series(eval(call, {"pandas": pd, "X": X}))
    assert list(repaired) == list(fitted_time(repaired.rename("week")).periods)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["01", "02", "10"], ["01", "02", "10"]),
        (["w40", "w52", "w1"], ["w40", "w52", "w1"]),  # over the turn of a year
        (["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_ordered_categories_that_are_meant_so(labels, order):
    assert (
        list(fitted_time(pd.Series(pd.Categorical(labels, order, ordered=True), name="week")).periods)
        == order
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_differ_by_rounding_are_one_period(dtype):
    summed = np.cumsum(np.full(40, 0.1, dtype)) - np.array(0.1, dtype)
    times = (np.arange(40) * 0.1).astype(dtype)
    time = fitted_time(pd.Series(np.concatenate([times, summed]), name="week"))
    assert len(np.union1d(times, summed)) > 60
    assert len(time.periods) == 40
    assert time.label.isin(time.periods).all()
