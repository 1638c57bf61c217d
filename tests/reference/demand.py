"""Small models of demand at known draws, and their densities by hand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import xarray as xr
from conftest import NO_PATHS, ROLES

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.sales.panel.rows import panel_rows
from hdfm.sales.posterior.draws import DemandDraws, DemandPosterior, demand_draws
from hdfm.sales.posterior.predict import (
    pointwise_log_likelihood,
)
from hdfm.sampling.draws import reported_names

GROUPED = ROLES
DEEP = {**GROUPED, "groups": ["department", "category"]}
SHIFTED = {"controls": ["promotion", "display"], "exposure": "stores"}
POINTS = 6
WALK = 0.1
# The same sums in another order.
SAME = 1e-10
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
    def posterior(self):
        return DemandPosterior(self.draws, self.panel, self.spec, 0)

    @property
    def pointwise(self):
        """Log-likelihood by row (n, S)."""
        rows, units = panel_rows(self.panel)
        blocks = pointwise_log_likelihood(self.posterior, rows, units)
        return np.vstack([values for _, values in blocks])


def linear_predictor(panel, named):
    """eta (N, T), without levels that a model does not have."""
    eta = pt.constant(panel.log_exposure)
    if "product_effect" in named:
        eta += named["product_effect"][:, None]
    if "elasticity" in named:
        eta += named["elasticity"][:, None] * panel.log_price
    if "time_effect" in named:
        eta += named["time_effect"][panel.block]
    for control, values in enumerate(panel.controls):
        eta += named["control_effect_raw"][control] * values
    return eta


def case_of(noise="poisson", gaps=False, weighted=False, **arguments) -> Case:
    """A case; ``weighted``: rows count once to four times."""
    sales = store_sales(noise, **({"missing_prob": 0.2, "late_start_prob": 0.3} if gaps else {}))
    estimator = HierarchicalElasticity(**{**NO_PATHS, **arguments})
    data = sales, sales["units_sold"]
    if weighted:
        data = *data, np.random.default_rng(4).integers(1, 5, len(sales)) / 2
    panel, spec = estimator._panel(*data)
    model = estimator.build_model(*data)
    eta = linear_predictor(panel, model.named_vars)
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


def fit_at(case) -> HierarchicalElasticity:
    """The case's estimator as fitted, with the case's draws for a posterior."""
    model = case.estimator
    model._panel(case.sales, case.sales["units_sold"])  # sets feature_names_in_
    model.panel_, model.spec_, model.draws_, model.seed_ = case.panel, case.spec, case.draws, 0
    model.idata_ = "not needed"
    return model
