"""Do intervals hold on real panels? Parts of the weeks fitted apart, with and without what moves over time.

    python tests/benchmarks/split_time.py --options none all --copies 6
    python tests/benchmarks/split_time.py --data cheese.parquet --product retailer --time obs --units volume \
        --controls display

The shipped sample, or a parquet file of sales. That of the second command, bayesm's ``cheese`` with a column
``obs`` that numbers each retailer's weeks, makes the table of docs/validation.md.
"""

import argparse
import sys
import time
from pathlib import Path

import pandas as pd

from hdfm import HierarchicalElasticity
from hdfm.datasets import load_sales_sample
from hdfm.model_selection import split_time_check

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import PATHS

SAMPLE = {
    "product": "product_id",
    "groups": "category",
    "time": "week",
    "price": "price",
    "controls": ["feature", "display"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a parquet file of sales; the shipped sample by default")
    for role in ("product", "groups", "time", "price", "units"):
        parser.add_argument(f"--{role}", default=role if role in ("price", "units") else None)
    parser.add_argument("--controls", nargs="*", default=[])
    parser.add_argument("--options", nargs="+", choices=PATHS, default=list(PATHS))
    parser.add_argument("--blocks", nargs="*", type=int, default=[13, 4])
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--draws", type=int, default=250)
    given = parser.parse_args()
    names = ("product", "groups", "time", "price", "controls")
    roles = SAMPLE if given.data is None else {name: getattr(given, name) for name in names}
    sales = load_sales_sample() if given.data is None else pd.read_parquet(given.data)
    for name in given.options:
        begin = time.perf_counter()
        model = HierarchicalElasticity(
            **roles,
            **PATHS[name],
            inference="laplace",
            draws=given.draws,
            random_state=1,
            progressbar=False,
        )
        table = split_time_check(model, sales, sales[given.units], blocks=given.blocks, copies=given.copies)
        print(f"\n{name}, {time.perf_counter() - begin:.0f} s\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
