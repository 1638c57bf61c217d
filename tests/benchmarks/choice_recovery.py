"""Simulate brand choices, fit, and compare with the truth: one line of figures a seed.

python tests/benchmarks/choice_recovery.py --seeds 1 2 3
python tests/benchmarks/choice_recovery.py --seeds 1 --truth 0 0 0 --fit 2 0 0     # nothing moves
python tests/benchmarks/choice_recovery.py --seeds 1 --truth 1 1 1 --fit 1 1 1     # all tiers
"""

import argparse
import json
import time

import numpy as np
from scipy.optimize import linear_sum_assignment

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices

ROLES = {
    "customer": "customer",
    "category": "category",
    "product": "product",
    "time": "week",
    "choice_set": "choice_set",
    "price": "price",
    "features": ["display", "feature"],
}
TIERS = ("global", "category", "individual")
NUMBERS = ("n_factors", "n_category_factors", "n_individual_factors")


def main() -> None:
    """Fit each seed and print its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--truth", type=int, nargs=3, default=[2, 0, 0], help="factors of the three tiers")
    parser.add_argument("--fit", type=int, nargs=3, default=[2, 0, 0])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--tune", type=int, default=400)
    parser.add_argument("--chains", type=int, default=2)
    parser.add_argument("--loadings", default="customer")
    parser.add_argument("--inference", default="nuts")
    parser.add_argument("--loo", action="store_true")
    options = parser.parse_args()
    for seed in options.seeds:
        print(json.dumps(figures(options, seed)), flush=True)


def figures(options: argparse.Namespace, seed: int) -> dict:
    """What one fit gets right."""
    choices, truth = simulate_choices(
        options.customers, 3, 52, **dict(zip(NUMBERS, options.truth, strict=True)), seed=seed
    )
    model = DynamicFactorChoiceModel(
        **dict(zip(NUMBERS, options.fit, strict=True)),
        **ROLES,
        loadings=options.loadings,
        inference=options.inference,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        random_state=seed,
        progressbar=False,
    )
    begin = time.perf_counter()
    model.fit(choices, choices["chosen"])
    out = {"seed": seed, "seconds": round(time.perf_counter() - begin)}
    if options.inference == "nuts":
        table, stats = model.diagnostics(), model.idata_["sample_stats"]
        invariant = table[table["about"] == "label-invariant"]
        out |= {
            "steps": round(float(stats["n_steps"].mean()), 1),
            "divergent": float(stats["diverging"].mean()),
            "r_hat": invariant["r_hat"].round(3).to_dict(),
            "ess": invariant["ess_bulk"].round().to_dict(),
        }
    out["correlations"] = correlations(model, truth)
    out |= coverages(model, truth)
    shares = model.factor_table_[["share", "share_of_all"]].round(3)
    out["shares"] = {f"{tier} {factor}": row.tolist() for (tier, factor), row in shares.iterrows()}
    true = zip(truth.variance_shares().items(), truth.variance_shares(static=True), strict=True)
    out["true shares"] = {f"{tier} {k + 1}": [round(v, 3), round(u, 3)] for ((tier, k), v), u in true}
    if options.loo:
        result = model.loo()
        out["elpd"], out["elpd se"] = float(result.elpd), float(result.se)
    return out


def correlations(model: DynamicFactorChoiceModel, truth) -> list[float]:
    """Correlation over time of each true common factor with the fitted factor that is its."""
    if model.factors_ is None or not truth.factors.sizes["factor"]:
        return []
    fitted = model.factors_.mean(("chain", "draw")).transpose("factor", "period").to_numpy()
    true = truth.factors.transpose("factor", "period").to_numpy()
    table = np.corrcoef(true, fitted)[: len(true), len(true) :]
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].round(3).tolist()


def coverages(model: DynamicFactorChoiceModel, truth) -> dict[str, float]:
    """Share of true paths, over coefficients and periods, inside 90 % intervals.

    ``of customers``: means over the simulated customers; ``of population``: expectations of the distribution.
    """
    table = model.coefficients(by="time", ci_prob=0.9)
    inside: dict[str, list] = {"of customers": [], "of population": []}
    for category in model.panel_.category:
        of_customers = truth.coefficients(category).mean("customer")
        of_population = truth.population.sel(category=category)
        for name, paths in (("of customers", of_customers), ("of population", of_population)):
            for predictor in paths["predictor"].to_numpy():
                own = table.xs((category, predictor), level=("category", "predictor"))
                path = paths.sel(predictor=predictor).to_numpy().ravel()
                inside[name].append(((own["lower"] <= path) & (path <= own["upper"])).mean())
    return {f"coverage {name}": round(float(np.mean(values)), 3) for name, values in inside.items()}


if __name__ == "__main__":
    main()
