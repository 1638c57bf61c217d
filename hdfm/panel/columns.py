"""Columns of a long frame, checked: what is wrong is said with the column, the count and an example."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidArgumentError, InvalidDataError

RESERVED_LABELS = (
    *("chain", "draw", "control", "global", "sd"),
    *("elasticity", "product_effect", "time_effect", "control_effect", "group_level", "between_price"),
    *("correlation", "dispersion", "overdispersion", "noise_sd", "units", "price_level", "n_price_changes"),
)
DIMENSIONS = ("product", "groups", "time")
ONE_COLUMN = ("product", "time", "price", "exposure")


def check_roles(frame: pd.DataFrame, roles: dict[str, str | Sequence[str] | None]) -> None:
    """Raise unless every named column stands in the frame, once, in one role."""
    for role in ONE_COLUMN:
        if roles.get(role) is not None and not isinstance(roles[role], str):
            raise InvalidArgumentError(f"{role} takes a column name; got {roles[role]!r}.")
    named = [(role, name) for role, names in roles.items() for name in as_names(names, role)]
    missing = [f"{role}={name!r}" for role, name in named if name not in frame.columns]
    if missing:
        raise InvalidDataError(
            f"X has no column for {', '.join(missing)}. Its columns are {list(map(str, frame.columns))}."
        )
    repeated = frame.columns[frame.columns.duplicated()].intersection([name for _, name in named])
    if len(repeated):
        raise InvalidDataError(f"X holds the column {repeated[0]!r} more than once; keep one of them.")
    for role, name in named:
        if role in DIMENSIONS and name in RESERVED_LABELS:
            raise InvalidArgumentError(
                f"The {role} column {name!r} has the name of something in the posterior; rename the column."
            )
    owner: dict[str, str] = {}
    for role, name in named:
        if name in owner:
            raise InvalidArgumentError(
                f"The column {name!r} is given as both {owner[name]} and {role}; a column has one role."
            )
        owner[name] = role


def as_names(names: str | Sequence[str] | None, role: str) -> list[str]:
    """The column names of a role as a list."""
    if names is None:
        return []
    if isinstance(names, str):
        return [names]
    try:
        return list(names)
    except TypeError:
        raise InvalidArgumentError(f"{role} takes a column name or a list of them; got {names!r}.") from None


def numeric_column(
    column: pd.Series, role: str, *, positive: bool = False, nonnegative: bool = False
) -> np.ndarray:
    """A column (n,) as finite floats; ``positive`` and ``nonnegative`` bound it from below."""
    what = f"{role} column {column.name!r}" if column.name is not None else role
    values = _as_floats(column, what)
    _refuse(column, pd.isna(column).to_numpy(), what, "missing values", "Drop these rows or fill them in")
    _refuse(column, ~np.isfinite(values), what, "infinite or missing values", "Replace or drop them")
    if positive:
        _refuse(column, values <= 0, what, "values that are zero or negative", _POSITIVE_REMEDY)
    if nonnegative:
        _refuse(column, values < 0, what, "negative values", "Net returns out of the units, or drop them")
    return values


_POSITIVE_REMEDY = "It is used in logs: drop these rows or repair the values"


def refuse_fractions(column: pd.Series, values: np.ndarray, role: str) -> None:
    """Raise if counts (n,) are not whole numbers."""
    _refuse(
        column,
        values != np.round(values),
        f"{role} column {column.name!r}" if column.name is not None else role,
        "fractional values",
        "Count likelihoods need whole units: round them, sell in a smaller unit (grams, not kg), "
        'or set likelihood="log_normal" for measured volumes',
    )


def label_column(column: pd.Series, role: str) -> pd.Series:
    """A column of labels without missing values; categoricals are turned into what they label."""
    what = f"{role} column {column.name!r}"
    _refuse(column, pd.isna(column).to_numpy(), what, "missing labels", "Drop these rows or name them")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return column


def time_column(column: pd.Series, role: str = "time") -> pd.Series:
    """A column of periods in an order: numbers, datetimes, pandas Periods or an ordered categorical."""
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    column = label_column(column, role)
    if not ordered and (pd.api.types.is_string_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise InvalidDataError(
            f"{role} column {column.name!r} holds text or booleans such as {plain(column.iloc[0])!r}, which "
            "have no order in time. Convert it with pandas.to_datetime or pandas.to_numeric."
        )
    return column


def sorted_labels(column: pd.Series) -> pd.Index:
    """The distinct labels in order: of the categories, of the values, of mixed types as text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Index(column.cat.remove_unused_categories().cat.categories, name=column.name)
    labels = pd.Index(column.unique(), name=column.name)
    try:
        return labels.sort_values()
    except TypeError:
        return labels[np.argsort(labels.astype(str), kind="stable")]


def positions(labels: pd.Index, column: pd.Series, role: str) -> np.ndarray:
    """Positions (n,) of a column's values among fitted labels, -1 where not among them.

    Raises
    ------
    InvalidDataError
        If none is among them and they are of another kind, such as text for numbers.
    """
    values = pd.Index(column)
    found = labels.get_indexer(values)
    kinds = {labels.inferred_type, values.inferred_type}
    if len(found) and (found < 0).all() and len(kinds) == 2:
        raise InvalidDataError(
            f"{role} column {column.name!r} holds {values.inferred_type} labels such as "
            f"{plain(values[0])!r}; the model was fitted on {labels.inferred_type} labels such as "
            f"{plain(labels[0])!r}. Convert the column."
        )
    return found


def examples(labels: Sequence | pd.Index | np.ndarray, most: int = 5) -> str:
    """Up to ``most`` labels as text."""
    shown = ", ".join(str(label) for label in list(labels)[:most])
    return shown + (", ..." if len(labels) > most else "")


def _as_floats(column: pd.Series, what: str) -> np.ndarray:
    if pd.api.types.is_complex_dtype(column) or column.dtype.kind in "mM":
        raise InvalidDataError(f"{what} has dtype {column.dtype}; it must hold real numbers.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        column = column.astype(float if pd.api.types.is_numeric_dtype(categories) else object)
    text = column.map(lambda value: isinstance(value, str)) if column.dtype == object else None
    if pd.api.types.is_string_dtype(column) if text is None else text.any():
        shown = column if text is None else column[text]
        count = len(shown)
        raise InvalidDataError(
            f"{what} holds text in {count:,} of {len(column):,} rows, such as {shown.iloc[0]!r} "
            f"in row {shown.index[0]!r}. Convert it with pandas.to_numeric."
        )
    try:
        return column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InvalidDataError(f"{what} has dtype {column.dtype}; it must hold numbers.") from None


def plain(value):
    """A NumPy scalar as the Python number it prints like."""
    return value.item() if isinstance(value, np.number | np.bool_) else value


def _refuse(column: pd.Series, bad: np.ndarray, what: str, finding: str, remedy: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise InvalidDataError(
            f"{what} has {finding} in {int(bad.sum()):,} of {len(column):,} rows, such as "
            f"{plain(column.iloc[first])!r} in row {plain(column.index[first])!r}. {remedy}."
        )
