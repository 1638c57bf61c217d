r"""Zero-inflated Poisson counts: in some periods a product is not to be had, whatever its price [1]_.

.. math::

    p(y \mid \eta, \omega) = \frac{\omega \, 1[y = 0] + e^{-\mu} \mu^y / y!}{1 + \omega}, \quad \mu = e^\eta,
        \quad P(\text{extra zero}) = \frac{\omega}{1 + \omega}

The noise parameter is :math:`\sqrt \omega`, so that its variance is the odds of an extra zero. A zero says
that its mean is low or that it is an extra one, with
:math:`s = e^{-\mu} / (\omega + e^{-\mu})` for the former.

References
----------
.. [1] Lambert (1992), "Zero-Inflated Poisson Regression, with an Application to Defects in Manufacturing",
   Technometrics 34(1).
"""

from typing import Any

import numpy as np
from scipy.special import gammaln

from hdfm.sales.likelihoods.counts import (
    OF_COUNTS,
    constant_of,
    draw_counts,
    means_of,
    rates_of,
)
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.likelihoods.nodes import NodeCells, NodeLikelihood
from hdfm.sales.likelihoods.noise import Noise, Scores, is_shared
from hdfm.sales.likelihoods.statistics import (
    Effects,
    UnitStatistics,
    linear_statistic,
    linear_sums,
    masked,
    weight_of,
)
from hdfm.sales.panel.panel import SalesPanel

LEAST_PRECISION = 0.05  # of s mu: zeros of a middling mean are no log-concave likelihood
EXTRA_ZEROS = (1e-3, 0.9)  # within which their share is believed


def scores(panel: SalesPanel, y: np.ndarray, eta: np.ndarray, variance: np.ndarray) -> Scores:
    r"""Fisher information :math:`\mu (1 - \mu \omega s) / (1 + \omega)`, score y - mu, of zeros - s mu."""
    _, mu = means_of(eta, panel.observed)
    odds, zero = variance[:, None], (y == 0) & panel.observed
    share = _share(mu, odds)
    information = mu * (1 - mu * odds * share) / (1 + odds)
    return Scores(panel.weighted(information), panel.weighted(np.where(zero, -mu * share, y - mu)), mu)


def working(
    y: np.ndarray, observed: np.ndarray, eta: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Working likelihood, its gradient, and its observed information, bounded below."""
    eta, mu = means_of(eta, observed)
    zero, share = (y == 0) & observed, _share(mu, variance)
    value = np.where(zero, _log_chance_of_none(mu, variance), y * eta - mu)
    return value, np.where(zero, -mu * share, y - mu), np.where(zero, _precision(mu, share), mu)


def nodes(cells: NodeCells) -> NodeLikelihood:
    """Log-likelihood of counts at quadrature nodes, through their means; in 32 bits."""
    tilt, factor = cells.means()
    mu = (factor[..., None].astype(np.float32) * tilt[:, None]).reshape(len(tilt), -1, tilt.shape[2])
    odds = cells.variance[:, None, None].astype(np.float32)
    zero, share = ((cells.units == 0) & cells.observed)[:, None], _share(mu, odds)
    m = np.ones(1) if cells.weight is None else cells.weight
    lost = np.where(zero, -np.log1p(np.expm1(-mu) / (1 + odds)), mu)
    remainder = (lost * m[..., None, :].astype(np.float32)).sum(axis=2, dtype=float)
    gradient, precision = np.where(zero, mu * share, mu), np.where(zero, _precision(mu, share), mu)
    return NodeLikelihood(cells.sums, remainder, cells.counted, m, gradient, precision)


def _log_chance_of_none(mu: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """log(omega + exp(-mu)) - log(1 + omega)."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(odds), -mu) - np.log1p(odds)


def _share(mu: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Probability s that a zero is one of the Poisson distribution, over 1."""
    none = np.exp(-mu)
    return none / (odds + none)


def _precision(mu: np.ndarray, share: np.ndarray) -> np.ndarray:
    r"""Observed information of a zero, :math:`s \mu (1 - \mu (1 - s))`, bounded below."""
    return mu * share * np.maximum(1 - mu * (1 - share), LEAST_PRECISION)


def sweep_estimate(panel: SalesPanel, y: np.ndarray, at: Scores) -> float:
    """Moment estimate of sqrt(omega), from zeros beyond those of Poisson counts."""
    return _root_odds(panel, at.mean)


def moment_estimate(panel: SalesPanel, eta: np.ndarray) -> float:
    """Moment estimate of sqrt(omega), from zeros beyond those of Poisson counts."""
    return _root_odds(panel, means_of(eta, panel.observed)[1])


def _root_odds(panel, mu):
    expected = panel.total(np.exp(-mu))
    share = (panel.total(1.0 * (panel.units == 0)) - expected) / max(panel.cells.sum() - expected, 1.0)
    share = np.clip(share, *EXTRA_ZEROS)
    return float(np.sqrt(share / (1 - share)))


def log_constant(panel: SalesPanel, noise: np.ndarray) -> float:
    """Sum of -log(1 + omega) over what sold; once where omega is shared."""
    if is_shared(noise):
        counts, times = panel.distinct_counts
        return -float(times[counts > 0].sum() * np.log1p(noise[0] ** 2))
    return float(panel.total(cell_constant(panel.units, noise[:, None])))


def cell_constant(y: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """-log(1 + omega) of what sold."""
    return np.where(y > 0, -np.log1p(noise**2), 0.0)


def log_density(y: Any, eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Log probability: of zeros log(omega + exp(-mu)), else that of Poisson counts; less log(1 + omega)."""
    mu = np.exp(eta)
    sold = y * eta - mu - gammaln(y + 1) - np.log1p(scale)
    return np.where(np.equal(y, 0), _log_chance_of_none(mu, scale), sold)


def draw_units(eta: np.ndarray, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts of mean exp(eta), or 0."""
    counts = draw_counts(rates_of(eta), rng)
    return counts * (rng.random(counts.shape) * (1 + scale) >= scale)


def mean_units(eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """exp(eta) / (1 + omega)."""
    return np.exp(eta) / (1 + scale)


def statistics(panel: SalesPanel, conditional: bool) -> UnitStatistics:
    """Sums of units, and units."""
    return UnitStatistics(
        constant=constant_of(panel), weight=weight_of(panel), units=panel.units, **linear_sums(panel)
    )


def graph(units: UnitStatistics, effects: Effects, eta: Any, scale: Any) -> Any:
    """Log-likelihood sum_it w log p(y | eta, omega)."""
    import pytensor.tensor as pt

    mu, odds = pt.exp(eta), scale[:, None]
    sold = mu + pt.log1p(odds)
    lost = pt.switch(pt.eq(units.units, 0), -pt.log1p(pt.expm1(-mu) / (1 + odds)), sold)
    return linear_statistic(units, effects) - masked(units, lost).sum() + units.constant


ZERO_INFLATED_POISSON = Likelihood(
    name="zero_inflated_poisson",
    noise=Noise(
        name="root_zero_odds",
        prior="root_zero_odds",
        powers=(("zero_odds", 2),),
        scale="zero_odds",
        multiplicative=False,
        sweep_estimate=sweep_estimate,
        moment_estimate=moment_estimate,
        log_constant=log_constant,
        cell_constant=cell_constant,
    ),
    log_concave=False,
    **OF_COUNTS | {"log_total_variance": None},  # extra zeros take their share of totals
    scores=scores,
    working=working,
    nodes=nodes,
    log_density=log_density,
    draw_units=draw_units,
    mean_units=mean_units,
    statistics=statistics,
    graph=graph,
)
