"""Peak memory and time of a fit on 519,700 rows with 2 chains of 500 draws.

python tests/benchmarks/memory.py [--tune 300]
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from hdfm import HierarchicalElasticity
from hdfm.datasets import keep_sellers, simulate_sales

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import NO_PATHS


def main() -> None:
    """Fit, then print seconds, peak memory and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", type=int, default=300)
    options = parser.parse_args()
    sales = keep_sellers(simulate_sales(20_000, 10, 100, price_change_prob=0.5, seed=42))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    model = HierarchicalElasticity(
        product="product",
        groups="category",
        time="time_period",
        price="price",
        **NO_PATHS,
        draws=500,
        tune=options.tune,
        chains=2,
    )
    begin = time.perf_counter()
    model.fit(sales, sales["units_sold"])
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    truth = sales.drop_duplicates("product").set_index("product")["product_elasticity"]
    table = model.elasticities(ci_prob=0.95)
    truth = truth.loc[table.index]
    covered = ((truth >= table["lower"]) & (truth <= table["upper"])).mean()
    print(f"{len(sales):,} rows: {seconds:.0f} s, peak {peak:.2f} GB (simulation alone: {before:.2f} GB)")
    print(f"MAE {(table['mean'] - truth).abs().mean():.4f}, 95 % intervals cover {100 * covered:.1f} %")
    print(model.diagnostics().to_string())


if __name__ == "__main__":
    main()
