"""Splitters that find their groups in a column of X."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator, GroupKFold

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import label_column, single_column, sorted_labels
from hdfm.frames.periods import sorted_periods, time_column
from hdfm.frames.read import in_pandas

Split = tuple[np.ndarray, np.ndarray]


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
        check_count("n_splits", n_splits, 2)
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
        labels = label_column(column_of(X, self.column), "group")
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
        check_count("n_splits", n_splits, 1)
        if test_size is not None:
            check_count("test_size", test_size, 1)
        check_count("gap", gap, 0)
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
        column = column_of(X, self.column)
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


def column_of(X: Any, name: str) -> pd.Series:
    """A column of X, which has to be a frame."""
    X = in_pandas(X)
    if not isinstance(X, pd.DataFrame):
        raise InvalidDataError(
            f"X is a {type(X).__name__}, but groups are found in its column {name!r}: pass a pandas "
            "DataFrame."
        )
    return single_column(X, name)


def check_count(name: str, value: Any, least: int) -> None:
    """Raise unless an argument is a whole number, at least ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidArgumentError(f"{name} must be a whole number, at least {least}; got {value!r}.")
