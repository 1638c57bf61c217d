"""Forecasts of real sales from rolling origins, with and without what moves over time.

    python tests/benchmarks/forecasts.py --out forecasts.parquet            # the Complete Journey
    python tests/benchmarks/forecasts.py --sample --horizon 8 --origins 1   # the sample that ships
    python tests/benchmarks/forecasts.py --table forecasts.parquet          # the table of what is there

From each origin the model is fitted to the weeks before, and the next ``horizon`` weeks are predicted. The
log score of a row is its log predictive density; differences are paired, their standard error is clustered by
product. Randomised probability integral transforms [1] say how often central intervals hold, for all rows and
by category (of 200 rows or more); the same of copies drawn from the predictive distribution says what chance
and the categories' sizes leave of that. Errors are absolute ones of predictive medians, per unit sold (WAPE),
beside those of the mean of the last four weeks and of a regression by product of log units on log price.

[1] Czado, Gneiting, Held (2009), "Predictive model assessment for count data", Biometrics 65(4).
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from hdfm import HierarchicalElasticity
from hdfm.datasets import load_complete_journey_sales, load_sales_sample
from hdfm.exceptions import DataWarning

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.paths import PATHS

ROLES = {"product": "product_id", "time": "week", "price": "price", "controls": ["feature", "display"]}
LARGE, COPIES = 200, 20  # rows of a category that is looked at; copies
INTERVALS = (0.5, 0.9)
QUANTILES = np.round(np.arange(0.005, 1, 0.005), 3)  # of which a transform is between two
LAST = 4  # weeks of the mean


def main() -> None:
    """Fit and predict, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", action="store_true", help="the sample that ships")
    parser.add_argument("--data", type=Path, help="a parquet file, as load_complete_journey_sales makes it")
    parser.add_argument("--horizon", type=int, default=2, help="weeks")
    parser.add_argument("--origins", type=int, default=4)
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--options", nargs="+", choices=PATHS, default=["none", "all"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, help="print the table of a file, no fits")
    options = parser.parse_args()
    if options.table:
        print_tables(pd.read_parquet(options.table))
        return
    sales = pd.read_parquet(options.data) if options.data else None
    if sales is None:
        sales = load_sales_sample() if options.sample else load_complete_journey_sales()
    category = "category" if options.sample else "product_category"
    weeks = np.sort(sales["week"].unique())
    rows = []
    for k in range(options.origins):
        end = len(weeks) - options.horizon * (options.origins - 1 - k)
        before, ahead = weeks[: end - options.horizon], weeks[end - options.horizon : end]
        train, test = (sales[sales["week"].isin(which)] for which in (before, ahead))
        by_hand = simple_forecasts(train, test)
        for name in options.options:
            found = forecasts(train, test, category, options.draws, PATHS[name])
            rows.append(found.assign(origin=k, model=name, **by_hand))
            if options.out:
                pd.concat(rows).to_parquet(options.out)
    print_tables(pd.concat(rows))


def forecasts(
    train: pd.DataFrame, test: pd.DataFrame, category: str, draws: int, paths: dict[str, str]
) -> pd.DataFrame:
    """By row: units, log score, median, transform, and transforms of copies."""
    import warnings

    begin = time.perf_counter()
    model = HierarchicalElasticity(
        **ROLES, groups=category, inference="laplace", draws=draws, random_state=1, progressbar=False, **paths
    ).fit(train, train["units"])
    seconds, begin = time.perf_counter() - begin, time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of weeks that were not fitted
        score = model.score_samples(test, test["units"])
        quantiles = np.asarray(model.predict_quantiles(test, list(QUANTILES)))
    print(f"{paths}: fitted in {seconds:.0f} s, predicted in {time.perf_counter() - begin:.0f} s", flush=True)
    rng = np.random.default_rng(0)
    units = test["units"].to_numpy()
    table = pd.DataFrame(
        {
            "product": test["product_id"].astype(str).to_numpy(),
            "category": test[category].astype(str).to_numpy(),
            "week": test["week"].to_numpy(),
            "units": units,
            "score": np.asarray(score),
            "median": quantiles[:, len(QUANTILES) // 2],
            "pit": transforms(units, quantiles, rng),
        }
    )
    for k in range(COPIES):
        column = rng.integers(0, len(QUANTILES), len(units))
        copy = quantiles[np.arange(len(units)), column]
        table[f"copy {k}"] = transforms(copy, quantiles, rng)
    return table


def transforms(units: np.ndarray, quantiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Randomised probability integral transforms (n,) of units (n,), by quantiles (n, Q)."""
    below = (quantiles < units[:, None]).sum(axis=1)
    above = (quantiles <= units[:, None]).sum(axis=1)
    return (below + rng.random(len(units)) * (above - below + 1)) / (quantiles.shape[1] + 1)


def simple_forecasts(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """The mean of the last weeks, and a regression by product."""
    last = train[train["week"] > train["week"].max() - LAST].groupby("product_id")["units"].mean()
    y, x = np.log(train["units"] + 0.5), np.log(train["price"])
    by = train["product_id"]
    y_mean, x_mean = y.groupby(by).mean(), x.groupby(by).mean()
    dy, dx = y - by.map(y_mean).astype(float), x - by.map(x_mean).astype(float)
    slope = (dy * dx).groupby(by).sum() / (dx**2).groupby(by).sum().clip(lower=1e-9)
    move = np.log(test["price"]) - test["product_id"].map(x_mean).astype(float)
    level = test["product_id"].map(y_mean).astype(float)
    expected = np.exp(level + test["product_id"].map(slope).astype(float) * move) - 0.5
    return {
        "last weeks": test["product_id"].map(last).fillna(0.0).to_numpy(dtype=float),
        "regression": expected.clip(lower=0).fillna(0.0).to_numpy(),
    }


def print_tables(rows: pd.DataFrame) -> None:
    """Scores, coverage and errors by model."""
    first = next(iter(rows["model"].unique()))
    base = rows[rows["model"] == first]
    out = {}
    for name, table in rows.groupby("model", sort=False):
        gain = pd.Series(table["score"].to_numpy() - base["score"].to_numpy(), table["product"].to_numpy())
        by_product = gain.groupby(level=0).sum()
        row = {
            "score": table["score"].mean(),
            "gain": gain.mean(),
            "(se)": np.sqrt((by_product**2).sum() - by_product.sum() ** 2 / len(by_product)) / len(gain),
        }
        copies = [column for column in table if column.startswith("copy")]
        for prob in INTERVALS:
            inside = (table[["pit", *copies]] - 0.5).abs() < prob / 2
            row[f"{100 * prob:.0f} %"] = 100 * inside["pit"].mean()
        shares = inside.groupby(table["category"].to_numpy()).mean()
        shares = shares[table.groupby("category").size() >= LARGE]
        far = ((100 * shares - 90).abs() > 7).sum()
        row |= {"categories outside": far["pit"], "of": len(shares), "in copies, most": far[copies].max()}
        sold = table["units"].sum()
        for column in ("median", "last weeks", "regression"):
            row[f"WAPE, {column}"] = (table[column] - table["units"]).abs().sum() / sold
        out[name] = row
    print(pd.DataFrame(out).round(4).to_string())


if __name__ == "__main__":
    main()
