"""Effects on a log scale as a table: per unit, and as percentages.

Array names and axis order: K effects, S draws.
"""

import numpy as np
import pandas as pd

from hdfm.summaries.intervals import summarise

LARGEST_LOG = 700.0


def effect_table(draws: np.ndarray, index: pd.Index, ci_prob: float) -> pd.DataFrame:
    r"""Mean, sd and interval of effects (K, S), and the posterior mean of :math:`100 (e^\kappa - 1)`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> effect_table(np.log([[1.1, 1.3]]), pd.Index(["display"]), 0.89)["percent"].round(6).to_list()
    [20.0]
    """
    if not len(index):
        return pd.DataFrame(columns=["mean", "sd", "lower", "upper", "percent"], index=index, dtype=float)
    table = summarise(draws, index, ci_prob)[["mean", "sd", "lower", "upper"]]
    table["percent"] = 100 * np.expm1(np.minimum(draws, LARGEST_LOG)).mean(axis=1)
    return table
