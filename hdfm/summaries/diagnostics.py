"""Can the draws be trusted? Rows of a table, and a verdict."""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

R_HAT = 1.01
R_HAT_OF_MANY = 1.02
ESS_PER_CHAIN = 100
DIVERGENT_SHARE = 0.001
OK = "ok"
COLUMNS = ["n", "r_hat", "ess_bulk", "ess_tail", "divergences", "verdict"]


def variable_rows(
    posterior: xr.Dataset, most: float = R_HAT_OF_MANY, per_chain: int = ESS_PER_CHAIN
) -> pd.DataFrame:
    """Size, worst R-hat and effective sample sizes, and verdict of each variable that varies."""
    posterior = posterior[[name for name, values in posterior.items() if np.ptp(values.to_numpy()) > 0]]
    if not posterior.data_vars:
        return pd.DataFrame(columns=COLUMNS)
    r_hat = az.rhat(posterior) if posterior.sizes["chain"] > 1 else None
    bulk, tail = az.ess(posterior, method="bulk"), az.ess(posterior, method="tail")
    least = per_chain * posterior.sizes["chain"]
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
            "verdict": _verdict(worst, min(low, low_tail), most if size > 1 else R_HAT, least),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def with_sampler(table: pd.DataFrame, tree: xr.DataTree) -> pd.DataFrame:
    """The table with a last row for the sampler."""
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    divergences = int(diverging.sum())
    table.loc["sampler", "n"] = diverging.size
    table.loc["sampler", "divergences"] = divergences
    table.loc["sampler", "verdict"] = (
        OK if divergences <= DIVERGENT_SHARE * diverging.size else f"{divergences} divergences"
    )
    table = table[[*(["about"] if "about" in table else []), *COLUMNS]]
    table["n"] = table["n"].astype(int)
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


def _verdict(r_hat, ess, most, least):
    if r_hat > most:
        return f"R-hat {r_hat:.3f}"
    return OK if ess >= least else f"effective sample size {ess:,.0f}"
