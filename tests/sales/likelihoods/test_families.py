"""Each likelihood by independent routes: NumPy, PyTensor and its derivatives, SciPy."""

from dataclasses import fields, replace

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.gradient import grad
from reference.sales import case
from scipy import stats
from scipy.special import gammaln

from hdfm.datasets.simulate import NOISES
from hdfm.sales.likelihoods.negative_binomial import NEGATIVE_BINOMIAL, graph_log_rising, log_rising
from hdfm.sales.likelihoods.nodes import NodeCells
from hdfm.sales.likelihoods.noise import by_product, is_shared
from hdfm.sales.likelihoods.poisson import POISSON, graph_given_totals
from hdfm.sales.likelihoods.registry import FAMILIES
from hdfm.sales.likelihoods.statistics import MASKED, Effects, UnitStatistics
from hdfm.sales.likelihoods.zero_inflated_poisson import ZERO_INFLATED_POISSON

UNOPTIMISED = Mode(linker="py", optimizer=None)
DISPERSIONS = np.array([0.3, 2.0, 9.0])  # by product, in turn
LIKELIHOOD = 1e-8  # sums over some hundred cells of differences of gammaln
STEP, SLOPE = 1e-5, 1e-6  # of central differences, and their relative error
MOST_UNITS = 400  # which means of the panels don't reach
SINGLE = 1e-5  # relative error of sums in 32 bits
RISING = 1e-9  # of sums of up to 1,000 logs
NAMES = list(FAMILIES)
SCALES = {"negative_binomial": 3.0, "poisson": np.inf, "log_normal": 0.4, "zero_inflated_poisson": 0.5}


@pytest.fixture(scope="module", params=NAMES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module", params=["complete", "gaps", "weighted"])
def panel(request, family):
    noise = family.name if family.name in NOISES else "poisson"  # no family needs a simulator
    panel = case("one level", family.name, noise=noise).panel
    match request.param:
        case "complete":
            filled = np.where(panel.observed, panel.units, 1.0)
            return replace(panel, observed=np.ones_like(panel.observed), units=filled)
        case "gaps":
            return panel
        case "weighted":
            weight = np.random.default_rng(3).integers(1, 5, panel.units.shape) / 2
            return replace(panel, weight=weight * panel.observed)


@pytest.fixture(scope="module", params=["shared", "by product"])
def scale(request, panel):
    """Dispersion of counts, or sd of log units, (1,) or (N,)."""
    return np.array([0.7]) if request.param == "shared" else np.resize(DISPERSIONS, len(panel.product))


def effects_of(panel):
    """Levels and elasticities (N,)."""
    rng, N = np.random.default_rng(1), len(panel.product)
    return np.log(panel.units.mean(axis=1) + 1) + 0.2 * rng.standard_normal(N), rng.normal(-1.5, 0.4, N)


def sold(panel):
    """Units (N, T), 1 where not observed: volumes have logs."""
    return np.where(panel.observed, panel.units, 1.0)


def eta_of(panel, delta, beta):
    return delta[:, None] + beta[:, None] * panel.log_price + panel.log_exposure


def variance_of(family, scale):
    """Variance of the noise by product, broadcast to cells."""
    if family.noise is None:
        return np.zeros((1, 1))
    return scale[:, None] ** (2 / power_of(family.noise))


def power_of(noise):
    """Which power of the noise parameter the scale of densities is."""
    return dict(noise.powers).get(noise.scale, 1)


def graph_of(family, panel, scale):
    """Log-likelihood, and its first and second derivatives by levels (N,), at levels and elasticities."""
    delta, beta = pt.dvector("delta"), pt.dvector("beta")
    found = family.statistics(panel, False)
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    units = UnitStatistics(
        **{name: None if array is None else pt.constant(array) for name, array in arrays.items()}
    )
    eta = eta_of(panel, delta, beta)
    value = family.graph(units, Effects(delta, beta, None, None), eta, pt.constant(scale))
    slope = grad(value, delta)
    curvature = grad(slope.sum(), delta)  # levels of products do not meet
    at = dict(zip((delta, beta), effects_of(panel), strict=True))
    return [part.eval(at, mode=UNOPTIMISED) for part in (value, slope, curvature)]


def test_graph_is_the_sum_of_the_log_density(family, panel, scale):
    density = family.log_density(sold(panel), eta_of(panel, *effects_of(panel)), scale[:, None])
    value, _, _ = graph_of(family, panel, scale)
    assert value == pytest.approx(panel.total(density), rel=LIKELIHOOD)


def test_working_likelihood_has_the_derivatives_of_the_graph(family, panel, scale):
    eta, variance = eta_of(panel, *effects_of(panel)), variance_of(family, scale)
    _, gradient, precision = family.working(panel.units, panel.observed, eta, variance)
    _, slope, curvature = graph_of(family, panel, scale)
    np.testing.assert_allclose(panel.weighted(gradient).sum(axis=1), slope, rtol=LIKELIHOOD, atol=LIKELIHOOD)
    if family.log_concave:
        np.testing.assert_allclose(panel.weighted(precision).sum(axis=1), -curvature, rtol=LIKELIHOOD)
    assert (precision[panel.observed] > 0).all()


def test_working_likelihood_has_the_differences_of_the_log_density(family, panel, scale):
    eta, variance = eta_of(panel, *effects_of(panel)), variance_of(family, scale)
    units, seen = panel.units, panel.observed
    up, here, down = (family.working(units, seen, eta + k * STEP, variance) for k in (1, 0, -1))
    higher, lower = (family.log_density(sold(panel), eta + k * STEP, scale[:, None]) for k in (1, -1))
    np.testing.assert_allclose((up[0] - down[0])[seen], (higher - lower)[seen], atol=SLOPE * STEP)
    np.testing.assert_allclose(here[1], (up[0] - down[0]) / (2 * STEP), rtol=SLOPE, atol=SLOPE)
    exact = -(up[1] - down[1]) / (2 * STEP)
    bounded = np.zeros_like(seen) if family.log_concave else here[2] > exact + SLOPE
    assert not bounded[panel.units > 0].any()
    np.testing.assert_allclose(here[2][~bounded], exact[~bounded], rtol=SLOPE, atol=SLOPE)
    assert not any(part[~seen].any() for part in here)


def test_constants_of_noise_are_what_the_working_likelihood_leaves_out(family, panel):
    if family.noise is None:
        return
    eta, N = eta_of(panel, *effects_of(panel)), len(panel.product)
    power = 1 / power_of(family.noise)
    rests = []
    for scale in (np.full(N, 0.7), np.resize(DISPERSIONS, N), by_product(0.7, N)):
        noise = by_product(0.7**power, N) if is_shared(scale) else scale**power
        density = panel.total(family.log_density(sold(panel), eta, scale[:, None]))
        value, _, _ = family.working(panel.units, panel.observed, eta, variance_of(family, scale))
        rests.append(density - panel.total(value) - family.noise.log_constant(panel, noise))
    np.testing.assert_allclose(rests, rests[0], rtol=LIKELIHOOD)


def test_expected_information(family, panel, scale):
    """That where units are expected; of a likelihood that is not concave, the variance of the score."""
    eta, variance = eta_of(panel, *effects_of(panel)), variance_of(family, scale)
    if family.log_concave:
        expected = np.where(panel.observed, np.exp(eta), 0.0)
        _, _, information = family.working(expected, panel.observed, eta, variance)
    else:
        chances = (np.exp(family.log_density(y, eta, scale[:, None])) for y in range(MOST_UNITS))
        scores = (
            family.working(y * panel.observed, panel.observed, eta, variance)[1] for y in range(MOST_UNITS)
        )
        information = sum(p * score**2 for p, score in zip(chances, scores, strict=True))
    _, score, _ = family.working(panel.units, panel.observed, eta, variance)
    found = family.scores(panel, family.response(panel), eta, np.resize(variance, len(eta)))
    np.testing.assert_allclose(found.information, panel.weighted(information))
    np.testing.assert_allclose(found.score, panel.weighted(score), atol=1e-12)


def test_start_levels_fit_totals_or_means(family, panel):
    eta = family.start_levels(panel)[:, None] + panel.log_exposure
    found = family.scores(panel, family.response(panel), eta, np.zeros(len(eta)) + (family.nodes is None))
    half = 0.0 if family.nodes is None else 0.5  # a unit more
    np.testing.assert_allclose(found.score.sum(axis=1), -half, atol=1e-9)


def test_nodes_are_the_working_likelihood(family, panel, scale):
    """At each node: log-likelihood, and the gradient and precision where it has all the chance."""
    if family.nodes is None:
        return
    rng, N, k = np.random.default_rng(2), len(panel.product), 3
    move = 0.3 * np.stack([rng.standard_normal((N, k * k)), np.tile(rng.standard_normal((N, k)), (1, k))])
    eta, variance = eta_of(panel, *effects_of(panel)), np.resize(variance_of(family, scale), N)
    cells = NodeCells(
        units=panel.units,
        observed=panel.observed,
        eta=eta,
        x=panel.log_price,
        move=move,
        variance=variance,
        weight=panel.weight,
    )
    found = family.nodes(cells)
    np.testing.assert_allclose(found.sums[0], panel.units_sold)
    for node in range(k * k):
        there = eta + move[0, :, node, None] + move[1, :, node, None] * panel.log_price
        value, gradient, precision = (
            panel.weighted(part)
            for part in family.working(panel.units, panel.observed, there, variance[:, None])
        )
        linear = (panel.weighted_units * there).sum(axis=1)
        np.testing.assert_allclose(found.remainder[:, node], linear - value.sum(axis=1), rtol=SINGLE)
        W, g = found.averages(np.tile(np.eye(k * k)[node], (N, 1)))
        np.testing.assert_allclose(W, precision, rtol=10 * SINGLE, atol=SINGLE)
        np.testing.assert_allclose(g, gradient, rtol=10 * SINGLE, atol=10 * SINGLE * panel.units.max())


@pytest.mark.parametrize("name", NAMES)
def test_log_density_is_scipys(name):
    y, eta, scale = np.array([1.0, 2.0, 7.0, 900.0]), np.array([-1.0, 0.5, 1.5, 6.0]), 0.7
    mean = np.exp(eta)
    expected = {
        "poisson": lambda: stats.poisson.logpmf(y, mean),
        "negative_binomial": lambda: stats.nbinom.logpmf(y, scale, scale / (scale + mean)),
        "log_normal": lambda: stats.lognorm.logpdf(y, scale, scale=mean),
        "zero_inflated_poisson": lambda: stats.poisson.logpmf(y, mean) - np.log1p(scale),
    }[name]()
    np.testing.assert_allclose(FAMILIES[name].log_density(y, eta, scale), expected, rtol=LIKELIHOOD)


@pytest.mark.parametrize("name", NAMES)
def test_drawn_units_have_the_moments_of_the_likelihood(name):
    rng, S, eta = np.random.default_rng(0), 200_000, np.log(20.0)
    scale = np.full(S, SCALES[name])
    units = FAMILIES[name].draw_units(np.full((1, S), eta), scale, rng)[0]
    mean = FAMILIES[name].mean_units(eta, scale[0])
    factor = {"log_normal": np.exp(0.08), "zero_inflated_poisson": 2 / 3}.get(name, 1.0)
    assert mean == pytest.approx(20.0 * factor)
    variance = {
        "negative_binomial": 20 + 20**2 / 3,
        "poisson": 20,
        "log_normal": mean**2 * np.expm1(0.16),
        "zero_inflated_poisson": mean * (1 + 20 / 3),
    }[name]
    assert units.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / S))
    assert units.var() == pytest.approx(variance, rel=0.05)


def test_no_extra_zeros_are_poisson():
    y, eta = np.arange(50.0), np.log(np.linspace(0.01, 60, 50))
    found = ZERO_INFLATED_POISSON.log_density(y[:, None], eta, 0.0)
    np.testing.assert_allclose(found, POISSON.log_density(y[:, None], eta, np.inf), rtol=LIKELIHOOD)
    observed, counts, eta = np.ones((50, 50), bool), np.tile(y[:, None], (1, 50)), np.tile(eta, (50, 1))
    for one, other in zip(
        ZERO_INFLATED_POISSON.working(counts, observed, eta, np.zeros((50, 1))),
        POISSON.working(counts, observed, eta, np.zeros((50, 1))),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=LIKELIHOOD)


def test_chances_of_zero_inflated_counts():
    """They sum to one, and zeros are as many as the two ways to them make."""
    eta, odds, y = np.log(np.array([0.01, 1.0, 30.0])), 0.5, np.arange(200.0)[:, None]
    chances = np.exp(ZERO_INFLATED_POISSON.log_density(y, eta, odds))
    np.testing.assert_allclose(chances.sum(axis=0), 1)
    np.testing.assert_allclose(chances[0], (odds + np.exp(-np.exp(eta))) / (1 + odds))


def test_poisson_given_totals_is_multinomial_product_by_product():
    panel = case("one level").panel
    eta = eta_of(panel, *effects_of(panel))
    for i in range(len(panel.product)):
        y, observed = panel.units[[i]], panel.observed[[i]]
        units = UnitStatistics(
            constant=pt.constant(gammaln(y.sum() + 1) - gammaln(y + 1).sum(where=observed)),
            log_weight=pt.constant(np.where(observed, 0.0, MASKED)),
            units_of_product=pt.constant(y.sum(axis=1)),
        )
        linear = pt.constant((y * eta[[i]]).sum())
        value = graph_given_totals(units, pt.constant(eta[[i]]), linear).eval(mode=UNOPTIMISED)
        counts, odds = y[observed], np.exp(eta[[i]][observed])
        expected = stats.multinomial.logpmf(counts, counts.sum(), odds / odds.sum())
        assert value == pytest.approx(expected, rel=LIKELIHOOD)


@pytest.mark.parametrize("phi", [1e-3, 0.5, 7.0, 9_999.0, 10_001.0, 1e6, 1e9, 1e14])
@pytest.mark.parametrize("route", ["numpy", "pytensor"])
def test_log_rising_is_a_sum_of_logs(phi, route):
    y = np.array([0.0, 1.0, 2.0, 10.0, 1000.0])
    expected = [np.log1p(np.arange(count) / phi).sum() for count in y]
    if route == "numpy":
        values = log_rising(y, phi)
    else:
        values = graph_log_rising(y, pt.constant(np.float64(phi))).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(values, expected, rtol=RISING, atol=RISING)


@pytest.mark.parametrize("phi", [1e10, 1e14, 1e18])
def test_huge_dispersion_is_poisson(phi):
    y, eta = np.arange(50.0), np.log(np.linspace(0.01, 60, 50))
    poisson = POISSON.log_density(y, eta, np.inf)
    np.testing.assert_allclose(NEGATIVE_BINOMIAL.log_density(y, eta, phi), poisson, atol=1e-6)
