"""A grid search over the number of factors: seconds, and how many programs are compiled.

python tests/benchmarks/grid.py                      # 4 values of n_factors x 4 rolling folds, n_jobs 1 and 2
python tests/benchmarks/grid.py --customers 120 --weeks 44 --draws 50
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=40)
    parser.add_argument("--weeks", type=int, default=25)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--child", type=int, help="search once with so many jobs, and print what it took")
    return parser.parse_args()


def child(arguments):
    """Seconds, programs traced and XLA's compilations (0 where there are other processes)."""
    import jax
    from sklearn.model_selection import GridSearchCV

    from hdfm import DynamicFactorChoiceModel
    from hdfm.datasets import simulate_choices
    from hdfm.model_selection import RollingOriginSplit

    compiled = []
    jax.monitoring.register_event_listener(
        lambda name, **_: compiled.append(name) if name.endswith("compilation_cache/cache_misses") else None
    )
    X, _ = simulate_choices(arguments.customers, 2, arguments.weeks, n_factors=1, seed=1)
    y = X.pop("chosen")
    model = DynamicFactorChoiceModel(
        customer="customer", category="category", product="product", time="week", choice_set="choice_set",
        price="price", features=["display", "feature"], draws=arguments.draws, tune=arguments.draws, chains=2,
        progressbar=False,
    )  # fmt: skip
    search = GridSearchCV(
        model,
        {"n_factors": [0, 1, 2, 3]},
        cv=RollingOriginSplit("week", 4),
        refit=False,
        n_jobs=arguments.child,
    )
    begin = time.perf_counter()
    search.fit(X, y)
    seconds, programs = time.perf_counter() - begin, 0
    if arguments.child == 1:
        from hdfm.sampling import density

        programs = len(density._programs)
    print(seconds, programs, len(compiled))


def main():
    arguments = parsed()
    if arguments.child:
        child(arguments)
        return
    print("n_jobs  compile cache  seconds  programs  compiled")
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            for cache in ("cold", "warm"):
                ended = subprocess.run(
                    [sys.executable, __file__, "--child", str(jobs), "--customers", str(arguments.customers),
                     "--weeks", str(arguments.weeks), "--draws", str(arguments.draws)],
                    env=os.environ | {"HDFM_CACHE_DIR": folder}, capture_output=True, text=True, check=True,
                )  # fmt: skip
                seconds, programs, compiled = map(float, ended.stdout.split()[-3:])
                counts = f"{programs:8.0f}  {compiled:8.0f}" if jobs == 1 else "       -         -"
                print(f"{jobs:>6}  {cache:>13}  {seconds:7.1f}  {counts}", flush=True)


if __name__ == "__main__":
    main()
