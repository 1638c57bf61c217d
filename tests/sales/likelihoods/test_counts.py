"""Counts as they come."""

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError
from hdfm.sales.likelihoods.counts import read_counts


def test_fractions():
    whole, parts = pd.Series([1.0, 2.0, 1e15]), pd.Series([1.0, 2.5, 0.1], name="kg")
    np.testing.assert_array_equal(read_counts(whole, True), whole)
    found = r"units column 'kg' has fractional values in 2 of 3 rows, such as .*2\.5.* in row 1.*log_normal"
    with pytest.raises(InvalidDataError, match=found):
        read_counts(parts, True)


def test_fractions_of_a_quasi_likelihood():
    with pytest.warns(
        DataWarning, match="fractional values in 1 of 2 rows, such as 2.5; the count likelihood"
    ):
        read_counts(pd.Series([1.0, 2.5]), False)
