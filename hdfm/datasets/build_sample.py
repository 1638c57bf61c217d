"""Build the sample of weekly sales that ships: ``python -m hdfm.datasets.build_sample``."""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hdfm.datasets.sales import SAMPLE_FILE, load_complete_journey_sales

N_CATEGORIES = 12
EVERY = 3
COLUMNS = {
    "department": pa.string(),
    "category": pa.string(),
    "product_id": pa.int32(),
    "week": pa.int8(),
    "units": pa.int16(),
    "price": pa.float32(),
    "base_price": pa.float32(),
    "price_observed": pa.int8(),
    "feature": pa.float32(),
    "display": pa.float32(),
}


def draw_sample(panel: pd.DataFrame) -> pd.DataFrame:
    """Keep every third product, in the order of ``product_id``, of the twelve largest categories.

    Parameters
    ----------
    panel : pandas.DataFrame
        What :func:`hdfm.datasets.load_complete_journey_sales` returns.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`hdfm.datasets.load_sales_sample`.
    """
    panel = panel.rename(columns={"product_category": "category"})
    largest = panel.groupby("category")["units"].sum().nlargest(N_CATEGORIES).index
    products = panel.loc[panel["category"].isin(largest), ["category", "product_id"]].drop_duplicates()
    products = products.sort_values(["category", "product_id"])
    position = products.groupby("category").cumcount()
    drawn = products.loc[position % EVERY == 0, "product_id"]
    sample = panel.loc[panel["product_id"].isin(drawn), list(COLUMNS)]
    return sample.sort_values(["department", "category", "product_id", "week"], ignore_index=True)


def write_sample(sample: pd.DataFrame, path: Path, columns: dict[str, pa.DataType] = COLUMNS) -> None:
    """Write the sample in small types, without metadata that would change from run to run."""
    table = pa.Table.from_pandas(sample, schema=pa.schema(columns), preserve_index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", compression_level=19)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hdfm.datasets.build_sample", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "data" / SAMPLE_FILE)
    output = parser.parse_args(arguments).output
    sample = draw_sample(load_complete_journey_sales())
    write_sample(sample, output)
    print(f"{output}: {len(sample):,} rows, {sample['product_id'].nunique()} products")


if __name__ == "__main__":
    main()
