"""Search over the number of factors on simulated choices with two: one line a seed and way of scoring.

python tests/benchmarks/choosing_factors.py --seeds 1 2 3
"""

import argparse
import time

import numpy as np
from choice_recovery import ROLES
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.model_selection import OneStandardError, RollingOriginSplit, WholeSample, loo_scorer

FACTORS = [0, 1, 2, 3]
SEARCHES = ("loo", "rolling")


def main() -> None:
    """Search each seed in each way and print the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--customers", type=int, default=150)
    parser.add_argument("--periods", type=int, default=40)
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=SEARCHES)
    parser.add_argument("--windows", type=int, default=6, help="origins of rolling searches")
    parser.add_argument("--window", type=int, default=2, help="weeks of each")
    parser.add_argument("--inference", default="variational")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--tune", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for seed in options.seeds:
        choices, _ = simulate_choices(options.customers, 3, options.periods, n_factors=2, seed=seed)
        for name in options.searches:
            begin = time.perf_counter()
            search = GridSearchCV(
                Pipeline([("model", choice_model(options))]),
                {"model__n_factors": FACTORS},
                n_jobs=options.jobs,
                refit=False,
                error_score="raise",
                **search_arguments(name, options),
            ).fit(choices, choices["chosen"])
            results = search.cv_results_
            scores, simplest = results["mean_test_score"], OneStandardError("n_factors")(results)
            splits = np.array([results[f"split{k}_test_score"] for k in range(search.n_splits_)])
            print(
                f"seed {seed}, {name}: best {FACTORS[int(np.argmax(scores))]} of {FACTORS}, within one "
                f"standard error {FACTORS[simplest]}; nats a choice "
                f"{scores.round(4)} (splits {splits.round(4).tolist()}), {time.perf_counter() - begin:.0f} s",
                flush=True,
            )


def search_arguments(name: str, options: argparse.Namespace) -> dict:
    """How candidates are split and scored."""
    if name == "loo":
        return {"cv": WholeSample(), "scoring": loo_scorer}
    return {"cv": RollingOriginSplit("week", options.windows, options.window)}


def choice_model(options: argparse.Namespace) -> DynamicFactorChoiceModel:
    """The model that is searched."""
    return DynamicFactorChoiceModel(
        **ROLES,
        inference=options.inference,
        draws=options.draws,
        tune=options.tune,
        chains=2,
        random_state=0,
        progressbar=False,
    )


if __name__ == "__main__":
    main()
