r"""Negative binomial counts of mean :math:`\mu = e^\eta` and variance :math:`\mu + \mu^2 / \phi`.

.. math::

    \log p(y \mid \eta, \phi) = y \eta - (y + \phi) \log(1 + \mu / \phi)
        + \log \frac{\Gamma(y + \phi)}{\Gamma(\phi) \phi^y} - \log y!

The noise parameter is :math:`\phi^{-1/2}`, the coefficient of variation of a multiplicative Gamma noise.
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
from hdfm.sales.likelihoods.noise import Noise, Scores, is_shared, is_shared_in_graph
from hdfm.sales.likelihoods.statistics import (
    Effects,
    UnitStatistics,
    linear_statistic,
    linear_sums,
    masked,
    weight_of,
)
from hdfm.sales.panel.panel import SalesPanel

SWEEP_VARIANCES, MOMENT_VARIANCES = (1e-4, 4.0), (0.02**2, 1.0)  # within which moments are believed
STIRLING = 1e4


def scores(panel: SalesPanel, y: np.ndarray, eta: np.ndarray, variance: np.ndarray) -> Scores:
    """Fisher information mu / (1 + mu / phi), score (y - mu) / (1 + mu / phi)."""
    _, mu = means_of(eta, panel.observed)
    odds = 1 + variance[:, None] * mu
    return Scores(panel.weighted(mu / odds), panel.weighted((y - mu) / odds), mu)


def sweep_estimate(panel: SalesPanel, y: np.ndarray, at: Scores) -> float:
    """Moment estimate of phi**-0.5, from squared residuals beyond those of Poisson counts."""
    excess = panel.total((y - at.mean) ** 2 - at.mean)
    return np.sqrt(np.clip(excess / panel.weighted(at.mean**2).sum(), *SWEEP_VARIANCES))


def moment_estimate(panel: SalesPanel, eta: np.ndarray) -> float:
    """Moment estimate of phi**-0.5, from squared residuals beyond those of Poisson counts."""
    _, mu = means_of(eta, panel.observed)
    gaps, weighted = panel.units - mu, panel.weighted(mu)
    excess = (np.vdot(panel.weighted(gaps), gaps) - weighted.sum()) / np.vdot(weighted, mu)
    return float(np.sqrt(np.clip(excess, *MOMENT_VARIANCES)))


def log_constant(panel: SalesPanel, noise: np.ndarray) -> float:
    """Sum of log Gamma(y + phi) - log Gamma(phi) - y log phi; once per distinct count where phi is shared."""
    if is_shared(noise):
        phi, (counts, times) = float(noise[0]) ** -2, panel.distinct_counts
        return float(times @ (gammaln(counts + phi) - gammaln(phi) - counts * np.log(phi)))
    return float(panel.total(cell_constant(panel.units, noise[:, None])))


def cell_constant(y: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """log Gamma(y + phi) - log Gamma(phi) - y log phi."""
    return log_rising(y, noise**-2.0)


def working(
    y: np.ndarray, observed: np.ndarray, eta: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Working likelihood y eta - (y + phi) log(1 + mu / phi), its gradient and observed information."""
    eta, mu = means_of(eta, observed)
    odds = 1 + variance * mu
    value = y * eta - (y + 1 / variance) * np.log(odds)
    return value, (y - mu) / odds, mu * (1 + variance * y) / odds**2


def nodes(cells: NodeCells) -> NodeLikelihood:
    """Log-likelihood of counts at quadrature nodes, through their odds 1 + mu / phi; in 32 bits."""
    tilt, factor = cells.means()
    (n, _, T), variance = tilt.shape, cells.variance[:, None]
    m = cells.units + 1 / variance
    m = m if cells.weight is None else m * cells.weight
    tilt *= variance[..., None].astype(np.float32)
    odds_less_one = (factor[..., None].astype(np.float32) * tilt[:, None]).reshape(n, -1, T)
    odds = 1 + odds_less_one
    logs, lost = np.log(odds), odds - 1
    np.subtract(odds_less_one, lost, out=lost)  # to rounding
    np.divide(1, odds, out=odds)
    lost *= odds
    logs += lost
    remainder = logs @ m.astype(np.float32)[..., None]
    share = np.multiply(odds_less_one, odds, out=odds_less_one)
    weight = np.multiply(odds, share, out=odds)
    return NodeLikelihood(cells.sums, remainder[..., 0].astype(float), cells.counted, m, share, weight)


def log_density(y: Any, eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Log probability y eta - (y + phi) log(1 + exp(eta) / phi) + log rising factorial - log y!"""
    log_odds = np.log1p(np.exp(eta) / scale)
    return y * eta - (y + scale) * log_odds + log_rising(y, scale) - gammaln(y + 1)


def log_rising(y: Any, phi: Any) -> np.ndarray:
    r""":math:`\log \Gamma(y + \phi) - \log \Gamma(\phi) - y \log \phi`, which tends to 0 as phi grows.

    Above 10,000 by Stirling's series: the difference of the gammas would be lost to rounding.
    """
    few, many = np.minimum(phi, STIRLING), np.maximum(phi, STIRLING)
    exact = gammaln(y + few) - gammaln(few) - y * np.log(few)
    if np.all(phi < STIRLING):
        return exact
    series = (many + y - 0.5) * np.log1p(y / many) - y + (1 / (many + y) - 1 / many) / 12
    return np.where(phi < STIRLING, exact, series)


def graph_log_rising(y: Any, phi: Any) -> Any:
    """:func:`log_rising` of tensors."""
    import pytensor.tensor as pt

    few, many = pt.minimum(phi, STIRLING), pt.maximum(phi, STIRLING)
    exact = pt.gammaln(y + few) - pt.gammaln(few) - y * pt.log(few)
    series = (many + y - 0.5) * pt.log1p(y / many) - y + (1 / (many + y) - 1 / many) / 12
    return pt.switch(phi < STIRLING, exact, series)


def draw_units(eta: np.ndarray, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts of means exp(eta) times Gamma noise of shape phi."""
    mean = rates_of(eta)
    return draw_counts(rng.gamma(np.broadcast_to(scale, mean.shape)) * (mean / scale), rng)


def statistics(panel: SalesPanel, conditional: bool) -> UnitStatistics:
    """Sums of units, cells and distinct counts."""
    counts, times = panel.distinct_counts
    return UnitStatistics(
        constant=constant_of(panel),
        weight=weight_of(panel),
        units=panel.units,
        counts=counts,
        times=times.astype(float),
        **linear_sums(panel),
    )


def graph(units: UnitStatistics, effects: Effects, eta: Any, scale: Any) -> Any:
    """Log-likelihood; log rising factorials once per distinct count where dispersion is shared."""
    import pytensor.tensor as pt

    linear, phi = linear_statistic(units, effects), scale[:, None]
    logs = masked(units, (units.units + phi) * pt.log1p(pt.exp(eta) / phi)).sum()
    if is_shared_in_graph(scale):
        rising = (units.times * graph_log_rising(units.counts, scale)).sum()
    else:
        rising = masked(units, graph_log_rising(units.units, phi)).sum()
    return linear - logs + rising + units.constant


NEGATIVE_BINOMIAL = Likelihood(
    name="negative_binomial",
    noise=Noise(
        name="overdispersion",
        prior="overdispersion",
        powers=(("dispersion", -2),),
        scale="dispersion",
        sweep_estimate=sweep_estimate,
        moment_estimate=moment_estimate,
        log_constant=log_constant,
        cell_constant=cell_constant,
    ),
    **OF_COUNTS,
    scores=scores,
    working=working,
    nodes=nodes,
    log_density=log_density,
    draw_units=draw_units,
    mean_units=mean_units,
    statistics=statistics,
    graph=graph,
)
