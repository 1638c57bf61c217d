"""Products that were selected on their sales, and the population that they come from."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from conftest import ROLES, UNFITTED
from pytensor.compile.mode import Mode
from scipy.special import log_ndtr
from scipy.stats import norm, truncnorm
from sklearn.model_selection import cross_val_score

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import keep_sellers, simulate_sales
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.model_selection import RollingOriginSplit
from hdfm.sales.graph.selection import log_normal_cdf
from hdfm.sales.laplace.arrow import factor_arrow, left_by_first
from hdfm.sales.laplace.marginal import quadratic
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.laplace.prior import arrow_model
from hdfm.sales.laplace.selection import Selection, _mills
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.panel.selection import BELOW, level_thresholds, selected_share
from hdfm.sales.sampling import demand_model
from hdfm.sales.spec import DemandSpec

ABOVE, STEP = 30.0, 1e-5
SPEC = DemandSpec("poisson", True, "random", False, ElasticityPriors(), ABOVE)
PLAIN = Mode(linker="py", optimizer=None)


@pytest.fixture(scope="module")
def sellers():
    sales = simulate_sales(2000, 3, 30, 0.5, seed=3, period_noise=0.0)
    return keep_sellers(sales, ABOVE)


@pytest.fixture(scope="module")
def panel(sellers):
    units = sellers["units_sold"].to_numpy(float)
    return build_panel(sellers, units, Roles("product", ("category",), "time_period", "price"))


def laplace(**changes):
    return HierarchicalElasticity(
        **{**ROLES, "likelihood": "poisson", "inference": "laplace", "draws": 250, **changes}
    )


@pytest.fixture(scope="module")
def model(panel):
    return arrow_model(panel, SPEC)


@pytest.fixture
def of_group(model):
    return np.random.default_rng(0).normal(size=(3, model.layout.n_group))


def test_inverse_mills_ratio_far_below():
    z = np.array([-37.0, -30.5, -29.5, -5.0, 2.0])
    np.testing.assert_allclose(_mills(z), np.exp(norm.logpdf(z) - log_ndtr(z)), rtol=2e-5)
    assert _mills(np.array([-1e11]))[0] == pytest.approx(1e11)


def test_log_normal_cdf():
    z = np.array([-200.0, -30.0, -8.5, -8.0, -7.5, -1.0, 0.0, 3.0, 9.0])
    x = pt.vector()
    value, slope = log_normal_cdf(x), pt.grad(log_normal_cdf(x).sum(), x)
    np.testing.assert_allclose(value.eval({x: z}, mode=PLAIN), log_ndtr(z), rtol=1e-4, atol=1e-12)
    expected = np.exp(-(z**2) / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(slope.eval({x: z}, mode=PLAIN), expected, rtol=2e-4, atol=1e-15)


def test_products_expected_to_sell_the_threshold_stand_at_it(panel):
    beta = -1.7
    threshold = level_thresholds(panel, ABOVE, beta)
    expected = np.exp(threshold[:, None] + beta * panel.log_price) * panel.observed
    np.testing.assert_allclose(expected.sum(axis=1), ABOVE)


def test_graph_and_arrow_have_the_same_term(panel, model):
    """The potential of the graph at its starting point, and the arrow's there."""
    graph = demand_model(panel, SPEC)
    point, group = graph.initial_point(), model.layout.group
    names = ["group_effect", "between_price", "product_effect_sd"]
    outputs = graph.replace_rvs_by_values([graph["selection"], *(graph[name] for name in names)])
    found = graph.compile_fn(outputs, inputs=graph.value_vars, mode=PLAIN, on_unused_input="ignore")
    term, level, slope, sd = found({name: point[name] for name in (v.name for v in graph.value_vars)})
    of_group = np.zeros((3, model.layout.n_group))
    of_group[:, group["level"]], of_group[:, group["slope"]] = level, slope
    assert term > 1
    assert term == pytest.approx(model.selection.value(of_group, float(sd)), rel=1e-6)


def test_term_is_the_mass_of_a_truncated_normal():
    """log density of a truncated normal = log density of the normal + the term, at any value."""
    design, threshold, sd = np.ones((1, 1)), np.array([0.4]), 1.3
    term = Selection(threshold, 0.0, design, np.zeros(1, dtype=int)).value(np.array([[-0.2]]), sd)
    above = truncnorm((0.4 + 0.2) / sd, np.inf, loc=-0.2, scale=sd)
    normal = -(((1.0 + 0.2) / sd) ** 2) / 2 - np.log(sd * np.sqrt(2 * np.pi))
    assert above.logpdf(1.0) == pytest.approx(normal + term)


def test_expansion_is_that_of_differences(model, of_group):
    one, sd = model.selection, 1.2
    term = one.term(of_group, sd, np.zeros(len(one.threshold)))
    shape = of_group.shape
    steps = STEP * np.eye(of_group.size).reshape(-1, *shape)
    slope = [(one.value(of_group + e, sd) - one.value(of_group - e, sd)) / (2 * STEP) for e in steps]
    np.testing.assert_allclose(term.slope.ravel(), slope, rtol=1e-5, atol=1e-5)
    known = np.zeros(len(one.threshold))
    for k, step in enumerate(steps):
        up, down = (one.term(of_group + e, sd, known).slope for e in (step, -step))
        g = k // shape[1]
        column = (up - down)[g] / (2 * STEP)
        np.testing.assert_allclose(term.curvature[g][:, k % shape[1]], column, rtol=1e-5, atol=1e-4)


def test_hardly_known_levels_leave_the_precision_positive(model):
    known = np.full(len(model.selection.threshold), 50.0)
    term = model.selection.term(np.full((3, model.layout.n_group), -9.0), 1.2, known)
    counts = np.bincount(model.panel.group)
    assert (term.curvature[:, 0, 0] <= counts / 51).all()


def test_slope_of_the_marginal_is_that_of_differences(panel):
    mode = laplace_mode(panel, SPEC)
    coordinates, u = mode.coordinates, mode.coordinates.coordinates(mode.scales)
    at, k = quadratic(mode.marginal, mode.scales, central=True), coordinates.names.index("product_effect")
    sd = np.where(np.arange(len(u)) == k, at.curvature[k, k] ** -0.5, 1)
    assert 0.05 < sd[k] < 0.1
    for k, name in enumerate(coordinates.names):
        up, down = (
            mode.marginal.value_given_noise(coordinates.scales(u + e, mode.scales))
            for e in 0.002 * np.array([1, -1])[:, None] * np.eye(len(u))[k]
        )
        assert sd[k] * at.slope[k] == pytest.approx(sd[k] * (up - down) / 0.004, abs=0.06), name


def test_effects_eliminated_first_leave_the_same_solution():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(13, 40))
    P, h = root @ root.T, rng.normal(size=13)
    P[:5, 5:10] = P[5:10, :5] = 0
    P += 20 * np.eye(13)
    bundles, border, top = np.stack([P[:5, :5], P[5:10, 5:10]]), P[:10, 10:].reshape(2, 5, 3), P[10:, 10:]
    right = np.concatenate([border, h[:10].reshape(2, 5, 1)], axis=2)
    left, right, top = left_by_first(3, bundles, right, np.column_stack([top, h[10:]]))
    found = factor_arrow(left, right[..., :-1], top[:, :-1]).solve(right[..., -1], top[:, -1])
    x = np.linalg.solve(P, h)
    np.testing.assert_allclose(found[0], x[:10].reshape(2, 5)[:, 3:])
    np.testing.assert_allclose(found[1], x[10:])


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_the_population_before_the_selection(seed):
    """Categories' means from products that sold; errors and coverage of those."""
    population = simulate_sales(2000, 3, 30, 0.5, seed=seed, period_noise=0.0)
    sellers = keep_sellers(population, ABOVE)
    truth = sellers.groupby("product")["product_elasticity"].first()
    categories = population.groupby("category")["category_elasticity"].first()
    with_it, without = (
        laplace(selected_above=above).fit(sellers, sellers["units_sold"]) for above in (ABOVE, None)
    )

    def gap(model):
        return (model.elasticities("category")["mean"] - categories).abs().mean()

    def error(model):
        return (model.elasticities_["mean"] - truth).abs().mean()

    table = with_it.elasticities(ci_prob=0.9)
    truth = truth[table.index]
    assert gap(with_it) < gap(without)
    assert error(with_it) < error(without)
    assert 0.8 < ((table["lower"] < truth) & (truth < table["upper"])).mean() < 0.98


def first_half(sellers):
    return sellers[sellers["time_period"].isin(sorted(sellers["time_period"].unique())[:15])]


@UNFITTED
def test_new_products_come_from_the_population_before(sellers):
    def median_of_a_new_one(above):
        model = laplace(selected_above=above).fit(sellers, sellers["units_sold"])
        new = sellers[sellers["category"] == 1].head(30).assign(product=-1)
        return model.predict_quantiles(new, (0.5,)).to_numpy().mean()

    assert median_of_a_new_one(ABOVE) < median_of_a_new_one(None)


@pytest.mark.parametrize("value", [0, -3.0, "100", True, np.inf])
def test_thresholds_out_of_range(sellers, value):
    with pytest.raises(InvalidArgumentError, match="selected_above must be a number above 0"):
        HierarchicalElasticity(**ROLES, selected_above=value).fit(sellers, sellers["units_sold"])


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [("demand", "wandering", "independent"), ("elasticity_path", "moving", "constant")],
)
def test_what_moves_over_time_can_not_be_had_with_a_selection(sellers, name, value, remedy):
    model = HierarchicalElasticity(**ROLES, selected_above=ABOVE, **{name: value})
    message = f"selected_above can't be had with {name}='{value}'.*Take {name}='{remedy}'"
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(sellers, sellers["units_sold"])
    model.set_params(**{name: remedy}, dispersion="product").build_model(sellers, sellers["units_sold"])


def test_products_that_were_not_selected_are_named(sellers):
    model = HierarchicalElasticity(**ROLES, selected_above=60, selected_periods=30)
    with pytest.raises(InvalidDataError, match=r"of \d+ did not \(such as \d+.*keep_sellers"):
        model.fit(sellers, sellers["units_sold"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selected_periods": 0}, "a whole number, at least 1"),
        ({"selected_periods": True}, "a whole number, at least 1"),
        ({"selected_above": None}, "it needs selected_above=, which is None"),
        ({"time": None}, "it needs time=, which is None"),
    ],
)
def test_periods_of_the_selection(sellers, changes, message):
    model = HierarchicalElasticity(
        **ROLES | {"selected_above": ABOVE, "selected_periods": 30} | changes, progressbar=False
    )
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(sellers, sellers["units_sold"])


def test_a_part_of_the_sample_has_its_share_of_the_threshold(sellers):
    first = first_half(sellers)
    model = laplace(selected_above=ABOVE, selected_periods=30, draws=50)
    model.fit(first, first["units_sold"])
    total = first.groupby("product")["units_sold"].sum()
    assert model.spec_.selected_here == pytest.approx(min(ABOVE / 2, max(total.min(), 0.5)))
    found = model.data_report_.set_index("finding")["count"][BELOW]
    assert found == (total <= ABOVE / 2).sum() > 0
    assert len(model.elasticities_) == len(total)


def test_a_part_of_the_sample_that_nobody_named(sellers):
    first = first_half(sellers)
    total = first.groupby("product")["units_sold"].sum()
    with pytest.warns(DataWarning, match=r"of \d+ did not .* selected_periods="):
        model = laplace(selected_above=ABOVE, draws=50).fit(first, first["units_sold"])
    assert model.spec_.selected_here == pytest.approx(max(total.min(), 0.5))
    assert model.data_report_.set_index("finding")["count"][BELOW] == (total <= ABOVE).sum()


@pytest.mark.parametrize(
    ("units", "periods", "share"),
    [
        ([150.0, 120.0], None, 1.0),
        ([150.0, 120.0], 60, 0.5),
        ([60.0, 40.0], 60, 0.4),
        ([60.0, 40.0], None, 0.4),
        ([250.0, 240.0], 20, 1.5),
        ([60.0, 0.0], 60, 0.005),
    ],
)
def test_the_share_of_a_selection(panel, units, periods, share):
    part = replace(panel, units=np.array(units)[:, None])
    assert len(part.period) == 30
    assert selected_share(part, 100.0, periods) == pytest.approx(share)


def test_products_too_close_to_the_threshold_are_said():
    """A narrow range of levels just above it pulls the group's mean without end."""
    rng, N, T = np.random.default_rng(0), 40, 60
    log_price = 0.12 * rng.standard_normal((N, T))
    mean = np.exp(rng.normal(0.5, 0.5, N)[:, None] - 2 * log_price)
    sales = pd.DataFrame(
        {
            "product": np.repeat(np.arange(N), T),
            "category": 1,
            "time_period": np.tile(np.arange(T), N),
            "price": np.exp(log_price).ravel(),
            "units_sold": rng.poisson(mean).ravel(),
        }
    )
    sales = keep_sellers(sales, 100.0)
    laplace(selected_above=100.0, draws=50).fit(sales, sales["units_sold"])
    early = sales[sales["time_period"] < 15]
    with pytest.raises(InvalidDataError, match=r"cuts so close to what products sold, 22 to \d+ units in X"):
        laplace(selected_above=100.0, selected_periods=60, draws=50).fit(early, early["units_sold"])


def test_the_whole_sample_has_no_finding(sellers):
    model = laplace(selected_above=ABOVE, selected_periods=30, draws=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        model.fit(sellers, sellers["units_sold"])
    assert model.spec_.selected_share == 1
    assert BELOW not in set(model.data_report_["finding"])


@pytest.mark.slow
def test_half_of_the_periods_tell_of_the_population_too():
    """Categories' means from the first half of the periods of products that sold enough in all of them."""
    gaps = []
    for seed in (1, 2, 3):
        population = simulate_sales(2000, 3, 30, 0.5, seed=seed, period_noise=0.0)
        categories = population.groupby("category")["category_elasticity"].first()
        half = first_half(keep_sellers(population, ABOVE))
        found = [
            laplace(**changes).fit(half, half["units_sold"]).elasticities("category")["mean"]
            for changes in ({"selected_above": ABOVE, "selected_periods": 30}, {})
        ]
        gaps.append([(mean - categories).abs().mean() for mean in found])
    with_it, without = np.mean(gaps, axis=0)
    assert with_it < without, gaps


@pytest.mark.parametrize("changes", [{"selected_periods": 30}, {}])
def test_selection_can_be_cross_validated(sellers, changes):
    model = laplace(selected_above=ABOVE, draws=50, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # folds hold a part of the sample that was selected
        splits = RollingOriginSplit("time_period", 2)
        scores = cross_val_score(model, sellers, sellers["units_sold"], cv=splits)
    assert np.isfinite(scores).all()
