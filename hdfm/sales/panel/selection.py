"""Samples of products that were selected on their sales.

Array names and axis order: N products, T periods.
"""

import numpy as np

from hdfm.exceptions import InvalidDataError, unknown
from hdfm.frames.columns import examples
from hdfm.sales.panel.panel import SalesPanel


def refuse_unselected(panel: SalesPanel, above: float) -> None:
    """Raise if products did not sell more than ``above`` units in all.

    Raises
    ------
    InvalidDataError
        With their number and examples.
    """
    out = panel.units.sum(axis=1) <= above
    if out.any():
        raise InvalidDataError(
            f"selected_above={above!r} says that every product sold more than that in all, but {out.sum():,} "
            f"of {len(out):,} did not (such as {examples(panel.product[out])}): leave them out, as "
            "hdfm.datasets.keep_sellers does, or take selected_above=None."
        )


def level_thresholds(panel: SalesPanel, above: float, elasticity: float) -> np.ndarray:
    r"""Levels (N,) from which on products of that elasticity are expected to sell ``above`` units in all.

    .. math:: c_i = \log u - \log \sum_t e_{it} \exp(\beta x_{it})
    """
    relative = np.exp(elasticity * panel.log_price + panel.log_exposure)
    return np.log(above) - np.log(relative.sum(axis=1, where=panel.observed))


def noise_at_threshold(above: float, likelihood: str) -> float:
    """Variance of the log of total units of a product that is expected to sell ``above``."""
    match likelihood:
        case "log_normal":
            return 0.0
        case "negative_binomial" | "poisson":
            return 1 / above
        case _:
            raise unknown("likelihood", likelihood)
