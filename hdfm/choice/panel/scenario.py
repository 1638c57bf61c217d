"""Scenarios: a frame of choice sets with changes to some of its rows."""

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import as_floats, examples, plain, shown, single_column, sorted_labels
from hdfm.frames.labels import label_list
from hdfm.frames.read import in_pandas, refuse_other_rows, require_frame


def rows_of_products(X: pd.DataFrame, products: Any, roles: ChoiceRoles) -> np.ndarray:
    """True (n,) in the rows of some products, of all where None.

    Raises
    ------
    InvalidArgumentError
        If there is no product column, or ``products`` is no label and no list of labels.
    InvalidDataError
        If X holds no row of one of them.
    """
    require_frame(X)
    if products is None:
        return np.ones(len(X), dtype=bool)
    if roles.product is None:
        raise InvalidArgumentError("products= needs a product column: name it with product=.")
    if callable(products):
        raise InvalidArgumentError(f"products takes a label or a list of labels; got {products!r}.")
    column = single_column(X, roles.product, "product")
    alone = isinstance(products, str) or not pd.api.types.is_list_like(in_pandas(products))
    wanted = label_list([products] if alone else products, "products")
    missing = [plain(label) for label in wanted if not column.isin([label]).any()]
    if missing or not len(wanted):
        raise InvalidDataError(
            f"product column {roles.product!r} of X holds no row of {missing[:5]}; it has "
            f"{examples(sorted_labels(column))}."
        )
    return column.isin(wanted).to_numpy()


def scenario(
    X: pd.DataFrame,
    changes: dict[str, Any] | pd.DataFrame,
    panel: ChoicePanel,
    rows: np.ndarray,
    *,
    labelled: bool = True,
) -> pd.DataFrame:
    """Counterfactual frame: X with changes to the rows in ``rows`` (n,).

    A number multiplies the price and sets any other column; an array of new values replaces a column, a
    Series does by its index where that is X's; a function is called with the column; a frame is the
    scenario itself.

    Parameters
    ----------
    labelled : bool
        Whether X came with row labels of its own; without, a Series belongs to it by position.

    Raises
    ------
    InvalidArgumentError
        If ``changes`` is neither, the values don't fit, or the model has no use for what is changed.
    InvalidDataError
        If X has no such column, or labels of a Series are in part those of X.
    """
    if isinstance(changes, pd.DataFrame):
        _refuse_missing(X, changes, panel.roles)
        _refuse_no_change(X, changes, panel.roles)
        return changes
    if not isinstance(changes, dict) or not changes:
        raise InvalidArgumentError(
            f'changes must map columns to changes, as in {{"price": 0.9}}, or be a frame; got {changes!r}.'
        )
    changed = X.copy()
    for name, change in changes.items():
        column = single_column(X, name)
        _refuse_without_effect(name, panel)
        values = _changed(column, change, labelled, multiply=name == panel.roles.price)
        if np.ndim(values) and len(values) != len(X):
            raise InvalidArgumentError(
                f"changes[{name!r}] has {len(values):,} values for {len(X):,} rows of X."
            )
        changed[name] = _replaced(column, rows, values)
    return changed


def _refuse_missing(X: pd.DataFrame, after: pd.DataFrame, roles: ChoiceRoles) -> None:
    """Raise if a scenario lacks a column with a role that X has."""
    missing = [name for name in roles.columns if name in X and name not in after]
    if missing:
        raise InvalidDataError(
            f"The scenario has no column {missing[0]!r}, which has a role in the model and stands in X. A "
            "frame is the whole scenario: begin with X.copy(), and change columns of that."
        )


def _refuse_without_effect(name: str, panel: ChoicePanel) -> None:
    """Raise if a column has no role, or is a predictor of no category."""
    roles = panel.roles
    if name not in roles.columns:
        raise InvalidArgumentError(
            f"changes[{name!r}]: the column has no role in the model, which does not look at it. Columns "
            f"with a role are {list(roles.columns)}; to know its effect, fit with it among features=."
        )
    if name in roles.predictors and not any(name in category.predictor for category in panel.categories):
        raise InvalidArgumentError(
            f"changes[{name!r}]: the column never varied in the fit, which has no coefficient for it."
        )


def _refuse_no_change(X: pd.DataFrame, after: pd.DataFrame, roles: ChoiceRoles) -> None:
    """Raise if a scenario differs from X in columns alone that have no role."""
    used = [name for name in roles.columns if name in X and name in after]
    if after[used].equals(X[used]) and not after.equals(X):
        unused_columns = [name for name in after if name not in used]
        differing = [name for name in unused_columns if name not in X or not after[name].equals(X[name])]
        raise InvalidArgumentError(
            f"The scenario differs from X in columns without a role alone ({examples(differing)}), which the "
            f"model does not look at. Columns with a role are {used}."
        )


def _changed(column, change, labelled, *, multiply):
    """What a change makes of a column: values by row, in the order of the column, or one value."""
    what = f"changes[{column.name!r}]"
    given = change(column) if callable(change) else change
    values = in_pandas(given)
    if isinstance(values, pd.DataFrame) or np.ndim(values) > 1:
        raise InvalidArgumentError(f"{what} takes one value per row; got {shown(values)} of two dimensions.")
    if isinstance(values, pd.Series) and labelled != (values is given):
        return values.to_numpy()
    if isinstance(values, pd.Series):
        unique = column.index.is_unique and values.index.is_unique
        if unique and set(values.index) == set(column.index):
            return values.reindex(column.index)
        refuse_other_rows(column, values, what)
        return values
    if not multiply or callable(change) or np.ndim(values):
        return values
    if not isinstance(values, Number):
        raise InvalidArgumentError(f"{what} multiplies the price and must be a number; got {shown(values)}.")
    return as_floats(column, "price") * float(values)


def _replaced(column, rows, values):
    """The column with other values in some rows, of a type that holds both; categories stay if they can."""
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"
    held = column if is_plain else column.astype(object)
    out = held.where(~rows, np.asarray(values) if np.ndim(values) else values)
    categorical = isinstance(column.dtype, pd.CategoricalDtype)
    if categorical and out.isin(column.cat.categories).all():
        return out.astype(column.dtype)
    return out.infer_objects()
