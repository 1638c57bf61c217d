"""Weights of rows, checked."""

from typing import Any

import numpy as np

from hdfm.exceptions import InvalidDataError


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
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (n_rows,):
        raise InvalidDataError(
            f"sample_weight has {weights.size:,} values for {n_rows:,} rows of X; they must agree."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InvalidDataError("sample_weight must be finite, not negative, and not all 0.")
    return weights
