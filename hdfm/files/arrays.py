"""Kinds of arrays: NumPy's, those of text and objects value by value, and pandas' own."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hdfm.files.nodes import Kind, Reader, Writer

TEXT_DTYPES = (
    *(pd.StringDtype("python"), pd.StringDtype("python", na_value=np.nan)),
    *(pd.StringDtype("pyarrow"), pd.StringDtype("pyarrow", na_value=np.nan)),
)
TEXT_TYPES = tuple({type(pd.array([], dtype=dtype)) for dtype in TEXT_DTYPES})
MASKED = {
    "b": pd.arrays.BooleanArray,
    "i": pd.arrays.IntegerArray,
    "u": pd.arrays.IntegerArray,
    "f": pd.arrays.FloatingArray,
}


def _array_parts(values: np.ndarray, writer: Writer) -> dict[str, Any]:
    if values.dtype == object:
        return {"objects": writer.nodes(values.ravel().tolist()), "shape": list(values.shape)}
    if isinstance(values.dtype, np.dtypes.StringDType):
        if hasattr(values.dtype, "na_object"):
            raise writer.refusal(f"an array of dtype {values.dtype}")
        return {"variable_texts": values.ravel().tolist(), "shape": list(values.shape)}
    return writer.array(values)


def _array(parts: dict[str, Any], reader: Reader) -> np.ndarray:
    if "objects" in parts:
        objects = reader.values(parts["objects"])
        return np.fromiter(objects, dtype=object, count=len(objects)).reshape(parts["shape"])
    if "variable_texts" in parts:
        return np.array(parts["variable_texts"], dtype=np.dtypes.StringDType()).reshape(parts["shape"])
    return reader.array(parts)


def _texts_parts(values: Any, writer: Writer) -> dict[str, Any]:
    dtype = values.dtype
    return {
        "texts": values.to_numpy(dtype=object, na_value=None).tolist(),
        "storage": dtype.storage,
        "missing": writer.node(dtype.na_value),
    }


def _texts(parts: dict[str, Any], reader: Reader) -> Any:
    if not {str, type(None)}.issuperset(map(type, parts["texts"])):
        raise ValueError("what should be text is something else")
    dtype = pd.StringDtype(parts["storage"], na_value=reader.value(parts["missing"]))
    return pd.array(parts["texts"], dtype=dtype)


def _masked_parts(values: Any, writer: Writer) -> dict[str, Any]:
    dtype = values.dtype.numpy_dtype
    filled = values.to_numpy(dtype=dtype, na_value=dtype.type(0))
    return {"values": writer.array(filled), "missing": writer.array(np.asarray(values.isna()))}


def _masked(parts: dict[str, Any], reader: Reader) -> Any:
    values, missing = reader.array(parts["values"]), reader.array(parts["missing"])
    return MASKED[values.dtype.kind](values, missing)


def _arrow_parts(values: pd.arrays.ArrowExtensionArray, writer: Writer) -> dict[str, Any]:
    table = pa.table({"values": pa.chunked_array(pa.array(values))})
    if isinstance(table.schema.types[0], pa.BaseExtensionType):
        raise writer.refusal(f"an array of dtype {values.dtype}")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return {"stream": writer.array(np.frombuffer(sink.getvalue(), np.uint8))}


def _arrow(parts: dict[str, Any], reader: Reader) -> pd.arrays.ArrowExtensionArray:
    table = pa.ipc.open_stream(pa.py_buffer(reader.array(parts["stream"]))).read_all()
    table.validate(full=True)
    if table.num_columns != 1 or isinstance(table.schema.types[0], pa.BaseExtensionType):
        raise ValueError("an Arrow stream holds something else than one plain column")
    return pd.arrays.ArrowExtensionArray(table.column(0))


def _categorical_parts(values: pd.Categorical, writer: Writer) -> dict[str, Any]:
    return {
        "codes": writer.array(np.asarray(values.codes)),
        "categories": writer.node(values.categories),
        "ordered": bool(values.ordered),
    }


def _categorical(parts: dict[str, Any], reader: Reader) -> pd.Categorical:
    codes, categories = reader.array(parts["codes"]), reader.value(parts["categories"])
    return pd.Categorical.from_codes(codes, categories=categories, ordered=parts["ordered"])


def _zoned_parts(values: pd.arrays.DatetimeArray, writer: Writer) -> dict[str, Any]:
    if values.tz is None:
        return {"values": writer.array(values.to_numpy()), "zone": None}
    naive = values.tz_convert("UTC").tz_localize(None).to_numpy()
    return {"values": writer.array(naive), "zone": writer.node(values.tz)}


def _zoned(parts: dict[str, Any], reader: Reader) -> Any:
    index, zone = pd.DatetimeIndex(reader.array(parts["values"])), reader.value(parts["zone"])
    return index.array if zone is None else index.tz_localize("UTC").tz_convert(zone).array


def _periods_parts(values: Any, writer: Writer) -> dict[str, Any]:
    return {"ordinals": writer.array(values.asi8), "freq": values.freqstr}


def _periods(parts: dict[str, Any], reader: Reader) -> Any:
    make: Any = pd.PeriodIndex
    return make.from_ordinals(reader.array(parts["ordinals"]), freq=parts["freq"]).array


def _intervals_parts(values: pd.arrays.IntervalArray, writer: Writer) -> dict[str, Any]:
    return {"left": writer.node(values.left), "right": writer.node(values.right), "closed": values.closed}


def _intervals(parts: dict[str, Any], reader: Reader) -> pd.arrays.IntervalArray:
    left, right = reader.value(parts["left"]), reader.value(parts["right"])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=parts["closed"])


KINDS = (
    Kind("array", (np.ndarray, np.memmap), _array_parts, _array),
    Kind("texts", TEXT_TYPES, _texts_parts, _texts),
    Kind("masked", tuple(dict.fromkeys(MASKED.values())), _masked_parts, _masked),
    Kind("arrow", (pd.arrays.ArrowExtensionArray,), _arrow_parts, _arrow),
    Kind("categorical", (pd.Categorical,), _categorical_parts, _categorical),
    Kind("zoned_times", (pd.arrays.DatetimeArray,), _zoned_parts, _zoned),
    Kind("periods", (pd.arrays.PeriodArray,), _periods_parts, _periods),
    Kind("intervals", (pd.arrays.IntervalArray,), _intervals_parts, _intervals),
)
