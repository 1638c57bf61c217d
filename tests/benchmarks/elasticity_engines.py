"""Ways to elasticities side by side: seconds, memory, errors and coverage, on the article's generator.

python tests/benchmarks/elasticity_engines.py --size small                    # 1,000 products x 50 periods
python tests/benchmarks/elasticity_engines.py --size filtered unfiltered      # 519,700 and 2,000,000 rows
python tests/benchmarks/elasticity_engines.py --growth                        # time against sizes

Each engine runs in a process of its own; quick ones twice, for the first call loads and compiles.
GPBoost runs where it is installed. ESS and R-hat are the worst over elasticities of products.
NUTS on the filtered panel: --engines nuts --tune 75 --draws 2300 --target-accept 0.6
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from hdfm import HierarchicalElasticity
from hdfm.datasets import keep_sellers, simulate_sales
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import PATHS

LEVELS = (0.5, 0.9, 0.95)
ROLES = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}
STEPS, PARTICLES = 2_000, 8


def article(products: int, periods: int) -> pd.DataFrame:
    """The article's generator, with Poisson counts of exactly the model's mean."""
    return simulate_sales(products, 10, periods, price_change_prob=0.5, seed=42)


def negative_binomial(products: int, periods: int) -> pd.DataFrame:
    """The same with counts that are negative binomial, as the likelihood that is fitted."""
    return simulate_sales(products, 10, periods, 0.5, seed=42, noise="negative_binomial", period_noise=0.0)


SIZES = {
    "small": lambda: article(1_000, 50),
    "filtered": lambda: keep_sellers(article(20_000, 100)),
    "unfiltered": lambda: article(20_000, 100),
    "unfiltered_nb": lambda: negative_binomial(20_000, 100),
    "filtered_nb": lambda: keep_sellers(negative_binomial(20_000, 100)),
}


@dataclass(frozen=True)
class Estimates:
    """Of elasticities of products (N,): means, ends of intervals by level; draws (C, n, N) of chains.

    ``idle`` seconds made what is only for the benchmark.
    """

    index: pd.Index
    mean: np.ndarray
    intervals: dict[float, tuple[np.ndarray, np.ndarray]]
    draws: np.ndarray | None = None
    idle: float = 0.0


def by_laplace(sales, options):
    """HierarchicalElasticity(inference="laplace")."""
    return _hdfm(sales, options, inference="laplace")


def by_laplace_selected(sales, options):
    """The same, told of the filter."""
    return _hdfm(sales, options, inference="laplace", selected_above=100)


def by_nuts(sales, options):
    """HierarchicalElasticity by NUTS."""
    sampling = {"draws": options.draws, "tune": options.tune, "target_accept": options.target_accept}
    return _hdfm(sales, options, chains=2, progressbar=False, **sampling)


def _hdfm(sales, options, **settings):
    model = HierarchicalElasticity(**ROLES, **PATHS[options.paths], likelihood=options.likelihood, **settings)
    model.fit(sales, sales["units_sold"])
    begin = time.perf_counter()
    tables = {level: model.elasticities(ci_prob=level) for level in LEVELS}
    table = tables[LEVELS[0]]
    intervals = {level: (t["lower"].to_numpy(), t["upper"].to_numpy()) for level, t in tables.items()}
    sampled = settings.get("inference") != "laplace"
    draws = model.idata_["posterior"]["elasticity"].to_numpy() if sampled else None
    return Estimates(table.index, table["mean"].to_numpy(), intervals, draws, time.perf_counter() - begin)


def by_two_step(sales, options):
    """Two-step empirical Bayes in NumPy."""
    from reference.baselines import two_step_posterior

    panel = _panel(sales)
    return _normal(panel.product, *two_step_posterior(panel.units, panel.log_price, panel.group))


def by_gpboost(sales, options):
    """Mixed model by GPBoost: random intercepts and slopes of products in categories, category-periods."""
    import gpboost

    x = np.log(sales["price"].to_numpy())
    x = x - sales.assign(x=x).groupby("product")["x"].transform("mean").to_numpy()
    product, category = sales["product"].to_numpy(), sales["category"].to_numpy()
    period = category * (sales["time_period"].max() + 1) + sales["time_period"].to_numpy()
    model = gpboost.GPModel(
        group_data=np.column_stack([category, product, period]).astype(str),
        group_rand_coef_data=np.column_stack([x, x]),
        ind_effect_group_rand_coef=[1, 2],
        likelihood=options.likelihood,
    )
    design = np.column_stack([np.ones_like(x), x])
    model.fit(y=sales["units_sold"].to_numpy(float), X=design)
    effects = model.predict_training_data_random_effects(predict_var=True)
    first = np.flatnonzero(~sales["product"].duplicated().to_numpy())
    names = [name for name in effects.columns if "rand_coef" in name and "var" not in name.lower()]
    spreads = [name for name in effects.columns if "rand_coef" in name and "var" in name.lower()]
    slope = float(np.asarray(model.get_coef())[0][1])
    mean = slope + effects[names].to_numpy()[first].sum(axis=1)
    return _normal(pd.Index(product[first]), mean, np.sqrt(effects[spreads].to_numpy()[first].sum(axis=1)))


def by_svi(sales, options):
    """The article's mean-field variational inference in NumPyro."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import SVI, Trace_ELBO, autoguide

    product, labels = pd.factorize(sales["product"])
    category, _ = pd.factorize(sales["category"])
    first = np.flatnonzero(~sales["product"].duplicated().to_numpy())
    of_product = category[first]
    x, units = np.log(sales["price"].to_numpy()), sales["units_sold"].to_numpy(float)
    cell = category * (sales["time_period"].max() + 1) + sales["time_period"].to_numpy()
    cells, n_cells = pd.factorize(cell)[0], len(np.unique(cell))

    def model():
        overall = numpyro.sample("overall", dist.Normal(-1.5, 0.5))
        with numpyro.plate("categories", category.max() + 1):
            group = numpyro.sample("group", dist.Normal(overall, 0.4))
        with numpyro.plate("products", len(labels)):
            beta = numpyro.sample("beta", dist.Normal(group[of_product], 0.3))
            level = numpyro.sample("level", dist.Normal(0, 5))
        with numpyro.plate("cells", n_cells):
            time_effect = numpyro.sample("time_effect", dist.Normal(0, 3))
        rate = jax.numpy.exp(level[product] + beta[product] * x + time_effect[cells])
        if options.likelihood == "poisson":
            numpyro.sample("y", dist.Poisson(rate), obs=units)
        else:
            shape = numpyro.sample("shape", dist.Exponential(0.1))
            numpyro.sample("y", dist.NegativeBinomial2(rate, shape), obs=units)

    guide = autoguide.AutoNormal(model)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO(num_particles=PARTICLES))
    result = svi.run(jax.random.PRNGKey(0), STEPS, progress_bar=False)
    mean, sd = (np.asarray(result.params[f"beta_auto_{part}"]) for part in ("loc", "scale"))
    return _normal(labels, mean, sd)


def by_plain_pymc(sales, options):
    """The same posterior as hdfm's, written row by row in PyMC and sampled by ``pymc.sampling.jax``."""
    import pymc as pm
    from pymc.sampling.jax import sample_numpyro_nuts

    panel = _panel(sales)
    i, t = np.nonzero(panel.observed)
    with pm.Model():
        overall = pm.Normal("overall", -1.5, 1.0)
        group_sd, product_sd = pm.HalfNormal("group_sd", 0.4), pm.HalfNormal("product_sd", 0.3)
        group = pm.Normal("group", overall, group_sd, shape=panel.n_groups)
        beta = pm.Normal("beta", group[panel.group], product_sd, shape=len(panel.product))
        level = pm.Normal("level", 0, 3, shape=panel.n_groups)
        delta = pm.Normal("delta", level[panel.group], pm.HalfNormal("delta_sd", 2), shape=len(panel.product))
        time_sd = pm.HalfNormal("time_sd", 0.5)
        gamma = pm.Normal("gamma", 0, time_sd, shape=(panel.n_groups, panel.units.shape[1]))
        eta = delta[i] + beta[i] * panel.log_price[i, t] + gamma[panel.group[i], t]
        if options.likelihood == "poisson":
            pm.Poisson("y", pm.math.exp(eta), observed=panel.units[i, t])
        else:
            alpha = pm.HalfNormal("overdispersion", 1) ** -2
            pm.NegativeBinomial("y", mu=pm.math.exp(eta), alpha=alpha, observed=panel.units[i, t])
        tree = sample_numpyro_nuts(
            draws=options.draws,
            tune=options.tune,
            target_accept=options.target_accept,
            chains=2,
            random_seed=0,
            progressbar=False,
            compute_convergence_checks=False,
        )
    draws = tree["posterior"]["beta"].to_numpy()
    flat = draws.reshape(-1, draws.shape[-1])
    ends = {level: np.quantile(flat, [(1 - level) / 2, (1 + level) / 2], axis=0) for level in LEVELS}
    return Estimates(
        panel.product, flat.mean(axis=0), {level: tuple(each) for level, each in ends.items()}, draws
    )


ENGINES: dict[str, Callable] = {
    "laplace": by_laplace,
    "laplace_selected": by_laplace_selected,
    "nuts": by_nuts,
    "two_step": by_two_step,
    "gpboost": by_gpboost,
    "svi": by_svi,
    "plain_pymc": by_plain_pymc,
}


def _panel(sales):
    return build_panel(
        sales, sales["units_sold"].to_numpy(float), Roles("product", ("category",), "time_period", "price")
    )


def _normal(index, mean, sd):
    intervals = {}
    for level in LEVELS:
        half = norm.isf((1 - level) / 2) * sd
        intervals[level] = mean - half, mean + half
    return Estimates(index, mean, intervals)


def measured(engine: str, size: str, options: argparse.Namespace) -> dict:
    """Figures of one engine in this process."""
    sales = SIZES[size]()
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(1 if engine in ("svi", "plain_pymc", "gpboost", "nuts") else 2):
        begin = time.perf_counter()
        found = ENGINES[engine](sales, options)
        seconds.append(time.perf_counter() - begin - found.idle)
    by_product = sales.groupby("product").agg(
        truth=("product_elasticity", "first"), units=("units_sold", "sum")
    )
    by_product = by_product.loc[found.index]
    truth = by_product["truth"].to_numpy()
    decile = pd.qcut(by_product["units"].rank(method="first"), 10, labels=False).to_numpy()
    covered = {level: (low <= truth) & (truth <= high) for level, (low, high) in found.intervals.items()}
    error = found.mean - truth
    return {
        "engine": engine,
        "size": size,
        "rows": len(sales),
        "first": seconds[0],
        "second": seconds[-1] if len(seconds) > 1 else None,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "before": before / 1e6,
        **_convergence(found.draws),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "covered": [float(covered[level].mean()) for level in LEVELS],
        "by_decile": [float(covered[0.95][decile == k].mean()) for k in range(10)],
        "mae_by_decile": [float(np.abs(error[decile == k]).mean()) for k in range(10)],
    }


def _convergence(draws):
    if draws is None:
        return {"ess": None, "r_hat": None}
    return {"ess": float(np.min(az.ess(draws))), "r_hat": float(np.max(az.rhat(draws)))}


def in_own_process(engine: str, size: str) -> dict | None:
    """Those figures; None where the engine is not installed, does not apply or fails."""
    if engine == "laplace_selected" and not size.startswith("filtered"):
        return None
    if engine == "gpboost" and importlib.util.find_spec("gpboost") is None:
        return None
    asked = [word for word in sys.argv[1:] if word not in SIZES and word not in ENGINES]
    asked = [word for word in asked if word not in ("--size", "--engines")]
    command = [sys.executable, __file__, *asked, "--one", engine, "--size", size]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{engine} on {size} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def side_by_side(size: str, options: argparse.Namespace, console: Console) -> None:
    """Print one table."""
    rows = [each for engine in options.engines if (each := in_own_process(engine, size))]
    table = Table(title=f"{size}: {rows[0]['rows']:,} rows, {options.likelihood}")
    for name in (
        "engine",
        "first s",
        "second s",
        "GB",
        "ESS",
        "ESS/s",
        "R-hat",
        "MAE",
        "RMSE",
        "50 %",
        "90 %",
        "95 %",
        "95 % by decile",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        low, high = min(row["by_decile"]), max(row["by_decile"])
        table.add_row(
            row["engine"],
            f"{row['first']:.1f}",
            "" if row["second"] is None else f"{row['second']:.1f}",
            f"{row['gigabytes']:.2f}",
            *_chains(row),
            f"{row['mae']:.4f}",
            f"{row['rmse']:.4f}",
            *(f"{100 * share:.1f}" for share in row["covered"]),
            f"{100 * low:.1f} to {100 * high:.1f}",
        )
    console.print(table)
    for row in rows:
        console.print(f"{row['engine']} by decile of units: 95 % cover {np.round(row['by_decile'], 3)}")
        console.print(f"  MAE {np.round(row['mae_by_decile'], 3)}")


def _chains(row):
    if row["ess"] is None:
        return "", "", ""
    return f"{row['ess']:.0f}", f"{row['ess'] / row['first']:.2f}", f"{row['r_hat']:.3f}"


def growth(likelihood: str, console: Console) -> None:
    """Seconds of second calls against products, periods and categories, and the exponents."""
    grids = {
        "products": [(n, 10, 50) for n in (200, 1_000, 5_000, 20_000)],
        "periods": [(1_000, 10, t) for t in (10, 30, 100, 300, 1_000)],
        "categories": [(5_000, c, 50) for c in (2, 10, 50, 200)],
    }
    for what, sizes in grids.items():
        seconds = []
        for products, categories, periods in sizes:
            sales = simulate_sales(products, categories, periods, 0.5, seed=1)
            model = HierarchicalElasticity(
                **ROLES, **PATHS["none"], likelihood=likelihood, inference="laplace"
            )
            times = []
            for _ in range(2):
                begin = time.perf_counter()
                model.fit(sales, sales["units_sold"])
                times.append(time.perf_counter() - begin)
            seconds.append(times[-1])
        values = [size[("products", "categories", "periods").index(what)] for size in sizes]
        exponent = np.polyfit(np.log(values), np.log(seconds), 1)[0]
        steepest = np.diff(np.log(seconds)) / np.diff(np.log(values))
        console.print(
            f"{what} {values}: {np.round(seconds, 2)} s, exponent {exponent:.2f} "
            f"(between neighbours {np.round(steepest, 2)})"
        )


def main() -> None:
    """Print tables, or the growth of the Laplace engine's time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", nargs="+", choices=SIZES, default=["small"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--likelihood", choices=["poisson", "negative_binomial"], default="poisson")
    parser.add_argument("--paths", choices=PATHS, default="none", help="what moves over time")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--tune", type=int, default=300)
    parser.add_argument("--target-accept", type=float, default=0.8)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    console = Console(width=130)
    if options.one:
        print(json.dumps(measured(options.one, options.size[0], options)))
    elif options.growth:
        growth(options.likelihood, console)
    else:
        for size in options.size:
            side_by_side(size, options, console)


if __name__ == "__main__":
    main()
