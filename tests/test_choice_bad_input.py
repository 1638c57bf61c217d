"""What can't be fitted to choices is refused with column, count, example and remedy; the rest is named."""

import re

import numpy as np
import pandas as pd
import pytest
from pytensor.compile.mode import Mode
from sklearn.exceptions import NotFittedError
from trips import many_trips

from hdfm import ChoicePriors, DynamicFactorChoiceModel, ElasticityPriors
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError

ROLES = {
    "customer": "household",
    "category": "category",
    "product": "brand",
    "time": "week",
    "choice_set": "trip",
    "price": "price",
    "features": ["display", "strength"],
    "availability": "in_stock",
    "customer_covariates": "income",
}
QUICK = {"draws": 5, "tune": 5, "chains": 2, "progressbar": False}
N = 323


@pytest.fixture(scope="module")
def trips():
    return many_trips().reset_index(drop=True)


@pytest.fixture(scope="module")
def fitted(trips):
    """A fit on draws about the start; do not change it."""
    import conftest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        return choice_model().fit(trips, trips["chosen"])


def choice_model(n_factors=0, **changes):
    return DynamicFactorChoiceModel(n_factors, **{**ROLES, **QUICK, **changes})


def fit(X, y=None, **changes):
    return choice_model(**changes).fit(X, X["chosen"] if y is None else y)


def broken(frame, column, rows, value):
    """The frame with a value in some rows, the column of whatever type both need."""
    values = frame[column].astype(object)
    values.iloc[rows] = value
    return frame.assign(**{column: values.infer_objects()})


def rows_of(X, trip):
    return np.flatnonzero(X["trip"] == trip)


def findings(model):
    """Count and examples by finding of the data report."""
    report = model.data_report_.set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def assert_finite(model, X):
    """The log density was finite where sampling starts, and so is every probability."""
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()
    assert np.isfinite(model.predict_proba(X)).all()


def test_the_usual_trips_raise_nothing(fitted, trips):
    assert_finite(fitted, trips)
    assert list(fitted.data_report_) == ["finding", "count", "examples", "consequence"]
    assert findings(fitted) == {"predictors missing in a category": (1, "milk: strength")}


def test_two_chosen_in_a_set(trips):
    others = [rows_of(trips, trip)[~trips["chosen"][rows_of(trips, trip)]] for trip in (1001, 1004)]
    twice = broken(trips.assign(in_stock=True), "chosen", [rows[0] for rows in others], True)
    found = (
        "chosen column 'chosen' flags more than one row in 2 of 120 choice sets of column 'trip', such as "
        "1001 with 2. One alternative is chosen in a set: make several purchases several sets"
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        fit(twice)
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        fit(twice, outside_option=True)


def test_none_chosen_without_outside_option(fitted, trips):
    empty = trips.assign(chosen=trips["chosen"] & ~trips["trip"].isin([1003, 1007, 1050]))
    found = (
        "chosen column 'chosen' flags no row in 3 of 120 choice sets of column 'trip', such as 1003. If a "
        "splitter cut choice sets apart, split whole ones: cv=hdfm.model_selection.ColumnGroupKFold('trip'), "
        "or scikit-learn's GroupKFold with groups=X['household']. If nothing was bought in them, set "
        "outside_option=True; else drop them."
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        fit(empty)
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        fitted.score(empty, empty["chosen"])


def test_what_the_message_says_cures_it(mock_sampling, trips):
    empty = trips.assign(chosen=trips["chosen"] & ~trips["trip"].isin([1003, 1007, 1050]))
    assert_finite(fit(empty, outside_option=True), empty)
    kept = empty[empty.groupby("trip")["chosen"].transform("any")]
    assert len(fit(kept).panel_.choice_set) == 117


def test_nothing_chosen_at_all(trips):
    nothing = trips.assign(chosen=0)
    with pytest.raises(InvalidDataError, match="flags no row in 120 of 120 choice sets"):
        fit(nothing)


def test_repeated_alternatives(fitted, trips):
    twice = pd.concat([trips, trips[trips["trip"] == 1002].iloc[:1]], ignore_index=True)
    brand = twice["brand"].iloc[-1]
    found = re.escape(
        "2 rows share a choice set and product with another row, such as "
        f"{{'trip': 1002, 'brand': '{brand}'}}. An alternative stands once in a choice set: drop repeats "
        "with X.drop_duplicates(['trip', 'brand'])"
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(twice)
    for ask in (fitted.predict, fitted.predict_proba, fitted.elasticities, fitted.shares):
        with pytest.raises(InvalidDataError, match=found):
            ask(twice)


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_price_of_nothing_in_logs(mock_sampling, fitted, trips, value):
    several = trips.groupby("trip")["in_stock"].transform("sum") > 2
    rows = np.flatnonzero(trips["in_stock"] & ~trips["chosen"] & several)[[4, 9]]
    free = broken(trips, "price", rows, value)
    found = re.escape(
        f"price column 'price' has prices that are zero or negative in 2 of {N} rows, such as {value} in row "
        f"{rows[0]}. The price is used in logs: repair it, mark what could not be bought in an availability "
        'column, or set price_transform="linear".'
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(free)
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(free)
    assert_finite(fit(free, price_transform="linear"), free)
    marked = free.assign(in_stock=free["in_stock"] & (free["price"] > 0))
    assert_finite(fit(marked), marked)


def test_prices_of_unavailable_alternatives_do_not_matter(mock_sampling, fitted, trips):
    away = np.flatnonzero(~trips["in_stock"])
    unpriced = broken(trips, "price", away, np.nan)
    np.testing.assert_array_equal(fit(unpriced).predict_proba(trips), fitted.predict_proba(trips))


def test_sets_with_nothing_available(fitted, trips):
    empty = trips.assign(in_stock=trips["in_stock"] & ~trips["trip"].isin([1003, 1007]))
    X = empty.assign(chosen=empty["chosen"] & empty["in_stock"])
    found = re.escape(
        "availability column 'in_stock' leaves nothing to choose in 2 of 120 choice sets of column 'trip', "
        "such as 1003. Drop these sets or repair the column."
    )
    with pytest.raises(InvalidDataError, match=found):
        fit(X)
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict_proba(X)


def test_sets_with_nothing_available_but_the_outside_option(mock_sampling, trips):
    empty = trips.assign(in_stock=trips["in_stock"] & ~trips["trip"].isin([1003, 1007]))
    X = empty.assign(chosen=empty["chosen"] & empty["in_stock"])
    with pytest.warns(DataWarning, match=r"2 of 120 choice sets have one alternative \(such as 1003, 1007\)"):
        model = fit(X, outside_option=True)
    assert_finite(model, X)
    assert (model.predict_proba(X)[X["trip"].isin([1003, 1007]), 1] == 0).all()


def test_everything_unavailable(trips):
    found = "availability column 'in_stock' leaves nothing to choose in 120 of 120 choice sets"
    with pytest.raises(InvalidDataError, match=found):
        fit(trips.assign(in_stock=False, chosen=False))


def test_chosen_but_unavailable(trips):
    row = int(np.flatnonzero(trips["chosen"])[3])
    found = (
        "chosen column 'chosen' has chosen rows that the availability column 'in_stock' calls unavailable in "
        f"1 of {N} rows, such as True in row {row}. What was chosen was available: repair one of the two"
    )
    with pytest.raises(InvalidDataError, match=re.escape(found)):
        fit(broken(trips, "in_stock", [row], False))


@pytest.mark.parametrize("value", [0.5, 2])
def test_availability_is_yes_or_no(fitted, trips, value):
    X = trips.assign(in_stock=trips["in_stock"].astype(float))
    X.loc[7, "in_stock"] = value
    found = (
        f"availability column 'in_stock' has values other than 0 and 1 in 1 of {N} rows, such as "
        f"{float(value)} in row 7. It is 1 where the alternative could be chosen, else 0"
    )
    for ask in (fit, fitted.predict):
        with pytest.raises(InvalidDataError, match=re.escape(found)):
            ask(X)


def test_predictors_that_never_vary(mock_sampling, trips):
    flat = trips.assign(display=1.0)
    found = r"Predictors that never vary within a choice set .*are left out: milk: display, tea: display\."
    with pytest.warns(DataWarning, match=found):
        model = fit(flat)
    assert_finite(model, flat)
    assert findings(model)["predictors that never vary"] == (2, "milk: display, tea: display")
    assert "display" not in model.coefficients(by=None).index.get_level_values("predictor")
    with pytest.raises(InvalidArgumentError, match=r"predictor must be one of .*; got 'display'"):
        model.willingness_to_pay("display")


def test_price_that_never_varies(mock_sampling, trips):
    flat = trips.assign(price=9.99)
    with pytest.warns(DataWarning, match=r"never vary within a choice set .*: milk: price, tea: price\."):
        model = fit(flat)
    assert model.elasticities_.empty
    assert model.elasticities_.index.names == ["category", "product", "price_of"]
    assert model.diversion().empty
    np.testing.assert_array_equal(model.predict_proba(flat.assign(price=5.0)), model.predict_proba(flat))


def test_price_that_varies_between_sets_only(mock_sampling, trips):
    """A rise of all prices of a set alike says nothing about which alternative is taken."""
    level = trips.assign(price=1.0 + trips["week"])
    with pytest.warns(DataWarning, match="never vary within a choice set .*: milk: price, tea: price"):
        model = fit(level)
    assert model.elasticities_.empty
    against_nothing = fit(level, outside_option=True)
    assert np.isfinite(against_nothing.elasticities_["mean"]).all()


def test_nothing_varies(trips):
    found = (
        r"No predictor carries information: the columns \['price', 'display', 'strength'\] never vary within "
        "a choice set. Name a price or features that do, or a product column for intercepts."
    )
    flat = trips.assign(price=2.0, display=0, strength=np.where(trips["category"] == "tea", 1.0, np.nan))
    with pytest.raises(InvalidDataError, match=found):
        fit(flat, product_intercepts=False)


def test_category_in_which_nothing_varies(mock_sampling, trips):
    flat = trips.assign(
        price=trips["price"].where(trips["category"] == "milk", 2.0),
        display=trips["display"].where(trips["category"] == "milk", 0),
    )
    with pytest.warns(DataWarning, match="never vary within a choice set"):
        model = fit(flat, product_intercepts=False, features="display")
    assert findings(model)["categories without a predictor"] == (1, "tea")
    tea = flat[flat["category"] == "tea"]
    among = tea.groupby("trip")["in_stock"].transform("sum")
    np.testing.assert_allclose(model.predict_proba(tea)[:, 1], tea["in_stock"] / among)


def test_tied_predictors(mock_sampling, trips):
    tied = trips.assign(poster=2 * trips["display"])
    with pytest.warns(
        DataWarning, match="combinations of others, .*: milk: display, milk: poster, tea: disp"
    ):
        model = fit(tied, features=["display", "poster"])
    assert_finite(model, tied)


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
        ("time", "week", ("text", "number")),
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
    if column in ("brand", "trip"):  # new products and sets are allowed
        assert np.isfinite(fitted.predict_proba(X)).all()
        return
    role = {"household": "customer", "category": "category"}[column]
    found = (
        rf"{role} column '{column}' holds .* labels such as .*; the model was fitted on .*Convert the column"
    )
    with pytest.raises(InvalidDataError, match=found):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.nan, "has missing values in 1 of 323 rows, such as nan in row {}. Drop these rows or fill them"),
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
        (2, "has values other than 0 and 1 in 1 of 323 rows, such as 2 in row 4. y is 1 on the chosen row"),
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


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("n_factors", -1, "whole number, at least 0"),
        ("n_factors", 1.0, "whole number, at least 0"),
        ("n_factors", True, "whole number, at least 0"),
        ("n_category_factors", None, "whole number, at least 0"),
        ("n_individual_factors", "one", "whole number, at least 0"),
        ("product_intercepts", "yes", "True, False"),
        ("outside_option", None, "True, False"),
        ("price_transform", "sqrt", "'log', 'linear'"),
        ("loadings", "category", "'customer', 'population'"),
        ("gp", "spline", "'hsgp', 'exact'"),
        ("priors", {"coefficient_sd": 1}, "ChoicePriors or None"),
        ("priors", ElasticityPriors(), "ChoicePriors or None"),
        ("inference", "laplace", "'nuts', 'map', 'variational'"),
        ("sampler", "stan", "'numpyro', 'nutpie'"),
        ("draws", 3, "whole number, at least 4"),
        ("draws", 10.0, "whole number, at least 4"),
        ("tune", -1, "whole number, at least 0"),
        ("chains", 0, "whole number, at least 1"),
        ("chains", True, "whole number, at least 1"),
        ("target_accept", 1.0, "strictly between 0 and 1"),
        ("target_accept", "high", "strictly between 0 and 1"),
    ],
)
def test_arguments_out_of_range(trips, argument, value, allowed):
    found = rf"{argument} must .*{re.escape(allowed)}.*; got {re.escape(repr(value))}"
    for ask in (fit, lambda X, **changes: choice_model(**changes).build_model(X, X["chosen"])):
        with pytest.raises(InvalidArgumentError, match=found):
            ask(trips, **{argument: value})


def test_checkpoints_need_a_seed_and_numpyro(trips, tmp_path):
    with pytest.raises(InvalidArgumentError, match="checkpoint needs sampler=\"numpyro\"; got 'nutpie'"):
        fit(trips, checkpoint=tmp_path, sampler="nutpie")
    with pytest.raises(InvalidArgumentError, match=r"checkpoint needs an int as random_state.*got None"):
        fit(trips, checkpoint=tmp_path, random_state=None)


def test_seed_of_no_kind(trips):
    with pytest.raises(ValueError, match="'soon' cannot be used to seed"):
        fit(trips, random_state="soon")


@pytest.mark.parametrize("name", ["coefficient_sd", "customer_sd", "lkj", "amplitude", "individual_scale"])
def test_priors_above_zero(name):
    with pytest.raises(InvalidArgumentError, match=f"ChoicePriors.{name} must be above 0; got 0"):
        ChoicePriors(**{name: 0})


@pytest.mark.parametrize("ci_prob", [0, 1, -0.1, 89, "wide"])
def test_interval_probability_out_of_range(fitted, trips, ci_prob):
    for ask in (
        lambda: fitted.elasticities(ci_prob=ci_prob),
        lambda: fitted.coefficients(ci_prob=ci_prob),
        lambda: fitted.shares(ci_prob=ci_prob),
        lambda: fitted.counterfactual(trips, {"price": 2}, ci_prob=ci_prob),
        lambda: fitted.diversion(ci_prob=ci_prob),
        lambda: fitted.willingness_to_pay("display", ci_prob=ci_prob),
    ):
        found = f"ci_prob must lie strictly between 0 and 1; got {ci_prob!r}"
        with pytest.raises(InvalidArgumentError, match=found):
            ask()


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (lambda model, X: model.shares(X, by=3), "by takes a name or a list of them; got 3"),
        (lambda model, X: model.coefficients(by=3), r"by takes names among .*'time'\]; got '3'"),
        (lambda model, X: model.coefficients(customers=3), "customers takes a list of labels; got 3"),
        (lambda model, X: model.coefficients(customers="a"), "customers takes a list of labels; got 'a'"),
        (lambda model, X: model.coefficients(customers=[]), "customers must name fitted ones"),
        (lambda model, X: model.willingness_to_pay(["price"]), r"predictor takes one name; got \['price'\]"),
        (lambda model, X: model.sample_prior(X, draws=1), "draws must be a whole number, at least 2; got 1"),
        (lambda model, X: model.identification(0.5), "prior_draws must be a whole number, at least 2; got"),
        (lambda model, X: model.loo(), "loo needs at least 25 draws in all chains; there are 10"),
    ],
)
def test_questions_that_make_no_sense(fitted, trips, ask, found):
    with pytest.raises(InvalidArgumentError, match=found):
        ask(fitted, trips)


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, X: model.predict(X),
        lambda model, X: model.predict_proba(X),
        lambda model, X: model.score(X, X["chosen"]),
        lambda model, X: model.elasticities(),
        lambda model, X: model.coefficients(),
        lambda model, X: model.shares(X),
        lambda model, X: model.counterfactual(X, {"price": 0.9}),
        lambda model, X: model.diversion(),
        lambda model, X: model.willingness_to_pay("display"),
        lambda model, X: model.diagnostics(),
        lambda model, X: model.identification(),
        lambda model, X: model.loo(),
    ],
)
def test_before_fit(trips, ask):
    with pytest.raises(NotFittedError, match="DynamicFactorChoiceModel instance is not fitted yet"):
        ask(choice_model(), trips)


@pytest.mark.parametrize("unordered", [lambda w: "week " + w.astype(str), lambda w: w > 3])
def test_time_without_an_order(trips, unordered):
    found = "time column 'week' holds text or booleans such as .*which have no order in time.*to_datetime"
    with pytest.raises(InvalidDataError, match=found):
        fit(trips.assign(week=unordered(trips["week"])))


def test_new_periods_of_an_ordered_categorical(mock_sampling, trips):
    names = pd.CategoricalDtype([f"w{week}" for week in range(13)], ordered=True)
    X = trips.assign(week=("w" + trips["week"].astype(str)).astype(names))
    model = fit(X, n_factors=1)
    assert list(model.panel_.period) == ["w2", "w3", "w5", "w11"]
    later = X.assign(week=pd.Series("w12", X.index).astype(names))
    with pytest.raises(InvalidDataError, match="holds 1 periods that were not fitted, such as 'w12'"):
        model.predict(later)


def alone(X, trips):
    """The frame with only the chosen alternative in some sets."""
    return X[X["chosen"] | ~X["trip"].isin(trips)]


def test_sets_of_one_alternative_are_kept_and_counted(mock_sampling, trips):
    X = alone(trips, [1003, 1007, 1050])
    found = (
        r"3 of 120 choice sets have one alternative \(such as 1003, 1007, 1050\): they are kept but carry no "
        "information"
    )
    with pytest.warns(DataWarning, match=found):
        model = fit(X)
    assert findings(model)["choice sets with one alternative"] == (3, "1003, 1007, 1050")
    assert len(model.panel_.choice_set) == 120
    single = X["trip"].isin([1003, 1007, 1050])
    assert (model.predict_proba(X)[single, 1] == 1).all()
    assert (model.predict(X)[single] == 1).all()
    assert model.score(X[single], X["chosen"][single]) == 0
    position = model.panel_.choice_set.get_indexer([1003, 1007, 1050])
    assert list(position) == [3, 7, 50]
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()


def test_sets_of_one_alternative_carry_no_information(trips):
    """Start, parameters and likelihood are the same with and without them."""
    few = trips[trips["trip"] < 1030]
    favourite = few[few["chosen"] & (few["category"] == "tea")]["brand"].mode()[0]  # stays the reference
    single = trips["chosen"] & (trips["trip"] >= 1030) & (trips["category"] == "tea")
    single = trips[single & (trips["brand"] == favourite)]
    more = pd.concat([few, single])
    assert len(single) > 10
    values = []
    for X in (few, more):
        model = choice_model(customer=None, customer_covariates=None)
        graph = model.build_model(X, X["chosen"])
        (log_likelihood,) = graph.replace_rvs_by_values([graph["log_likelihood"]])
        plain = Mode(linker="py", optimizer=None)
        evaluate = graph.compile_fn(log_likelihood, inputs=graph.value_vars, mode=plain)
        values.append(float(evaluate(graph.initial_point())))
    assert values[1] == pytest.approx(values[0], rel=1e-6)
    assert values[0] < -10


def test_only_sets_of_one_alternative(trips):
    single = trips[trips["chosen"]]
    with pytest.raises(InvalidDataError, match="No predictor carries information"):
        fit(single, product_intercepts=False)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_dtypes(mock_sampling, fitted, trips, backend):
    X = trips.convert_dtypes(dtype_backend=backend)
    model = fit(X)
    np.testing.assert_allclose(model.predict_proba(X), fitted.predict_proba(trips), rtol=1e-9)
    missing = X.copy()
    missing.loc[int(np.flatnonzero(trips["in_stock"])[0]), "price"] = pd.NA
    with pytest.raises(InvalidDataError, match="price column 'price' has missing values in 1 of 323 rows"):
        fit(missing)


@pytest.mark.parametrize(
    "index",
    [
        lambda n: np.zeros(n, dtype=int),
        lambda n: [f"row {k}" for k in range(n)],
        lambda n: np.arange(n)[::-1],
    ],
    ids=["all the same", "text", "descending"],
)
def test_any_index(mock_sampling, fitted, trips, index):
    X = trips.set_axis(index(len(trips)), axis=0)
    model = fit(X)
    np.testing.assert_array_equal(model.predict_proba(X), fitted.predict_proba(trips))
    assert model.score(X, X["chosen"]) == fitted.score(trips, trips["chosen"])
    table = model.counterfactual(X, {"price": 0.9}, products="alpine")
    pd.testing.assert_frame_equal(table, fitted.counterfactual(trips, {"price": 0.9}, products="alpine"))
    pd.testing.assert_frame_equal(
        model.shares(X, by="household"), fitted.shares(trips, by="household"), check_exact=True
    )


def test_arrays_answer_without_roles(mock_sampling, trips):
    X, y = trips[["price", "display"]].to_numpy(), trips["chosen"]
    model = DynamicFactorChoiceModel(**QUICK).fit(X, y)
    pd.testing.assert_frame_equal(model.shares(X), model.shares())
    pd.testing.assert_frame_equal(model.shares(X.tolist()), model.shares())
    assert model.coefficients(by=None).index.tolist() == [
        ("all", predictor) for predictor in ("intercept", "x0", "x1")
    ]
    with pytest.raises(InvalidArgumentError, match=r"by takes roles among .*; got 'display'"):
        model.shares(X, by="display")


def test_unsorted_rows(mock_sampling, fitted, trips):
    shuffled = trips.sample(frac=1, random_state=3)
    model = fit(shuffled)
    np.testing.assert_allclose(
        model.predict_proba(shuffled), fitted.predict_proba(trips)[shuffled.index], rtol=1e-9
    )
    pd.testing.assert_frame_equal(model.elasticities_, fitted.elasticities_)


def test_the_frame_is_not_changed(mock_sampling, trips):
    X = trips.assign(
        brand=trips["brand"].astype("category"),
        week=trips["week"].astype("Int64"),
        price=trips["price"].astype("Float64"),
        segment=trips["household"] % 2,
    ).sample(frac=1, random_state=2)
    y = X["chosen"].astype("boolean")
    before, y_before = X.copy(deep=True), y.copy(deep=True)
    model = choice_model(1).fit(X, y)
    model.predict(X)
    model.predict_proba(X)
    model.score(X, y)
    model.elasticities(X, by="segment")
    model.shares(X, by=["time", "segment"])
    model.counterfactual(X, {"price": 0.9, "display": 1}, products=["alpine", "green"])
    model.counterfactual(X, {"price": lambda price: price + 1})
    model.diversion(X)
    model.sample_prior(X, draws=4)
    model.build_model(X, y)
    pd.testing.assert_frame_equal(X, before)
    pd.testing.assert_series_equal(y, y_before)
    pd.testing.assert_index_equal(X.index, before.index)
