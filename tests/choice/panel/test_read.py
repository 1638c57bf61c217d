"""What a choice model can't be fitted to is refused with the column, the count, an example and the remedy."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from trips import TINY, many_trips, panel_of, three_trips

from hdfm.choice.panel.read import read_choice_frame
from hdfm.choice.panel.report import choice_findings
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.rows import encode_choices
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import refuse_mixed_types
from hdfm.frames.findings import findings_table


@pytest.fixture(scope="module")
def frame():
    return many_trips()


@pytest.fixture
def tiny():
    return three_trips()


def broken(frame, column, rows, value):
    """The frame with a value in some rows, the column of whatever type both need."""
    values = frame[column].astype(object)
    values.iloc[rows] = value
    return frame.assign(**{column: values.infer_objects()})


class Reader(BaseEstimator):
    """An estimator that reads and notes columns, no more."""


def read(X, y, roles=TINY, estimator=None):
    return read_choice_frame(estimator or Reader(), X, y, roles, reset=estimator is None)


def test_columns_with_a_role_are_kept_and_noted(tiny):
    estimator, roles = Reader(), dataclasses.replace(TINY, features=None)
    X = tiny.assign(note="text", size=2.0).drop(columns="chosen")
    frame, y, named = read_choice_frame(estimator, X, tiny["chosen"], roles, reset=True)
    assert list(frame) == list(named.columns) == ["household", "brand", "week", "trip", "price", "size"]
    assert list(estimator.feature_names_in_) == list(frame)
    assert named.features == ("size",)
    pd.testing.assert_series_equal(y, tiny["chosen"])
    wider = X.assign(added=1.0)[["added", *reversed(X.columns)]]
    with pytest.warns(DataWarning, match=r"columns without a role that the fit did not see \(added\)"):
        again, _, same = read(wider, None, roles, estimator)
    assert same == named
    pd.testing.assert_frame_equal(again, frame)
    with pytest.raises(InvalidDataError, match="no column for features='size'"):
        read(X.drop(columns="size"), None, roles, estimator)


@pytest.mark.parametrize("convert", [pd.DataFrame.to_numpy, lambda frame: frame])
def test_without_roles_every_column_is_a_feature(tiny, convert):
    X, y = convert(tiny[["price", "week"]]), np.where(tiny["chosen"], "yes", "no")
    frame, labels, roles = read(X, y, ChoiceRoles())
    assert list(roles.features) == list(frame)
    assert frame.to_numpy().tolist() == tiny[["price", "week"]].to_numpy().tolist()
    assert labels.tolist() == y.tolist()


def test_no_features_are_not_all_features(tiny):
    frame, _, roles = read(tiny, tiny["chosen"], ChoiceRoles(features=()))
    assert frame.shape == (9, 0)
    assert list(panel_of(tiny, roles).categories[0].predictor) == ["intercept"]


def test_empty_frame(tiny):
    with pytest.raises(InvalidDataError, match="X has no rows"):
        panel_of(tiny.iloc[:0], TINY)
    with pytest.raises(InvalidDataError, match="X has no rows"):
        read(tiny.iloc[:0], tiny["chosen"].iloc[:0])


def test_y_must_match(tiny):
    with pytest.raises(InvalidDataError, match="y is missing: pass 1 for the chosen row of each choice set"):
        read(tiny, None)
    with pytest.raises(InvalidDataError, match="X has 9 rows and y has 7 values"):
        read(tiny, tiny["chosen"].iloc[:7])
    with pytest.raises(InvalidDataError, match=r"another order.*y\.loc\[X\.index\]"):
        read(tiny, tiny["chosen"].iloc[::-1])


def test_roles_need_a_frame(tiny):
    with pytest.raises(InvalidDataError, match=r"X is a ndarray.*pass a pandas DataFrame.*set_output"):
        read(tiny.to_numpy(), tiny["chosen"])


def test_missing_columns_are_named_with_their_roles(tiny):
    roles = dataclasses.replace(TINY, features=("display",), customer_covariates=("income",))
    found = "no column for choice_set='trip', price='price', customer_covariates='income', features='display'"
    with pytest.raises(InvalidDataError, match=f"{found}. Its columns are .*'household'"):
        read(tiny.drop(columns=["trip", "price"]), tiny["chosen"], roles)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"features": ("price",)}, "'price' is given as both price and features"),
        ({"time": "trip"}, "'trip' is given as both time and choice_set"),
        ({"customer_covariates": ("week",)}, "'week' is given as both time and customer_covariates"),
        ({"price": ("price",)}, r"price takes a column name; got \('price',\)"),
        (
            {"customer": None, "customer_covariates": ("size",)},
            "customer_covariates=.'size'. need a customer",
        ),
    ],
)
def test_roles_that_contradict(tiny, changes, found):
    with pytest.raises(InvalidArgumentError, match=found):
        read(tiny.assign(size=1.0), tiny["chosen"], dataclasses.replace(TINY, **changes))


def test_columns_named_after_dimensions_of_the_posterior(tiny):
    renamed = tiny.rename(columns={"brand": "predictor"})
    with pytest.raises(InvalidArgumentError, match="product column 'predictor' has the name of something"):
        read(renamed, tiny["chosen"], dataclasses.replace(TINY, product="predictor"))


@pytest.mark.parametrize("value", [None, np.nan, pd.NA])
@pytest.mark.parametrize(
    ("role", "column"),
    [
        ("customer", "household"),
        ("category", "category"),
        ("product", "brand"),
        ("time", "week"),
        ("choice_set", "trip"),
    ],
)
def test_missing_labels(frame, role, column, value):
    found = f"{role} column '{column}' has missing labels in 2 of {len(frame)} rows, such as .* in row"
    with pytest.raises(InvalidDataError, match=found):
        panel_of(broken(frame, column, [3, 5], value))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.nan, "missing values in 1 of 9 rows, such as nan in row 'row 4'. "),
        (None, "missing values in 1 of 9 rows"),
        (np.inf, "infinite or missing values in 1 of 9 rows, such as inf in row 'row 4'. Replace or drop"),
        (-np.inf, "infinite or missing values in 1 of 9 rows, such as -inf"),
        ("1.5", "text in 1 of 9 rows, such as '1.5' in row 'row 4'. Convert it with pandas.to_numeric"),
    ],
)
@pytest.mark.parametrize(
    ("role", "column"), [("price", "price"), ("features", "size"), ("customer_covariates", "income")]
)
def test_predictors_must_be_finite_numbers(tiny, role, column, value, found):
    data = tiny.assign(size=tiny["price"] ** 2, income=tiny["household"])
    verb = "holds" if isinstance(value, str) else "has"
    with pytest.raises(InvalidDataError, match=re.escape(f"{role} column '{column}' {verb} {found}")):
        panel_of(broken(data, column, [4], value), TINY, features=("size",), customer_covariates=("income",))


def test_feature_missing_in_every_category(frame):
    n = int(frame["in_stock"].sum())
    with pytest.raises(InvalidDataError, match=f"features column 'strength' has missing values in {n} of"):
        panel_of(frame.assign(strength=np.nan))


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_log_prices_must_be_positive(tiny, value):
    found = (
        f"price column 'price' has prices that are zero or negative in 2 of 9 rows, such as {value} in row "
        "'row 4'. .*availability column.*set price_transform=\"linear\""
    )
    with pytest.raises(InvalidDataError, match=found):
        panel_of(broken(tiny, "price", [4, 6], value), TINY)


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_prices_as_text(tiny, dtype):
    text = tiny["price"].astype(str).astype(dtype)
    with pytest.raises(
        InvalidDataError, match=r"price column 'price' holds text in 9 of 9 rows, such as '1\.0'"
    ):
        panel_of(tiny.assign(price=text), TINY)


def test_two_chosen_in_a_set(tiny):
    found = (
        "chosen column 'chosen' flags more than one row in 1 of 3 choice sets of column 'trip', such as 7 "
        "with 3. One alternative is chosen in a set"
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        panel_of(broken(tiny, "chosen", [0, 2], 1), TINY)


def test_none_chosen_in_a_set(tiny):
    empty = broken(tiny, "chosen", [1, 4], 0)
    found = (
        "chosen column 'chosen' flags no row in 2 of 3 choice sets of column 'trip', such as 7. If a "
        "splitter cut choice sets apart, split whole ones: cv=hdfm.model_selection.ColumnGroupKFold('trip'), "
        "or scikit-learn's GroupKFold with groups=X['household']. If nothing was bought in them, set "
        "outside_option=True; else drop them."
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        panel_of(empty, TINY)
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        encode_choices(empty, panel_of(tiny, TINY), empty["chosen"])
    assert panel_of(empty, TINY, outside_option=True).choices[0].chosen.tolist() == [-1, -1, 1]


def test_repeated_alternatives(tiny):
    twice = tiny.assign(brand=[*"abca", *"abd", *"bb"])
    found = "4 rows share a choice set and product with another row, such as {'trip': 7, 'brand': 'a'}."
    with pytest.raises(
        InvalidDataError, match=re.escape(found) + r".*X\.drop_duplicates\(\['trip', 'brand'\]"
    ):
        panel_of(twice, TINY)


@pytest.mark.parametrize("outside", [False, True])
def test_nothing_available(tiny, outside):
    data = tiny.assign(in_stock=[1, 1, 1, 1, 1, 1, 1, 0, 0], chosen=[0, 1, 0, 0, 1, 0, 0, 0, 0])
    roles = dataclasses.replace(TINY, availability="in_stock", outside_option=outside)
    if outside:
        report = findings_table(choice_findings(panel_of(data, roles))).set_index("finding")
        assert report.loc["choice sets with one alternative", "examples"] == "9"
        return
    found = "availability column 'in_stock' leaves nothing to choose in 1 of 3 choice sets of .* such as 9"
    with pytest.raises(InvalidDataError, match=found):
        panel_of(data, roles)
    with pytest.raises(InvalidDataError, match=found):
        encode_choices(data, panel_of(tiny.assign(in_stock=1), roles))


def test_chosen_but_unavailable(tiny):
    data = tiny.assign(in_stock=[1, 0, 1, 1, 1, 1, 1, 1, 1])
    found = (
        "chosen column 'chosen' has chosen rows that the availability column 'in_stock' calls unavailable in "
        "1 of 9 rows, such as True in row 'row 1'"
    )
    with pytest.raises(InvalidDataError, match=found):
        panel_of(data, TINY, availability="in_stock")


def test_availability_is_yes_or_no(tiny):
    found = "availability column 'in_stock' has values other than 0 and 1 in 1 of 9 rows, such as 0.5 in row"
    with pytest.raises(InvalidDataError, match=found):
        panel_of(tiny.assign(in_stock=[1, 1, 0.5, 1, 1, 1, 1, 1, 1]), TINY, availability="in_stock")


@pytest.mark.parametrize(
    ("role", "column", "values"),
    [("customer", "household", [1, 2]), ("category", "category", ["x", "y"]), ("time", "week", [1, 5])],
)
def test_sets_that_span_two(tiny, role, column, values):
    data = broken(tiny.assign(category="x"), column, [2], values[1])
    found = (
        f"choice_set column 'trip': 1 of 3 choice sets span more than one {role}, such as 7 with {values} in "
        f"column '{column}'."
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)) as caught:
        panel_of(data, TINY, category="category")
    assert f"X.groupby(['trip', '{column}']).ngroup()" in str(caught.value)
    repaired = data.assign(trip=data.groupby(["trip", column]).ngroup())
    assert panel_of(repaired, TINY, category="category", outside_option=True).n_rows == 9


def test_one_basket_in_several_categories(frame):
    """What a remedy says cures it."""
    basket = frame.assign(trip=frame["household"] * 100 + frame["week"])
    with pytest.raises(
        InvalidDataError, match=r"span more than one category.*groupby\(\['trip', 'category'\]\)"
    ):
        panel_of(basket)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            2,
            "has values other than 0 and 1 in 1 of 9 rows, such as 2 in row 'row 4'. X has one row",
        ),
        (0.5, "has values other than 0 and 1 in 1 of 9 rows, such as 0.5"),
        (np.nan, "has missing values in 1 of 9 rows"),
        ("yes", "holds text in 1 of 9 rows, such as 'yes'"),
    ],
)
def test_choices_are_yes_or_no(tiny, value, found):
    with pytest.raises(InvalidDataError, match=re.escape(f"chosen column 'chosen' {found}")):
        panel_of(broken(tiny, "chosen", [4], value), TINY)


def test_the_outcome_among_the_features(tiny):
    with pytest.raises(InvalidDataError, match="features column 'chosen' equals y in all 9 rows"):
        panel_of(tiny, TINY, features=None)


@pytest.mark.parametrize(
    ("role", "column"),
    [("customer", "household"), ("product", "brand"), ("time", "week"), ("choice_set", "trip")],
)
def test_labels_of_mixed_types(tiny, role, column):
    usual, other = ("text", 5) if column == "brand" else ("number", "5")
    rare = "number" if column == "brand" else "text"
    found = (
        f"{role} column '{column}' has {rare} labels among {usual} ones .* in 2 of 9 rows, such as {other!r}"
    )
    with pytest.raises(InvalidDataError, match=f"{found} in row 'row 7'.*convert the column to one type"):
        panel_of(broken(tiny, column, [7, 8], other), TINY)


@pytest.mark.parametrize(
    "labels", [[1, 2.5, np.float32(3)], ["a", np.str_("b")], [(1, 2), (3, 4)], [True, np.bool_(False)], []]
)
def test_labels_of_one_kind(labels):
    column = pd.Series(labels, dtype=object, name="sku")
    if labels and isinstance(labels[0], bool):
        column = column.map(bool).astype(object)
    assert refuse_mixed_types(column, "product") is None


def test_time_without_an_order(frame):
    with pytest.raises(InvalidDataError, match="time column 'week' holds text or booleans such as 'w"):
        panel_of(frame.assign(week="w" + frame["week"].astype(str)))


def test_infinite_time(frame):
    with pytest.raises(InvalidDataError, match="time column 'week' has infinite or missing values in"):
        panel_of(frame.assign(week=frame["week"].astype(float).replace({11.0: np.inf})))


def test_covariate_that_changes(tiny):
    data = tiny.assign(income=[1, 1, 1, 1, 2, 2, 2, 3, 3])
    found = "customer_covariates column 'income' changes within 1 of 2 customers, such as 2 with [2.0, 3.0]."
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        panel_of(data, TINY, customer_covariates=("income",))


def test_labels_of_sets_without_an_order(tiny):
    """Numbers that y holds may be labels of products: sets are looked at before their labels are."""
    trip = pd.factorize(tiny["trip"])[0] * 1j
    X = tiny.drop(columns="chosen").assign(brand=pd.factorize(tiny["brand"])[0], trip=trip.astype(object))
    frame, _, _ = read(X, tiny["chosen"].astype(float))
    assert list(frame["trip"]) == list(trip)
