"""Predictions of rows that a model has not seen, fold by fold."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import CHOICE_ROLES
from joblib import parallel_config
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.model_selection import RollingOriginSplit, rolling_predict

QUICK = {"draws": 8, "tune": 5, "chains": 2, "progressbar": False}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=40), "week": np.arange(40) // 4}, index=rng.permutation(40) + 100)
    return X, (X["x"] + rng.normal(size=40)).rename("y")


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_partition_gives_what_scikit_learn_gives(frame, method):
    X, y = frame[0], frame[1] > 0
    table = rolling_predict(LogisticRegression(), X, y, KFold(4), method=method)
    expected = cross_val_predict(LogisticRegression(), X, y, cv=KFold(4), method=method)
    np.testing.assert_array_equal(table.drop(columns="fold").squeeze(axis=1), expected)
    assert table.index.equals(X.index)
    assert table["fold"].tolist() == np.repeat(range(4), 10).tolist()
    assert list(table) == ["fold", *(["prediction"] if method == "predict" else [False, True])]


def test_rows_before_the_first_origin_are_absent(frame):
    X, y = frame
    table = rolling_predict(LinearRegression(), X, y, RollingOriginSplit("week", 3, test_size=2))
    assert table.index.equals(X.index[X["week"] >= 4])
    for fold, rows in table.groupby("fold"):
        start = 4 + 2 * fold
        before, window = X["week"] < start, X["week"].between(start, start + 1)
        by_hand = LinearRegression().fit(X[before], y[before]).predict(X[window])
        np.testing.assert_array_equal(rows["prediction"], by_hand)
        assert rows.index.equals(X.index[window])


def test_rows_of_several_folds_stand_once_for_each(frame):
    X, y = frame
    splits = [(np.arange(20), np.arange(20, 30)), (np.arange(25), np.arange(25, 40)), (np.arange(30), [])]
    table = rolling_predict(LinearRegression(), X, y, splits)
    assert table["fold"].tolist() == [0] * 10 + [1] * 15
    assert table.index.tolist() == [*X.index[20:30], *X.index[25:40]]


def test_frames_and_arrays_of_other_kinds(frame):
    X, y = frame
    cv = TimeSeriesSplit(3)
    expected = rolling_predict(LinearRegression(), X, y, cv)["prediction"].to_numpy()
    for features, outcome in (
        (X.to_numpy(), y.to_numpy()),
        (X, y.tolist()),
        (pl.from_pandas(X), pl.Series(y.to_numpy())),
    ):
        table = rolling_predict(LinearRegression(), features, outcome, cv)
        np.testing.assert_allclose(table["prediction"], expected)
    assert rolling_predict(LinearRegression(), X.to_numpy(), y, cv).index.tolist() == list(range(10, 40))


def test_folds_at_a_time(frame):
    X, y = frame
    cv = RollingOriginSplit("week", 3)
    with parallel_config("threading"):
        alone, together = (rolling_predict(LinearRegression(), X, y, cv, n_jobs=n) for n in (None, 2))
    pd.testing.assert_frame_equal(alone, together)


def test_sales_ahead(mock_sampling, elasticity, sales):
    model = elasticity()
    shuffled = sales.sample(frac=1, random_state=1)
    y, cv = shuffled["units_sold"], RollingOriginSplit("time_period", 2, test_size=3)
    table = rolling_predict(make_pipeline(FunctionTransformer(), model), shuffled, y, cv)
    joined = shuffled.join(table, how="inner")
    assert sorted(joined["time_period"].unique()) == list(range(14, 20))
    assert (joined["fold"] == (joined["time_period"] >= 17)).all()
    before, window = shuffled["time_period"] < 17, shuffled["time_period"] >= 17
    by_hand = clone(model).fit(shuffled[before], y[before]).predict(shuffled[window])
    np.testing.assert_array_equal(table.loc[table["fold"] == 1, "prediction"], by_hand)
    assert not hasattr(model, "idata_")
    last = RollingOriginSplit("time_period", 1, test_size=3)
    quantiles = rolling_predict(model, shuffled, y, last, method="predict_quantiles")
    assert list(quantiles) == ["fold", 0.05, 0.5, 0.95]
    assert quantiles.index.equals(table.index[table["fold"] == 1])


def test_choices_ahead(mock_sampling):
    choices, _ = simulate_choices(6, 1, 8, alternatives=3, sets_per_customer=8, seed=2)
    model = DynamicFactorChoiceModel(n_factors=0, **CHOICE_ROLES, **QUICK)
    cv = RollingOriginSplit("week", 1, test_size=2)
    table = rolling_predict(model, choices, choices["chosen"], cv, method="predict_proba")
    assert list(table) == ["fold", 0, 1]
    assert table.index.equals(choices.index[choices["week"].isin(sorted(choices["week"].unique())[-2:])])
    np.testing.assert_allclose(table[1].groupby(choices["choice_set"]).sum(), 1.0)


class OneNumber(LinearRegression):
    """Answers with a number where rows are asked for."""

    def score(self, X):
        return 0.0


@pytest.mark.parametrize(
    ("change", "error", "found"),
    [
        ({"method": "foresee"}, InvalidArgumentError, "OneNumber has no method 'foresee'"),
        ({"method": "score"}, InvalidArgumentError, r"shape \(\) for 14 rows; it must answer by row"),
        ({"cv": 5}, InvalidArgumentError, "cv must be a splitter, such as .*; got 5"),
        ({"cv": "week"}, InvalidArgumentError, "cv must be a splitter, such as .*; got 'week'"),
        ({"cv": [(np.arange(9), [])]}, InvalidDataError, "has no test rows"),
        ({"y": "y"}, InvalidDataError, "y is the text 'y'"),
        ({"y": [1, 2]}, InvalidDataError, "X has 40 rows and y has 2 values"),
    ],
)
def test_what_can_not_be_asked(frame, change, error, found):
    asked = {"X": frame[0], "y": frame[1], "cv": KFold(3)} | change
    with pytest.raises(error, match=found):
        rolling_predict(OneNumber(), **asked)
