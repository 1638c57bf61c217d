"""Weights of rows: checked, and the rows that they leave in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError, warn_caller
from hdfm.frames.columns import named_column, numeric_column, plain, refuse_rows, single_column
from hdfm.frames.read import both_in_pandas, in_pandas, refuse_name, refuse_other_rows

REMEDY = "A weight says how often a row counts: 0 leaves it out, 1 counts it once"
LARGE_MEAN = 2.0


class WeightedRows(NamedTuple):
    """The rows that count.

    Attributes
    ----------
    X, y : object
        As they came, without rows of weight 0.
    weight : numpy.ndarray or None
        Weights (n,) above 0; None where every row counts once.
    """

    X: Any
    y: Any
    weight: np.ndarray | None


def weighted_rows(X: Any, y: Any, weights: Any, sets: str | None = None) -> WeightedRows:
    """Likelihood weights of rows for ``fit``: powers of the likelihood, as they are, not normalised.

    A row of weight k counts as k rows would, one of weight 0 as if it were not there. Warns where weights
    are large on average.

    Parameters
    ----------
    sets : str, optional
        Column of X within whose labels weights are constant.

    Raises
    ------
    InvalidDataError
        If there is not one weight a row, weights are negative, missing or all 0, or change within a set.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_rows(np.arange(6).reshape(3, 2), [5, 6, 7], [1, 0, 2])
    WeightedRows(X=array([[0, 1],
           [4, 5]]), y=[5, 7], weight=array([1., 2.]))
    """
    (X, y), weights = both_in_pandas(X, y), in_pandas(weights)
    if weights is None:
        return WeightedRows(X, y, None)
    refuse_name(X, weights, "sample_weight")
    weights = weights if isinstance(weights, pd.Series | pd.DataFrame) else np.asarray(weights)
    refuse_other_rows(X, weights, "sample_weight")
    X, y = (data if data is None or hasattr(data, "__len__") else np.asarray(data) for data in (X, y))
    values = check_weights(weights, len(X))
    if isinstance(X, pd.DataFrame) and sets is not None and sets in X:
        _refuse_changes(single_column(X, sets), values)
    mean = values.mean()
    if y is not None and len(y) == len(X) and (values == 0).any():
        rows = np.flatnonzero(values)
        X, y, values = _safe_indexing(X, rows), _safe_indexing(y, rows), values[rows]
    if mean > LARGE_MEAN:
        warn_caller(
            f"sample_weight is {mean:.3g} on average: each row counts that often, and intervals are "
            "as narrow as so many rows would make them. Weights that project a sample to a population have "
            "no place in fit: divide them by their mean, or weigh answers with them, by weights= of tables, "
            "or as in numpy.average(model.predict(X), weights=sample_weight).",
            DataWarning,
        )
    return WeightedRows(X, y, None if (values == 1).all() else values)


def _refuse_changes(sets, weights):
    """Raise if weights (n,) change within a choice set."""
    spread = pd.Series(weights).groupby(pd.factorize(sets.astype(str))[0]).transform(np.ptp).to_numpy()
    if spread.any():
        row = int(np.argmax(spread > 0))
        values = np.unique(weights[(sets == sets.iloc[row]).to_numpy()])[:3].tolist()
        raise InvalidDataError(
            f"sample_weight changes within {sets[spread > 0].nunique():,} choice sets of column "
            f"{sets.name!r}, such as {plain(sets.iloc[row])!r} with {values}: a choice counts as a whole. "
            "Give all its rows one weight, as in pandas.Series(numpy.asarray(sample_weight), X.index)"
            f".groupby(X[{sets.name!r}]).transform('first')."
        )


def weighted_mean(values: Any, weights: np.ndarray | None) -> float:
    """Mean of values (n,), weighted if weights (n,) are given."""
    return float(np.average(np.asarray(values, dtype=float), weights=weights))


def weights_of_rows(X: Any, weights: Any, n_rows: int) -> np.ndarray:
    """Weights of rows (n,) in an answer, given one by one or as a column of X.

    Raises
    ------
    InvalidDataError
        If there is no such column, or not one weight a row, 0 or above.
    """
    weights = in_pandas(weights)
    if isinstance(weights, str):
        if not isinstance(X, pd.DataFrame):
            raise InvalidDataError(
                f"weights={weights!r} names a column of X, and X is {type(X).__name__}: pass a frame, or "
                "a weight for each row."
            )
        return check_weights(single_column(X, weights, "weights"), n_rows, "weights")
    if X is not None:
        refuse_other_rows(X, weights, "weights")
    return check_weights(weights, n_rows, "weights")


def without_weights(X: Any, weights: Any, used: Sequence[str]) -> Any:
    """X less the column that holds weights, which is none of the model's; with it if it is ``used``."""
    if isinstance(weights, str) and isinstance(X, pd.DataFrame) and weights not in used:
        return X.drop(columns=weights, errors="ignore")
    return X


def weights_of_labels(weights: Any, labels: pd.Index, role: str) -> np.ndarray:
    """Weights of labels (n,) of a column ``role`` in a mean, given as a dict or a Series by label.

    Raises
    ------
    InvalidArgumentError
        If it is neither.
    InvalidDataError
        If some have none, or not 0 or above.
    """
    weights = in_pandas(weights)
    if not isinstance(weights, dict | pd.Series):
        raise InvalidArgumentError(
            f"weights is a dict or a Series by {role} here; got {type(weights).__name__}. From a column w of "
            f'the data: X.groupby("{role}")["w"].first().'
        )
    given = pd.Series(weights)
    if not given.index.is_unique:
        raise InvalidDataError(
            f"weights has {int(given.index.duplicated().sum()):,} labels twice, such as "
            f"{plain(given.index[given.index.duplicated()][0])!r}: one weight by {role}, as "
            f"X.groupby({role!r})[...].first() gives it."
        )
    missing = ~labels.isin(given.index)
    if missing.any():
        raise InvalidDataError(
            f"weights lacks {int(missing.sum()):,} of {len(labels):,} labels by {role}, such as "
            f"{plain(labels[missing][0])!r}: 0 leaves one out."
        )
    return check_weights(given.reindex(labels).to_numpy(), len(labels), "weights")


def check_weights(weights: Any, n_rows: int, role: str = "sample_weight") -> np.ndarray:
    """Weights as floats (n,), ``role`` being what the caller names them.

    Raises
    ------
    InvalidDataError
        If there is not one weight a row, or they can't be averaged with.
    """
    weights = in_pandas(weights)
    shape = np.shape(weights)
    if len(shape) > 1:
        raise InvalidDataError(
            f"{role} has {shape[1]:,} columns, but it takes one value a row: pass one column alone, "
            "as a Series or an array of one dimension."
        )
    if shape != (n_rows,):
        raise InvalidDataError(
            f"{role} has {np.size(weights):,} values for {n_rows:,} rows of X; they must agree."
        )
    column = pd.Series(weights)
    values = numeric_column(column, role, missing_remedy=REMEDY)
    refuse_rows(column, values < 0, named_column(column, role), "negative values", REMEDY)
    if not values.any():
        raise InvalidDataError(
            f"{role} is 0 in all {n_rows:,} rows: weights are zero, and no row counts. {REMEDY}."
        )
    return values


class MergedRows(NamedTuple):
    """Rows of which none is the same as another, in an order that their values alone say.

    Attributes
    ----------
    first : numpy.ndarray
        The row (m,) of the frame that stands for each.
    weight : numpy.ndarray
        Sums of weights (m,).
    merged : numpy.ndarray
        Where each row (n,) of the frame went, a position among the m.
    """

    first: np.ndarray
    weight: np.ndarray
    merged: np.ndarray


def merge_equal_rows(columns: list[pd.Series | np.ndarray], weight: np.ndarray | None) -> MergedRows:
    """Distinct rows with their weights, where no period tells rows apart: their order decides nothing.

    Parameters
    ----------
    columns : list of array-like
        All columns (n,) of the rows, the outcome included; the first sorts first.
    weight : numpy.ndarray or None
        (n,)

    Examples
    --------
    >>> import numpy as np
    >>> merge_equal_rows([np.array([7, 5, 7]), np.array([1, 0, 1])], None)
    MergedRows(first=array([1, 0]), weight=array([1., 2.]), merged=array([1, 0, 1]))
    """
    codes = np.stack([pd.factorize(column, sort=True)[0] for column in columns])
    order = np.lexsort(codes[::-1])
    starts = (np.diff(codes[:, order], axis=1, prepend=-2) != 0).any(axis=0)
    merged = np.empty(len(order), dtype=int)
    merged[order] = np.cumsum(starts) - 1
    return MergedRows(order[starts], np.bincount(merged, weight).astype(float), merged)
