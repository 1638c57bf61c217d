import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED

from hdfm.datasets import simulate_sales
from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import ALL
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.panel.rows import encode_rows, panel_rows

ROLES = Roles(product="product", groups=("category",), time="time_period", price="price")
FULL = dataclasses.replace(ROLES, controls=("promotion", "display"), exposure="stores")
# Sums and differences of some dozens of logs of prices.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def frame():
    """Sales with gaps, late starts, two controls and an exposure, rows in no order."""
    sales = simulate_sales(30, 4, 15, seed=3, promotion_prob=0.2, missing_prob=0.2, late_start_prob=0.3)
    rng = np.random.default_rng(0)
    sales["display"] = rng.normal(5, 2, len(sales))
    sales["stores"] = rng.integers(1, 50, len(sales))
    return sales.sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def panel(frame):
    return panel_of(frame, FULL)


def panel_of(frame, roles=ROLES, **options) -> SalesPanel:
    return build_panel(frame, frame["units_sold"].to_numpy(dtype=float), roles, **options)


def two_products(prices, *, observed=None):
    """Product a with the prices given, product b with a fixed price; rows where observed."""
    T = len(prices)
    frame = pd.DataFrame(
        {
            "product": np.repeat(["a", "b"], T),
            "category": "c",
            "time_period": np.tile(np.arange(T), 2),
            "price": [*prices, *np.full(T, 2.0)],
            "units_sold": np.arange(1, 2 * T + 1),
        }
    )
    return frame if observed is None else frame[[*observed, *np.full(T, True)]]


def assert_same_panel(left, right):
    for field in dataclasses.fields(SalesPanel):
        if field.name in ("cell", "index"):  # where the frame's rows are
            continue
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING, err_msg=field.name)
        elif isinstance(a, pd.Index):
            pd.testing.assert_index_equal(a, b)
        elif field.name == "levels":
            for one, other in zip(a, b, strict=True):
                pd.testing.assert_index_equal(one.labels, other.labels)
                np.testing.assert_array_equal(one.parent, other.parent)


def test_frame_to_panel_and_back(frame, panel):
    rows, units = panel_rows(panel)
    z = rows.controls * panel.control_sd[:, None] + panel.control_mean[:, None]
    back = pd.DataFrame(
        {
            "product": rows.label.to_numpy(),
            "category": panel.levels[0].labels[rows.groups[0]],
            "time_period": panel.period[rows.period],
            "price": np.exp(rows.log_price),
            "promotion": z[0],
            "display": z[1],
            "stores": np.exp(rows.log_exposure),
            "units_sold": units,
        }
    ).sort_values(["product", "time_period"], ignore_index=True)
    expected = frame[list(back)].sort_values(["product", "time_period"], ignore_index=True)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, rtol=1e-10, atol=1e-10)


def test_rows_of_the_panel_are_the_encoded_frame(frame, panel):
    """panel_rows and encode_rows agree where both know the answer."""
    ours, units = panel_rows(panel)
    ordered = frame.assign(
        at=panel.product.get_indexer(frame["product"]), then=panel.period.get_indexer(frame["time_period"])
    ).sort_values(["at", "then"])
    theirs = encode_rows(ordered, panel)
    np.testing.assert_array_equal(units, ordered["units_sold"])
    np.testing.assert_array_equal(ours.product, theirs.product)
    np.testing.assert_array_equal(ours.period, theirs.period)
    np.testing.assert_array_equal(ours.groups, theirs.groups)
    for name in ("log_price", "log_exposure", "controls"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-10, err_msg=name)


def test_products_are_sorted_by_group_then_label(frame, panel):
    pairs = frame[["category", "product"]].drop_duplicates().sort_values(["category", "product"])
    assert list(panel.product) == pairs["product"].tolist()
    assert panel.levels[0].labels[panel.group].tolist() == pairs["category"].tolist()
    assert panel.period.is_monotonic_increasing


def test_cells_without_a_row_are_zero_and_not_observed(frame, panel):
    assert panel.observed.sum() == len(frame)
    empty = ~panel.observed
    assert empty.any()
    for name in ("units", "log_price", "log_exposure"):
        assert not getattr(panel, name)[empty].any()
    assert not panel.controls[:, empty].any()


def test_log_prices_are_centred_over_the_observed_periods(frame, panel):
    np.testing.assert_allclose(panel.log_price.sum(axis=1), 0, atol=1e-10)
    usual = np.log(frame["price"]).groupby(frame["product"]).mean()
    np.testing.assert_allclose(panel.price_level, usual[panel.product], rtol=ROUNDING)


def test_controls_are_standardised_over_the_observed_cells(frame, panel):
    inside = panel.controls[:, panel.observed]
    np.testing.assert_allclose(inside.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(inside.std(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(panel.control_mean, frame[["promotion", "display"]].mean(), rtol=1e-12)
    np.testing.assert_allclose(panel.control_sd, frame[["promotion", "display"]].std(ddof=0), rtol=1e-12)


@pytest.mark.parametrize("level", [0.0, 3.0, 1e6 / 3])
def test_constant_control_is_zero_throughout(frame, level):
    panel = panel_of(frame.assign(display=level), FULL)
    assert panel.control_sd[1] == 1.0
    np.testing.assert_allclose(panel.controls[1], 0, atol=1e-9)


def test_levels_are_centred_on_units_by_exposure(frame, panel):
    """Over the cells that there are: products had no stores where they have no row."""
    expected = np.log((frame["units_sold"].sum() + 0.5) / frame["stores"].sum())
    assert not panel.observed.all()
    assert panel.mean_log_units == pytest.approx(expected, rel=ROUNDING)


def test_groups_of_three_levels(frame):
    names = {0: ("b", "y"), 1: ("a", "x"), 2: ("c", "x"), 3: ("b", "y")}
    frame = frame.assign(
        aisle=frame["category"].map({key: value[0] for key, value in names.items()}),
        floor=frame["category"].map({key: value[1] for key, value in names.items()}),
    )
    groups = ("floor", "aisle", "category")
    panel = panel_of(frame, dataclasses.replace(ROLES, groups=groups))
    of_product = frame.drop_duplicates("product").set_index("product").loc[panel.product]
    for depth, (name, level) in enumerate(zip(groups, panel.levels, strict=True)):
        assert level.labels[panel.group_at(depth)].tolist() == of_product[name].tolist()


def test_exposure_is_logged(frame, panel):
    by_product = np.exp(panel.log_exposure).sum(axis=1, where=panel.observed)
    np.testing.assert_allclose(
        by_product, frame.groupby("product")["stores"].sum()[panel.product], rtol=1e-12
    )
    assert not panel_of(frame).log_exposure.any()


@pytest.mark.parametrize(
    ("prices", "observed", "changes"),
    [
        ([1, 1, 1, 1], None, 0),
        ([1, 2, 2, 1], None, 2),
        ([1, 2, 1, 2], None, 3),
        ([1, 5, 1, 1], [True, False, True, True], 0),
        ([1, 5, 2, 2], [True, False, True, True], 1),
        ([1, 5, 7, 2], [True, False, False, True], 1),
        ([9, 1, 1, 9], [False, True, True, False], 0),
        ([9, 1, 2, 9], [False, True, True, False], 1),
        ([9, 9, 2, 9], [False, False, True, False], 0),
    ],
)
def test_price_changes_from_one_row_to_the_next(prices, observed, changes):
    panel = panel_of(two_products(prices, observed=observed))
    assert panel.n_price_changes.tolist() == [changes, 0]


@pytest.mark.parametrize(
    ("observed", "last"),
    [([True] * 4, 4.0), ([True, True, True, False], 3.0), ([True, False, False, False], 1.0)],
)
def test_last_price_is_that_of_the_last_row(observed, last):
    panel = panel_of(two_products([1, 2, 3, 4], observed=observed))
    np.testing.assert_allclose(panel.last_price, [last, 2.0], rtol=ROUNDING)


def test_order_of_rows_and_columns_does_not_matter(frame, panel):
    shuffled = frame.sample(frac=1, random_state=7)[frame.columns[::-1]]
    assert_same_panel(panel_of(shuffled, FULL), panel)


def test_currency_shifts_the_price_level_alone(frame, panel):
    cents = panel_of(frame.assign(price=100 * frame["price"]), FULL)
    np.testing.assert_allclose(cents.price_level - panel.price_level, np.log(100), rtol=1e-12)
    np.testing.assert_allclose(cents.last_price, 100 * panel.last_price, rtol=1e-12)
    same = dataclasses.replace(cents, price_level=panel.price_level, last_price=panel.last_price)
    assert_same_panel(same, panel)


def test_units_of_a_control_do_not_matter(frame, panel):
    other = panel_of(frame.assign(display=32 + 1.8 * frame["display"]), FULL)
    np.testing.assert_allclose(other.controls, panel.controls, atol=1e-12)
    np.testing.assert_allclose(other.control_sd[1], 1.8 * panel.control_sd[1], rtol=1e-12)


def test_index_of_the_frame_does_not_matter(frame, panel):
    assert_same_panel(panel_of(frame.set_axis(np.zeros(len(frame), dtype=int), axis=0), FULL), panel)


def test_two_levels_of_groups(frame):
    nested = frame.assign(department=frame["category"].map({0: "food", 1: "drinks", 2: "food", 3: "drinks"}))
    panel = panel_of(nested, dataclasses.replace(ROLES, groups=("department", "category")))
    department, category = panel.levels
    assert (department.name, category.name) == ("department", "category")
    assert list(department.labels) == ["drinks", "food"]
    assert department.parent.tolist() == [0, 0]
    assert department.labels[category.parent].tolist() == ["food", "drinks", "food", "drinks"]
    assert panel.n_groups == 4
    truth = nested.groupby("product")[["department", "category"]].first().loc[panel.product]
    for depth, level in enumerate(panel.levels):
        assert level.labels[panel.group_at(depth)].tolist() == truth[level.name].tolist()
    np.testing.assert_array_equal(panel.group_at(1), panel.group)


def test_blocks_are_the_finest_groups_or_everything(frame, panel):
    np.testing.assert_array_equal(panel.block, panel.group)
    pd.testing.assert_index_equal(panel.blocks, panel.levels[-1].labels)
    shared = panel_of(frame, FULL, shared_time=True)
    assert list(shared.blocks) == [ALL]
    assert not shared.block.any()
    np.testing.assert_array_equal(shared.group, panel.group)


def test_without_groups_there_is_one(frame):
    panel = panel_of(frame, dataclasses.replace(ROLES, groups=()))
    assert panel.levels == ()
    assert panel.n_groups == 1
    assert not panel.group.any()
    assert list(panel.blocks) == [ALL]
    assert list(panel.product) == sorted(frame["product"].unique())


def test_without_time_rows_are_numbered_within_the_product(frame):
    panel = panel_of(frame, dataclasses.replace(ROLES, time=None))
    rows = frame.groupby("product").size()
    np.testing.assert_array_equal(panel.observed.sum(axis=1), rows[panel.product])
    assert panel.observed[:, 0].all()
    np.testing.assert_array_equal(panel.units[panel.observed][panel.cell], frame["units_sold"])
    shuffled = panel_of(frame.sample(frac=1, random_state=7), dataclasses.replace(ROLES, time=None))
    np.testing.assert_array_equal(shuffled.units, panel.units)


def test_without_time_equal_rows_are_one(frame):
    panel = panel_of(pd.concat([frame, frame.iloc[:5]]), dataclasses.replace(ROLES, time=None))
    assert panel.observed.sum() == len(frame)
    assert sorted(np.unique(panel.weight[panel.observed], return_counts=True)[1]) == [5, len(frame) - 5]
    np.testing.assert_array_equal(panel.cell[-5:], panel.cell[:5])


def test_without_products_all_rows_are_one(frame):
    one = frame[frame["product"] == frame["product"].iloc[0]]
    panel = panel_of(one, Roles(time="time_period", price="price"))
    assert list(panel.product) == [ALL]
    np.testing.assert_array_equal(panel.units[0], one.sort_values("time_period")["units_sold"])


def test_without_a_price_nothing_is_priced(frame):
    panel = panel_of(frame, dataclasses.replace(ROLES, price=None))
    assert not panel.log_price.any()
    assert not panel.price_level.any()
    assert not panel.n_price_changes.any()


@UNFITTED
def test_unknown_labels_are_marked(frame, panel):
    new = frame.head(3).copy()
    new["product"] = [new["product"].iloc[0], 999, 998]
    new["category"] = [new["category"].iloc[0], 77, new["category"].iloc[2]]
    new["time_period"] = [100, new["time_period"].iloc[1], 101]
    rows = encode_rows(new, panel)
    assert (rows.product >= 0).tolist() == [True, False, False]
    assert (rows.groups[0] >= 0).tolist() == [True, False, True]
    assert (rows.period >= 0).tolist() == [False, True, False]
    assert rows.product.min() == rows.period.min() == rows.groups[0].min() == -1
    assert rows.label.tolist() == new["product"].tolist()
    np.testing.assert_allclose(rows.log_price, np.log(new["price"]), rtol=ROUNDING)
    z = (new[["promotion", "display"]].to_numpy().T - panel.control_mean[:, None]) / panel.control_sd[:, None]
    np.testing.assert_allclose(rows.controls, z, rtol=1e-12)


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame.astype({"product": "category", "category": "category"}),
        lambda frame: frame.astype({"product": "Int64", "category": "Int64", "time_period": "Int64"}),
        lambda frame: frame.astype({"product": float, "time_period": float}),
        lambda frame: frame.astype({"product": object, "category": object}),
    ],
    ids=["category", "Int64", "float", "object"],
)
def test_labels_match_across_dtypes(frame, panel, convert):
    rows, expected = encode_rows(convert(frame), panel), encode_rows(frame, panel)
    np.testing.assert_array_equal(rows.product, expected.product)
    np.testing.assert_array_equal(rows.period, expected.period)
    np.testing.assert_array_equal(rows.groups, expected.groups)


def test_duplicates_are_counted_with_an_example(frame):
    twice = pd.concat([frame, frame.iloc[[4, 4]]])
    first = {name: int(frame[name].iloc[4]) for name in ("product", "time_period")}
    with pytest.raises(InvalidDataError, match=f"3 rows share a product and period .*{first}"):
        panel_of(twice)


def test_the_frame_is_not_changed(frame):
    before = frame.copy(deep=True)
    panel_rows(panel_of(frame, FULL))
    pd.testing.assert_frame_equal(frame, before)
