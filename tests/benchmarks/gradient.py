"""Gradient of the log posterior: hdfm's graph beside the plain row-wise one, in one run.

    python tests/benchmarks/gradient.py

519,700 rows of 5,197 products (the article's generator, filtered). Both are PyMC models of the same posterior
under JAX (their values are compared), compiled and called in turn; median milliseconds of 20 calls each.
"""

import time

import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_logp
from rich.console import Console
from rich.table import Table

import jax  # isort: skip

from hdfm import ElasticityPriors
from hdfm.datasets import keep_sellers, simulate_sales
from hdfm.sales.graph.data import demand_data, sizes_of
from hdfm.sales.graph.model import build_demand_model, effects
from hdfm.sales.graph.start import rough_estimates
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.spec import DemandSpec

CALLS = 20
ROLES = Roles("product", ("category",), "time_period", "price")


def row_wise(panel, spec, start) -> pm.Model:
    """The same posterior with the likelihood as most would write it: rows, and a gather for each effect."""
    i, t = np.nonzero(panel.observed)
    x, units, block = panel.log_price[i, t], panel.units[i, t], panel.block[i]
    with pm.Model(coords=panel.coords) as model:
        data = demand_data(panel, spec, start, sizes_of(panel))
        delta, beta, gamma, _ = effects(panel, spec, start, data)
        mean = pm.math.exp(delta[i] + beta[i] * x + gamma[block, t])
        if spec.likelihood == "poisson":
            pm.Poisson("y", mean, observed=units)
        else:
            overdispersion = pm.HalfNormal("overdispersion", 1.0, initval=start.noise)
            pm.NegativeBinomial("y", mu=mean, alpha=overdispersion**-2, observed=units)
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
        panel = build_panel(sales, sales["units_sold"].to_numpy(float), ROLES)
        spec = DemandSpec(likelihood, True, "random", False, ElasticityPriors())
        start = rough_estimates(panel, spec)
        plain, own = row_wise(panel, spec, start), build_demand_model(panel, spec, start)
        calls = {"plain": gradient(plain), "hdfm": gradient(own)}
        values = [float(call()[0]) for call in calls.values()]
        np.testing.assert_allclose(values[0], values[1], rtol=1e-8)
        times = {name: [] for name in calls}
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
