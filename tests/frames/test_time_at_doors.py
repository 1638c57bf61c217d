"""What is said of time, at both doors: the same words, and a remedy that fits or answers in silence."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError

MONDAY = pd.Timestamp("2024-01-01")


def at(door, times):
    """The frame with other times, by the running number of its periods."""
    number = pd.factorize(door.X[door.time], sort=True)[0]
    return door.X.assign(**{door.time: pd.Series(times(number), index=door.X.index)})


def dates(number):
    return MONDAY + pd.to_timedelta(7 * number, unit="D")


def read_as(door, times, X=None, **how):
    """Labels of the periods of a fit of times."""
    return list(door.fit(at(door, times) if X is None else X, **how).panel_.period)


@pytest.fixture(scope="module")
def weekly(door):
    """A fit on Mondays, by draws about the start."""
    import conftest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        return door.fit(at(door, dates))


BESIDE = {
    "Sundays": lambda number: dates(number) + pd.Timedelta(days=6),
    "mornings": lambda number: dates(number) + pd.Timedelta(hours=9),
    "Sundays as objects": lambda number: (dates(number) + pd.Timedelta(days=6)).astype(object),
}


@pytest.mark.parametrize("times", BESIDE.values(), ids=BESIDE)
def test_labels_beside_fitted_ones(door, weekly, times):
    X = at(door, times)
    with pytest.warns(
        DataWarning, match=rf"time column '{door.time}' has .* usual distances .* beside"
    ) as said:
        weekly.predict(X)
    (message,) = {str(each.message) for each in said}
    call = re.search(r"take their labels, as in (.*?)( for those before.*)?\.$", message)[1]
    repaired = X.assign(**{door.time: eval(call, {"pandas": pd, "X": X})})
    np.testing.assert_allclose(weekly.predict(repaired), weekly.predict(at(door, dates)))


TEXTS = {
    "the day first": (
        "%d.%m.%Y",
        "MS",
        "'01.02.2022' may be 1 February 2022 or, with pandas.*, 2 January 2022",
    ),
    "the day first in weeks": ("%d.%m.%Y", "7D", "Convert it with pandas.to_datetime.*dayfirst=True"),
    "the month first": ("%m/%d/%Y", "MS", "'02/01/2022' may be 1 February 2022 or, with .*dayfirst=True"),
    "the year first": ("%Y-%m-%d", "MS", "Convert it with pandas.to_datetime"),
    "months": ("%b %Y", "MS", "Convert it with pandas.to_datetime"),
    "months of years": ("%m/%Y", "MS", "Convert it with pandas.to_datetime"),
}


@pytest.mark.parametrize(("form", "frequency", "found"), TEXTS.values(), ids=TEXTS)
def test_dates_as_text(mock_sampling, door, form, frequency, found):
    days = pd.date_range("2022-01-01", periods=door.X[door.time].nunique(), freq=frequency)
    X = at(door, lambda number: days.strftime(form).to_numpy()[number])
    with pytest.raises(InvalidDataError, match=found) as refused:
        door.build(X)
    call = re.search(r"Convert it with (.*)\.$", str(refused.value))[1]
    assert read_as(door, None, X.assign(**{door.time: eval(call, {"pandas": pd, "X": X})})) == list(days)


def test_quarters_as_text(mock_sampling, door):
    quarters = pd.period_range("2022Q1", periods=door.X[door.time].nunique(), freq="Q")
    X = at(door, lambda number: quarters.astype(str).to_numpy()[number])
    with pytest.raises(
        InvalidDataError, match=r"Convert it with pandas.PeriodIndex\(.*, freq='Q'\)"
    ) as refused:
        door.build(X)
    call = re.search(r"Convert it with (.*)\.$", str(refused.value))[1]
    assert read_as(door, None, X.assign(**{door.time: eval(call, {"pandas": pd, "X": X})})) == list(quarters)


def test_halves_as_labels(mock_sampling, door):
    """Of 16 bits, of which pandas makes no index."""
    plain = door.fit(at(door, lambda number: number / 2))
    X = at(door, lambda number: (number / 2).astype("float16"))
    short = door.fit(X.assign(**{door.product: pd.factorize(X[door.product])[0].astype("float16")}))
    assert list(short.panel_.period) == list(plain.panel_.period)
    coded = X.assign(**{door.product: pd.factorize(X[door.product])[0].astype("float16")})
    np.testing.assert_allclose(short.predict(coded), plain.predict(at(door, lambda number: number / 2)))


def seconds_apart(door):
    """Weeks, and in each the rows of half of the units a second later."""
    unit = pd.factorize(door.X[door.labels.get("choice_set", door.product)])[0]
    return at(door, lambda number: dates(number) + pd.to_timedelta(unit % 2, unit="s"))


def with_a_stray(door):
    """Weeks of date objects, those of one unit at a date that stands for none."""
    unit = pd.factorize(door.X[door.labels.get("choice_set", door.product)])[0]
    number = pd.factorize(door.X[door.time], sort=True)[0]
    X = at(door, lambda number: pd.Series(dates(4 * number + unit % 4)).dt.date.to_numpy())
    stray = (unit == 0) & (number == number[unit == 0][0])
    return X.assign(**{door.time: X[door.time].where(~stray, date(9999, 12, 31))})


FOUND = {
    "a year turns": (
        lambda door: at(door, lambda number: np.array([2351, 2352, *range(2401, 2420)])[number]),
        r"look like a year and a week \(YYWW\).*Say so with (.*); if",
    ),
    "seconds apart": (
        seconds_apart,
        r"are usually 0 days 00:00:01 apart, while half.*Join them, as in (.*)\.$",
    ),
    "a stray": (
        with_a_stray,
        r"has \d of .* such as '9999-12-31' in row .* keep = (.*), X\[keep\], y\[keep\]",
    ),
}


@pytest.mark.parametrize(("spoiled", "found"), FOUND.values(), ids=FOUND)
def test_what_a_fit_says(mock_sampling, door, spoiled, found):
    X = spoiled(door)
    with pytest.warns(DataWarning, match=found) as said:
        door.fit(X)
    (message,) = {str(each.message) for each in said if re.search(found, str(each.message))}
    value = eval(re.search(found, message)[1], {"pandas": pd, "X": X})
    if "keep" in message:
        door.fit(X[value], door.y[value])
    else:
        repaired = door.fit(X.assign(**{door.time: value}))
        assert len(repaired.panel_.period) == door.X[door.time].nunique()
