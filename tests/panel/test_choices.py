import dataclasses

import numpy as np
import pandas as pd
import pytest
from trips import PRODUCTS, ROLES, TINY, many_trips, panel_of, three_trips

from hdfm.choice.panel.layout import OUTSIDE, UNKNOWN, CategoryChoices, to_rows
from hdfm.choice.panel.panel import Category, ChoicePanel, ChoiceRoles, build_choice_panel
from hdfm.choice.panel.report import choice_report, choice_warnings, sets_by_customer
from hdfm.choice.panel.rows import EncodedChoices, encode_choices
from hdfm.exceptions import InvalidDataError
from hdfm.frames.periods import elapsed, sorted_periods

# Logs and exponentials of prices, and sums of some hundreds of numbers.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def frame():
    return many_trips()


@pytest.fixture(scope="module")
def panel(frame):
    return panel_of(frame)


@pytest.fixture
def tiny():
    return three_trips()


def assert_same(left, right, *, but=()):
    """Two frozen dataclasses hold the same, to rounding."""
    assert type(left) is type(right)
    for field in dataclasses.fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if field.name in but:
            continue
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING, err_msg=field.name)
        elif isinstance(a, pd.Index):
            pd.testing.assert_index_equal(a, b)
        elif isinstance(a, tuple) and a and dataclasses.is_dataclass(a[0]):
            for one, other in zip(a, b, strict=True):
                assert_same(one, other, but=but)
        else:
            assert a == b, field.name


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
    assert "covariates that never vary" in set(choice_report(panel)["finding"])


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
    expected = np.column_stack([np.ones(len(frame)), np.log(frame["price"]), frame["display"]])
    np.testing.assert_allclose(choices.x[:, 0], expected, rtol=ROUNDING)
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
    assert plain.roles.slot_by_product is False
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


WEEKS = pd.date_range("2024-01-01", periods=12, freq="W-MON")


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
    assert_same(seasons, panel, but=("period", "time", "time_span"))
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


def findings(panel):
    report = choice_report(panel).set_index("finding")
    return dict(zip(report.index, zip(report["count"], report["examples"], strict=True), strict=True))


def test_clean_choices_have_an_empty_report(panel):
    assert list(choice_report(panel).columns) == ["finding", "count", "examples", "consequence"]
    assert set(findings(panel)) == {"predictors missing in a category"}
    assert findings(panel)["predictors missing in a category"] == (1, "milk: strength")
    assert choice_warnings(panel) == []


def test_one_alternative_sets_are_kept_and_counted(tiny):
    alone = tiny[(tiny["trip"] != 9) | (tiny["chosen"] == 1)]
    panel = panel_of(alone, TINY)
    assert panel.choices[0].mask.sum(axis=1).tolist() == [4, 3, 1]
    assert findings(panel)["choice sets with one alternative"] == (1, "9")
    assert sets_by_customer(panel).tolist() == [1, 1]
    (said,) = [text for text in choice_warnings(panel) if "one alternative" in text]
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
        in (choice_warnings(panel)[0])
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
    assert any("told apart by the priors alone" in text for text in choice_warnings(panel))


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
    choice_report(panel)
    pd.testing.assert_frame_equal(X, X_before)
    pd.testing.assert_series_equal(y, y_before)


@pytest.mark.parametrize("cls", [ChoicePanel, Category, CategoryChoices, EncodedChoices, ChoiceRoles])
def test_results_are_frozen(cls, panel):
    assert cls.__dataclass_params__.frozen
    assert "__slots__" in vars(cls)
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.n_rows = 0
