import decimal
import re
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import (
    as_names,
    check_roles,
    examples,
    label_column,
    numeric_column,
    sorted_labels,
)
from hdfm.frames.periods import time_column


def price(values, **options):
    return pd.Series(values, name="price", **options)


@pytest.mark.parametrize(
    ("names", "listed"),
    [(None, []), ("promotion", ["promotion"]), (("a", "b"), ["a", "b"]), (pd.Index(["a", "b"]), ["a", "b"])],
)
def test_names_of_a_role(names, listed):
    assert as_names(names, "controls") == listed


def test_names_of_a_role_are_text():
    with pytest.raises(InvalidArgumentError, match="controls takes a column name or a list of them; got 3"):
        as_names(3, "controls")


NO_RULES = {"one_column": (), "dimensions": (), "reserved": ()}


def test_roles_found():
    frame = pd.DataFrame({"sku": [1], "cost": [2.0], "unused": [3], 7: [4]})
    roles = {"product": "sku", "groups": (), "time": None, "price": "cost"}
    assert check_roles(frame, roles, **NO_RULES) is None


def test_roles_not_found_are_all_listed():
    frame = pd.DataFrame({"sku": [1], 7: [4]})
    found = "X has no column for time='week', controls='display'. Its columns are ['sku', '7']."
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        check_roles(frame, {"product": "sku", "time": "week", "controls": ["display"]}, **NO_RULES)


def test_labels_where_names_are_meant_are_not_all_listed():
    frame, labels = pd.DataFrame({"sku": [1]}), [f"p{k % 20}" for k in range(300)]
    listed = ", ".join(f"controls='p{k}'" for k in range(10))
    with pytest.raises(InvalidDataError, match=rf"X has no column for {listed}, \.\.\.\. Its columns"):
        check_roles(frame, {"controls": labels}, **NO_RULES)


@pytest.mark.parametrize(
    "column",
    [
        price([1, 2, 4]),
        price([1.0, 2.0, 4.0], dtype="float32"),
        price([1, 2, 4], dtype="Int64"),
        price([1, 2, 4], dtype="Float64"),
        price([1, 2, 4], dtype="int64[pyarrow]"),
        price([1, 2, 4], dtype="category"),
        price([1, 2, 4], dtype=object),
        price([decimal.Decimal(1), decimal.Decimal(2), decimal.Decimal(4)]),
        price([1, 2, 4], dtype="Sparse[float]"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_numbers_of_any_dtype(column):
    values = numeric_column(column, "price", positive=True)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [1.0, 2.0, 4.0])


def test_booleans_are_numbers():
    np.testing.assert_array_equal(numeric_column(price([True, False]), "controls"), [1.0, 0.0])


@pytest.mark.parametrize(
    "column",
    [
        price([1.0, np.nan, 4.0]),
        price([1.0, None, 4.0], dtype=object),
        price([1.0, pd.NA, 4.0], dtype=object),
        price([1, None, 4], dtype="Int64"),
        price([1, None, 4], dtype="int64[pyarrow]"),
        price([1, None, 4], dtype="category"),
        price([1.5, None, 4.0], dtype="category"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_missing_numbers_of_any_dtype(column):
    found = "price column 'price' has missing values in 1 of 3 rows, such as .* in row 1"
    with pytest.raises(InvalidDataError, match=found):
        numeric_column(column, "price")


def test_the_row_is_named_by_its_label():
    column = price([1.0, -2.0, -3.0], index=["shelf", "aisle", "till"])
    with pytest.raises(
        InvalidDataError, match=r"zero or negative in 2 of 3 rows, such as .*-2\.0.* in row 'aisle'"
    ):
        numeric_column(column, "price", positive=True)


def test_bounds():
    zero = price([0.0, 1.0])
    np.testing.assert_array_equal(numeric_column(zero, "units", nonnegative=True), [0.0, 1.0])
    with pytest.raises(InvalidDataError, match="zero or negative in 1 of 2 rows"):
        numeric_column(zero, "price", positive=True)


def test_a_series_without_a_name_goes_by_its_role():
    with pytest.raises(InvalidDataError, match=r"^units has negative values in 1 of 2 rows"):
        numeric_column(pd.Series([-1, 2]), "units", nonnegative=True)


def test_categorical_labels_become_what_they_label():
    column = pd.Series(pd.Categorical([3, 1, 3], [1, 2, 3]), name="sku")
    labels = label_column(column, "product")
    assert labels.dtype == np.int64
    assert labels.tolist() == [3, 1, 3]


@pytest.mark.parametrize("labels", [["a", None], ["a", np.nan], pd.Categorical(["a", None])])
def test_missing_labels(labels):
    column = pd.Series(labels, name="sku")
    with pytest.raises(
        InvalidDataError, match="product column 'sku' has missing labels in 1 of 2 rows, such as"
    ):
        label_column(column, "product")


@pytest.mark.parametrize(
    ("column", "ordered"),
    [
        (pd.Series([3, 1, 2, 1]), [1, 2, 3]),
        (pd.Series([0.3, -0.1, 0.2, -0.1]), [-0.1, 0.2, 0.3]),
        (pd.Series([3, 1, 2, 1], dtype="Int64"), [1, 2, 3]),
        (pd.Series(["b", "a"], dtype=object), ["a", "b"]),
        (pd.Series(["b", 10, "a", 9], dtype=object), [10, 9, "a", "b"]),
        (
            pd.Series(pd.to_datetime(["2024-02-01", "2024-01-01"])),
            pd.to_datetime(["2024-01-01", "2024-02-01"]),
        ),
        (
            pd.Series(pd.PeriodIndex(["2024Q2", "2023Q4"], freq="Q")),
            pd.PeriodIndex(["2023Q4", "2024Q2"], freq="Q"),
        ),
    ],
    ids=["int", "float", "nullable", "text", "mixed types as text", "datetime", "Period"],
)
def test_order_of_labels(column, ordered):
    assert list(sorted_labels(column.rename("label"))) == list(ordered)
    assert sorted_labels(column.rename("label")).name == "label"


def test_periods_of_an_ordered_categorical_keep_its_order():
    """Not the alphabet's: winter comes before summer because the categories say so."""
    seasons = ["winter", "spring", "summer", "autumn"]
    column = pd.Series(pd.Categorical(["summer", "winter", "summer"], seasons, ordered=True), name="season")
    periods = time_column(column)
    assert list(sorted_labels(column)) == ["winter", "summer"]
    assert periods.tolist() == column.tolist()


@pytest.mark.parametrize("column", [pd.Series(["w1", "w2"]), pd.Series([True, False])])
def test_time_needs_an_order(column):
    with pytest.raises(
        InvalidDataError, match=r"time column 'week' holds text or booleans such as .*Convert it with X"
    ):
        time_column(column.rename("week"))


def test_examples_are_few():
    assert examples([1, 2]) == "1, 2"
    assert examples(list("abcdefg")) == "a, b, c, d, e, ..."
    assert examples(list("abc"), most=2) == "a, b, ..."
    assert examples([]) == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [(10**400, "a number that is too large"), (-1e300, r"values beyond 1e\+100 in 1 of 2 rows")],
)
def test_numbers_whose_squares_overflow(value, found):
    column = pd.Series([1.0, value], dtype=object, name="display")
    with pytest.raises(InvalidDataError, match=f"features column 'display' (holds|has) {found}"):
        numeric_column(column, "features")


def test_a_number_that_is_too_large_among_text():
    """No conversion of the text would mend it: it is said first."""
    column = pd.Series(["1.5", 10**400, "2"], dtype=object, name="price")
    with pytest.raises(InvalidDataError, match="price column 'price' holds a number that is too large"):
        numeric_column(column, "price")
    with pytest.raises(
        InvalidDataError, match=r"holds text in 2 of 2 rows.*pandas\.to_numeric\(X\['price'\]\)"
    ):
        numeric_column(column.drop(index=1), "price")


def test_dates_among_times():
    """pandas says "date" of both."""
    column = pd.Series([date(2024, 1, 1), datetime(2024, 1, 1), date(2024, 1, 2)], dtype=object, name="id")
    with pytest.raises(InvalidDataError, match="product column 'id' has datetime labels among date ones"):
        label_column(column, "product")


def test_times_in_objects_are_of_one_kind():
    column = pd.Series([pd.Timestamp("2024-01-01"), datetime(2024, 1, 2)], dtype=object, name="id")
    assert label_column(column, "product").equals(column)


@pytest.mark.parametrize(
    ("value", "finding"), [(1e-300, r"values below 1e-100"), (0.0, "values that are zero or negative")]
)
def test_prices_too_small_for_ratios(value, finding):
    column = pd.Series([1.0, value], name="price")
    with pytest.raises(
        InvalidDataError, match=rf"price column 'price' has {finding}.* in 1 of 2 rows, .* in row 1"
    ):
        numeric_column(column, "price", positive=True)
    assert numeric_column(column, "price")[1] == value
