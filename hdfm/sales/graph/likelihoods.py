r"""Log-likelihoods of a dense panel, from sufficient statistics wherever there are any.

Array names and axis order: N products, G groups, T periods; eta (N, T) is the log of expected units.
What is linear in eta needs only sums of y: :math:`\sum_{it} y_{it} \eta_{it}` is a sum over products,
groups and controls, taken from :func:`linear_statistic`.
"""

import numpy as np
import pytensor.tensor as pt
from scipy.special import gammaln

from hdfm.sales.panel.panel import SalesPanel

MASKED = -1e30
STIRLING = 1e4


def linear_statistic(panel: SalesPanel, delta, beta, gamma, kappa):
    """sum_it y_it eta_it, up to no constant; parts that are None are left out."""
    y = panel.units
    total = pt.constant((y * panel.log_exposure).sum())
    if delta is not None:
        total = total + (y.sum(axis=1) * delta).sum()
    if beta is not None:
        total = total + ((y * panel.log_price).sum(axis=1) * beta).sum()
    if gamma is not None:
        by_block = np.zeros((len(panel.blocks), y.shape[1]))
        np.add.at(by_block, panel.block, y)
        total = total + (by_block * gamma).sum()
    if kappa is not None:
        total = total + (np.tensordot(panel.controls, y, axes=2) * kappa).sum()
    return total


def poisson(panel: SalesPanel, eta, linear):
    """sum_it y eta - exp(eta) - log y!"""
    return linear - _masked(panel, pt.exp(eta)).sum() - _log_factorials(panel)


def conditional_poisson(panel: SalesPanel, eta, linear):
    r"""Poisson given product totals, :math:`\sum_i \log \mathrm{Multinomial}(y_i; \mathrm{softmax}(\eta_i))`.

    eta and ``linear`` are without delta, which drops out [1]_.

    References
    ----------
    .. [1] Hausman, Hall, Griliches (1984), "Econometric models for count data with an application to
       the patents-R&D relationship", Econometrica 52(4).
    """
    totals = panel.units.sum(axis=1)
    inside = eta if panel.observed.all() else pt.switch(panel.observed, eta, MASKED)
    normaliser = (totals * pt.logsumexp(inside, axis=1)).sum()
    return linear - normaliser + gammaln(totals + 1).sum() - _log_factorials(panel)


def negative_binomial(panel: SalesPanel, eta, linear, dispersion):
    r"""Negative binomial with mean exp(eta) and variance :math:`\mu + \mu^2 / \phi`.

    The terms in :math:`\Gamma(y + \phi)` are taken once per distinct count.
    """
    counts, times = np.unique(panel.units[panel.observed], return_counts=True)
    logs = _masked(panel, (panel.units + dispersion) * pt.log1p(pt.exp(eta) / dispersion)).sum()
    return linear - logs + (times * log_rising(counts, dispersion)).sum() - _log_factorials(panel)


def log_rising(y, phi):
    r""":math:`\log \Gamma(y + \phi) - \log \Gamma(\phi) - y \log \phi`, which tends to 0 as phi grows.

    Above 10,000 by Stirling's series: the difference of the gammas would be lost to rounding.
    """
    few, many = pt.minimum(phi, STIRLING), pt.maximum(phi, STIRLING)
    exact = pt.gammaln(y + few) - pt.gammaln(few) - y * pt.log(few)
    series = (many + y - 0.5) * pt.log1p(y / many) - y + (1 / (many + y) - 1 / many) / 12
    return pt.switch(phi < STIRLING, exact, series)


def log_normal(panel: SalesPanel, eta, sd):
    """log y ~ Normal(eta, sd), as a density of y."""
    cells = panel.observed.sum()
    log_units = np.log(np.where(panel.observed, panel.units, 1.0))
    squares = _masked(panel, (log_units - eta) ** 2).sum()
    return -0.5 * squares / sd**2 - cells * (pt.log(sd) + 0.5 * np.log(2 * np.pi)) - log_units.sum()


def _masked(panel, values):
    return values if panel.observed.all() else values * panel.observed


def _log_factorials(panel):
    return gammaln(panel.units + 1).sum(where=panel.observed)
