"""A hierarchy of normals with known spreads, its exact posterior, and a model of sales that is one."""

import numpy as np
import pandas as pd
from conftest import NO_PATHS, ROLES

from hdfm import ElasticityPriors
from hdfm.sales.likelihoods.noise import ScaleDraws
from hdfm.sales.posterior.draws import DemandDraws
from hdfm.summaries.agreement import PooledLevel

MEAN, GLOBAL_SD, GROUP_SD, SD = -1.5, 1.0, 0.4, 0.5


def prior_covariance(group):
    """That of members (N,), groups (G,) and their overall mean, in this order."""
    G = group.max() + 1
    of_groups = np.full((G, G), GLOBAL_SD**2) + GROUP_SD**2 * np.eye(G)
    with_all = np.pad(of_groups, ((0, 1), (0, 1)), constant_values=GLOBAL_SD**2)
    parent = np.concatenate([group, np.arange(G + 1)])
    P = with_all[np.ix_(parent, parent)]
    P[np.arange(len(group)), np.arange(len(group))] += SD**2
    return P


def simulate(group, error_sd, rng, understated=1.0):
    """Estimates (2, N) of members by two parts of the data, with known error sds (2, N)."""
    P = prior_covariance(group)
    effects = MEAN + np.linalg.cholesky(P + 1e-12 * np.eye(len(P))) @ rng.standard_normal(len(P))
    return effects[: len(group)] + understated * error_sd * rng.standard_normal(error_sd.shape)


def posterior(group, estimate, error_sd):
    """Mean and covariance of members, groups and their overall mean, given estimates (N,) of members."""
    P, N = prior_covariance(group), len(group)
    gain = np.linalg.solve(P[:N, :N] + np.diag(error_sd**2), P[:N]).T
    return MEAN + gain @ (estimate - MEAN), P - gain @ P[:N]


def levels(group, mean, covariance):
    """The posterior's moments by level, as those of draws."""
    N, G = len(group), group.max() + 1
    parent = np.concatenate([N + group, np.full(G, N + G)])
    k, variance = np.arange(N + G), np.diag(covariance)
    given = variance[:-1] - covariance[k, parent] ** 2 / variance[parent]
    return tuple(
        PooledLevel(
            labels=pd.Index(np.arange(part.stop - part.start), name=name),
            mean=mean[part],
            variance=given[part],
            centre=mean[parent[part]],
            spread=sd**2,
        )
        for name, part, sd in (("product", slice(0, N), SD), ("group", slice(N, N + G), GROUP_SD))
    )


PRIORS = ElasticityPriors(
    global_mean=MEAN, global_sd=GLOBAL_SD, group_sd=GROUP_SD, product_sd=SD, estimate_sd=False
)
MODEL = {
    **ROLES,
    **NO_PATHS,
    "likelihood": "log_normal",
    "time_effects": None,
    "priors": PRIORS,
    "progressbar": False,
}
DRAWS = 1000


def fit_exactly(model, X, y):
    """In place of ``fit`` of ``MODEL``: regressions of products, and the hierarchy of their slopes."""
    panel, spec = model._panel(X, y)
    seed, n = model._new_seed(), panel.observed.sum(axis=1)
    rng = np.random.default_rng(seed)
    log_units, x = np.log(np.where(panel.observed, panel.units, 1.0)), panel.log_price
    level, squares = log_units.sum(axis=1) / n, np.maximum((x**2).sum(axis=1), 1e-9)
    slope = (x * log_units).sum(axis=1) / squares
    residual = (log_units - level[:, None] - slope[:, None] * x)[panel.observed]
    sd = np.sqrt((residual**2).sum() / (len(residual) - 2 * len(n)))
    mean, covariance = posterior(panel.group, slope, sd / np.sqrt(squares))
    effects = rng.multivariate_normal(mean, covariance, DRAWS, method="cholesky").T
    N = len(panel.product)
    model.draws_ = DemandDraws(
        beta=effects[:N],
        delta=level[:, None] + sd / np.sqrt(n)[:, None] * rng.standard_normal((N, DRAWS)),
        gamma=None,
        kappa=None,
        scale=ScaleDraws(np.full(DRAWS, sd)),
        population={"elasticity_category": effects[N:-1], "elasticity_global": effects[-1]},
    )
    model.panel_, model.spec_, model.seed_ = panel, spec, seed
    return model


def volumes(persistence=0.0, per=20, G=4, T=24, seed=0):
    """Volumes whose noise is an AR(1) process with some persistence, at prices that drift."""
    rng, group = np.random.default_rng(seed), np.repeat(np.arange(G), per)
    N = len(group)
    beta = simulate(group, np.zeros((1, N)), rng)[0]
    log_price = 0.1 * rng.standard_normal((N, T)).cumsum(axis=1)
    noise = rng.standard_normal((N, T))
    for t in range(1, T):
        noise[:, t] = persistence * noise[:, t - 1] + np.sqrt(1 - persistence**2) * noise[:, t]
    i, t = np.divmod(np.arange(N * T), T)
    return pd.DataFrame(
        {
            "product": i,
            "category": group[i],
            "time_period": t,
            "price": np.exp(log_price).ravel(),
            "units_sold": np.exp(5 + beta[:, None] * log_price + 0.3 * noise).ravel(),
        }
    )
