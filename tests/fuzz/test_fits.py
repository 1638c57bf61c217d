"""Frames that are accepted are fitted by a fast engine, and predictions are of the rows that were asked."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from fuzz.cases import choice_cases, sales_cases
from fuzz.doors import CHOICES, SALES, Refused, no_other_words
from fuzz.properties import encode, fit
from fuzz.runs import frames
from fuzz.sheets import ODD_OUTCOMES, OUTCOMES, contained
from hypothesis import given

QUICK = {"progressbar": False, "random_state": 1}
MODELS = {
    "sales": (SALES, sales_cases(), {"inference": "laplace", "draws": 20, "chains": 1}, "predict", 70),
    "choices": (CHOICES, choice_cases(), {"inference": "map", "n_factors": 0}, "predict_proba", 30),
}
SAME = 1e-6
LEAST_ASKED = 0.2


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_predictions(model):
    door, cases, engine, method, number = MODELS[model]
    outcomes: Counter[str] = Counter()

    @frames(number)
    @given(cases)
    def holds(case):
        outcomes[check(door, case, engine, method)] += 1

    holds()
    print(f"{model}: {dict(outcomes)}")
    assert outcomes["asked"] > LEAST_ASKED * outcomes.total()


def check(door, case, engine, method):
    """Fit a case, ask for predictions in two orders and by choice set (or row), and compare."""
    if case.outcome in ODD_OUTCOMES:
        return "odd outcome"
    try:
        fit(door, case, case.sheet)
    except Refused:
        return "refused"
    frame = case.sheet.frame()
    estimator = door.make(**case.arguments, **engine, **QUICK)
    with no_other_words():
        estimator.fit(contained(frame, case.sheet.container), OUTCOMES[case.outcome](case.y, frame))
    own = predictions(estimator, method, case.sheet)
    assert np.isfinite(own).all()
    try:
        encode(door, estimator, case.asked)
        found = predictions(estimator, method, case.asked)
    except Refused:
        return "not asked"
    assert np.isfinite(found).all()
    order = np.random.default_rng(case.seed).permutation(len(found))
    if "time" not in case.arguments or len(found) < 2:
        return "fitted"
    np.testing.assert_allclose(predictions(estimator, method, case.asked, order), found[order], rtol=SAME)
    unit = case.arguments.get("choice_set")
    codes = np.arange(len(found)) if unit is None else case.asked.values[unit]
    first = np.flatnonzero(codes == codes[0])
    np.testing.assert_allclose(predictions(estimator, method, case.asked, first), found[first], rtol=SAME)
    return "asked"


def predictions(estimator, method, sheet, rows=None):
    """Predictions by row (n,) or by row and class (n, 2), by label where rows have labels."""
    frame = sheet.frame() if rows is None else sheet.frame().iloc[rows]
    X = contained(frame, sheet.container)
    with no_other_words():
        found = getattr(estimator, method)(X)
    if isinstance(found, pd.Series | pd.DataFrame):
        pd.testing.assert_index_equal(found.index, frame.index)
    assert len(found) == len(frame)
    return np.asarray(found, dtype=float)
