"""Labels that miss others by blanks, case or type alone: the conversion that makes them equal, tried."""

import re
from collections.abc import Callable, Hashable

import numpy as np
import pandas as pd

MOST_NAMED = 5
_WHOLE = re.compile(r"(-?\d+)\.0+")


def normal_form(label: Hashable) -> str:
    """Normal form of labels: equal where they differ in blanks around them, case or type alone.

    Examples
    --------
    >>> [normal_form(label) for label in ("c0 ", "C0", 7, 7.0, "7")]
    ['c0', 'c0', '7', '7', '7']
    """
    text = str(label).strip().casefold()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def twins_among(labels: pd.Index, new: pd.Index) -> dict[Hashable, Hashable]:
    """By new label the one of ``labels`` that it equals but for blanks, case or type."""
    fitted = {normal_form(label): label for label in reversed(labels)}
    pairs = ((label, normal_form(label)) for label in new)
    return {label: fitted[form] for label, form in pairs if form in fitted}


def conversion_to(labels: pd.Index, column: pd.Series) -> str | None:
    """The first conversion of a column that turns its labels with a twin among ``labels`` into that.

    Others must stay strangers. None where there is none, or no twin.

    Examples
    --------
    >>> conversion_to(pd.Index(["s1", "s2"]), pd.Series(["S1", "new"], name="sku"))
    "X['sku'].str.lower()"
    >>> conversion_to(pd.Index(["7", "8"]), pd.Series([7.0, 8.0], name="sku"))
    "X['sku'].astype(int).astype(str)"
    """
    distinct = column.drop_duplicates()
    forms = distinct.map(normal_form).to_numpy()
    twins = np.isin(forms, [normal_form(label) for label in labels])
    if not twins.any():
        return None
    fitted = labels.astype(object)  # in which numbers of any type are equal, and text is to nothing else
    for text, converted in _converted(distinct):
        place = fitted.get_indexer(pd.Index(converted, dtype=object))
        alike = [normal_form(labels[k]) == form for k, form in zip(place[twins], forms[twins], strict=True)]
        if ((place >= 0) == twins).all() and all(alike):
            return text.format(f"X[{column.name!r}]")
    return None


def conversion_of_twins(labels: pd.Index) -> str:
    """A conversion of a column after which labels of it that differ in blanks, case or type are one."""
    column = pd.Series(labels)
    forms = column.map(normal_form)
    for text, converted in _converted(column):
        if (converted.map(normal_form) == forms).all() and converted.nunique() == forms.nunique():
            return text.format(f"X[{labels.name!r}]")
    heads = dict(zip(reversed(forms), reversed(labels), strict=True))
    pairs = {label: heads[form] for label, form in zip(labels, forms, strict=True) if label != heads[form]}
    return renaming(pairs, labels.name)


def renaming(pairs: dict[Hashable, Hashable], name: Hashable) -> str:
    """The call that renames labels of a column one by one; of many the first are named."""
    named = [f"{_plain(label)!r}: {_plain(twin)!r}" for label, twin in list(pairs.items())[:MOST_NAMED]]
    ending = "" if len(pairs) <= MOST_NAMED else f" and so on, {len(pairs):,} in all"
    return f"X[{name!r}].astype(object).replace({{{', '.join(named)}}}){ending}"


def _converted(column):
    """Each conversion that runs, and what it makes of the column."""
    for text, convert in _CONVERSIONS.items():
        try:
            converted = convert(column)
        except (TypeError, ValueError, AttributeError, OverflowError):
            continue
        if converted.notna().all():
            yield text, converted


def _plain(label):
    return label.item() if isinstance(label, np.number | np.bool_) else label


_CONVERSIONS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "{}.str.strip()": lambda column: column.str.strip(),
    "{}.str.lower()": lambda column: column.str.lower(),
    "{}.str.upper()": lambda column: column.str.upper(),
    "{}.str.title()": lambda column: column.str.title(),
    "{}.str.capitalize()": lambda column: column.str.capitalize(),
    "{}.str.strip().str.lower()": lambda column: column.str.strip().str.lower(),
    "{}.str.strip().str.upper()": lambda column: column.str.strip().str.upper(),
    "{}.astype(str)": lambda column: column.astype(str),
    "{}.astype(int)": lambda column: column.astype(int),
    "{}.astype(float)": lambda column: column.astype(float),
    "{}.astype(int).astype(str)": lambda column: column.astype(int).astype(str),
    "{}.astype(float).astype(int).astype(str)": lambda column: column.astype(float).astype(int).astype(str),
    "{}.astype(float).astype(str)": lambda column: column.astype(float).astype(str),
}
