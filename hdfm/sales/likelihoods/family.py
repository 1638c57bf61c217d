r"""Likelihood as a record: all that the sales model asks of one.

Array names and axis order: N products, T periods, K nodes of a rule, S draws, n rows or products of a part.

    y, observed (N, T): units sold, 0 where not observed; and where they are observed
    eta (N, T): log of expected units (of their median for log-normal volumes), exposure included
    variance (N,): that of a multiplicative noise; see :mod:`hdfm.sales.likelihoods.noise`
    scale (N, S), in the graph (N,) or (1,): what densities take of it
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hdfm.sales.likelihoods.nodes import NodeCells, NodeLikelihood
from hdfm.sales.likelihoods.noise import Noise, Scores
from hdfm.sales.likelihoods.statistics import Effects, UnitStatistics
from hdfm.sales.panel.panel import SalesPanel

Cells = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    r"""A likelihood of units sold, in NumPy and in PyTensor.

    .. math:: y_{it} \sim p(y \mid \eta_{it}, \varsigma_i)

    Attributes
    ----------
    name : str
        What the estimator's argument and files call it.
    noise : Noise or None
        The parameter :math:`\varsigma`; None where eta alone decides.
    has_sufficient_totals : bool
        Whether products' totals suffice for their levels, so that fixed levels are conditioned away.
    log_concave : bool
        Whether the log-likelihood is concave in eta; else ``working`` bounds the precision below.
    remedy_for_zeros : str
        What a message about rows without sales, left out, tells the user to do about the likelihood.
    read_units : callable
        (column, whole) -> y (n,): units that it takes, checked; fractions of counts are refused if ``whole``.
    log_total_variance : callable or None
        above -> float: variance of the log of a product's total units, of which ``above`` are expected; None
        where noise moves what is expected, and selection on totals has no likelihood here.
    response : callable
        panel -> (N, T): y, or log y, about which the likelihood is.
    start_levels : callable
        panel -> (N,): levels from products' totals or means, in logs, with nothing else in eta but exposure.
    scores : callable
        (panel, response, eta, variance) -> :class:`hdfm.sales.likelihoods.noise.Scores`: of Fisher scoring.

        .. math:: E[-\partial^2_\eta \log p], \quad \partial_\eta \log p
    working : callable
        (y, observed, eta, variance) -> (value, gradient, precision), shaped as eta, with variance broadcast
        to it: the working likelihood of Newton's method. The value is up to what does not depend on eta,
        where not observed all are 0.

        .. math:: \log p, \quad \partial_\eta \log p, \quad -\partial^2_\eta \log p
    nodes : callable or None
        :class:`hdfm.sales.likelihoods.nodes.NodeCells` ->
        :class:`hdfm.sales.likelihoods.nodes.NodeLikelihood`: products with low counts at the nodes of
        their rules; None where the log-likelihood is quadratic in eta, so that no rule is needed.
    log_density : callable
        (y, eta, scale) -> (n, S): log p(y | eta), per unit for volumes, all broadcast.
    draw_units : callable
        (eta, scale, rng) -> as eta: y drawn.
    mean_units : callable
        (eta, scale) -> as eta: E[y | eta], in units.
    draw_levels : callable or None
        (totals (N,), rate (N,), rng) -> (N,): fixed levels drawn given totals, with ``rate`` expected at
        level 0; None unless totals suffice.
    statistics : callable
        (panel, conditional) -> :class:`hdfm.sales.likelihoods.statistics.UnitStatistics`: what the graph is
        given of y; ``conditional`` on products' totals.
    graph : callable
        (statistics, effects, eta, scale) -> scalar tensor: the log-likelihood of the panel, weights
        included, constants too; conditional where effects have no levels.
    """

    name: str
    noise: Noise | None
    has_sufficient_totals: bool = False
    log_concave: bool = True
    remedy_for_zeros: str
    read_units: Callable[[pd.Series, bool], np.ndarray]
    log_total_variance: Callable[[float], float] | None
    response: Callable[[SalesPanel], np.ndarray]
    start_levels: Callable[[SalesPanel], np.ndarray]
    scores: Callable[[SalesPanel, np.ndarray, np.ndarray, np.ndarray], Scores]
    working: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], Cells]
    nodes: Callable[[NodeCells], NodeLikelihood] | None = None
    log_density: Callable[[Any, np.ndarray, np.ndarray], np.ndarray]
    draw_units: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
    mean_units: Callable[[np.ndarray, np.ndarray], np.ndarray]
    draw_levels: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray] | None = None
    statistics: Callable[[SalesPanel, bool], UnitStatistics]
    graph: Callable[[UnitStatistics, Effects, Any, Any], Any]
