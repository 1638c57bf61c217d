"""Labels of products, groups and customers: what is unknown to a fit, or differs from another by a blank."""

import re
from collections.abc import Hashable
from numbers import Number

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.columns import NUMBERS, plain

_WHOLE = re.compile(r"(-?\d+)\.0+")
_STORED = (*NUMBERS[:-1], "string", "boolean", "datetime64", "timedelta64")


def normal_form(label: Hashable) -> str:
    """What labels have in common that differ in blanks around them, case or type alone.

    Examples
    --------
    >>> [normal_form(label) for label in ("c0 ", "C0", 7, 7.0, "7")]
    ['c0', 'c0', '7', '7', '7']
    """
    text = str(plain(label)).strip().casefold()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


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
    new = pd.Index(column[unknown].unique())
    twin = _twins(labels, new)
    if usual and not twin:
        return
    if usual:
        unknown = unknown & column.isin(list(twin)).to_numpy()
    label = next(iter(twin)) if twin else new[0]
    message = (
        f"{int(unknown.sum()):,} of {len(column):,} rows have a {role} that was not fitted, such as "
        f"{plain(label)!r} in column {column.name!r}; they get the population's distribution."
    )
    if twin:
        other = twin[label]
        message += f" Fitted was {plain(other)!r}: {_how_to_match(label, other, column.name)}."
    warn_caller(f"{message} {note}".rstrip(), DataWarning)


def warn_of_twins(labels: pd.Index, role: str) -> None:
    """Warn of labels to be fitted that differ from another in blanks, case or type alone."""
    if labels.inferred_type != "string":
        return
    forms = pd.Series(labels.map(normal_form))
    twice = forms.duplicated(keep=False).to_numpy()
    if not twice.any():
        return
    label, other = labels[(forms == forms[twice].iloc[0]).to_numpy()][:2]
    warn_caller(
        f"{role} column {labels.name!r} holds {int(twice.sum()):,} labels that differ from another in blanks "
        f"or case alone, such as {label!r} and {other!r}; each is a {role} of its own. If they are one, "
        f"{_how_to_match(label, other, labels.name)}.",
        DataWarning,
    )


def stored_labels(labels: pd.Index | list) -> list:
    """Labels that netCDF can hold: text, numbers and times as they are, others (dates, decimals) as text."""
    if pd.Index(labels).inferred_type in _STORED and getattr(pd.Index(labels), "tz", None) is None:
        return list(labels)
    return [str(label) for label in labels]


def _twins(labels, new):
    """By unknown label the fitted one that it equals but for blanks, case or type."""
    if labels.inferred_type in NUMBERS and new.inferred_type in NUMBERS:
        return {}
    fitted = {normal_form(label): label for label in reversed(labels)}
    pairs = ((label, normal_form(label)) for label in new)
    return {label: fitted[form] for label, form in pairs if form in fitted}


def _how_to_match(label, other, name):
    if not (isinstance(label, str) and isinstance(other, str)):
        kind = "numbers" if isinstance(other, Number) else type(other).__name__
        return f"convert the column to {kind}, as fitted"
    if label.strip() == other.strip():
        return f"strip the column with X[{name!r}].str.strip()"
    return f"write them in one case, as X[{name!r}].str.strip().str.lower() does"
