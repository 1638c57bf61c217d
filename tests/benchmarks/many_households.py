"""Memory and disk of a fit of many households of which means are kept.

python tests/benchmarks/many_households.py                 # 10,000 households x 3 categories x 52 weeks
python tests/benchmarks/many_households.py --households 1000 --keep draws
HDFM_CACHE_DIR=off python tests/benchmarks/many_households.py --depth 4  # short: memory is the same
"""

import argparse
import functools
import os
import resource
import shutil
import tempfile
import threading
import time
from pathlib import Path

MB = 1e6


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--households", type=int, default=10_000)
    parser.add_argument("--keep", default="means", help='"draws", "means" or a number')
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--tune", type=int, default=20)
    parser.add_argument(
        "--depth", type=int, help="of trees; draws are then of no use, but memory is measured"
    )
    return parser.parse_args()


def cap_trees(depth):
    """End trajectories early. Compiled programs that are kept know nothing of it: switch the cache off."""
    from hdfm.sampling import nuts

    hmc = nuts.hmc

    def capped(**arguments):
        init, sample = hmc(**arguments)
        return functools.partial(init, max_tree_depth=depth), sample

    nuts.hmc = capped


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


class DiskWatch(threading.Thread):
    """The most that a folder held at a time, files without names included, by the space that is left."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.first, self.most, self.ends = folder, shutil.disk_usage(folder).used, 0, False

    def run(self):
        while not self.ends:
            self.most = max(self.most, shutil.disk_usage(self.folder).used - self.first)
            time.sleep(0.5)


def main():
    arguments = parsed()
    keep = arguments.keep if arguments.keep in ("draws", "means") else int(arguments.keep)
    from hdfm import DynamicFactorChoiceModel
    from hdfm.datasets import simulate_choices

    if arguments.depth is not None:
        cap_trees(arguments.depth)
    X, _ = simulate_choices(arguments.households, 3, 52, n_factors=2, seed=1)
    y = X.pop("chosen")
    print(f"{len(X):,} rows; {peak_mb():,.0f} MB with the data")
    model = DynamicFactorChoiceModel(
        2, customer="customer", category="category", product="product", time="week", choice_set="choice_set",
        price="price", features=["display", "feature"], draws=arguments.draws, tune=arguments.tune, chains=2,
        keep=keep,
    )  # fmt: skip
    watch = DiskWatch(tempfile.gettempdir())
    watch.start()
    begin = time.perf_counter()
    model.fit(X, y)
    seconds, fitted = time.perf_counter() - begin, peak_mb()
    watch.ends = True
    print(
        f"fit: {seconds:,.0f} s, sampling {model.idata_.attrs['sampling_time']:,.0f} s, peak {fitted:,.0f} MB"
    )
    rows = slice(0, len(X) // 10)
    model.predict_proba(X.iloc[rows])
    model.coefficients(by="customer", customers=list(X["customer"].unique()[:20]))
    print(f"answers: peak {peak_mb():,.0f} MB")
    file = model.save(Path(tempfile.mkdtemp()) / "model.hdfm")
    saved = os.path.getsize(file) / MB
    print(f"temporary files while sampling: {watch.most / MB:,.0f} MB; saved: {saved:,.0f} MB")


if __name__ == "__main__":
    main()
