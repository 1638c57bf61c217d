"""What in data can't inform a model, or misleads it, as a table; and questions far from all data.

Array names and axis order: n observations, K columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.columns import examples, named_column, plain

COLUMNS = ["finding", "count", "examples", "consequence"]
SPIKE_OF_PRODUCT, SPIKE_OF_GROUP = np.log(5), np.log(100)
FEW_PRICES = 5
SPIKE_OF_UNITS, SPIKE_SPREADS = np.log(5), 6.0
FILLER_GAP = 10.0  # times the range of all other values
TO_SD = 1.4826  # of a normal's median absolute deviation
TIED_SHARE = 0.95
LEAK_SHARE = 0.9
LITTLE_LEFT = 0.05
NO_VARIATION = 1e-9
FAR = 5.0  # times the range that was seen, or the highest and lowest price
RIDGE = 1e-10  # so that columns that others explain wholly have a share of 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What of some labels can't inform a model, or misleads it.

    Attributes
    ----------
    name : str or None
        As the table has it; None for what is said at once alone.
    labels : sequence
        Of what it was found; nothing is said where there are none.
    consequence : str
        What the model makes of it.
    said : str or None
        The sentence of a warning; None where the table is enough.
    """

    name: str | None
    labels: Sequence | pd.Index | np.ndarray
    consequence: str
    said: str | None = None


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """A row for each finding of which there are labels."""
    rows = [
        (finding.name, len(finding.labels), examples(finding.labels), finding.consequence)
        for finding in findings
        if len(finding.labels) and finding.name is not None
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def findings_said(findings: Iterable[Finding]) -> list[str]:
    """Warnings among findings, as sentences."""
    return [finding.said for finding in findings if len(finding.labels) and finding.said is not None]


def price_spikes(
    log_price: np.ndarray, product: np.ndarray, group: np.ndarray, ratio: float = SPIKE_OF_PRODUCT
) -> np.ndarray:
    """Mask of price outliers (n,): far from the product's usual one, as a decimal slip or a filler is.

    More than 5 times the product's median or less than a fifth of it (``ratio`` is the log of 5); where a
    product has fewer than 5 prices, 100 times the group's.

    Examples
    --------
    >>> import numpy as np
    >>> price_spikes(np.log([5.0, 4.0, 5.0, 0.01, 4.5, 5.0]), np.zeros(6, int), np.zeros(6, int))
    array([False, False, False,  True, False, False])
    """
    values = pd.Series(log_price)
    product_gap, group_gap = (values - values.groupby(code).transform("median") for code in (product, group))
    few = pd.Series(product).groupby(product).transform("size") < FEW_PRICES
    return np.where(few, group_gap.abs() > SPIKE_OF_GROUP, product_gap.abs() > ratio)


def fillers(values: np.ndarray) -> np.ndarray:
    """Mask of outliers (n,), far from all other values: a filler such as -99 or 99999, or a slip.

    The lowest or highest value, where the next one is 10 times as far away as the others range, of which at
    least two differ.

    Examples
    --------
    >>> import numpy as np
    >>> fillers(np.array([0.0, 1.0, -99.0, 1.0, 99999.0, 0.0]))
    array([False, False,  True, False,  True, False])
    """
    distinct = np.unique(values)
    if len(distinct) < 3:
        return np.zeros(len(values), dtype=bool)
    start, end = 0, len(distinct) - 1
    while end - start >= 2:
        low, high = distinct[start + 1] - distinct[start], distinct[end] - distinct[end - 1]
        if high > FILLER_GAP * (distinct[end - 1] - distinct[start]):
            end -= 1
        elif low > FILLER_GAP * (distinct[end] - distinct[start + 1]):
            start += 1
        else:
            break
    return (values < distinct[start]) | (values > distinct[end])


def outcome_spikes(residual: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Mask of outliers (n,): log units far above what explains them, by product codes (n,).

    More than 5 times what is expected, and 6 of the product's usual deviations, by their median.

    Examples
    --------
    >>> import numpy as np
    >>> outcome_spikes(np.array([0.1, -0.2, 0.1, 2.5, 0.0, -0.1]), np.zeros(6, int))
    array([False, False, False,  True, False, False])
    """
    gap = pd.Series(residual)
    gap = gap - gap.groupby(product).transform("median")
    usual = TO_SD * gap.abs().groupby(product).transform("median")
    return ((gap > SPIKE_OF_UNITS) & (gap > SPIKE_SPREADS * usual)).to_numpy()


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
    """Extrapolation warning: a sentence on a column with values far outside those of the fit, or none.

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
