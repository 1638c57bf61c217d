"""Coverage of intervals, errors and convergence on simulated sales, seed by seed.

python tests/benchmarks/coverage_of_intervals.py --noise poisson --seeds 10 11 12 13 14
python tests/benchmarks/coverage_of_intervals.py --inference laplace --seeds $(seq 100 139)
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

LEVELS = (0.5, 0.9, 0.95)


def main() -> None:
    """Print a row per seed and the mean over seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noise", default="negative_binomial")
    parser.add_argument("--inference", choices=["nuts", "laplace"], default="nuts")
    parser.add_argument("--product-effects", choices=["random", "fixed"], default="random")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    rows = {seed: measure(seed, options) for seed in options.seeds}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")
    error = table.sem()
    table.loc["mean"], table.loc["standard error"] = table.mean(), error
    print(f"simulate_sales(300, 5, 60, noise={options.noise!r}, period_noise=0), matching likelihood")
    print(table.round(3).to_string())


def measure(seed: int, options: argparse.Namespace) -> dict[str, float]:
    """One fit: coverage by interval, error, convergence and seconds."""
    sales = simulate_sales(300, 5, 60, seed=seed, noise=options.noise, period_noise=0.0)
    model = HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        price="price",
        **NO_PATHS,
        likelihood=options.noise,
        inference=options.inference,
        product_effects=options.product_effects,
        draws=500,
        tune=500,
        random_state=seed,
        progressbar=False,
    )
    begin = time.perf_counter()
    model.fit(sales, sales["units_sold"])
    seconds = time.perf_counter() - begin
    truth = sales.drop_duplicates("product").set_index("product")["product_elasticity"]
    row = {}
    for ci_prob in LEVELS:
        table = model.elasticities(ci_prob=ci_prob)
        inside = truth.loc[table.index].between(table["lower"], table["upper"])
        row[f"{100 * ci_prob:.0f} % interval"] = inside.mean()
    row |= {"MAE": np.abs(table["mean"] - truth.loc[table.index]).mean(), "seconds": seconds}
    if options.inference == "laplace":
        return row
    diagnostics = model.diagnostics()
    return row | {
        "R-hat": diagnostics.loc["elasticity", "r_hat"],
        "ESS": diagnostics["ess_bulk"].min(),
        "divergences": diagnostics.loc["sampler", "divergences"],
    }


if __name__ == "__main__":
    main()
