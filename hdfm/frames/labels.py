"""Labels of products, groups and customers: what is unknown to a fit, or differs from another by a blank."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, InvalidArgumentError, warn_caller
from hdfm.frames.columns import NUMBERS, plain
from hdfm.frames.read import in_pandas
from hdfm.frames.twins import conversion_of_twins, conversion_to, normal_form, renaming, twins_among

_STORED = (*NUMBERS[:-1], "string", "boolean", "datetime64", "timedelta64")


def warn_of_unknown(
    labels: pd.Index,
    column: pd.Series,
    unknown: np.ndarray,
    role: str,
    *,
    usual: bool = False,
    note: str = "",
) -> None:
    """Warn of rows whose label was not fitted.

    Parameters
    ----------
    labels : pandas.Index
        The fitted ones.
    column, unknown : pandas.Series, numpy.ndarray
        Labels (n,), and True (n,) where not among the fitted.
    role : str
        What one of them is, such as "product".
    usual : bool
        Whether unknown labels are nothing to speak of, as customers in a fold: then only those are named
        that equal a fitted one but for blanks, case or type.
    note : str
        What else to say of them.
    """
    if not unknown.any():
        return
    new_labels = pd.Index(column[unknown].unique())
    twin = _twins(labels, new_labels)
    if usual and not twin:
        return
    if usual:
        unknown = unknown & column.isin(list(twin)).to_numpy()
    label = next(iter(twin)) if twin else new_labels[0]
    message = (
        f"{int(unknown.sum()):,} of {len(column):,} rows have a {role} that was not fitted, such as "
        f"{plain(label)!r} in column {column.name!r}; they get the population's distribution."
    )
    if twin:
        message += f" Fitted was {plain(twin[label])!r}: {_how_to_match(labels, column, twin)}."
    warn_caller(f"{message} {note}".rstrip(), DataWarning)


def warn_of_twins(labels: pd.Index, role: str) -> None:
    """Warn of labels to be fitted that differ from another in blanks, case or type alone."""
    if labels.inferred_type != "string":
        return
    forms = pd.Series(labels.map(normal_form))
    twice = forms.duplicated(keep=False).to_numpy()
    if not twice.any():
        return
    label, twin = labels[(forms == forms[twice].iloc[0]).to_numpy()][:2]
    warn_caller(
        f"{role} column {labels.name!r} holds {int(twice.sum()):,} labels that differ from another in blanks "
        f"or case alone, such as {label!r} and {twin!r}; each is a {role} of its own. If they are one, "
        f"convert the column with {conversion_of_twins(labels)}.",
        DataWarning,
    )


def stored_labels(labels: pd.Index | list) -> list:
    """Labels that netCDF can hold: text, numbers and times as they are, others (dates, wide ints) as text."""
    index = pd.Index(labels)
    wide = index.dtype == object and index.inferred_type == "integer" and np.abs(list(index)).max() >= 2**63
    if index.inferred_type in _STORED and getattr(index, "tz", None) is None and not wide:
        return list(labels)
    return [str(label) for label in labels]


def label_list(values: Any, what: str) -> pd.Index:
    """The distinct labels in a list of them, which may be a column or any other that can be gone through.

    Raises
    ------
    InvalidArgumentError
        If it is no list, has two dimensions, or holds what is no label.
    """
    values = in_pandas(values)
    if getattr(values, "ndim", 1) > 1:
        of = f"the {type(values).__name__} of {values.shape[1]:,} columns"
        raise InvalidArgumentError(f"{what} takes a list of labels; got {of}: pass one column alone.")
    if not pd.api.types.is_list_like(values) or isinstance(values, Mapping):
        raise InvalidArgumentError(f"{what} takes a list of labels; got {values!r}.")
    listed = values if isinstance(values, pd.Series | pd.Index | np.ndarray) else list(values)
    strange = [label for label in listed if not pd.api.types.is_hashable(label)]
    if strange:
        raise InvalidArgumentError(f"{what} takes a list of labels; {strange[0]!r} is none.")
    return pd.Index(listed, tupleize_cols=False).unique()


def _twins(labels, new):
    """By unknown label the fitted one that it equals but for blanks, case or type."""
    if labels.inferred_type in NUMBERS and new.inferred_type in NUMBERS:
        return {}
    return twins_among(labels, new)


def _how_to_match(labels, column, twin):
    """The conversion that makes fitted labels of a column, else how to rename them, and the fit's."""
    call = conversion_to(labels, column)
    if call is not None:
        return f"convert the column with {call}"
    distinct = pd.Index(column.unique())
    before = conversion_to(distinct, pd.Series(labels, name=column.name))
    again = "" if before is None else f", or fit again, to a column converted with {before}"
    return f"rename the labels with {renaming(twin, column.name)}{again}"
