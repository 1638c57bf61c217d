"""Labels of one kind, labels that were not fitted, labels that differ by a blank."""

import datetime
import re
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import label_column
from hdfm.frames.labels import label_list, stored_labels, warn_of_twins, warn_of_unknown
from hdfm.frames.twins import normal_form


def column(labels, **options):
    return pd.Series(labels, name="sku", **options)


USUAL = [
    ["a", "b"],
    [1, 2],
    [1.5, 2.0],
    [True, False],
    [Decimal("1.5"), Decimal(2)],
    [1, 2.5, Decimal(2)],
    [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)],
    [pd.Period("2024-01", "M"), pd.Period("2024-02", "M")],
]


@pytest.mark.parametrize("labels", USUAL, ids=str)
@pytest.mark.parametrize("dtype", [None, object, "category"])
def test_usual_labels(labels, dtype):
    assert label_column(column(labels, dtype=dtype), "product").tolist() == labels


UNUSUAL = [
    (["a"], "list"),
    (("a", 1), "tuple"),
    ({"id": 1}, "dict"),
    (uuid.UUID(int=7), "UUID"),
    (pd.Interval(0, 1), "Interval"),
    (b"a", "bytes"),
    (1j, "complex128"),
]


@pytest.mark.parametrize(("label", "kind"), UNUSUAL, ids=[kind for _, kind in UNUSUAL])
def test_labels_that_do_not_last(label, kind):
    labels = column([label] * 3)
    found = f"product column 'sku' has {kind} labels in 3 of 3 rows, such as .* in row 0.*astype"
    with pytest.raises(InvalidDataError, match=found):
        label_column(labels, "product")
    assert label_column(labels.astype(str), "product").nunique() == 1


def test_one_list_among_text():
    with pytest.raises(InvalidDataError, match=r"has list labels in 1 of 3 rows, such as \['b'\] in row 1"):
        label_column(column(["a", ["b"], "c"]), "product")


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        ([[3], [4]], lambda week: week.str[0]),
        (pd.interval_range(0, 2), lambda week: week.map(lambda i: i.left)),
    ],
)
def test_periods_within_others(labels, remedy):
    week = pd.Series(labels, name="week")
    with pytest.raises(InvalidDataError, match=r"time column 'week' has .* labels .* take these out of the"):
        label_column(week, "time")
    assert label_column(remedy(week), "time").nunique() == 2


def test_arrow_dictionaries_are_what_they_label():
    import pyarrow as pa

    labels = pd.Series(
        pd.array(["b", "a"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))), name="sku"
    )
    assert label_column(labels, "product").tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("label", "form"),
    [
        ("c0 ", "c0"),
        ("C0", "c0"),
        (7, "7"),
        (7.0, "7"),
        (np.int64(7), "7"),
        ("7", "7"),
        ("7.5", "7.5"),
        (7.5, "7.5"),
    ],
)
def test_normal_form(label, form):
    assert normal_form(label) == form


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("s9", r"2 of 3 rows have a product that was not fitted, such as 's9' in column 'sku'; they get"),
        ("s1 ", r"such as 's1 ' in .*\. Fitted was 's1': convert the column with X\['sku'\]\.str\.strip\(\)"),
        ("S1", r"such as 'S1' in .*\. Fitted was 's1': convert the column with X\['sku'\]\.str\.lower\(\)"),
    ],
)
def test_unknown_labels_are_named(new, message):
    labels, rows = pd.Index(["s1", "s2"]), column(["s2", new, new])
    with pytest.warns(DataWarning, match=message):
        warn_of_unknown(labels, rows, ~rows.isin(labels).to_numpy(), "product")


def test_unknown_customers_are_named_only_where_they_resemble_one():
    labels, rows = pd.Index(["h1", "h2"]), column(["h7", "h8", "h1 "])
    with pytest.warns(DataWarning, match="1 of 3 rows have a customer that was not fitted, such as 'h1 '"):
        warn_of_unknown(labels, rows, np.ones(3, dtype=bool), "customer", usual=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unknown(labels, rows, np.array([True, True, False]), "customer", usual=True)


def test_labels_that_differ_by_a_blank():
    with pytest.warns(DataWarning, match="product column 'sku' holds 2 labels .* such as 'c0' and 'c0 '"):
        warn_of_twins(pd.Index(["a", "c0", "c0 "], name="sku"), "product")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for labels in (["a", "b"], [1, 2], pd.date_range("2024", periods=2)):
            warn_of_twins(pd.Index(labels, name="sku"), "product")


@pytest.mark.parametrize(
    ("labels", "stored"),
    [
        (["a"], ["a"]),
        ([1], [1]),
        ([Decimal("1.5")], ["1.5"]),
        ([2**70, 3], [str(2**70), "3"]),
        ([datetime.date(2024, 1, 1)], ["2024-01-01"]),
        (pd.to_datetime(["2024-01-01"]), [pd.Timestamp("2024-01-01")]),
    ],
)
def test_labels_that_netcdf_holds(labels, stored):
    assert stored_labels(labels) == stored


def test_text_that_netcdf_would_cut():
    labels = column(["a\x00b", "c"])
    with pytest.raises(
        InvalidDataError, match=r"has labels with a NUL character in 1 of 2 rows, .* in row 0"
    ) as caught:
        label_column(labels, "product")
    call = re.search(r"Take them out: (.*)\.$", str(caught.value))[1]
    assert label_column(eval(call, {"X": {"sku": labels}}), "product").tolist() == ["ab", "c"]


@pytest.mark.parametrize(
    "values",
    [[2, 1, 2], (2, 1), {1, 2}, iter([2, 1]), np.array([2, 1]), pd.Series([2, 2, 1]), pl.Series([2, 1])],
    ids=lambda values: type(values).__name__,
)
def test_lists_of_labels(values):
    assert sorted(label_list(values, "periods")) == [1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.DataFrame({"week": [1]}), "got the DataFrame of 1 columns: pass one column alone"),
        (np.ones((2, 2)), "got the ndarray of 2 columns"),
        ({"week": [1]}, "got {'week'"),
        ("week", "got 'week'"),
        (slice(1, 3), "got slice"),
        ([[1], [2]], r"\[1\] is none"),
    ],
)
def test_what_is_no_list_of_labels(values, message):
    with pytest.raises(InvalidArgumentError, match=f"periods takes a list of labels; .*{message}"):
        label_list(values, "periods")
