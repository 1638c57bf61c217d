"""A demand model's normal posterior by dense linear algebra: what the arrow is held against.

Effects in one vector of D = 2 N + G b + m: levels, elasticities, bundles, the top.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hdfm import ElasticityPriors
from hdfm.datasets import simulate_sales
from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.information import DiagonalInformation, Information, PathInformation
from hdfm.sales.laplace.layout import Layout
from hdfm.sales.laplace.paths import PathPrior, factored
from hdfm.sales.laplace.prior import (
    ArrowModel,
    Scales,
    arrow_model,
    product_precision,
    shared_prior,
)
from hdfm.sales.laplace.working import WorkingLikelihood, working_sums
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.spec import DemandSpec

LAYOUTS = {
    "one level": (("category",), (), {}, False),
    "two levels, a control": (("department", "category"), ("display",), {}, False),
    "three levels": (("division", "department", "category"), (), {}, False),
    "shared time effects": (("category",), ("display",), {}, True),
    "no groups, fixed effects": (
        (),
        (),
        {"product_effects": "fixed", "priors": ElasticityPriors.article()},
        False,
    ),
    "no price": (("category",), (), {"price": None}, False),
    "no time effects": (("category",), (), {"time_effects": False}, False),
}


@dataclass(frozen=True)
class Case:
    """A small panel, its model, and some scales."""

    model: ArrowModel
    scales: Scales

    @property
    def panel(self) -> SalesPanel:
        return self.model.panel

    @property
    def spec(self) -> DemandSpec:
        return self.model.spec

    @property
    def layout(self) -> Layout:
        return self.model.layout

    def having(self, **changes) -> "Case":
        """With another panel or spec."""
        return replace(self, model=replace(self.model, **changes))

    @property
    def working(self) -> tuple[DiagonalInformation, np.ndarray]:
        """Some A and s (N, T), of the log-likelihood s'eta - eta' A eta / 2."""
        rng = np.random.default_rng(1)
        W = rng.exponential(1, self.panel.units.shape) * self.panel.observed
        return DiagonalInformation(W), rng.normal(size=W.shape) * self.panel.observed

    @property
    def likelihood(self) -> WorkingLikelihood:
        """That likelihood about some effects."""
        return self.likelihood_of(*self.working)

    def likelihood_of(self, A: Information, s: np.ndarray) -> WorkingLikelihood:
        """A likelihood s'eta - eta' A eta / 2 about some effects."""
        rng, layout = np.random.default_rng(2), self.layout
        at = Effects(
            rng.normal(size=(2, len(self.panel.product))),
            rng.normal(size=(self.panel.n_groups, layout.n_bundle)),
            rng.normal(size=layout.n_top),
        )
        g = s - A.times(linear_predictor(self.model, at))
        return working_sums(self.model, at, A, g, value=0.0)


def case(name: str, likelihood: str = "poisson", **simulation) -> Case:
    """One of ``LAYOUTS``, with a fifth of the rows missing."""
    groups, controls, changes, shared = LAYOUTS[name]
    sales = small_sales(**simulation)
    roles = Roles("product", groups, "time_period", changes.get("price", "price"), controls)
    panel = build_panel(sales, sales["units_sold"].to_numpy(float), roles, shared_time=shared)
    effects, priors = changes.get("product_effects", "random"), changes.get("priors", ElasticityPriors())
    spec = DemandSpec(likelihood, changes.get("time_effects", True), effects, False, priors)
    correlation = 0.5 if effects == "random" else 0.0
    scales = Scales(
        product_effect=0.8,
        elasticity=0.4,
        correlation=correlation,
        groups=(0.3,) * len(panel.levels),
        time_shock=0.2,
        time_drift=0.1,
        between_price=0.4,
        noise=0.3,
    )
    return Case(arrow_model(panel, spec), scales)


def small_sales(products: int = 12, periods: int = 8, **simulation) -> pd.DataFrame:
    sales = simulate_sales(products, 3, periods, seed=1, **simulation)
    rng = np.random.default_rng(0)
    sales["display"] = rng.normal(size=len(sales))
    sales["department"] = np.where(sales["category"] == sales["category"].iloc[0], "a", "b")
    sales["division"] = sales["department"].map({"a": "y", "b": "x"})
    return sales[rng.random(len(sales)) < 0.8]


@dataclass(frozen=True)
class Dense:
    """Prior and posterior precision (D, D), and the posterior mean (D,)."""

    prior: np.ndarray
    posterior: np.ndarray
    mean: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        return np.linalg.inv(self.posterior)

    def second_moment(self, rows: np.ndarray, fixed: np.ndarray | float = 0.0) -> np.ndarray:
        """E[(R x - fixed)(R x - fixed)'] of rows R (k, D)."""
        gap = rows @ self.mean - fixed
        return np.outer(gap, gap) + rows @ self.covariance @ rows.T


def wandering(W: np.ndarray, log_price: np.ndarray, half_lives: tuple[float, ...]) -> PathInformation:
    """W (N, T) with paths of demand, and of elasticities where there are two half-lives, integrated out."""
    rng, (N, T) = np.random.default_rng(3), W.shape
    h = np.stack([np.ones((T, N)), log_price.T][: len(half_lives)])
    rho = np.repeat(2.0 ** (-1 / np.array(half_lives))[:, None], T - 1, axis=1)
    return PathInformation(factored(W.T, h, PathPrior(rho[..., None], rng.uniform(0.3, 1, (len(h), N)))))


def dense_posterior(case: Case, A: Information, s: np.ndarray) -> Dense:
    """Everything in one matrix."""
    panel, layout = case.panel, case.layout
    N, T = s.shape
    prior = shared_prior(case.model, case.scales)
    omega = product_precision(case.scales, case.spec)
    top = slice(size(case) - layout.n_top, size(case))
    P, h = np.zeros((size(case), size(case))), np.zeros(size(case))
    for g in range(panel.n_groups):
        own = bundle(case, g)
        P[own, own] += prior.bundles[g]
        P[own, top] += prior.border[g]
        P[top, own] += prior.border[g].T
        h[own] += prior.of_bundles[g]
    P[top, top] += prior.top
    h[top] += prior.of_top
    for i in range(N):
        E = about_expected(case, i)
        P += E.T @ omega @ E
        h += E.T @ omega @ layout.fixed
    F = columns(case)
    H = P + (F.transpose(0, 2, 1) @ A.to_dense() @ F).sum(axis=0)
    return Dense(P, H, np.linalg.solve(H, h + F.reshape(N * T, -1).T @ s.ravel()))


def size(case: Case) -> int:
    return 2 * len(case.panel.product) + case.panel.n_groups * case.layout.n_bundle + case.layout.n_top


def bundle(case: Case, g: int) -> slice:
    first = 2 * len(case.panel.product) + g * case.layout.n_bundle
    return slice(first, first + case.layout.n_bundle)


def about_expected(case: Case, i: int) -> np.ndarray:
    """Rows (2, D) of a product's effects less what its group lets expect."""
    E, N = np.zeros((2, size(case))), len(case.panel.product)
    own = bundle(case, case.panel.group[i])
    E[0, i] = E[1, N + i] = 1
    E[:, own.stop - case.layout.n_group : own.stop] -= case.layout.design[:, i]
    return E


def columns(case: Case) -> np.ndarray:
    """eta's columns (N, T, D)."""
    panel, layout = case.panel, case.layout
    N, T = panel.units.shape
    F, first = np.zeros((N, T, size(case))), size(case) - layout.n_top
    for i in range(N):
        F[i, :, i] = 1
        F[i, :, N + i] = panel.log_price[i]
        cosines = bundle(case, panel.group[i]).start
        if not layout.by_bundle:
            cosines = first + layout.top["cosines"].start
        F[i, :, cosines : cosines + len(layout.cosines)] = layout.cosines.T
        controls = layout.top["controls"]
        F[i, :, first + controls.start : first + controls.stop] = panel.controls[:, i].T
    return F


def vector(effects: Effects) -> np.ndarray:
    """Effects (D, ...) in one vector."""
    parts = (effects.product, effects.bundle, effects.top)
    return np.concatenate(
        [part.reshape(-1, *part.shape[k:]) for part, k in zip(parts, (2, 2, 1), strict=True)]
    )
