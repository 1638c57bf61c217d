import numpy as np
import pandas as pd
import pytest

from hdfm.datasets import keep_sellers, simulate_sales
from hdfm.exceptions import InvalidArgumentError

# Prices are rounded to 0.01 and are above 5 in these panels; elasticities are above -5.
ROUNDED_LOG_DEMAND = 5 * 0.005 / 5
# Means over some thousands of cells.
SAMPLING = 0.03

SIZE = {"N": 200, "C": 4, "T": 30}
SWITCHES = [
    {"noise": "negative_binomial"},
    {"noise": "log_normal"},
    {"period_noise": 0.0},
    {"price_endogeneity": 0.5},
    {"promotion_prob": 0.1},
    {"missing_prob": 0.1},
    {"late_start_prob": 0.5},
    {"never_sells_prob": 0.5},
]


@pytest.fixture(scope="module")
def published():
    return simulate_sales(20_000, 10, 100, price_change_prob=0.5, seed=42)


@pytest.fixture(scope="module")
def plain():
    return simulate_sales(**SIZE)


def elasticities(frame):
    return frame.groupby("product")["product_elasticity"].first()


def log_demand_shift(frame):
    """Log expected units less elasticity times log price."""
    return np.log(frame["expected_units"]) - frame["product_elasticity"] * np.log(frame["price"])


def within(values, *groups):
    """Take group means off, groups crossed and balanced."""
    for group in groups:
        values = values - values.groupby(group).transform("mean")
    return values


def test_published_figures(published):
    assert published.shape[0] == 2_000_000
    assert (published["units_sold"] == 0).mean() == pytest.approx(0.697, abs=5e-4)
    sellers = keep_sellers(published)
    assert sellers.shape[0] == 519_700
    assert sellers["product"].nunique() == 5_197
    assert elasticities(published).mean() == pytest.approx(-1.84, abs=5e-3)
    assert elasticities(sellers).mean() == pytest.approx(-1.19, abs=5e-3)


def test_frame_has_one_row_per_product_and_period(plain):
    assert plain.columns.to_list() == [
        "product",
        "category",
        "time_period",
        "price",
        "units_sold",
        "product_elasticity",
        "category_elasticity",
        "global_elasticity",
        "expected_units",
    ]
    assert len(plain) == SIZE["N"] * SIZE["T"]
    assert not plain.duplicated(["product", "time_period"]).any()
    assert plain.groupby("product")["category"].nunique().eq(1).all()
    assert not plain.isna().any(axis=None)


def test_same_seed_same_frame(plain):
    pd.testing.assert_frame_equal(simulate_sales(**SIZE), plain)
    assert not simulate_sales(**SIZE, seed=1).equals(plain)


def test_truth_is_constant_where_it_should_be(plain):
    assert plain.groupby("product")["product_elasticity"].nunique().eq(1).all()
    assert plain.groupby("category")["category_elasticity"].nunique().eq(1).all()
    assert (plain["global_elasticity"] == -2).all()
    assert plain["product_elasticity"].between(-5, -0.1).all()


def test_product_elasticities_scatter_around_their_category(published):
    products = published.drop_duplicates("product")
    scatter = products["product_elasticity"] - products["category_elasticity"]
    inside = products["product_elasticity"].between(-4.9, -0.2)
    assert scatter[inside].mean() == pytest.approx(0, abs=SAMPLING)
    assert scatter[inside].std() == pytest.approx(0.3, abs=SAMPLING)


def test_true_elasticity_is_the_slope_of_log_expected_units():
    frame = simulate_sales(**SIZE, period_noise=0.0)
    shift = log_demand_shift(frame)
    left = within(shift, frame["product"], [frame["category"], frame["time_period"]])
    assert left.abs().max() < ROUNDED_LOG_DEMAND


def test_period_noise_is_uniform_around_the_expectation(plain):
    still = simulate_sales(**SIZE, period_noise=0.0)
    noise = plain["expected_units"] / still["expected_units"] - 1
    assert noise.abs().max() <= 0.05
    assert noise.std() == pytest.approx(0.05 / np.sqrt(3), rel=SAMPLING)


def test_prices_change_by_at_most_a_tenth_with_the_probability_asked_for():
    frame = simulate_sales(**SIZE, price_change_prob=0.3)
    prices = frame.pivot(index="product", columns="time_period", values="price")
    ratio = (prices / prices.shift(axis=1)).iloc[:, 1:]
    assert ratio.stack().between(0.9 - 1e-3, 1.1 + 1e-3).all()
    assert (ratio != 1).stack().mean() == pytest.approx(0.3, abs=SAMPLING)
    constant = simulate_sales(**SIZE, price_change_prob=0.0)
    assert constant.groupby("product")["price"].nunique().eq(1).all()


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: next(iter(switch)))
def test_switches_leave_elasticities_as_they_were(plain, switch):
    pd.testing.assert_series_equal(elasticities(simulate_sales(**SIZE, **switch)), elasticities(plain))


@pytest.mark.parametrize("switch", [s for s in SWITCHES if "noise" in s or "never_sells_prob" in s])
def test_switches_of_the_units_leave_prices_as_they_were(plain, switch):
    pd.testing.assert_series_equal(simulate_sales(**SIZE, **switch)["price"], plain["price"])


@pytest.mark.parametrize(
    ("noise", "variance"),
    [("poisson", lambda rate: rate), ("negative_binomial", lambda rate: rate + rate**2 / 2)],
)
def test_counts_have_the_variance_of_their_noise(noise, variance):
    frame = simulate_sales(2_000, 4, 20, noise=noise, dispersion=2.0)
    frame = frame[frame["expected_units"] > 1]
    z2 = (frame["units_sold"] - frame["expected_units"]) ** 2 / variance(frame["expected_units"])
    assert z2.mean() == pytest.approx(1, abs=0.05)
    assert np.issubdtype(frame["units_sold"].dtype, np.integer)


def test_log_normal_volumes_have_the_precision_asked_for(plain):
    frame = simulate_sales(**SIZE, noise="log_normal", dispersion=4.0)
    log_ratio = np.log(frame["units_sold"] / frame["expected_units"])
    assert log_ratio.mean() == pytest.approx(0, abs=SAMPLING)
    assert log_ratio.std() == pytest.approx(0.5, abs=SAMPLING)
    pd.testing.assert_series_equal(frame["expected_units"], plain["expected_units"])


@pytest.mark.parametrize("endogeneity", [0.5, -1.0])
def test_endogenous_prices_follow_category_demand(endogeneity):
    """The price ratio to the exogenous panel is relative demand to the power of the endogeneity."""
    exogenous = simulate_sales(**SIZE, period_noise=0.0)
    frame = simulate_sales(**SIZE, period_noise=0.0, price_endogeneity=endogeneity)
    shift = log_demand_shift(frame)
    log_path = shift - shift.groupby(frame["product"]).transform("first")
    raised = np.log(frame["price"] / exogenous["price"])
    assert raised.std() > 0.01
    np.testing.assert_allclose(raised, endogeneity * log_path, atol=2 * ROUNDED_LOG_DEMAND)


def test_promotions_cut_the_price_and_add_to_demand(plain):
    frame = simulate_sales(**SIZE, promotion_prob=0.2, promotion_effect=0.7)
    promoted = frame["promotion"] == 1
    assert promoted.mean() == pytest.approx(0.2, abs=SAMPLING)
    assert frame["promotion"].isin([0.0, 1.0]).all()
    np.testing.assert_allclose(frame["price"], np.where(promoted, 0.85, 1) * plain["price"], atol=0.011)
    lift = np.log(frame["expected_units"] / plain["expected_units"])
    np.testing.assert_allclose(
        lift, promoted * (0.7 + np.log(0.85) * frame["product_elasticity"]), rtol=1e-10, atol=1e-10
    )


def test_missing_rows_are_taken_from_the_full_panel(plain):
    frame = simulate_sales(**SIZE, missing_prob=0.3)
    assert len(frame) / len(plain) == pytest.approx(0.7, abs=SAMPLING)
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    full = plain.set_index(["product", "time_period"])
    kept = frame.set_index(["product", "time_period"])
    pd.testing.assert_frame_equal(full.loc[kept.index], kept)


def test_late_starters_miss_their_first_periods_only():
    frame = simulate_sales(1_000, 4, 20, late_start_prob=0.4)
    span = frame.groupby("product")["time_period"].agg(["min", "max", "size"])
    assert (span["min"] > 0).mean() == pytest.approx(0.4, abs=0.05)
    assert span["min"].max() < 10
    assert (span["max"] == 19).all()
    assert (span["size"] == 20 - span["min"]).all()


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_some_products_never_sell(plain, noise):
    frame = simulate_sales(**SIZE, never_sells_prob=0.3, noise=noise)
    never = frame.groupby("product")["expected_units"].transform("max") == 0
    assert never.mean() == pytest.approx(0.3, abs=0.1)
    assert (frame.loc[never, "units_sold"] == 0).all()
    pd.testing.assert_series_equal(frame.loc[~never, "expected_units"], plain.loc[~never, "expected_units"])


def test_switches_combine(plain):
    frame = simulate_sales(
        **SIZE,
        noise="negative_binomial",
        price_endogeneity=0.5,
        promotion_prob=0.1,
        missing_prob=0.1,
        late_start_prob=0.5,
        never_sells_prob=0.1,
    )
    assert len(frame) < len(plain)
    assert not frame.isna().any(axis=None)
    assert (frame["price"] > 0).all()


def test_one_product_in_one_period():
    frame = simulate_sales(1, 1, 1, late_start_prob=1.0)
    assert frame[["product", "category", "time_period"]].to_numpy().tolist() == [[0, 0, 0]]


def test_keep_sellers_is_strict_and_keeps_whole_products(plain):
    total = plain.groupby("product")["units_sold"].sum()
    threshold = total.sort_values().iloc[100]
    kept = keep_sellers(plain, threshold)
    assert set(kept["product"]) == set(total.index[total > threshold])
    assert len(kept) == SIZE["T"] * kept["product"].nunique()


def test_keep_sellers_reads_other_column_names(plain):
    renamed = plain.rename(columns={"product": "sku", "units_sold": "volume"})
    kept = keep_sellers(renamed, product="sku", units="volume")
    assert len(kept) == len(keep_sellers(plain))


def test_keep_sellers_returns_a_copy(plain):
    kept = keep_sellers(plain, -1)
    kept["price"] = 0.0
    assert (plain["price"] > 0).all()


@pytest.mark.parametrize("name", ["N", "C", "T"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(InvalidArgumentError, match=rf"^{name} must be a whole number, at least 1; got 0"):
        simulate_sales(**{**SIZE, name: 0})


@pytest.mark.parametrize(
    "name",
    ["price_change_prob", "promotion_prob", "missing_prob", "late_start_prob", "never_sells_prob"],
)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_are_between_zero_and_one(name, value):
    with pytest.raises(InvalidArgumentError, match=rf"{name} is a probability, between 0 and 1; got {value}"):
        simulate_sales(**SIZE, **{name: value})


def test_unknown_noise_is_named():
    with pytest.raises(InvalidArgumentError, match=r"noise must be one of .*'poisson'.*; got 'gaussian'"):
        simulate_sales(**SIZE, noise="gaussian")
