"""Can the draws be trusted? One table with a verdict."""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

R_HAT = 1.01
R_HAT_OF_MANY = 1.02
ESS = 400
DIVERGENT_SHARE = 0.001
OK = "ok"


def diagnostics_table(tree: xr.DataTree) -> pd.DataFrame:
    """Worst R-hat and effective sample sizes of each variable, divergences, and a verdict a row.

    Returns
    -------
    pandas.DataFrame
        A row per variable, and a last row ``sampler``: ``n`` quantities, ``r_hat`` (largest), ``ess_bulk``
        and ``ess_tail`` (smallest), ``divergences``, ``verdict``. A variable is "ok" with R-hat at most
        1.01 and both effective sample sizes at least 400 [1]_; the largest R-hat of a vector may reach
        1.02, since the largest of hundreds passes 1.01 by chance. ``attrs["verdict"]`` sums up.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and
       localization: An improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2).
    """
    posterior = tree["posterior"].to_dataset()
    several = posterior.sizes["chain"] > 1
    r_hat = az.rhat(posterior) if several else None
    bulk, tail = az.ess(posterior, method="bulk"), az.ess(posterior, method="tail")
    rows = {}
    for name in posterior.data_vars:
        size = int(posterior[name].size / posterior.sizes["chain"] / posterior.sizes["draw"])
        worst = float(r_hat[name].max()) if r_hat is not None else np.nan
        low, low_tail = float(bulk[name].min()), float(tail[name].min())
        rows[name] = {
            "n": size,
            "r_hat": worst,
            "ess_bulk": low,
            "ess_tail": low_tail,
            "verdict": _verdict(worst, min(low, low_tail), R_HAT_OF_MANY if size > 1 else R_HAT),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    divergences = int(diverging.sum())
    table.loc["sampler", "n"] = diverging.size
    table.loc["sampler", "divergences"] = divergences
    table.loc["sampler", "verdict"] = (
        OK if divergences <= DIVERGENT_SHARE * diverging.size else f"{divergences} divergences"
    )
    table = table[["n", "r_hat", "ess_bulk", "ess_tail", "divergences", "verdict"]]
    table["n"] = table["n"].astype(int)
    table.attrs["verdict"] = summary(table)
    return table


def summary(table: pd.DataFrame) -> str:
    """One sentence: converged, or what isn't and what to do."""
    bad = table.index[table["verdict"] != OK]
    if not len(bad):
        return (
            f"Converged: largest R-hat {table['r_hat'].max():.3f}, smallest effective sample size "
            f"{table[['ess_bulk', 'ess_tail']].min().min():,.0f}, "
            f"{table['divergences'].sum():.0f} divergences."
        )
    reasons = "; ".join(f"{name}: {table.loc[name, 'verdict']}" for name in bad)
    return f"Not converged ({reasons}). Raise tune and draws; against divergences raise target_accept."


def _verdict(r_hat, ess, most):
    if r_hat > most:
        return f"R-hat {r_hat:.3f}"
    return OK if ess >= ESS else f"effective sample size {ess:,.0f}"
