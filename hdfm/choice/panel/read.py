"""What a caller passes as X and y -> a frame with the columns that have a role in a choice model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from hdfm.choice.panel.roles import DIMENSIONS, ONE_COLUMN, RESERVED_LABELS, ChoiceRoles, with_features
from hdfm.choice.panel.wide import wide_columns
from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import (
    check_roles,
    named_column,
    numeric_column,
    plain,
    refuse_repeated,
    refuse_rows,
)
from hdfm.frames.read import (
    both_in_pandas,
    check_same_rows,
    one_column,
    read_plain,
    refuse_columns,
    refuse_name,
    require_frame,
    select_columns,
)
from hdfm.frames.texts import yes_of


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
    X, y = both_in_pandas(X, y)
    refuse_name(X, y)
    if not roles.named:
        wanted = {} if y is None and not reset else {"y": y}
        frame, y = read_plain(estimator, X, reset=reset, **wanted)
        return frame, y, replace(roles, features=tuple(frame.columns))
    require_frame(X)
    refuse_repeated(X, roles.columns)
    if y is not None:
        refuse_columns(y)
        refuse_chosen_labels(X, y, roles)
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
    column = one_column(y)
    flags = numeric_column(column, "chosen")
    what = named_column(column, "chosen")
    remedy = (
        "X has one row per alternative, and y is 1 on the chosen row of each choice set and 0 on the others"
    )
    refuse_rows(column, (flags != 0) & (flags != 1), what, "values other than 0 and 1", remedy)
    return pd.Series(flags == 1, index=column.index, name=column.name)


def refuse_chosen_labels(X: pd.DataFrame, y: Any, roles: ChoiceRoles) -> None:
    """Raise if y holds labels of what was chosen in place of flags, as frames with one row a choice do.

    The message has the call that makes flags of them, and of a wide frame one row per alternative.
    """
    values = one_column(y)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    labels = pd.Index(values.dropna().unique())
    is_text = labels.inferred_type == "string"
    if is_text:
        labels = labels[labels.str.strip() != ""]  # on the rows that were not chosen
    elif labels.inferred_type not in ("integer", "floating") or _are_flags(X, values, roles):
        return
    example = plain(labels[0]) if len(labels) else ""
    if roles.product in X and labels.astype(object).isin(X[roles.product].astype(object)).all():
        raise InvalidDataError(
            f"y holds labels of the product column {roles.product!r}, such as {example!r}, but it flags "
            "rows: X has one row per alternative, and y is 1 on the chosen one of each choice set, else 0. "
            f"{_as_flags(X, values, roles)} as y."
        )
    flag = _flag_in_words(X, values, labels, roles)
    if flag is not None:
        raise InvalidDataError(
            f"y holds values such as {flag!r} in place of flags: y is 1 on the chosen row of each choice "
            f"set, else 0. If {flag!r} marks the chosen rows, pass (y == {flag!r}) as y."
        )
    wide = wide_columns(X, labels)
    if is_text or wide is not None:
        what = (
            f"y holds labels such as {example!r} in place of flags: X has one row per alternative in a "
            "choice set, and y is 1 on the chosen one, else 0."
        )
        if wide is None:
            raise InvalidDataError(
                f"{what} Give each choice a row for every alternative, with its price and features, a column "
                "that names it and one that names the choice."
            )
        i = roles.choice_set or "choice_set"
        frame = wide.renamed if i in X else f"{wide.renamed}.rename_axis({i!r}).reset_index()"
        raise InvalidDataError(
            f"{what} Of a wide frame, with one row a choice, make "
            f"long = pandas.wide_to_long({frame}.assign(choice=numpy.asarray(y)), {wide.stubs}, i={i!r}, "
            f"j='product', sep={wide.separator!r}, suffix='.+').reset_index(); name choice_set={i!r}, "
            f"product='product' and the roles of {wide.stubs}; and fit(long, long['choice'] == "
            "long['product'])."
        )


def _as_flags(X, values, roles):
    """The call that makes flags of product labels."""
    if len(values) == len(X) or roles.choice_set not in X:
        return f"If y repeats the choice on every row of a set, pass (y == X[{roles.product!r}])"
    sets = f"X[{roles.choice_set!r}]"
    return (
        f"If y has the choice of each set, in the order in which sets stand in X, pass ({sets}.map(dict(zip("
        f"{sets}.unique(), y))) == X[{roles.product!r}])"
    )


def _are_flags(X, values, roles):
    """Whether numbers (n,) are 0 and 1, and no labels of products that every row of a set repeats."""
    if not values.dropna().isin([0, 1]).all():
        return False
    sets = _rows_by_set(X, values, roles)
    if sets is None or roles.product not in X or not pd.api.types.is_numeric_dtype(X[roles.product].dtype):
        return True
    repeated = (sets.nunique(dropna=False) == 1).all() and (sets.size() > 1).all()
    return not (repeated and values.nunique() == 2 and {0, 1} == set(X[roles.product]))


def _flag_in_words(X, values, labels, roles):
    """The value of two that stands once at most in each choice set of several rows, else that says yes."""
    if len(labels) != 2:
        return None
    for label in sorted(labels, key=str, reverse=True):
        sets = _rows_by_set(X, values == label, roles)
        if sets is not None and (sets.sum() <= 1).all() and (sets.size() > 1).any():
            return label
    return yes_of(labels)


def _rows_by_set(X, values, roles):
    """Values (n,) grouped by choice set; None where sets can't be told."""
    if roles.choice_set not in X or len(X) != len(values):
        return None
    sets = X[roles.choice_set].astype(object)
    return values.groupby(sets.to_numpy(), sort=False) if sets.map(pd.api.types.is_hashable).all() else None


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
