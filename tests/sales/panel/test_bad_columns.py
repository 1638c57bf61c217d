"""Columns of sales that can't be read: what is said, and where."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.frames import UNITS, replaced, with_value

from hdfm.exceptions import InvalidArgumentError, InvalidDataError


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        (["product"], "product='product'"),
        (["category"], "groups='category'"),
        (["time_period"], "time='time_period'"),
        (["price"], "price='price'"),
        (["promotion"], "controls='promotion'"),
        (["category", "price"], "groups='category', price='price'"),
    ],
)
def test_missing_columns_are_named_with_their_roles(elasticity, sales, dropped, named):
    kept = sales.drop(columns=dropped)
    with pytest.raises(InvalidDataError, match=f"no column for {named}.*Its columns are .*'units_sold'"):
        elasticity(controls="promotion").fit(kept, kept[UNITS])


@pytest.mark.parametrize(
    ("roles", "column", "first", "second"),
    [
        ({"controls": ["promotion", "price"]}, "price", "price", "controls"),
        ({"exposure": "price"}, "price", "price", "exposure"),
        ({"time": "product"}, "product", "product", "time"),
        ({"groups": ["category", "category"]}, "category", "groups", "groups"),
    ],
)
def test_column_in_two_roles(elasticity, sales, roles, column, first, second):
    with pytest.raises(InvalidArgumentError, match=f"'{column}' is given as both {first} and {second}"):
        elasticity(**roles).fit(sales, sales[UNITS])


def test_column_twice_in_the_frame(elasticity, sales):
    doubled = pd.concat([sales, sales[["price"]]], axis=1)
    with pytest.raises(InvalidDataError, match="holds the column 'price' more than once"):
        elasticity().fit(doubled, sales[UNITS])


@pytest.mark.parametrize("convert", [pd.DataFrame.to_numpy, lambda frame: frame.to_dict("list")])
def test_roles_need_a_frame(elasticity, sales, convert):
    X = convert(sales)
    with pytest.raises(InvalidDataError, match=f"X is a {type(X).__name__}.*pass a pandas DataFrame"):
        elasticity().fit(X, sales[UNITS])


def test_integer_column_names_have_no_role(elasticity, sales):
    numbered = sales.set_axis(range(sales.shape[1]), axis=1)
    with pytest.raises(InvalidDataError, match=r"no column for product='product'.*'0', '1'"):
        elasticity().fit(numbered, sales[UNITS])
    with pytest.raises(InvalidArgumentError, match="product takes a column name"):
        elasticity(product=0).fit(numbered, sales[UNITS])


def test_integer_column_names_without_roles(mock_sampling, elasticity, sales):
    plain = elasticity(product=None, groups=None, time=None, price=None)
    plain.fit(sales[["price", "promotion"]].set_axis([0, 1], axis=1), sales[UNITS])
    assert plain.n_features_in_ == 2
    assert list(plain.idata_["posterior"]["control"].to_numpy()) == ["x0", "x1"]


def test_empty_frame(elasticity, sales):
    with pytest.raises(InvalidDataError, match="X has no rows"):
        elasticity().fit(sales.iloc[:0], sales[UNITS].iloc[:0])


def test_units_of_another_length(elasticity, sales):
    with pytest.raises(InvalidDataError, match="X has 240 rows and y has 237 values"):
        elasticity().fit(sales, sales[UNITS].iloc[:-3])


def test_units_in_another_order(elasticity, sales):
    with pytest.raises(InvalidDataError, match=r"another order.*y\.loc\[X\.index\]"):
        elasticity().fit(sales, sales[UNITS].iloc[::-1])


def test_units_missing_altogether(elasticity, sales):
    with pytest.raises(InvalidDataError, match="y is missing"):
        elasticity().fit(sales, None)


@pytest.mark.parametrize(
    ("likelihood", "value", "found"),
    [
        ("negative_binomial", -2.0, r"negative values in 2 of 240 rows, such as .*-2\.0.* in row 3"),
        ("poisson", -2.0, r"negative values in 2 of 240 rows, such as .*-2\.0.* in row 3"),
        ("log_normal", -2.0, r"negative values in 2 of 240 rows, such as .*-2\.0.* in row 3"),
        (
            "negative_binomial",
            2.5,
            r"fractional values in 2 of 240 rows, such as .*2\.5.* in row 3.*log_normal",
        ),
        ("poisson", 2.5, r"fractional values in 2 of 240 rows, such as .*2\.5.* in row 3.*log_normal"),
        ("negative_binomial", np.nan, r"missing values in 2 of 240 rows, such as .*nan.* in row 3"),
        (
            "negative_binomial",
            np.inf,
            r"infinite or missing values in 2 of 240 rows, such as .*inf.* in row 3",
        ),
        ("log_normal", 0.0, r"zeros in 2 of 240 rows.*likelihood=\"log_normal\" takes logs"),
    ],
)
def test_units_of_the_wrong_kind(elasticity, volumes, likelihood, value, found):
    whole = np.ceil(volumes[UNITS])
    with pytest.raises(InvalidDataError, match=f"units column 'units_sold' has {found}"):
        elasticity(likelihood=likelihood).fit(volumes, replaced(whole, [3, 7], value))


def test_units_without_a_name_are_called_units(elasticity, sales):
    y = sales[UNITS].to_numpy(dtype=float)
    y[3] = -1
    with pytest.raises(InvalidDataError, match="units column 'y' has negative values in 1 of 240 rows"):
        elasticity().fit(sales, y)


def test_all_units_zero(elasticity, sales):
    with pytest.raises(InvalidDataError, match="units are zero in every row"):
        elasticity().fit(sales, 0 * sales[UNITS])


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0.0, r"zero or negative in 2 of 240 rows, such as .*0\.0.* in row 4"),
        (-3.0, r"zero or negative in 2 of 240 rows, such as .*-3\.0.* in row 4"),
        (np.nan, "missing values in 2 of 240 rows, such as .*nan.* in row 4"),
        (None, "missing values in 2 of 240 rows, such as .* in row 4"),
        (np.inf, "infinite or missing values in 2 of 240 rows, such as .*inf.* in row 4"),
        (-np.inf, "infinite or missing values in 2 of 240 rows, such as .*-inf.* in row 4"),
    ],
)
@pytest.mark.parametrize(("role", "column"), [("price", "price"), ("exposure", "stores")])
def test_prices_and_exposures_must_be_positive(elasticity, sales, role, column, value, found):
    broken = with_value(sales.assign(stores=2.0), column, [4, 9], value)
    with pytest.raises(InvalidDataError, match=f"{role} column '{column}' has .*{found}"):
        elasticity(exposure="stores").fit(broken, sales[UNITS])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_controls_must_be_finite(elasticity, sales, value):
    broken = with_value(sales, "promotion", [4], value)
    with pytest.raises(
        InvalidDataError, match=r"controls column 'promotion' has .*missing values in 1 of 240 rows"
    ):
        elasticity(controls="promotion").fit(broken, sales[UNITS])


@pytest.mark.parametrize(
    ("role", "column"), [("product", "product"), ("groups", "category"), ("time", "time_period")]
)
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels(elasticity, sales, role, column, missing):
    broken = with_value(sales, column, [4], missing)
    found = f"{role} column '{column}' has missing labels in 1 of 240 rows, such as .* in row 4"
    with pytest.raises(InvalidDataError, match=found):
        elasticity().fit(broken, sales[UNITS])


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
@pytest.mark.parametrize(("role", "column"), [("price", "price"), ("controls", "promotion")])
def test_numbers_as_text(elasticity, sales, role, column, dtype):
    text = sales[column].astype(str).astype(dtype)
    found = f"{role} column '{column}' holds text in 240 of 240 rows, such as '{text[0]}' in row 0"
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        elasticity(controls="promotion").fit(sales.assign(**{column: text}), sales[UNITS])


@pytest.mark.parametrize("value", ["9.99", "n/a"])
def test_one_number_as_text(elasticity, sales, value):
    broken = with_value(sales, "price", [4], value)
    found = f"price column 'price' holds text in 1 of 240 rows, such as '{value}' in row 4"
    with pytest.raises(InvalidDataError, match=found):
        elasticity().build_model(broken, sales[UNITS])


def test_examples_are_plain_numbers(elasticity, sales):
    with pytest.raises(InvalidDataError, match=r"such as -3\.0 in row 4\."):
        elasticity().build_model(with_value(sales, "price", [4], -3.0), sales[UNITS])
    other = with_value(sales, "category", [5], 1 - sales["category"].iloc[5])
    with pytest.raises(InvalidDataError, match=r"such as 0 in \[0, 1\]"):
        elasticity().build_model(other, sales[UNITS])


@pytest.mark.parametrize("dtype", [object, "str"])
def test_units_as_text(elasticity, sales, dtype):
    text = sales[UNITS].astype(str).astype(dtype)
    with pytest.raises(InvalidDataError, match="units column 'units_sold' holds text in 240 of 240 rows"):
        elasticity().fit(sales, text)


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (lambda price: pd.to_datetime(price, unit="D"), "datetime64"),
        (lambda price: price + 1j, "complex128"),
        (lambda price: pd.to_timedelta(price, unit="D"), "timedelta64"),
        (lambda price: price.map(lambda p: [p]), "object"),
    ],
)
def test_prices_of_a_type_that_is_no_number(elasticity, sales, convert, dtype):
    with pytest.raises(InvalidDataError, match=f"price column 'price' has dtype {dtype}.*must hold"):
        elasticity().build_model(sales.assign(price=convert(sales["price"])), sales[UNITS])


def test_product_period_twice(elasticity, sales):
    twice = pd.concat([sales, sales.iloc[:2]], ignore_index=True)
    found = r"4 rows share a product and period.*'product': 0, 'time_period': 0.*X\.groupby"
    with pytest.raises(InvalidDataError, match=found):
        elasticity().fit(twice, twice[UNITS])


def test_product_in_two_categories(elasticity, sales):
    other = 1 - sales["category"].iloc[5]
    found = "product column 'product': 1 labels stand in more than one 'category', such as .*0.* in "
    with pytest.raises(InvalidDataError, match=found):
        elasticity().fit(with_value(sales, "category", [5], other), sales[UNITS])


def test_category_in_two_departments(elasticity, sales):
    crossed = sales.assign(department=np.where(sales["product"] % 2, "odd", "even"))
    found = r"groups column 'category': 2 labels stand in more than one 'department'.*\['even', 'odd'\]"
    with pytest.raises(InvalidDataError, match=found):
        elasticity(groups=["department", "category"]).fit(crossed, sales[UNITS])


def test_what_a_fit_can_not_learn_from_is_scored(mock_sampling, elasticity, sales):
    """Few rows in which nothing was sold, or a control happens to equal the units."""
    model = elasticity(controls="promotion").fit(sales, sales[UNITS])
    few = sales.iloc[:3].assign(promotion=[0, 1, 0])
    for units in ([0, 1, 0], [0, 0, 0]):
        assert np.isfinite(model.score_samples(few, units)).all()
        assert np.isfinite(model.score(few, units))
    with pytest.raises(InvalidDataError, match="controls column 'promotion' equals y in all 3 rows"):
        elasticity(controls="promotion").fit(few, [0, 1, 0])
