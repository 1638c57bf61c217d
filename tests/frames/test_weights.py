"""Weights of rows: one check for both models."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from hdfm.exceptions import InvalidDataError
from hdfm.frames.weights import check_weights

BAD = [
    (np.ones(3), "sample_weight has 3 values for 4 rows"),
    (pd.DataFrame({"weight": np.ones(4)}), "sample_weight has 1 columns, .* pass one column alone"),
    (np.ones((4, 2)), "sample_weight has 2 columns, but it takes one value a row"),
    (
        [1, 1, 1, np.nan],
        "sample_weight has missing values in 1 of 4 rows, such as nan in row 3. A weight says",
    ),
    ([1, 1, np.inf, 1], "sample_weight has infinite or missing values in 1 of 4 rows, such as inf in row 2"),
    (
        [1, 1, 1, -1],
        r"sample_weight has negative values in 1 of 4 rows, such as -1 in row 3\. A weight .*0 leaves",
    ),
    (np.zeros(4), "sample_weight is 0 in all 4 rows: weights are zero, and no row counts"),
    (["1", "1", "1", "1"], r"holds text .*Convert it with pandas\.to_numeric\(sample_weight\)"),
    (
        np.ma.masked_array(np.ones(4), [0, 0, 1, 0]),
        "sample_weight has missing values in 1 of 4 rows.*in row 2",
    ),
    (pd.Series([1, 1, pd.NA, 1], dtype="Int64"), "sample_weight has missing values in 1 of 4 rows.*in row 2"),
]


@pytest.mark.parametrize(("weights", "message"), BAD)
def test_weights_that_can_not_be_averaged_with(weights, message):
    with pytest.raises(InvalidDataError, match=message):
        check_weights(weights, 4)


def test_weights_as_floats():
    for weights in ([0, 1, 2, 3], np.ma.masked_array([0, 1, 2, 3]), pl.Series([0, 1, 2, 3])):
        np.testing.assert_array_equal(check_weights(weights, 4), [0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(("weight", "message"), [(np.nan, "missing values"), (-1.0, "negative values")])
def test_scores_check_their_weights(door, fitted_door, weight, message):
    with pytest.raises(InvalidDataError, match=f"sample_weight has {message} in {len(door.X)} of"):
        fitted_door.score(door.X, door.y, sample_weight=np.full(len(door.X), weight))
