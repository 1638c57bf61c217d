"""Frames and questions of choices that other programs would take: one message ends the matter."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from reference.choice import QUICK
from reference.choice_frames import fit

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError


def wide(labels):
    rng = np.random.default_rng(0)
    price = np.exp(1 + 0.2 * rng.standard_normal((60, 3)))
    chosen = (-2 * np.log(price) + rng.gumbel(size=price.shape)).argmax(axis=1)
    frame = pd.DataFrame(price, columns=[f"price_{label}" for label in labels])
    return frame.assign(task=np.arange(60)), pd.Series(np.array(labels)[chosen], name="choice")


@pytest.mark.parametrize("labels", [["a", "b", "c"], [1, 2, 3]], ids=["text", "numbers"])
@pytest.mark.parametrize("named", [True, False], ids=["choice_set", "no choice_set"])
@pytest.mark.parametrize("name", ["price_{}", "{}_price", "{}"])
def test_wide_frames(mock_sampling, labels, named, name):
    X, y = wide(labels)
    X = X.rename(
        columns={f"price_{label}": label if name == "{}" else name.format(label) for label in labels}
    )
    prices = [column for column in X if column != "task"]
    roles = {"choice_set": "task"} if named else {}
    X = X if named else X.drop(columns="task")
    with pytest.raises(InvalidDataError, match="one row per alternative in a choice set") as caught:
        DynamicFactorChoiceModel(0, features=prices, **roles, **QUICK).fit(X, y)
    call, choice_set = re.search(
        r"make long = (.*); name choice_set='(\w+)', product='product' and the roles of \['price'\]",
        str(caught.value),
    ).groups()
    long = eval(call, {"X": X, "y": y, "pandas": pd, "numpy": np})
    model = DynamicFactorChoiceModel(
        0, choice_set=choice_set, product="product", price="price", features=[], **QUICK
    ).fit(long, long["choice"] == long["product"])
    assert len(model.panel_.choice_set) == 60
    assert list(model.panel_.categories[0].product) == labels


def test_labels_without_columns_of_their_own():
    X, y = wide(["a", "b", "c"])
    X = X.rename(columns=dict(zip(list(X), ["one", "two", "three", "task"], strict=True)))
    with pytest.raises(InvalidDataError, match="Give each choice a row for every alternative") as caught:
        DynamicFactorChoiceModel(0, choice_set="task", features=["one", "two", "three"], **QUICK).fit(X, y)
    assert "wide_to_long" not in str(caught.value)


def test_the_chosen_label_on_every_row(mock_sampling, trips):
    y = trips["trip"].map(trips[trips["chosen"]].set_index("trip")["brand"])
    with pytest.raises(InvalidDataError, match="y holds labels of the product column 'brand'") as caught:
        fit(trips, y)
    call = re.search(r"pass (\(.*\)) as y", str(caught.value))[1]
    assert fit(trips, eval(call, {"X": trips, "y": y})).panel_.n_rows == len(trips)


def labels_of(trips, kind):
    """The chosen product in y: text or codes, on every row of a set, on the chosen one, or one a set."""
    brand = trips["brand"] if kind != "codes" else pd.Series(pd.factorize(trips["brand"])[0] + 5, trips.index)
    y = trips["trip"].map(brand[trips["chosen"]].set_axis(trips["trip"][trips["chosen"]]))
    of_sets = y[~trips["trip"].duplicated()]
    outcomes = {
        "category": y.astype("category"),
        "codes": pd.to_numeric(y, errors="coerce"),
        "blank": y.where(trips["chosen"], ""),
        "missing": y.where(trips["chosen"]),
        "sets": of_sets.to_numpy(),
    }
    return trips.assign(brand=brand), outcomes[kind]


@pytest.mark.parametrize("kind", ["category", "codes", "blank", "missing", "sets"])
def test_the_chosen_label_however_it_is_given(mock_sampling, trips, kind):
    X, y = labels_of(trips, kind)
    with pytest.raises(InvalidDataError, match="y holds labels of the product column 'brand'") as caught:
        fit(X, y)
    call = re.search(r"pass (\(.*\)) as y", str(caught.value))[1]
    flags = eval(call, {"X": X, "y": y})
    np.testing.assert_array_equal(flags, X["chosen"])
    assert fit(X, flags).panel_.n_rows == len(X)


def test_the_chosen_label_where_labels_are_0_and_1(trips):
    """Repeated on every row of a set they are no flags."""
    pairs = trips[trips["trip"].map(trips["trip"].value_counts()) == 2]
    X = pairs.assign(brand=pairs.groupby("trip").cumcount())
    y = X["trip"].map(X[X["chosen"]].set_index("trip")["brand"])
    with pytest.raises(InvalidDataError, match="y holds labels of the product column 'brand', such as"):
        fit(X, y, features="display", category=None)


@pytest.mark.parametrize("words", [("no", "yes"), ("False", "True"), (1, 2)])
def test_flags_in_words(mock_sampling, trips, words):
    y = trips["chosen"].map(dict(zip((False, True), words, strict=True)))
    with pytest.raises(InvalidDataError, match=r"y holds values such as .* in place of flags") as caught:
        fit(trips, y)
    call = re.search(r"pass (\(.*\)) as y", str(caught.value))[1]
    assert fit(trips, eval(call, {"y": y})).panel_.n_rows == len(trips)


@pytest.mark.parametrize("price", [np.nan, 0.0])
def test_rows_that_stand_for_buying_nothing(mock_sampling, market, price):
    """With a row for nothing in each set, chosen where none of the others is."""
    market = market[["customer", "category", "product", "week", "choice_set", "price", "chosen"]]
    nothing = market.drop_duplicates("choice_set").assign(product="none", price=price)
    bought = market.groupby("choice_set")["chosen"].any()
    nothing = nothing.assign(chosen=~nothing["choice_set"].map(bought))
    X = pd.concat([market, nothing], ignore_index=True)
    roles = {"product": "product", "choice_set": "choice_set", "price": "price", "category": "category"}

    def ask(X, y, **options):
        return DynamicFactorChoiceModel(0, features=[], **roles, **QUICK, **options).fit(X, y)

    found = r"has no price in any of the \d+ rows of 1 products \(such as none\).*set outside_option=True"
    with pytest.raises(InvalidDataError, match=found) as caught:
        ask(X, X["chosen"])
    kept = eval(re.search(r"keep the rows (.*), of X and of y", str(caught.value))[1], {"X": X})
    model = ask(X[kept], X["chosen"][kept], outside_option=True)
    assert len(model.panel_.choice_set) == market["choice_set"].nunique()


def test_by_what_has_no_column(outside, market, quick_looks, few):
    model = quick_looks["map"]
    for ask in (model.shares, model.elasticities):
        with pytest.raises(InvalidArgumentError, match=r"by='customer' needs a customer column.*customer="):
            ask(few, by="customer")
    with pytest.raises(InvalidArgumentError, match="by='customer' needs a customer column"):
        model.coefficients(by=("customer", "time"))


def test_by_time_without_a_time_column(mock_sampling, trips):
    model = fit(trips, time=None)
    found = "by='time' needs a time column, and the model was fitted without one: name it with time="
    for ask in (model.shares, model.elasticities):
        for X in (trips, None):
            with pytest.raises(InvalidArgumentError, match=found):
                ask(X, by="time")
    for ask in (
        lambda: model.counterfactual(trips, {"price": 0.9}, by=["time", "category"]),
        lambda: model.willingness_to_pay("display", by="time"),
    ):
        with pytest.raises(InvalidArgumentError, match=found):
            ask()
    assert fit(trips, time="week").shares(by="time").index.get_level_values("time").nunique() == 4


def test_by_a_column_of_the_table(outside, market):
    with pytest.raises(
        InvalidArgumentError, match=r"by='mean' has the name of a column.*X\.rename"
    ) as caught:
        outside.shares(market.assign(mean=market["segment"]), by="mean")
    renamed = eval(
        re.search(r"in X: (.*)\.$", str(caught.value))[1], {"X": market.assign(mean=market["segment"])}
    )
    assert len(outside.shares(renamed, by="by_mean"))


def test_levers_that_the_fit_does_not_know(outside, market):
    X = market.assign(coupon=0)
    with pytest.raises(InvalidArgumentError, match=r"changes\['coupon'\]: the column has no role.*features="):
        outside.counterfactual(X, {"coupon": 1})
    with pytest.raises(InvalidArgumentError, match=r"columns without a role alone \(coupon\)"):
        outside.counterfactual(X, X.assign(coupon=1))
    with pytest.warns(DataWarning, match=r"1 columns without a role that the fit did not see \(coupon\)"):
        outside.predict(X)


def test_segments_with_missing_values_are_a_row_of_their_own(outside, market):
    segment = market["segment"].where(market["customer"] != 0)
    X = market.assign(segment=segment)
    named = outside.shares(market.assign(segment=segment.fillna("zero")), by="segment")
    shares = outside.shares(X, by="segment")
    np.testing.assert_array_equal(shares, named.to_numpy())
    assert (
        shares.index.get_level_values("segment").isna().sum()
        == (named.index.get_level_values("segment") == "zero").sum()
    )
    for answer in (
        outside.elasticities(X, by="segment"),
        outside.counterfactual(X, {"price": 0.9}, by="segment"),
    ):
        assert answer.index.get_level_values("segment").isna().any()
        assert answer.index.is_unique


LABELS = {
    "integer": lambda k: k,
    "decimal": lambda k: Decimal(k) / 2,
    "timestamp": lambda k: pd.Timestamp(2024, 1, 1 + k),
    "date": lambda k: pd.Timestamp(2024, 1, 1 + k).date(),
}


@pytest.mark.parametrize("kind", list(LABELS))
def test_products_of_any_kind_beside_the_outside_option(mock_sampling, market, kind, tmp_path):
    code = pd.Series(pd.factorize(market["product"], sort=True)[0], market.index)
    X = market.assign(product=code.map(LABELS[kind]).astype(object if kind != "integer" else int))
    roles = {"product": "product", "choice_set": "choice_set", "price": "price", "category": "category"}
    model = DynamicFactorChoiceModel(0, features=[], outside_option=True, **roles, **QUICK).fit(
        X, X["chosen"]
    )
    shares = model.shares(X)
    np.testing.assert_allclose(shares["mean"].groupby("category").sum(), 1)
    assert shares.index.get_level_values("product")[0] == "(none)"
    for answer in (model.elasticities(X), model.diversion(X), model.counterfactual(X, {"price": 0.9})):
        assert np.isfinite(answer["sd"]).all()
    model.idata_.to_netcdf(tmp_path / "posterior.nc")


def test_decimal_prices(mock_sampling, trips):
    X = trips.assign(price=trips["price"].map(lambda price: Decimal(str(price))))
    model = fit(X)
    pd.testing.assert_frame_equal(
        model.counterfactual(X, {"price": 0.9}), model.counterfactual(trips, {"price": 0.9})
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("household", "got 'household'. Name columns: customer='household'"),
        (pd.DataFrame({"a": [1]}), r"got a DataFrame \(data are passed to fit\(X, y\)\)"),
    ],
    ids=["text", "frame"],
)
def test_what_is_no_number_of_factors(trips, value, found):
    with pytest.raises(InvalidArgumentError, match=f"n_category_factors must be a whole number.*{found}"):
        DynamicFactorChoiceModel(0, value).fit(trips, trips["chosen"])


def test_what_rows_and_scenario_share_is_said_once(outside, market):
    new = market.assign(product=market["product"].where(market["choice_set"] > 2, "stranger"))
    new = new.drop_duplicates(["choice_set", "product"])
    with pytest.warns(DataWarning, match="have a product that was not fitted, such as 'stranger'") as said:
        outside.counterfactual(new, {"price": 0.9})
    assert [str(warning.message).count("stranger") for warning in said].count(1) == 1
