"""Laplace's approximation against NUTS: one line a data set, over the elasticities of products.

python tests/benchmarks/laplace_against_nuts.py                # all data sets, six minutes
python tests/benchmarks/laplace_against_nuts.py --only low     # one of them
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import NO_PATHS

ROLES = {"product": "product", "groups": "category", "time": "time_period", "price": "price"}
MEANS, SDS = 0.1, 0.05  # posterior sds; relative


def sales_of(products: int, categories: int, periods: int, seed: int, noise: str) -> pd.DataFrame:
    """A simulated panel whose counts have no more noise than the likelihood's."""
    return simulate_sales(products, categories, periods, seed=seed, noise=noise, period_noise=0.0)


def with_gaps(sales: pd.DataFrame) -> pd.DataFrame:
    """Two fifths of the rows missing."""
    return sales[np.random.default_rng(0).random(len(sales)) < 0.6]


def thinned(sales: pd.DataFrame) -> pd.DataFrame:
    """A tenth of the units."""
    units = np.random.default_rng(0).binomial(sales["units_sold"].astype(int), 0.1)
    return sales.assign(units_sold=units)


DATA = {
    "large": (lambda: sales_of(300, 5, 60, 1, "negative_binomial"), "negative_binomial"),
    "poisson": (lambda: sales_of(100, 4, 30, 2, "poisson"), "poisson"),
    "log_normal": (lambda: sales_of(100, 4, 30, 3, "log_normal"), "log_normal"),
    "gaps": (lambda: with_gaps(sales_of(200, 4, 40, 4, "negative_binomial")), "negative_binomial"),
    "low": (lambda: thinned(sales_of(200, 4, 25, 5, "poisson")), "poisson"),
    "small": (lambda: sales_of(30, 2, 20, 6, "negative_binomial"), "negative_binomial"),
}


def main() -> None:
    """Fit each data set both ways and print how far they are apart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--random-state", type=int, help="of Laplace's draws")
    options = parser.parse_args()
    for name in options.only:
        make, likelihood = DATA[name]
        print(f"{name}: {compared(make(), likelihood, options.draws, options.random_state)}", flush=True)


def compared(sales: pd.DataFrame, likelihood: str, draws: int, random_state: int | None) -> str:
    """Both fits in words."""
    tables, seconds, k = [], [], None
    for settings in (
        {"inference": "laplace", "draws": 5000, "chains": 4, "random_state": random_state},
        {"draws": draws, "tune": 800, "chains": 2, "target_accept": 0.9},
    ):
        model = HierarchicalElasticity(
            **ROLES, **NO_PATHS, likelihood=likelihood, progressbar=False, **settings
        )
        begin = time.perf_counter()
        model.fit(sales, sales["units_sold"])
        seconds.append(time.perf_counter() - begin)
        tables.append(model.elasticities_)
        k = model.pareto_k() if k is None else k
    ours, theirs = tables
    assert k is not None
    gap = (ours["mean"] - theirs["mean"]).abs() / theirs["sd"]
    ratio = ours["sd"] / theirs["sd"]
    off = (gap >= MEANS) | ((ratio - 1).abs() >= SDS)
    low, middle, high = ratio.quantile([0.01, 0.5, 0.99])
    return (
        f"means within {MEANS} sd for {(gap < MEANS).mean():.1%} of products "
        f"(99 % within {gap.quantile(0.99):.3f}), "
        f"sds within {SDS:.0%} for {((ratio - 1).abs() < SDS).mean():.1%} "
        f"(ratio {middle:.3f}, 98 % from {low:.3f} to {high:.3f}); "
        f"Pareto k at most {k.max():.2f}, and {k[off].max() if off.any() else 0:.2f} where they are not; "
        f"{seconds[0]:.1f} s and {seconds[1]:.0f} s; NUTS: {model.diagnostics().attrs['verdict']}"
    )


if __name__ == "__main__":
    main()
