"""What a caller passes as X and y -> a frame with the columns that have a role in a choice model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from hdfm.choice.panel.roles import DIMENSIONS, ONE_COLUMN, RESERVED_LABELS, ChoiceRoles, with_features
from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import check_roles, named_column, numeric_column, refuse_rows
from hdfm.frames.read import check_same_rows, read_plain, require_frame, select_columns


def read_choice_frame(
    estimator: BaseEstimator, X: Any, y: Any, roles: ChoiceRoles, *, reset: bool
) -> tuple[pd.DataFrame, Any, ChoiceRoles]:
    """The columns with a role, y as it came but checked to match, and the roles with features named.

    If no column has a role, X may be anything that scikit-learn takes, every column is a feature and y
    may hold labels of any kind.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or None
        None reads X alone, which ``reset=False`` allows.
    roles : ChoiceRoles
        As given to the constructor.
    reset : bool
        True in ``fit``. Otherwise ``features=None`` are those of ``fit``.

    Raises
    ------
    InvalidArgumentError
        If a column has two roles, or covariates have no customer.
    InvalidDataError
        If a column is missing, X has no rows, or y does not match X.
    """
    if not roles.named:
        wanted = {} if y is None and not reset else {"y": y}
        frame, y = read_plain(estimator, X, reset=reset, **wanted)
        return frame, y, replace(roles, features=tuple(frame.columns))
    require_frame(X)
    if roles.features is None and not reset:
        roles = _features_of_fit(estimator, roles)
    roles = with_features(roles, X)
    _check_choice_roles(X, roles)
    frame = select_columns(estimator, X, roles.columns, reset=reset)
    if y is None:
        if reset:
            raise InvalidDataError("y is missing: pass 1 for the chosen row of each choice set, else 0.")
        return frame, None, roles
    check_same_rows(frame, y)
    return frame, y, roles


def read_chosen(y: Any) -> pd.Series:
    """Booleans (n,), True where y flags the chosen alternative; y holds 0 and 1 or False and True."""
    column = y if isinstance(y, pd.Series) else pd.Series(column_or_1d(y, warn=True), name="y")
    flags = numeric_column(column, "chosen")
    what = named_column(column, "chosen")
    remedy = "y is 1 on the chosen row of each choice set and 0 on the others"
    refuse_rows(column, (flags != 0) & (flags != 1), what, "values other than 0 and 1", remedy)
    return pd.Series(flags == 1, index=column.index, name=column.name)


def as_flags(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two labels of any kind as 0 and 1 (n,), and the labels."""
    check_classification_targets(y)
    classes, code = np.unique(np.asarray(y), return_inverse=True)
    if len(classes) > 2:
        raise InvalidDataError(
            f"Only binary classification is supported. The type of the target is {type_of_target(y)}. "
            "Where a set of alternatives is chosen from, pass a row per alternative and name choice_set=."
        )
    if len(classes) < 2:
        raise InvalidDataError(f"y holds one class, {classes[0]!r}; it must hold two.")
    return code, classes


def known_flags(y: Any, classes: np.ndarray) -> np.ndarray:
    """Labels (n,) as 0 and 1."""
    code = pd.Index(classes).get_indexer(pd.Index(np.asarray(y)))
    if (code < 0).any():
        unknown = np.unique(np.asarray(y)[code < 0])[:3].tolist()
        raise InvalidDataError(f"y holds labels that were not fitted, such as {unknown}.")
    return code


def _features_of_fit(estimator, roles):
    fitted = [name for name in estimator.feature_names_in_ if name not in roles.columns]
    return replace(roles, features=tuple(fitted))


def _check_choice_roles(X, roles):
    named = {role: getattr(roles, role) for role in (*ONE_COLUMN, "customer_covariates", "features")}
    check_roles(X, named, one_column=ONE_COLUMN, dimensions=DIMENSIONS, reserved=RESERVED_LABELS)
    if roles.customer_covariates and roles.customer is None:
        raise InvalidArgumentError(
            f"customer_covariates={list(roles.customer_covariates)!r} need a customer column; name it."
        )
