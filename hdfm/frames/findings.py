"""What in data can't inform a model, or misleads it, as a table; and questions far from all data.

Array names and axis order: n observations, K columns.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.columns import examples, named_column, plain

COLUMNS = ["finding", "count", "examples", "consequence"]
SPIKE_OF_PRODUCT, SPIKE_OF_GROUP = np.log(5), np.log(100)
FEW_PRICES = 5
TIED_SHARE = 0.99
LITTLE_LEFT = 0.05
NO_VARIATION = 1e-9
FAR = 5.0  # times the range that was seen, or the highest and lowest price
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


def explained_beside(columns: np.ndarray, effects: np.ndarray) -> np.ndarray:
    r"""The share :math:`R^2` (K,) that other columns (n, K) explain of what effects (n, J) leave of each.

    1 where effects leave nothing; 0 for columns without variation.
    """
    size = np.sqrt((columns**2).sum(axis=0))
    root = np.linalg.pinv(effects.T @ effects, hermitian=True)
    left = columns - effects @ (root @ (effects.T @ columns))
    gone = np.sqrt((left**2).sum(axis=0)) < 1e-6 * size
    return np.where(gone, 1.0, explained_by_others(np.where(gone, 0.0, left)))


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


def far_outside(
    column: pd.Series,
    role: str,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    ratio: bool = False,
) -> list[str]:
    """What to say of a column with values far outside those of the fit: one sentence, or none.

    Parameters
    ----------
    column, role : pandas.Series, str
        What messages call the values.
    values, low, high : numpy.ndarray
        Values (n,), and the range (n,) that was seen of each; NaN where nothing is to be said.
    ratio : bool
        Whether far is 5 times the highest or a fifth of the lowest, as of prices, where these are above 0;
        else it is 5 times the range beyond it.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> display = pd.Series([0.0, 100.0], name="display")
    >>> far_outside(display, "features", display.to_numpy(), np.zeros(2), np.ones(2))
    ["features column 'display' in 1 of 2 rows, such as 100 in row 1 where 0 to 1 was seen"]
    """
    reach = FAR * (high - low) + NO_VARIATION * np.maximum(np.abs(low), np.abs(high))
    by_ratio = ratio & (low > 0)
    far = values < np.where(by_ratio, low / FAR, low - reach)
    far |= values > np.where(by_ratio, high * FAR, high + reach)
    if not far.any():
        return []
    k = int(np.argmax(far))
    return [
        f"{named_column(column, role)} in {int(far.sum()):,} of {len(far):,} rows, such as {values[k]:.4g} "
        f"in row {plain(column.index[k])!r} where {low[k]:.4g} to {high[k]:.4g} was seen"
    ]


def warn_of_far(said: Sequence[str]) -> None:
    """Warn once of all columns that :func:`far_outside` has something to say of."""
    if said:
        warn_caller(
            f"Values far outside those of the fit: {'; '.join(said)}. Answers there are extrapolations that "
            "no data support: check the units of measure, and ask about values nearer to those seen.",
            DataWarning,
        )
