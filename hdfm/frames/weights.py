"""Weights of rows, checked."""

from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import named_column, numeric_column, refuse_rows
from hdfm.frames.read import in_pandas

REMEDY = "A weight says how often a row counts: 0 leaves it out, 1 counts it once"


def weighted_mean(values: Any, weights: np.ndarray | None) -> float:
    """Mean of values (n,), weighted if weights (n,) are given."""
    return float(np.average(np.asarray(values, dtype=float), weights=weights))


def check_weights(weights: Any, n_rows: int) -> np.ndarray:
    """``sample_weight`` as floats (n,).

    Raises
    ------
    InvalidDataError
        If there is not one weight a row, or they can't be averaged with.
    """
    weights = in_pandas(weights)
    shape = np.shape(weights)
    if len(shape) > 1:
        raise InvalidDataError(
            f"sample_weight has {shape[1]:,} columns, but it takes one value a row: pass one column alone, "
            "as a Series or an array of one dimension."
        )
    if shape != (n_rows,):
        raise InvalidDataError(
            f"sample_weight has {np.size(weights):,} values for {n_rows:,} rows of X; they must agree."
        )
    column, role = pd.Series(weights), "sample_weight"
    values = numeric_column(column, role, missing_remedy=REMEDY)
    refuse_rows(column, values < 0, named_column(column, role), "negative values", REMEDY)
    if not values.any():
        raise InvalidDataError(f"sample_weight is 0 in all {n_rows:,} rows: no row counts. {REMEDY}.")
    return values
