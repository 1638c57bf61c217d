"""What a caller passes as X -> a frame with the columns that have a role, its rows matched to those of y."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.utils.validation import column_or_1d, validate_data

from hdfm.exceptions import DataWarning, InvalidDataError, warn_caller
from hdfm.frames.columns import examples, plain


def read_plain(
    estimator: BaseEstimator, X: Any, *, reset: bool, **checks: Any
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """What scikit-learn takes as a frame of floats, and y where ``checks`` hold one."""
    given = X, checks.get("y")
    checked = validate_data(estimator, X, reset=reset, dtype=float, **checks)
    values, y = checked if "y" in checks else (checked, None)
    refuse_other_rows(*given, "y")
    names = getattr(estimator, "feature_names_in_", [f"x{k}" for k in range(values.shape[1])])
    index = X.index if isinstance(X, pd.DataFrame) else None
    return pd.DataFrame(values, columns=list(names), index=index), y


def in_pandas(data: Any) -> Any:
    """A frame or column of polars, pyarrow or what else narwhals reads as one of pandas; else what it was.

    Of a masked array of NumPy, what is masked is missing.

    Examples
    --------
    >>> import pyarrow as pa
    >>> in_pandas(pa.table({"price": [1.0, 2.0]}))
       price
    0    1.0
    1    2.0
    """
    if isinstance(data, np.ma.MaskedArray):
        return _with_missing(data)
    if data is None or isinstance(data, pd.DataFrame | pd.Series | np.ndarray | list):
        return data
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    read = nw.from_native(data, pass_through=True, allow_series=True)
    if isinstance(read, nw.LazyFrame):
        read = read.collect()
    if not isinstance(read, nw.DataFrame | nw.Series):
        return data
    try:
        return read.to_pandas()
    except (TypeError, NotImplementedError):
        # pandas' notes in an Arrow table name types of which pandas reads no names
        return nw.to_native(read).to_pandas(ignore_metadata=True)


def both_in_pandas(X: Any, y: Any) -> tuple[Any, Any]:
    """X and y by :func:`in_pandas`; a y that belongs to X by position alone, as one of them has no row labels
    of its own, gets X's.

    Examples
    --------
    >>> import pyarrow as pa
    >>> both_in_pandas(pd.DataFrame({"price": [1.0, 2.0]}, index=[7, 3]), pa.chunked_array([[5, 6]]))[1].index
    Index([7, 3], dtype='int64')
    """
    frame, column = in_pandas(X), in_pandas(y)
    converted = (frame is not X) != (column is not y)
    if converted and isinstance(frame, pd.DataFrame) and isinstance(column, pd.Series | pd.DataFrame):
        column = column.set_axis(frame.index, axis=0) if len(frame) == len(column) else column
    return frame, column


def one_column(y: Any) -> pd.Series:
    """An outcome by row (n,) as a column.

    Raises
    ------
    InvalidDataError
        If it is complex; ValueError, in scikit-learn's words, if it has another shape.
    """
    if isinstance(y, pd.Series):
        return y
    if np.iscomplexobj(y):
        raise InvalidDataError("y has complex numbers; it must hold real ones.")
    return pd.Series(column_or_1d(y, warn=True), name="y")


def _with_missing(data):
    if not np.ma.is_masked(data):
        return np.asarray(data)
    return data.astype(float if data.dtype.kind in "biuf" else object).filled(np.nan)


def refuse_name(X: Any, values: Any, what: str = "y") -> None:
    """Raise if the name of a column stands for its values: scikit-learn's models take the values."""
    alone = isinstance(values, list | tuple) and len(values) == 1 and len(X) != 1
    name = values[0] if alone else values
    if not isinstance(name, str):
        return
    columns = list(X.columns) if isinstance(X, pd.DataFrame) else []
    if name in columns:
        raise InvalidDataError(
            f"{what} is {values!r}, the name of a column of X: pass the column itself, {what}=X[{name!r}]."
        )
    listing = f" The columns of X are {list(map(str, columns))}." if columns else ""
    raise InvalidDataError(f"{what} is the text {values!r}; it is one value per row of X.{listing}")


def require_frame(X: Any) -> None:
    """Raise unless X is a frame of pandas."""
    if not isinstance(X, pd.DataFrame):
        raise InvalidDataError(
            f"X is a {type(X).__name__}, but roles are column names: pass a pandas DataFrame, or "
            "one of polars or pyarrow. A scikit-learn transformer before the model keeps the names after "
            'set_output(transform="pandas"); where an array is made of the frame all the same, name its '
            "columns again before the model, with sklearn.preprocessing.FunctionTransformer("
            'pandas.DataFrame, kw_args={"columns": [...]}).'
        )
    if isinstance(X.columns, pd.MultiIndex):
        raise InvalidDataError(
            f"X's column names have {X.columns.nlevels} levels, such as {X.columns[0]!r}; roles name one: "
            "X = X.set_axis(['_'.join(map(str, name)) for name in X.columns], axis=1) joins them."
        )


def select_columns(
    estimator: BaseEstimator, X: pd.DataFrame, columns: Sequence[str | None], *, reset: bool
) -> pd.DataFrame:
    """A copy of the columns with a role (None: none), noted on the estimator as scikit-learn does."""
    frame = X[[column for column in columns if column is not None]]
    if not len(frame):
        raise InvalidDataError("X has no rows.")
    _refuse_mixed_names(frame.columns)
    if reset:
        estimator._columns_seen = frozenset(X.columns)
    _warn_of_new_columns(estimator, X.drop(columns=frame.columns))
    validate_data(estimator, frame, reset=reset, skip_check_array=True)
    return frame


def _refuse_mixed_names(columns):
    """Raise if names of columns with a role are text and something else: scikit-learn takes one kind."""
    labels = [name for name in columns if not isinstance(name, str)]
    if labels and len(labels) < len(columns):
        raise InvalidDataError(
            f"X has {len(labels):,} columns with a role whose name is no text, such as {plain(labels[0])!r} "
            f"({type(plain(labels[0])).__name__}), beside {len(columns) - len(labels):,} whose name is. Make "
            "text of all: X = X.rename(columns=str)."
        )


def _warn_of_new_columns(estimator, others):
    """Warn of numeric columns without a role that the fit did not see: of a lever it does not know."""
    seen = getattr(estimator, "_columns_seen", None)
    if seen is None:
        return
    dtypes = zip(others.columns, others.dtypes, strict=True)
    numeric = dict.fromkeys(name for name, dtype in dtypes if pd.api.types.is_numeric_dtype(dtype))
    names = [name for name in numeric if name not in seen]
    if names:
        warn_caller(
            f"X has {len(names):,} columns without a role that the fit did not see ({examples(names)}): they "
            "change nothing. To know their effect, give them a role and fit again.",
            DataWarning,
        )


def refuse_columns(y: Any) -> None:
    """Raise if y has several columns, or none."""
    width = y.shape[1] if getattr(y, "ndim", 1) > 1 else 1
    if width != 1:
        raise InvalidDataError(f"y has {width:,} columns, but it takes one: pass the outcome alone.")


def check_same_rows(X: Any, values: Any, what: str = "y") -> None:
    """Raise if y has another number of rows than X, or row labels that say it belongs to other rows."""
    if not np.ndim(values) and not hasattr(values, "__len__"):
        raise InvalidDataError(f"{what} is a {type(values).__name__}: pass one value per row of X.")
    if len(X) != len(values):
        raise InvalidDataError(
            f"X has {len(X):,} rows and {what} has {len(values):,} values; they must agree."
        )
    refuse_other_rows(X, values, what)


def refuse_other_rows(X: Any, values: Any, what: str) -> None:
    """Raise if row labels of X and of ``values`` (n,) are partly the same and not in the same places.

    Rows are matched by position; labels of which none is the same say nothing.
    """
    indexed = all(isinstance(frame, pd.Series | pd.DataFrame) for frame in (X, values))
    if not indexed or len(X) != len(values) or values.index.equals(X.index):
        return
    if values.index.nlevels != X.index.nlevels or not values.index.isin(X.index).any():
        return
    by_position = f"If rows belong together by position all the same, pass {what}.to_numpy()."
    row = int(np.argmax(np.asarray(X.index != values.index)))
    example = (
        f"row {row} has the label {plain(X.index[row])!r} in X and {plain(values.index[row])!r} in {what}"
    )
    if not (values.index.is_unique and X.index.is_unique):
        raise InvalidDataError(_repeated_rows(X.index, values.index, what, example, by_position))
    overlap = X.index.isin(values.index)
    if overlap.all():
        raise InvalidDataError(
            f"{what}'s index holds the labels of X's index in another order, and rows are matched by "
            f"position: pass {what}.loc[X.index]. {by_position}"
        )
    raise InvalidDataError(
        f"{int((~overlap).sum()):,} of {len(X):,} row labels of X are not in {what}'s index; {example}. Take "
        f"the same rows of both: both = X.index.intersection({what}.index), X.loc[both], {what}.loc[both]. "
        f"{by_position}"
    )


def _repeated_rows(index, other, what, example, by_position):
    """Message on row labels that stand more than once, so that none says which row is meant."""
    counts = [int(labels.duplicated(keep=False).sum()) for labels in (index, other)]
    repeated = next(labels[labels.duplicated()][0] for labels in (index, other) if labels.has_duplicates)
    return (
        f"Row labels stand more than once, in {counts[0]:,} of {len(index):,} rows of X and {counts[1]:,} of "
        f"{what}, such as {plain(repeated)!r}, and not in the same places: {example}. Labels that repeat do "
        f"not say which rows belong together. Keep X and {what} in one frame until rows are filtered and in "
        "order, or number its rows before: frame = frame.reset_index(drop=True); pandas.concat does with "
        f"ignore_index=True. {by_position}"
    )
