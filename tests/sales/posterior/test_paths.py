"""Paths of products in predictions, against dense algebra, and what they do to answers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import ROLES, quick

from hdfm import HierarchicalElasticity
from hdfm.datasets.simulate_demand import stationary_paths
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.laplace.reliability import log_ratios
from hdfm.sales.panel.rows import panel_rows
from hdfm.sales.posterior.draws import DemandPosterior
from hdfm.sales.posterior.motion import OrnsteinUhlenbeck
from hdfm.sales.posterior.paths import Motions, drawn_paths
from hdfm.sales.posterior.predict import linear_predictor_blocks, replicated_units

STEPS = np.array([0.0, 1, 2, 5, 6, 8])
T = len(STEPS)
MOVING = {"demand": "wandering", "dispersion": "product", "elasticity_path": "moving"}
KINDS = {
    "demand": {"demand": "wandering"},
    "noise": {"dispersion": "product"},
    "groups' noise": {"dispersion": "group"},
    "elasticities": {"elasticity_path": "moving"},
    "all": MOVING,
    "all, poisson": {**MOVING, "likelihood": "poisson"},
    "all, volumes": {**MOVING, "likelihood": "log_normal"},
}


class Ones:
    """In place of random numbers: column after column of the identity, then nothing."""

    def __init__(self, size):
        self.size = size

    def standard_normal(self, shape):
        k, steps, S = shape
        out = np.zeros(shape)
        out.reshape(k * steps, S)[:, : self.size] = np.eye(k * steps)[:, : self.size]
        return out


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("parts", ["demand", "moves", "both"])
def test_paths_are_those_of_dense_algebra(parts, told):
    rng = np.random.default_rng(2)
    has = {"demand": parts != "moves", "moves": parts != "demand"}
    k = sum(has.values())
    S = k * T + 1
    sd, half_life = {"demand": 0.4, "moves": 0.9}, {"demand": 6.0, "moves": 2.0}
    of = {
        name: OrnsteinUhlenbeck(np.full(S, sd[name]), np.full(S, half_life[name])) if has[name] else None
        for name in has
    }
    motions = Motions(**of)
    x, W, q = rng.normal(0, 0.3, T), rng.gamma(2, 5, T), rng.normal(0, 5, T)
    W[2] = q[2] = 0
    fixed = np.repeat(rng.normal(size=T)[:, None], S, axis=1)
    found = drawn_paths(STEPS, x, (q, W) if told else None, fixed, motions, Ones(k * T))
    names = [name for name in has if has[name]]
    Q = np.zeros((k * T, k * T))
    for j, name in enumerate(names):
        R = sd[name] ** 2 * 2.0 ** (-abs(STEPS[:, None] - STEPS) / half_life[name])
        Q[j * T : (j + 1) * T, j * T : (j + 1) * T] = np.linalg.inv(R)
    h = np.hstack([np.eye(T) if name == "demand" else np.diag(x) for name in names])
    M = Q + (h.T * W) @ h if told else Q
    mean = np.linalg.solve(M, h.T @ (q - W * fixed[:, 0])) if told else np.zeros(k * T)
    columns = found.reshape(k * T, S)
    np.testing.assert_allclose(columns[:, -1], mean, atol=1e-10)
    root = columns[:, :-1] - mean[:, None]
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(M), atol=1e-10)


@pytest.fixture(scope="module", autouse=True)
def few_points():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sales.laplace.integration.MOST", 32)
        yield


@pytest.fixture(scope="module")
def sales():
    frame, _ = wandering_volumes(np.random.default_rng(5), N=9, periods=16, sd=0.4)
    frame = frame.assign(category=frame["product"] % 3, units_sold=frame["units_sold"].round().clip(lower=1))
    return frame.drop(index=[5, 40, 41])


@pytest.fixture(scope="module", params=quick(KINDS, "groups' noise", "all", "all, volumes"))
def fitted(request, sales):
    return fit(sales, **KINDS[request.param])


def fit(sales, **changes):
    arguments = {**ROLES, "inference": "laplace", "draws": 60, "chains": 2, **changes}
    return HierarchicalElasticity(**arguments).fit(sales, sales["units_sold"])


@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
def test_no_answer_depends_on_what_else_is_asked(fitted, sales):
    last = sales["time_period"].max()
    asked = pd.concat(
        [
            sales,
            sales.assign(time_period=last + 1 + sales["time_period"] // 4).drop_duplicates(
                ["product", "time_period"]
            ),
            sales.head(8).assign(product=1000),
            sales.head(8).assign(product=1000, time_period=last + 3).head(1),
        ],
        ignore_index=True,
    )
    found, quantiles = fitted.predict(asked), fitted.predict_quantiles(asked)
    assert np.isfinite(found).all()
    order = np.random.default_rng(1).permutation(len(asked))
    np.testing.assert_allclose(fitted.predict(asked.iloc[order]), found[order], rtol=1e-12)
    for row in (0, 77, len(sales) + 5, len(asked) - 1, len(asked) - 5):
        np.testing.assert_allclose(fitted.predict(asked.iloc[[row]]), found[[row]], rtol=1e-12)
        one = fitted.predict_quantiles(asked.iloc[[row]])
        np.testing.assert_array_equal(one, quantiles.iloc[[row]])


def test_files_give_the_same_answers(fitted, sales, tmp_path):
    fitted.save(tmp_path / "model.hdfm")
    of_file = HierarchicalElasticity.load(tmp_path / "model.hdfm")
    for again in (of_file, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(again.predict(sales), fitted.predict(sales))


def test_optimal_prices_are_of_demand_with_its_paths(fitted, sales):
    """Units at the last and the best price: means of predictions of all fitted periods at these."""
    table = fitted.optimal_price(objective="units")
    rows = sales[sales["product"].isin(table.index)]
    for price, units in (("price", "units"), ("optimal_price", "units_at_optimum")):
        asked = rows.assign(price=table[price][rows["product"]].to_numpy())
        found = pd.Series(fitted.predict(asked), rows.index).groupby(rows["product"]).mean()
        np.testing.assert_allclose(table[units], found[table.index], rtol=1e-3)


def test_densities_have_the_noise_of_the_product(fitted):
    model = fitted
    posterior, (rows, units) = model._posterior(), panel_rows(model.panel_)
    draws = model.idata_["posterior"].to_dataset().stack(s=("chain", "draw"))
    ratio = draws["noise_ratio"].to_numpy() if model.dispersion != "shared" else np.ones((9, 1))
    noise = None if model.likelihood == "poisson" else draws[model.spec_.family.noise.name].to_numpy()
    for piece, eta, scale in linear_predictor_blocks(posterior, rows):
        assert len(eta) == len(units[piece])
        if noise is not None:
            own = (noise * ratio)[rows.product[piece]] * np.ones((len(eta), 1))
            expected = own if model.likelihood == "log_normal" else own**-2.0
            np.testing.assert_allclose(scale * np.ones_like(eta), expected * np.ones_like(eta))


def wandering_volumes(rng, N=6, periods=40, sd=0.8):
    """Volumes of which nothing moves but a slow path by product."""
    path = stationary_paths(rng, (N, periods), sd, half_life=12)
    product, period = np.indices(path.shape).reshape(2, -1)
    price = np.exp(rng.normal(0, 0.2, len(product)))
    units = np.exp(3 + path.ravel() - 1.5 * np.log(price) + rng.normal(0, 0.05, len(product)))
    return pd.DataFrame(
        {"product": product, "time_period": period, "price": price, "units_sold": units}
    ), path


@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
def test_forecasts_start_where_demand_was_and_fade():
    rng = np.random.default_rng(4)
    sales, path = wandering_volumes(rng)
    model = fit(sales, demand="wandering", likelihood="log_normal", groups=None, time_effects=None, draws=500)
    half_life = float(model.idata_["posterior"]["demand_half_life"].mean())
    ahead = np.array([1, 10, 30, 400])
    rows = pd.DataFrame(
        [(i, 39 + h, 1.0) for i in range(6) for h in ahead], columns=["product", "time_period", "price"]
    )
    posterior, eta = model._posterior(), np.empty((len(rows), 1000))
    for piece, values, _ in linear_predictor_blocks(posterior, model._rows(rows)):
        eta[piece] = values
    level = model.draws_.delta - model.draws_.beta * model.panel_.price_level[:, None]
    away = (eta.reshape(6, 4, -1) - level[:, None]).mean(axis=2)
    spread = (eta.reshape(6, 4, -1) - level[:, None]).std(axis=2)
    truth = path[:, -1] + 3 - level.mean(axis=1)
    np.testing.assert_allclose(away[:, 0], truth, atol=0.35)
    fades = 0.5 ** (ahead[1:] / half_life)
    assert (np.abs(away[:, 1:] - truth[:, None] * fades) < 0.25).all()
    assert (np.diff(spread, axis=1) > -0.05).all()
    sd = float(model.idata_["posterior"]["demand_sd"].mean())
    np.testing.assert_allclose(spread[:, -1], sd, rtol=0.15)


def test_weeks_that_were_not_seen_are_bridged():
    """A week that is missing inside lies between its neighbours, more surely than the population does."""
    rng = np.random.default_rng(4)
    sales, _ = wandering_volumes(rng)
    gone = sales["time_period"].between(18, 20)
    model = fit(
        sales[~gone], demand="wandering", likelihood="log_normal", groups=None, time_effects=None, draws=500
    )
    found = model.predict_quantiles(sales[gone], quantiles=[0.02, 0.5, 0.98])
    logs = np.log(found.to_numpy())
    assert (np.log(sales["units_sold"][gone]).between(logs[:, 0], logs[:, 2])).mean() > 0.8
    assert (logs[:, 2] - logs[:, 0]).mean() < 4 * 0.5


def test_copies_have_paths_of_their_own():
    """Replicates of a fit know its effects, not the path that demand took."""
    rng = np.random.default_rng(4)
    sales, path = wandering_volumes(rng)
    model = fit(sales, demand="wandering", likelihood="log_normal", groups=None, time_effects=None)
    posterior = DemandPosterior(model.draws_, model.panel_, model.spec_, model.seed_)
    copies = np.log(replicated_units(posterior, 60)).reshape(60, 6, 40)
    left = (
        copies
        - copies.mean(axis=2, keepdims=True)
        - (np.log(sales["price"]) * -1.5).to_numpy().reshape(6, 40)
    )
    real = path - path.mean(axis=1, keepdims=True)
    shared = (left * real).sum(axis=2) / np.sqrt((left**2).sum(axis=2) * (real**2).sum(axis=1))
    assert abs(shared.mean()) < 0.15
    neighbours = (left[..., 1:] * left[..., :-1]).mean() / (left**2).mean()
    assert neighbours > 0.5


def test_importance_weights(fitted):
    """Paths and effects of volumes are normal given scales, and drawn as such; those of counts are close."""
    if fitted.likelihood == "log_normal":
        ratios = log_ratios(laplace_mode(fitted.panel_, fitted.spec_), np.random.default_rng(1))
        np.testing.assert_allclose(ratios - ratios[:, :1], 0, atol=1e-6)
    else:
        assert (fitted.pareto_k() < 0.7).all()
