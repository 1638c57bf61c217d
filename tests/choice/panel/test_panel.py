"""A frame of trips as arrays by category."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from reference.choice_frames import ROUNDING, assert_same
from trips import PRODUCTS, ROLES, TINY, panel_of

from hdfm.choice.panel.layout import OUTSIDE, to_rows
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.report import choice_findings
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.frames.findings import findings_table


def back_to_rows(panel, choices=None):
    """The frame that a panel was made of, from its arrays alone."""
    pieces = []
    for category, each in zip(panel.categories, choices or panel.choices, strict=True):
        o, j = np.nonzero(each.row >= 0)
        piece = {
            "row": each.row[o, j],
            "household": panel.customer[each.customer[o]],
            "category": category.label,
            "brand": category.product[each.product[o, j]],
            "week": panel.period[each.period[o]],
            "trip": panel.choice_set[each.choice_set[o]],
            "in_stock": each.mask[o, j],
            "chosen": each.chosen[o] == j,
        }
        for name, column in zip(category.predictor, each.x[o, j].T, strict=True):
            piece[name] = np.exp(column) if name == "price" else column
        pieces.append(pd.DataFrame(piece))
    return pd.concat(pieces).set_index("row").sort_index()


def test_rows_to_arrays_and_back(frame, panel):
    back = back_to_rows(panel)
    keys = ["household", "category", "brand", "week", "trip", "in_stock", "chosen"]
    expected = frame.reset_index(drop=True)
    pd.testing.assert_frame_equal(back[keys], expected[keys], check_names=False, check_dtype=False)
    stocked = expected["in_stock"]
    for name in ("price", "display", "strength"):
        np.testing.assert_allclose(back.loc[stocked, name], expected.loc[stocked, name], rtol=ROUNDING)


def test_intercepts_flag_the_products_but_for_the_reference(frame, panel):
    back = back_to_rows(panel)
    for category in panel.categories:
        rows = (back["category"] == category.label) & back["in_stock"]
        bought = frame[frame["chosen"] & (frame["category"] == category.label)]["brand"]
        assert category.reference == bought.value_counts().sort_index().idxmax()
        others = [brand for brand in sorted(PRODUCTS[category.label]) if brand != category.reference]
        assert list(category.product) == sorted(PRODUCTS[category.label])
        assert list(category.product[category.intercept_of[category.intercept_of >= 0]]) == others
        for brand in others:
            np.testing.assert_array_equal(back.loc[rows, f"brand[{brand}]"], back.loc[rows, "brand"] == brand)


def test_categories_have_predictors_of_their_own(panel):
    milk, tea = panel.categories
    assert list(milk.predictor[-2:]) == ["price", "display"]
    assert list(tea.predictor[-3:]) == ["price", "display", "strength"]
    assert (len(milk.predictor), len(tea.predictor)) == (5, 5)
    assert panel.coefficient.names == ["category", "predictor"]
    for category, each in zip(panel.categories, panel.choices, strict=True):
        pairs = panel.coefficient[category.coefficient]
        assert list(pairs.get_level_values("predictor")) == list(category.predictor)
        assert set(pairs.get_level_values("category")) == {category.label}
        named = [panel.roles.predictors[k] for k in category.column if k >= 0]
        assert named == list(category.predictor[category.column >= 0])
        assert each.x.shape == (*each.mask.shape, len(category.predictor))
    assert list(panel.category) == ["milk", "tea"]
    assert len(panel.left_out) == 0


def test_slots_are_products(panel):
    for category, each in zip(panel.categories, panel.choices, strict=True):
        assert each.mask.shape[1] == len(category.product)
        o, j = np.nonzero(each.row >= 0)
        np.testing.assert_array_equal(each.product[o, j], j)
        assert (each.product[each.row < 0] == -1).all()
        assert each.mask[np.arange(len(each.chosen)), each.chosen].all()
        assert not each.x[~each.mask].any()


def test_labels_are_sorted_and_sets_stand_by_customer_and_period(frame, panel):
    assert list(panel.customer) == sorted(frame["household"].unique())
    assert list(panel.period) == [2, 3, 5, 11]
    assert list(panel.choice_set) == list(range(1000, 1120))
    np.testing.assert_array_equal(np.sort(np.concatenate([c.choice_set for c in panel.choices])), range(120))
    for each in panel.choices:
        keys = list(zip(each.customer, each.period, each.choice_set, strict=True))
        assert keys == sorted(keys)


def test_order_of_rows_and_columns_does_not_matter(frame, panel):
    order = np.random.default_rng(0).permutation(len(frame))
    shuffled = panel_of(frame.iloc[order][frame.columns[::-1]])
    assert_same(shuffled, panel, but=("row",))
    for ours, theirs in zip(shuffled.choices, panel.choices, strict=True):
        np.testing.assert_array_equal(np.where(ours.row >= 0, order[ours.row], -1), theirs.row)


def test_index_of_the_frame_does_not_matter(frame, panel):
    assert_same(panel_of(frame.set_axis(np.zeros(len(frame), dtype=int), axis=0)), panel)


def test_ragged_sets_are_masked_full_sets(frame):
    """A row that is missing and a row that is out of stock leave the same choices."""
    full = frame[["household", "category", "week", "trip", "income"]].drop_duplicates()
    brands = pd.DataFrame([(c, b) for c, own in PRODUCTS.items() for b in own], columns=["category", "brand"])
    keys = [*full.columns, "brand"]
    full = full.merge(brands).merge(frame, on=keys, how="left")
    added = full["chosen"].isna()
    full = full.assign(
        in_stock=full["in_stock"].where(~added, False).astype(bool),
        chosen=full["chosen"].where(~added, False).astype(bool),
        price=full["price"].where(~added, 0.0),
        display=full["display"].where(~added, np.inf),
    )
    ragged = panel_of(frame[frame["in_stock"]])
    assert_same(panel_of(full), ragged, but=("row", "product", "n_rows"))
    assert_same(panel_of(frame), ragged, but=("row", "product", "n_rows"))


def test_moments_are_within_sets(frame, panel):
    stocked = frame[frame["in_stock"]].assign(price=lambda rows: np.log(rows["price"]))
    within = stocked["price"] - stocked.groupby("trip")["price"].transform("mean")
    at = panel.coefficient.get_level_values("predictor") == "price"
    found = pd.DataFrame({"mean": panel.predictor_mean[at], "sd": panel.predictor_sd[at]}, panel.category)
    expected = pd.DataFrame(
        {
            "mean": stocked.groupby("category")["price"].mean(),
            "sd": np.sqrt((within**2).groupby(stocked["category"]).mean()),
        }
    )
    pd.testing.assert_frame_equal(found, expected, rtol=ROUNDING)


def test_moments_are_of_sets_with_something_to_choose(frame, panel):
    """A set of one tells nothing of what predictors do, and does not move what they are standardised with."""
    alone = frame[frame["chosen"].astype(bool)].assign(price=99.0)
    alone = alone.assign(trip=alone["trip"] + frame["trip"].max() + 1).set_axis(-1 - np.arange(len(alone)))
    more = panel_of(pd.concat([frame, alone]))
    np.testing.assert_allclose(more.predictor_mean, panel.predictor_mean, rtol=ROUNDING)
    np.testing.assert_allclose(more.predictor_sd, panel.predictor_sd, rtol=ROUNDING)


def test_moments_against_the_outside_option_are_overall(frame):
    panel = panel_of(frame, outside_option=True)
    stocked = frame[frame["in_stock"]]
    at = panel.coefficient.get_level_values("predictor") == "display"
    by_category = stocked.groupby("category")["display"]
    np.testing.assert_allclose(panel.predictor_mean[at], by_category.mean(), rtol=ROUNDING)
    np.testing.assert_allclose(panel.predictor_sd[at], by_category.std(ddof=0), rtol=ROUNDING)


def test_covariates_are_standardised_over_customers(frame, panel):
    income = frame.groupby("household")["income"].first()[panel.customer]
    np.testing.assert_allclose(panel.covariates.mean(axis=0), 0, atol=ROUNDING)
    np.testing.assert_allclose(panel.covariates.std(axis=0), 1, rtol=ROUNDING)
    back = panel.covariates[:, 0] * panel.covariate_sd + panel.covariate_mean
    np.testing.assert_allclose(back, income, rtol=ROUNDING)


def test_constant_covariate_is_zero(frame):
    panel = panel_of(frame.assign(income=0.1))
    assert panel.covariate_sd.tolist() == [1.0]
    np.testing.assert_allclose(panel.covariates, 0, atol=ROUNDING)
    assert "covariates that never vary" in set(findings_table(choice_findings(panel))["finding"])


def test_linear_price_keeps_its_units(frame, panel):
    linear = panel_of(frame, price_transform="linear")
    for ours, theirs, category in zip(linear.choices, panel.choices, panel.categories, strict=True):
        p = list(category.predictor).index("price")
        np.testing.assert_allclose(ours.x[..., p][ours.mask], np.exp(theirs.x[..., p][ours.mask]))


def test_linear_price_may_be_zero(tiny):
    free = panel_of(tiny.assign(price=tiny["price"] - 1), TINY, price_transform="linear")
    assert free.choices[0].x[..., -1].min() == 0


def test_all_numeric_columns_are_features_by_default(frame):
    named = frame.assign(flag=frame["price"] > 2, note="text").drop(columns="chosen")
    panel = build_choice_panel(named, frame["chosen"], dataclasses.replace(ROLES, features=None))
    assert panel.roles.features == ("display", "strength", "flag")


def test_without_intercepts(frame, panel):
    bare = panel_of(frame, product_intercepts=False)
    assert [list(each.predictor) for each in bare.categories] == [
        ["price", "display"],
        ["price", "display", "strength"],
    ]
    assert [each.reference for each in bare.categories] == [None, None]
    for ours, theirs, category in zip(bare.choices, panel.choices, panel.categories, strict=True):
        np.testing.assert_array_equal(ours.x, theirs.x[..., category.column >= 0])


def test_outside_option_is_the_reference(frame, panel):
    outside = panel_of(frame, outside_option=True)
    assert [each.reference for each in outside.categories] == [None, None]
    assert [list(each.predictor[: len(each.product)]) for each in outside.categories] == [
        [f"brand[{brand}]" for brand in sorted(own)] for own in PRODUCTS.values()
    ]
    nothing = frame.assign(chosen=frame["chosen"] & (frame["trip"] % 2 == 0))
    for each in panel_of(nothing, outside_option=True).choices:
        trips = panel.choice_set[each.choice_set]
        np.testing.assert_array_equal(each.chosen == OUTSIDE, trips % 2 == 1)


def test_without_choice_sets_every_row_is_one(frame):
    roles = ChoiceRoles(price="price", features=("display",))
    panel = panel_of(frame, roles)
    (category,), (choices,) = panel.categories, panel.choices
    assert list(category.predictor) == ["intercept", "price", "display"]
    assert choices.x.shape == (len(frame), 1, 3)
    log_price = np.log(frame["price"])
    expected = np.column_stack([np.ones(len(frame)), log_price - log_price.mean(), frame["display"]])
    np.testing.assert_allclose(choices.x[:, 0], expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_array_equal(choices.chosen, np.where(frame["chosen"], 0, OUTSIDE))
    np.testing.assert_array_equal(choices.row[:, 0], np.arange(len(frame)))
    assert not choices.product.any()
    assert list(panel.customer) == list(panel.period) == list(panel.category) == ["all"]
    assert panel.time.tolist() == [0.0]


def test_without_choice_sets_products_keep_their_intercepts(frame):
    panel = panel_of(frame, choice_set=None)
    for category, each in zip(panel.categories, panel.choices, strict=True):
        assert each.mask.shape[1] == 1
        dummies = each.x[:, 0, category.intercept_of >= 0]
        product = np.where(each.mask, each.product, -1)
        np.testing.assert_array_equal(dummies, product == np.arange(len(category.product)))


def test_without_products_slots_are_running_numbers(frame, panel):
    plain = panel_of(frame, product=None)
    assert plain.roles.one_of_each is False
    for category, each, known in zip(plain.categories, plain.choices, panel.choices, strict=True):
        assert list(category.product) == ["all"]
        assert category.reference == "all"
        assert (category.intercept_of == -1).all()
        size = (each.row >= 0).sum(axis=1)
        np.testing.assert_array_equal(each.row >= 0, np.arange(size.max()) < size[:, None])
        np.testing.assert_array_equal(np.sort(each.row)[:, -1], np.sort(known.row)[:, -1])
        row = each.row[np.arange(len(each.row)), each.chosen]
        np.testing.assert_array_equal(row, known.row[np.arange(len(row)), known.chosen])


def test_values_of_slots_by_row(frame, panel):
    prices = [
        np.exp(each.x[..., list(category.predictor).index("price")])
        for category, each in zip(panel.categories, panel.choices, strict=True)
    ]
    rows = to_rows(panel.choices, prices, panel.n_rows, fill=np.nan)
    np.testing.assert_allclose(rows, frame["price"].where(frame["in_stock"]), rtol=ROUNDING)


@pytest.mark.parametrize("outside", [False, True])
def test_only_an_outside_option_has_log_prices_centred(frame, outside):
    """Of every category, so that the currency doesn't matter where something stands against utility 0."""
    panel, cents = (
        panel_of(frame.assign(price=unit * frame["price"]), outside_option=outside) for unit in (1, 100)
    )
    for c, (category, each, other) in enumerate(
        zip(panel.categories, panel.choices, cents.choices, strict=True)
    ):
        k = list(category.predictor).index("price")
        log_price = np.log(frame["price"].to_numpy())[each.row[each.mask]]
        centre = log_price.mean() if outside else 0.0
        assert panel.log_price_centre[c] == pytest.approx(centre)
        np.testing.assert_allclose(each.x[each.mask][:, k], log_price - centre, atol=ROUNDING)
        moved = 0.0 if outside else np.log(100)
        np.testing.assert_allclose(other.x[each.mask][:, k] - each.x[each.mask][:, k], moved, atol=1e-12)


def test_a_constant_log_price_carries_no_information_whatever_the_currency(frame):
    for price in (1.0, 7.0):
        panel = panel_of(frame.assign(price=price), outside_option=True, product_intercepts=False)
        assert "price" in panel.left_out.get_level_values("predictor")
        assert "price" not in panel.coefficient.get_level_values("predictor")


def test_sets_of_few_of_many_products_have_few_slots(monkeypatch):
    """Whatever the order of rows; with a slot a product they are the same sets."""
    rng = np.random.default_rng(0)
    few = np.concatenate([rng.permutation(30)[:4] for _ in range(50)])
    frame = pd.DataFrame({"trip": np.repeat(np.arange(50), 4), "brand": few, "price": rng.uniform(1, 9, 200)})
    y = np.tile([0, 0, 1, 0], 50)
    roles = ChoiceRoles(product="brand", choice_set="trip", price="price", features=())
    each, order = build_choice_panel(frame, y, roles).choices[0], rng.permutation(200)
    again = build_choice_panel(frame.iloc[order], y[order], roles).choices[0]
    assert each.x.shape == (50, 4, 30)
    assert (np.diff(each.product, axis=1) > 0).all()
    np.testing.assert_array_equal(each.x, again.x)
    np.testing.assert_array_equal(each.chosen, again.chosen)
    monkeypatch.setattr("hdfm.choice.panel.layout.FULL", 0.0)
    wide = build_choice_panel(frame, y, roles).choices[0]
    assert wide.x.shape == (50, 30, 30)
    np.testing.assert_array_equal(wide.x[wide.mask], each.x[each.mask])
    o = np.arange(50)
    np.testing.assert_array_equal(wide.product[o, wide.chosen], each.product[o, each.chosen])
