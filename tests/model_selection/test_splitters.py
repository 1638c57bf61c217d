from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.model_selection import (
    ColumnGroupKFold,
    OneStandardError,
    RollingOriginSplit,
    WholeSample,
    loo_scorer,
)


@pytest.fixture(scope="module")
def frame():
    """Rows of 12 households over 20 weeks, unbalanced and in no order."""
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "household": rng.choice(12, 200, p=rng.dirichlet(np.ones(12))),
            "week": rng.permutation(np.concatenate([np.arange(20), rng.integers(0, 20, 180)])) + 5,
            "x": rng.normal(size=200),
        },
        index=rng.permutation(200),
    )


def assert_same_splits(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for part, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("n_splits", [2, 5])
@pytest.mark.parametrize("shuffle", [False, True])
def test_folds_are_those_of_group_k_fold(frame, n_splits, shuffle):
    seed = 3 if shuffle else None
    ours = ColumnGroupKFold("household", n_splits, shuffle=shuffle, random_state=seed)
    theirs = GroupKFold(n_splits, shuffle=shuffle, random_state=seed)
    assert_same_splits(ours.split(frame), theirs.split(frame, groups=frame["household"]))
    assert ours.get_n_splits(frame) == n_splits


@pytest.mark.parametrize(
    "convert",
    [
        lambda labels: labels.map("home {:02d}".format),
        lambda labels: labels.map("home {:02d}".format).astype("category"),
        lambda labels: labels.astype("Int64"),
        lambda labels: pd.Timestamp("2024-01-01") + pd.to_timedelta(labels, unit="D"),
    ],
    ids=["text", "category", "Int64", "datetime"],
)
def test_folds_do_not_depend_on_the_type_of_labels(frame, convert):
    other = frame.assign(household=convert(frame["household"]))
    folds = ColumnGroupKFold("household")
    assert_same_splits(folds.split(other), folds.split(frame))


def test_every_row_is_tested_once_and_no_group_is_cut(frame):
    tested = []
    for train, test in ColumnGroupKFold("household", 4).split(frame):
        tested.extend(test)
        households = frame["household"].to_numpy()
        assert not set(households[train]) & set(households[test])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(frame)))
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(frame)))


def rolling_by_hand(weeks, n_splits, test_size, gap):
    """Train and test rows of each origin, a week at a time."""
    distinct = sorted(set(weeks))
    size = test_size or len(distinct) // (n_splits + 1)
    for k in range(n_splits):
        start = len(distinct) - (n_splits - k) * size
        window, before = distinct[start : start + size], distinct[: start - gap]
        yield (
            [row for row, week in enumerate(weeks) if week in before],
            [row for row, week in enumerate(weeks) if week in window],
        )


@pytest.mark.parametrize(
    ("n_splits", "test_size", "gap"), [(4, None, 0), (1, None, 0), (3, 2, 0), (2, 3, 4), (19, None, 0)]
)
def test_windows_by_hand(frame, n_splits, test_size, gap):
    splitter = RollingOriginSplit("week", n_splits, test_size, gap)
    assert_same_splits(
        splitter.split(frame), rolling_by_hand(frame["week"].tolist(), n_splits, test_size, gap)
    )
    assert splitter.get_n_splits() == n_splits


@pytest.mark.parametrize(("n_splits", "test_size", "gap"), [(4, None, 0), (3, 2, 1)])
def test_one_row_a_period_is_scikit_learns_time_series_split(n_splits, test_size, gap):
    X = pd.DataFrame({"week": np.arange(23)})
    ours = RollingOriginSplit("week", n_splits, test_size, gap)
    theirs = TimeSeriesSplit(n_splits, test_size=test_size, gap=gap)
    assert_same_splits(ours.split(X), theirs.split(X))


def test_training_comes_before_the_window(frame):
    weeks = frame["week"].to_numpy()
    ends = []
    for train, test in RollingOriginSplit("week", 4, gap=2).split(frame):
        assert weeks[train].max() + 2 < weeks[test].min()
        assert set(np.flatnonzero(np.isin(weeks, weeks[test]))) == set(test)
        ends.append(weeks[test].max())
    assert ends == sorted(ends)
    assert ends[-1] == weeks.max()


@pytest.mark.parametrize(
    "convert",
    [
        lambda week: pd.Series(pd.date_range("2024-01-01", periods=26, freq="W")[week], week.index),
        lambda week: pd.Series(pd.period_range("2024-01", periods=26, freq="M")[week], week.index),
        lambda week: week * 0.25,
        lambda week: pd.Series(
            pd.Categorical.from_codes(week, [f"w{25 - k}" for k in range(26)], ordered=True), week.index
        ),
    ],
    ids=["datetime", "Period", "float", "ordered categorical"],
)
def test_windows_do_not_depend_on_the_type_of_periods(frame, convert):
    splitter = RollingOriginSplit("week", 3, gap=1)
    assert_same_splits(splitter.split(frame.assign(week=convert(frame["week"]))), splitter.split(frame))


def test_text_has_no_order_in_time(frame):
    with pytest.raises(InvalidDataError, match=r"time column 'week' holds text .*pandas.to_numeric"):
        next(RollingOriginSplit("week").split(frame.astype({"week": str})))


@pytest.mark.parametrize("splitter", [ColumnGroupKFold("home"), RollingOriginSplit("home")])
def test_column_that_is_not_there(frame, splitter):
    with pytest.raises(
        InvalidDataError, match=r"X has no column 'home'. Its columns are \['household', 'week'"
    ):
        next(splitter.split(frame))
    with pytest.raises(InvalidDataError, match="X is a ndarray, but groups are found in its column 'home'"):
        next(splitter.split(frame.to_numpy()))
    doubled = pd.concat([frame, frame], axis=1).rename(columns={"household": "home"})
    with pytest.raises(InvalidDataError, match="X holds the column 'home' more than once"):
        next(splitter.split(doubled))


def test_missing_groups(frame):
    with pytest.raises(
        InvalidDataError, match="group column 'household' has missing labels in 5 of 200 rows"
    ):
        next(
            ColumnGroupKFold("household").split(
                frame.assign(household=frame["household"].where(frame["x"].rank() > 5))
            )
        )


def test_too_few_groups_or_periods(frame):
    few = frame[frame["household"] < 3]
    n = few["household"].nunique()
    with pytest.raises(InvalidDataError, match=f"'household' holds {n} groups, too few for n_splits=5"):
        next(ColumnGroupKFold("household").split(few))
    for options in ({"n_splits": 20}, {"n_splits": 4, "test_size": 5}, {"n_splits": 4, "gap": 4}):
        with pytest.raises(InvalidDataError, match="'week' holds 20 periods, too few for n_splits="):
            next(RollingOriginSplit("week", **options).split(frame))


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: ColumnGroupKFold("a", 1), "n_splits must be a whole number, at least 2; got 1"),
        (lambda: ColumnGroupKFold("a", 2.0), "n_splits must be a whole number, at least 2; got 2.0"),
        (lambda: RollingOriginSplit("a", 0), "n_splits must be a whole number, at least 1; got 0"),
        (lambda: RollingOriginSplit("a", test_size=0), "test_size must be a whole number, at least 1; got 0"),
        (lambda: RollingOriginSplit("a", gap=-1), "gap must be a whole number, at least 0; got -1"),
    ],
)
def test_arguments_out_of_range(make, found):
    with pytest.raises(InvalidArgumentError, match=found):
        make()


def test_reprs_name_the_column():
    assert repr(ColumnGroupKFold("trip", 3)).startswith("ColumnGroupKFold(column='trip', n_splits=3")
    assert "column='week'" in repr(RollingOriginSplit("week"))


@pytest.mark.parametrize(
    "splitter", [ColumnGroupKFold("household", 3), RollingOriginSplit("week", 3), WholeSample()]
)
def test_searches_take_the_splitters(frame, splitter):
    y = frame["x"] > 0
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", DummyClassifier())])
    search = GridSearchCV(pipeline, {"model__strategy": ["prior", "uniform"]}, cv=splitter).fit(frame, y)
    assert search.n_splits_ == splitter.get_n_splits()
    assert len(cross_val_score(clone(pipeline), frame, y, cv=splitter)) == search.n_splits_


def test_whole_sample(frame):
    ((train, test),) = WholeSample().split(frame)
    np.testing.assert_array_equal(train, np.arange(len(frame)))
    np.testing.assert_array_equal(test, train)


class LooByFactors(ClassifierMixin, BaseEstimator):
    """Counts its rows; LOO is best at two factors."""

    def __init__(self, n_factors=0):
        self.n_factors = n_factors

    def fit(self, X, y):
        self.classes_, self.n_rows_ = np.unique(y), len(X)
        return self

    def loo(self):
        return SimpleNamespace(
            elpd=-self.n_rows_ * (1 + (self.n_factors - 2) ** 2), n_data_points=self.n_rows_
        )


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_search_by_loo(frame, depth):
    model, prefix = LooByFactors(), ""
    for _ in range(depth):
        model, prefix = Pipeline([("same", FunctionTransformer()), ("model", model)]), prefix + "model__"
    grid = {f"{prefix}n_factors": [0, 1, 2, 3]}
    search = GridSearchCV(model, grid, scoring=loo_scorer, cv=WholeSample()).fit(frame, frame["x"] > 0)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [-5, -2, -1, -2])
    assert search.best_params_ == {f"{prefix}n_factors": 2}


def test_loo_scorer_ignores_the_test_data(frame):
    model = LooByFactors(1).fit(frame, frame["x"] > 0)
    assert loo_scorer(model, frame.iloc[:3], None) == loo_scorer(model) == -2


def test_loo_scorer_needs_loo(frame):
    model = DummyClassifier().fit(frame, frame["x"] > 0)
    with pytest.raises(InvalidArgumentError, match=r"needs a model with a method loo.*got DummyClassifier"):
        loo_scorer(Pipeline([("model", model)]), frame, None)


def test_loo_of_a_fit(fitted, fitted_sales):
    loo = fitted.loo()
    assert loo_scorer(fitted, fitted_sales, None) == pytest.approx(loo.elpd / len(fitted_sales))


def results_of(scores, parameter="n_factors", values=(0, 1, 2, 3), metric="score"):
    """``cv_results_`` of a search: scores (splits, candidates)."""
    results = {f"split{k}_test_{metric}": np.array(row) for k, row in enumerate(scores)}
    return results | {f"param_{parameter}": np.array(values), f"mean_test_{metric}": np.mean(scores, axis=0)}


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[-3.0, -2.0, -1.00, -0.99], [-3.0, -2.0, -1.00, -1.01], [-3.0, -2.0, -1.01, -1.00]], 2),  # noise
        ([[-3.0, -2.0, -1.10, -0.99], [-3.0, -2.0, -1.10, -0.98], [-3.0, -2.0, -1.11, -1.00]], 3),  # a gain
        ([[-9.0, -2.0, -1.10, -1.00], [-1.0, -2.0, -1.10, -1.00]], 0),  # scores vary as much as they gain
        ([[-5.0, -4.0, -1.1, -1.0]], 3),  # one split says nothing of noise
        ([[-1.0, -1.0, -1.0, -1.0], [-2.0, -2.0, -2.0, -2.0]], 0),
        ([[-1.0, np.nan, -0.5, -0.5], [-1.0, -0.1, -0.5, -0.5]], 2),  # a fit that failed
    ],
)
def test_within_one_standard_error(scores, expected):
    assert OneStandardError("n_factors")(results_of(scores)) == expected


def test_of_equally_simple_candidates_the_best():
    results = results_of([[-1.0, -0.9, -1.1, -0.9], [-1.0, -0.9, -0.7, -0.9]], values=(2, 1, 1, 3))
    assert OneStandardError("n_factors")(results) == 1
    results = results_of([[-1.0, -0.9, -0.95], [-1.0, -0.9, -0.8]], values=(2, 1, 1))
    assert OneStandardError("n_factors")(results) == 2


def test_error_is_that_of_paired_differences():
    """What all candidates share does not widen it."""
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 10, (6, 1))
    scores = np.array([-3.0, -2.0, -1.0, -1.5]) + 0.1 * rng.normal(size=(6, 4))
    assert OneStandardError("n_factors")(results_of(scores + shared)) == 2
    gaps = scores[:, 2] - scores[:, 1]
    edge = gaps.mean() - gaps.std(ddof=1) / np.sqrt(6)
    for shift, expected in ((edge - 1e-6, 2), (edge + 1e-6, 1)):
        assert OneStandardError("n_factors")(results_of(scores + shift * np.array([0, 1, 0, 0]))) == expected


@pytest.mark.parametrize(
    ("rule", "results", "found"),
    [
        (
            OneStandardError("C"),
            results_of([[1.0] * 4]),
            r"vary one parameter 'C'; it varies \['n_factors'\]",
        ),
        (OneStandardError("n_factors", "auc"), results_of([[1.0] * 4]), "no metric 'auc'"),
        (OneStandardError("n_factors"), results_of([[np.nan] * 4]), "Every candidate of the search failed"),
    ],
)
def test_what_the_rule_needs(rule, results, found):
    with pytest.raises(InvalidArgumentError, match=found):
        rule(results)


class ScoredByFactors(LooByFactors):
    """Three factors are better than two by less than the noise of windows."""

    def score(self, X, y):
        return [-9.0, -3.0, -1.0, -1.0 + (0.1 if X["week"].max() % 2 else -0.09)][self.n_factors]


@pytest.mark.parametrize(("depth", "metric"), [(0, "score"), (1, "score"), (2, "own")])
def test_search_takes_the_rule(frame, depth, metric):
    model, prefix = ScoredByFactors(), ""
    for _ in range(depth):
        model, prefix = Pipeline([("same", FunctionTransformer()), ("model", model)]), prefix + "model__"
    scoring = None if metric == "score" else {"own": lambda model, X, y: model.score(X, y)}
    search = GridSearchCV(
        model,
        {f"{prefix}n_factors": [3, 2, 1, 0]},
        cv=RollingOriginSplit("week", 4, 1),
        scoring=scoring,
        refit=OneStandardError("n_factors", metric),
    ).fit(frame, frame["x"] > 0)
    assert search.best_params_ == {f"{prefix}n_factors": 2}
    assert search.best_estimator_ is not None
