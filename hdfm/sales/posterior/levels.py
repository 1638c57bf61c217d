"""Moments of the hierarchy of elasticities, level by level.

Array names and axis order: N products or groups of a level, G of the level above, S draws.
"""

import numpy as np
import pandas as pd

from hdfm.sales.posterior.draws import DemandPosterior, unbounded
from hdfm.summaries.agreement import PooledLevel
from hdfm.summaries.intervals import PIECE

GLOBAL = "global"


def pooled_levels(posterior: DemandPosterior) -> tuple[PooledLevel, ...]:
    """Products, then groups from the finest level to the coarsest, then the overall elasticity.

    Of elasticities in which the hierarchy is normal: before a bound on their sign.
    """
    draws, panel, spec = posterior.draws, posterior.panel, posterior.spec
    assert draws.beta is not None
    population, priors = draws.population, spec.priors
    above = unbounded(population["elasticity_global"][None], spec)
    levels = [_overall(above[0], priors)]
    for level in panel.levels:
        name = f"elasticity_{level.name}"
        beta, sd = unbounded(population[name], spec), population.get(f"{name}_sd", priors.group_sd)
        levels.append(_level(level.labels.rename(level.name), beta, above, level.parent, sd))
        above = beta
    product, sd = (
        panel.product.rename(panel.dims["product"]),
        population.get("elasticity_sd", priors.product_sd),
    )
    levels.append(_level(product, unbounded(draws.beta, spec), above, panel.group, sd))
    return tuple(levels[::-1])


def _overall(beta, priors):
    """The overall elasticity (S,), which is pooled about the mean of its prior."""
    return PooledLevel(
        labels=pd.Index([GLOBAL], name=GLOBAL),
        mean=beta.mean(keepdims=True),
        variance=beta.var(keepdims=True),
        centre=np.array([priors.global_mean]),
        spread=priors.global_sd**2,
    )


def _level(labels, beta, above, parent, sd):
    """Members (N, S) of a level about the means (G, S) of their parents (N,), which spread by sd (S,)."""
    return PooledLevel(
        labels=labels,
        mean=beta.mean(axis=1),
        variance=variance_given_parent(beta, above, parent),
        centre=above.mean(axis=1)[parent],
        spread=float(np.mean(np.square(sd))),
    )


def variance_given_parent(beta: np.ndarray, above: np.ndarray, parent: np.ndarray) -> np.ndarray:
    r"""Posterior variance (N,) of members (N, S) given the means (G, S) of their parents (N,).

    .. math:: \operatorname{Var}(\beta \mid y) - \operatorname{Cov}(\beta, \beta_g \mid y)^2
        / \operatorname{Var}(\beta_g \mid y)

    what is left of the variance after a regression on the parent's mean: exact where both are jointly normal.
    Piece by piece, to save memory.
    """
    means = above - above.mean(axis=1, keepdims=True)
    of_means = np.maximum((means**2).mean(axis=1), np.finfo(float).tiny)
    out = np.empty(len(beta))
    for k in range(0, len(beta), PIECE):
        piece, group = beta[k : k + PIECE], parent[k : k + PIECE]
        gaps = piece - piece.mean(axis=1, keepdims=True)
        covariance = (gaps * means[group]).mean(axis=1)
        out[k : k + PIECE] = (gaps**2).mean(axis=1) - covariance**2 / of_means[group]
    return out
