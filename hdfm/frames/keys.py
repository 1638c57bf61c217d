"""Columns of X that answers are asked by."""

from collections.abc import Sequence

import pandas as pd

from hdfm.exceptions import InvalidArgumentError
from hdfm.frames.columns import named_column, refuse_rows, single_column


def key_columns(X: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The columns that rows are grouped by, without X's row labels, whose levels may have the same names.

    Raises
    ------
    InvalidDataError
        If X lacks one or holds it more than once, or its values have no equality, as lists have none.
    """
    keys = {name: single_column(X, name, "by") for name in dict.fromkeys(names)}
    for name, column in keys.items():
        if column.dtype == object or isinstance(column.dtype, pd.ArrowDtype):
            unusual = ~column.map(pd.api.types.is_hashable).to_numpy(dtype=bool)
            kind = type(column[unusual].iloc[0]).__name__ if unusual.any() else ""
            remedy = f"Rows are grouped by text, numbers or dates: convert it with X[{name!r}].astype(str)"
            refuse_rows(column, unusual, named_column(column, "by"), f"{kind} values", remedy)
    return pd.DataFrame({name: column.array for name, column in keys.items()}, index=range(len(X)))


def refuse_columns_of_tables(by: Sequence[str], columns: Sequence[str]) -> None:
    """Raise if a column to group by has the name of one that the table has anyway."""
    for name in by:
        if name in columns:
            raise InvalidArgumentError(
                f"by={name!r} has the name of a column of the table; rename it in X: "
                f"X.rename(columns={{{name!r}: {'by_' + name!r}}})."
            )
