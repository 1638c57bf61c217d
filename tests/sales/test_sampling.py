"""Levels given product totals, and draws from the prior."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import NO_PATHS, ROLES
from scipy import stats

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import InvalidArgumentError
from hdfm.sales.likelihoods.poisson import NEVER_SOLD_SHAPE, POISSON
from hdfm.sales.sampling import conditional_levels, posterior_text
from hdfm.sampling.settings import SamplingSettings

CONDITIONAL = {"likelihood": "poisson", "product_effects": "fixed", **NO_PATHS}
DRAWS = 20_000
UNLIKELY = 1e-3  # p-value below which fixed random numbers would count as wrong


@pytest.fixture(scope="module")
def store_sales():
    """5 products, one of which never sold, with gaps, a control and an exposure."""
    sales = simulate_sales(5, 2, 12, seed=2, missing_prob=0.2, promotion_prob=0.3, price_change_prob=0.6)
    sales["stores"] = np.random.default_rng(0).integers(1, 30, len(sales))
    sales.loc[sales["product"] == 3, "units_sold"] = 0
    return sales


@pytest.fixture(scope="module")
def panel(store_sales):
    model = HierarchicalElasticity(**ROLES, controls="promotion", exposure="stores", **CONDITIONAL)
    return model._panel(store_sales, store_sales["units_sold"])[0]


def same_draws(**values):
    """Each value as if drawn DRAWS times in two chains."""
    return {name: np.broadcast_to(value, (2, DRAWS // 2, *np.shape(value))) for name, value in values.items()}


def test_conditional_levels_are_log_gammas(store_sales, panel):
    rng = np.random.default_rng(1)
    beta, kappa = rng.normal(-2, 0.3, len(panel.product)), np.array([0.4])
    gamma = rng.normal(0, 0.3, (len(panel.blocks), len(panel.period)))
    values = same_draws(elasticity=beta, time_effect=gamma, control_effect=kappa)
    levels = conditional_levels(values, (2, DRAWS // 2), panel, family=POISSON, seed=0)
    assert levels.shape == (2, DRAWS // 2, len(panel.product))
    promotion = store_sales["promotion"] - store_sales["promotion"].mean()
    for i, product in enumerate(panel.product):
        mine = store_sales[store_sales["product"] == product]
        t, g = mine["time_period"].map(panel.period.get_loc), panel.block[i]
        x = np.log(mine["price"]) - np.log(mine["price"]).mean()
        rate = mine["stores"] * np.exp(beta[i] * x + gamma[g, t] + kappa[0] * promotion[mine.index])
        total = mine["units_sold"].sum() or NEVER_SOLD_SHAPE
        expected = np.exp(levels[..., i]).ravel() * rate.sum()
        assert stats.kstest(expected, stats.gamma(total).cdf).pvalue > UNLIKELY
        assert expected.mean() == pytest.approx(total, abs=5 * np.sqrt(total / DRAWS))
        # The relative error of the variance of n draws is sqrt((2 + excess kurtosis) / n).
        assert expected.var() == pytest.approx(total, rel=5 * np.sqrt((2 + 6 / total) / DRAWS))


def test_conditional_levels_without_effects(store_sales, panel):
    levels = conditional_levels({}, (1, DRAWS), panel, family=POISSON, seed=0)[0]
    sums = store_sales.groupby("product")[["units_sold", "stores"]].sum().loc[panel.product]
    totals = sums["units_sold"].replace(0, NEVER_SOLD_SHAPE)
    error = 5 * np.sqrt(totals / DRAWS) / sums["stores"]
    assert (np.abs(np.exp(levels).mean(axis=0) - totals / sums["stores"]) < error).all()


def test_conditional_levels_depend_on_the_seed_alone(panel):
    values = {"elasticity": np.full((2, 3, len(panel.product)), -2.0)}
    first, again, other = (
        conditional_levels(values, (2, 3), panel, family=POISSON, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert (first[0] != first[1]).all()


@pytest.mark.parametrize("inference", ["nuts", "laplace"])
def test_levels_alone(elasticity, sales, inference):
    """Without price, time and controls nothing is left to sample: levels are exact draws."""
    model = elasticity(**CONDITIONAL, time=None, price=None, inference=inference, draws=400)
    model.fit(sales, sales["units_sold"])
    means = sales.groupby("product")["units_sold"].transform("mean").to_numpy()
    total = sales.groupby("product")["units_sold"].transform("sum").to_numpy()
    assert (np.abs(model.predict(sales) / means - 1) < 5 / np.sqrt(800 * total)).all()
    assert model.elasticities_.empty
    assert np.isfinite(model.score(sales, sales["units_sold"]))
    assert list(model.diagnostics().index[-1:]) == ["sampler"]


def test_a_conditional_fit_keeps_the_totals(mock_sampling, elasticity, sales):
    model = elasticity(**CONDITIONAL, draws=200).fit(sales, sales["units_sold"])
    predicted = sales.assign(predicted=model.predict(sales))
    totals = predicted.groupby("product")[["predicted", "units_sold"]].sum()
    # Given everything else the posterior mean of a product's total is what it sold.
    error = 5 * np.sqrt(totals["units_sold"] / 400)
    assert (np.abs(totals["predicted"] - totals["units_sold"]) < error).all()


PRIOR_CASES = {
    "default": {},
    "poisson": {"likelihood": "poisson"},
    "conditional": CONDITIONAL,
    "fixed": {"product_effects": "fixed"},
    "article": {"priors": ElasticityPriors.article()},
    "all": {"controls": "promotion", "exposure": "stores", "time_effects": "shared"},
    "no price": {"price": None, "time_effects": None},
    "no groups": {"groups": None},
}


@pytest.mark.parametrize("name", list(PRIOR_CASES))
def test_prior_shapes(store_sales, name):
    model = HierarchicalElasticity(**{**ROLES, **PRIOR_CASES[name]})
    tree = model.sample_prior(store_sales, draws=30)
    assert set(tree.children) == {"prior", "prior_predictive"}
    prior = tree["prior"].to_dataset()
    assert prior.sizes["chain"] == 1
    assert prior.sizes["draw"] == 30
    assert not [variable for variable in prior if variable.endswith("_raw")]
    assert prior["product_effect"].dims == ("chain", "draw", "product")
    assert set(prior["product"].to_numpy()) == set(store_sales["product"])
    assert ("elasticity" in prior) == (model.price is not None)
    assert ("control_effect" in prior) == (model.controls is not None)
    units = tree["prior_predictive"]["units"]
    assert units.sizes == {"chain": 1, "draw": 30, "row": len(store_sales)}
    values = units.to_numpy()
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    np.testing.assert_array_equal(values, np.round(values))
    assert not hasattr(model, "idata_")


def test_prior_of_volumes(volumes):
    model = HierarchicalElasticity(**ROLES, **NO_PATHS, likelihood="log_normal")
    units = model.sample_prior(volumes, volumes["units_sold"], draws=50)["prior_predictive"]["units"]
    assert (units > 0).all()
    assert np.isfinite(units).all()


def test_prior_is_reproducible(store_sales):
    def draws(seed):
        return HierarchicalElasticity(**ROLES, random_state=seed).sample_prior(store_sales, draws=20)

    first, again, other = draws(1), draws(1), draws(2)
    for group in ("prior", "prior_predictive"):
        assert first[group].to_dataset().equals(again[group].to_dataset())
    assert not first["prior"].to_dataset().equals(other["prior"].to_dataset())


def test_prior_of_elasticities_is_the_hierarchy(store_sales):
    spreads = {"global_sd": 0.3, "group_sd": 0.2, "product_sd": 0.1}
    priors = ElasticityPriors(global_mean=-2.5, **spreads, estimate_sd=False)
    S = 4000
    prior = HierarchicalElasticity(**ROLES, priors=priors).sample_prior(store_sales, draws=S)["prior"]
    overall = prior["elasticity_global"].to_numpy().ravel()
    assert stats.kstest((overall + 2.5) / 0.3, "norm").pvalue > UNLIKELY
    group = prior["elasticity_category"] - prior["elasticity_global"]
    assert stats.kstest(group.to_numpy().ravel() / 0.2, "norm").pvalue > UNLIKELY
    category = store_sales.groupby("product")["category"].first()
    own = prior["elasticity_category"].sel(category=category[prior["product"].to_numpy()].to_numpy())
    gap = prior["elasticity"].to_numpy() - own.to_numpy()
    assert stats.kstest(gap.ravel() / 0.1, "norm").pvalue > UNLIKELY


def test_priors_of_estimated_spreads(store_sales):
    priors = ElasticityPriors(group_sd=0.2, product_sd=0.5)
    prior = HierarchicalElasticity(**ROLES, priors=priors).sample_prior(store_sales, draws=4000)["prior"]
    for name, folded in (
        ("elasticity_category_sd", stats.norm(scale=0.2)),
        ("elasticity_sd", stats.t(3, scale=0.5)),
    ):
        draws = prior[name].to_numpy().ravel()
        assert stats.kstest(2 * folded.cdf(draws) - 1, "uniform").pvalue > UNLIKELY


def test_prior_respects_the_sign(store_sales):
    prior = HierarchicalElasticity(**ROLES, sign="negative").sample_prior(store_sales, draws=300)["prior"]
    for name in ("elasticity", "elasticity_category", "elasticity_global"):
        assert (prior[name] < 0).all(), name
    free = HierarchicalElasticity(**ROLES).sample_prior(store_sales, draws=300)["prior"]
    assert (free["elasticity"] > 0).any()


def test_prior_centres_levels_on_the_units(sales):
    model = HierarchicalElasticity(**ROLES)
    units = sales["units_sold"]
    small, large = (
        np.median(model.sample_prior(sales, y, draws=400)["prior_predictive"]["units"])
        for y in (np.ones(len(sales)), units * 1000)
    )
    assert small < 100
    assert large > 100 * max(small, 1)


def test_prior_does_not_look_at_units_otherwise(sales):
    model, units = HierarchicalElasticity(**ROLES), sales["units_sold"].to_numpy()
    first = model.sample_prior(sales, units, draws=20)
    other = model.sample_prior(sales, units[::-1], draws=20)
    for group in ("prior", "prior_predictive"):
        for name, values in first[group].to_dataset().items():
            np.testing.assert_allclose(values, other[group][name], rtol=1e-9, err_msg=str(name))


def test_prior_that_would_not_fit_in_memory(store_sales):
    with pytest.raises(InvalidArgumentError, match=r"10,000,000 draws of \d+ rows are too many to hold"):
        HierarchicalElasticity(**ROLES).sample_prior(store_sales, draws=10_000_000)


@pytest.mark.slow
def test_conditional_and_wide_random_effects_agree():
    sales = simulate_sales(6, 1, 30, seed=8, price_change_prob=0.9)
    relative_price = sales["price"] / sales.groupby("product")["price"].transform("mean")
    level = np.exp(4.0 + sales["product"] / 2)  # far apart: else random effects would rightly shrink them
    sales["units_sold"] = np.random.default_rng(0).poisson(level * relative_price**-1.5)
    priors = ElasticityPriors(correlation=None, between_price_bias=None, product_effect_sd=100.0)
    settings = {"likelihood": "poisson", "priors": priors, "draws": 500, "tune": 500, "chains": 2}
    conditional, wide = (
        HierarchicalElasticity(
            **ROLES, **NO_PATHS, product_effects=effects, **settings, progressbar=False
        ).fit(sales, sales["units_sold"])
        for effects in ("fixed", "random")
    )
    for name in ("elasticity", "product_effect", "time_effect"):
        ours, theirs = (model.idata_["posterior"][name] for model in (conditional, wide))
        sd = theirs.std(("chain", "draw"))
        # 1,000 draws, each worth a fourth of an independent one: an sd of 0.09 of the difference.
        gap = (ours.mean(("chain", "draw")) - theirs.mean(("chain", "draw"))) / sd
        assert float(np.abs(gap).max()) < 0.4, name
        assert float(np.abs(np.log(ours.std(("chain", "draw")) / sd)).max()) < 0.3, name


def test_size_and_the_faster_engine_are_said(panel):
    settings = SamplingSettings(draws=1_000_000, chains=4)
    text, values = posterior_text(panel, settings), 2 * 5 + len(panel.blocks) * 12
    assert f"5 products, 12 periods, {panel.observed.sum()} observations; 4 x 1,000,000 draws take" in text
    assert f"{8e-9 * values * 4e6:.2f} GB" in text
    assert "laplace" not in text
    many = replace(panel, units=np.broadcast_to(panel.units[:1], (20_000, 12)))
    assert 'inference="laplace" seconds' in posterior_text(many, settings)
