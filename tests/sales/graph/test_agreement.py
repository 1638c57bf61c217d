"""NUTS on the graph against Laplace's approximation, by independent routes to one posterior."""

import numpy as np
import pytest

from hdfm import ElasticityPriors
from hdfm.datasets import simulate_sales
from hdfm.sales.engines import LAPLACE
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.sampling import sample_demand
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.settings import SamplingSettings

PRODUCTS, PERIODS = 24, 40
ROLES = Roles("product", ("category",), "time_period", "price")
EFFECTS = ("elasticity", "elasticity_category", "product_effect")
SCALES = ("demand_sd", "elasticity_path_sd", "demand_half_life", "noise_group_sd", "noise_product_sd")
CLOSE, ALIKE = {"elasticity": 0.1}, {"elasticity": 0.07}  # of volumes 0.01 and 0.02
ROUGHLY = {"close": 0.5, "alike": 0.5}  # of scales Laplace's intervals are too short: of half-lives by 0.4


def wandering_panel(likelihood):
    """Products of differing noise whose demand wanders and elasticities move."""
    rng, noise = np.random.default_rng(3), "log_normal" if likelihood == "log_normal" else "poisson"
    sales = simulate_sales(
        PRODUCTS, 3, PERIODS, seed=4, noise=noise, promotion_prob=0.3, price_change_prob=0.3
    )
    sales = sales.sort_values(["product", "time_period"])
    path = np.zeros((2, PRODUCTS, PERIODS))
    ratio, rho = np.exp(0.4 * rng.standard_normal(PRODUCTS)), np.array([[0.9], [0.5]])
    path[:, :, 0] = rng.standard_normal((2, PRODUCTS))
    for t in range(1, PERIODS):
        path[:, :, t] = rho * path[:, :, t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((2, PRODUCTS))
    log_price = np.log(sales["price"]).to_numpy().reshape(PRODUCTS, PERIODS)
    log_price = log_price - log_price.mean(axis=1, keepdims=True)
    moved = ratio[:, None] * (0.3 * path[0] + 0.2 * rng.standard_normal((PRODUCTS, PERIODS)))
    units = sales["units_sold"] * np.exp(moved + 0.5 * path[1] * log_price).ravel()
    if likelihood != "log_normal":
        units = rng.poisson(units)
    return build_panel(sales, np.asarray(units, float), ROLES)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["log_normal"])
def test_nuts_and_laplace(likelihood):
    """Means of effects to a tenth of their sds, sds to 7 %, on average; logs of scales roughly."""
    panel = wandering_panel(likelihood)
    spec = DemandSpec(
        likelihood, True, "random", False, ElasticityPriors(), None, 1.0, "wandering", "product", "moving"
    )
    nuts = sample_demand(panel, spec, SamplingSettings(draws=500, tune=500, chains=2, progressbar=False))
    laplace = sample_demand(panel, spec, SamplingSettings(draws=2000, chains=2, progressbar=False), LAPLACE)
    nuts, laplace = (tree["posterior"].to_dataset() for tree in (nuts, laplace))
    for name in EFFECTS + SCALES:
        ours, exact = (np.log(draws[name]) if name in SCALES else draws[name] for draws in (laplace, nuts))
        sd = exact.std(("chain", "draw"))
        gap = float((abs(ours.mean(("chain", "draw")) - exact.mean(("chain", "draw"))) / sd).mean())
        ratio = float((ours.std(("chain", "draw")) / sd).mean())
        assert gap < CLOSE.get(name, ROUGHLY["close"]), (name, gap)
        assert ratio == pytest.approx(1, abs=ALIKE.get(name, ROUGHLY["alike"])), name
