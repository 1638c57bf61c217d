"""What a caller passes as X and y -> a frame with the columns that have a role in a choice model."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import check_roles, named_column, numeric_column, refuse_rows
from hdfm.frames.read import check_same_rows, read_plain, require_frame, select_columns

DIMENSIONS = ("customer", "category", "product", "time", "choice_set")
ONE_COLUMN = (*DIMENSIONS, "price", "availability")
RESERVED_LABELS = ("chain", "draw", "predictor", "coefficient", "covariate", "factor", "tier")


@dataclass(frozen=True, slots=True)
class ChoiceRoles:
    """Which column of X is what, and how alternatives are read.

    Attributes
    ----------
    customer, category, product, time, choice_set, price, availability : str or None
        One column each. Without ``choice_set`` every row is a choice set of its own, against the
        outside option.
    features : tuple of str or None
        Further predictors; None: every numeric column without a role.
    customer_covariates : tuple of str
        Columns that are constant within a customer.
    product_intercepts : bool
        Whether products have intercepts.
    price_transform : {"log", "linear"}
        How the price enters.
    outside_option : bool
        Whether a set may have no chosen row: nothing was bought, at a utility of 0.
    """

    customer: str | None = None
    category: str | None = None
    product: str | None = None
    time: str | None = None
    choice_set: str | None = None
    price: str | None = None
    features: tuple[str, ...] | None = None
    availability: str | None = None
    customer_covariates: tuple[str, ...] = ()
    product_intercepts: bool = True
    price_transform: str = "log"
    outside_option: bool = False

    @property
    def outside(self) -> bool:
        """Whether alternatives stand against an outside option."""
        return self.outside_option or self.choice_set is None

    @property
    def slot_by_product(self) -> bool:
        """Whether an alternative's slot in its set is the code of its product."""
        return self.product is not None and self.choice_set is not None

    @property
    def predictors(self) -> tuple[str, ...]:
        """The price, if any, and the features: columns that hold a predictor."""
        return (*([self.price] if self.price is not None else []), *(self.features or ()))

    @property
    def named(self) -> bool:
        """Whether any column has a role."""
        return bool(self.columns) or self.features is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column with a role, in a fixed order."""
        single = [getattr(self, role) for role in ONE_COLUMN]
        named = [name for name in single if name is not None]
        return (*named, *self.customer_covariates, *(self.features or ()))


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


def with_features(roles: ChoiceRoles, X: pd.DataFrame) -> ChoiceRoles:
    """The roles with features named: all numeric columns without a role, unless given."""
    if roles.features is not None:
        return roles
    numeric = [
        name
        for name, dtype in zip(X.columns, X.dtypes, strict=True)
        if pd.api.types.is_numeric_dtype(dtype) and name not in roles.columns
    ]
    return replace(roles, features=tuple(numeric))


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
