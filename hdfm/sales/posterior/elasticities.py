"""Tables of elasticities from draws.

Array names and axis order: N products or groups, S draws.
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from hdfm.sales.posterior.draws import DemandPosterior
from hdfm.summaries.intervals import PIECE, summarise

WEIGHTED = {"mean": "weighted_mean", "lower": "weighted_lower", "upper": "weighted_upper"}


def product_table(posterior: DemandPosterior, ci_prob: float) -> pd.DataFrame:
    r"""One row per product: its groups, its own-price elasticity, and what the data had to say about it.

    .. math:: \frac{\partial \log E y_{it}}{\partial \log p_{it}} = \beta_i, \qquad
        \text{shrinkage} = \frac{\operatorname{Var}(\beta_i - \beta_{g(i)} \mid y)}{E[\sigma_\beta^2 \mid y]}

    of draws beta (N, S), in per cent of units a per cent of price [1]_. Cross elasticities are 0 in this
    model, given time effects. ``shrinkage`` is the variance of the elasticity about its group's mean over the
    squared spread of products in the group, at most 1: the pooling factor [2]_, 1 where the data say nothing,
    near 0 where the group doesn't matter. With ``sign="negative"`` sigma_beta is the spread of elasticities
    before they are bounded, so that the ratio stays below 1.

    References
    ----------
    .. [1] Gelman and Hill (2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models",
       section 4.4.
    .. [2] The same, section 21.6.
    """
    draws, panel = posterior.draws, posterior.panel
    assert draws.beta is not None
    table = summarise(draws.beta, panel.product, ci_prob)
    for depth, level in enumerate(panel.levels):
        table.insert(depth, level.name, level.labels[panel.group_at(depth)])
    spread = draws.population.get("elasticity_sd", posterior.spec.priors.product_sd)
    table["shrinkage"] = np.clip(_variance_about_groups(draws, panel) / np.mean(np.square(spread)), 0, 1)
    table["n_price_changes"] = panel.n_price_changes
    table["units"] = panel.units_sold
    return table


def group_table(posterior: DemandPosterior, depth: int, ci_prob: float) -> pd.DataFrame:
    """One row per group of a level; see :func:`_weighted_means` for ``weighted_mean``."""
    draws, panel = posterior.draws, posterior.panel
    level = panel.levels[depth]
    codes = panel.group_at(depth)
    table = summarise(draws.population[f"elasticity_{level.name}"], level.labels, ci_prob)
    table = table.join(_weighted_means(draws, panel, codes, level.labels, ci_prob))
    parents = level.parent
    for above in range(depth - 1, -1, -1):
        table.insert(0, panel.levels[above].name, panel.levels[above].labels[parents])
        parents = panel.levels[above].parent[parents]
    table["n_products"] = np.bincount(codes, minlength=len(level.labels))
    table["units"] = np.bincount(codes, panel.units_sold, minlength=len(level.labels))
    return table


def global_table(posterior: DemandPosterior, ci_prob: float) -> pd.DataFrame:
    """The overall elasticity."""
    draws, panel = posterior.draws, posterior.panel
    everything, label = np.zeros(len(panel.product), dtype=int), pd.Index(["global"])
    table = summarise(draws.population["elasticity_global"][None], label, ci_prob)
    table = table.join(_weighted_means(draws, panel, everything, label, ci_prob))
    table["n_products"] = len(panel.product)
    table["units"] = panel.units_sold.sum()
    return table


def _weighted_means(draws, panel, codes, labels, ci_prob):
    r"""Elasticities of the units of groups (N,), all their prices changing by the same percentage.

    .. math:: \frac{\partial \log \sum_i y_i}{\partial \log p} = \sum_i w_i \beta_i, \quad
        w_i = y_i / \textstyle\sum_k y_k

    where y are units sold; products of a group that sold nothing count the same.
    """
    units = panel.units_sold
    sold = np.bincount(codes, units, minlength=len(labels))[codes] > 0
    weight = np.where(sold, units, 1.0)
    members = csr_array((weight, (codes, np.arange(len(codes)))), (len(labels), len(codes)))
    table = summarise((members @ draws.beta) / members.sum(axis=1)[:, None], labels, ci_prob)
    return table[list(WEIGHTED)].rename(columns=WEIGHTED)


def _variance_about_groups(draws, panel):
    """Variance (N,) of elasticities about the mean of their group, piece by piece to save memory."""
    if panel.levels:
        means, group = draws.population[f"elasticity_{panel.levels[-1].name}"], panel.group
    else:
        means = draws.population["elasticity_global"][None]
        group = np.zeros(len(draws.beta), dtype=int)
    pieces = range(0, len(group), PIECE)
    return np.concatenate(
        [(draws.beta[k : k + PIECE] - means[group[k : k + PIECE]]).var(axis=1) for k in pieces]
    )
