"""Trips changed in one place, and fits of them."""

import dataclasses

import numpy as np
import pandas as pd
from conftest import TRIP_ROLES

from hdfm import DynamicFactorChoiceModel

QUICK = {"draws": 5, "tune": 5, "chains": 2, "progressbar": False}
N = 323


def choice_model(n_factors=0, **changes):
    return DynamicFactorChoiceModel(n_factors, **{**TRIP_ROLES, **QUICK, **changes})


def fit(X, y=None, **changes):
    return choice_model(**changes).fit(X, X["chosen"] if y is None else y)


def broken(frame, column, rows, value):
    """The frame with a value in some rows, the column of whatever type both need."""
    values = frame[column].astype(object)
    values.iloc[rows] = value
    return frame.assign(**{column: values.infer_objects()})


def rows_of(X, trip):
    return np.flatnonzero(X["trip"] == trip)


def findings(model):
    """Count and examples by finding of the data report."""
    report = model.data_report_.set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def assert_finite(model, X):
    """The log density was finite where sampling starts, and so is every probability."""
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()
    assert np.isfinite(model.predict_proba(X)).all()


# Logs and exponentials of prices, and sums of some hundreds of numbers.
ROUNDING = 1e-12


def assert_same(left, right, *, but=()):
    """Two frozen dataclasses hold the same, to rounding."""
    assert type(left) is type(right)
    for field in dataclasses.fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if field.name in but:
            continue
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING, err_msg=field.name)
        elif isinstance(a, pd.Index):
            pd.testing.assert_index_equal(a, b)
        elif isinstance(a, tuple) and a and dataclasses.is_dataclass(a[0]):
            for one, other in zip(a, b, strict=True):
                assert_same(one, other, but=but)
        else:
            assert a == b, field.name
