"""Samples of products that were selected on their sales, and parts of such samples.

Array names and axis order: N products, T periods.
"""

import numpy as np
from scipy.stats import beta

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import examples
from hdfm.frames.findings import Finding
from hdfm.sales.panel.panel import SalesPanel

BELOW = "products that sold no more than selected_above says"
_KEPT = "kept: X is taken as part of the sample that was selected"


def selected_share(panel: SalesPanel, above: float, periods: int | None = None) -> float:
    r"""The part of the selection's periods that a panel holds, such as a fold of a cross-validation.

    With ``periods`` their ratio. Without, 1 where every product sold more than ``above``; else the largest
    share s at which the least total m of N products is no surprise, given that all sold u in the whole:

    .. math:: P(\mathrm{Binomial}(u, s) \le m) = \frac{1}{2 N}

    Raises
    ------
    InvalidDataError
        If the panel holds just so many periods, and products sold no more than ``above``.
    """
    total = panel.units.sum(axis=1)
    if periods is not None:
        if len(panel.period) == periods:
            _refuse_unselected(panel, above, total <= above)
        return len(panel.period) / periods
    least = float(total.min())
    if least >= above:
        return 1.0
    return float(beta.isf(1 / (2 * len(total)), least + 1, above - least))


def selection_finding(panel: SalesPanel, above: float, share: float, periods: int | None) -> Finding:
    """Products below the threshold of a part of the sample; said where that part was guessed."""
    total = panel.units.sum(axis=1)
    if periods is not None:
        return Finding(BELOW, panel.product[total <= above * share], _KEPT)
    below = panel.product[total <= above]
    return Finding(
        BELOW,
        below,
        _KEPT,
        f"selected_above={above!r} says that every product sold more than that in all, but {len(below):,} of "
        f"{len(total):,} did not (such as {examples(below)}). X is taken as a part of the sample that was "
        f"selected, such as a fold: about {share:.0%} of its periods. selected_periods= says how many the "
        "whole has; if X is the whole, leave these products out, as hdfm.datasets.keep_sellers does, or "
        "take selected_above=None.",
    )


def _refuse_unselected(panel, above, out):
    """Raise if products ``out`` (N,) of the whole sample did not sell more than ``above`` units."""
    if out.any():
        raise InvalidDataError(
            f"selected_above={above!r} says that every product sold more than that in all, but {out.sum():,} "
            f"of {len(out):,} did not (such as {examples(panel.product[out])}): leave them out, as "
            "hdfm.datasets.keep_sellers does, or take selected_above=None."
        )


def level_thresholds(panel: SalesPanel, above: float, elasticity: float) -> np.ndarray:
    r"""Levels (N,) from which on products of that elasticity are expected to sell ``above`` units here.

    .. math:: c_i = \log u - \log \sum_t e_{it} \exp(\beta x_{it})
    """
    relative = np.exp(elasticity * panel.log_price + panel.log_exposure)
    return np.log(above) - np.log(relative.sum(axis=1, where=panel.observed))
