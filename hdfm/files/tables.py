"""Kinds of pandas' indexes, series and frames: labels, dtypes, names and ``attrs`` as they were."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from hdfm.files.nodes import Kind, Reader, Writer

INDEXES = (
    *(pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.IntervalIndex),
    pd.CategoricalIndex,
)


def _values(labelled: pd.Index | pd.Series) -> Any:
    """The values as an array of NumPy where they are one, else of pandas."""
    return labelled.to_numpy() if isinstance(labelled.dtype, np.dtype) else labelled.array


def _index_parts(index: pd.Index, writer: Writer) -> dict[str, Any]:
    parts = {"values": writer.node(_values(index)), "name": writer.node(index.name)}
    freq = getattr(index, "freqstr", None) if isinstance(index.dtype, np.dtype) or _zoned(index) else None
    return parts if freq is None or not _said_by_text(index, freq) else parts | {"freq": freq}


def _zoned(index: pd.Index) -> bool:
    return isinstance(index.dtype, pd.DatetimeTZDtype)


def _said_by_text(index: Any, freq: str) -> bool:
    """Whether a frequency is all in its text; that of custom business days is not, and is left out."""
    try:
        return to_offset(freq) == index.freq
    except ValueError:
        return False


def _index(parts: dict[str, Any], reader: Reader) -> pd.Index:
    values = reader.value(parts["values"])
    index: Any = pd.Index(values, dtype=values.dtype, name=reader.value(parts["name"]), copy=False)
    if "freq" in parts:
        index.freq = parts["freq"]
    return index


def _range_parts(index: pd.RangeIndex, writer: Writer) -> dict[str, Any]:
    return {"range": [index.start, index.stop, index.step], "name": writer.node(index.name)}


def _range(parts: dict[str, Any], reader: Reader) -> pd.RangeIndex:
    start, stop, step = parts["range"]
    return pd.RangeIndex(start, stop, step, name=reader.value(parts["name"]))


def _multi_parts(index: pd.MultiIndex, writer: Writer) -> dict[str, Any]:
    return {
        "levels": [writer.node(level) for level in index.levels],
        "codes": [writer.array(np.asarray(codes)) for codes in index.codes],
        "names": writer.nodes(list(index.names)),
    }


def _multi(parts: dict[str, Any], reader: Reader) -> pd.MultiIndex:
    codes: Any = [reader.array(node) for node in parts["codes"]]
    return pd.MultiIndex(reader.values(parts["levels"]), codes, names=reader.values(parts["names"]))


def _series_parts(series: pd.Series, writer: Writer) -> dict[str, Any]:
    return {
        "values": writer.node(_values(series)),
        "index": writer.node(series.index),
        "name": writer.node(series.name),
        "attrs": writer.node(series.attrs),
    }


def _series(parts: dict[str, Any], reader: Reader) -> pd.Series:
    series = _column(reader.value(parts["values"]), reader.value(parts["index"]))
    series.name, series.attrs = reader.value(parts["name"]), reader.value(parts["attrs"])
    return series


def _column(values: Any, index: pd.Index) -> pd.Series:
    return pd.Series(values, index=index, dtype=values.dtype, copy=False)


def _frame_parts(frame: pd.DataFrame, writer: Writer) -> dict[str, Any]:
    columns = []
    for k, name in enumerate(frame.columns):
        with writer.at(name):
            columns.append(writer.node(_values(frame.iloc[:, k])))
    return {
        "values": columns,
        "index": writer.node(frame.index),
        "columns": writer.node(frame.columns),
        "attrs": writer.node(frame.attrs),
    }


def _frame(parts: dict[str, Any], reader: Reader) -> pd.DataFrame:
    index, columns = reader.value(parts["index"]), reader.value(parts["columns"])
    values = {k: _column(value, index) for k, value in enumerate(reader.values(parts["values"]))}
    frame = pd.DataFrame(values, index=index)
    frame.columns, frame.attrs = columns, reader.value(parts["attrs"])
    return frame


KINDS = (
    Kind("index", INDEXES, _index_parts, _index),
    Kind("range_index", (pd.RangeIndex,), _range_parts, _range),
    Kind("multi_index", (pd.MultiIndex,), _multi_parts, _multi),
    Kind("series", (pd.Series,), _series_parts, _series),
    Kind("frame", (pd.DataFrame,), _frame_parts, _frame),
)
