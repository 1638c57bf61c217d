"""Rows to predict in the codes of a fitted panel of choices."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.choice_frames import assert_same
from trips import PRODUCTS, TINY, many_trips, panel_of

from hdfm.choice.panel.layout import UNKNOWN
from hdfm.choice.panel.rows import encode_choices
from hdfm.exceptions import InvalidDataError
from hdfm.frames.elapsed import elapsed
from hdfm.frames.periods import sorted_periods

WEEKS = pd.date_range("2024-01-01", periods=12, freq="W-MON")
pytestmark = UNFITTED


@pytest.mark.parametrize(
    ("convert", "span"),
    [
        (lambda week: week.astype(float), 9.0),
        (lambda week: week.astype("Int64"), 9.0),
        (lambda week: week.astype("category"), 9.0),
        (lambda week: pd.Series(WEEKS[week], week.index), 63.0),
        (lambda week: pd.Series(WEEKS.tz_localize("Europe/Berlin")[week], week.index), 63.0),
        (lambda week: pd.Series(WEEKS.to_period("W")[week], week.index), 9.0),
        (lambda week: pd.Series(WEEKS.date[week], week.index), 63.0),
        (lambda week: pd.to_timedelta(week, unit="W"), 63.0),
        (lambda week: pd.Series(WEEKS[week], week.index).astype("timestamp[ns][pyarrow]"), 63.0),
    ],
    ids=["float", "Int64", "category", "datetime", "zone", "Period", "date", "timedelta", "pyarrow"],
)
def test_time_runs_from_0_to_1(frame, panel, convert, span):
    dated = panel_of(frame.assign(week=convert(frame["week"])))
    np.testing.assert_allclose(dated.time, [0, 1 / 9, 3 / 9, 1], rtol=1e-9)
    assert dated.time_span == pytest.approx(span)
    assert_same(dated, panel, but=("period", "time_span"))
    later = frame.assign(week=convert(frame["week"].replace({2: 0, 11: 10})))
    rows = encode_choices(later, dated)
    np.testing.assert_allclose(rows.time, [-2 / 9, 8 / 9], rtol=1e-9)


def test_time_of_an_ordered_categorical_is_its_order(frame, panel):
    names = {2: "winter", 3: "spring", 5: "summer", 11: "autumn"}
    season = pd.Categorical(frame["week"].map(names), ["winter", "spring", "summer", "autumn"], ordered=True)
    seasons = panel_of(frame.assign(week=season))
    assert list(seasons.period) == list(names.values())
    np.testing.assert_allclose(seasons.time, [0, 1 / 3, 2 / 3, 1])
    assert_same(seasons, panel, but=("period", "period_order", "time", "time_span"))
    assert_same(
        encode_choices(frame.assign(week=season), seasons, frame["chosen"]).choices[0], panel.choices[0]
    )
    text = frame.assign(week=frame["week"].map(names))
    assert_same(encode_choices(text, seasons, frame["chosen"]).choices[0], panel.choices[0])
    new = frame.assign(week=season.rename_categories({"autumn": "fall"}))
    with pytest.raises(
        InvalidDataError, match=r"holds 1 periods that were not fitted, such as 'fall'.*dates"
    ):
        encode_choices(new, seasons)


def test_order_of_numbers_in_an_ordered_categorical():
    column = pd.Series(pd.Categorical([3, 1, 3, 2], [3, 1, 2], ordered=True), name="week")
    periods = sorted_periods(column)
    assert list(periods) == [3, 1, 2]
    assert elapsed(periods, periods, "time").tolist() == [0, 1, 2]


def test_period_of_another_frequency():
    fitted = pd.PeriodIndex(["2024-01", "2024-02"], freq="M", name="month")
    with pytest.raises(InvalidDataError, match=r"time column 'month'.*can't be placed in time beside"):
        elapsed(pd.PeriodIndex(["2024Q3"], freq="Q"), fitted, "time")


def test_frame_of_the_fit_is_encoded_as_the_panel(frame, panel):
    rows = encode_choices(frame, panel, frame["chosen"])
    for ours, theirs in zip(rows.choices, panel.choices, strict=True):
        assert_same(ours, theirs)
    assert rows.unseen.x.shape[0] == 0
    assert len(rows.customer) == len(rows.period) == len(rows.product) == 0
    for code in (rows.set_customer, rows.set_period, rows.row_product):
        assert (code == -1).all()
    pd.testing.assert_index_equal(rows.choice_set, panel.choice_set)
    blind = encode_choices(frame, panel)
    for ours, theirs in zip(blind.choices, panel.choices, strict=True):
        assert_same(ours, theirs, but=("chosen",))
        assert (ours.chosen == UNKNOWN).all()


@pytest.mark.parametrize("changes", [{"choice_set": None}, {"product": None}, {"outside_option": True}])
def test_frame_of_the_fit_without_some_roles(frame, changes):
    panel = panel_of(frame, **changes)
    rows = encode_choices(frame, panel, frame["chosen"])
    for ours, theirs in zip(rows.choices, panel.choices, strict=True):
        assert_same(ours, theirs)
    assert len(rows.product) == 0


def test_some_sets_are_encoded_as_in_the_whole(frame, panel):
    some = frame["trip"] % 3 == 0
    rows, everything = encode_choices(frame[some], panel), encode_choices(frame, panel)
    for ours, theirs in zip(rows.choices, everything.choices, strict=True):
        picked = np.isin(everything.choice_set[theirs.choice_set], rows.choice_set)
        for name in ("x", "mask", "customer", "period", "product"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name)[picked], err_msg=name)
        labels = everything.choice_set[theirs.choice_set[picked]]
        assert list(rows.choice_set[ours.choice_set]) == list(labels)
        own = np.flatnonzero(some)
        np.testing.assert_array_equal(np.where(ours.row >= 0, own[ours.row], -1), theirs.row[picked])


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame.astype({"household": "category", "brand": "category", "category": "category"}),
        lambda frame: frame.astype({"household": "Int64", "week": float, "trip": object}),
        lambda frame: frame.astype({"household": object, "brand": object, "in_stock": int, "chosen": float}),
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    ],
    ids=["category", "numbers", "object", "pyarrow"],
)
def test_labels_match_across_dtypes(frame, panel, convert):
    other = convert(frame)
    for ours, theirs in zip(
        encode_choices(other, panel, other["chosen"]).choices, panel.choices, strict=True
    ):
        assert_same(ours, theirs)
    for ours, theirs in zip(panel_of(other).choices, panel.choices, strict=True):
        assert_same(ours, theirs)


def test_unknown_labels(frame, panel):
    new = frame.assign(
        household=frame["household"].replace({3: 99, 4: 98}),
        week=frame["week"].replace({11: 20}),
        brand=frame["brand"].replace({"creamy": "oat"}),
        income=frame["income"].where(frame["household"] != 3, 60.0),
    )
    rows = encode_choices(new, panel)
    assert list(rows.customer) == [98, 99]
    assert list(rows.period) == [20]
    assert list(rows.product) == [("milk", "oat")]
    np.testing.assert_allclose(rows.time, [(20 - 2) / 9])
    assert rows.covariates[1, 0] * panel.covariate_sd[0] + panel.covariate_mean[0] == pytest.approx(60.0)
    milk, known = rows.choices[0], panel.choices[0]
    n_products = len(panel.categories[0].product)
    assert milk.mask.shape[1] == n_products + 1
    oat, creamy = milk.row[:, n_products], 1
    np.testing.assert_array_equal(np.sort(oat), np.sort(known.row[:, creamy]))
    assert (milk.row[:, creamy] == -1).all()
    assert (milk.product[:, n_products] == -1).all()
    dummies = panel.categories[0].intercept_of >= 0
    assert not milk.x[:, n_products, dummies].any()
    assert milk.x[:, n_products][milk.mask[:, n_products]][:, ~dummies].any(axis=1).all()
    np.testing.assert_array_equal(rows.row_product >= 0, new["brand"] == "oat")
    by_set = new.groupby("trip")[["household", "week"]].first().loc[rows.choice_set]
    np.testing.assert_array_equal(rows.set_customer, by_set["household"].map({98: 0, 99: 1}).fillna(-1))
    np.testing.assert_array_equal(rows.set_period, by_set["week"].map({20: 0}).fillna(-1))
    for each in rows.choices:
        fresh = rows.set_customer[each.choice_set] >= 0
        np.testing.assert_array_equal(each.customer == -1, fresh)
        np.testing.assert_array_equal(each.period == -1, rows.set_period[each.choice_set] >= 0)


def test_several_unknown_products_in_a_set(tiny):
    panel = panel_of(tiny, TINY)
    new = tiny.assign(brand=tiny["brand"].replace({"a": "x", "d": "y"}))
    (each,) = encode_choices(new, panel).choices
    assert each.mask.sum(axis=1).tolist() == [4, 3, 2]
    assert each.mask.shape[1] == 4 + 2
    assert (each.product[:, 4:] == -1).all()
    assert list(encode_choices(new, panel).product) == [("all", "x"), ("all", "y")]


def test_unseen_categories(frame, panel):
    new = frame.assign(category=frame["category"].replace({"tea": "coffee"}))
    rows = encode_choices(new, panel, new["chosen"])
    assert rows.choices[1].mask.shape == (0, len(panel.categories[1].product))
    assert rows.choices[1].x.shape[0] == 0
    assert list(rows.unseen_predictor) == ["price", "display", "strength"]
    assert set(rows.unseen_label) == {"coffee"}
    assert len(rows.unseen_label) == len(rows.unseen.chosen)
    assert (rows.unseen.product == -1).all()
    o, j = np.nonzero(rows.unseen.mask)
    picked = new.iloc[rows.unseen.row[o, j]]
    expected = np.column_stack([np.log(picked["price"]), picked["display"], picked["strength"]])
    np.testing.assert_allclose(rows.unseen.x[o, j], expected)
    assert set(rows.product) == {("coffee", brand) for brand in PRODUCTS["tea"]}
    assert_same(rows.choices[0], panel.choices[0])
    milk = encode_choices(frame.assign(category="cream"), panel)
    assert milk.unseen.mask.sum() == frame["in_stock"].sum()


def test_labels_of_another_kind_match_nothing(frame, panel):
    with pytest.raises(
        InvalidDataError, match=r"customer column 'household' holds string labels such as '\d'"
    ):
        encode_choices(frame.assign(household=frame["household"].astype(str)), panel)


def test_later_weeks_may_be_fractions(frame, panel):
    rows = encode_choices(frame.assign(week=frame["week"] + 9.5), panel)
    np.testing.assert_allclose(rows.time, np.array([9.5, 10.5, 12.5, 18.5]) / 9)
    assert all((each.period == -1).all() for each in rows.choices)


def test_columns_left_out_are_not_read_again(tiny):
    constant = tiny.assign(size=1.0)
    panel = panel_of(constant, TINY, features=("size",))
    (each,) = encode_choices(constant.assign(size=np.nan), panel).choices
    np.testing.assert_array_equal(each.x, panel.choices[0].x)


@pytest.mark.parametrize("outside", [False, True])
def test_sets_cut_by_a_splitter_are_noticed_by_the_score(frame, outside):
    order = np.random.default_rng(5).permutation(len(frame))
    train, test = frame.iloc[order[::2]], frame.iloc[order[1::2]]
    if not outside:
        for part in (train, train.drop(columns="in_stock").assign(in_stock=True)):
            with pytest.raises(
                InvalidDataError, match=r"in \d+ of 95 choice sets.*ColumnGroupKFold\('trip'\)"
            ):
                panel_of(part)
        return
    panel = panel_of(train, outside_option=True, customer_covariates=())
    found = r"such as \d+, were fitted with other alternatives .*GroupKFold with groups=X\['household'\]"
    with pytest.raises(InvalidDataError, match=found):
        encode_choices(test, panel, test["chosen"])
    assert encode_choices(test, panel).n_rows == len(test)


def test_ids_that_start_again_are_not_taken_for_cut_sets(frame):
    early, late = frame[frame["week"] < 11], frame[frame["week"] == 11]
    renumbered = late.assign(trip=1000 + pd.factorize(late["trip"])[0])
    panel = panel_of(early, outside_option=True)
    assert encode_choices(renumbered, panel, renumbered["chosen"]).n_rows == len(late)
    whole = panel_of(frame, outside_option=True)
    assert encode_choices(frame, whole, frame["chosen"]).n_rows == len(frame)


def test_a_new_category_where_no_column_is_a_predictor():
    roles = {"price": None, "features": ()}
    panel = panel_of(many_trips(), **roles)
    X = many_trips().assign(category="coffee")
    assert len(encode_choices(X, panel).unseen_predictor) == 0


def test_new_products_without_an_order(tiny):
    """A Fraction and a Decimal are numbers, and neither is the smaller."""
    panel = panel_of(tiny.assign(brand=tiny["brand"].map({"a": 1, "b": 2, "c": 3, "d": 4})), TINY)
    brands = {"a": 1, "b": 2, "c": Decimal("0.5"), "d": Fraction(1, 3)}
    encoded = encode_choices(tiny.assign(brand=tiny["brand"].map(brands)), panel)
    new = [encoded.product[k][1] for k in encoded.row_product if k >= 0]
    assert new == [brands[label] for label in tiny["brand"] if label in "cd"]
