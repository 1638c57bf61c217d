"""Where periods lie in time."""

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import InvalidDataError
from hdfm.frames.calendar import iso_weeks, year_code
from hdfm.frames.periods import read_time
from hdfm.frames.timeline import Timeline, wide_gaps


def timeline(labels, **options):
    time = read_time(pd.Series(labels, name="week", **options))
    return Timeline(time.periods, time.order)


def test_the_usual_step_is_the_median():
    """One wide gap among weeks leaves them weeks; their mean distance is 13.25."""
    assert timeline([1, 2, 3, 4, 54]).step == 1.0
    np.testing.assert_array_equal(timeline([0, 2, 4, 6, 100]).steps, [0, 1, 2, 3, 50])


@pytest.mark.parametrize(
    ("labels", "form"),
    [
        ([202451, 202452, 202501], "YYYYWW"),
        ([202401, 202402, 202413], "YYYYWW"),
        ([202353, 202401], "YYYYWW"),
        ([202401, 202402], "YYYYMM"),
        ([202312, 202401], "YYYYMM"),
        ([20234, 20241], "YYYYQ"),
        ([20231, 20232], None),  # of one year alone
        ([20234, 20245], None),
        ([20240131, 20240201], "YYYYMMDD"),
        ([202401, 202454], None),
        ([202400, 202401], None),
        ([1, 2, 3], None),
        ([300001, 300002], None),
        ([202401.5, 202402], None),
        ([-202401, 202402], None),
        ([0, 202401], None),
    ],
)
def test_codes_are_known_by_their_pattern(labels, form):
    code = year_code(pd.Index(labels))
    assert (None if code is None else code.form) == form


@pytest.mark.parametrize(
    ("labels", "asked", "steps"),
    [
        (range(202440, 202453), [202501, 202439, 202601], [13, -1, 65]),
        (range(202040, 202054), [202101], [14]),  # 2020 has 53 weeks
        ([202350, 202351, 202352, 202353], [202401], [3]),  # 2023 has not
        ([202310, 202311, 202312], [202401, 202309], [3, -1]),
        ([20234, 20241, 20242], [20243, 20251, 20233], [3, 5, -1]),
        ([20240226, 20240227, 20240228], [20240301], [4]),
        (np.arange(20) * 0.1, [0.30000000000000004, 0.3, 0.05], [3, 3, 0.5]),
        (pd.period_range("2024-01", periods=3, freq="M"), pd.PeriodIndex(["2024-06"], freq="M"), [5]),
    ],
)
def test_codes_are_placed_by_the_calendar(labels, asked, steps):
    np.testing.assert_allclose(timeline(list(labels)).place(pd.Index(asked)), steps)


def test_a_53rd_week_that_iso_does_not_have_is_the_rest_of_the_52nd():
    np.testing.assert_allclose(timeline([202351, 202352, 202353, 202401, 202402]).elapsed, [0, 1, 1.5, 2, 3])


def test_a_number_that_is_no_code_of_the_fit():
    with pytest.raises(InvalidDataError, match=r"periods such as 202413, which is no month; .* as YYYYMM"):
        timeline([202401, 202402]).place(pd.Index([202413]))


def test_iso_weeks():
    assert list(iso_weeks(pd.Index(["2024-W01", "2020W53"]))) == [
        pd.Timestamp("2024-01-01"),
        pd.Timestamp("2020-12-28"),
    ]
    assert iso_weeks(pd.Index(["2024-W01", "2024-01"])) is None
    assert iso_weeks(pd.Index(["2023-W53"])) is None


def test_clocks_that_change_are_not_uneven():
    days = pd.date_range("2024-03-25", periods=14, tz="Europe/Berlin")
    np.testing.assert_array_equal(timeline(days).steps, np.arange(14))
    hours = pd.date_range("2024-10-27", periods=6, freq="h", tz="Europe/Berlin")
    np.testing.assert_allclose(timeline(hours).steps, np.arange(6))


def test_wide_gaps_come_widest_first():
    assert wide_gaps(timeline([1, 2, 4, 5, 6, 10, 11])) == [
        "6 to 10 (4 times the usual distance)",
        "2 to 4 (2 times the usual distance)",
    ]
    assert wide_gaps(timeline(pd.date_range("2024-01-01", periods=24, freq="MS"))) == []


@pytest.mark.parametrize("first", [2**60, 2**63 + 10, -(2**62)])
def test_distances_of_large_integers(first):
    np.testing.assert_array_equal(timeline([first, first + 1, first + 3]).elapsed, [0, 1, 3])
