"""Columns of choices that can't be read: what is said, and where."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.choice_frames import N, assert_finite, broken, choice_model, findings, fit, rows_of

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError


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
def test_missing_labels(fitted, trips, role, column, value):
    found = (
        rf"{role} column '{column}' has missing labels in 2 of {N} rows, such as .* in row 3\. "
        r"Drop these rows or name them\."
    )
    X = broken(trips, column, [3, 5], value)
    with pytest.raises(InvalidDataError, match=found):
        fit(X)
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("role", "column", "kinds"),
    [
        ("customer", "household", ("text", "number")),
        ("product", "brand", ("number", "text")),
        ("choice_set", "trip", ("text", "number")),
    ],
)
def test_labels_of_mixed_types(fitted, trips, role, column, kinds):
    other = 5 if kinds[0] == "number" else "5"
    found = (
        rf"{role} column '{column}' has {kinds[0]} labels among {kinds[1]} ones such as .* in 2 of {N} rows, "
        rf"such as {other!r} in row 7\. .*convert the column to one type.*astype\(str\)"
    )
    X = broken(trips, column, [7, 8], other)
    with pytest.raises(InvalidDataError, match=found):
        fit(X)
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict_proba(X)


@pytest.mark.parametrize("column", ["household", "brand", "category", "trip"])
def test_labels_of_another_type_than_fitted(fitted, trips, column):
    other = "text" if column in ("household", "trip") else "number"
    X = trips.assign(
        **{column: trips[column].astype(str) if other == "text" else pd.factorize(trips[column])[0]}
    )
    if column == "trip":  # new sets are allowed
        assert np.isfinite(fitted.predict_proba(X)).all()
        return
    role = {"household": "customer", "category": "category", "brand": "product"}[column]
    found = (
        rf"{role} column '{column}' holds .* labels such as .*; the model was fitted on .*Convert the column"
    )
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.nan, "has missing values in 1 of 323 rows, such as nan in row {}. "),
        (np.inf, "has infinite or missing values in 1 of 323 rows, such as inf in row {}. Replace or drop"),
        ("1.5", "holds text in 1 of 323 rows, such as '1.5' in row {}. Convert it with pandas.to_numeric"),
    ],
)
@pytest.mark.parametrize(
    ("role", "column"), [("price", "price"), ("features", "display"), ("customer_covariates", "income")]
)
def test_predictors_must_be_finite_numbers(fitted, trips, role, column, value, found):
    row = int(np.flatnonzero(trips["in_stock"])[2])
    X = broken(trips, column, [row], value)
    found = re.escape(f"{role} column '{column}' {found.format(row)}")
    with pytest.raises(InvalidDataError, match=found):
        fit(X)
    if role != "customer_covariates":
        with pytest.raises(InvalidDataError, match=found):
            fitted.predict(X)


def test_covariates_of_fitted_customers_are_known(fitted, trips):
    np.testing.assert_array_equal(
        fitted.predict_proba(trips.assign(income=np.nan)), fitted.predict_proba(trips)
    )


def test_covariate_that_changes(trips):
    found = (
        "customer_covariates column 'income' changes within 1 of 8 customers, such as "
        rf"{trips['household'][4]} with \[.*\]\. A covariate is constant within a customer: average "
        "it, or make it a feature"
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(broken(trips, "income", [4], 99.0))


def test_covariate_that_is_the_same_for_all(mock_sampling, trips):
    model = fit(trips.assign(income=30.0))
    assert findings(model)["covariates that never vary"] == (1, "income")
    assert_finite(model, trips.assign(income=30.0))


@pytest.mark.parametrize(
    ("role", "column", "value"),
    [("customer", "household", 99), ("category", "category", "bread"), ("time", "week", 99)],
)
def test_sets_that_span_two(fitted, trips, role, column, value):
    X = broken(trips, column, rows_of(trips, 1002)[:1], value)
    found = (
        rf"choice_set column 'trip': 1 of 120 choice sets span more than one {role}, such as 1002 with "
        rf"\[.*\] in column '{column}'\. .*X\.groupby\(\['trip', '{column}'\]\)\.ngroup\(\)"
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(X)
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            2,
            "has values other than 0 and 1 in 1 of 323 rows, such as 2 in row 4. X has one row",
        ),
        (0.5, "has values other than 0 and 1 in 1 of 323 rows, such as 0.5 in row 4"),
        (np.nan, "has missing values in 1 of 323 rows, such as nan in row 4. Drop these rows"),
        ("yes", "holds text in 1 of 323 rows, such as 'yes' in row 4. Convert it"),
    ],
)
def test_choices_are_yes_or_no(fitted, trips, value, found):
    y = broken(trips.assign(chosen=trips["chosen"].astype(int)), "chosen", [4], value)["chosen"]
    for ask in (fit, fitted.score):
        with pytest.raises(InvalidDataError, match=re.escape(f"chosen column 'chosen' {found}")):
            ask(trips, y)


def test_y_must_match(fitted, trips):
    y = trips["chosen"]
    for ask in (choice_model().fit, fitted.score):
        with pytest.raises(InvalidDataError, match="X has 323 rows and y has 320 values; they must agree"):
            ask(trips, y.iloc[:-3])
        with pytest.raises(InvalidDataError, match=r"another order.*pass y\.loc\[X\.index\]"):
            ask(trips, y.iloc[::-1])
        with pytest.raises(InvalidDataError, match="y is missing: pass 1 for the chosen row of each choice"):
            ask(trips, None)


def test_the_outcome_among_the_features(trips):
    found = (
        r"features column 'chosen' equals y in all 323 rows, such as row 0: it is the outcome\. Leave it out"
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(trips, features=None)


def test_features_that_were_not_named_are_said(mock_sampling, trips):
    X = trips.drop(columns="chosen")
    found = (
        r"features=None: taken as features are the numeric columns without a role, display, strength\. Name "
        r"features=\[\.\.\.\] to choose, or \[\] for none\."
    )
    with pytest.warns(DataWarning, match=found) as said:
        model = choice_model(features=None).fit(X, trips["chosen"])
    assert sum(warning.category is DataWarning for warning in said) == 1
    assert model.panel_.roles.features == ("display", "strength")
    for features in (["display", "strength"], []):
        choice_model(features=features).fit(X, trips["chosen"])
    choice_model(features=None).fit(X.drop(columns=["display", "strength"]), trips["chosen"])
    plain = type(model)(draws=5, tune=5, chains=2, progressbar=False)  # no roles: every column is meant
    assert plain.fit(X[["price", "display"]], trips["chosen"]).n_features_in_ == 2


def test_outcomes_without_choice_sets(trips):
    found = "features column 'quantity' is other than 0 in 120 rows, all of them chosen"
    X = trips.assign(quantity=trips["chosen"] * (1 + trips["week"] % 3))
    with pytest.raises(InvalidDataError, match=found):
        choice_model(choice_set=None, features="quantity").fit(X, trips["chosen"])


def test_what_follows_from_the_choice_among_the_features(trips):
    """A quantity or amount is 0 where nothing was bought; a few rows may be chosen by accident."""
    quantity = trips["chosen"] * (1 + trips["week"] % 3)
    n, first = int(quantity.astype(bool).sum()), trips.index[trips["chosen"].astype(bool)][0]
    found = (
        rf"'quantity' is other than 0 in {n:,} rows, all of them chosen, such as row {first} with .*Leave it"
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(trips.assign(quantity=quantity), features=["display", "quantity"])
    few = quantity.where(quantity.astype(bool).cumsum() < 10, 0)
    choice_model(features=["display", "quantity"]).build_model(trips.assign(quantity=few), trips["chosen"])


def test_empty_frame(fitted, trips):
    none = trips.iloc[:0]
    for ask in (fit, fitted.predict, fitted.predict_proba):
        with pytest.raises(InvalidDataError, match="X has no rows"):
            ask(none)


@pytest.mark.parametrize("convert", [pd.DataFrame.to_numpy, lambda frame: frame.to_dict("list")])
def test_roles_need_a_frame(fitted, trips, convert):
    X = convert(trips)
    found = rf'X is a {type(X).__name__}, but roles are column names.*set_output\(transform="pandas"\)'
    with pytest.raises(InvalidDataError, match=found):
        choice_model().fit(X, trips["chosen"])
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(X)
    with pytest.raises(InvalidDataError, match=found):
        choice_model().sample_prior(X)


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        (["household"], "customer='household'"),
        (["trip", "price"], "choice_set='trip', price='price'"),
        (["income", "display"], "customer_covariates='income', features='display'"),
    ],
)
def test_missing_columns_are_named_with_their_roles(fitted, trips, dropped, named):
    kept = trips.drop(columns=dropped)
    for ask in (fit, fitted.predict):
        with pytest.raises(InvalidDataError, match=f"no column for {named}.*Its columns are .*'chosen'"):
            ask(kept)


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        ({"features": ["price"]}, "'price' is given as both price and features; a column has one role"),
        ({"time": "trip"}, "'trip' is given as both time and choice_set; a column has one role"),
        ({"price": ["price"]}, r"price takes a column name; got \['price'\]"),
        ({"customer": 3}, "customer takes a column name; got 3"),
        ({"features": 3}, "features takes a column name or a list of them; got 3"),
        ({"customer": None}, r"customer_covariates=\['income'\] need a customer column; name it"),
    ],
)
def test_roles_that_contradict(trips, roles, found):
    with pytest.raises(InvalidArgumentError, match=found):
        fit(trips, **roles)


def test_column_named_after_a_dimension_of_the_posterior(trips):
    renamed = trips.rename(columns={"brand": "factor"})
    with pytest.raises(InvalidArgumentError, match=r"product column 'factor' .*; rename the column"):
        fit(renamed, product="factor")


def test_column_twice_in_the_frame(trips):
    with pytest.raises(InvalidDataError, match="holds the column 'price' more than once; keep one"):
        fit(pd.concat([trips, trips[["price"]]], axis=1))
