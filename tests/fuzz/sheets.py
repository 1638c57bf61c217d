"""Frames by what their columns mean, so that the same can be written in other labels, orders and units."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
from fuzz.columns import LABELS, NUMBERS, ODD_LABELS, ODD_NUMBERS, WEEKS, WHOLE_NUMBERS, spoiled

KINDS = {
    "label": LABELS | ODD_LABELS,
    "week": WEEKS,
    "number": NUMBERS | WHOLE_NUMBERS | ODD_NUMBERS,
}

INDICES = {
    "range": pd.RangeIndex,
    "late": lambda n: pd.RangeIndex(1000, 1000 + 3 * n, 3),
    "shuffled": lambda n: pd.Index(np.random.default_rng(n).permutation(n)),
    "text": lambda n: pd.Index([f"row {k}" for k in range(n)], name="product"),
    "dates": lambda n: pd.date_range("2024-01-01", periods=n),
    "floats": lambda n: pd.Index(np.arange(n) / 2),
    "two levels": lambda n: pd.MultiIndex.from_arrays(
        [np.arange(n) // 2, np.arange(n) % 2], names=["product", None]
    ),
    "duplicates": lambda n: pd.Index(np.arange(n) // 2),
    "one label": lambda n: pd.Index(["a"] * n),
    "missing": lambda n: pd.Index([None, *range(1, n)][:n], dtype=object),
    "categories": lambda n: pd.CategoricalIndex([f"row {k}" for k in range(n)]),
}

CONTAINERS = {
    "pandas": lambda frame: frame,
    "polars": polars.from_pandas,
    "lazy": lambda frame: polars.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
NO_FRAMES = {
    "array": lambda frame: frame.to_numpy(),
    "dict": lambda frame: frame.to_dict("list"),
    "records": lambda frame: frame.to_dict("records"),
    "column": lambda frame: frame.iloc[:, 0],
    "None": lambda frame: None,
    "columns twice": lambda frame: pd.concat([frame, frame], axis=1),
    "columns of two levels": lambda frame: pd.concat({"all": frame}, axis=1),
    "numbered columns": lambda frame: frame.set_axis(range(frame.shape[1]), axis=1),
    "indexed": lambda frame: frame.set_index(frame.columns[0]),
    "no columns": lambda frame: frame.iloc[:, :0],
    "no rows": lambda frame: frame.iloc[:0],
}

OUTCOMES = {
    "Series": lambda values, X: pd.Series(values, X.index, name="units"),
    "Series without a name": lambda values, X: pd.Series(values, X.index),
    "Series of another index": lambda values, X: pd.Series(values, [f"other {k}" for k in range(len(X))]),
    "array": lambda values, X: np.asarray(values),
    "list": lambda values, X: np.asarray(values).tolist(),
    "int64": lambda values, X: np.asarray(values).astype(np.int64),
    "Int64": lambda values, X: pd.Series(np.asarray(values).astype(np.int64), X.index).astype("Int64"),
    "Float64": lambda values, X: pd.Series(np.asarray(values), X.index).astype("Float64"),
    "uint8": lambda values, X: np.asarray(values).astype(np.uint8),
    "Decimal": lambda values, X: pd.Series([Decimal(int(value)) for value in values], X.index, dtype=object),
    "objects": lambda values, X: pd.Series(np.asarray(values).tolist(), X.index, dtype=object),
    "Arrow": lambda values, X: pd.Series(values, X.index).astype(pd.ArrowDtype(pa.float64())),
    "Arrow array": lambda values, X: pa.chunked_array([np.asarray(values)]),
    "polars": lambda values, X: polars.Series("units", np.asarray(values)),
    "categorical": lambda values, X: pd.Series(values, X.index).astype("category"),
}
ODD_OUTCOMES = {
    "None": lambda values, X: None,
    "short": lambda values, X: np.asarray(values)[:-1],
    "frame of one": lambda values, X: pd.DataFrame({"units": values}, index=X.index),
    "frame of two": lambda values, X: pd.DataFrame({"units": values, "other": values}, index=X.index),
    "matrix": lambda values, X: np.stack([values, values], axis=1),
    "cube": lambda values, X: np.zeros((len(X), 2, 2)),
    "number": lambda values, X: 3.0,
    "text": lambda values, X: [str(value) for value in values],
    "name": lambda values, X: "units",
    "labels": lambda values, X: X.iloc[:, 0].to_list(),
    "bool": lambda values, X: np.asarray(values) > 1,
    "boolean": lambda values, X: pd.Series(np.asarray(values) > 1, X.index).astype("boolean"),
    "fractions": lambda values, X: np.asarray(values) + 0.25,
    "negative": lambda values, X: -np.asarray(values) - 1,
    "zeros": lambda values, X: np.zeros(len(X)),
    "ones": lambda values, X: np.ones(len(X)),
    "huge": lambda values, X: np.asarray(values) * 1e15,
    "too large": lambda values, X: np.asarray(values) + 1e300,
    "NaN": lambda values, X: np.where(np.arange(len(X)) == 0, np.nan, values),
    "infinity": lambda values, X: np.where(np.arange(len(X)) == 0, np.inf, values),
    "NA": lambda values, X: spoiled(pd.Series(values), 0, pd.NA).set_axis(X.index).astype("Float64"),
    "None within": lambda values, X: [None, *np.asarray(values)[1:].tolist()],
    "dates": lambda values, X: pd.date_range("2024-01-01", periods=len(X)),
    "complex": lambda values, X: np.asarray(values) + 1j,
    "lists": lambda values, X: [[value] for value in values],
    "dict": lambda values, X: dict(enumerate(values)),
    "index in another order": lambda values, X: pd.Series(values, X.index[::-1]),
}


@dataclass(frozen=True)
class Sheet:
    """A frame, its columns by what they mean.

    Attributes
    ----------
    values : dict
        Codes of labels, weeks, or numbers (n,), by column.
    kinds : dict
        Of each column what it holds ("label", "week", "number") and in which kind, a key of ``KINDS``.
    index, container : str
        Keys of ``INDICES`` and of ``CONTAINERS`` or ``NO_FRAMES``.
    spoils : tuple
        Column, row and value of single cells to overwrite.
    columns : tuple of str
        Those that the frame has, in order.
    """

    values: dict[str, np.ndarray]
    kinds: dict[str, tuple[str, str]]
    columns: tuple[str, ...]
    index: str = "range"
    container: str = "pandas"
    spoils: tuple[tuple[str, int, Any], ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def frame(self) -> pd.DataFrame:
        """As a frame of pandas."""
        found = {name: self.column(name) for name in self.columns}
        frame = pd.DataFrame(found, index=pd.RangeIndex(len(self)))
        return frame.set_axis(INDICES[self.index](len(self)), axis=0)

    def column(self, name: str) -> pd.Series:
        what, kind = self.kinds[name]
        out = KINDS[what][kind](self.values[name])
        for column, row, value in self.spoils:
            if column == name and len(out):
                out = spoiled(out, row % len(out), value)
        return out

    def take(self, rows: np.ndarray) -> Self:
        """Some rows (r,); single cells that were overwritten are not."""
        return replace(self, values={name: value[rows] for name, value in self.values.items()}, spoils=())

    def with_values(self, **values: np.ndarray) -> Self:
        return replace(self, values=self.values | values)

    def with_kind(self, name: str, kind: str) -> Self:
        return replace(self, kinds=self.kinds | {name: (self.kinds[name][0], kind)})

    def is_odd(self, name: str) -> bool:
        """Whether the column is of a kind in which codes may have no label of their own."""
        what, kind = self.kinds[name]
        usual = {"label": LABELS, "week": WEEKS, "number": NUMBERS | WHOLE_NUMBERS}[what]
        return kind not in usual or any(name == column for column, *_ in self.spoils)


def contained(frame: pd.DataFrame, container: str) -> Any:
    """A frame of pandas as what a caller passes; itself where the other library has no such columns."""
    if container in NO_FRAMES:
        return NO_FRAMES[container](frame)
    try:
        return CONTAINERS[container](frame)
    except (
        pa.ArrowException,
        TypeError,
        ValueError,
        OverflowError,
        NotImplementedError,
        polars.exceptions.PolarsError,
    ):
        return frame
