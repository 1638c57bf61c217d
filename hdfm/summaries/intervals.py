"""Means, spreads, intervals and probabilities of draws, as tables.

Array names and axis order: N quantities, S draws.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from joblib import cpu_count

from hdfm.exceptions import InvalidArgumentError

SUMMARY = ("mean", "sd", "lower", "upper", "p_elastic", "p_positive")
PIECE = 256  # products at a time


def summarise(draws: np.ndarray, index: pd.Index, ci_prob: float) -> pd.DataFrame:
    """Mean, sd, equal-tailed interval, P(elasticity < -1) and P(elasticity > 0) of draws (N, S).

    A single draw, such as a posterior mode, has no sd, interval or probabilities.
    """
    pieces = [draws[k : k + PIECE] for k in range(0, len(draws), PIECE)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        columns = np.hstack(list(pool.map(lambda piece: _summaries(piece, ci_prob), pieces)))
    table = pd.DataFrame(dict(zip(SUMMARY, columns, strict=True)), index=index)
    table.attrs["ci_prob"] = ci_prob
    return table


def _summaries(draws, ci_prob):
    """The columns of ``SUMMARY`` (6, n) of a piece of products."""
    lower, upper = np.quantile(draws, [(1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=1)
    sd = draws.std(axis=1, ddof=1) if draws.shape[1] > 1 else np.full(len(draws), np.nan)
    elastic, positive = (draws < -1).mean(axis=1), (draws > 0).mean(axis=1)
    if draws.shape[1] == 1:
        lower = upper = elastic = positive = sd
    return np.stack([draws.mean(axis=1), sd, lower, upper, elastic, positive])


def default_ci_prob(ci_prob: float | None) -> float:
    """The probability of intervals: as given, else ArviZ's ``stats.ci_prob``."""
    if ci_prob is None:
        from arviz_base import rcParams

        return float(rcParams["stats.ci_prob"])
    if not isinstance(ci_prob, float) or not 0 < ci_prob < 1:
        raise InvalidArgumentError(f"ci_prob must lie strictly between 0 and 1; got {ci_prob!r}.")
    return float(ci_prob)
