"""Coverage of elasticities where demand wanders, noise differs by group, and elasticities move or don't.

python tests/benchmarks/coverage_of_paths.py --seeds 0 1 2 3 --out coverage.csv
python tests/benchmarks/coverage_of_paths.py --table coverage.csv            # the tables of what is there

30 categories of 10 products over 60 weeks (``simulate_demand``), noise of sd .35 in log units: all of it
independent where its persistence is 0, else an AR(1) of sd .3 beside independent noise of .18. Log noise has
a spread of .28 between categories: the noisiest of thirty has about three times the sd of the calmest.
Spreads of elasticities, levels (half as wide) and time effects are drawn from their priors, evenly over seeds
(a Sobol sequence: five independent draws all had small spreads of elasticities, which every model covers
too well). Each panel is fitted with all three options on, and with none, by Laplace's approximation. Standard
errors are clustered by seed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, qmc, t

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import DemandScales, simulate_demand
from hdfm.sales.laplace import integration
from hdfm.sales.priors import DOF

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import PATHS

LEVELS = (0.5, 0.9, 0.95)
SIZES = (300, 30, 60)
TOTAL, WANDERING = 0.35, 0.3  # sds of noise, and of its part that wanders
NOISE_GROUP_SD = 0.28
MOVES, MOVES_PERSISTENCE = 0.5, 0.7
LOG_UNITS = 6.0
MOST_SEEDS = 64
MODELS = {"none": PATHS["none"], "all": PATHS["all"]}


def main() -> None:
    """Fit panels, one line a fit, then print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noise", choices=["log_normal", "negative_binomial"], default="log_normal")
    parser.add_argument("--persistence", type=float, nargs="+", default=[0.0, 0.3, 0.6, 0.9])
    parser.add_argument("--moves", type=int, nargs="+", choices=[0, 1], default=[0, 1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--points", type=int, default=integration.MOST, help="values of scales, at most")
    parser.add_argument("--out", type=Path, help="where fits are added, line by line")
    parser.add_argument("--table", type=Path, help="print the tables of a file of fits, no fits")
    options = parser.parse_args()
    if options.table:
        print_tables(pd.read_csv(options.table))
        return
    integration.MOST = options.points
    rows = pd.read_csv(options.out).to_dict("records") if options.out and options.out.exists() else []
    for seed in options.seeds:
        for moves in options.moves:
            for persistence in options.persistence:
                sales = panel(seed, persistence, moves, options.noise)
                case = {"persistence": persistence, "moves": moves, "seed": seed}
                for name, arguments in MODELS.items():
                    rows.append(case | {"model": name} | measure(sales, options.noise, arguments))
                    if options.out:
                        pd.DataFrame(rows).to_csv(options.out, index=False)
    print_tables(pd.DataFrame(rows))


def panel(seed: int, persistence: float, moves: int, noise: str) -> pd.DataFrame:
    """Sales of a seed, whose spreads are those of the seed whatever the noise."""
    priors = ElasticityPriors()
    place = 0.5 + qmc.Sobol(6, rng=98).random(MOST_SEEDS)[seed] / 2
    spreads, half_t = norm.ppf(place), t.ppf(place, DOF)
    wander = WANDERING * (persistence > 0)
    scales = DemandScales(
        level=LOG_UNITS,
        elasticity_global=priors.global_mean,
        elasticity_group_sd=priors.group_sd * spreads[0],
        elasticity_sd=priors.product_sd * half_t[1],
        product_effect_sd=priors.product_effect_sd * spreads[2] / 2,  # no products without units
        between_price_sd=priors.between_price_sd * spreads[3],
        time_shock_sd=priors.time_shock_sd * spreads[4],
        time_drift_sd=priors.time_drift_sd * spreads[5],
        noise=float(np.sqrt(TOTAL**2 - wander**2)),
        noise_group_sd=NOISE_GROUP_SD,
        demand_sd=wander,
        demand_half_life=half_life(persistence) if persistence else 1.0,
        elasticity_path_sd=MOVES * moves,
        elasticity_path_half_life=half_life(MOVES_PERSISTENCE),
    )
    return simulate_demand(*SIZES, scales, noise=noise, seed=seed)


def half_life(persistence: float) -> float:
    """In periods."""
    return float(-np.log(2) / np.log(persistence))


def measure(sales: pd.DataFrame, noise: str, arguments: dict[str, str]) -> dict[str, float]:
    """One fit: coverage by interval, errors, widths and seconds."""
    model = HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        price="price",
        likelihood=noise,
        inference="laplace",
        draws=500,
        progressbar=False,
        **arguments,
    )
    begin = time.perf_counter()
    model.fit(sales, sales["units_sold"])
    row = {"seconds": time.perf_counter() - begin}
    truth = sales.drop_duplicates("product").set_index("product")["product_elasticity"]
    for ci_prob in LEVELS:
        elasticities = model.elasticities(ci_prob=ci_prob)
        product_truth = truth.loc[elasticities.index]
        inside = product_truth.between(elasticities["lower"], elasticities["upper"])
        row[f"{100 * ci_prob:.0f} %"] = 100 * inside.mean()
    error = elasticities["mean"] - product_truth
    row |= {
        "rms error": float(np.sqrt((error**2).mean())),
        "rms z": float(np.sqrt(((error / elasticities["sd"]) ** 2).mean())),
        "90 % width": model.elasticities(ci_prob=0.9).eval("upper - lower").mean(),
    }
    posterior = model.idata_["posterior"]
    scales = [name for name in posterior if name.startswith(("noise_", "demand_", "elasticity_path_"))]
    scales += ["elasticity_sd", "elasticity_global"]
    means = {f"mean {name}": float(posterior[name].mean()) for name in scales if posterior[name].ndim == 2}
    return row | means


def print_tables(fits: pd.DataFrame) -> None:
    """Coverage with standard errors clustered by seed, then errors and widths against today's model."""
    figures = ["50 %", "90 %", "95 %"]
    by = fits.groupby(["moves", "persistence", "model"])
    mean, error = by[figures].mean(), by[figures].sem()
    coverage = mean.round(1).astype(str) + " (" + error.round(1).astype(str) + ")"
    others = by[["rms error", "rms z", "90 % width", "seconds"]].mean().round(3)
    print(coverage.join(others).assign(seeds=by.size()).to_string())
    wide = fits.set_index(["moves", "persistence", "seed", "model"])[["rms error", "90 % width"]].unstack()
    ratio = pd.DataFrame(
        {name: wide[name]["all"] / wide[name]["none"] for name in ("rms error", "90 % width")}
    )
    by = ratio.groupby(["moves", "persistence"])
    print("\nall on / today")
    print((by.mean().round(3).astype(str) + " (" + by.sem().round(3).astype(str) + ")").to_string())


if __name__ == "__main__":
    main()
