"""Simulation-based calibration of spreads, noise and paths [1]: ranks of truths drawn from the priors.

python tests/benchmarks/calibration.py --replications 100 --out ranks.csv   # log-normal, all options on
python tests/benchmarks/calibration.py --noise negative_binomial --out ranks_counts.csv
python tests/benchmarks/calibration.py --table ranks.csv                    # the table of what is there

A replication draws all scales from the priors, then a panel given them (``simulate_demand``), fits it, and
notes which share of posterior draws is below each truth. Where posteriors are right, shares are uniform. The
band holds the empirical distribution of as many uniform shares, everywhere at once, with 99 % [2]. Priors
are those of ``PRIORS``: the defaults, but for levels and noise. Defaults of these let single products sell a
million times what others do, and the log of mean units, where the prior of groups' levels is centred, is far
above all levels then; so the spreads are half as wide or less, and groups' levels have a prior so wide that
its centre is of no account.

[1] Talts, Betancourt, Simpson, Vehtari, Gelman (2018), "Validating Bayesian inference algorithms with
    simulation-based calibration", arXiv:1804.06788.
[2] Säilynoja, Bürkner, Vehtari (2022), "Graphical test for discrete uniformity and its applications in
    goodness-of-fit evaluation and multiple sample comparison", Statistics and Computing 32(32).
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import DemandScales, simulate_demand
from hdfm.exceptions import ApproximationWarning
from hdfm.sales.laplace import integration
from hdfm.sales.priors import DOF

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import NO_PATHS

PRIORS = ElasticityPriors(
    product_effect_sd=0.5,
    group_effect_sd=10.0,
    noise_sd=0.5,
    overdispersion=0.5,
    noise_group_sd=0.25,
    noise_product_sd=0.25,
)
LEVEL, GROUP_EFFECT_SD = 5.0, 1.0
BAND, SIMULATIONS = 0.99, 4000
NOISE_PRIOR = {"log_normal": "noise_sd", "negative_binomial": "overdispersion", "poisson": "noise_sd"}
RENAMED = {"elasticity_group_sd": "elasticity_category_sd"}
NOT_ESTIMATED = {"level", "group_effect_sd"}


def main() -> None:
    """Fit replications, one line of ranks each, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noise", choices=NOISE_PRIOR, default="log_normal")
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--sizes", type=int, nargs=3, default=[60, 6, 40], metavar=("N", "C", "T"))
    parser.add_argument("--off", nargs="*", default=[], choices=["demand", "dispersion", "elasticity_path"])
    parser.add_argument("--points", type=int, default=integration.MOST, help="values of scales, at most")
    parser.add_argument("--out", type=Path, help="where ranks are added, line by line")
    parser.add_argument("--table", type=Path, help="print the table of a file of ranks, no fits")
    options = parser.parse_args()
    if options.table:
        print(table(pd.read_csv(options.table)).to_string())
        return
    integration.MOST = options.points
    rows = []
    for seed in range(options.first, options.first + options.replications):
        rows.append(replication(seed, options))
        if options.out:
            pd.DataFrame(rows[-1:]).to_csv(
                options.out, mode="a", header=not options.out.exists(), index=False
            )
    print(table(pd.DataFrame(rows)).to_string())


def drawn_scales(rng: np.random.Generator, noise: str, off: list[str]) -> DemandScales:
    """From the priors; 0 where an option is off."""
    priors, on = PRIORS, {name: name not in off for name in ("demand", "dispersion", "elasticity_path")}

    def spread(size: float) -> float:
        return float(abs(size * rng.standard_normal()))

    def half_life(name: str) -> float:
        log_sd = getattr(priors, f"{name}_half_life_log_sd")
        return float(getattr(priors, f"{name}_half_life") * np.exp(log_sd * rng.standard_normal()))

    return DemandScales(
        level=LEVEL,
        group_effect_sd=GROUP_EFFECT_SD,
        product_effect_sd=spread(priors.product_effect_sd),
        elasticity_global=float(priors.global_mean + priors.global_sd * rng.standard_normal()),
        elasticity_group_sd=spread(priors.group_sd),
        elasticity_sd=float(abs(priors.product_sd * rng.standard_t(DOF))),
        correlation=float(2 * rng.beta(priors.correlation or 1, priors.correlation or 1) - 1),
        between_price_bias=float((priors.between_price_bias or 0) * rng.standard_normal()),
        between_price_sd=spread(priors.between_price_sd),
        time_shock_sd=spread(priors.time_shock_sd),
        time_drift_sd=spread(priors.time_drift_sd),
        noise=max(1e-3, spread(getattr(priors, NOISE_PRIOR[noise]))),
        noise_group_sd=on["dispersion"] * spread(priors.noise_group_sd),
        noise_product_sd=on["dispersion"] * spread(priors.noise_product_sd),
        demand_sd=on["demand"] * spread(priors.demand_sd),
        demand_half_life=half_life("demand"),
        demand_share_sd=on["dispersion"] * on["demand"] * spread(priors.demand_share_sd),
        elasticity_path_sd=on["elasticity_path"] * spread(priors.elasticity_path_sd),
        elasticity_path_half_life=half_life("elasticity_path"),
    )


def replication(seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Shares of posterior draws below the truth by name, and the truths."""
    scales = drawn_scales(np.random.default_rng([seed, 99]), options.noise, options.off)
    sales = simulate_demand(*options.sizes, scales, noise=options.noise, seed=seed)
    model = fitted(sales, options.noise, options.off, seed)
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(sales, sales["units_sold"])
    seconds = time.perf_counter() - begin
    few = sum(issubclass(warning.category, ApproximationWarning) for warning in caught)
    posterior = model.idata_["posterior"]
    truths = {RENAMED.get(name, name): value for name, value in sales.attrs["truth"].items()}
    truths[NOISE_PRIOR[options.noise]] = truths.pop("noise")
    truths = {
        name: value for name, value in truths.items() if name in posterior and name not in NOT_ESTIMATED
    }
    row = {"seed": seed, "seconds": seconds, "warned": few}
    for name, truth in truths.items():
        draws = posterior[name].to_numpy().ravel()
        row |= {name: (draws < truth).mean(), f"true {name}": truth, f"mean {name}": draws.mean()}
    of_product = posterior["elasticity"].isel(product=0).to_numpy().ravel()
    truth = sales["product_elasticity"].iloc[0]
    row |= {"elasticity[0]": (of_product < truth).mean(), "true elasticity[0]": truth}
    return row | {"mean elasticity[0]": of_product.mean()}


def fitted(sales: pd.DataFrame, noise: str, off: list[str], seed: int) -> HierarchicalElasticity:
    """The model of these options, by Laplace's approximation; not fitted yet."""
    return HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        price="price",
        likelihood=noise,
        inference="laplace",
        priors=PRIORS,
        draws=500,
        random_state=seed,
        progressbar=False,
        **{name: value for name, value in NO_PATHS.items() if name in off},
    )


def table(ranks: pd.DataFrame) -> pd.DataFrame:
    """By quantity: mean and variance of shares beside those of uniform ones; whether they leave the band."""
    names = [name.removeprefix("true ") for name in ranks if name.startswith("true ")]
    n = len(ranks)
    low, high = band(n)
    out = {}
    for name in names:
        shares = ranks[name].to_numpy()
        below = np.array([(shares <= at).sum() for at in grid(n)])
        outside = np.maximum(low - below, below - high).max()
        out[name] = {
            "mean": shares.mean(),
            "z of mean": (shares.mean() - 0.5) / np.sqrt(1 / 12 / n),
            "variance x 12": 12 * shares.var(),
            "within 50 %": (abs(shares - 0.5) < 0.25).mean(),
            "within 90 %": (abs(shares - 0.5) < 0.45).mean(),
            "band": "left" if outside > 0 else "inside",
        }
    frame = pd.DataFrame.from_dict(out, orient="index").round(3)
    frame.index.name = f"{n} replications, {ranks['seconds'].mean():.0f} s, {ranks['warned'].sum()} warned"
    return frame


def grid(n: int) -> np.ndarray:
    """Where distributions are compared."""
    return np.arange(1, n) / n


def band(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of n uniform shares below each place of the grid, low and high: simultaneous, by simulation."""
    at, rng = grid(n), np.random.default_rng(0)
    below = (rng.random((SIMULATIONS, n))[:, :, None] <= at).sum(axis=1)
    tails = 2 * np.minimum(binom.cdf(below, n, at), binom.sf(below - 1, n, at)).min(axis=1)
    level = np.quantile(tails, 1 - BAND)
    return binom.ppf(level / 2, n, at), binom.isf(level / 2, n, at)


if __name__ == "__main__":
    main()
