"""What in data can't inform a model, or misleads it, as a table.

Array names and axis order: n observations, K columns.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from hdfm.frames.columns import examples

COLUMNS = ["finding", "count", "examples", "consequence"]
SPIKE_OF_PRODUCT, SPIKE_OF_GROUP = np.log(5), np.log(100)
FEW_PRICES = 5
TIED_SHARE = 0.99
NO_VARIATION = 1e-9
RIDGE = 1e-10  # so that columns that others explain wholly have a share of 1


def findings_table(findings: Iterable[tuple[str, Sequence | pd.Index, str]]) -> pd.DataFrame:
    """Findings as name, labels and consequence: one row each, those without labels left out."""
    rows = [(name, len(labels), examples(labels), text) for name, labels, text in findings if len(labels)]
    return pd.DataFrame(rows, columns=COLUMNS)


def price_spikes(log_price: np.ndarray, product: np.ndarray, group: np.ndarray) -> np.ndarray:
    """True (n,) where a price is far from the product's usual one: a slip of the decimal point, or a filler.

    More than 5 times the product's median or less than a fifth of it; where a product has fewer than 5
    prices, 100 times the group's.

    Examples
    --------
    >>> import numpy as np
    >>> price_spikes(np.log([5.0, 4.0, 5.0, 0.01, 4.5, 5.0]), np.zeros(6, int), np.zeros(6, int))
    array([False, False, False,  True, False, False])
    """
    values = pd.Series(log_price)
    own, common = (values - values.groupby(code).transform("median") for code in (product, group))
    few = pd.Series(product).groupby(product).transform("size") < FEW_PRICES
    return np.where(few, common.abs() > SPIKE_OF_GROUP, own.abs() > SPIKE_OF_PRODUCT)


def explained_by_others(columns: np.ndarray) -> np.ndarray:
    r"""The share :math:`R^2` (K,) of each column's variation that the other columns (n, K) explain.

    0 for columns without variation; columns are deviations, with mean 0.
    """
    size = np.sqrt((columns**2).sum(axis=0))
    share, moves = np.zeros(columns.shape[1]), np.flatnonzero(size > 0)
    scaled = columns[:, moves] / size[moves]
    inverse = np.linalg.inv(scaled.T @ scaled + RIDGE * np.eye(len(moves)))
    share[moves] = 1 - 1 / np.diag(inverse)
    return share


def without_effects(values: np.ndarray, one: np.ndarray, other: np.ndarray, rounds: int = 100) -> np.ndarray:
    """Columns (n, K) less two sets of group means, by codes (n,) of both: residuals of two-way effects.

    By alternating projections, until they move no more or ``rounds`` are over.
    """
    out = np.asarray(values, dtype=float)
    size = np.sqrt((out**2).sum(axis=0)) + NO_VARIATION
    counts = [np.maximum(np.bincount(code), 1) for code in (one, other)]
    for _ in range(rounds):
        before = out
        for code, count in zip((one, other), counts, strict=True):
            means = np.stack([np.bincount(code, column) / count for column in out.T], axis=1)
            out = out - means[code]
        if (np.sqrt(((out - before) ** 2).sum(axis=0)) < NO_VARIATION * size).all():
            break
    return np.where(np.sqrt((out**2).sum(axis=0)) < 1e-6 * size, 0.0, out)
