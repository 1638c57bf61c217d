"""Labels of one kind, labels that were not fitted, labels that differ by a blank."""

import datetime
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError
from hdfm.frames.columns import label_column
from hdfm.frames.labels import normal_form, stored_labels, warn_of_twins, warn_of_unknown


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
        ("s1 ", r"such as 's1 ' in .*\. Fitted was 's1': strip the column with X\['sku'\]\.str\.strip\(\)"),
        ("S1", r"such as 'S1' in .*\. Fitted was 's1': write them in one case"),
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
        ([datetime.date(2024, 1, 1)], ["2024-01-01"]),
        (pd.to_datetime(["2024-01-01"]), [pd.Timestamp("2024-01-01")]),
    ],
)
def test_labels_that_netcdf_holds(labels, stored):
    assert stored_labels(labels) == stored
