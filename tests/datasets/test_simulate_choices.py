"""The simulator of choices against its own truth."""

import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from reference.simulated import SMALL

from hdfm.datasets import ChoiceEffects, simulate_choices
from hdfm.exceptions import InvalidArgumentError

# The same sums in another order.
ROUNDOFF = 1e-10
# Standardised frequencies of some hundreds of cells: a normal stays below this but once in 10,000 panels.
LARGEST_Z = 4.5
ALL_TIERS = {**SMALL, "n_factors": 2, "n_category_factors": 1, "n_individual_factors": 1}
LABELS = ["customer", "category", "week", "choice_set", "product"]


@pytest.fixture(scope="module")
def default():
    return simulate_choices()


@pytest.fixture(scope="module")
def plain():
    return simulate_choices(**SMALL)


def utilities(choices, truth):
    """Utility of each row, term by term from the truth's parts, without its methods."""
    paths = truth.alpha + (truth.loadings * truth.factors).sum("factor")
    own = truth.category_factors.sel(category=truth.alpha["category"].to_numpy()).to_numpy()
    paths = paths + np.einsum("nsl,slt->nst", truth.category_loadings, own)
    paths = paths + np.einsum(
        "sl,n,nlt->nst", truth.individual_loadings, truth.individual_scale, truth.individual_factors
    )
    series = paths.to_numpy()
    position = {pair: k for k, pair in enumerate(truth.alpha.indexes["coefficient"])}
    rows = choices.assign(log_price=np.log(choices["price"]))
    utility = np.zeros(len(rows))
    for predictor, column in [("price", "log_price"), ("display", "display"), ("feature", "feature")]:
        s = rows["category"].map(lambda c, predictor=predictor: position[c, predictor])
        utility += series[rows["customer"], s, rows["week"] - 1] * rows[column]
    pairs = zip(rows["category"], "product[" + rows["product"] + "]", strict=True)
    s = np.array([position.get(pair, -1) for pair in pairs])
    return utility + np.where(s < 0, 0, series[rows["customer"], s, rows["week"] - 1])


def test_frame_has_one_row_per_alternative(default):
    choices, _ = default
    columns = [*LABELS[:4], "product", "price", "display", "feature", "chosen", "probability"]
    assert choices.columns.to_list() == columns
    assert not choices.duplicated(["choice_set", "product"]).any()
    assert not choices.isna().any(axis=None)
    assert choices["choice_set"].is_monotonic_increasing
    assert choices.groupby("choice_set")[["customer", "category", "week"]].nunique().eq(1).all(axis=None)
    assert choices.groupby("category")["product"].nunique().to_list() == [4, 4, 4]
    assert choices["week"].agg(["min", "max"]).to_list() == [1, 52]
    assert choices["choice_set"].nunique() == pytest.approx(13_950, rel=0.02)


def test_one_alternative_of_each_set_is_chosen(default):
    choices, _ = default
    sets = choices.groupby("choice_set")
    assert sets["chosen"].sum().eq(1).all()
    np.testing.assert_allclose(sets["probability"].sum(), 1, rtol=ROUNDOFF)


def test_same_seed_same_panel(plain):
    again, truth = simulate_choices(**SMALL)
    pd.testing.assert_frame_equal(again, plain[0])
    xr.testing.assert_identical(truth.alpha, plain[1].alpha)
    assert not simulate_choices(**SMALL, seed=1)[0].equals(again)


@pytest.mark.parametrize(
    "switch",
    [
        {},
        {"alternatives": [2, 5]},
        {"outside_option": True},
        {"unavailable_prob": 0.4},
        {"n_covariates": 2},
        {"category_prob": 0.5},
    ],
    ids=str,
)
def test_truth_reproduces_the_probabilities(switch):
    choices, truth = simulate_choices(**ALL_TIERS, **switch)
    u = np.exp(utilities(choices, truth))
    total = u.groupby(choices["choice_set"]).transform("sum") + bool(switch.get("outside_option"))
    np.testing.assert_allclose(u / total, choices["probability"], rtol=1e-8)


def test_coefficients_of_a_category_are_the_sum_of_their_parts():
    _, truth = simulate_choices(**ALL_TIERS)
    path = truth.coefficients("c1").sel(customer=3, predictor="price")
    own = {"category": "c1", "predictor": "price"}
    expected = (
        truth.alpha.sel(own)[3]
        + (truth.loadings.sel(own)[3] * truth.factors).sum("factor")
        + (truth.category_loadings.sel(own)[3] * truth.category_factors.sel(category="c1")).sum("factor")
        + truth.individual_scale[3]
        * (truth.individual_loadings.sel(own) * truth.individual_factors[3]).sum("factor")
    )
    np.testing.assert_allclose(path, expected, rtol=ROUNDOFF)
    with pytest.raises(InvalidArgumentError, match=r"category must be one of \['c0', 'c1'\]; got 'tea'"):
        truth.coefficients("tea")


@pytest.mark.parametrize("outside_option", [False, True])
def test_choices_are_as_frequent_as_their_probabilities(outside_option):
    """By category, product, week and presence on display: sums of choices against sums of probabilities."""
    choices, _ = simulate_choices(100, 3, 20, 2, 1, 1, outside_option=outside_option, unavailable_prob=0.1)
    cells = choices.assign(variance=choices["probability"] * (1 - choices["probability"]))
    cells = cells.groupby(["category", "product", "week", "display"])
    cells = cells[["chosen", "probability", "variance"]].sum().query("variance > 3")
    z = (cells["chosen"] - cells["probability"]) / np.sqrt(cells["variance"])
    assert len(z) > 150
    assert z.abs().max() < LARGEST_Z
    assert z.std() == pytest.approx(1, abs=0.15)


def test_outside_option_is_chosen_with_what_is_left(plain):
    choices, truth = simulate_choices(**SMALL, outside_option=True)
    sets = choices.groupby("choice_set")
    bought = sets["chosen"].sum()
    assert bought.isin([0, 1]).all()
    assert bought.mean() == pytest.approx(sets["probability"].sum().mean(), abs=0.03)
    assert 0.2 < 1 - bought.mean() < 0.6
    assert len(truth.mean) == len(plain[1].mean) + SMALL["categories"]


def test_global_and_category_factors_are_centred_with_unit_variance():
    _, truth = simulate_choices(**ALL_TIERS)
    for factors in (truth.factors, truth.category_factors):
        np.testing.assert_allclose(factors.mean("period"), 0, atol=ROUNDOFF)
        np.testing.assert_allclose(factors.var("period"), 1, rtol=ROUNDOFF)


def test_individual_factors_are_centred_over_periods_and_customers():
    _, truth = simulate_choices(**ALL_TIERS)
    np.testing.assert_allclose(truth.individual_factors.mean("period"), 0, atol=ROUNDOFF)
    np.testing.assert_allclose(truth.individual_factors.mean("customer"), 0, atol=ROUNDOFF)
    np.testing.assert_allclose(truth.individual_factors.var(("customer", "period")), 1, rtol=ROUNDOFF)


def test_loadings_are_positive():
    _, truth = simulate_choices(**ALL_TIERS)
    for values in (
        truth.loadings,
        truth.category_loadings,
        truth.individual_loadings,
        truth.individual_scale,
    ):
        assert (values > 0).all()


def test_population_path_is_the_mean_of_many_customers():
    """All tiers on; the mean's own standard error bounds the difference."""
    _, truth = simulate_choices(4_000, 1, 5, 2, 1, 1, sets_per_customer=0.01)
    paths = truth.coefficients("c0")
    error = (paths.mean("customer") - truth.population.sel(category="c0")) / (
        paths.std("customer") / 4_000**0.5
    )
    assert np.abs(error).max() < LARGEST_Z


def test_customers_scatter_with_the_sd_and_correlation_of_the_truth():
    _, truth = simulate_choices(20_000, 1, 2, 0, sets_per_customer=0.01)
    alpha = truth.alpha.to_numpy()
    np.testing.assert_allclose(alpha.mean(axis=0), truth.mean, atol=0.03)
    np.testing.assert_allclose(alpha.std(axis=0), truth.sd, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(alpha.T), truth.correlation, atol=0.04)


def test_covariates_move_the_coefficients_they_act_on(plain):
    choices, truth = simulate_choices(**SMALL, n_covariates=2)
    z = choices.groupby("customer")[["covariate_1", "covariate_2"]].first()
    np.testing.assert_array_equal(z, truth.covariates.sel(customer=z.index))
    moved = truth.alpha - plain[1].alpha
    np.testing.assert_allclose(moved, truth.covariates @ truth.covariate_effects, atol=ROUNDOFF)


def test_variance_shares_add_up_and_are_distinct():
    _, truth = simulate_choices(**{**ALL_TIERS, "customers": 200, "periods": 52})
    shares = truth.variance_shares()
    assert shares.sum() == pytest.approx(1)
    assert shares.index.to_list() == [("global", 0), ("global", 1), ("category", 0), ("individual", 0)]
    own = truth.category_factors.sel(category=truth.alpha["category"].to_numpy()).to_numpy()
    parts = [
        np.einsum("ns,t->nst", truth.loadings[..., 0], truth.factors[0]),
        np.einsum("ns,t->nst", truth.loadings[..., 1], truth.factors[1]),
        np.einsum("ns,st->nst", truth.category_loadings[..., 0], own[:, 0]),
        np.einsum(
            "s,n,nt->nst",
            truth.individual_loadings[:, 0],
            truth.individual_scale,
            truth.individual_factors[:, 0],
        ),
    ]
    variances = np.array([part.var(axis=-1).sum() for part in parts])
    np.testing.assert_allclose(shares, variances / variances.sum(), rtol=1e-8)
    between = 200 * truth.alpha.var("customer").sum().item()
    with_alpha = truth.variance_shares(static=True)
    np.testing.assert_allclose(with_alpha, variances / (variances.sum() + between), rtol=1e-8)
    assert shares["global"][0] > 1.2 * shares["global"][1]


def test_without_factors_coefficients_are_constant(plain):
    _, truth = simulate_choices(**SMALL, n_factors=0)
    assert truth.variance_shares().empty
    assert (truth.coefficients("c0").std("period") < ROUNDOFF).all()
    np.testing.assert_allclose(truth.population.std("period"), 0, atol=ROUNDOFF)
    xr.testing.assert_identical(truth.alpha, plain[1].alpha)


def test_without_heterogeneity_customers_are_alike():
    effects = ChoiceEffects(heterogeneity=0, loading_sd=0)
    _, truth = simulate_choices(**SMALL, effects=effects)
    paths = truth.coefficients("c0")
    np.testing.assert_allclose(paths, truth.population.sel(category="c0").expand_dims(customer=40), rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_price_coefficients_are_negative_and_the_first_product_sells_best(seed):
    choices, truth = simulate_choices(200, 2, 20, seed=seed)
    assert truth.mean.sel(predictor="price").to_numpy() == pytest.approx(-2, abs=1)
    assert np.abs(truth.mean).max() < 3
    sold = choices.groupby(["category", "product"])["chosen"].sum()
    assert sold.groupby("category").idxmax().to_list() == [("c0", "c0p0"), ("c1", "c1p0")]


def test_typical_loadings_can_be_given_one_by_one():
    effects = ChoiceEffects(loading=(0.2, 1.5), loading_sd=0.0, loading_spread=0.0)
    _, truth = simulate_choices(**SMALL, effects=effects)
    np.testing.assert_allclose(truth.loadings - [0.2, 1.5], 0, atol=1e-12)


def test_mean_loadings_spread_between_coefficients():
    effects = ChoiceEffects(loading_sd=0.0, loading_spread=0.7)
    _, truth = simulate_choices(**{**SMALL, "categories": 40}, effects=effects)
    before_softplus = np.log(np.expm1(truth.loadings[0]))
    np.testing.assert_allclose(before_softplus.std("coefficient"), 0.7, rtol=0.1)


@pytest.mark.parametrize(
    "switch",
    [
        {"n_category_factors": 1},
        {"n_individual_factors": 2},
        {"n_covariates": 1},
        {"unavailable_prob": 0.2, "keep_unavailable": True},
        {"display_prob": 0.9},
    ],
    ids=lambda switch: next(iter(switch)),
)
def test_switches_leave_global_factors_sets_and_prices_as_they_were(plain, switch):
    choices, truth = simulate_choices(**SMALL, **switch)
    columns = [*LABELS, "price"]
    pd.testing.assert_frame_equal(choices[columns], plain[0][columns])
    xr.testing.assert_identical(truth.factors, plain[1].factors)
    xr.testing.assert_identical(truth.loadings, plain[1].loadings)


def test_unavailable_alternatives_are_left_out_or_marked(plain):
    ragged, _ = simulate_choices(**SMALL, unavailable_prob=0.3)
    kept, _ = simulate_choices(**SMALL, unavailable_prob=0.3, keep_unavailable=True)
    assert len(kept) == len(plain[0])
    gone = kept["available"] == 0
    assert (kept.loc[gone, ["chosen", "probability"]] == 0).all(axis=None)
    pd.testing.assert_frame_equal(
        kept[~gone].drop(columns="available").reset_index(drop=True), ragged, check_like=True
    )
    sizes = ragged.groupby("choice_set").size()
    assert sizes.min() == 2
    assert sizes.nunique() == 3


def test_everything_may_be_unavailable_but_two():
    choices, _ = simulate_choices(**SMALL, unavailable_prob=1.0)
    assert choices.groupby("choice_set").size().eq(2).all()


def test_some_customers_never_buy_in_a_category():
    choices, _ = simulate_choices(200, 3, 10, category_prob=0.5)
    seen = choices.groupby("customer")["category"].nunique()
    assert seen.sum() / 600 == pytest.approx(0.5, abs=0.06)
    assert set(seen) == {1, 2, 3}


def test_numbers_of_sets_and_promotions_are_those_asked_for():
    choices, _ = simulate_choices(200, 2, 10, sets_per_customer=8, display_prob=0.1, feature_prob=0.6)
    assert choices["choice_set"].nunique() / 400 == pytest.approx(8, rel=0.05)
    assert choices["display"].mean() == pytest.approx(0.1, abs=0.02)
    assert choices["feature"].mean() == pytest.approx(0.6, abs=0.02)


def test_smallest_panels():
    choices, truth = simulate_choices(1, 1, 1, 1, 1, 1)
    assert choices["week"].eq(1).all()
    assert truth.variance_shares().eq(0).all()
    alone, _ = simulate_choices(5, 1, 5, alternatives=1, outside_option=True)
    assert alone["chosen"].isin([0, 1]).all()
    assert alone["product"].unique().tolist() == ["c0p0"]


def test_truth_survives_pickling(plain):
    again = pickle.loads(pickle.dumps(plain[1]))
    xr.testing.assert_identical(again.population, plain[1].population)
