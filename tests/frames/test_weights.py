"""Weights of rows: one check for both models."""

import numpy as np
import pytest

from hdfm.exceptions import InvalidDataError
from hdfm.frames.weights import check_weights

BAD = [
    (np.ones(3), "sample_weight has 3 values for 4 rows"),
    ([1, 1, 1, np.nan], "sample_weight must be finite, not negative, and not all 0"),
    ([1, 1, 1, -1], "sample_weight must be finite, not negative, and not all 0"),
    (np.zeros(4), "sample_weight must be finite, not negative, and not all 0"),
]


@pytest.mark.parametrize(("weights", "message"), BAD)
def test_weights_that_can_not_be_averaged_with(weights, message):
    with pytest.raises(InvalidDataError, match=message):
        check_weights(weights, 4)


def test_weights_as_floats():
    np.testing.assert_array_equal(check_weights([0, 1, 2, 3], 4), [0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(("weight", "message"), [(np.nan, "must be finite"), (-1.0, "not negative")])
def test_scores_of_sales_check_their_weights(fitted, fitted_sales, weight, message):
    weights = np.full(len(fitted_sales), weight)
    with pytest.raises(InvalidDataError, match=message):
        fitted.score(fitted_sales, fitted_sales["units_sold"], sample_weight=weights)
