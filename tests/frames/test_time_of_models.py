"""Columns of time of every kind, in both models: fitted, and predicted inside, before and after."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import walk_about_start
from reference.timed import AFTER, BEFORE, CODED, FITTED, INSIDE, KINDS, MODELS, MONDAYS, fit, with_weeks

from hdfm.exceptions import DataWarning, InvalidDataError

SAME = 1e-6  # sums of days are rounded otherwise than those of weeks

both = pytest.mark.parametrize("data", MODELS.values(), ids=MODELS)


@pytest.fixture(scope="module")
def fits():
    """Fits by model and kind of time, made once, on draws about the start."""
    made = {}

    def fit_of(data, kind):
        if (data, kind) not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("hdfm.sampling.nuts.sample_numpyro", walk_about_start)
                if kind in CODED:
                    with pytest.warns(DataWarning, match=f"holds integers such as .* read as {kind}"):
                        made[data, kind] = fit(data, kind)
                else:
                    made[data, kind] = fit(data, kind)
        return made[data, kind]

    return fit_of


@both
@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_numbered_weeks(fits, data, kind):
    model, numbered = fits(data, kind), fits(data, "int")
    np.testing.assert_allclose(model.panel_.timeline.steps, numbered.panel_.timeline.steps)
    for asked in (FITTED, INSIDE, BEFORE, AFTER):
        rows = np.isin(data.week, asked)
        found = data.answers(model, with_weeks(data, kind)[rows])
        np.testing.assert_allclose(found, data.answers(numbered, data.frame[rows]), rtol=SAME)
    if hasattr(model, "predict_quantiles"):  # noise of new weeks included
        found = model.predict_quantiles(with_weeks(data, kind)[rows])
        np.testing.assert_allclose(found, numbered.predict_quantiles(data.frame[rows]), rtol=SAME)


@both
def test_one_week_alone_and_all_at_once_agree(fits, data):
    model = fits(data, "int")
    together = data.answers(model, data.frame)
    for week in INSIDE + BEFORE + AFTER:
        rows = (data.week == week).to_numpy()
        assert rows.any()
        np.testing.assert_allclose(data.answers(model, data.frame[rows]), together[rows], rtol=SAME)


@both
def test_wide_gaps_are_found(fits, data):
    model = fits(data, "datetime64")
    found = model.data_report_.set_index("finding").loc["wide gaps between periods"]
    assert found["count"] == 2
    assert found["examples"].startswith("2024-11-11 to 2024-11-25 (2 times the usual distance)")


ASKED = {
    "naive for zoned": ("zoned", "datetime64"),
    "zoned for naive": ("datetime64", "zoned"),
    "dates for Periods": ("Period", "datetime64"),
    "Periods for dates": ("datetime64", "Period"),
    "Periods for zoned": ("zoned", "Period"),
    "ISO text for zoned": ("zoned", "ISO text"),
    "ISO text for Periods": ("Period", "ISO text"),
    "date objects for Periods": ("Period", "date"),
    "codes for dates": ("datetime64", "YYYYWW"),
    "dates for codes": ("YYYYMMDD", "datetime64"),
}


@both
@pytest.mark.parametrize(("fitted", "asked"), ASKED.values(), ids=ASKED)
def test_times_of_another_kind_are_refused_with_a_remedy(fits, data, fitted, asked):
    model, X = fits(data, fitted), with_weeks(data, asked)
    with pytest.raises(InvalidDataError, match=f"time column '{data.time}' holds .*was fitted on") as refused:
        data.answers(model, X)
    repaired = X.assign(**{data.time: call_in(refused.value, X)})
    np.testing.assert_allclose(
        data.answers(model, repaired), data.answers(model, with_weeks(data, fitted)), rtol=SAME
    )


@both
def test_a_zone_of_another_place_is_the_same_instant(fits, data):
    model, X = fits(data, "zoned"), with_weeks(data, "zoned")
    moved = X.assign(**{data.time: X[data.time].dt.tz_convert("UTC")})
    np.testing.assert_allclose(data.answers(model, moved), data.answers(model, X), rtol=SAME)


@both
def test_numbers_for_dates_and_mixed_weeks_are_refused(fits, data):
    model = fits(data, "datetime64")
    with pytest.raises(InvalidDataError, match=r"holds numbers such as .*on dates such as '2024-10-21'"):
        data.answers(model, data.frame)
    late = data.frame.assign(**{data.time: MONDAYS[0] + pd.Timedelta(days=10**6)})
    with pytest.raises(InvalidDataError, match="far outside those of the fit"):
        data.answers(model, late)


UNORDERED = {
    "text with a number": (lambda week: "week " + week.astype(str), "text or booleans such as 'week"),
    "text of numbers": (lambda week: week.astype(str), "text or booleans"),
    "objects": (lambda week: ("week " + week.astype(str)).astype(object), "text or booleans"),
    "unordered categories": (lambda week: pd.Categorical("week " + week.astype(str)), "text or booleans"),
    "text of dates": (lambda week: KINDS["datetime64"](week).dt.strftime("%Y-%m-%d"), "text or booleans"),
    "booleans": (lambda week: week > 3, "text or booleans such as (True|False)"),
    "numbers and text": (
        lambda week: week.astype(object).where(week != 4, "4"),
        "text labels among number ones such as .* in [0-9]+ of",
    ),
    "numbers and words": (
        lambda week: week.astype(object).where(week != 4, "week 4"),
        "text labels among number ones such as .* such as 'week 4' in row",
    ),
    "with and without a zone": (
        lambda week: KINDS["datetime64"](week).astype(object).where(week != 4, KINDS["zoned"](week)),
        "time with a zone labels among time without a zone ones",
    ),
}


@both
@pytest.mark.parametrize(("convert", "found"), UNORDERED.values(), ids=UNORDERED)
def test_columns_without_an_order_are_refused_with_a_remedy(fits, data, convert, found):
    X = data.frame.assign(**{data.time: convert(data.week)})
    pattern = f"time column '{data.time}' (holds|has) {found}"
    with pytest.raises(InvalidDataError, match=pattern) as refused:
        data.model().fit(X, data.y)
    repaired = X.assign(**{data.time: call_in(refused.value, X)})
    if "True" not in found:
        data.model().build_model(repaired, data.y)
    with pytest.raises(InvalidDataError, match=pattern):
        data.answers(fits(data, "int"), X)


@both
def test_words_need_an_ordered_categorical(data):
    words = data.week.map(lambda k: "abcdefghijklmnopqrst"[k])
    with pytest.raises(InvalidDataError, match=r"pandas.Categorical\(.*ordered=True\)") as refused:
        data.model().fit(data.frame.assign(**{data.time: words}), data.y)
    assert "the categories in the order of time" in str(refused.value)


@pytest.mark.filterwarnings("ignore:Time effects leave less:hdfm.exceptions.DataWarning")
@both
def test_time_stamps_are_named_before_the_work_starts(data, monkeypatch):
    monkeypatch.setattr("hdfm.frames.time_warnings.STAMPS_FROM", 10)
    monkeypatch.setattr(data.sampler, refuse_to_work)
    stamps = MONDAYS[0] + pd.to_timedelta(data.observation * 7919, unit="min")
    found = r"distinct periods for .* time stamps rather than periods\?.*to_period"
    with pytest.warns(DataWarning, match=found), pytest.raises(InterruptedError):
        data.model().fit(data.frame.assign(**{data.time: stamps}), data.y)


def refuse_to_work(*_arguments, **_options):
    raise InterruptedError


def call_in(error, X):
    """What the call that a message names gives."""
    call = re.search(r"(?:with|as in) ((?:pandas\.|\(?X\[).*?)\.?$", str(error))
    return eval(call[1], {"pandas": pd, "X": X})
