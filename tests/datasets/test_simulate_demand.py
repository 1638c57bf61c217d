import numpy as np
import pandas as pd
import pytest

from hdfm.datasets import DemandScales, simulate_demand
from hdfm.exceptions import InvalidArgumentError

SIZE = {"N": 40, "C": 4, "T": 30}
LARGE = {"N": 2000, "C": 200, "T": 40}
# Of moments over thousands of values that are correlated within paths and categories.
SAMPLING = 0.06

EVERYTHING = DemandScales(
    correlation=-0.4,
    between_price_bias=0.5,
    between_price_sd=0.3,
    noise_group_sd=0.4,
    noise_product_sd=0.3,
    demand_sd=0.3,
    demand_half_life=5.0,
    elasticity_path_sd=0.5,
    elasticity_path_half_life=2.0,
)


@pytest.fixture(scope="module")
def plain():
    return simulate_demand(**SIZE)


@pytest.fixture(scope="module")
def everything():
    return simulate_demand(**LARGE, scales=EVERYTHING)


def wide(frame, column):
    return frame.pivot(index="product", columns="time_period", values=column).to_numpy()


def test_frame_has_one_row_per_product_and_period(plain):
    assert len(plain) == SIZE["N"] * SIZE["T"]
    assert not plain.duplicated(["product", "time_period"]).any()
    assert plain.groupby("category")["product"].nunique().eq(SIZE["N"] / SIZE["C"]).all()
    assert not plain.isna().any(axis=None)
    assert (plain["price"] > 0).all()


def test_same_seed_same_frame(plain):
    pd.testing.assert_frame_equal(simulate_demand(**SIZE), plain)
    assert not simulate_demand(**SIZE, seed=1).equals(plain)


def test_scales_are_in_the_attributes():
    truth = simulate_demand(**SIZE, scales=DemandScales(demand_sd=0.2)).attrs["truth"]
    assert truth["demand_sd"] == 0.2
    assert truth["elasticity_global"] == DemandScales().elasticity_global


def test_nothing_moves_by_default(plain):
    assert (plain["demand_path"] == 0).all()
    assert (plain["noise_ratio"] == 1).all()
    assert (plain["current_elasticity"] == plain["product_elasticity"]).all()


@pytest.mark.parametrize(
    "scale", ["noise_group_sd", "noise_product_sd", "demand_sd", "elasticity_path_sd", "time_shock_sd"]
)
def test_a_spread_moves_nothing_else(plain, scale):
    frame = simulate_demand(**SIZE, scales=DemandScales(**{scale: 0.7}))
    same = ["product", "category", "price", "product_elasticity", "category_elasticity"]
    pd.testing.assert_frame_equal(frame[same], plain[same])


def test_expected_units_are_those_of_the_equation(everything):
    """Two-way differences within a category take levels and time effects off."""
    log_price = np.log(wide(everything, "price"))
    x = log_price - log_price.mean(axis=1, keepdims=True)
    eta = np.log(wide(everything, "expected_units"))
    left = eta - wide(everything, "current_elasticity") * x - wide(everything, "demand_path")
    category = wide(everything, "category")[:, 0]
    left -= left.mean(axis=1, keepdims=True)
    by_category = pd.DataFrame(left).groupby(category)
    np.testing.assert_allclose(left, by_category.transform("mean"), atol=1e-9)


def test_levels_follow_the_prior(everything):
    products = everything.groupby("product").agg(
        category=("category", "first"),
        elasticity=("product_elasticity", "first"),
        group=("category_elasticity", "first"),
    )
    log_price = np.log(wide(everything, "price")).mean(axis=1)
    eta = np.log(wide(everything, "expected_units")) - wide(everything, "demand_path")
    level = eta.mean(axis=1) - np.mean(
        wide(everything, "current_elasticity") * (np.log(wide(everything, "price")) - log_price[:, None]),
        axis=1,
    )
    category = products["category"].to_numpy()
    own = products["elasticity"] - products["group"]
    assert own.std() == pytest.approx(0.3, rel=SAMPLING)
    assert products.groupby("category")["group"].first().std() == pytest.approx(0.4, rel=3 * SAMPLING)
    dear = log_price - pd.Series(log_price).groupby(category).transform("mean").to_numpy()
    low = level - pd.Series(level).groupby(category).transform("mean").to_numpy()
    slope = products["group"].to_numpy() + 0.5
    rest = low - slope * dear
    assert rest.std() == pytest.approx(1.0, rel=2 * SAMPLING)
    assert np.corrcoef(rest, own)[0, 1] == pytest.approx(-0.4, abs=SAMPLING)


@pytest.mark.parametrize(
    ("column", "sd", "half_life"), [("demand_path", 0.3, 5.0), ("current_elasticity", 0.5, 2.0)]
)
def test_paths_have_their_sd_and_persistence(everything, column, sd, half_life):
    path = wide(everything, column)
    if column == "current_elasticity":
        path = path - wide(everything, "product_elasticity")
    else:
        path = path / wide(everything, "noise_ratio")
    assert np.sqrt((path**2).mean()) == pytest.approx(sd, rel=SAMPLING)
    assert (path[:, 1:] * path[:, :-1]).mean() / sd**2 == pytest.approx(2 ** (-1 / half_life), abs=SAMPLING)
    assert path[:, 0].std() == pytest.approx(path[:, -1].std(), rel=2 * SAMPLING)


def test_ratios_of_noise_have_their_spreads(everything):
    log_ratio = np.log(everything.groupby(["category", "product"])["noise_ratio"].first())
    within = log_ratio - log_ratio.groupby("category").transform("mean")
    between = log_ratio.groupby("category").mean()
    n = LARGE["N"] / LARGE["C"]
    assert within.std() == pytest.approx(0.3 * np.sqrt(1 - 1 / n), rel=SAMPLING)
    assert between.std() == pytest.approx(np.sqrt(0.4**2 + 0.3**2 / n), rel=3 * SAMPLING)


def test_volumes_have_the_noise_of_their_product(everything):
    z = np.log(everything["units_sold"] / everything["expected_units"]) / everything["noise_ratio"]
    assert z.std() == pytest.approx(EVERYTHING.noise, rel=SAMPLING)


def test_counts_have_the_variance_of_their_noise():
    scales = DemandScales(noise=0.5, noise_group_sd=0.4)
    frame = simulate_demand(**LARGE, scales=scales, noise="negative_binomial")
    rate = frame["expected_units"]
    variance = rate + (0.5 * frame["noise_ratio"] * rate) ** 2
    z2 = (frame["units_sold"] - rate) ** 2 / variance
    assert z2.mean() == pytest.approx(1, rel=SAMPLING)
    assert np.issubdtype(frame["units_sold"].dtype, np.integer)


def test_poisson_counts_have_no_more_noise():
    frame = simulate_demand(**LARGE, noise="poisson")
    z2 = (frame["units_sold"] - frame["expected_units"]) ** 2 / frame["expected_units"]
    assert z2.mean() == pytest.approx(1, rel=SAMPLING)


def test_prices_hold_and_change_with_the_probability_asked_for():
    price = wide(simulate_demand(400, 4, 60, price_change_prob=0.2), "price")
    assert (price[:, 1:] != price[:, :-1]).mean() == pytest.approx(0.2, abs=0.02)
    assert np.log(price).std(axis=1).mean() < 0.15
    assert (np.ptp(wide(simulate_demand(**SIZE, price_change_prob=0.0), "price"), axis=1) == 0).all()


def test_missing_rows_are_missing_at_random():
    frame = simulate_demand(400, 4, 60, missing_prob=0.3)
    assert len(frame) == pytest.approx(0.7 * 400 * 60, rel=0.03)
    assert frame.index.equals(pd.RangeIndex(len(frame)))


def test_time_effects_sum_to_zero():
    """Where prices hold, log expected units are levels plus time effects."""
    frame = simulate_demand(**SIZE, scales=DemandScales(time_shock_sd=0.3), price_sd=0.0)
    eta = np.log(wide(frame, "expected_units"))
    gamma = eta - eta.mean(axis=1, keepdims=True)
    assert gamma.std() > 0.2
    np.testing.assert_allclose(gamma[:10], np.broadcast_to(gamma[0], (10, SIZE["T"])), atol=1e-9)


def test_one_product_in_one_period():
    frame = simulate_demand(1, 1, 1, scales=EVERYTHING)
    assert len(frame) == 1


@pytest.mark.parametrize("name", ["N", "C", "T"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(InvalidArgumentError, match=rf"^{name} must be a whole number, at least 1; got 0"):
        simulate_demand(**{**SIZE, name: 0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"N": 3}, "N must be at least C; got N=3, C=4"),
        ({"price_change_prob": 1.5}, "price_change_prob is a probability, between 0 and 1; got 1.5"),
        ({"missing_prob": -0.1}, "missing_prob is a probability"),
        ({"price_sd": -1.0}, r"price_sd must be a number, at least 0; got -1\.0"),
        ({"noise": "gaussian"}, r"noise must be one of .*'poisson'.*; got 'gaussian'"),
        (
            {"scales": DemandScales(demand_sd=-0.1)},
            r"demand_sd must be a finite number, at least 0; got -0\.1",
        ),
        ({"scales": DemandScales(level=np.nan)}, "level must be a finite number"),
        ({"scales": DemandScales(demand_half_life=0.0)}, r"demand_half_life must be above 0; got 0\.0"),
        ({"scales": DemandScales(correlation=1.2)}, r"correlation must lie in \[-1, 1\]; got 1\.2"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        simulate_demand(**{**SIZE, **arguments})
