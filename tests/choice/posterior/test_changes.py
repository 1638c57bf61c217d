"""What counterfactual takes for changes: columns of any type that fit takes, values that belong to rows."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from hdfm.exceptions import InvalidArgumentError, InvalidDataError

FACTOR, PRODUCT = 0.9, "green"
SHARES = ["before", "after", "change"]


@pytest.fixture(scope="module")
def expected(fitted, trips):
    return fitted.counterfactual(trips.reset_index(drop=True), {"price": FACTOR}, products=PRODUCT)


def cut(X):
    """Prices of which those of one product are lower."""
    return X["price"].where(X["brand"] != PRODUCT, FACTOR * X["price"])


@pytest.fixture
def X(trips):
    return trips.reset_index(drop=True)


DTYPES = [
    lambda X: X.convert_dtypes(),
    lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    lambda X: X.assign(price=X["price"].astype("category")),
    lambda X: X.assign(price=X["price"].map(lambda price: Decimal(repr(price)))),
    lambda X: X.assign(price=X["price"].astype(object)),
]


@pytest.mark.parametrize("dtypes", DTYPES, ids=["nullable", "arrow", "category", "Decimal", "object"])
def test_prices_of_any_type(fitted, expected, X, dtypes):
    for factor in (FACTOR, Decimal(str(FACTOR)), np.float32(FACTOR)):
        table = fitted.counterfactual(dtypes(X), {"price": factor}, products=PRODUCT)
        np.testing.assert_allclose(table[SHARES], expected[SHARES], atol=1e-6)


@pytest.mark.parametrize("dtype", ["boolean", "bool", "Int64", "bool[pyarrow]", "int64[pyarrow]", "category"])
@pytest.mark.parametrize("change", [1, True, 1.0, lambda column: np.ones(len(column))])
def test_flags_of_any_type(fitted, X, dtype, change):
    wanted = fitted.counterfactual(X, {"display": 1.0}, products=PRODUCT)
    flags = X.assign(display=X["display"].astype(dtype))
    pd.testing.assert_frame_equal(fitted.counterfactual(flags, {"display": change}, products=PRODUCT), wanted)


def test_whole_prices_with_a_factor(X, spread_sampling):
    from reference.choice_frames import choice_model

    cents = X.assign(price=(100 * X["price"]).round().astype("Int64"))
    model = choice_model().fit(cents, cents["chosen"])
    wanted = model.counterfactual(cents.astype({"price": float}), {"price": FACTOR}, products=PRODUCT)
    table = model.counterfactual(cents, {"price": FACTOR}, products=PRODUCT)
    pd.testing.assert_frame_equal(table, wanted)


def test_text_prices(fitted, expected, X):
    text = X.assign(price=X["price"].astype(str))
    with pytest.raises(InvalidDataError, match=r"price column 'price' holds text in .* such as") as caught:
        fitted.counterfactual(text, {"price": FACTOR}, products=PRODUCT)
    numbers = eval(re.search(r"with (pandas.*\))\.$", str(caught.value))[1], {"X": text, "pandas": pd})
    table = fitted.counterfactual(text.assign(price=numbers), {"price": FACTOR}, products=PRODUCT)
    pd.testing.assert_frame_equal(table, expected)


def test_a_series_belongs_to_rows_by_its_labels(fitted, expected, X):
    prices = cut(X)
    for change in (prices, prices.sample(frac=1, random_state=0), prices.set_axis(prices.index + 10_000)):
        pd.testing.assert_frame_equal(fitted.counterfactual(X, {"price": change}), expected)


@pytest.mark.filterwarnings("ignore:.*choice sets of column:hdfm.exceptions.DataWarning")
def test_a_series_of_other_rows(fitted, X):
    prices = cut(X)
    part = X.iloc[3:]
    with pytest.raises(
        InvalidDataError, match=r"1 of \d+ row labels of X are not in changes\['price'\]'s"
    ) as caught:
        fitted.counterfactual(part, {"price": prices.iloc[2:-1]})
    changes = {"price": prices.iloc[2:-1]}
    remedy = re.search(r"both = (.*), X\.loc\[both\]", str(caught.value))[1]
    both = eval(remedy, {"X": part, "changes": changes})
    wanted = fitted.counterfactual(part.loc[both], {"price": FACTOR}, products=PRODUCT)
    table = fitted.counterfactual(part.loc[both], {"price": changes["price"].loc[both]})
    pd.testing.assert_frame_equal(table, wanted)


def test_a_series_of_labels_that_repeat(fitted, expected, X):
    twice = X.set_axis(X.index // 2)
    prices = cut(twice)
    pd.testing.assert_frame_equal(fitted.counterfactual(twice, {"price": prices}), expected)
    with pytest.raises(
        InvalidDataError, match=r"stand more than once.*rows of X and .* of changes\['price'\]"
    ):
        fitted.counterfactual(twice, {"price": prices.sample(frac=1, random_state=0)})


def test_values_without_row_labels_belong_by_position(fitted, X):
    mixed = X.sample(frac=1, random_state=0)
    prices = cut(mixed)
    wanted = fitted.counterfactual(mixed, {"price": FACTOR}, products=PRODUCT)
    frame = pl.from_pandas(mixed)
    for X, change in ((mixed, pl.from_pandas(prices)), (frame, prices), (frame, pl.from_pandas(prices))):
        pd.testing.assert_frame_equal(fitted.counterfactual(X, {"price": change}), wanted)


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        (
            {"price": lambda column: column.to_frame()},
            {},
            InvalidArgumentError,
            "one value per row; got a DataF",
        ),
        ({"price": "0.9"}, {}, InvalidArgumentError, "multiplies the price and must be a number; got '0.9'"),
        (
            {"price": FACTOR},
            {"products": len},
            InvalidArgumentError,
            "products takes a label or a list of labels",
        ),
        ({"price": FACTOR}, {"products": [["a"]]}, InvalidArgumentError, r"list of labels; \['a'\] is none"),
        ({"price": FACTOR}, {"products": "zz"}, InvalidDataError, r"holds no row of \['zz'\]; it has "),
        ({"price": FACTOR}, {"products": []}, InvalidDataError, "holds no row of"),
    ],
)
def test_changes_that_are_none(fitted, X, changes, options, error, message):
    with pytest.raises(error, match=message):
        fitted.counterfactual(X, changes, **options)


def test_a_scenario_without_a_column(fitted, expected, X):
    with pytest.raises(InvalidDataError, match=r"The scenario has no column 'price'.*begin with X\.copy\(\)"):
        fitted.counterfactual(X, X.drop(columns="price"))
    after = X.copy()
    after["price"] = cut(X)
    pd.testing.assert_frame_equal(fitted.counterfactual(X, after), expected)


def test_products_as_any_list(fitted, X):
    products = X["brand"].unique()[:2]
    wanted = fitted.counterfactual(X, {"price": FACTOR}, products=list(products))
    for some in (products, pd.Series(products), pl.Series(list(products)), iter(products), set(products)):
        pd.testing.assert_frame_equal(fitted.counterfactual(X, {"price": FACTOR}, products=some), wanted)
