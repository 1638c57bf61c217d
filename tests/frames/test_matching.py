"""Labels asked beside those of a fit: the remedy gives the fitted ones, in silence."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError
from hdfm.frames.time_warnings import fitted_time
from hdfm.frames.timeline import Timeline

MONDAYS = pd.Series(pd.date_range("2024-01-01", periods=40, freq="7D"))
SUNDAYS = MONDAYS + pd.Timedelta(days=6)
MORNINGS = MONDAYS + pd.Timedelta(hours=9)
BERLIN = MONDAYS.dt.tz_localize("Europe/Berlin")
MONTHS = pd.Series(pd.date_range("2022-01-01", periods=30, freq="MS"))
WEEKS = pd.Series(np.arange(40))


def timeline(labels):
    time = fitted_time(pd.Series(labels).rename("week"))
    return Timeline(time.periods, time.order)


BESIDE = {
    "midnights of another zone": (BERLIN, MONDAYS.dt.tz_localize("UTC")),
    "mornings in the zone": (BERLIN, MORNINGS.dt.tz_localize("Europe/Berlin")),
    "mornings seen from another zone": (
        BERLIN,
        MORNINGS.dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC"),
    ),
    "Sundays in the zone": (BERLIN, SUNDAYS.dt.tz_localize("Europe/Berlin")),
    "Sundays": (MONDAYS, SUNDAYS),
    "Sundays as date objects": (MONDAYS, SUNDAYS.dt.date),
    "Sundays of Arrow": (MONDAYS, SUNDAYS.astype(pd.ArrowDtype(pa.timestamp("us")))),
    "Sundays as codes": (
        MONDAYS.dt.strftime("%Y%m%d").astype(int),
        SUNDAYS.dt.strftime("%Y%m%d").astype(int),
    ),
    "Sundays as Periods": (MONDAYS.dt.to_period("D"), SUNDAYS.dt.to_period("D")),
    "mornings": (MONDAYS, MORNINGS),
    "mornings as objects": (MONDAYS, MORNINGS.astype(object)),
    "mornings of weeks without rows": (MONDAYS.drop([5, 6, 20]), MORNINGS.drop([5, 6, 20])),
    "a single day": (MONDAYS, MONDAYS[3:4] + pd.Timedelta(days=2)),
    "ISO text": (SUNDAYS, MONDAYS.dt.strftime("%G-W%V")),
    "time spans": (MONDAYS - MONDAYS[0], MORNINGS - MONDAYS[0]),
    "numbers": (7.0 * WEEKS, 7 * WEEKS + 1),
    "fractions": (WEEKS, WEEKS + 0.25),
    "month ends": (MONTHS, MONTHS + pd.offsets.MonthEnd(0)),
    "month starts": (MONTHS + pd.offsets.MonthEnd(0), MONTHS),
}


@pytest.mark.parametrize(("fitted", "asked"), BESIDE.values(), ids=BESIDE)
def test_labels_beside_fitted_ones(fitted, asked):
    fit, X = timeline(fitted), pd.DataFrame({"week": asked})
    found = rf"time column 'week' has \d+ of {len(X)} rows in \d+ periods that lie 0.\d+ usual .* beside"
    with pytest.warns(DataWarning, match=found) as said:
        fit.read(X["week"])
    calls = re.search(r"take their labels, as in (.*)\.$", str(said[0].message))[1]
    shares = []
    for call in re.sub(r" for those (before|after)", "", calls).split(", or "):
        repaired = pd.Series(eval(call, {"pandas": pd, "X": X}), name="week")
        shares.append(fit.read(repaired).isin(fit.period).mean())
    assert max(shares) == 1
    assert min(shares) >= 1 - 1 / len(X)  # before the first or after the last


NOT_BESIDE = {
    "the same": (MONDAYS, MONDAYS),
    "weeks between": (MONDAYS[::2], MONDAYS[1::2]),
    "some weeks between": (MONDAYS.drop([4, 5, 9]), MONDAYS),
    "half a week between": (WEEKS, WEEKS + 0.5),
    "later Sundays": (MONDAYS, SUNDAYS + pd.Timedelta(days=300)),
    "uneven": (pd.Series([0.0, 1, 1.1, 2.7, 4, 5.3]), pd.Series([0.2, 1.4, 3.1])),
    "few of many": (MONDAYS, pd.concat([MONDAYS, MORNINGS[:5]])),
    "one period": (MONDAYS[:1], MORNINGS),
    "rounding": (0.1 * WEEKS, pd.Series(np.cumsum(np.full(40, 0.1)) - 0.1)),
    "a zone of the same instants": (BERLIN, BERLIN.dt.tz_convert("UTC")),
    "an order of their own": (
        pd.Series(pd.Categorical(["b", "a"], ["b", "a", "c"], ordered=True)),
        pd.Series(["c", "a"]),
    ),
}


@pytest.mark.parametrize(("fitted", "asked"), NOT_BESIDE.values(), ids=NOT_BESIDE)
def test_labels_that_are_meant_as_they_are(fitted, asked):
    assert len(timeline(fitted).read(pd.Series(asked, name="week"))) == len(asked)


def test_numbers_that_differ_by_rounding_get_the_fitted_label():
    fit, asked = timeline(0.1 * WEEKS), pd.Series(np.cumsum(np.full(40, 0.1)) - 0.1, name="week")
    assert not asked.isin(fit.period).all()
    assert fit.read(asked).isin(fit.period).all()


OTHER_KINDS = {
    "Periods that start on Thursdays": (MONDAYS, MONDAYS.dt.to_period("W-WED")),
    "the same as objects": (MONDAYS, MONDAYS.dt.to_period("W-WED").astype(object)),
    "the same in a zone": (BERLIN, MONDAYS.dt.to_period("W-WED")),
    "Periods that start on Mondays": (MONDAYS, MONDAYS.dt.to_period("W-SUN")),
    "a zone for Periods": (MONDAYS.dt.to_period("W-SUN"), BERLIN),
    "Arrow dates for Periods": (MONDAYS.dt.to_period("W-SUN"), MONDAYS.astype(pd.ArrowDtype(pa.date32()))),
    "ISO text for Periods": (MONDAYS.dt.to_period("W-SUN"), MONDAYS.dt.strftime("%G-W%V")),
    "ISO text for a zone": (BERLIN, MONDAYS.dt.strftime("%GW%V")),
    "weeks for dates": (MONDAYS, MONDAYS.dt.strftime("%G%V").astype(int)),
    "days for a zone": (BERLIN, MONDAYS.dt.strftime("%Y%m%d").astype(int)),
    "months for Periods": (MONTHS.dt.to_period("M"), MONTHS.dt.strftime("%Y%m").astype(int)),
    "dates for weeks": (MONDAYS.dt.strftime("%G%V").astype(int), MONDAYS),
    "Periods for months": (MONTHS.dt.strftime("%Y%m").astype(int), MONTHS.dt.to_period("M")),
}


@pytest.mark.parametrize(("fitted", "asked"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_labels_of_another_kind(fitted, asked):
    fit, X = timeline(fitted), pd.DataFrame({"week": asked})
    with pytest.raises(InvalidDataError, match=r"the model was fitted on .*\. Convert it as in ") as refused:
        fit.read(X["week"])
    call = re.search(r"Convert it as in (.*)\.$", str(refused.value))[1]
    repaired = pd.Series(eval(call, {"pandas": pd, "X": X}), name="week")
    assert fit.read(repaired).isin(fit.period).all()


def test_what_can_not_be_converted():
    with pytest.raises(InvalidDataError, match="give it the kind that it had in fit"):
        timeline(MONDAYS).read(WEEKS.rename("week"))
