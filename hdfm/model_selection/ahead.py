"""Predictions of rows by models that were fitted to the rows before."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.read import both_in_pandas, check_same_rows, refuse_name

FOLD, PREDICTION = "fold", "prediction"


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
    model.fit(rows_at(X, train), rows_at(y, train))
    X = rows_at(X, test)
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


def rows_at(data: Any, rows: np.ndarray) -> Any:
    """Rows at some positions."""
    return data.iloc[rows] if isinstance(data, pd.DataFrame | pd.Series) else np.asarray(data)[rows]
