"""Build the sample of brand choices that ships: ``python -m hdfm.datasets.build_choice_sample``."""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa

from hdfm.datasets.build_sample import write_sample
from hdfm.datasets.choices import SAMPLE_FILE, load_complete_journey_choices

CATEGORIES = ("white_bread", "soda_12pk", "ice_cream")
N_HOUSEHOLDS = 150
COLUMNS = {
    "household": pa.int16(),
    "category": pa.string(),
    "product": pa.string(),
    "choice_set": pa.int16(),
    "week": pa.int8(),
    "chosen": pa.int8(),
    "price": pa.float32(),
    "base_price": pa.float32(),
    "display": pa.float32(),
    "feature": pa.float32(),
    "available": pa.int8(),
}


def draw_sample(panel: pd.DataFrame) -> pd.DataFrame:
    """Keep the 150 households with the most choice sets in three categories; at a tie, the lower number.

    Parameters
    ----------
    panel : pandas.DataFrame
        What :func:`hdfm.datasets.load_complete_journey_choices` returns.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`hdfm.datasets.load_choice_sample`, choice sets numbered from 0.
    """
    panel = panel[panel["category"].isin(CATEGORIES)]
    counts = panel.groupby("household")["choice_set"].nunique().sort_index()
    heaviest = counts.sort_values(ascending=False, kind="stable").index[:N_HOUSEHOLDS]
    sample = panel.loc[panel["household"].isin(heaviest), list(COLUMNS)].reset_index(drop=True)
    return sample.assign(choice_set=pd.factorize(sample["choice_set"])[0])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hdfm.datasets.build_choice_sample", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "data" / SAMPLE_FILE)
    output = parser.parse_args(arguments).output
    sample = draw_sample(load_complete_journey_choices())
    write_sample(sample, output, COLUMNS)
    counts = sample[["household", "choice_set"]].nunique()
    print(f"{output}: {counts['household']} households, {counts['choice_set']:,} choice sets")


if __name__ == "__main__":
    main()
