"""Predictions and the graph by independent routes: PyTensor, NumPy over draws, SciPy."""

import itertools
import operator
from dataclasses import dataclass, replace
from functools import reduce
from types import SimpleNamespace
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
import xarray as xr
from pymc.pytensorf import gradient as gradient_of
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import softmax

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import InvalidArgumentError
from hdfm.sales.graph import likelihoods
from hdfm.sales.graph.model import linear_predictor
from hdfm.sales.panel.rows import encode_rows, panel_rows
from hdfm.sales.posterior.draws import DemandDraws, demand_draws, last_level
from hdfm.sales.posterior.predict import (
    draw_units,
    expected_units,
    linear_predictor_blocks,
    log_density,
    log_rising,
    pointwise_log_likelihood,
)
from hdfm.sales.sampling import reported_names
from hdfm.summaries.loo import loo_from_blocks

GROUPED = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}
DEEP = {**GROUPED, "groups": ["department", "category"]}
SHIFTED = {"controls": ["promotion", "display"], "exposure": "stores"}
POINTS = 6
UNOPTIMISED = Mode(linker="py", optimizer=None)
WALK = 0.1
# The same sums in another order.
SAME = 1e-10
# Sums over some hundred cells of differences of gammaln of counts to 1e6.
LIKELIHOOD = 1e-8
# False alarms of a test on fixed random numbers: the seed is fixed, so one passes for good.
UNLIKELY = 1e-3


def store_sales(noise="poisson", **options):
    """9 products of 3 categories and 2 departments, with two controls and an exposure."""
    sales = simulate_sales(
        9, 3, 10, seed=11, noise=noise, promotion_prob=0.3, price_change_prob=0.6, **options
    )
    rng = np.random.default_rng(3)
    sales["department"] = sales["category"].map({0: "food", 1: "food", 2: "home"})
    sales["display"] = rng.normal(4, 2, len(sales))
    sales["stores"] = rng.integers(1, 40, len(sales))
    return sales


def draws_at(model, panel, spec, values):
    """DemandDraws of variables by name (S, ...)."""
    dims = {name: list(labels) for name, labels in model.named_vars_to_dims.items()}
    if spec.conditional:
        levels = np.random.default_rng(9).normal(1, 1, (POINTS, len(panel.product)))
        values = {**values, "product_effect": levels}
        dims["product_effect"] = [panel.dims["product"]]
    posterior = xr.Dataset(
        {name: (["chain", "draw", *dims.get(name, [])], value[None]) for name, value in values.items()}
    )
    return demand_draws(posterior, panel, spec)


@dataclass
class Case:
    """A graph at some points: what PyTensor says, and the same draws for NumPy."""

    estimator: HierarchicalElasticity
    sales: pd.DataFrame
    panel: Any
    spec: Any
    draws: DemandDraws
    eta: np.ndarray  # (S, N, T), in conditional models without the levels
    log_likelihood: np.ndarray  # (S,)

    @property
    def full_eta(self):
        """eta (S, N, T) with the levels."""
        return self.eta + (self.draws.delta.T[:, :, None] if self.spec.conditional else 0.0)

    @property
    def pointwise(self):
        """Log-likelihood by row (n, S)."""
        rows, units = panel_rows(self.panel)
        blocks = pointwise_log_likelihood(self.draws, self.panel, self.spec, rows, units, 0)
        return np.vstack([values for _, values in blocks])


def case_of(noise="poisson", gaps=False, **arguments) -> Case:
    sales = store_sales(noise, **({"missing_prob": 0.2, "late_start_prob": 0.3} if gaps else {}))
    estimator = HierarchicalElasticity(**arguments)
    panel, spec = estimator._panel(sales, sales["units_sold"])
    model = estimator.build_model(sales, sales["units_sold"])
    named = {name: model.named_vars.get(name) for name in ("product_effect", "elasticity", "time_effect")}
    eta = linear_predictor(panel, *named.values(), model.named_vars.get("control_effect_raw"))
    names = reported_names(model)
    found = {variable.name: variable for variable in model.unobserved_value_vars}
    evaluate = model.compile_fn(
        [*model.replace_rvs_by_values([eta, *model.potentials]), *(found[name] for name in names)],
        inputs=model.value_vars,
        point_fn=False,
        mode="FAST_COMPILE",
    )
    rng, point = np.random.default_rng(1), model.initial_point()
    start = [np.asarray(point[variable.name]) for variable in model.value_vars]
    results = [
        evaluate(*[value + WALK * rng.standard_normal(value.shape) for value in start]) for _ in range(POINTS)
    ]
    etas, likelihood, *values = (np.stack(column) for column in zip(*results, strict=True))
    draws = draws_at(model, panel, spec, dict(zip(names, values, strict=True)))
    return Case(estimator, sales, panel, spec, draws, etas, likelihood)


CASES = {
    "negative binomial": {**GROUPED},
    "poisson": {**GROUPED, "likelihood": "poisson"},
    "log-normal": {**GROUPED, "likelihood": "log_normal", "noise": "log_normal"},
    "conditional": {**GROUPED, "likelihood": "poisson", "product_effects": "fixed"},
    "fixed": {**GROUPED, "product_effects": "fixed"},
    "negative": {**GROUPED, "sign": "negative"},
    "all": {**DEEP, **SHIFTED, "gaps": True},
    "all, shared time": {**DEEP, **SHIFTED, "gaps": True, "time_effects": "shared", "sign": "negative"},
    "all, log-normal": {**DEEP, **SHIFTED, "gaps": True, "likelihood": "log_normal", "noise": "log_normal"},
    "all, conditional": {
        **DEEP,
        **SHIFTED,
        "gaps": True,
        "likelihood": "poisson",
        "product_effects": "fixed",
    },
    "no groups": {**GROUPED, "groups": None, "gaps": True},
    "no price": {**GROUPED, "price": None, "time_effects": None, "controls": "promotion"},
    "article": {**GROUPED, "likelihood": "poisson", "priors": ElasticityPriors.article()},
}


@pytest.fixture(scope="module")
def cases():
    """Cases by name, each built once."""
    built: dict[str, Case] = {}

    def get(name):
        if name not in built:
            built[name] = case_of(**CASES[name])
        return built[name]

    return get


@pytest.fixture(params=list(CASES))
def case(request, cases):
    return cases(request.param)


def fit_at(case) -> HierarchicalElasticity:
    """The case's estimator as fitted, with the case's draws for a posterior."""
    model = case.estimator
    model._panel(case.sales, case.sales["units_sold"])  # sets feature_names_in_
    model.panel_, model.spec_, model.draws_, model.seed_ = case.panel, case.spec, case.draws, 0
    model.idata_ = "not needed"
    return model


def test_expected_units_in_pytensor_and_numpy(case):
    rows, _ = panel_rows(case.panel)
    noise = case.draws.scale**2 / 2 if case.spec.likelihood == "log_normal" else np.zeros(POINTS)
    expected = np.exp(case.full_eta + noise[:, None, None])
    pieces = linear_predictor_blocks(case.draws, case.panel, case.spec, rows, 0)
    eta = np.vstack([piece for _, piece in pieces])
    np.testing.assert_allclose(np.exp(eta + noise), expected[:, case.panel.observed].T, rtol=SAME)
    np.testing.assert_allclose(
        expected_units(case.draws, case.panel, case.spec, rows, 0),
        expected[:, case.panel.observed].mean(axis=0),
        rtol=SAME,
    )


def test_predict_matches_the_graph_by_label(case):
    noise = case.draws.scale**2 / 2 if case.spec.likelihood == "log_normal" else np.zeros(POINTS)
    expected = np.exp(case.full_eta + noise[:, None, None]).mean(axis=0)
    i = case.panel.product.get_indexer(case.sales["product"])
    t = case.panel.period.get_indexer(case.sales["time_period"])
    predicted = fit_at(case).predict(case.sales)
    np.testing.assert_allclose(predicted, expected[i, t], rtol=SAME)


def density_by_scipy(case):
    """Log-likelihood by observed cell (n, S) from scipy.stats and PyTensor's eta."""
    eta = case.full_eta[:, case.panel.observed].T
    units = case.panel.units[case.panel.observed][:, None]
    mean, scale = np.exp(eta), case.draws.scale
    if case.spec.likelihood == "log_normal":
        return stats.norm.logpdf(np.log(units), eta, scale) - np.log(units)
    if case.spec.likelihood == "poisson":
        return stats.poisson.logpmf(units, mean)
    return stats.nbinom.logpmf(units, scale, scale / (scale + mean))


def test_pointwise_log_likelihood_is_scipys(case):
    np.testing.assert_allclose(case.pointwise, density_by_scipy(case), rtol=LIKELIHOOD, atol=LIKELIHOOD)


@pytest.mark.parametrize("name", [name for name in CASES if "conditional" not in name])
def test_potential_is_the_sum_of_the_pointwise(cases, name):
    case = cases(name)
    np.testing.assert_allclose(case.pointwise.sum(axis=0), case.log_likelihood, rtol=LIKELIHOOD)


def multinomial_by_product(case):
    """log Multinomial (S, N) of each product's units given their total."""
    panel, S = case.panel, len(case.eta)
    out = np.empty((S, len(panel.product)))
    for s, i in np.ndindex(out.shape):
        seen = panel.observed[i]
        units = panel.units[i, seen]
        out[s, i] = stats.multinomial.logpmf(units, units.sum(), softmax(case.eta[s, i, seen]))
    return out


@pytest.mark.parametrize("name", ["conditional", "all, conditional"])
def test_conditional_poisson_is_multinomial(cases, name):
    case = cases(name)
    np.testing.assert_allclose(case.log_likelihood, multinomial_by_product(case).sum(axis=1), rtol=LIKELIHOOD)


@pytest.mark.parametrize("name", ["conditional", "all, conditional"])
def test_conditional_poisson_is_multinomial_product_by_product(cases, name):
    case = cases(name)
    eta, expected = case.eta[0], multinomial_by_product(case)[0]
    for i in range(len(case.panel.product)):
        one = SimpleNamespace(units=case.panel.units[[i]], observed=case.panel.observed[[i]])
        linear = pt.constant((one.units * eta[[i]]).sum())
        value = likelihoods.conditional_poisson(one, pt.constant(eta[[i]]), linear)
        assert value.eval(mode=UNOPTIMISED) == pytest.approx(expected[i], rel=LIKELIHOOD)


@pytest.mark.parametrize("name", ["conditional", "all, conditional"])
def test_conditional_poisson_is_poisson_given_totals(cases, name):
    case = cases(name)
    mean = np.where(case.panel.observed, np.exp(case.full_eta), 0.0).sum(axis=2)
    totals = stats.poisson.logpmf(case.panel.units.sum(axis=1), mean)
    np.testing.assert_allclose(
        case.pointwise.sum(axis=0) - totals.sum(axis=1), case.log_likelihood, rtol=LIKELIHOOD
    )


GRAPHS = [
    (groups, time_effects, extras)
    for groups in (None, "category", ["department", "category"])
    for time_effects in ("category", "shared", None)
    for extras in (False, True)
    if groups or time_effects != "shared"  # without groups all effects are shared
]


LIKELIHOODS = list(
    itertools.product(["negative_binomial", "poisson", "log_normal"], ["random", "fixed"], [None, "negative"])
)


def combinations():
    """One graph per likelihood quickly, and a quarter of all, spread evenly, slowly."""
    for k, likelihood in enumerate(LIKELIHOODS):
        for g, graph in enumerate(GRAPHS):
            if g == 7 * k % len(GRAPHS):
                yield pytest.param(*likelihood, *graph)
            elif (g + k) % 4 == 0:
                yield pytest.param(*likelihood, *graph, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("likelihood", "product_effects", "sign", "groups", "time_effects", "extras"), list(combinations())
)
def test_log_density_and_gradient_are_finite_at_the_start(
    likelihood, product_effects, sign, groups, time_effects, extras
):
    noise = "log_normal" if likelihood == "log_normal" else "poisson"
    sales = store_sales(noise, **({"missing_prob": 0.2, "late_start_prob": 0.3} if extras else {}))
    model = HierarchicalElasticity(
        **{**GROUPED, "groups": groups, **(SHIFTED if extras else {})},
        likelihood=likelihood,
        product_effects=product_effects,
        sign=sign,
        time_effects=time_effects,
    ).build_model(sales, sales["units_sold"])
    logp = reduce(operator.add, [factor.sum() for factor in model.logp(sum=False)])
    # Unoptimised: the textbook expressions, without stabilising rewrites, and quick to compile.
    evaluate = model.compile_fn(
        [logp, gradient_of(logp, model.continuous_value_vars)],
        inputs=model.value_vars,
        point_fn=False,
        mode=UNOPTIMISED,
    )
    point = model.initial_point()
    logp, gradient = evaluate(*[point[variable.name] for variable in model.value_vars])
    assert np.isfinite(logp)
    assert np.isfinite(gradient).all()
    assert len(gradient) == sum(np.size(value) for value in point.values())


# Sums of up to 1,000 logs.
RISING = 1e-9


@pytest.mark.parametrize("phi", [1e-3, 0.5, 7.0, 9_999.0, 10_001.0, 1e6, 1e9, 1e14])
@pytest.mark.parametrize("route", ["numpy", "pytensor"])
def test_log_rising_is_a_sum_of_logs(phi, route):
    y = np.array([0.0, 1.0, 2.0, 10.0, 1000.0])
    expected = [np.log1p(np.arange(count) / phi).sum() for count in y]
    if route == "numpy":
        values = log_rising(y, phi)
    else:
        values = likelihoods.log_rising(y, pt.constant(np.float64(phi))).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(values, expected, rtol=RISING, atol=RISING)


@pytest.mark.parametrize("phi", [1e10, 1e14, 1e18])
def test_huge_dispersion_is_poisson(phi):
    y, eta = np.arange(50.0), np.log(np.linspace(0.01, 60, 50))
    poisson = log_density(y, eta, np.inf, "poisson")
    np.testing.assert_allclose(log_density(y, eta, phi, "negative_binomial"), poisson, atol=1e-6)
    np.testing.assert_allclose(poisson, stats.poisson.logpmf(y, np.exp(eta)), rtol=1e-10)


def repeated(draws: DemandDraws, size: int) -> DemandDraws:
    """The first draw, ``size`` times."""

    def same(values):
        return None if values is None else np.repeat(values[..., :1], size, axis=-1)

    population = {name: same(values) for name, values in draws.population.items()}
    return DemandDraws(
        same(draws.beta),
        same(draws.delta),
        same(draws.gamma),
        same(draws.kappa),
        same(draws.scale),
        population,
    )


@pytest.mark.parametrize("name", ["negative binomial", "poisson", "log-normal", "all"])
def test_quantiles_of_a_single_draw(cases, name):
    case, size, levels = cases(name), 20_000, [0.05, 0.5, 0.95]
    model = fit_at(case)
    model.draws_ = repeated(case.draws, size)
    sales = case.sales[:40]
    table = model.predict_quantiles(sales, levels)
    eta = np.vstack(
        [e for _, e in linear_predictor_blocks(case.draws, case.panel, case.spec, model._rows(sales), 0)]
    )
    mean, scale = np.exp(eta[:, :1]), case.draws.scale[0]
    cdf = {
        "log_normal": lambda y: stats.norm.cdf(np.log(y), np.log(mean), scale),
        "poisson": lambda y: stats.poisson.cdf(np.floor(y), mean),
        "negative_binomial": lambda y: stats.nbinom.cdf(np.floor(y), scale, scale / (scale + mean)),
    }[case.spec.likelihood]
    q, error = np.array(levels), 5 * np.sqrt(0.25 / size)
    step = 0.0 if case.spec.likelihood == "log_normal" else 1.0
    assert (cdf(table.to_numpy()) >= q - error).all()
    assert (cdf(table.to_numpy() - step) <= q + error).all()


def test_quantiles_rise(fitted, fitted_sales):
    table = fitted.predict_quantiles(fitted_sales, [0.01, 0.25, 0.5, 0.75, 0.99])
    assert list(table.columns) == [0.01, 0.25, 0.5, 0.75, 0.99]
    pd.testing.assert_index_equal(table.index, fitted_sales.index)
    assert (np.diff(table, axis=1) >= 0).all()
    inside = (fitted_sales["units_sold"] >= table[0.01]) & (fitted_sales["units_sold"] <= table[0.99])
    assert inside.mean() > 0.95
    assert fitted.predict_quantiles(fitted_sales, [0, 1]).notna().all(axis=None)


def test_quantiles_are_reproducible(fitted, fitted_sales):
    pd.testing.assert_frame_equal(
        fitted.predict_quantiles(fitted_sales), fitted.predict_quantiles(fitted_sales)
    )


def unseen(sales):
    """One product's rows with a new product, new category, new period and future period each."""
    rows = sales[sales["product"] == sales["product"].iloc[0]].iloc[:5]
    return {
        "product": rows.assign(product=900),
        "category": rows.assign(product=901, category=77),
        "period": rows.assign(time_period=rows["time_period"] - 1000),
        "future": rows.assign(time_period=rows["time_period"] + 1000),
        "all": rows.assign(product=902, category=78, time_period=rows["time_period"] + 2000),
    }


@pytest.mark.parametrize("kind", ["product", "category", "period", "future", "all"])
def test_the_unseen_does_not_depend_on_what_else_is_predicted(fitted, fitted_sales, kind):
    new = unseen(fitted_sales)
    alone = fitted.predict(new[kind])
    assert np.isfinite(alone).all()
    assert (alone > 0).all()
    others = [new[name] for name in new if name != kind] + [fitted_sales[:100]]
    together = pd.concat([*others, new[kind]], ignore_index=True)
    np.testing.assert_allclose(fitted.predict(together)[-len(alone) :], alone, rtol=SAME)
    np.testing.assert_allclose(fitted.predict(together[::-1])[: len(alone)][::-1], alone, rtol=SAME)
    assert fitted.predict_quantiles(new[kind]).notna().all(axis=None)
    assert np.isfinite(fitted.score(new[kind], np.arange(5)))


def test_a_new_period_does_not_depend_on_its_dtype(fitted, fitted_sales):
    future = fitted_sales[:5].assign(time_period=np.arange(1000, 1005))
    for dtype in ("int32", "uint16", "Int64", "float64"):
        np.testing.assert_allclose(
            fitted.predict(future.astype({"time_period": dtype})), fitted.predict(future), rtol=SAME
        )
    together = pd.concat([fitted_sales[:5], future])
    np.testing.assert_allclose(
        fitted.predict(together.astype({"time_period": float})), fitted.predict(together), rtol=SAME
    )


LABELS = 300


@pytest.fixture(scope="module")
def new_products(fitted):
    """Elasticities and levels (labels, S) of new products of category 0, sold at one mean price."""
    price, period = np.exp(fitted.panel_.price_level.mean()), fitted.panel_.period[0]
    X = pd.DataFrame(
        {
            "product": np.repeat(np.arange(5000, 5000 + LABELS), 2),
            "category": 0,
            "time_period": period,
            "price": np.tile([price * np.exp(-0.5), price * np.exp(0.5)], LABELS),
        }
    )
    rows = encode_rows(X, fitted.panel_)
    pieces = linear_predictor_blocks(fitted.draws_, fitted.panel_, fitted.spec_, rows, fitted.seed_)
    low, high = np.moveaxis(np.vstack([eta for _, eta in pieces]).reshape(LABELS, 2, -1), 1, 0)
    return high - low, (high + low) / 2


def test_new_products_have_the_elasticities_of_their_group(fitted, new_products):
    beta, _ = new_products
    population = fitted.draws_.population
    group = list(fitted.panel_.levels[0].labels).index(0)
    z = (beta - population["elasticity_category"][group]) / population["elasticity_sd"]
    assert stats.kstest(z.ravel(), "norm").pvalue > UNLIKELY


def test_new_products_have_the_levels_of_their_group(fitted, new_products):
    beta, level = new_products
    population = fitted.draws_.population
    z = level - level.mean(axis=0)
    spread = z.std(axis=0, ddof=1) / population["product_effect_sd"]
    # The relative error of an sd of n normals is about sqrt(1 / 2n).
    assert np.abs(spread - 1).max() < 5 * np.sqrt(1 / (2 * LABELS))
    correlation = [np.corrcoef(b, d)[0, 1] for b, d in zip(beta.T, level.T, strict=True)]
    error = np.arctanh(correlation) - np.arctanh(population["correlation"])  # Fisher's z
    assert abs(error.mean()) < 5 / np.sqrt(LABELS * len(error))


def time_effects_at(fitted, fitted_sales, labels):
    """Time effects (labels, S) of new periods, in the category of the first product."""
    one = fitted_sales[:1]
    X = pd.concat([one] * len(labels), ignore_index=True).assign(time_period=labels)
    rows = encode_rows(X, fitted.panel_)
    pieces = linear_predictor_blocks(fitted.draws_, fitted.panel_, fitted.spec_, rows, fitted.seed_)
    eta = np.vstack([piece for _, piece in pieces])
    i = fitted.panel_.product.get_loc(one["product"].iloc[0])
    x = np.log(one["price"].iloc[0]) - fitted.panel_.price_level[i]
    known = fitted.draws_.gamma[fitted.panel_.block[i]]
    return eta - fitted.draws_.delta[i] - fitted.draws_.beta[i] * x, known


def test_periods_before_have_the_spread_of_time_effects(fitted, fitted_sales):
    before = fitted.panel_.period[0] - np.arange(1, LABELS + 1)
    new, known = time_effects_at(fitted, fitted_sales, before)
    assert stats.kstest((new / known.std(axis=0)).ravel(), "norm").pvalue > UNLIKELY


def dense_forecast(gamma, shock, drift, steps):
    """Mean and sd of a random walk plus shocks, ``steps`` ahead of gamma (T,), by Gaussian conditioning."""
    T, diffuse = len(gamma), 1e4
    t = np.append(np.arange(T), T - 1 + steps)
    covariance = diffuse + drift**2 * np.minimum.outer(t, t) + shock**2 * np.eye(T + 1)
    weights = np.linalg.solve(covariance[:T, :T], covariance[:T, T])
    return weights @ gamma, np.sqrt(covariance[T, T] - weights @ covariance[:T, T])


def test_future_periods_continue_the_random_walk(fitted, fitted_sales):
    steps = np.arange(1, LABELS + 1)
    new, known = time_effects_at(fitted, fitted_sales, fitted.panel_.period[-1] + steps)
    shock, drift = (fitted.draws_.population[f"time_{part}_sd"] for part in ("shock", "drift"))
    z = []
    for s in range(0, new.shape[1], 10):
        for h in (0, 1, 9, LABELS - 1):
            mean, sd = dense_forecast(known[:, s], shock[s], drift[s], steps[h])
            z.append((new[h, s] - mean) / sd)
    assert stats.kstest(z, "norm").pvalue > UNLIKELY


def test_last_level_is_dense_conditioning():
    rng = np.random.default_rng(6)
    gamma = rng.normal(size=(2, 12, 3))
    shock, drift = np.array([0.5, 1.0, 0.1]), np.array([0.2, 0.01, 0.7])
    level, variance = last_level(gamma, shock, drift)
    for s in range(3):
        for g in range(2):
            mean, sd = dense_forecast(gamma[g, :, s], shock[s], drift[s], 5)
            # The diffuse start has a variance of 1e4, so both agree to about 1e-4.
            assert level[g, s] == pytest.approx(mean, abs=1e-3)
            assert variance[s] + 5 * drift[s] ** 2 + shock[s] ** 2 == pytest.approx(sd**2, rel=1e-3)


def test_a_new_group_spreads_about_the_overall_elasticity(fitted, fitted_sales):
    first = fitted_sales[:1]
    X = pd.concat([first] * (2 * LABELS), ignore_index=True)
    X["product"] = X["category"] = np.repeat(np.arange(9000, 9000 + LABELS), 2)
    X["price"] = np.tile(first["price"].iloc[0] * np.exp([-0.5, 0.5]), LABELS)
    rows = encode_rows(X, fitted.panel_)
    pieces = linear_predictor_blocks(fitted.draws_, fitted.panel_, fitted.spec_, rows, fitted.seed_)
    low, high = np.moveaxis(np.vstack([eta for _, eta in pieces]).reshape(LABELS, 2, -1), 1, 0)
    population = fitted.draws_.population
    sd = np.hypot(population["elasticity_category_sd"], population["elasticity_sd"])
    z = (high - low - population["elasticity_global"]) / sd
    assert stats.kstest(z.ravel(), "norm").pvalue > UNLIKELY


@pytest.mark.parametrize(
    "pick",
    [
        lambda sales: sales.sample(frac=1, random_state=0),
        lambda sales: sales[sales["product"] == sales["product"].iloc[-1]],
        lambda sales: sales[sales["time_period"] > 30][::-1],
        lambda sales: sales[sales.columns[::-1]],
        lambda sales: sales.astype({"product": "category", "category": "category"})[::7],
    ],
    ids=["permuted", "one product", "late and reversed", "columns reversed", "categorical"],
)
def test_rows_are_matched_by_label(fitted, fitted_sales, pick):
    whole = pd.Series(fitted.predict(fitted_sales), index=fitted_sales.index)
    picked = pick(fitted_sales)
    np.testing.assert_allclose(fitted.predict(picked), whole[picked.index], rtol=SAME)


def test_score_is_the_mean_log_mean_density(fitted, fitted_sales):
    rows = encode_rows(fitted_sales, fitted.panel_)
    units = fitted_sales["units_sold"].to_numpy()
    pieces = linear_predictor_blocks(fitted.draws_, fitted.panel_, fitted.spec_, rows, fitted.seed_)
    eta = np.vstack([piece for _, piece in pieces])
    phi = fitted.draws_.scale
    density = stats.nbinom.pmf(units[:, None], phi, phi / (phi + np.exp(eta)))
    assert fitted.score(fitted_sales, units) == pytest.approx(np.log(density.mean(axis=1)).mean(), rel=1e-8)


def test_blocks_of_rows_change_nothing(fitted, fitted_sales, monkeypatch):
    whole = fitted.predict(fitted_sales), fitted.score(fitted_sales, fitted_sales["units_sold"])
    monkeypatch.setattr("hdfm.sales.posterior.predict.BLOCK_CELLS", 7 * fitted.draws_.delta.shape[1])
    np.testing.assert_array_equal(fitted.predict(fitted_sales), whole[0])
    assert fitted.score(fitted_sales, fitted_sales["units_sold"]) == whole[1]


def assert_same_loo(ours, theirs):
    for name in ("elpd", "se", "p", "n_samples", "n_data_points"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name
    for name in ("elpd_i", "pareto_k"):
        np.testing.assert_allclose(getattr(ours, name), np.ravel(getattr(theirs, name)), rtol=1e-9)
    assert ours.warning == theirs.warning


def loo_of_the_whole(values, chains):
    """ArviZ's loo of a log-likelihood (n, chains * draws) held at once."""
    n, S = values.shape
    tree = az.from_dict(
        {
            "posterior": {"unused": np.zeros((chains, S // chains))},
            "log_likelihood": {"y": values.T.reshape(chains, S // chains, n)},
        }
    )
    return az.loo(tree, pointwise=True, reff=1.0)


def test_loo_is_arviz_of_the_whole(cases):
    rng = np.random.default_rng(4)
    values = stats.norm.logpdf(rng.normal(size=(60, 1)), rng.normal(0, 0.2, size=(60, 400)), 1.0)
    blocks = [(slice(k, k + 25), values[k : k + 25]) for k in range(0, 60, 25)]
    assert_same_loo(loo_from_blocks(blocks, 60, 4), loo_of_the_whole(values, 4))


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_loo_of_a_fit(fitted, monkeypatch):
    rows, units = panel_rows(fitted.panel_)
    pieces = pointwise_log_likelihood(fitted.draws_, fitted.panel_, fitted.spec_, rows, units, fitted.seed_)
    expected = loo_of_the_whole(np.vstack([values for _, values in pieces]), 2)
    monkeypatch.setattr("hdfm.sales.posterior.predict.BLOCK_CELLS", 1000 * fitted.draws_.delta.shape[1])
    assert_same_loo(fitted.loo(), expected)


SUMMARY = ["mean", "sd", "lower", "upper", "p_elastic", "p_positive"]


@pytest.mark.parametrize(
    ("level", "variable", "before", "after"),
    [
        (None, "elasticity", ["category"], ["shrinkage", "n_price_changes", "units"]),
        ("category", "elasticity_category", [], ["n_products", "units"]),
        ("global", "elasticity_global", [], ["n_products", "units"]),
    ],
)
def test_elasticities_summarise_the_posterior(fitted, fitted_sales, level, variable, before, after):
    table = fitted.elasticities(level, ci_prob=0.8)
    assert list(table.columns) == before + SUMMARY + after
    assert table.attrs["ci_prob"] == 0.8
    draws = fitted.idata_["posterior"][variable].stack(sample=("chain", "draw"))
    if level != "global":
        draws = draws.sel({draws.dims[0]: table.index.to_list()})
    draws = np.atleast_2d(draws.to_numpy())
    np.testing.assert_allclose(table["mean"], draws.mean(axis=1))
    np.testing.assert_allclose(table["sd"], draws.std(axis=1, ddof=1))
    np.testing.assert_allclose(table[["lower", "upper"]], np.quantile(draws, [0.1, 0.9], axis=1).T)
    np.testing.assert_allclose(table["p_elastic"], (draws < -1).mean(axis=1))
    np.testing.assert_allclose(table["p_positive"], (draws > 0).mean(axis=1))
    assert table["units"].sum() == fitted_sales["units_sold"].sum()


def test_elasticities_of_products(fitted, fitted_sales):
    table = fitted.elasticities_
    pd.testing.assert_frame_equal(table, fitted.elasticities())
    pd.testing.assert_frame_equal(table, fitted.elasticities("product"))
    assert table.attrs["ci_prob"] == pytest.approx(az.rcParams["stats.ci_prob"])
    by_product = fitted_sales.groupby("product")
    changes = by_product["price"].agg(lambda price: int((price.diff().iloc[1:] != 0).sum()))
    np.testing.assert_array_equal(table["n_price_changes"], changes[table.index])
    np.testing.assert_array_equal(table["units"], by_product["units_sold"].sum()[table.index])
    np.testing.assert_array_equal(table["category"], by_product["category"].first()[table.index])
    assert table["shrinkage"].between(0, 1).all()
    posterior = fitted.idata_["posterior"]
    own = posterior["elasticity"].stack(sample=("chain", "draw")).transpose("product", "sample").to_numpy()
    groups = posterior["elasticity_category"].sel(category=table["category"].to_numpy())
    about = own - groups.stack(sample=("chain", "draw")).transpose("category", "sample").to_numpy()
    expected = about.var(axis=1) / np.mean(posterior["elasticity_sd"].to_numpy() ** 2)
    np.testing.assert_allclose(table["shrinkage"], expected.clip(0, 1))
    many, few = table.nlargest(15, "units")["sd"], table.nsmallest(15, "units")["sd"]
    assert many.mean() < few.mean()
    counts = fitted.elasticities("category")["n_products"]
    assert counts.to_dict() == table["category"].value_counts().to_dict()


def test_elasticities_of_nested_groups(cases):
    model = fit_at(cases("all"))
    table = model.elasticities("category")
    assert list(table.columns) == ["department", *SUMMARY, "n_products", "units"]
    assert table["department"].to_dict() == {0: "food", 1: "food", 2: "home"}
    departments = model.elasticities("department")
    assert departments["n_products"].to_dict() == table.groupby("department")["n_products"].sum().to_dict()
    assert list(model.elasticities().columns[:2]) == ["department", "category"]


def test_elasticities_without_a_price_are_empty(cases):
    table = fit_at(cases("no price")).elasticities()
    assert len(table) == 0
    assert list(table.columns) == SUMMARY


def test_the_sign_constraint_holds(cases):
    case = cases("negative")
    model = fit_at(case)
    assert (case.draws.beta < 0).all()
    assert (model.elasticities()["p_positive"] == 0).all()
    pairs = case.sales[case.sales["product"] == case.sales["product"].iloc[0]].iloc[[0, 0]]
    new = pairs.assign(product=900, price=pairs["price"] * [0.9, 1.1], category=[5, 5])
    cheap, dear = model.predict(new)
    assert cheap > dear


def at_elasticity(case, beta) -> HierarchicalElasticity:
    """A fit whose every draw has the same elasticity, ``beta``."""
    model = fit_at(case)
    model.draws_ = replace(case.draws, beta=np.full_like(case.draws.beta, beta))
    return model


GRID_STEP = 0.4 / 80


@pytest.mark.parametrize("beta", [-2.0, -3.0, -6.0])
@pytest.mark.parametrize("name", ["poisson", "log-normal", "all"])
def test_optimal_price_of_one_elasticity(cases, beta, name):
    model = at_elasticity(cases(name), beta)
    last = pd.Series(model.panel_.last_price, index=model.panel_.product)
    wanted = pd.Series(np.linspace(0.85, 1.15, len(last)), index=last.index)
    cost = wanted * last * (1 + beta) / beta
    table = model.optimal_price(cost)
    np.testing.assert_allclose(table["ratio"], wanted, atol=GRID_STEP / 2 + 1e-9)
    np.testing.assert_allclose(table["optimal_price"], table["ratio"] * table["price"])
    np.testing.assert_allclose(table["price"], last)
    assert not table["at_bound"].any()
    gain = (table["optimal_price"] - cost) * table["units_at_optimum"] - (table["price"] - cost) * table[
        "units"
    ]
    np.testing.assert_allclose(table["change"], gain, rtol=1e-6)
    np.testing.assert_allclose(table["units_at_optimum"] / table["units"], table["ratio"] ** beta)
    assert (table["change"] >= 0).all()
    assert (table["change_lower"] <= table["change_upper"]).all()


@pytest.mark.parametrize(
    ("beta", "objective", "cost", "ratio"),
    [
        (-0.5, "profit", 0.0, 1.2),
        (-0.5, "revenue", None, 1.2),
        (-3.0, "revenue", None, 0.8),
        (-0.5, "units", None, 0.8),
        (0.5, "units", None, 1.2),
        (-3.0, "profit", 1e6, 1.2),
    ],
)
def test_optimal_price_at_a_bound(cases, beta, objective, cost, ratio):
    table = at_elasticity(cases("poisson"), beta).optimal_price(cost, objective=objective)
    np.testing.assert_allclose(table["ratio"], ratio)
    assert table["at_bound"].all()
    assert table.attrs["objective"] == objective


def test_units_of_today_are_those_of_an_average_period(cases):
    case = cases("poisson")
    table = fit_at(case).optimal_price(1.0)
    x = np.log(case.panel.last_price) - case.panel.price_level
    today = np.exp(case.draws.delta + case.draws.beta * x[:, None]).mean(axis=1)
    np.testing.assert_allclose(table["units"], today)


def test_uncertain_elasticities_move_the_optimum(cases):
    case = cases("poisson")
    model = fit_at(case)
    model.draws_ = replace(case.draws, beta=np.tile([-1.5, -4.5], (len(case.panel.product), POINTS // 2)))
    cost = 0.6 * case.panel.last_price
    table = model.optimal_price(pd.Series(cost, index=case.panel.product), bounds=(0.5, 2.0))
    ratios = np.linspace(0.5, 2.0, 81)[:, None]
    for i, product in enumerate(case.panel.product):
        p = ratios * case.panel.last_price[i]
        units = np.exp(case.draws.delta[i] + model.draws_.beta[i] * (np.log(p) - case.panel.price_level[i]))
        profit = ((p - cost[i]) * units).mean(axis=1)
        assert table.loc[product, "ratio"] == pytest.approx(float(ratios[profit.argmax(), 0]))
    with pytest.raises(InvalidArgumentError, match="ci_prob must lie strictly between 0 and 1"):
        model.optimal_price(1.0, ci_prob=1.5)


def log_density_near_start(sales, coordinates=None, **arguments):
    """log p at points near ``coordinates`` (the start by default), and the coordinates."""
    model = HierarchicalElasticity(**arguments).build_model(sales, sales["units_sold"])
    coordinates = model.initial_point() if coordinates is None else coordinates
    # Factors are added in NumPy: PyTensor's Python mode adds no more than 32.
    factors = model.compile_fn(model.logp(sum=False), inputs=model.value_vars, mode="FAST_COMPILE")
    rng = np.random.default_rng(0)
    values = []
    for _ in range(3):
        point = {k: v + WALK * rng.standard_normal(np.shape(v)) for k, v in coordinates.items()}
        values.append(sum(np.sum(factor) for factor in factors(point)))
    return np.array(values), coordinates


CHANGES = {
    "currency": lambda sales: sales.assign(price=100 * sales["price"]),
    "rows": lambda sales: sales.sample(frac=1, random_state=2),
    "units of a control": lambda sales: sales.assign(display=3 - 7 * sales["display"]),
    "labels in order": lambda sales: sales.assign(product=sales["product"] + 1000),
    "time in order": lambda sales: sales.assign(
        time_period=pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * sales["time_period"], unit="D")
    ),
}


@pytest.mark.parametrize("change", ["currency", "rows", "labels in order", "time in order"])
@pytest.mark.parametrize("name", ["all", "all, log-normal", "all, conditional"])
def test_what_the_log_density_does_not_depend_on(change, name):
    arguments = dict(CASES[name])
    sales = store_sales(arguments.pop("noise", "poisson"), missing_prob=0.2, late_start_prob=0.3)
    arguments.pop("gaps")
    expected, coordinates = log_density_near_start(sales, **arguments)
    values, _ = log_density_near_start(CHANGES[change](sales), coordinates, **arguments)
    np.testing.assert_allclose(values, expected, rtol=LIKELIHOOD)


def test_currency_changes_no_prediction(mock_sampling, elasticity, sales):
    dollars = elasticity().fit(sales, sales["units_sold"])
    cents = sales.assign(price=100 * sales["price"])
    other = elasticity().fit(cents, cents["units_sold"])
    np.testing.assert_allclose(other.predict(cents), dollars.predict(sales), rtol=1e-7)
    new = sales[:20].assign(product=77)
    np.testing.assert_allclose(
        other.predict(new.assign(price=100 * new["price"])), dollars.predict(new), rtol=1e-7
    )
    prices = dollars.optimal_price(5.0), other.optimal_price(500.0)
    np.testing.assert_allclose(prices[1]["optimal_price"], 100 * prices[0]["optimal_price"])


@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson", "log_normal"])
def test_drawn_units_have_the_moments_of_the_likelihood(likelihood):
    rng, S = np.random.default_rng(0), 200_000
    scale = np.full(S, {"negative_binomial": 3.0, "poisson": np.inf, "log_normal": 0.4}[likelihood])
    units = draw_units(np.full((1, S), np.log(20.0)), scale, likelihood, rng)[0]
    mean = 20.0 * (np.exp(0.08) if likelihood == "log_normal" else 1.0)
    variance = {
        "negative_binomial": 20 + 20**2 / 3,
        "poisson": 20,
        "log_normal": mean**2 * np.expm1(0.16),
    }[likelihood]
    assert units.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / S))
    assert units.var() == pytest.approx(variance, rel=0.05)
