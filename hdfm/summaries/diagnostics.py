"""Can the draws be trusted? One table with a verdict."""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hdfm.exceptions import unknown
from hdfm.summaries.loo import GOOD_K

R_HAT = 1.01
R_HAT_OF_MANY = 1.02
ESS_PER_CHAIN = 100
DIVERGENT_SHARE = 0.001
OK = "ok"
COLUMNS = ["n", "r_hat", "ess_bulk", "ess_tail", "divergences", "verdict"]
R_HAT_OF_CUSTOMERS, ESS_OF_CUSTOMERS = 1.05, 25
INVARIANT = ("coefficient_path", "coefficient_mean", "customer_sd", "covariate_effect")
OF_CUSTOMERS = ("alpha",)
LEFT_OUT = ("individual_factor_path", "individual_multiplier")
PATH, SUM_OF_FACTORS, LOG_DENSITY = "coefficient_path", "sum_of_factors", "log_density"


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
        and one for the sampler.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and
       localization: An improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2).
    """
    match tree.attrs["inference"]:
        case "laplace":
            return _of_independent_draws(tree, pareto_k)
        case "nuts":
            table = _with_sampler(variable_rows(tree["posterior"].to_dataset()), tree)
            table.attrs["verdict"] = summary(table)
            return table
        case inference:
            raise unknown("inference", inference)


def _of_independent_draws(tree, pareto_k):
    """Products and the sampler; the verdict says on how many values of the scales draws rest."""
    table = _with_sampler(pd.DataFrame(columns=COLUMNS), tree)
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


def choice_diagnostics(tree: xr.DataTree) -> pd.DataFrame:
    """The table of a choice model, what doesn't depend on the labels of factors first.

    Population paths, what all factors add to them together (``sum_of_factors``), the distribution of
    customers and the log density say whether the chains agree. Single factors, after alignment, may
    fail to mix where the data can't tell them apart: then they are "not separately identified", which
    ``attrs["verdict"]`` says without calling the fit not converged.

    Returns
    -------
    pandas.DataFrame
        As :func:`diagnostics_table`, with a column ``about``: "label-invariant", "customers" (thousands of
        coefficients: R-hat up to 1.05 and effective sample sizes from 25 a chain are "ok") or "aligned"
        (loadings averaged over customers). Of a posterior mode or a variational approximation, the last
        row alone.
    """
    match tree.attrs["inference"]:
        case "nuts":
            return _of_chains(tree)
        case "map" | "variational" as inference:
            table = _with_sampler(pd.DataFrame(columns=["about", *COLUMNS]), tree)
            table.attrs["verdict"] = (
                f'A quick look by inference="{inference}": not draws of the posterior, so that '
                "there is nothing to diagnose; intervals are too narrow or missing."
            )
            return table
        case inference:
            raise unknown("inference", inference)


def _of_chains(tree):
    """Label-invariant quantities, customers and aligned factors; the first two decide."""
    posterior = tree["posterior"].to_dataset()
    invariant = posterior[[name for name in INVARIANT if name in posterior]]
    if PATH in posterior:
        invariant[SUM_OF_FACTORS] = posterior[PATH] - posterior[PATH].mean("period")
    invariant[LOG_DENSITY] = tree["sample_stats"]["lp"]
    of_customers = posterior[[name for name in OF_CUSTOMERS if name in posterior]]
    known = {*INVARIANT, *OF_CUSTOMERS, *LEFT_OUT}
    aligned = posterior[[name for name in posterior if name not in known]]
    if "customer" in aligned.dims:
        aligned = aligned.mean("customer")
    tables = [
        variable_rows(invariant).assign(about="label-invariant"),
        variable_rows(of_customers, R_HAT_OF_CUSTOMERS, ESS_OF_CUSTOMERS).assign(about="customers"),
        variable_rows(aligned).assign(about="aligned"),
    ]
    table = _with_sampler(pd.concat([each for each in tables if len(each)]), tree)
    table = table[["about", *COLUMNS]]
    first = table[table["about"] != "aligned"]
    rest = table[(table["about"] == "aligned") & (table["verdict"] != OK)]
    verdict = summary(first)
    if len(rest) and (first["verdict"] == OK).all():
        verdict += (
            f" Not separately identified, or short of draws: {', '.join(rest.index)}; see identification()."
        )
    table.attrs["verdict"] = verdict
    return table


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


def _with_sampler(table, tree):
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
