"""What to do about text where numbers or times are meant: the call that works on the column at hand."""

import warnings

import pandas as pd


def text_as_time(column: pd.Series) -> str:
    r"""How to turn a column of text into periods.

    Examples
    --------
    >>> text_as_time(pd.Series(["w1", "w12"], name="week"))
    "Take the number out: X['week'].str.extract(r'(\\d+)', expand=False).astype(int)"
    """
    labels = pd.Series(column.unique()).astype(str)
    numbers = labels.str.extract(r"(\d+)", expand=False)
    if pd.to_numeric(labels, errors="coerce").notna().all():
        return f"Convert it with pandas.to_numeric(X[{column.name!r}].astype(str))"
    if _are_dates(labels):
        return f"Convert it with pandas.to_datetime(X[{column.name!r}])"
    if numbers.notna().all() and numbers.astype(float).is_unique:
        return f"Take the number out: X[{column.name!r}].str.extract(r'(\\d+)', expand=False).astype(int)"
    return (
        f"Say the order: pandas.Categorical(X[{column.name!r}], categories=[...], ordered=True) with the "
        f"{len(labels):,} labels from the earliest to the latest, or make dates with pandas.to_datetime"
    )


def _are_dates(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return pd.to_datetime(labels).notna().all()
        except (ValueError, TypeError, UserWarning):
            return False
