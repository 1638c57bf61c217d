"""Tables of elasticities from draws.

Array names and axis order: N products or groups, S draws.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from joblib import cpu_count

from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.posterior.draws import DemandDraws
from hdfm.sales.spec import DemandSpec

SUMMARY = ("mean", "sd", "lower", "upper", "p_elastic", "p_positive")
PIECE = 256  # products at a time


def summarise(draws: np.ndarray, index: pd.Index, ci_prob: float) -> pd.DataFrame:
    """Mean, sd, equal-tailed interval, P(elasticity < -1) and P(elasticity > 0) of draws (N, S).

    A single draw, such as a posterior mode, has no sd and no interval.
    """
    pieces = [draws[k : k + PIECE] for k in range(0, len(draws), PIECE)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        columns = np.hstack(list(pool.map(lambda piece: _summaries(piece, ci_prob), pieces)))
    table = pd.DataFrame(dict(zip(SUMMARY, columns, strict=True)), index=index)
    table.attrs["ci_prob"] = ci_prob
    return table


def _summaries(draws, ci_prob):
    """The columns of ``SUMMARY`` (6, n) of a piece of products."""
    lower, upper = np.quantile(draws, [(1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=1)
    sd = draws.std(axis=1, ddof=1) if draws.shape[1] > 1 else np.full(len(draws), np.nan)
    if draws.shape[1] == 1:
        lower = upper = sd
    return np.stack(
        [draws.mean(axis=1), sd, lower, upper, (draws < -1).mean(axis=1), (draws > 0).mean(axis=1)]
    )


def product_table(draws: DemandDraws, panel: SalesPanel, spec: DemandSpec, ci_prob: float) -> pd.DataFrame:
    """One row per product: its groups, its elasticity, and what the data had to say about it.

    ``shrinkage`` is the variance of the elasticity about its group's mean over the spread of products
    in the group: 1 where the data say nothing, near 0 where the group doesn't matter.
    """
    assert draws.beta is not None
    table = summarise(draws.beta, panel.product, ci_prob)
    for depth, level in enumerate(panel.levels):
        table.insert(depth, level.name, level.labels[panel.group_at(depth)])
    spread = draws.population.get("elasticity_sd", spec.priors.product_sd)
    table["shrinkage"] = np.clip(_variance_about_groups(draws, panel) / np.mean(np.square(spread)), 0, 1)
    table["n_price_changes"] = panel.n_price_changes
    table["units"] = panel.units.sum(axis=1)
    return table


def group_table(draws: DemandDraws, panel: SalesPanel, depth: int, ci_prob: float) -> pd.DataFrame:
    """One row per group of a level."""
    level = panel.levels[depth]
    codes = panel.group_at(depth)
    table = summarise(draws.population[f"elasticity_{level.name}"], level.labels, ci_prob)
    parents = level.parent
    for above in range(depth - 1, -1, -1):
        table.insert(0, panel.levels[above].name, panel.levels[above].labels[parents])
        parents = panel.levels[above].parent[parents]
    table["n_products"] = np.bincount(codes, minlength=len(level.labels))
    table["units"] = np.bincount(codes, panel.units.sum(axis=1), minlength=len(level.labels))
    return table


def global_table(draws: DemandDraws, panel: SalesPanel, ci_prob: float) -> pd.DataFrame:
    """The overall elasticity."""
    table = summarise(draws.population["elasticity_global"][None], pd.Index(["global"]), ci_prob)
    table["n_products"] = len(panel.product)
    table["units"] = panel.units.sum()
    return table


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
