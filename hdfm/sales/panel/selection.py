"""Samples of products that were selected on their sales, and parts of such samples.

Array names and axis order: N products, T periods.
"""

import numpy as np

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import examples
from hdfm.frames.findings import Finding
from hdfm.sales.panel.panel import SalesPanel

BELOW = "products that sold no more than selected_above says"
FEWEST = 0.5  # units, where a product sold none
_KEPT = "kept: X is taken as part of the sample that was selected"


def refuse_weights(weights: np.ndarray | None, above: float | None) -> None:
    """Raise if rows of a selected sample have weights (n,)."""
    if weights is not None and above is not None:
        raise InvalidArgumentError(
            "selected_above is about the units that X holds of a product: with sample_weight it would "
            "not be clear how many these are. Give one of them."
        )


def selected_share(panel: SalesPanel, above: float, periods: int | None = None) -> float:
    """The part of the selection's sales that a panel holds, such as a fold of a cross-validation.

    With ``periods`` the ratio of periods, else 1; but at most what the product that sold least has of it: a
    threshold above products' own units may leave the truncated likelihood without a mode.

    Raises
    ------
    InvalidDataError
        If the panel holds just so many periods, and products sold no more than ``above``.
    """
    total, share = panel.units.sum(axis=1), _share_of_periods(panel, periods)
    if periods is not None and share == 1:
        _refuse_unselected(panel, above, total <= above)
    return min(share, max(float(total.min()), FEWEST) / above)


def _share_of_periods(panel, periods):
    return 1.0 if periods is None else len(panel.period) / periods


def selection_finding(panel: SalesPanel, above: float, share: float, periods: int | None) -> Finding:
    """Products below the threshold of a part of the sample; said where that part was guessed."""
    total = panel.units.sum(axis=1)
    below = panel.product[total <= above * _share_of_periods(panel, periods)]
    message = (
        f"selected_above={above!r} says that every product sold more than that in all, but {len(below):,} of "
        f"{len(total):,} did not (such as {examples(below)}). X is taken as a part of the sample that was "
        f"selected, such as a fold: about {share:.0%} of its periods. selected_periods= says how many the "
        "whole has; if X is the whole, leave these products out, as hdfm.datasets.keep_sellers does, or "
        "take selected_above=None."
    )
    return Finding(BELOW, below, _KEPT, message if periods is None else None)


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
