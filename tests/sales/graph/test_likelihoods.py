"""Predictions and the graph by independent routes: PyTensor, NumPy over draws, SciPy."""

import itertools
import operator
from functools import reduce

import numpy as np
import pandas as pd
import pytest
from conftest import NO_PATHS, UNFITTED
from pymc.pytensorf import gradient as gradient_of
from pytensor.compile.mode import Mode
from reference.demand import CASES, GROUPED, POINTS, SAME, SHIFTED, WALK, fit_at, store_sales
from scipy import stats
from scipy.special import softmax

from hdfm import HierarchicalElasticity
from hdfm.sales.graph.data import common_sizes, sizes_of
from hdfm.sales.likelihoods.registry import LIKELIHOODS as FAMILIES
from hdfm.sales.panel.rows import panel_rows
from hdfm.sales.posterior.predict import expected_units, linear_predictor_blocks
from hdfm.sales.sampling import demand_model

UNOPTIMISED = Mode(linker="py", optimizer=None)
# Sums over some hundred cells of differences of gammaln of counts to 1e6.
LIKELIHOOD = 1e-8
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
CHANGES = {
    "currency": lambda sales: sales.assign(price=100 * sales["price"]),
    "rows": lambda sales: sales.sample(frac=1, random_state=2),
    "units of a control": lambda sales: sales.assign(display=3 - 7 * sales["display"]),
    "labels in order": lambda sales: sales.assign(product=sales["product"] + 1000),
    "time in order": lambda sales: sales.assign(
        time_period=pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * sales["time_period"], unit="D")
    ),
}


def test_expected_units_in_pytensor_and_numpy(case):
    rows, _ = panel_rows(case.panel)
    noise = case.draws.scale.shared**2 / 2 if case.spec.likelihood == "log_normal" else np.zeros(POINTS)
    expected = np.exp(case.full_eta + noise[:, None, None])
    pieces = linear_predictor_blocks(case.posterior, rows)
    eta = np.vstack([piece for _, piece, _ in pieces])
    np.testing.assert_allclose(np.exp(eta + noise), expected[:, case.panel.observed].T, rtol=SAME)
    np.testing.assert_allclose(
        expected_units(case.posterior, rows),
        expected[:, case.panel.observed].mean(axis=0),
        rtol=SAME,
    )


def test_predict_matches_the_graph_by_label(case):
    noise = case.draws.scale.shared**2 / 2 if case.spec.likelihood == "log_normal" else np.zeros(POINTS)
    expected = np.exp(case.full_eta + noise[:, None, None]).mean(axis=0)
    i = case.panel.product.get_indexer(case.sales["product"])
    t = case.panel.period.get_indexer(case.sales["time_period"])
    predicted = fit_at(case).predict(case.sales)
    np.testing.assert_allclose(predicted, expected[i, t], rtol=SAME)


def density_by_scipy(case):
    """Log-likelihood by observed cell (n, S) from scipy.stats and PyTensor's eta."""
    eta = case.full_eta[:, case.panel.observed].T
    units = case.panel.units[case.panel.observed][:, None]
    mean, scale = np.exp(eta), case.draws.scale.shared
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
def test_conditional_poisson_is_poisson_given_totals(cases, name):
    case = cases(name)
    mean = np.where(case.panel.observed, np.exp(case.full_eta), 0.0).sum(axis=2)
    totals = stats.poisson.logpmf(case.panel.units.sum(axis=1), mean)
    np.testing.assert_allclose(
        case.pointwise.sum(axis=0) - totals.sum(axis=1), case.log_likelihood, rtol=LIKELIHOOD
    )


def combinations():
    """One graph per likelihood and kind of effects quickly, and an eighth of all, spread evenly, slowly."""
    for k, likelihood in enumerate(LIKELIHOODS):
        for g, graph in enumerate(GRAPHS):
            mine = g == 7 * k % len(GRAPHS)
            if mine and (k % 2 == (k // 2) % 2):  # a sign every other time
                yield pytest.param(*likelihood, *graph)
            elif mine or (g + 3 * k) % 8 == 0:
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
        **{**GROUPED, **NO_PATHS, "groups": groups, **(SHIFTED if extras else {})},
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


def log_density_near_start(sales, coordinates=None, **arguments):
    """log p at points near ``coordinates`` (the start by default), and the coordinates."""
    model = HierarchicalElasticity(**NO_PATHS, **arguments).build_model(sales, sales["units_sold"])
    coordinates = model.initial_point() if coordinates is None else coordinates
    # Factors are added in NumPy: PyTensor's Python mode adds no more than 32.
    factors = model.compile_fn(model.logp(sum=False), inputs=model.value_vars, mode="FAST_COMPILE")
    rng = np.random.default_rng(0)
    values = []
    for _ in range(3):
        point = {k: v + WALK * rng.standard_normal(np.shape(v)) for k, v in coordinates.items()}
        values.append(sum(np.sum(factor) for factor in factors(point)))
    return np.array(values), coordinates


@pytest.mark.parametrize("change", ["currency", "rows", "labels in order", "time in order"])
@pytest.mark.parametrize(
    "name",
    [
        "all, conditional",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("all", "all, log-normal")),
    ],
)
def test_what_the_log_density_does_not_depend_on(change, name):
    arguments = dict(CASES[name])
    sales = store_sales(arguments.pop("noise", "poisson"), missing_prob=0.2, late_start_prob=0.3)
    arguments.pop("gaps")
    expected, coordinates = log_density_near_start(sales, **arguments)
    values, _ = log_density_near_start(CHANGES[change](sales), coordinates, **arguments)
    np.testing.assert_allclose(values, expected, rtol=LIKELIHOOD)


@UNFITTED
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


@pytest.mark.parametrize("likelihood", FAMILIES)
def test_periods_that_are_alike_all_count(likelihood):
    """Without prices and time effects eta is the same in all of them."""
    noise = "log_normal" if likelihood == "log_normal" else "poisson"
    sales = store_sales(noise)
    model = HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        time_effects=None,
        likelihood=likelihood,
        **NO_PATHS,
    )
    panel, spec = model._panel(sales, sales["units_sold"])
    assert sizes_of(panel).complete
    values = []
    for sizes in (None, common_sizes(panel)):
        graph = demand_model(panel, spec, sizes)
        (potential,) = graph.replace_rvs_by_values(graph.potentials)
        evaluate = graph.compile_fn(potential, inputs=graph.value_vars, mode="FAST_COMPILE")
        values.append(float(evaluate(graph.initial_point())))
    assert values[0] == pytest.approx(values[1], rel=LIKELIHOOD)
