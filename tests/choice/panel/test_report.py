"""What in a panel of choices can't inform the coefficients."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from trips import ROLES, TINY, panel_of

from hdfm.choice.panel.layout import Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel, build_choice_panel
from hdfm.choice.panel.report import choice_findings
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.rows import EncodedChoices, encode_choices
from hdfm.choice.panel.signals import sets_by_customer
from hdfm.exceptions import InvalidDataError
from hdfm.frames.findings import findings_said, findings_table


def findings(panel):
    report = findings_table(choice_findings(panel)).set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def test_clean_choices_have_an_empty_report(panel):
    assert list(findings_table(choice_findings(panel)).columns) == [
        "finding",
        "count",
        "examples",
        "consequence",
    ]
    assert set(findings(panel)) == {"predictors missing in a category", "wide gaps between periods"}
    assert findings(panel)["predictors missing in a category"] == (1, "milk: strength")
    assert findings(panel)["wide gaps between periods"] == (1, "5 to 11 (3 times the usual distance)")
    assert findings_said(choice_findings(panel)) == []


def test_one_alternative_sets_are_kept_and_counted(tiny):
    alone = tiny[(tiny["trip"] != 9) | (tiny["chosen"] == 1)]
    panel = panel_of(alone, TINY)
    assert panel.choices[0].mask.sum(axis=1).tolist() == [4, 3, 1]
    assert findings(panel)["choice sets with one alternative"] == (1, "9")
    assert sets_by_customer(panel).tolist() == [1, 1]
    (said,) = [text for text in findings_said(choice_findings(panel)) if "one alternative" in text]
    assert said.startswith("1 of 3 choice sets have one alternative (such as 9)")
    outside = panel_of(alone, TINY, outside_option=True)
    assert "choice sets with one alternative" not in findings(outside)


@pytest.mark.parametrize(
    ("size", "name"),
    [(3.0, "size"), ([1, 1, 1, 1, 2, 2, 2, 0.1, 0.1], "size")],
    ids=["constant", "constant within sets"],
)
def test_constant_predictors_are_left_out_and_named(tiny, size, name):
    panel = panel_of(tiny.assign(size=size), TINY, features=(name,))
    assert list(panel.categories[0].predictor[-1:]) == ["price"]
    assert list(panel.left_out) == [("all", name)]
    assert findings(panel)["predictors that never vary"] == (1, name)
    assert (
        f"never vary within a choice set carry no information and are left out: {name}."
        in (findings_said(choice_findings(panel))[0])
    )


def test_levels_count_against_the_outside_option(tiny):
    within = tiny.assign(size=[1, 1, 1, 1, 2, 2, 2, 0.1, 0.1], flat=3.0, nothing=0)
    features = ("size", "flat", "nothing")
    panel = panel_of(within, TINY, features=features, outside_option=True)
    assert [name for _, name in panel.left_out] == ["flat", "nothing"]
    bare = panel_of(within, TINY, features=features, outside_option=True, product_intercepts=False)
    assert [name for _, name in bare.left_out] == ["nothing"]


def test_predictor_left_out_of_one_category(frame):
    flat = frame.assign(display=frame["display"].where(frame["category"] == "tea", 1))
    panel = panel_of(flat)
    assert list(panel.left_out) == [("milk", "display")]
    assert findings(panel)["predictors that never vary"] == (1, "milk: display")
    assert ("tea", "display") in panel.coefficient


def test_values_of_unavailable_alternatives_are_not_looked_at(tiny):
    stock = tiny.assign(in_stock=[1, 1, 1, 0, 1, 1, 0, 1, 1], size=1.0)
    stock.loc[stock["in_stock"] == 0, ["price", "size"]] = [-1.0, np.nan]
    panel = panel_of(stock, TINY, availability="in_stock", features=("size",))
    assert list(panel.left_out) == [("all", "size")]
    assert findings(panel)["products never available"] == (1, "d")


@pytest.mark.parametrize("column", ["size", "twice"])
def test_tied_predictors(tiny, column):
    tied = tiny.assign(size=tiny["brand"].map({"a": 1, "b": 2, "c": 2, "d": 5}), twice=2 * tiny["price"] + 1)
    panel = panel_of(tied, TINY, features=(column,), price_transform="linear")
    count, named = findings(panel)["predictors tied to others"]
    assert column in named.split(", ")
    assert count == (1 if column == "size" else 2)
    assert any("told apart by the priors alone" in text for text in findings_said(choice_findings(panel)))


def test_products_that_are_never_chosen_and_customers_with_few_sets(tiny):
    found = findings(panel_of(tiny, TINY))
    assert found["products never chosen"] == (2, "c, d")
    assert found["customers with fewer than 5 choice sets"] == (2, "1, 2")


def test_nothing_to_learn_from(tiny):
    with pytest.raises(InvalidDataError, match=r"No predictor carries information: the columns \['size'\]"):
        panel_of(tiny.assign(size=1), ChoiceRoles(choice_set="trip", features=("size",)))


def test_category_without_a_predictor(tiny):
    """A category of one product at one price beside another that can be learnt from."""
    two = tiny.assign(category="x")
    other = two.assign(category="y", trip=two["trip"] + 10, price=1.0, brand=two["brand"])
    both = pd.concat([two, other], ignore_index=True)
    panel = panel_of(both, TINY, category="category", product_intercepts=False)
    assert panel.choices[1].x.shape == (3, 4, 0)
    assert findings(panel)["categories without a predictor"] == (1, "y")


@pytest.mark.parametrize("roles", [ROLES, dataclasses.replace(ROLES, features=None, outside_option=True)])
def test_the_frame_is_not_changed(frame, roles):
    X = frame.astype({"brand": "category", "price": "Float64"}).drop(columns="chosen")
    y = frame["chosen"].astype("Int64")
    X_before, y_before = X.copy(deep=True), y.copy(deep=True)
    panel = build_choice_panel(X, y, roles)
    encode_choices(X, panel, y)
    findings_table(choice_findings(panel))
    pd.testing.assert_frame_equal(X, X_before)
    pd.testing.assert_series_equal(y, y_before)


@pytest.mark.parametrize("cls", [ChoicePanel, Category, CategoryChoices, EncodedChoices, ChoiceRoles])
def test_results_are_frozen(cls, panel):
    assert cls.__dataclass_params__.frozen
    assert ("__slots__" in vars(cls)) == (cls is not ChoicePanel)  # whose facts are found once, and kept
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.n_rows = 0


@pytest.mark.parametrize(
    ("price", "named", "price_transform"),
    [
        *((0.01, True, "log"), (900.0, True, "log"), (1.5, False, "log")),
        *((0.01, False, "linear"), (900.0, True, "linear"), (1.5, False, "linear")),
    ],
)
def test_products_with_a_spike_in_price_are_named(frame, price, named, price_transform):
    row = frame.index[frame["in_stock"]][40]
    spiked = frame.assign(price=frame["price"].where(frame.index != row, price))
    panel = panel_of(spiked, price_transform=price_transform)
    label = f"{frame.loc[row, 'category']}: {frame.loc[row, 'brand']}"
    assert (findings(panel).get("products with a spike in price") == (1, label)) == named
    assert any(label in text for text in findings_said(choice_findings(panel))) == named


FOLLOWS = "features other than 0 on chosen rows alone"
LITTLE = "little price variation left within choice sets"


@pytest.mark.parametrize(("rows", "said"), [(1, False), (2, False), (6, True), (9, True)])
def test_features_of_few_chosen_rows(frame, rows, said):
    """One row that was chosen happens by chance; six do not."""
    chosen = frame["chosen"] & (frame["category"] == "milk")
    quantity = np.where(chosen & (chosen.cumsum() <= rows), 2, 0)
    panel = panel_of(frame.assign(quantity=quantity), features=("display", "quantity"))
    assert findings(panel)[FOLLOWS] == (1, f"quantity ({rows} rows)")
    found = f"other than 0 on chosen rows alone: quantity ({rows} rows). If they follow from the choice"
    assert any(found in text for text in findings_said(choice_findings(panel))) == said
    other = np.where(frame.index == frame.index[~frame["chosen"] & frame["in_stock"]][0], 2, quantity)
    assert FOLLOWS not in findings(panel_of(frame.assign(quantity=other), features=("display", "quantity")))


def test_features_that_were_not_named(frame):
    panel = panel_of(frame)
    (said,) = findings_said(choice_findings(panel, guessed=True))
    assert said.startswith(
        "features=None: taken as features are the numeric columns without a role, display, "
    )
    assert findings_said(choice_findings(panel_of(frame, features=()), guessed=True)) == []


def test_features_that_others_nearly_explain(frame):
    """What the price explains but for a little, beside the intercepts."""
    rng = np.random.default_rng(0)
    level = frame.groupby(["category", "brand"])["price"].transform("mean")
    discount = np.log(frame["price"]) - np.log(level) + 0.01 * rng.standard_normal(len(frame))
    panel = panel_of(frame.assign(discount=discount), features=("display", "discount"))
    assert findings(panel)["predictors tied to others"] == (
        4,
        "milk: price, milk: discount, tea: price, tea: discount",
    )
    loose = panel_of(frame.assign(discount=discount + 0.2 * rng.standard_normal(len(frame))))
    assert "predictors tied to others" not in findings(loose)


def test_prices_that_differ_between_products_are_not_tied_to_intercepts(frame):
    """A hundredth of the variation of prices is within products, and it informs."""
    apart = frame["brand"].map({"plain": 1.0, "store": 10.0, "black": 10.0}).fillna(30.0)
    panel = panel_of(frame.assign(price=apart * frame["price"] ** 0.3))
    assert "predictors tied to others" not in findings(panel)


@pytest.mark.parametrize("price_transform", ["log", "linear"])
def test_prices_that_move_together_in_choice_sets(frame, price_transform):
    """All brands on the same deal, but for a little."""
    rng = np.random.default_rng(1)
    deal = frame["trip"].map(dict(zip(range(1000, 1120), rng.normal(size=120), strict=True)))
    level = frame["brand"].map(dict(zip(sorted(frame["brand"].unique()), np.arange(6) / 3, strict=True)))
    price = 20 + level + 4 * deal + 0.1 * rng.standard_normal(len(frame))
    together = frame.assign(price=price)
    panel = panel_of(together, price_transform=price_transform)
    count, named = findings(panel)[LITTLE]
    assert count == 2
    assert named.startswith("milk: price (0.")
    assert any("outside_option=True" in text for text in findings_said(choice_findings(panel)))
    assert LITTLE not in findings(panel_of(together, price_transform=price_transform, outside_option=True))
    assert LITTLE not in findings(panel_of(together.assign(price=frame["price"])))


@pytest.mark.parametrize("filler", [-99.0, 99999.0])
def test_fillers_among_features_and_covariates(frame, filler):
    rows = frame.index[frame["in_stock"] & (frame["category"] == "tea")][::9]
    told = frame.assign(display=frame["display"].astype(float) * (frame["display"] != 0))
    panel = panel_of(told.assign(display=told["display"].mask(told.index.isin(rows), filler)))
    assert findings(panel)["values far from all others"] == (1, f"display ({filler:.4g})")
    assert any("Repair them" in text for text in findings_said(choice_findings(panel)))


@pytest.mark.parametrize("factor", [100, 0.01, 1.5])
def test_a_product_in_another_currency(frame, factor):
    brand = frame.loc[frame["category"] == "tea", "brand"].iloc[0]
    price = frame["price"].where(frame["brand"] != brand, factor * frame["price"])
    found = findings(panel_of(frame.assign(price=price))).get("products with a price far from all others'")
    assert (found is None) == (factor == 1.5)
    assert found is None or brand in found[1]
