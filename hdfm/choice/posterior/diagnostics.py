"""Can the draws of a choice model be trusted? One table with a verdict."""

import pandas as pd
import xarray as xr

from hdfm.choice.engines import ENGINES
from hdfm.factors.pieces import by_draw
from hdfm.factors.tier import TIERS
from hdfm.sampling.engines import Engine, engine_of
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

R_HAT_OF_CUSTOMERS, ESS_OF_CUSTOMERS = 1.05, 25
INVARIANT = ("coefficient_path", "coefficient_mean", "customer_sd", "covariate_effect")
OF_CUSTOMERS = ("alpha",)
LEFT_OUT = {name for tier in TIERS.values() if tier.owner.by_customer for name in tier.wide}
PATH, SUM_OF_FACTORS, LOG_DENSITY = "coefficient_path", "sum_of_factors", "log_density"


def choice_diagnostics(tree: xr.DataTree) -> pd.DataFrame:
    """The table of a choice model, what doesn't depend on the labels of factors first.

    Population paths, what all factors add to them together (``sum_of_factors``), the distribution of
    customers and the log density say whether the chains agree. Single factors, after alignment, may
    fail to mix where the data can't tell them apart: then they are "not separately identified", which
    ``attrs["verdict"]`` says without calling the fit not converged.

    Returns
    -------
    pandas.DataFrame
        A row per variable, and a last row ``sampler``: ``about`` ("label-invariant", "customers" or
        "aligned": loadings averaged over customers), ``n`` quantities, ``r_hat`` (largest), ``ess_bulk`` and
        ``ess_tail`` (smallest), ``divergences``, ``verdict``. Customers, with thousands of coefficients, are
        "ok" with an R-hat up to 1.05 and effective sample sizes from 25 a chain; other limits are those of
        :func:`hdfm.summaries.diagnostics.variable_rows`. Of a posterior mode or a variational approximation,
        the last row alone.
    """
    engine = engine_of(ENGINES, tree.attrs["inference"])
    if not engine.has_draws:
        return _of_mode(tree, engine)
    return _of_chains(tree) if engine.exact else approximation_table(tree, engine, ["about", *COLUMNS])


def warn_of_draws(tree: xr.DataTree) -> None:
    """Say at once what a user should hear of draws; whether the mode was found, its search has."""
    engine = engine_of(ENGINES, tree.attrs["inference"])
    if not engine.has_draws:
        return
    if engine.exact:
        warn_of_chains(_invariant(tree))
    else:
        warn_of_approximation(tree, engine)


def _of_mode(tree, engine: Engine):
    """Diagnostics of a mode: the sampler alone."""
    table = with_sampler(pd.DataFrame(columns=["about", *COLUMNS]), tree)
    table.attrs["verdict"] = (
        f"A quick look by {engine.argument}: not draws of the posterior, so that there is nothing to "
        "diagnose; intervals are missing."
    )
    return table


def _invariant(tree):
    posterior = tree["posterior"].to_dataset()
    invariant = posterior[[name for name in INVARIANT if name in posterior]]
    if PATH in posterior:
        invariant[SUM_OF_FACTORS] = posterior[PATH] - posterior[PATH].mean("period")
    return invariant


def _of_chains(tree):
    """Convergence of label-invariant quantities, customers and aligned factors; the first two decide."""
    posterior, invariant = tree["posterior"].to_dataset(), _invariant(tree)
    invariant[LOG_DENSITY] = tree["sample_stats"]["lp"]
    of_customers = posterior[[name for name in OF_CUSTOMERS if name in posterior]]
    unaligned_names = {*INVARIANT, *OF_CUSTOMERS, *LEFT_OUT}
    aligned = posterior[[name for name in posterior if name not in unaligned_names]]
    aligned = aligned.map(_without_customers)
    tables = [
        variable_rows(invariant).assign(about="label-invariant"),
        variable_rows(of_customers, R_HAT_OF_CUSTOMERS, ESS_OF_CUSTOMERS).assign(about="customers"),
        variable_rows(aligned).assign(about="aligned"),
    ]
    table = with_sampler(pd.concat([part for part in tables if len(part)]), tree)
    table = table[["about", *COLUMNS]]
    deciding_rows = table[table["about"] != "aligned"]
    doubts = table[(table["about"] == "aligned") & (table["verdict"] != OK)]
    verdict = summary(deciding_rows)
    if len(doubts) and (deciding_rows["verdict"] == OK).all():
        verdict += (
            f" Not separately identified, or short of draws: {', '.join(doubts.index)}; see identification()."
        )
    table.attrs["verdict"] = verdict
    return table


def _without_customers(values):
    """Means over the customers of a variable that has them."""
    if "customer" not in values.dims:
        return values
    wide = values.transpose("chain", "draw", "customer", ...)
    return wide.isel(customer=0, drop=True).copy(
        data=by_draw(lambda draws: draws.mean(axis=1), wide.to_numpy())
    )
