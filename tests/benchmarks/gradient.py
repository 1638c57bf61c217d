"""Gradient of the log posterior: hdfm's graph beside the plain row-wise one, in one run.

    python tests/benchmarks/gradient.py

519,700 rows of 5,197 products (the article's generator, filtered). Both are PyMC models under JAX,
compiled and called in turn; median milliseconds of 20 calls each.
"""

import time

import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_logp
from rich.console import Console
from rich.table import Table

import jax  # isort: skip

from hdfm import HierarchicalElasticity
from hdfm.datasets import keep_sellers, simulate_sales

CALLS = 20
ROLES = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}


def row_wise(sales, likelihood: str) -> pm.Model:
    """The same likelihood as most would write it: one gather a row and effect."""
    product, products = sales["product"].factorize()
    category = sales["category"].to_numpy()
    period = sales["time_period"].to_numpy()
    of_product = sales.drop_duplicates("product")["category"].to_numpy()
    log_price = np.log(sales["price"])
    x = (log_price - log_price.groupby(sales["product"]).transform("mean")).to_numpy()
    units = sales["units_sold"].to_numpy()
    with pm.Model() as model:
        mean = pm.Normal("global", -1.5, 1.0)
        group_sd, sd = pm.HalfNormal("group_sd", 0.5), pm.HalfNormal("sd", 0.4)
        group = pm.Normal("group", mean, group_sd, shape=int(category.max()) + 1)
        beta = pm.Normal("beta", group[of_product], sd, shape=len(products))
        delta = pm.Normal("delta", 0.0, 3.0, shape=len(products), initval=np.zeros(len(products)))
        gamma = pm.ZeroSumNormal("gamma", 0.5, shape=(int(category.max()) + 1, int(period.max()) + 1))
        eta = delta[product] + beta[product] * x + gamma[category, period]
        if likelihood == "poisson":
            pm.Poisson("units", pm.math.exp(eta), observed=units)
        else:
            alpha = pm.HalfNormal("overdispersion", 1.0)
            pm.NegativeBinomial("units", mu=pm.math.exp(eta), alpha=alpha**-2, observed=units)
    return model


def gradient(model: pm.Model):
    """A call that evaluates log density and gradient, and waits for them."""
    point = model.initial_point()
    start = [jax.numpy.asarray(point[v.name]) for v in model.value_vars]
    potential = get_jaxified_logp(model, negative_logp=False)  # as NUTS takes it: minus the log density
    evaluate = jax.jit(jax.value_and_grad(potential))
    return lambda: jax.block_until_ready(evaluate(start))


def main() -> None:
    """Print the table."""
    sales = keep_sellers(simulate_sales(20_000, 10, 100, price_change_prob=0.5, seed=42))
    table = Table(
        title=f"Log posterior and gradient, {len(sales):,} rows, {sales['product'].nunique():,} products"
    )
    for column in ("likelihood", "row-wise, ms", "hdfm, ms", "ratio"):
        table.add_column(column, justify="right")
    for likelihood in ("poisson", "negative_binomial"):
        ours = HierarchicalElasticity(**ROLES, likelihood=likelihood).build_model(sales, sales["units_sold"])
        calls = {"plain": gradient(row_wise(sales, likelihood)), "hdfm": gradient(ours)}
        times = {name: [] for name in calls}
        for call in calls.values():
            call()
        for _ in range(CALLS):
            for name, call in calls.items():
                begin = time.perf_counter()
                call()
                times[name].append(1000 * (time.perf_counter() - begin))
        plain, own = np.median(times["plain"]), np.median(times["hdfm"])
        table.add_row(likelihood, f"{plain:.1f}", f"{own:.1f}", f"{plain / own:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
