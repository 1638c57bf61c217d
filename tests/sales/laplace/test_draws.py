from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reference.sales import LAYOUTS, case, small_sales

from hdfm import HierarchicalElasticity
from hdfm.exceptions import InvalidDataError
from hdfm.sales.engines import LAPLACE
from hdfm.sales.laplace.draws import MOST_DEMAND, _named_ratios, _systematic, sample_laplace
from hdfm.sales.laplace.integration import integration_points
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.sampling import demand_model, sample_demand, variable_dimensions
from hdfm.sampling.draws import reported_names
from hdfm.sampling.settings import SamplingSettings

SETTINGS = SamplingSettings(draws=50, chains=2, progressbar=False)
LIKELIHOODS = ["poisson", "negative_binomial", "log_normal"]
ALL = {"demand": "wandering", "dispersion": "product", "elasticity_path": "moving"}
OPTIONS = [ALL, ALL | {"dispersion": "group"}, {"demand": "wandering"}, {"dispersion": "product"}]
VARIABLES = [
    *((name, likelihood, {}) for name in LAYOUTS for likelihood in LIKELIHOODS),
    *(("one level", likelihood, options) for likelihood in LIKELIHOODS for options in OPTIONS),
    ("one level", "zero_inflated_poisson", ALL),
    ("no groups, fixed effects", "poisson", ALL),
]


@pytest.mark.filterwarnings("ignore:Laplace.s approximation of the posterior of scales")
@pytest.mark.parametrize(("name", "likelihood", "options"), VARIABLES)
def test_variables_are_those_of_the_graph(name, likelihood, options, monkeypatch):
    monkeypatch.setattr("hdfm.sales.laplace.integration.MOST", 32)
    noise = "negative_binomial" if likelihood == "zero_inflated_poisson" else likelihood
    one = case(name, likelihood, noise=noise)
    one = one.having(spec=replace(one.spec, **options))
    found = sample_laplace(one.panel, one.spec, SETTINGS)
    model = demand_model(one.panel, one.spec)
    assert set(found.values) == set(reported_names(model))
    coords = one.panel.coords
    dims = variable_dimensions(one.panel)
    for variable, values in found.values.items():
        named = tuple(model.named_vars_to_dims.get(variable, ()))
        assert tuple(dims.get(variable, ())) == named
        assert values.shape == (2, 50, *(len(coords[dim]) for dim in named)), variable
        assert np.isfinite(values).all(), variable


def test_draws_are_labelled_and_repeat():
    one = case("two levels, a control")
    trees = [sample_demand(one.panel, one.spec, replace(SETTINGS, seed=seed), LAPLACE) for seed in (3, 3, 4)]
    first, again, other = (tree["posterior"]["elasticity"] for tree in trees)
    assert trees[0].attrs["inference"] == "laplace"
    np.testing.assert_array_equal(first, again)
    assert (first.to_numpy() != other.to_numpy()).all()
    assert list(first[one.panel.dims["product"]].to_numpy()) == list(one.panel.product)


def test_noise_that_is_known_is_spread(monkeypatch):
    """Of all that has noise in it by the same factor: the dispersion stays overdispersion**-2."""
    monkeypatch.setattr("hdfm.sales.laplace.integration.MOST", 32)
    monkeypatch.setattr("hdfm.sales.laplace.integration.KNOWN_NOISE", 10.0)
    one = case("one level", "negative_binomial", noise="negative_binomial")
    values = sample_laplace(one.panel, one.spec, SETTINGS).values
    assert len(np.unique(values["overdispersion"])) == SETTINGS.chains * SETTINGS.draws
    np.testing.assert_allclose(values["dispersion"], values["overdispersion"] ** -2.0)


def test_systematic_resampling():
    rng = np.random.default_rng(1)
    for _ in range(20):
        weight = rng.dirichlet(np.full(30, 0.3))
        taken = _systematic(weight, 1000, rng)
        assert taken.sum() == 1000
        assert abs(taken - 1000 * weight).max() <= 1


def test_scales_have_their_exact_posterior():
    """Noise and the two spreads of time effects of log-normal data, whose marginal likelihood is exact."""
    one = case("no groups, fixed effects", "log_normal", noise="log_normal", products=20, periods=20)
    mode = laplace_mode(one.panel, one.spec)
    assert set(mode.coordinates.names) == {"time_shock", "time_drift"}
    points, log_noise_root = integration_points(mode, np.random.default_rng(1))
    assert log_noise_root == 0  # 320 rows: noise is among the coordinates
    assert 1 / sum(point.weight**2 for point in points) > 50
    grid = [
        (mode.coordinates.scales(np.array([a, b]), replace(mode.scales, noise=mode.scales.noise * np.exp(c))))
        for a in np.linspace(-3, 2.5, 15)
        for b in np.linspace(-3, 2.5, 15)
        for c in np.linspace(-0.2, 0.2, 11)
    ]
    height = np.array([mode.marginal.value(scales) for scales in grid])
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    for name in ("time_shock", "time_drift", "noise"):
        exact = np.array([getattr(scales, name) for scales in grid])
        mean = weight @ exact
        sd = np.sqrt(weight @ (exact - mean) ** 2)
        ours = sum(point.weight * getattr(point.scales, name) for point in points)
        assert ours == pytest.approx(mean, abs=0.15 * sd), name


def test_the_mode_is_where_the_slope_is_zero():
    one = case("one level", "negative_binomial")
    mode = laplace_mode(one.panel, one.spec)
    _, slope = mode.marginal.slope_given_noise(mode.scales)
    np.testing.assert_allclose(slope, 0, atol=0.1)


def test_sales_stay_as_they_were():
    sales = small_sales()
    before = sales.copy()
    HierarchicalElasticity(product="product", price="price", inference="laplace", draws=10).fit(
        sales, sales["units_sold"]
    )
    assert sales.equals(before)


@pytest.mark.filterwarnings("ignore:Units of 1 products have a spike")
@pytest.mark.parametrize("seed", [0, 1])
def test_units_that_leave_no_posterior_are_refused(seed):
    rng = np.random.default_rng(seed)
    sales = pd.DataFrame({"product": np.repeat(np.arange(6), 12), "week": np.tile(np.arange(12), 6)})
    sales = sales.assign(price=10 * np.exp(rng.normal(0, 0.15, 72)), category=sales["product"] % 2)
    sales = sales.assign(units=rng.poisson(20 * (sales["price"] / 10) ** -1.5))
    sales.loc[10, "units"] = 10**11
    model = HierarchicalElasticity("product", "category", "week", "price", inference="laplace", draws=10)
    with pytest.raises(InvalidDataError, match=r"approximation fails: .* up to 1e\+11 in a period"):
        model.fit(sales, sales["units"])


def test_demand_of_no_draw_decides_a_mean():
    """However far a draw of a product's noise lies, its demand has an sd of at most 2."""
    spec = case("one level", "negative_binomial").model.spec
    spec = replace(spec, demand="wandering", dispersion="product")
    far = {"spreads": np.ones((2, 3)), "level": np.zeros(3), "group": np.zeros((1, 3))}
    own = [far | {"product": np.array([[0.0, 2.0, 9.0]])} for _ in range(2)]
    noise = {"overdispersion": np.full(3, 0.3), "demand_sd": np.full(3, 0.4)}
    sd = noise["demand_sd"] * _named_ratios(noise, own, spec)["demand_ratio"][0]
    assert sd[0] == pytest.approx(0.4)
    assert sd[1:] == pytest.approx(MOST_DEMAND)
