"""How much of a fit is not sampling, in a first and in a second process; how long until warm-up begins.

python tests/benchmarks/outside_sampling.py                     # 12, 120, 300 customers, 2 x (300 + 300)
python tests/benchmarks/outside_sampling.py --customers 12 --draws 50
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, nargs="+", default=[12, 120, 300])
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--factors", type=int, default=1)
    parser.add_argument("--child", type=int, help="fit once with so many customers, and print the seconds")
    return parser.parse_args()


def child(arguments):
    """Seconds to the first warm-up iteration, of sampling, of the fit, and of a second fit."""
    from hdfm import DynamicFactorChoiceModel
    from hdfm.datasets import simulate_choices

    X, _ = simulate_choices(arguments.child, 3, 44, n_factors=1, seed=1)
    y = X.pop("chosen")
    model = DynamicFactorChoiceModel(
        arguments.factors, customer="customer", category="category", product="product", time="week",
        choice_set="choice_set", price="price", features=["display", "feature"], draws=arguments.draws,
        tune=arguments.draws, chains=2, progressbar=False,
    )  # fmt: skip
    found = []
    for _ in range(2):
        begin = time.perf_counter()
        import hdfm.sampling.nuts as nuts

        advance, spent = nuts.Chains.advance, []

        def timed(self, n, advance=advance, spent=spent):
            start = time.perf_counter()
            out = advance(self, n)
            spent.append((start, time.perf_counter() - start))
            return out

        nuts.Chains.advance = timed
        model.fit(X, y)
        whole = time.perf_counter() - begin
        nuts.Chains.advance = advance
        found += [spent[0][0] - begin, sum(seconds for _, seconds in spent), whole]
    print(*found)


def main():
    arguments = parsed()
    if arguments.child:
        child(arguments)
        return
    draws = arguments.draws
    print(f"2 x ({draws} + {draws}), {arguments.factors} factors; seconds")
    head = ("customers", "process", "to warm-up", "sampling", "fit", "outside", "again: fit", "outside")
    print("{:>9} {:>8} {:>10} {:>9} {:>7} {:>8} {:>10} {:>8}".format(*head))
    with tempfile.TemporaryDirectory() as folder:
        for customers in arguments.customers:
            for process in ("first", "second"):
                ended = subprocess.run(
                    [sys.executable, __file__, "--child", str(customers), "--draws", str(draws),
                     "--factors", str(arguments.factors)],
                    env=os.environ | {"HDFM_CACHE_DIR": folder}, capture_output=True, text=True, check=True,
                )  # fmt: skip
                first, sampling, fit, _, again_sampling, again = map(float, ended.stdout.split())
                print(
                    f"{customers:>9} {process:>8} {first:10.1f} {sampling:9.1f} {fit:7.1f} "
                    f"{1 - sampling / fit:8.0%} {again:10.1f} {1 - again_sampling / again:8.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
