"""Values of all kinds, before and after a file."""

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from same import assert_same

from hdfm.exceptions import InvalidArgumentError
from hdfm.files.records import Schema
from hdfm.files.store import read_state, write_state

BERLIN = "Europe/Berlin"
DAYS = np.array(["2024-01-01", "2024-03-31", "NaT"])


def through_a_file(value, folder):
    schema = Schema("Value", records={}, fitted={})
    return read_state(write_state(folder / "value.hdfm", schema, {"value": value}), schema)["value"]


def arrow(values, kind):
    return pd.Index(pd.array(values, dtype=pd.ArrowDtype(kind)))


INDEXES = {
    "range": pd.RangeIndex(3, 9, 2, name="r"),
    "integers": pd.Index([3, 1], name=("a", 1)),
    "small integers": pd.Index([1, 2], dtype="int8"),
    "floats": pd.Index([1.5, np.nan, -0.0]),
    "booleans": pd.Index([True, False]),
    "text": pd.Index(["ä", None]),
    "text, python": pd.Index(["a", None], dtype=pd.StringDtype("python", na_value=np.nan)),
    "string": pd.Index(["a", pd.NA], dtype="string"),
    "string, python": pd.Index(["a", pd.NA], dtype=pd.StringDtype("python")),
    "objects": pd.Index(["a", 1, 2.5, None, (1, "x")], dtype=object, tupleize_cols=False),
    "objects of text": pd.Index(["a", "\ud800"], dtype=object),
    **{unit: pd.Index(DAYS.astype(f"M8[{unit}]")) for unit in ("s", "ms", "us", "ns")},
    "with a frequency": pd.date_range("2024-01-01", periods=3, freq="W-MON", name="week"),
    "business days": pd.date_range("2024-01-01", periods=3, freq="B"),
    "with a zone": pd.date_range("2024-03-30", periods=3, tz=BERLIN),
    "in UTC": pd.DatetimeIndex(["2024-01-01", None], tz="UTC").as_unit("ms"),
    "with an offset": pd.DatetimeIndex(["2024-01-01T00:00+02:00"]),
    "time spans": pd.timedelta_range("1D", periods=3),
    "time spans in seconds": pd.Index(np.array([1, 2], dtype="m8[s]")),
    **{f"Periods {f}": pd.period_range("2024-01", periods=2, freq=f) for f in ("h", "D", "W-SAT", "M", "Q")},
    "Periods, one missing": pd.PeriodIndex(["2024-01", None], freq="M"),
    "ordered categories": pd.CategoricalIndex(["b", "a"], ["b", "a", "z"], ordered=True, name="c"),
    "categories of dates": pd.CategoricalIndex(pd.to_datetime(["2024-01-01", None])),
    "intervals": pd.interval_range(0, 3, closed="both"),
    "nullable integers": pd.Index([1, None], dtype="Int16"),
    "nullable floats": pd.Index([1.5, None], dtype="Float32"),
    "nullable booleans": pd.Index([True, None], dtype="boolean"),
    "Arrow integers": arrow([1, None], pa.uint8()),
    "Arrow text": arrow(["a", None], pa.string()),
    "Arrow dates": arrow([date(2024, 1, 2)], pa.date32()),
    "Arrow times": arrow([pd.Timestamp("2024", tz=BERLIN)], pa.timestamp("us", tz=BERLIN)),
    "Arrow decimals": arrow([Decimal("1.10")], pa.decimal128(5, 2)),
    "Arrow dictionaries": arrow(["b", "a", "b"], pa.dictionary(pa.int32(), pa.string())),
    "dates": pd.Index([date(2024, 1, 2), date(2024, 1, 1)]),
    "decimals": pd.Index([Decimal("1.10"), Decimal("NaN")]),
    "UUIDs": pd.Index([uuid.UUID(int=7)]),
    "stamps": pd.Index([pd.Timestamp("2024", tz=BERLIN), pd.Timestamp("2024"), pd.NaT], dtype=object),
    "levels": pd.MultiIndex.from_product([["a", "b"], pd.to_datetime(["2024-01-01"])], names=["x", None]),
    "no levels": pd.MultiIndex.from_arrays([[], []], names=["a", "b"]),
    "levels with gaps": pd.MultiIndex.from_tuples([("a", np.nan), ("b", 1.0)]),
    "nothing": pd.Index([]),
    "no text": pd.Index([], dtype=str),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=list(INDEXES))
def test_indexes_and_columns(index, tmp_path):
    frame = pd.DataFrame({"n": np.arange(len(index)), "x": np.linspace(0, 1, len(index))}, index=index)
    if index.nlevels == 1:
        frame["label"] = pd.Series(index, index=index)
        frame["label"] = frame["label"].astype(index.dtype)
    frame.attrs = {"ci_prob": 0.89, 1: ("a", None)}
    values = [index, frame, frame["x"], frame.iloc[:0]]
    assert_same(values, through_a_file(values, tmp_path))


VALUES = [
    *(None, True, 1, -(2**80), 1 / 3, -0.0, float("nan"), float("-inf"), "ä\ud800", b"ab", 1j),
    *((1, (2, "x")), [1, [2.5]], {"a": {1: 2}, (1, 2): None}, {1, 2}, frozenset({"a"}), slice(1, None)),
    *(range(3), np.float64(1 / 3), np.float32(0.1), np.uint8(3), np.bool_(True), np.str_("é"), np.str_("")),
    *(np.datetime64("2024-01-01"), np.timedelta64(3, "h"), np.datetime64("NaT", "D"), np.complex64(1j)),
    *(Decimal("1.10"), Fraction(1, 3), uuid.UUID(int=3), Path("a/b"), date(2024, 1, 2), time(3, 4, fold=1)),
    *(datetime(2024, 1, 2, fold=1), datetime(2024, 1, 2, tzinfo=UTC), timedelta(1, 2, 3)),
    datetime(2024, 1, 2, tzinfo=ZoneInfo(BERLIN)),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-2), "there")),
    *(pd.NA, pd.NaT, pd.Timestamp("2024-01-01 01:02:03.123456789"), pd.Timestamp("2024-06-01", tz=BERLIN)),
    *(pd.Timedelta("1D"), pd.Timedelta(5, "ns"), pd.Period("2024-01", "M"), pd.Interval(0, 1.5, "both")),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_single_values(value, tmp_path):
    assert_same(value, through_a_file(value, tmp_path))


ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    *(np.zeros((0, 3)), np.array(3.0), np.array([], dtype="U1"), np.array(["a", "bcd"]), np.array([b"a"])),
    *(np.array([1, 2], dtype=">i4"), np.array(["2024"], "M8[Y]"), np.arange(5, dtype="f2"), np.array([1j])),
    np.array([["a", None], [1, (2, 3)]], dtype=object),
    np.array(["a", "of any length"], dtype=np.dtypes.StringDType()),
    np.random.default_rng(0).standard_normal((3, 70_000)),  # not compressed
    np.zeros((3, 70_000)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype} {array.shape}")
def test_arrays(array, tmp_path):
    back = through_a_file([array, array], tmp_path)
    assert_same([array, array], back)
    assert back[0].flags.writeable
    assert (back[0] is back[1]) == (array.dtype.kind not in "OT")


def test_parts_of_arrays(tmp_path):
    whole = np.arange(24.0).reshape(2, 3, 4)
    for part in (whole[..., :2], whole[::-1], np.broadcast_to(whole[0], (5, 3, 4))):
        np.testing.assert_array_equal(through_a_file(part, tmp_path), part)


def test_arrays_on_disk(tmp_path):
    array = np.memmap(tmp_path / "draws", float, "w+", shape=(4, 5))
    array[:] = np.arange(5)
    back = through_a_file(array[:, :3], tmp_path)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, array[:, :3])


def test_trees(tmp_path):
    data = xr.Dataset(
        {"a": (("x", "y"), np.arange(6.0).reshape(2, 3), {"unit": "EUR"})},
        {"x": ["p", "qq"], "y": pd.date_range("2024", periods=3), "z": ("x", [1, 2])},
        {"by": [1, None]},
    )
    inner = xr.Dataset({"b": ("x", [1.0, 2.0])})
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"root": 1}), "/p": data, "/p/q": inner}, name="t")
    back = through_a_file([tree, data, data["a"]], tmp_path)
    assert_same([tree, data, data["a"]], back)
    assert back[0].name == "t"


def test_levels_as_a_coordinate(tmp_path):
    data = xr.Dataset({"a": (("x", "y"), np.ones((2, 2)))}, {"x": [1, 2], "y": [3, 4]}).stack(s=("x", "y"))
    with pytest.raises(InvalidArgumentError, match="PandasMultiIndex of the coordinate 's'"):
        through_a_file(data, tmp_path)


def test_generators_go_on(tmp_path):
    generator = np.random.RandomState(3)
    generator.randn(3)
    np.testing.assert_array_equal(through_a_file(generator, tmp_path).randn(5), generator.randn(5))


def test_custom_frequencies_are_left_out(tmp_path):
    holidays = pd.offsets.CustomBusinessDay(holidays=["2024-01-02"])
    index = pd.date_range("2024-01-01", periods=3, freq=holidays)
    back = through_a_file(index, tmp_path)
    assert back.equals(index)
    assert back.freq is None


SPARSE = pd.arrays.SparseArray([1, 0])
ZONE = pd.date_range("2024", periods=2, tz=f"dateutil/{BERLIN}")


@pytest.mark.parametrize(
    ("value", "said"), [(SPARSE, "SparseArray"), (ZONE, "tzfile")], ids=["sparse", "zone"]
)
def test_what_is_refused(value, said, tmp_path):
    with pytest.raises(InvalidArgumentError, match=rf"Value\.value can't be saved: it holds a .*{said}"):
        through_a_file(value, tmp_path)
