"""What a caller passes as X -> a frame with the columns that have a role, its rows matched to those of y."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from hdfm.exceptions import InvalidDataError


def read_plain(
    estimator: BaseEstimator, X: Any, *, reset: bool, **checks: Any
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """What scikit-learn takes as a frame of floats, and y where ``checks`` hold one."""
    checked = validate_data(estimator, X, reset=reset, dtype=float, **checks)
    values, y = checked if "y" in checks else (checked, None)
    names = getattr(estimator, "feature_names_in_", [f"x{k}" for k in range(values.shape[1])])
    return pd.DataFrame(values, columns=list(names)), y


def require_frame(X: Any) -> None:
    """Raise unless X is a frame."""
    if not isinstance(X, pd.DataFrame):
        raise InvalidDataError(
            f"X is a {type(X).__name__}, but roles are column names: pass a pandas DataFrame. After a "
            'scikit-learn transformer, set_output(transform="pandas") keeps the names.'
        )


def select_columns(
    estimator: BaseEstimator, X: pd.DataFrame, columns: Sequence[str | None], *, reset: bool
) -> pd.DataFrame:
    """A copy of the columns with a role (None: none), noted on the estimator as scikit-learn does."""
    frame = X[[column for column in columns if column is not None]]
    if not len(frame):
        raise InvalidDataError("X has no rows.")
    validate_data(estimator, frame, reset=reset, skip_check_array=True)
    return frame


def check_same_rows(X: pd.DataFrame, y: Any) -> None:
    """Raise if y has another number of rows than X, or the same labels in another order."""
    if len(X) != len(y):
        raise InvalidDataError(f"X has {len(X):,} rows and y has {len(y):,} values; they must agree.")
    if not isinstance(y, pd.Series | pd.DataFrame) or y.index.equals(X.index):
        return
    if y.index.is_unique and X.index.is_unique and not len(y.index.difference(X.index)):
        raise InvalidDataError(
            "y's index holds the labels of X's index in another order, and rows are matched by position: "
            "pass y.loc[X.index]."
        )
