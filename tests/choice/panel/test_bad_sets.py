"""Choice sets that can't be read: what is said, and where."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.choice_frames import N, assert_finite, broken, choice_model, findings, fit, rows_of

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError


def test_the_usual_trips_raise_nothing(fitted, trips):
    assert_finite(fitted, trips)
    assert list(fitted.data_report_) == ["finding", "count", "examples", "consequence"]
    assert findings(fitted) == {
        "predictors missing in a category": (1, "milk: strength"),
        "wide gaps between periods": (1, "5 to 11 (3 times the usual distance)"),
    }


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
        f"{rows[0]}. The price is used in logs: fill in what it would have cost, or mark what could not be "
        "bought in an availability column. Where 0 is the price of what was free, set "
        'price_transform="linear".'
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


def test_flags_that_are_words_without_choice_sets(trips):
    model = choice_model(choice_set=None, product=None, availability=None, outside_option=True)
    y = pd.Series(np.where(trips["chosen"], "yes", "no"), trips.index)
    with pytest.raises(InvalidDataError, match=r"If 'yes' marks the chosen rows, pass \(y == 'yes'\) as y"):
        model.fit(trips, y)


@pytest.mark.parametrize("words", [("yes", "no"), ("True", "False"), ("1", "0")])
def test_flags_that_are_words(mock_sampling, trips, words):
    y = pd.Series(np.where(trips["chosen"], *words), trips.index)
    with pytest.raises(InvalidDataError, match=r"pass .*y.* as y\.$") as caught:
        choice_model().fit(trips, y)
    call = re.search(r"pass (.*) as y\.$", str(caught.value))[1]
    model = choice_model().fit(trips, eval(call, {"y": y, "pandas": pd}))
    assert_finite(model, trips)


def test_a_product_with_the_label_of_the_outside_option(mock_sampling, trips):
    named = trips.assign(brand=trips["brand"].replace({"green": "(none)"}))
    assert_finite(choice_model().fit(named, named["chosen"]), named)
    n, rows = len(named), int((named["brand"] == "(none)").sum())
    found = (
        rf"product column 'brand' has the label '\(none\)', .* in {rows} of {n} rows, such as .* in row \d+"
    )
    with pytest.raises(InvalidDataError, match=found) as caught:
        choice_model(outside_option=True).fit(named, named["chosen"])
    call = re.search(r"rename it: (.*)\.$", str(caught.value))[1]
    named["brand"] = eval(call, {"X": named})
    model = choice_model(outside_option=True).fit(named, named["chosen"])
    shares = model.shares(named)["mean"]
    assert "no name" in shares.index.get_level_values("product")
    np.testing.assert_allclose(shares.groupby("category").sum(), 1.0)
