"""Numbers that hold a year and a part of it: how they are read, and that what is said of them works."""

import re

import numpy as np
import pandas as pd
import pytest

from hdfm.frames.calendar import year_turns
from hdfm.frames.time_warnings import fitted_time, time_warnings
from hdfm.frames.timeline import Timeline

SUNDAYS = pd.date_range("2023-07-16", periods=60, freq="7D")
READ = {
    "weeks": ([202450, 202451, 202501], "YYYYWW: a year and a week"),
    "months": ([202401, 202402], "YYYYMM: a year and a month"),
    "first weeks of years": ([202301 + 100 * (k // 12) + k % 12 for k in range(36)], "YYYYMM"),
    "days": ([20240131, 20240201], "YYYYMMDD: a year and a day"),
    "quarters": ([10 * (2018 + k // 4) + k % 4 + 1 for k in range(10)], "YYYYQ: a year and a quarter"),
    "quarters as floats": ([20234.0, 20241.0], "YYYYQ"),
    "a 53rd week": ([202351, 202352, 202353, 202401, 202402], "YYYYWW.*202353, which ISO's calendar lacks"),
    "13 periods a year": ([201801 + 100 * (k // 13) + k % 13 for k in range(40)], "YYYYWW"),
}
LOOK_SO = {
    "YYWW": ([*range(2340, 2353), *range(2401, 2410)], "year and a week"),
    "YYMM": ([2211, 2212, 2301, 2302, 2303], "year and a month"),
    "YYQ": ([10 * (18 + k // 4) + k % 4 + 1 for k in range(12)], "year and a quarter"),
    "YYPP": ([1801 + 100 * (k // 13) + k % 13 for k in range(40)], "year and a part of it"),
    "YYYYDDD": (pd.date_range("2023-12-01", periods=60).strftime("%Y%j").astype(int), "year and a day"),
    "YYYYWW": (SUNDAYS.shift(1, "D").strftime("%Y%U").astype(int), "year and a week"),  # week 00
}
PLAIN = {
    "numbers": range(300),
    "a gap": [*range(40), *range(90, 130)],
    "years": range(1990, 2020),
    "days of a spreadsheet": range(45292, 45592, 7),
    "nanoseconds": range(2**60, 2**60 + 300),
    "seconds": range(1_700_000_000, 1_700_864_000, 86_400),
    "fractions": np.array([2351, 2352, 2401, 2402]) + 0.5,
    "few": [2352, 2401],
    "below 0": [-1, 12, 101, 102, 103],
}


def timeline(labels):
    time = fitted_time(pd.Series(list(labels), name="week"))
    return Timeline(time.periods, time.order)


def calls_in(said):
    """The calls that say what numbers are, the reading as it is first, and the one for plain numbers."""
    calls, plain = re.search(r"Say so with (.*); if they are plain numbers, take (.*)\.$", said).groups()
    return re.split(r"; for [\w ]+ with ", calls), plain


@pytest.mark.parametrize(("labels", "found"), READ.values(), ids=READ)
def test_the_remedies_of_codes_keep_their_places_in_silence(labels, found):
    X, coded = pd.DataFrame({"week": labels}), timeline(labels)
    (said,) = time_warnings(coded, 10**4, "rows")
    assert re.search(f"^The time column 'week' holds integers such as {labels[0]}, read as {found}", said)
    calls, plain = calls_in(said)
    dated = timeline(eval(calls[0], {"pandas": pd, "X": X}))
    np.testing.assert_allclose(dated.steps, coded.steps)
    for call in (*calls, plain):
        assert time_warnings(timeline(eval(call, {"pandas": pd, "X": X})), 10**4, "rows") == []


OTHERS = {
    "weeks that look like months": (
        READ["first weeks of years"][0],
        [1] * 11 + [41] + [1] * 11 + [41] + [1] * 11,
    ),
    "a 53rd week of its own": (READ["a 53rd week"][0], [1] * 4),
    "13 periods a year": (READ["13 periods a year"][0], [1] * 39),
}


@pytest.mark.parametrize(("labels", "distances"), OTHERS.values(), ids=OTHERS)
def test_what_else_codes_may_be(labels, distances):
    X = pd.DataFrame({"week": labels})
    (said,) = time_warnings(timeline(labels), 10**4, "rows")
    (_, other), _ = calls_in(said)
    np.testing.assert_allclose(np.diff(timeline(eval(other, {"pandas": pd, "X": X})).steps), distances)


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "Int64[pyarrow]", object])
@pytest.mark.parametrize(("form", "labels", "found"), [(form, *case) for form, case in LOOK_SO.items()])
def test_numbers_that_jump_where_years_turn(form, labels, found, dtype):
    dtype = "int64[pyarrow]" if dtype == "Int64[pyarrow]" else dtype
    X = pd.DataFrame({"week": pd.Series(list(labels)).astype(dtype)})
    (said,) = time_warnings(timeline(X["week"]), 10**4, "rows")
    assert re.search(
        rf"integers that look like a {found} \({form}\): after \S+ comes \S+, read as \d+ times", said
    )
    (call,), plain = calls_in(said)
    repaired = timeline(eval(call, {"pandas": pd, "X": X}))
    np.testing.assert_allclose(repaired.steps, np.arange(len(X)))
    for even in (repaired, timeline(eval(plain, {"X": X}))):
        assert time_warnings(even, 10**4, "rows") == []


@pytest.mark.parametrize("labels", PLAIN.values(), ids=PLAIN)
def test_plain_numbers_are_no_years(labels):
    assert year_turns(pd.Index(labels)) is None
    assert time_warnings(timeline(labels), 10**4, "rows") == []
