"""Columns of a long frame, checked: what is wrong is said with the column, the count and an example."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from numbers import Complex, Number, Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.texts import number_remedy
from hdfm.frames.twins import conversion_to

ALL = "all"
LARGEST_RATIO = 1e8  # between values of a product that are used in logs; Newton's steps fail near 1e12
LARGEST = 1e100  # beyond it sums of squares overflow; below its inverse ratios do
FEWEST_FOLLOWING = 10  # rows in which a column follows the outcome by no accident
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
# What pandas.api.types.infer_dtype calls labels of one kind that have an equality and can be stored.
ONE_KIND = (
    *NUMBERS,
    *("empty", "string", "boolean", "date", "datetime", "datetime64", "timedelta", "timedelta64", "period"),
)


def check_roles(
    frame: pd.DataFrame,
    roles: dict[str, str | Sequence[str] | None],
    *,
    one_column: Sequence[str],
    dimensions: Sequence[str],
    reserved: Sequence[str],
) -> None:
    """Raise unless every named column stands in the frame, once, in one role.

    Parameters
    ----------
    one_column : sequence of str
        The roles that take a single column.
    dimensions, reserved : sequence of str
        The roles whose columns name dimensions of the posterior, and the names they can't have there.
    """
    check_names(roles, one_column)
    named = [(role, name) for role, names in roles.items() for name in as_names(names, role)]
    missing = dict.fromkeys(f"{role}={name!r}" for role, name in named if name not in frame.columns)
    if missing:
        raise InvalidDataError(
            f"X has no column for {examples(list(missing), 10)}. Its columns are "
            f"{list(map(str, frame.columns))}.{_prefix_remedy(frame.columns, [name for _, name in named])}"
        )
    for role, name in named:
        single_column(frame, name)
        if role in dimensions and name in reserved:
            raise InvalidArgumentError(
                f"The {role} column {name!r} has the name of something in the posterior or in tables; rename "
                f"the column: X.rename(columns={{{name!r}: {role + '_' + name!r}}})."
            )
    owner: dict[str, str] = {}
    for role, name in named:
        if name in owner:
            raise InvalidArgumentError(
                f"The column {name!r} is given as both {owner[name]} and {role}; a column has one role."
            )
        owner[name] = role


def single_column(X: pd.DataFrame, name: str, role: str | None = None) -> pd.Series:
    """The column of a name, which X holds once; ``role`` is what it is asked for as."""
    if name not in X.columns:
        phrase = repr(name) if role is None else f"for {role}={name!r}"
        raise InvalidDataError(f"X has no column {phrase}. Its columns are {list(map(str, X.columns))}.")
    if not isinstance(X[name], pd.Series):
        raise InvalidDataError(
            f"X holds the column {name!r} more than once; keep one of them, as "
            "X = X.loc[:, ~X.columns.duplicated()] does."
        )
    return X[name]


def refuse_repeated(X: pd.DataFrame, names: Sequence[str | None]) -> None:
    """Raise if X holds one of some columns more than once; those that it lacks are left to others."""
    for name in names:
        if name is not None and name in X.columns:
            single_column(X, name)


def _prefix_remedy(columns, names):
    """What to do where a ColumnTransformer gave columns the names of its parts."""
    prefixed = [f"__{name}" for name in names]
    if not any(str(column).endswith(name) for column in columns for name in prefixed):
        return ""
    return " ColumnTransformer(..., verbose_feature_names_out=False) keeps the names as they were."


def as_names(names: str | Sequence[str] | None, role: str) -> list[str]:
    """The column names of a role as a list."""
    if names is None:
        return []
    if isinstance(names, str):
        return [names]
    if pd.api.types.is_list_like(names) and not is_data(names):
        listed = list(names)
        if all(pd.api.types.is_hashable(name) for name in listed):
            return listed
    raise InvalidArgumentError(f"{role} takes a column name or a list of them; got {shown(names)}.")


def check_names(arguments: dict[str, Any], one_column: Sequence[str]) -> None:
    """Raise if a role that takes a single column has something but its name."""
    for role in one_column:
        value = arguments.get(role)
        if not (value is None or isinstance(value, str)):
            raise InvalidArgumentError(f"{role} takes a column name; got {shown(value)}.")


def check_word(name: str, value: Any, allowed: Sequence) -> None:
    """Raise if an argument is not one of the words that are allowed."""
    if pd.api.types.is_list_like(value) or value not in allowed:
        raise InvalidArgumentError(f"{name} must be one of {allowed}; got {shown(value)}.")


def is_data(value: Any) -> bool:
    """Whether a value is a frame, a column or an array of more than one dimension, and no list of names."""
    if isinstance(value, pd.Series):
        return pd.api.types.infer_dtype(value) != "string"
    return getattr(value, "ndim", 0) > 1 or hasattr(value, "columns")


def shown(value: Any) -> str:
    """A value as text for messages; data by their type alone, and where they belong."""
    if is_data(value) or isinstance(value, pd.Series | np.ndarray):
        return f"a {type(value).__name__} (data are passed to fit(X, y))"
    return repr(value)


def numeric_column(
    column: pd.Series,
    role: str,
    *,
    positive: bool = False,
    nonnegative: bool = False,
    where: np.ndarray | None = None,
    missing_remedy: str = "Drop these rows or fill them in",
) -> np.ndarray:
    """A column (n,) as finite floats; ``positive`` and ``nonnegative`` bound it from below.

    Where ``where`` (n,) is False anything but text will do, and the value is 0. ``missing_remedy`` says what
    to do about missing values.
    """
    what = named_column(column, role)
    values = as_floats(column, role)
    used = np.ones(len(column), dtype=bool) if where is None else where
    missing = pd.isna(column).to_numpy()
    refuse_rows(column, used & missing, what, "missing values", missing_remedy)
    unbounded = used & ~np.isfinite(values)
    refuse_rows(column, unbounded, what, "infinite or missing values", "Replace or drop them")
    too_large = used & (np.abs(values) > LARGEST)
    refuse_rows(column, too_large, what, f"values beyond {LARGEST:g}", "Replace or drop them")
    if positive:
        refuse_rows(column, used & (values <= 0), what, "values that are zero or negative", _POSITIVE_REMEDY)
        too_small = used & (values < 1 / LARGEST)
        refuse_rows(column, too_small, what, f"values below {1 / LARGEST:g}", _POSITIVE_REMEDY)
    if nonnegative:
        remedy = "Net returns out of the units, or drop them"
        refuse_rows(column, used & (values < 0), what, "negative values", remedy)
    return np.where(used, values, 0.0)


def named_column(column: pd.Series, role: str) -> str:
    """A column's name for messages: its role and, where it has one, its name."""
    return f"{role} column {column.name!r}" if column.name is not None else role


_POSITIVE_REMEDY = "It is used in logs: drop these rows or repair the values"


def refuse_rows(column: pd.Series, bad: np.ndarray, what: str, finding: str, remedy: str) -> None:
    """Raise if any row (n,) is bad: how many, the first of them, and what to do."""
    if bad.any():
        row = int(np.argmax(bad))
        raise InvalidDataError(
            f"{what} has {finding} in {int(bad.sum()):,} of {len(column):,} rows, such as "
            f"{plain(column.iloc[row])!r} in row {plain(column.index[row])!r}. {remedy}."
        )


def refuse_far_apart(column: pd.Series, log_values: np.ndarray, code: np.ndarray, role: str) -> None:
    """Raise on outliers: logs (n,) far from the usual ones of their product (n,); NaN where none is used."""
    log = pd.Series(log_values)
    distance = (log - log.groupby(code).transform("median")).abs().to_numpy()
    refuse_rows(
        column,
        distance > np.log(LARGEST_RATIO),
        named_column(column, role),
        f"values that are {LARGEST_RATIO:g} times what is usual for their product, or as small a part of it,",
        "No price or exposure changes so: drop these rows or repair the values",
    )


def refuse_outcome(
    column: pd.Series, values: np.ndarray, outcome: np.ndarray, role: str, what: str = "y"
) -> None:
    """Raise on leakage: a predictor's values (n,) are the outcome's, or rise or fall with it throughout."""
    if np.ptp(values) == 0:
        return
    relation = "equals" if np.array_equal(values, outcome) else None
    if relation is None and len(values) >= FEWEST_FOLLOWING:
        rank, value_rank = (np.unique(array, return_inverse=True)[1] for array in (outcome, values))
        if np.array_equal(rank, value_rank) or np.array_equal(rank, rank.max() - value_rank):
            relation = "rises or falls with"
    if relation is not None:
        raise InvalidDataError(
            f"{named_column(column, role)} {relation} {what} in all {len(column):,} rows, such as row "
            f"{plain(column.index[0])!r}: it is the outcome. Leave it out of X or of {role}."
        )


def label_column(column: pd.Series, role: str) -> pd.Series:
    """A column of labels of one kind, none missing; categoricals are turned into what they label.

    Raises
    ------
    InvalidDataError
        If labels are missing, of a kind without an equality that lasts (lists, tuples, UUIDs, intervals),
        of more than one kind, or text with NUL characters, which ends there where it is stored.
    """
    what = named_column(column, role)
    refuse_rows(column, pd.isna(column).to_numpy(), what, "missing labels", "Drop these rows or name them")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.ArrowDtype) and pa.types.is_dictionary(column.dtype.pyarrow_dtype):
        column = column.astype(pd.ArrowDtype(column.dtype.pyarrow_dtype.value_type))
    if column.dtype in (np.float16, pd.ArrowDtype(pa.float16())):  # of which pandas makes no index
        return column.astype(float)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufmM":
        return column
    if not _is_of_one_kind(column):
        _refuse_unusual(column, role)
        if role != "time":  # read_time knows what to do
            refuse_mixed_types(column, role)
    _refuse_nul(column, what)
    return column


def _refuse_nul(column, what):
    """Raise if text has a NUL character, which ends text in netCDF."""
    if pd.api.types.infer_dtype(column) != "string":
        return
    broken = column.str.contains("\0", regex=False).to_numpy(dtype=bool)
    remedy = f"Take them out: X[{column.name!r}].str.replace('\\x00', '')"
    refuse_rows(column, broken, what, "labels with a NUL character", remedy)


def _refuse_unusual(column, role):
    """Raise unless labels are text, numbers, booleans or times."""
    unusual = ~column.map(_is_usual).to_numpy(dtype=bool)
    if unusual.any():
        kind = type(column[unusual].iloc[0]).__name__
        refuse_rows(
            column, unusual, named_column(column, role), f"{kind} labels", _remedy(kind, column, role)
        )


def _is_usual(label):
    if isinstance(label, Complex) and not isinstance(label, Real):
        return False
    return isinstance(label, str | np.bool_ | Number | date | timedelta | pd.Period | np.datetime64)


def _remedy(kind, column, role):
    if role != "time":
        return f"Labels are text, numbers or dates: convert the column with X[{column.name!r}].astype(str)"
    parts = {
        "list": f"as X[{column.name!r}].str[0] does",
        "tuple": f"as X[{column.name!r}].str[0] does",
        "Interval": f"such as its start, X[{column.name!r}].map(lambda span: span.left).astype(float)",
    }
    return f"Periods are numbers, dates or pandas Periods: take these out of the {kind}" + (
        f", {parts[kind]}" if kind in parts else ""
    )


def refuse_mixed_types(column: pd.Series, role: str) -> None:
    """Raise if labels are of more than one kind, such as text and numbers; numbers of any type are one."""
    if column.dtype != object or _is_of_one_kind(column):
        return
    kinds = column.map(_kind)
    counts = kinds.value_counts(sort=False)
    if len(counts) > 1:
        rare = kinds == counts.idxmin()
        usual = column[~rare].iloc[0]
        refuse_rows(
            column,
            rare.to_numpy(),
            named_column(column, role),
            f"{counts.idxmin()} labels among {kinds[~rare].iloc[0]} ones such as {plain(usual)!r}",
            "Labels of different types never match: convert the column to one type, for example with "
            "astype(str)",
        )


def _is_of_one_kind(column):
    """Whether labels (n,) surely are; of dates and times of day pandas says the kind of the first alone."""
    kind = pd.api.types.infer_dtype(column)
    several = column.dtype == object and kind in ("date", "datetime") and column.map(type).nunique() > 1
    return kind in ONE_KIND and not several


def _kind(label):
    if isinstance(label, str):
        return "text"
    if isinstance(label, datetime):
        return "datetime"
    is_number = isinstance(label, Number) and not isinstance(label, bool | np.bool_)
    return "number" if is_number else type(label).__name__


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
    code = labels.get_indexer(values)
    kinds = {
        "number" if kind in NUMBERS else kind.removesuffix("64")
        for kind in (labels.inferred_type, values.inferred_type)
    }
    if len(code) and (code < 0).all() and len(kinds) == 2:
        call = conversion_to(labels, column)
        raise InvalidDataError(
            f"{role} column {column.name!r} holds {values.inferred_type} labels such as "
            f"{plain(values[0])!r}; the model was fitted on {labels.inferred_type} labels such as "
            f"{plain(labels[0])!r}. "
            + ("Convert the column." if call is None else f"Convert the column with {call}.")
        )
    return code


def examples(labels: Sequence | pd.Index | np.ndarray, most: int = 5) -> str:
    """Up to ``most`` labels as text."""
    shown = ", ".join(str(label) for label in list(labels)[:most])
    return shown + (", ..." if len(labels) > most else "")


def as_floats(column: pd.Series, role: str) -> np.ndarray:
    """A column (n,) of numbers of any dtype as floats, missing ones NaN."""
    what, given = named_column(column, role), column
    if pd.api.types.is_complex_dtype(column) or column.dtype.kind in "mM":
        raise InvalidDataError(f"{what} has dtype {column.dtype}; it must hold real numbers.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        column = column.astype(float if pd.api.types.is_numeric_dtype(categories) else object)
    text = column.map(lambda value: isinstance(value, str)) if column.dtype == object else None
    if pd.api.types.is_string_dtype(column) if text is None else text.any():
        if text is not None:
            _floats(column[~text], what)  # a number that is too large, which no conversion would mend
        shown = column if text is None else column[text]
        count = len(shown)
        raise InvalidDataError(
            f"{what} holds text in {count:,} of {len(column):,} rows, such as {shown.iloc[0]!r} "
            f"in row {shown.index[0]!r}. {number_remedy(given, role)}"
        )
    return _floats(column, what)


def _floats(column, what):
    try:
        return column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InvalidDataError(f"{what} has dtype {column.dtype}; it must hold numbers.") from None
    except OverflowError as error:
        raise InvalidDataError(f"{what} holds a number that is too large: {error}.") from None


def plain(value):
    """A NumPy scalar as the Python number it prints like."""
    return value.item() if isinstance(value, np.number | np.bool_) else value
