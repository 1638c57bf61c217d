r"""Log-likelihoods of a dense panel, from sufficient statistics wherever there are any.

Array names and axis order: N products, G groups, T periods; eta (N, T) is the log of expected units.
What is linear in eta needs only sums of y: :math:`\sum_{it} y_{it} \eta_{it}` is a sum over products,
groups and controls, taken from :func:`linear_statistic`.
"""

import pytensor.tensor as pt

from hdfm.sales.graph.data import UnitsData

STIRLING = 1e4


def linear_statistic(units: UnitsData, delta, beta, gamma, kappa):
    """sum_it y_it eta_it, without what exposure adds; parts that are None are left out."""
    effects = (delta, beta, gamma, kappa)
    sums = (units.of_product, units.of_price, units.of_block, units.of_control)
    return sum((each * of).sum() for each, of in zip(effects, sums, strict=True) if each is not None)


def poisson(units: UnitsData, eta, linear):
    """sum_it w (y eta - exp(eta) - log y!)"""
    return linear - _masked(units, pt.exp(eta)).sum() + units.constant


def conditional_poisson(units: UnitsData, eta, linear):
    r"""Poisson given product totals, :math:`\sum_i \log \mathrm{Multinomial}(y_i; \mathrm{softmax}(\eta_i))`.

    Cells of weight w have the log odds eta + log w: of a Poisson likelihood to that power. eta and
    ``linear`` are without delta, which drops out [1]_.

    References
    ----------
    .. [1] Hausman, Hall, Griliches (1984), "Econometric models for count data with an application to
       the patents-R&D relationship", Econometrica 52(4).
    """
    inside = eta if units.log_weight is None else eta + units.log_weight
    return linear - (units.of_product * pt.logsumexp(inside, axis=1)).sum() + units.constant


def negative_binomial(units: UnitsData, eta, linear, dispersion):
    r"""Negative binomial with mean exp(eta) and variance :math:`\mu + \mu^2 / \phi`.

    The terms in :math:`\Gamma(y + \phi)` are taken once per distinct count.
    """
    logs = _masked(units, (units.cells + dispersion) * pt.log1p(pt.exp(eta) / dispersion)).sum()
    return linear - logs + (units.times * log_rising(units.counts, dispersion)).sum() + units.constant


def log_rising(y, phi):
    r""":math:`\log \Gamma(y + \phi) - \log \Gamma(\phi) - y \log \phi`, which tends to 0 as phi grows.

    Above 10,000 by Stirling's series: the difference of the gammas would be lost to rounding.
    """
    few, many = pt.minimum(phi, STIRLING), pt.maximum(phi, STIRLING)
    exact = pt.gammaln(y + few) - pt.gammaln(few) - y * pt.log(few)
    series = (many + y - 0.5) * pt.log1p(y / many) - y + (1 / (many + y) - 1 / many) / 12
    return pt.switch(phi < STIRLING, exact, series)


def log_normal(units: UnitsData, eta, sd):
    """log y ~ Normal(eta, sd), as a density of y."""
    squares = _masked(units, (units.cells - eta) ** 2).sum()
    return units.constant - 0.5 * squares / sd**2 - units.number * pt.log(sd)


def _masked(units, values):
    return values if units.weight is None else values * units.weight
