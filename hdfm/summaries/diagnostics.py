"""Can the draws be trusted? Rows of a table, and a verdict."""

from collections.abc import Sequence

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hdfm.exceptions import ApproximationWarning, ConvergenceWarning, warn_caller
from hdfm.factors.pieces import pieces
from hdfm.sampling.engines import NUMPYRO, Engine
from hdfm.summaries.intervals import default_ci_prob
from hdfm.summaries.loo import GOOD_K, pareto_k_of_weights

R_HAT = 1.01
R_HAT_OF_MANY = 1.02
R_HAT_TO_SAY, ESS_TO_SAY = 1.05, 50  # a chain
ESS_PER_CHAIN = 100
DIVERGENT_SHARE = 0.001
OK = "ok"
COLUMNS = ["n", "r_hat", "ess_bulk", "ess_tail", "divergences", "verdict"]


def variable_rows(
    posterior: xr.Dataset, most: float = R_HAT_OF_MANY, per_chain: int = ESS_PER_CHAIN
) -> pd.DataFrame:
    """Size, worst R-hat and effective sample sizes, and verdict of each variable that varies."""
    rows = {}
    for name, values in posterior.items():
        draws = values.transpose("chain", "draw", ...).to_numpy()
        if not np.ptp(draws) > 0:
            continue
        size, least = draws[0, 0].size, per_chain * len(draws)
        worst, low, low_tail = _worst(draws)
        rows[name] = {
            "n": size,
            "r_hat": worst,
            "ess_bulk": low,
            "ess_tail": low_tail,
            "verdict": _verdict(worst, min(low, low_tail), most if size > 1 else R_HAT, least),
        }
    return pd.DataFrame.from_dict(rows, orient="index") if rows else pd.DataFrame(columns=COLUMNS)


def _worst(draws):
    """Largest R-hat, smallest bulk and tail effective sample sizes of draws (K, D, ...), some at a time."""
    draws = draws if draws.ndim > 2 else draws[..., None]
    K, N, axes = draws.shape[0], draws.shape[2], {"chain_axis": 0, "draw_axis": 1}
    extremes = []
    for piece in pieces(N, draws.size // N):
        values = draws[:, :, piece].astype(float)
        r_hat = az.rhat(values, **axes) if K > 1 else np.full(1, np.nan)
        bulk = az.ess(values, method="bulk", **axes)
        tail = az.ess(values, method="tail", prob=default_ci_prob(None), **axes)
        extremes.append([np.fmin.reduce(statistic, axis=None) for statistic in (-r_hat, bulk, tail)])
    r_hat, bulk, tail = np.fmin.reduce(extremes)
    return float(-r_hat), float(bulk), float(tail)


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


def approximation_table(tree: xr.DataTree, engine: Engine, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Diagnostics of an approximation: the sampler alone, with Pareto k of importance weights."""
    table, k = with_sampler(pd.DataFrame(columns=list(columns)), tree), _pareto_k(tree)
    table.insert(list(table).index("n") + 1, "pareto_k", k)
    table.attrs["verdict"] = (
        f"A quick look by {engine.argument}: not draws of the posterior; intervals are too narrow. "
        f"Pareto k of its draws is {k:.2f}; below {GOOD_K} weights could mend them."
    )
    return table


def warn_of_approximation(tree: xr.DataTree, engine: Engine) -> None:
    """Warn where draws of an approximation are too far from the posterior for weights to mend them."""
    if _pareto_k(tree) > GOOD_K:
        warn_caller(
            f"{engine.argument} is far from the posterior here (diagnostics() has its Pareto k): take its "
            f"means as a first look, and its intervals as too narrow; {NUMPYRO.argument} has those that "
            "hold.",
            ApproximationWarning,
        )


def _pareto_k(tree):
    return pareto_k_of_weights(tree["sample_stats"]["log_weight"].to_numpy())


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


def warn_of_chains(posterior: xr.Dataset) -> None:
    """Warn where chains disagree, or draws are too few, about what does not depend on labels."""
    rows = variable_rows(posterior)
    message = disagreement(rows, posterior.sizes["chain"], posterior.sizes["draw"]) if len(rows) else ""
    if message:
        warn_caller(message, ConvergenceWarning)


def disagreement(table: pd.DataFrame, chains: int, draws: int) -> str:
    """Convergence warning: chains that disagree, or too few draws; empty where neither.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`variable_rows` of what does not depend on labels.
    draws : int
        Draws of a chain.
    """
    r_hat, ess = table["r_hat"].astype(float), table[["ess_bulk", "ess_tail"]].min(axis=1).astype(float)
    far, few = r_hat > R_HAT_TO_SAY, ess < ESS_TO_SAY * chains
    notes = []
    if far.any():
        notes.append(f"R-hat is {r_hat.max():.2f} for {r_hat.idxmax()}, where chains that agree have 1.01")
    if few.any():
        notes.append(f"the {chains:,} x {draws:,} draws are worth {ess.min():,.0f} for {ess.idxmin()}")
    if not notes:
        return ""
    return (
        f"Chains have not converged: {'; '.join(notes)}. Means and intervals may be far off. Raise tune and "
        "draws, against divergences target_accept; diagnostics() has a row for each variable."
    )


def _verdict(r_hat, ess, most, least):
    if r_hat > most:
        return f"R-hat {r_hat:.3f}"
    return OK if ess >= least else f"effective sample size {ess:,.0f}"
