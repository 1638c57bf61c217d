r"""Do two parts of the data agree? Standardised gaps of pooled estimates, beside those of copies of the data.

Array names and axis order: N members of a level (products, groups), K copies.

    w (N,): weight of a member's data in its estimate, one less shrinkage
    z (N,), of copies (K, N): standardised gaps, NaN for members that are left out
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

LEAST_WEIGHT = 0.05
FEWEST = 3  # members, for a verdict
RESAMPLES = 400
ERRORS = 2.0  # that a ratio is away from 1 where intervals are called wrong
UNCLEAR = 0.15  # error of a ratio above which intervals are not called right
FEW = "too few to tell"
COLUMNS = ["n", "left_out", "z", "z_copies", "ratio", "se", "se_copies", "verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledLevel:
    """Posterior moments of the members of a level, pooled about the means of their parents.

    Attributes
    ----------
    labels : pandas.Index
        Of the members (N,), with the name of the level.
    mean : numpy.ndarray
        Posterior mean (N,).
    variance : numpy.ndarray
        Posterior variance (N,) given the mean of the member's parent.
    centre : numpy.ndarray
        Posterior mean (N,) of the mean of the member's parent.
    spread : float
        Variance of members about the mean of their parent.
    """

    labels: pd.Index
    mean: np.ndarray
    variance: np.ndarray
    centre: np.ndarray
    spread: float

    @property
    def weight(self) -> np.ndarray:
        """Weight w (N,) of a member's data against the mean of its parent; 0 where there are none."""
        return np.nan_to_num(np.clip(1 - self.variance / self.spread, 0.0, 1.0))


def aligned(level: PooledLevel, labels: pd.Index) -> PooledLevel:
    """The level with other labels (N,); moments are NaN, and weights 0, of those that it lacks."""
    k = level.labels.get_indexer(labels)
    mean, variance, centre = (
        np.where(k < 0, np.nan, moment[k]) for moment in (level.mean, level.variance, level.centre)
    )
    return replace(level, labels=labels, mean=mean, variance=variance, centre=centre)


def standardised_gaps(one: PooledLevel, other: PooledLevel) -> np.ndarray:
    r"""Standardised gaps z (N,) between the estimates of two parts of the data, the prior taken out.

    .. math::

        z_i = \frac{\tilde b_{i1} - \tilde b_{i2}}
            {\sqrt{w_{i1} s_{i1}^2 + w_{i2} s_{i2}^2 + (w_{i1} - w_{i2})^2 \tau^2}}, \qquad
        w_{ik} = 1 - s_{ik}^2 / \tau_k^2, \qquad
        \tilde b_{ik} = b_{ik} + (1 - w_{ik}) (\bar m_i - m_{ik})

    b, s^2 and m are the moments of a :class:`PooledLevel`, tau^2 its spread, the mean of both parts' where it
    stands alone, as is :math:`\bar m`. Say that data of part k alone put a member at
    :math:`\ell_k = \beta + e_k`, with error variance v_k, and that :math:`\beta \sim N(m, \tau^2)`. Then

    .. math::

        w_k = \frac{\tau^2}{\tau^2 + v_k}, \quad s_k^2 = (1 - w_k) \tau^2 = w_k v_k, \quad
        b_k = (1 - w_k) m_k + w_k \ell_k,

    so that the gap of estimates that were shrunk to one and the same mean has the variance under the root:

    .. math::

        \tilde b_1 - \tilde b_2 = (w_1 - w_2) (\beta - \bar m) + w_1 e_1 - w_2 e_2, \qquad
        \operatorname{Var}(w_k e_k) = w_k^2 v_k = w_k s_k^2 .

    Three things follow. The posterior variance that belongs here is that *given* the mean of the parent: what
    is not known of that mean, :math:`(1 - w)^2 \operatorname{Var}(m \mid y)`, is common to a group and no
    error of the member's data. Posterior means have to be shrunk to one mean first: where w is small,
    their gap is that of the two parts' group means rather than the member's own. And
    :math:`(b_1 - b_2) / \sqrt{s_1^2 + s_2^2}` is far below 1 where all is right, for both means were drawn to
    one prior.

    Members with w below .05 in one of the parts, or absent from it, are left out: NaN.
    """
    w, v = one.weight, other.weight
    centre = (one.centre + other.centre) / 2
    gap = _shrunk_to(one, centre) - _shrunk_to(other, centre)
    variance = w * one.variance + v * other.variance + (w - v) ** 2 * (one.spread + other.spread) / 2
    counts = np.minimum(w, v) >= LEAST_WEIGHT
    return np.where(counts, gap, np.nan) / np.sqrt(np.where(counts, variance, 1.0))


def _shrunk_to(level, centre):
    """What members' means (N,) were, had they been shrunk to other means (N,) of their parents."""
    return level.mean + (1 - level.weight) * (centre - level.centre)


def root_mean_square(z: np.ndarray) -> np.ndarray:
    """Root mean square of z (..., N) over the members that were not left out; NaN where none is."""
    counted = np.isfinite(z)
    squares = np.where(counted, z, 0.0) ** 2
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares.sum(axis=-1) / counted.sum(axis=-1))


def ratio_error(z: np.ndarray, copies: np.ndarray, rng: np.random.Generator) -> float:
    """Bootstrap standard error of the ratio of root mean squares, over members; NaN of fewer than two.

    A member that is drawn brings its z (N,) and those of its copies (K, N).
    """
    both = np.vstack([z, copies])
    both = both[:, np.isfinite(both).any(axis=0)]
    N = both.shape[1]
    if np.isfinite(both[0]).sum() < 2:
        return np.nan
    resampled = (root_mean_square(both[:, rng.integers(N, size=N)]) for _ in range(RESAMPLES))
    ratios = np.array([_ratio(values[0], values[1:]) for values in resampled])
    counted = ratios[np.isfinite(ratios)]
    return float(counted.std()) if len(counted) else np.nan


def _ratio(of_data, of_copies):
    """That of the data over the mean of those of copies that have one."""
    counted = of_copies[np.isfinite(of_copies)]
    return float(of_data / counted.mean()) if len(counted) else np.nan


def copies_error(of_copies: np.ndarray) -> float:
    r"""Standard error of the ratio where the model is right, from root mean squares of copies (K,).

    .. math:: \sqrt{1 + 1 / K} \; \mathrm{sd}_k(r_k) / \mathrm{mean}_k(r_k)
    """
    counted = of_copies[np.isfinite(of_copies)]
    if len(counted) < 2:
        return np.nan
    return float(np.sqrt(1 + 1 / len(counted)) * counted.std(ddof=1) / counted.mean())


def agreement_row(z: np.ndarray, copies: np.ndarray, rng: np.random.Generator) -> dict[str, object]:
    """The row of a level: root mean squares of z (N,) and of copies (K, N), ratio, errors, verdict."""
    of_data, of_copies = float(root_mean_square(z)), root_mean_square(copies)
    ratio, se, se_copies = _ratio(of_data, of_copies), ratio_error(z, copies, rng), copies_error(of_copies)
    count = int(np.isfinite(z).sum())
    return {
        "n": count,
        "left_out": len(z) - count,
        "z": of_data,
        "z_copies": of_data / ratio,
        "ratio": ratio,
        "se": se,
        "se_copies": se_copies,
        "verdict": verdict(ratio, larger_error(se, se_copies) if count >= FEWEST else np.nan),
    }


def larger_error(se: float, se_copies: float) -> float:
    """The larger of two standard errors, of which one may be missing."""
    return float(np.fmax(se, se_copies))


def verdict(ratio: float, error: float) -> str:
    """What a ratio with a standard error says of intervals, in words.

    Below 1 there are two readings, for errors that both parts share leave no gap between them.
    """
    if np.isnan(ratio):
        return "nothing to compare"
    if ratio > 1 + ERRORS * error:
        return f"too narrow by {100 * (ratio - 1):.0f} %"
    if ratio < 1 - ERRORS * error:
        return f"too wide by {100 * (1 - ratio):.0f} %, or errors are shared"
    return "about right" if error <= UNCLEAR else FEW


def sentence(split: str, row: pd.Series) -> str:
    """What a row about products says, for a reader who has not seen the table.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"n": 80, "ratio": 1.05, "se": 0.04, "se_copies": 0.03, "verdict": "about right"}
    >>> sentence("halves", pd.Series(row))
    'On halves the intervals of products are about right: ratio 1.05 (0.04).'
    """
    if np.isnan(row["ratio"]):
        return f"On {split} no products can be compared."
    figure = f"ratio {row['ratio']:.2f} ({larger_error(row['se'], row['se_copies']):.2f})"
    if row["verdict"] == FEW:
        return f"On {split} too few products, {row['n']:,}, can be compared to tell: {figure}."
    return f"On {split} the intervals of products are {row['verdict']}: {figure}."


def agreement_table(gaps: Mapping[tuple[str, str], np.ndarray], rng: np.random.Generator) -> pd.DataFrame:
    """A row for each split and level, of z (1 + K, N) by split and level: of the data, then of copies.

    ``attrs["verdict"]`` has a sentence for each split about its first level.
    """
    rows = [agreement_row(z[0], z[1:], rng) for z in gaps.values()]
    table = pd.DataFrame(rows, pd.MultiIndex.from_tuples(list(gaps), names=["split", "level"]), COLUMNS)
    products = table[~table.index.get_level_values("split").duplicated()]
    table.attrs["verdict"] = " ".join(
        sentence(split, row)
        for split, (_, row) in zip(products.index.get_level_values("split"), products.iterrows(), strict=True)
    )
    return table
