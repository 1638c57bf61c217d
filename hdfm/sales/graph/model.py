r"""The graph of hierarchical demand.

.. math::

    \eta_{it} = \delta_i + \beta_i x_{it} + \gamma_{g(i) t} + \kappa' z_{it} + \log e_{it}

Array names and axis order: N products, G finest groups, T periods, K controls.

    delta, beta (N,); gamma (G, T); kappa (K,); x, eta (N, T)

What ends in ``_raw`` is a coordinate to sample in; deterministics are in the units of the data.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.exceptions import unknown
from hdfm.hierarchy.groups import spread_rows
from hdfm.hierarchy.whitened import Evidence, evidence_about_means, half_normal, whitened_normal
from hdfm.sales.graph import likelihoods
from hdfm.sales.graph.selection import selection
from hdfm.sales.graph.start import Start
from hdfm.sales.graph.waves import zero_sum_waves
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec

MOST_MIXED = 2_000_000


def build_demand_model(panel: SalesPanel, spec: DemandSpec, start: Start) -> pm.Model:
    """The model of a panel; its likelihood is the potential ``log_likelihood``."""
    with pm.Model(coords=panel.coords) as model:
        pm.Potential("log_likelihood", log_likelihood(panel, spec, start, *effects(panel, spec, start)))
    return model


def effects(panel: SalesPanel, spec: DemandSpec, start: Start) -> tuple:
    """delta (N,), beta (N,), gamma (G, T) and kappa (K,); None for parts that the model does not have."""
    group_sds, product_sd = elasticity_spreads(panel, spec, start)
    group_mean = group_elasticities(panel, spec, start, group_sds, product_sd)
    delta, deviation = product_effects(panel, spec, start, group_mean)
    beta = elasticities(panel, spec, start, group_mean, product_sd, deviation)
    return delta, beta, time_effects(panel, spec, start), control_effects(panel, spec, start)


def log_likelihood(panel, spec, start, delta, beta, gamma, kappa):
    """Log-likelihood of the panel, a scalar; registers the scale of its noise."""
    eta = linear_predictor(panel, delta, beta, gamma, kappa)
    match spec.likelihood:
        case "log_normal":
            sd = pm.HalfNormal("noise_sd", spec.priors.noise_sd, initval=floatX(start.scale))
            return likelihoods.log_normal(panel, eta, sd)
        case "negative_binomial":
            linear = likelihoods.linear_statistic(panel, delta, beta, gamma, kappa)
            overdispersion = pm.HalfNormal(
                "overdispersion", spec.priors.overdispersion, initval=floatX(start.scale)
            )
            dispersion = pm.Deterministic("dispersion", overdispersion**-2)
            return likelihoods.negative_binomial(panel, eta, linear, dispersion)
        case "poisson":
            linear = likelihoods.linear_statistic(panel, delta, beta, gamma, kappa)
            density = likelihoods.conditional_poisson if spec.conditional else likelihoods.poisson
            return density(panel, eta, linear)
        case _:
            raise unknown("likelihood", spec.likelihood)


def linear_predictor(panel, delta, beta, gamma, kappa):
    """eta (N, T); parts that are None are left out."""
    eta = pt.constant(panel.log_exposure if panel.roles.exposure is not None else np.zeros((1, 1)))
    if delta is not None:
        eta = eta + delta[:, None]
    if beta is not None:
        eta = eta + beta[:, None] * panel.log_price
    if gamma is not None:
        eta = eta + spread_rows(gamma, panel.block)
    if kappa is not None:
        eta = eta + pt.tensordot(kappa, pt.constant(panel.controls), axes=1)
    return eta


def product_effects(panel, spec, start, group_mean):
    """delta (N,), and where random its deviation from the expected level, in units of its sd."""
    if spec.conditional:
        return None, None
    if spec.pooled:
        return random_product_effects(panel, spec, start, group_mean)
    return fixed_product_effects(panel, spec, start), None


def fixed_product_effects(panel, spec, start):
    """delta (N,), each with a prior of its own."""
    return pm.Normal(
        "product_effect",
        panel.mean_log_units,
        spec.priors.level_sd,
        dims=panel.dims["product"],
        initval=floatX(start.product_effect),
    )


def random_product_effects(panel, spec, start, group_mean):
    """delta (N,), about their groups' levels, and its deviation from what is expected, in units of its sd."""
    dims, priors, about = panel.dims, spec.priors, panel.mean_log_units
    sd = half_normal("product_effect_sd", priors.product_effect_sd, start=start.product_effect_sd)
    level = pm.Normal(
        "group_level", about, priors.level_sd, dims=dims["group"], initval=floatX(start.group_level)
    )
    mean = spread_rows(level, panel.group)
    if priors.between_price_bias is not None and group_mean is not None:
        slope = between_price_slopes(panel, spec, start, group_mean, sd)
        mean = mean + spread_rows(slope, panel.group) * panel.within_group_price
    if spec.selected_above is not None:
        pm.Potential("selection", selection(panel, spec, mean, sd))
    delta = whitened_normal(
        "product_effect_raw",
        mean,
        sd,
        start.product_evidence,
        dims=dims["product"],
        shape=panel.product.shape,
    )
    pm.Deterministic("product_effect", delta, dims=dims["product"])
    return delta, (delta - mean) / sd


def between_price_slopes(panel, spec, start, group_mean, product_effect_sd):
    r"""Slope of product levels on products' mean log price, by finest group (G,).

    .. math:: \lambda_g \sim N(\beta_g + b, \tau)

    Dear products sell less than cheap ones much as a product sells less when it is dear, up to a bias
    b, for quality has its price, and a spread between groups [1]_. Both are estimated.

    References
    ----------
    .. [1] Mundlak (1978), "On the pooling of time series and cross section data", Econometrica 46(1).
    """
    priors, dims, within = spec.priors, panel.dims["group"], panel.within_group_price
    bias0 = float(np.mean(start.between_price - start.group_elasticity))
    bias = pm.Normal("between_price_bias", 0, priors.between_price_bias, initval=floatX(bias0))
    sd = half_normal("between_price_sd", priors.between_price_sd, start=priors.between_price_sd)
    evidence = Evidence(
        np.bincount(panel.group, within**2) / product_effect_sd**2,
        np.bincount(panel.group, within * start.product_effect) / product_effect_sd**2,
    )
    slope = whitened_normal(
        "between_price_raw", group_mean + bias, sd, evidence, dims=dims, shape=(panel.n_groups,)
    )
    return pm.Deterministic("between_price", slope, dims=dims)


def elasticity_spreads(panel, spec, start):
    """Spreads of elasticities: between the groups of each level (a list), and between products."""
    if panel.roles.price is None:
        return None, None
    priors = spec.priors
    of_groups = [
        _spread(f"elasticity_{level.name}_sd", priors, priors.group_sd, priors.group_sd)
        for level in panel.levels
    ]
    return of_groups, _spread("elasticity_sd", priors, priors.product_sd, start.elasticity_sd)


def group_elasticities(panel, spec, start, group_sds, product_sd):
    """Mean elasticity of the finest groups (G,), unbounded; those of all products (1,) without groups."""
    if panel.roles.price is None:
        return None
    priors = spec.priors
    of_global, *of_levels = _evidence_by_level(panel, start.elasticity_evidence, group_sds, product_sd)
    mean = whitened_normal(
        "elasticity_global_raw", priors.global_mean, priors.global_sd, of_global, dims=None, shape=(1,)
    )
    pm.Deterministic("elasticity_global", _bounded(mean[0], spec))
    for level, sd, evidence in zip(panel.levels, group_sds, of_levels, strict=True):
        mean = whitened_normal(
            f"elasticity_{level.name}_raw",
            spread_rows(mean, level.parent),
            sd,
            evidence,
            dims=level.name,
            shape=level.parent.shape,
        )
        pm.Deterministic(f"elasticity_{level.name}", _bounded(mean, spec), dims=level.name)
    return mean


def _evidence_by_level(panel, evidence, group_sds, product_sd):
    """Evidence about mean elasticities: overall (1,), then of each level's groups, coarse to fine."""
    found, codes, sd = [], panel.group, product_sd
    for level, level_sd in zip(reversed(panel.levels), reversed(group_sds), strict=True):
        evidence = evidence_about_means(evidence, sd, codes, len(level.labels))
        found.append(evidence)
        codes, sd = level.parent, level_sd
    return [evidence_about_means(evidence, sd, codes, 1), *reversed(found)]


def elasticities(panel, spec, start, group_mean, sd, deviation):
    """beta (N,): overall -> groups -> products."""
    if group_mean is None:
        return None
    mean = spread_rows(group_mean, panel.group)
    if deviation is not None and spec.priors.correlation is not None:
        mean, sd = tied_to_level(spec.priors.correlation, start.correlation, deviation, mean, sd)
    dims = panel.dims["product"]
    beta = whitened_normal(
        "elasticity_raw", mean, sd, start.elasticity_evidence, dims=dims, shape=panel.product.shape
    )
    return pm.Deterministic("elasticity", _bounded(beta, spec), dims=dims)


def tied_to_level(eta, correlation0, deviation, mean, sd):
    r"""Mean and sd of elasticities given levels that correlate with them, :math:`\rho \sim LKJ(\eta)`.

    .. math:: \beta_i | \delta_i \sim N(\mu_i + \rho \sigma e_i, \sigma \sqrt{1 - \rho^2}), \qquad
        e_i = (\delta_i - E \delta_i) / \sigma_\delta
    """
    share = pm.Beta("correlation_raw", eta, eta, initval=floatX((1 + np.clip(correlation0, -0.9, 0.9)) / 2))
    rho = pm.Deterministic("correlation", 2 * share - 1)
    return mean + rho * sd * deviation, sd * pt.sqrt(1 - rho**2)


def time_effects(panel, spec, start):
    r"""gamma (G, T), zero-sum over time: a random walk plus independent shocks.

    .. math:: \gamma_{gt} = r_{gt} + s_{gt} - \mathrm{mean}_t, \quad
        r_{gt} \sim N(r_{g, t-1}, \sigma_r), \quad s_{gt} \sim N(0, \sigma_s)

    Prices and category demand both wander. With independent time effects alone, what the data can't
    resolve of a category's walk would pass for price response, as in a spurious regression.

    Sampled along the cosine waves that make its covariance diagonal.
    """
    if not spec.time_effects:
        return None
    names, priors = panel.dims, spec.priors
    waves, walk = zero_sum_waves(len(panel.period))
    shock = half_normal("time_shock_sd", priors.time_shock_sd, start=start.time_shock_sd)
    drift = half_normal("time_drift_sd", priors.time_drift_sd, start=start.time_drift_sd)
    heights = whitened_normal(
        "time_effect_raw",
        0.0,
        pt.sqrt(shock**2 + drift**2 * walk),
        start.time_evidence,
        dims=None,
        shape=(len(panel.blocks), len(waves)),
        mixing=_mixing_of_waves(start, waves, walk),
    )
    gamma = pt.dot(heights, pt.constant(waves))
    return pm.Deterministic("time_effect", gamma, dims=(names["block"], names["time"]))


def _mixing_of_waves(start, waves, walk):
    """Cholesky roots (G, T - 1, T - 1) of the covariances that coordinates of waves have.

    Periods in which more is sold tell more, which joins waves. None where there are none, or the matrices
    would be too large to hold in a graph.
    """
    if not 0 < len(start.time_information) * len(waves) ** 2 <= MOST_MIXED:
        return None
    sd = np.sqrt(start.time_shock_sd**2 + start.time_drift_sd**2 * walk)
    scale = sd / np.sqrt(1 + start.time_evidence.precision * sd**2)
    precision = (waves * start.time_information[:, None]) @ waves.T + np.diag(sd**-2)
    return np.linalg.cholesky(np.linalg.inv(scale[:, :, None] * precision * scale[:, None]))


def control_effects(panel, spec, start):
    """kappa (K,) per standard deviation of the control; ``control_effect`` is per unit."""
    if not len(panel.controls):
        return None
    kappa = pm.Normal(
        "control_effect_raw",
        0,
        spec.priors.control_sd,
        dims="control",
        initval=floatX(start.control_effect),
    )
    pm.Deterministic("control_effect", kappa / panel.control_sd, dims="control")
    return kappa


def _spread(name, priors, size, start):
    """A spread of elasticities: estimated, with a half-normal prior of scale ``size``, or fixed."""
    if not priors.estimate_sd:
        return size
    return half_normal(name, size, start=start)


def _bounded(latent, spec):
    return -pt.softplus(-latent) if spec.negative else latent
