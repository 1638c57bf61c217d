"""Splitters that find their groups in a column of X, predictions ahead, a scorer, and a rule of parsimony."""

import re
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import BaseCrossValidator, GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import label_column, single_column, sorted_labels
from hdfm.frames.periods import sorted_periods, time_column
from hdfm.frames.read import both_in_pandas, check_same_rows, in_pandas, refuse_name

Split = tuple[np.ndarray, np.ndarray]
FOLD, PREDICTION = "fold", "prediction"


class ColumnGroupKFold(BaseCrossValidator):
    """K folds of whole groups, such as households or choice sets, named by a column of X.

    The folds are those of :class:`sklearn.model_selection.GroupKFold` with ``groups=X[column]``.

    Parameters
    ----------
    column : str
        Column of X with the group of each row.
    n_splits : int
        Number of folds.
    shuffle : bool
        Whether to put groups in folds at random, rather than to balance the rows.
    random_state : int, RandomState instance or None
        Seed of the shuffling.

    Examples
    --------
    >>> import pandas as pd
    >>> from hdfm.model_selection import ColumnGroupKFold
    >>> X = pd.DataFrame({"household": [1, 1, 2, 2, 3, 3]})
    >>> for train, test in ColumnGroupKFold("household", n_splits=3).split(X):
    ...     print(test)
    [4 5]
    [2 3]
    [0 1]
    """

    def __init__(self, column: str, n_splits: int = 5, shuffle: bool = False, random_state: Any = None):
        _check_count("n_splits", n_splits, 2)
        self.column = column
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Positions (n_train,) and (n_test,) of rows; ``y`` and ``groups`` are not used.

        Raises
        ------
        InvalidDataError
            If X has no such column, or it holds fewer groups than folds.
        """
        labels = label_column(_column(X, self.column), "group")
        distinct = sorted_labels(labels)
        if len(distinct) < self.n_splits:
            raise InvalidDataError(
                f"Column {self.column!r} holds {len(distinct):,} groups, too few for "
                f"n_splits={self.n_splits}."
            )
        folds = GroupKFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        yield from folds.split(X, groups=distinct.get_indexer(pd.Index(labels)))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits


class RollingOriginSplit(BaseCrossValidator):
    """Train on the periods before an origin, test on the window after it, the origin moving on.

    Periods are whole and in the order of their values, however many rows they have and wherever these stand.

    Parameters
    ----------
    column : str
        Column of X with the period: numbers, datetimes, pandas Periods or an ordered categorical.
    n_splits : int
        Number of origins. The last window ends with the last period.
    test_size : int, optional
        Periods in a window; T // (n_splits + 1) of T periods by default.
    gap : int
        Periods left out between training and window.

    Examples
    --------
    >>> import pandas as pd
    >>> from hdfm.model_selection import RollingOriginSplit
    >>> X = pd.DataFrame({"week": [3, 1, 2, 4, 1]})
    >>> for train, test in RollingOriginSplit("week", n_splits=2).split(X):
    ...     print(train, test)
    [1 2 4] [0]
    [0 1 2 4] [3]
    """

    def __init__(self, column: str, n_splits: int = 4, test_size: int | None = None, gap: int = 0):
        _check_count("n_splits", n_splits, 1)
        if test_size is not None:
            _check_count("test_size", test_size, 1)
        _check_count("gap", gap, 0)
        self.column = column
        self.n_splits = n_splits
        self.test_size = test_size
        self.gap = gap

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Positions (n_train,) and (n_test,) of rows; ``y`` and ``groups`` are not used.

        Raises
        ------
        InvalidDataError
            If X has no such column, or it holds too few periods.
        """
        column = _column(X, self.column)
        labels, periods = time_column(column), sorted_periods(column)
        code, T = periods.get_indexer(pd.Index(labels)), len(periods)
        window = self.test_size if self.test_size is not None else T // (self.n_splits + 1)
        start = T - self.n_splits * window
        if window == 0 or start - self.gap < 1:
            raise InvalidDataError(
                f"Column {self.column!r} holds {T:,} periods, too few for n_splits={self.n_splits}, "
                f"test_size={self.test_size} and gap={self.gap}."
            )
        for origin in range(start, T, window):
            test = (code >= origin) & (code < origin + window)
            yield np.flatnonzero(code < origin - self.gap), np.flatnonzero(test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of origins."""
        return self.n_splits


class WholeSample(BaseCrossValidator):
    """One split: all rows to train on and the same to test on, for :func:`loo_scorer`."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Split]:
        """Positions (n,) of all rows, twice."""
        rows = np.arange(len(X))
        yield rows, rows

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """One."""
        return 1


def rolling_predict(
    estimator: Any, X: Any, y: Any, cv: Any, *, method: str = "predict", n_jobs: int | None = None
) -> pd.DataFrame:
    """Predictions of test rows by models fitted to the training rows alone: the track record of a forecast.

    :func:`sklearn.model_selection.cross_val_predict` wants every row in one test fold, which no row of the
    first periods is. Here such rows are absent, and rows of several test folds stand there once for each.

    Parameters
    ----------
    estimator : estimator or Pipeline
        A model; clones of it are fitted.
    X : pandas.DataFrame
        As in the model's ``fit``.
    y : array-like of shape (n_rows,)
        As in the model's ``fit``.
    cv : splitter, or iterable of pairs of arrays
        Such as :class:`RollingOriginSplit`; or positions of training and test rows, fold by fold.
    method : str
        The model's method that takes X and answers by row: "predict", "predict_proba", "predict_quantiles".
    n_jobs : int, optional
        Folds at a time, as in scikit-learn.

    Returns
    -------
    pandas.DataFrame
        A row for each row of a test fold, with its label in X's index, in the order of folds and of X:
        ``fold``, which counts from 0, and ``prediction``; or a column for each class, or of the method's
        table.

    Raises
    ------
    InvalidArgumentError
        If the model has no such method, or it does not answer by row.
    InvalidDataError
        If X and y are not of the same rows, or no fold has test rows.

    Examples
    --------
    >>> from hdfm import HierarchicalElasticity
    >>> from hdfm.datasets import simulate_sales
    >>> from hdfm.model_selection import RollingOriginSplit, rolling_predict
    >>> sales = simulate_sales(12, 2, 20, seed=366)
    >>> model = HierarchicalElasticity(
    ...     "product", "category", "time_period", "price", inference="laplace", draws=50, progressbar=False
    ... )
    >>> cv = RollingOriginSplit("time_period", n_splits=2, test_size=3)
    >>> ahead = rolling_predict(model, sales, sales["units_sold"], cv)
    >>> sales.join(ahead, how="inner")[["time_period", "fold"]].drop_duplicates()["time_period"].to_list()
    [14, 15, 16, 17, 18, 19]
    """
    X, y = both_in_pandas(X, y)
    refuse_name(X, y)
    check_same_rows(X, y)
    if not hasattr(estimator, method):
        raise InvalidArgumentError(f"{type(estimator).__name__} has no method {method!r}.")
    if isinstance(cv, str) or not (hasattr(cv, "split") or pd.api.types.is_list_like(cv)):
        raise InvalidArgumentError(
            f"cv must be a splitter, such as RollingOriginSplit('week'), or pairs of arrays; got {cv!r}."
        )
    splits = list(cv.split(X, y) if hasattr(cv, "split") else cv)
    folds = Parallel(n_jobs=n_jobs)(
        delayed(_predicted)(clone(estimator), X, y, split, method) for split in splits
    )
    tables = [table.assign(**{FOLD: k}) for k, table in enumerate(folds) if len(table)]
    if not tables:
        raise InvalidDataError(f"{cv!r} has no test rows.")
    table = pd.concat(tables)
    return table[[FOLD, *table.columns.drop(FOLD)]]


def _predicted(model, X, y, split, method):
    """What a model that is fitted to the training rows of a split says of its test rows."""
    train, test = (np.asarray(rows) for rows in split)
    if not len(test):
        return pd.DataFrame()
    model.fit(_rows(X, train), _rows(y, train))
    X = _rows(X, test)
    values = getattr(model, method)(X)
    index = X.index if isinstance(X, pd.DataFrame) else pd.Index(test)
    if np.ndim(values) not in (1, 2) or len(values) != len(index):
        raise InvalidArgumentError(
            f"method={method!r} has an answer of shape {np.shape(values)} for {len(index):,} rows; it must "
            "answer by row."
        )
    if isinstance(values, pd.DataFrame):
        return values.set_axis(index)
    values = np.asarray(values)
    names = [PREDICTION] if values.ndim == 1 else getattr(model, "classes_", range(values.shape[1]))
    return pd.DataFrame(values.reshape(len(index), -1), index=index, columns=list(names))


def _rows(data, rows):
    """Rows at some positions."""
    return data.iloc[rows] if isinstance(data, pd.DataFrame | pd.Series) else np.asarray(data)[rows]


def loo_scorer(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Mean expected log predictive density by PSIS-LOO of the data that the estimator was fitted to.

    For ``scoring=`` of a search: the higher the better. What is scored is the *training* part of a split, by
    leaving out its observations (choice sets, or rows of sales) one by one; X and y are ignored. Use it
    with ``cv=WholeSample()``, which fits each candidate once, to all rows. ``loo().pareto_k`` of the best
    model says whether its figure can be trusted.

    Parameters
    ----------
    estimator : estimator or Pipeline
        A fitted model with a method ``loo``; of a Pipeline the last step.
    X, y : ignored
        There for scikit-learn.

    Returns
    -------
    float
        ``estimator.loo().elpd`` by observation.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from hdfm.model_selection import WholeSample, loo_scorer
    >>> GridSearchCV(model, {"n_factors": [0, 1, 2]}, scoring=loo_scorer, cv=WholeSample())  # doctest: +SKIP
    """
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    if not hasattr(estimator, "loo"):
        raise InvalidArgumentError(
            "loo_scorer needs a model with a method loo, last in its Pipeline; got "
            f"{type(estimator).__name__}."
        )
    result = estimator.loo()
    return float(result.elpd / result.n_data_points)


class OneStandardError:
    r"""The simplest candidate within one standard error of the best, for ``refit=`` of a search [1]_.

    Of candidates c with scores :math:`s_{kc}` in K splits and the best b, the smallest ``parameter`` with

    .. math::

        \mathrm{mean}_k(s_{kb} - s_{kc}) \le \mathrm{sd}_k(s_{kb} - s_{kc}) / \sqrt K ,

    of several with that value the one that scores best. Scores are compared split by split, since what makes
    one window harder to predict than another is common to all candidates. With one split there is no
    standard error, and the best is taken. The training sets of splits overlap, so the error is a rough one.

    Parameters
    ----------
    parameter : str
        Parameter of the grid to keep small, such as ``"n_factors"`` (also of a step of a Pipeline).
    metric : str
        Name of the metric, of a search with several.

    References
    ----------
    .. [1] Breiman, Friedman, Olshen, Stone (1984), "Classification and Regression Trees", section 3.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from hdfm.model_selection import OneStandardError
    >>> results = {"param_n_factors": np.array([1, 2, 3])}
    >>> results |= {"split0_test_score": np.array([-1.1, -1.01, -1.0])}
    >>> results |= {"split1_test_score": np.array([-1.3, -1.20, -1.2])}
    >>> OneStandardError("n_factors")(results)
    1
    """

    def __init__(self, parameter: str, metric: str = "score"):
        self.parameter = parameter
        self.metric = metric

    def __call__(self, results: dict[str, Any]) -> int:
        """The position of a candidate in ``cv_results_``.

        Raises
        ------
        InvalidArgumentError
            If the search has no such parameter or metric, or every candidate failed.
        """
        size = self._values(results)
        scores = self._scores(results)
        means = scores.mean(axis=0)
        if np.isnan(means).all():
            raise InvalidArgumentError("Every candidate of the search failed in some split.")
        best = int(np.nanargmax(means))
        gaps = scores[:, [best]] - scores
        error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.zeros_like(means)
        enough = np.flatnonzero(gaps.mean(axis=0) <= error)
        return int(min(enough, key=lambda candidate: (size[candidate], -means[candidate])))

    def _values(self, results):
        names = [name for name in results if name.startswith("param_")]
        columns = [name for name in names if name.removeprefix("param_").split("__")[-1] == self.parameter]
        if len(columns) != 1:
            raise InvalidArgumentError(
                f"The search must vary one parameter {self.parameter!r}; it varies "
                f"{[name.removeprefix('param_') for name in names]}."
            )
        return np.asarray(results[columns[0]], dtype=float)

    def _scores(self, results):
        """Scores (splits, candidates)."""
        form = re.compile(rf"split\d+_test_{re.escape(self.metric)}")
        scores = [results[name] for name in results if form.fullmatch(name)]
        if not scores:
            raise InvalidArgumentError(f"The search has no metric {self.metric!r}.")
        return np.array(scores)


def _column(X, name):
    X = in_pandas(X)
    if not isinstance(X, pd.DataFrame):
        raise InvalidDataError(
            f"X is a {type(X).__name__}, but groups are found in its column {name!r}: pass a pandas "
            "DataFrame."
        )
    return single_column(X, name)


def _check_count(name, value, least):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidArgumentError(f"{name} must be a whole number, at least {least}; got {value!r}.")
