"""What can't be fitted is refused with the column, the count and an example; what can is fitted and named."""

import re

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import DataWarning, HdfmError, InvalidArgumentError, InvalidDataError

UNITS = "units_sold"


def replaced(column, rows, value):
    """A copy of a column with a value in some rows, of whatever type both need."""
    out = column.astype(object)
    out.iloc[rows] = value
    return out.infer_objects()


def with_value(frame, column, rows, value):
    return frame.assign(**{column: replaced(frame[column], rows, value)})


def findings(model):
    """Count and examples by finding of the data report."""
    report = model.data_report_.set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def assert_finite(model):
    """The log density was finite where sampling starts, and so is every elasticity and prediction."""
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()
    assert np.isfinite(model.elasticities_.select_dtypes("number")).all(axis=None)


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


@pytest.mark.parametrize(
    "convert",
    [
        lambda time: "week " + time.astype(str),
        lambda time: ("week " + time.astype(str)).astype(object),
        lambda time: pd.Categorical("week " + time.astype(str)),
        lambda time: time > 3,
    ],
)
def test_time_without_an_order(elasticity, sales, convert):
    unordered = sales.assign(time_period=convert(sales["time_period"]))
    found = "time column 'time_period' holds text or booleans such as .*(week 0|False).*pandas.to_datetime"
    with pytest.raises(InvalidDataError, match=found):
        elasticity().fit(unordered, sales[UNITS])


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


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("likelihood", "gamma", "negative_binomial"),
        ("likelihood", None, "negative_binomial"),
        ("time_effects", "weekly", "shared"),
        ("product_effects", "mixed", "fixed"),
        ("sign", "positive", "negative"),
        ("inference", "advi", "nuts"),
        ("sampler", "stan", "numpyro"),
        ("draws", 3, "whole number, at least 4"),
        ("draws", 10.0, "whole number, at least 4"),
        ("draws", True, "whole number, at least 4"),
        ("tune", -1, "whole number, at least 0"),
        ("chains", 0, "whole number, at least 1"),
        ("chains", None, "whole number, at least 1"),
        ("target_accept", 0, "strictly between 0 and 1"),
        ("target_accept", 1.0, "strictly between 0 and 1"),
        ("target_accept", "high", "strictly between 0 and 1"),
        ("priors", {"global_mean": -2}, "ElasticityPriors"),
        ("groups", 5, "column name"),
    ],
)
def test_arguments_out_of_range(elasticity, sales, argument, value, allowed):
    found = f"{argument} (must|takes).*{allowed}.*got {re.escape(repr(value))}"
    with pytest.raises(InvalidArgumentError, match=found):
        elasticity(**{argument: value}).fit(sales, sales[UNITS])


@pytest.mark.parametrize(
    ("role", "value"), [("time", ["time_period"]), ("price", ("price",)), ("product", ["product"])]
)
def test_roles_of_one_column_take_one_name(elasticity, sales, role, value):
    with pytest.raises(InvalidArgumentError, match=f"{role} takes a column name"):
        elasticity(**{role: value}).build_model(sales, sales[UNITS])


@pytest.mark.parametrize("name", ["chain", "draw", "control"])
@pytest.mark.parametrize(
    ("role", "column"), [("product", "product"), ("groups", "category"), ("time", "time_period")]
)
def test_columns_named_after_dimensions_of_the_posterior(elasticity, sales, name, role, column):
    renamed = sales.rename(columns={column: name})
    with pytest.raises(HdfmError, match=f"'{name}'"):
        elasticity(controls="promotion", **{role: name}).build_model(renamed, sales[UNITS])


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, X: model.predict(X),
        lambda model, X: model.predict_quantiles(X),
        lambda model, X: model.score(X, X[UNITS]),
        lambda model, X: model.elasticities(),
        lambda model, X: model.optimal_price(1.0),
        lambda model, X: model.diagnostics(),
        lambda model, X: model.loo(),
    ],
)
def test_before_fit(elasticity, sales, ask):
    with pytest.raises(NotFittedError, match="HierarchicalElasticity instance is not fitted yet"):
        ask(elasticity(), sales)


@pytest.mark.parametrize("level", ["department", "time_period", 0])
def test_unknown_level(fitted, level):
    found = rf"level must be .*'global' or one of \['category'\]; got {level!r}"
    with pytest.raises(InvalidArgumentError, match=found):
        fitted.elasticities(level)


@pytest.mark.parametrize("ci_prob", [0, 1, -0.1, 89])
def test_interval_probability_out_of_range(fitted, ci_prob):
    with pytest.raises(
        InvalidArgumentError, match=f"ci_prob must lie strictly between 0 and 1; got {ci_prob}"
    ):
        fitted.elasticities(ci_prob=ci_prob)
    with pytest.raises(
        InvalidArgumentError, match=f"ci_prob must lie strictly between 0 and 1; got {ci_prob}"
    ):
        fitted.optimal_price(1.0, ci_prob=ci_prob)


@pytest.mark.parametrize("quantiles", [(0.5, 1.5), (-0.1,), (5, 95), (np.nan,)])
def test_quantiles_out_of_range(fitted, sales, quantiles):
    with pytest.raises(InvalidArgumentError, match=f"between 0 and 1; got {re.escape(repr(quantiles))}"):
        fitted.predict_quantiles(sales, quantiles)


def test_profit_needs_costs(fitted):
    with pytest.raises(InvalidArgumentError, match='objective="profit" needs cost'):
        fitted.optimal_price()


def test_costs_of_some_products(fitted):
    known = fitted.elasticities_.index[2:]
    lacking = ", ".join(str(product) for product in sorted(fitted.elasticities_.index[:2]))
    for cost in (pd.Series(1.0, known), dict.fromkeys(known, 1.0)):
        with pytest.raises(InvalidDataError, match=f"cost lacks 2 products, such as {lacking}"):
            fitted.optimal_price(cost)


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
def test_costs_must_be_finite_and_not_negative(fitted, cost):
    with pytest.raises(InvalidDataError, match="cost must be finite and not negative"):
        fitted.optimal_price(cost)


@pytest.mark.parametrize("bounds", [(1.2, 0.8), (1.0, 1.0), (0.0, 1.2), (-0.5, 1.2)])
def test_price_bounds(fitted, bounds):
    with pytest.raises(InvalidArgumentError, match=f"bounds must be .*got {re.escape(repr(bounds))}"):
        fitted.optimal_price(1.0, bounds=bounds)


def test_unknown_objective(fitted):
    with pytest.raises(InvalidArgumentError, match=r"objective must be one of .*'profit'.*got 'margin'"):
        fitted.optimal_price(1.0, objective="margin")


def test_prices_need_a_price_column(mock_sampling, elasticity, sales):
    model = elasticity(price=None).fit(sales, sales[UNITS])
    with pytest.raises(InvalidArgumentError, match="optimal_price needs a model with a price column"):
        model.optimal_price(1.0)


@pytest.mark.parametrize("content", [b"", b"units,price\n1,2\n", b"PK\x03\x04"])
def test_load_of_a_file_that_is_no_fit(tmp_path, content):
    path = tmp_path / "sales.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"sales\.csv is not a file written by save"):
        HierarchicalElasticity.load(path)


@pytest.mark.parametrize(
    ("content", "found"), [({"estimator": [1, 2]}, "list"), ({"a": 1}, "dict"), (np.arange(3), "ndarray")]
)
def test_load_of_another_class(tmp_path, content, found):
    path = tmp_path / "other.joblib"
    joblib.dump(content, path)
    with pytest.raises(InvalidDataError, match=f"other.joblib holds a {found}, not a HierarchicalElasticity"):
        HierarchicalElasticity.load(path)


def test_load_of_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.joblib"):
        HierarchicalElasticity.load(tmp_path / "nowhere.joblib")


def test_predict_refuses_what_fit_refuses(fitted):
    new = simulate_sales(3, 3, 4, seed=5)
    with pytest.raises(InvalidDataError, match="no column for price='price'"):
        fitted.predict(new.drop(columns="price"))
    with pytest.raises(
        InvalidDataError, match=r"price column 'price' has .*zero or negative in 1 of 12 rows"
    ):
        fitted.predict(with_value(new, "price", [2], 0.0))
    with pytest.raises(InvalidDataError, match="X has no rows"):
        fitted.predict(new.iloc[:0])
    with pytest.raises(InvalidDataError, match="X is a ndarray"):
        fitted.predict(new.to_numpy())


def test_clean_sales_have_an_empty_report(mock_sampling, elasticity, sales):
    model = elasticity().fit(sales, sales[UNITS])
    assert_finite(model)
    assert list(model.data_report_.columns) == ["finding", "count", "examples", "consequence"]
    assert model.data_report_.empty


@pytest.mark.parametrize("groups", ["category", None])
def test_one_product(mock_sampling, elasticity, sales, groups):
    one = sales[sales["product"] == 3]
    model = elasticity(groups=groups).fit(one, one[UNITS])
    assert_finite(model)
    assert list(model.elasticities_.index) == [3]
    assert findings(model)["products alone in their group's periods"] == (1, "3")
    assert np.isfinite(model.predict(one)).all()


def test_all_rows_are_one_product_without_a_product_column(mock_sampling, elasticity, sales):
    one = sales[sales["product"] == 3]
    model = elasticity(product=None, groups=None).fit(one, one[UNITS])
    assert_finite(model)
    assert list(model.elasticities_.index) == ["all"]


def test_one_row(mock_sampling, elasticity, sales):
    row = sales[sales[UNITS] > 0].iloc[:1]
    with pytest.warns(DataWarning, match="never changes"):
        model = elasticity().fit(row, row[UNITS])
    assert_finite(model)


def test_no_price_ever_changes(mock_sampling, elasticity, sales):
    with pytest.warns(DataWarning, match="price column 'price' never changes within any product"):
        model = elasticity().fit(sales.assign(price=9.99), sales[UNITS])
    assert_finite(model)
    count, _ = findings(model)["products whose price never changed"]
    assert count == 12


def test_one_price_never_changes(mock_sampling, elasticity, sales):
    fixed = sales.assign(price=sales["price"].where(sales["product"] != 5, 42.0))
    model = elasticity().fit(fixed, sales[UNITS])
    assert_finite(model)
    assert findings(model) == {"products whose price never changed": (1, "5")}
    assert model.elasticities_.loc[5, "n_price_changes"] == 0


def test_category_with_one_product(mock_sampling, elasticity, sales):
    alone = sales.assign(category=sales["category"].where(sales["product"] != 5, 7))
    model = elasticity().fit(alone, sales[UNITS])
    assert_finite(model)
    assert findings(model) == {
        "products alone in their group's periods": (1, "5"),
        "groups of 'category' with one product": (1, "7"),
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"likelihood": "poisson"},
        {"likelihood": "poisson", "product_effects": "fixed"},
        {"sign": "negative"},
    ],
)
def test_product_that_never_sold(mock_sampling, elasticity, sales, options):
    units = sales[UNITS].where(sales["product"] != 5, 0)
    model = elasticity(**options).fit(sales, units)
    assert_finite(model)
    assert findings(model) == {"products that never sold": (1, "5")}
    assert model.elasticities_.loc[5, "units"] == 0
    assert np.isfinite(model.predict(sales)).all()


def spiked(sales):
    return replaced(sales[UNITS], [25], 10**9)


@pytest.mark.parametrize(
    "options",
    [{}, {"likelihood": "poisson"}, {"likelihood": "poisson", "product_effects": "fixed"}],
)
def test_spike(mock_sampling, elasticity, sales, options):
    with pytest.warns(DataWarning, match=r"Units of 1 products have a spike of more than 10,000 .*\(1\)"):
        model = elasticity(**options).fit(sales, spiked(sales))
    assert_finite(model)
    assert findings(model)["products with a spike in units"] == (1, "1")


@pytest.mark.slow
def test_spike_stays_finite_through_sampling(elasticity, sales):
    model = elasticity(draws=50, tune=100)
    with pytest.warns(DataWarning, match="spike"):
        model.fit(sales, spiked(sales))
    assert_finite(model)
    assert np.isfinite(model.idata_["posterior"].to_dataset().to_dataarray()).all()
    assert np.isfinite(model.predict(sales)).all()


def test_constant_control(mock_sampling, elasticity, sales):
    with pytest.warns(DataWarning, match="Controls that never change .*: display"):
        model = elasticity(controls=["promotion", "display"]).fit(sales.assign(display=3.0), sales[UNITS])
    assert_finite(model)
    assert findings(model) == {"constant controls": (1, "display")}


def test_missing_periods_are_not_zeros(mock_sampling, elasticity, sparse_sales):
    model = elasticity().fit(sparse_sales, sparse_sales[UNITS])
    cells = sparse_sales["product"].nunique() * sparse_sales["time_period"].nunique()
    missing, _ = findings(model)["product-periods without a row"]
    assert missing == cells - len(sparse_sales)
    assert model.panel_.observed.sum() == len(sparse_sales)
    assert_finite(model)


def assert_same_fit(left, right):
    """Equal numbers; labels may differ."""
    for name in ("units", "observed", "log_price", "price_level", "block", "n_price_changes", "last_price"):
        np.testing.assert_allclose(
            getattr(left.panel_, name), getattr(right.panel_, name), rtol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(left.draws_.beta, right.draws_.beta, rtol=1e-9)


@pytest.fixture
def plain_fit(mock_sampling, elasticity, sparse_sales):
    return elasticity().fit(sparse_sales, sparse_sales[UNITS])


def test_unsorted_rows(plain_fit, elasticity, sparse_sales):
    shuffled = sparse_sales.sample(frac=1, random_state=1)
    model = elasticity().fit(shuffled, shuffled[UNITS])
    assert_same_fit(model, plain_fit)
    pd.testing.assert_frame_equal(model.elasticities_, plain_fit.elasticities_)
    np.testing.assert_allclose(
        model.predict(shuffled), plain_fit.predict(sparse_sales)[shuffled.index], rtol=1e-9
    )


@pytest.mark.parametrize(
    "index",
    [
        lambda n: np.zeros(n, dtype=int),
        lambda n: [f"row {k}" for k in range(n)],
        lambda n: np.arange(n)[::-1],
    ],
    ids=["all the same", "text", "descending"],
)
def test_any_index(plain_fit, elasticity, sparse_sales, index):
    X = sparse_sales.set_axis(index(len(sparse_sales)), axis=0)
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert model.predict_quantiles(X).index.equals(X.index)


def test_multi_index(plain_fit, elasticity, sparse_sales):
    X = sparse_sales.set_index(["category", "product"], drop=False).rename_axis([None, None])
    assert_same_fit(elasticity().fit(X, X[UNITS]), plain_fit)


WEEKS = pd.date_range("2024-01-01", periods=20, freq="W-MON")
TIMES = {
    "datetime": lambda time: pd.Series(WEEKS[time], time.index),
    "datetime with zone": lambda time: pd.Series(WEEKS.tz_localize("Europe/Berlin")[time], time.index),
    "Period": lambda time: pd.Series(WEEKS.to_period("W")[time], time.index),
    "float": lambda time: time / 10,
    "Int64": lambda time: time.astype("Int64"),
    "ordered categorical": lambda time: pd.Series(
        pd.Categorical.from_codes(time, [f"week {k + 1}" for k in range(20)], ordered=True), time.index
    ),
    "categorical of numbers": lambda time: time.astype("category"),
}


@pytest.mark.parametrize("kind", TIMES)
def test_time_columns(plain_fit, elasticity, sparse_sales, tmp_path, kind):
    X = sparse_sales.assign(time_period=TIMES[kind](sparse_sales["time_period"]))
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert model.idata_["posterior"].sizes["time_period"] == 20
    loaded = HierarchicalElasticity.load(model.save(tmp_path / "fit.joblib"))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_allclose(model.predict(X), plain_fit.predict(sparse_sales), rtol=1e-9)


@pytest.mark.parametrize("kind", ["datetime", "Period", "ordered categorical", "Int64"])
def test_posterior_as_netcdf(mock_sampling, elasticity, sparse_sales, tmp_path, kind):
    import xarray as xr

    X = sparse_sales.assign(time_period=TIMES[kind](sparse_sales["time_period"]))
    model = elasticity().fit(X, X[UNITS])
    model.idata_.to_netcdf(tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc") as tree:
        for name, values in model.idata_["posterior"].data_vars.items():
            np.testing.assert_allclose(tree["posterior"][name], values, err_msg=name)
        assert tree["posterior"].sizes == model.idata_["posterior"].sizes


def test_unused_categories_of_an_ordered_time(plain_fit, elasticity, sparse_sales):
    weeks = [f"week {k + 1}" for k in range(26)]
    time = pd.Categorical.from_codes(sparse_sales["time_period"], weeks, ordered=True)
    X = sparse_sales.assign(time_period=time)
    model = elasticity().fit(X, X[UNITS])
    assert list(model.panel_.period) == weeks[:20]
    assert_same_fit(model, plain_fit)


@pytest.mark.parametrize("ordered", [False, True])
def test_categorical_labels_with_unused_categories(plain_fit, elasticity, sparse_sales, ordered):
    X = sparse_sales.assign(
        product=pd.Categorical(sparse_sales["product"], range(-3, 40), ordered=ordered),
        category=pd.Categorical(sparse_sales["category"], range(-3, 40), ordered=ordered),
    )
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert list(model.elasticities_.index) == list(plain_fit.elasticities_.index)
    assert list(model.elasticities("category").index) == [0, 1]


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_text_labels(plain_fit, elasticity, sparse_sales, dtype):
    letters = sparse_sales["product"].map(lambda i: "abcdefghijkl"[i]).astype(dtype)
    X = sparse_sales.assign(product=letters, category="c" + sparse_sales["category"].astype(str))
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    assert sorted(model.elasticities_.index) == list("abcdefghijkl")


def test_labels_of_mixed_types(mock_sampling, elasticity, sparse_sales):
    mixed = sparse_sales["product"].astype(object).where(sparse_sales["product"] > 2, "store brand")
    X = sparse_sales.assign(product=mixed)[sparse_sales["product"].gt(1)]
    model = elasticity().fit(X, X[UNITS])
    assert set(model.elasticities_.index) == {"store brand", *range(3, 12)}


@pytest.mark.parametrize("nullable", ["numpy_nullable", "pyarrow"])
def test_nullable_dtypes(plain_fit, elasticity, sparse_sales, nullable):
    X = sparse_sales.convert_dtypes(dtype_backend=nullable)
    assert str(X["price"].dtype) in ("Float64", "double[pyarrow]")
    model = elasticity().fit(X, X[UNITS])
    assert_same_fit(model, plain_fit)
    np.testing.assert_allclose(model.predict(X), plain_fit.predict(sparse_sales), rtol=1e-9)


@pytest.mark.parametrize("nullable", ["numpy_nullable", "pyarrow"])
def test_missing_values_of_nullable_dtypes(elasticity, sales, nullable):
    X = sales.convert_dtypes(dtype_backend=nullable)
    X.loc[4, "price"] = pd.NA
    with pytest.raises(InvalidDataError, match="price column 'price' has missing values in 1 of 240 rows"):
        elasticity().fit(X, sales[UNITS])


def test_boolean_control(mock_sampling, elasticity, sales):
    flag = elasticity(controls="promotion").fit(sales.assign(promotion=sales["promotion"] > 0), sales[UNITS])
    number = elasticity(controls="promotion").fit(sales, sales[UNITS])
    assert_same_fit(flag, number)


def test_the_frame_is_not_changed(mock_sampling, elasticity, sparse_sales):
    X = sparse_sales.assign(
        product=sparse_sales["product"].astype("category"),
        time_period=TIMES["ordered categorical"](sparse_sales["time_period"]),
        price=sparse_sales["price"].astype("Float64"),
        stores=2,
    ).sample(frac=1, random_state=2)
    y = X[UNITS].astype("Int64")
    X_before, y_before = X.copy(deep=True), y.copy(deep=True)
    model = elasticity(exposure="stores").fit(X, y)
    model.predict(X)
    model.predict_quantiles(X)
    model.score(X, y)
    pd.testing.assert_frame_equal(X, X_before)
    pd.testing.assert_series_equal(y, y_before)
    pd.testing.assert_index_equal(X.index, X_before.index)


@pytest.mark.usefixtures("mock_sampling")
@pytest.mark.filterwarnings("ignore:The price column:hdfm.exceptions.DataWarning")
def test_one_period_has_no_time_effects(sales, elasticity):
    first = sales[sales["time_period"] == 0]
    model = elasticity().fit(first, first["units_sold"])
    assert "time_effect" not in model.idata_["posterior"]
    assert np.isfinite(model.predict(first)).all()
