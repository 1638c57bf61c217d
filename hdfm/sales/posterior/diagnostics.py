"""Can the draws of a sales model be trusted? One table with a verdict."""

import numpy as np
import pandas as pd
import xarray as xr

from hdfm.sales.engines import ENGINES
from hdfm.sampling.engines import engine_of
from hdfm.summaries.diagnostics import (
    COLUMNS,
    OK,
    approximation_table,
    summary,
    variable_rows,
    warn_of_approximation,
    warn_of_chains,
    with_sampler,
)
from hdfm.summaries.loo import GOOD_K


def diagnostics_table(tree: xr.DataTree, pareto_k: pd.Series | None = None) -> pd.DataFrame:
    """Worst R-hat and effective sample sizes of each variable, divergences, and a verdict a row.

    Parameters
    ----------
    pareto_k : pandas.Series, optional
        By product (N,), of Laplace's approximation.

    Returns
    -------
    pandas.DataFrame
        A row per variable, and a last row ``sampler``: ``n`` quantities, ``r_hat`` (largest), ``ess_bulk``
        and ``ess_tail`` (smallest), ``divergences``, ``verdict``. A variable is "ok" with R-hat at most
        1.01 and both effective sample sizes at least 100 a chain [1]_; the largest R-hat of a vector may
        reach 1.02, since the largest of hundreds passes 1.01 by chance. ``attrs["verdict"]`` sums up. Of
        Laplace's approximation, whose draws are independent, a row ``product`` with the largest ``pareto_k``
        and one for the sampler; of another approximation the last row, with ``pareto_k`` of its draws.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and
       localization: An improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2).
    """
    engine = engine_of(ENGINES, tree.attrs["inference"])
    if engine.pareto_k is not None:
        return _of_products(tree, pareto_k)
    if not engine.exact:
        return approximation_table(tree, engine)
    table = with_sampler(variable_rows(tree["posterior"].to_dataset()), tree)
    table.attrs["verdict"] = summary(table)
    return table


def warn_of_draws(tree: xr.DataTree) -> None:
    """Say at once what a user should hear of draws; of Laplace's approximation its engine has."""
    engine = engine_of(ENGINES, tree.attrs["inference"])
    if engine.exact:
        warn_of_chains(tree["posterior"].to_dataset())
    elif engine.pareto_k is None:
        warn_of_approximation(tree, engine)


def _of_products(tree, pareto_k):
    """Products and the sampler; the verdict says on how many values of the scales draws rest."""
    table = with_sampler(pd.DataFrame(columns=COLUMNS), tree)
    draws = table.loc["sampler", "n"]
    share = np.bincount(tree["sample_stats"]["point"].to_numpy().ravel()) / draws
    verdict = (
        f"Laplace's approximation: {draws:,} independent draws, nothing to converge; "
        f"the scales take effectively {1 / (share**2).sum():.0f} values."
    )
    if pareto_k is not None:
        far = pareto_k[pareto_k > GOOD_K]
        table.loc["product", ["n", "verdict"]] = (
            len(pareto_k),
            f"{len(far):,} above {GOOD_K}" if len(far) else OK,
        )
        table = table.loc[["product", "sampler"]]
        table.insert(1, "pareto_k", [pareto_k.max(), np.nan])
        if len(far):
            verdict += (
                f" {len(far):,} of {len(pareto_k):,} products are far from normal (Pareto k above {GOOD_K}, "
                f"worst {far.idxmax()}): see pareto_k()."
            )
    table.attrs["verdict"] = verdict
    return table
