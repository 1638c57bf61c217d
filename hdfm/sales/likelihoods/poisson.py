r"""Poisson counts.

.. math:: \log p(y \mid \eta) = y \eta - e^\eta - \log y!
"""

from typing import Any

import numpy as np
from scipy.special import gammaln

from hdfm.sales.likelihoods.counts import (
    OF_COUNTS,
    constant_of,
    draw_counts,
    mean_units,
    means_of,
    rates_of,
)
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.likelihoods.nodes import NodeCells, NodeLikelihood
from hdfm.sales.likelihoods.noise import Scores
from hdfm.sales.likelihoods.statistics import (
    MASKED,
    Effects,
    UnitStatistics,
    linear_statistic,
    linear_sums,
    masked,
    weight_of,
)
from hdfm.sales.panel.panel import SalesPanel

NEVER_SOLD_SHAPE = 0.5


def scores(panel: SalesPanel, y: np.ndarray, eta: np.ndarray, variance: np.ndarray) -> Scores:
    """Fisher information mu, score y - mu."""
    _, mu = means_of(eta, panel.observed)
    return Scores(panel.weighted(mu), panel.weighted(y - mu), mu)


def working(
    y: np.ndarray, observed: np.ndarray, eta: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Working likelihood y eta - mu, its gradient y - mu, its precision mu."""
    eta, mu = means_of(eta, observed)
    return y * eta - mu, y - mu, mu


def nodes(cells: NodeCells) -> NodeLikelihood:
    """Counts at the nodes of rules, through their means; in 32 bits."""
    tilt, factor = cells.means()
    if cells.weight is not None:
        tilt *= cells.weight[:, None].astype(np.float32)
    remainder = factor * tilt.sum(axis=2, dtype=float)[:, None]
    return NodeLikelihood(
        cells.sums, remainder.reshape(len(remainder), -1), cells.counted, np.ones(1), tilt, tilt, factor
    )


def log_density(y: Any, eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Log probability y eta - exp(eta) - log y!"""
    return y * eta - np.exp(eta) - gammaln(y + 1)


def draw_units(eta: np.ndarray, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts of mean exp(eta)."""
    return draw_counts(rates_of(eta), rng)


def draw_levels(totals: np.ndarray, rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    r"""Levels (N,) given totals (N,) and what is expected at level 0 (N,), under a flat prior on them.

    .. math:: \exp \delta_i \sim \mathrm{Gamma}\Big(\sum_t y_{it}, \sum_t \exp(\eta_{it} - \delta_i)\Big)

    A product that never sold has no proper posterior; it gets the shape 1/2 of Jeffreys' prior.
    """
    return np.log(rng.gamma(np.where(totals > 0, totals, NEVER_SOLD_SHAPE))) - np.log(rate)


def statistics(panel: SalesPanel, conditional: bool) -> UnitStatistics:
    """Sums of units; given totals the logs of weights, else weights."""
    constant, sums, weight = constant_of(panel), linear_sums(panel), weight_of(panel)
    if not conditional:
        return UnitStatistics(constant=constant, weight=weight, **sums)
    log_weight = np.log(weight, where=weight > 0, out=np.full(weight.shape, MASKED))
    return UnitStatistics(
        constant=constant + gammaln(panel.units_sold + 1).sum(), log_weight=log_weight, **sums
    )


def graph(units: UnitStatistics, effects: Effects, eta: Any, scale: Any) -> Any:
    """Log-likelihood sum_it w (y eta - exp(eta) - log y!), given totals where effects have no levels."""
    import pytensor.tensor as pt

    linear = linear_statistic(units, effects)
    if effects.delta is None:
        return graph_given_totals(units, eta, linear)
    return linear - masked(units, pt.exp(eta)).sum() + units.constant


def graph_given_totals(units: UnitStatistics, eta: Any, linear: Any) -> Any:
    r"""Poisson given product totals, :math:`\sum_i \log \mathrm{Multinomial}(y_i; \mathrm{softmax}(\eta_i))`.

    Cells of weight w have the log odds eta + log w: of a Poisson likelihood to that power. eta and
    ``linear`` are without delta, which drops out [1]_.

    References
    ----------
    .. [1] Hausman, Hall, Griliches (1984), "Econometric models for count data with an application to
       the patents-R&D relationship", Econometrica 52(4).
    """
    import pytensor.tensor as pt

    inside = eta if units.log_weight is None else eta + units.log_weight
    return linear - (units.units_of_product * pt.logsumexp(inside, axis=1)).sum() + units.constant


POISSON = Likelihood(
    name="poisson",
    noise=None,
    has_sufficient_totals=True,
    **OF_COUNTS,
    scores=scores,
    working=working,
    nodes=nodes,
    log_density=log_density,
    draw_units=draw_units,
    mean_units=mean_units,
    draw_levels=draw_levels,
    statistics=statistics,
    graph=graph,
)
