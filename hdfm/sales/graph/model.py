r"""The graph of hierarchical demand.

.. math::

    \eta_{it} = \delta_i + (\beta_i + b_{it}) x_{it} + \gamma_{g(i) t} + \kappa' z_{it} + u_{it} + \log e_{it}

Array names and axis order: N products, G finest groups, T periods, K controls.

    delta, beta (N,); gamma (G, T); kappa (K,); b, u, x, eta (N, T)

What ends in ``_raw`` is a coordinate to sample in; deterministics are in the units of the data.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.hierarchy.data import labels_of, padded
from hdfm.hierarchy.whitened import Evidence, evidence_about_means, half_normal, half_t, whitened_normal
from hdfm.sales.graph.data import DemandData, Sizes, demand_data, sizes_of, units_data
from hdfm.sales.graph.noise import noise_of_products
from hdfm.sales.graph.paths import paths_of_products
from hdfm.sales.graph.selection import selection
from hdfm.sales.graph.start import Start
from hdfm.sales.likelihoods.statistics import Effects
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.priors import DOF
from hdfm.sales.spec import DemandSpec


def build_demand_model(
    panel: SalesPanel, spec: DemandSpec, start: Start, sizes: Sizes | None = None
) -> pm.Model:
    """The model of a panel; its likelihood is the potential ``log_likelihood``.

    Padded to ``sizes``, products and cosines that there are not have coordinates with their prior alone.
    """
    sizes = sizes_of(panel) if sizes is None else sizes
    names = panel.dims
    labels = {
        names["product"]: labels_of(panel.product, sizes.products),
        names["time"]: labels_of(panel.period, sizes.periods),
    }
    with pm.Model(coords=panel.coords | labels) as model:
        data = demand_data(panel, spec, start, sizes)
        parts = effects(panel, spec, start, data)
        pm.Potential("log_likelihood", log_likelihood(panel, spec, start, data, sizes, parts))
    return model


def effects(panel: SalesPanel, spec: DemandSpec, start: Start, data: DemandData) -> Effects:
    """All effects of a model."""
    group_sds, product_sd = elasticity_spreads(panel, spec, start)
    group_mean = group_elasticities(panel, spec, data, group_sds, product_sd)
    delta, deviation = product_effects(panel, spec, start, data, group_mean)
    beta = elasticities(panel, spec, start, data, group_mean, product_sd, deviation)
    return Effects(delta, beta, time_effects(panel, spec, start, data), control_effects(spec, start, data))


def log_likelihood(panel, spec, start, data, sizes, parts: Effects):
    """Log-likelihood of the panel, a scalar; registers the parameters of its noise and paths."""
    eta, units = linear_predictor(data, parts), units_data(panel, spec, sizes)
    scale, demand_sd = noise_of_products(panel, spec, start, data)
    paths = paths_of_products(panel, spec, data, eta, demand_sd)
    if paths is not None:
        parts, eta = parts._replace(paths=paths), eta + paths
    if eta.type.shape[1] == 1:  # sums over periods are to count each
        eta = pt.broadcast_to(eta, (sizes.products, sizes.periods))
    return spec.family.graph(units, parts, eta, scale)


def linear_predictor(data: DemandData, parts: Effects):
    """eta (N, T), without paths; parts that are None are left out."""
    delta, beta, gamma, kappa, _ = parts
    eta = pt.zeros((1, 1)) if data.log_exposure is None else data.log_exposure
    if delta is not None:
        eta = eta + delta[:, None]
    if beta is not None:
        eta = eta + beta[:, None] * data.log_price
    if gamma is not None:
        eta = eta + data.block.spread(gamma)
    if kappa is not None:
        eta = eta + pt.dot(data.controls, kappa)
    return eta


def product_effects(panel, spec, start, data, group_mean):
    """delta (N,), and where random its deviation from the expected level, in units of its sd."""
    if spec.conditional:
        return None, None
    if spec.pooled:
        return random_product_effects(panel, spec, start, data, group_mean)
    return fixed_product_effects(panel, spec, start, data), None


def fixed_product_effects(panel, spec, start, data):
    """delta (N,), each with a prior of its own."""
    start_effect = padded(start.product_effect - panel.mean_log_units, data.product.type.shape[0])
    return pm.Normal(
        "product_effect",
        data.mean_log_units,
        spec.priors.group_effect_sd,
        dims=panel.dims["product"],
        initval=floatX(panel.mean_log_units + start_effect),
    )


def random_product_effects(panel, spec, start, data, group_mean):
    """delta (N,), about their groups' levels, and its deviation from what is expected, in units of its sd."""
    dims, priors, about = panel.dims, spec.priors, data.mean_log_units
    sd = half_normal("product_effect_sd", priors.product_effect_sd, start=start.product_effect_sd)
    level = pm.Normal(
        "group_effect", about, priors.group_effect_sd, dims=dims["group"], initval=floatX(start.group_effect)
    )
    mean = data.group.spread(level)
    if priors.between_price_bias is not None and group_mean is not None:
        slope = between_price_slopes(panel, spec, start, data, group_mean, sd)
        mean = mean + data.group.spread(slope) * data.within_group_price
    if spec.selected_above is not None:
        pm.Potential("selection", selection(data, spec, mean, sd))
    delta = whitened_normal(
        "product_effect_raw",
        mean,
        sd,
        data.product_evidence,
        dims=dims["product"],
        shape=data.product.type.shape,
    )
    pm.Deterministic("product_effect", delta, dims=dims["product"])
    return delta, (delta - mean) / sd


def between_price_slopes(panel, spec, start, data, group_mean, product_effect_sd):
    r"""Slope of product levels on products' mean log price, by finest group (G,).

    .. math:: \lambda_g \sim N(\beta_g + b, \tau)

    Dear products sell less than cheap ones much as a product sells less when it is dear, up to a bias
    b, for quality has its price, and a spread between groups [1]_. Both are estimated.

    References
    ----------
    .. [1] Mundlak (1978), "On the pooling of time series and cross section data", Econometrica 46(1).
    """
    priors, dims = spec.priors, panel.dims["group"]
    bias0 = float(np.mean(start.between_price - start.group_elasticity))
    bias = pm.Normal("between_price_bias", 0, priors.between_price_bias, initval=floatX(bias0))
    sd = half_normal("between_price_sd", priors.between_price_sd, start=priors.between_price_sd)
    evidence = Evidence(*(part / product_effect_sd**2 for part in data.between_evidence))
    slope = whitened_normal(
        "between_price_raw", group_mean + bias, sd, evidence, dims=dims, shape=(panel.n_groups,)
    )
    return pm.Deterministic("between_price", slope, dims=dims)


def elasticity_spreads(panel, spec, start):
    """Spreads of elasticities: between the groups of each level (a list), and between products."""
    if panel.roles.price is None:
        return None, None
    priors = spec.priors
    if not priors.estimate_sd:
        return [priors.group_sd] * len(panel.levels), priors.product_sd
    of_groups = [
        half_normal(f"elasticity_{level.name}_sd", priors.group_sd, start=priors.group_sd)
        for level in panel.levels
    ]
    return of_groups, half_t("elasticity_sd", DOF, priors.product_sd, start=start.elasticity_sd)


def group_elasticities(panel, spec, data, group_sds, product_sd):
    """Mean elasticity of the finest groups (G,), unbounded; those of all products (1,) without groups."""
    if panel.roles.price is None:
        return None
    priors = spec.priors
    of_global, *of_levels = _evidence_by_level(data, group_sds, product_sd)
    mean = whitened_normal(
        "elasticity_global_raw", priors.global_mean, priors.global_sd, of_global, dims=None, shape=(1,)
    )
    pm.Deterministic("elasticity_global", _bounded(mean[0], spec))
    for level, parents, sd, evidence in zip(panel.levels, data.levels, group_sds, of_levels, strict=True):
        mean = whitened_normal(
            f"elasticity_{level.name}_raw",
            parents.spread(mean),
            sd,
            evidence,
            dims=level.name,
            shape=level.parent.shape,
        )
        pm.Deterministic(f"elasticity_{level.name}", _bounded(mean, spec), dims=level.name)
    return mean


def _evidence_by_level(data, group_sds, product_sd):
    """Evidence about mean elasticities: overall (1,), then of each level's groups, coarse to fine."""
    by_level, evidence, members, sd = [], data.elasticity_evidence, data.group, product_sd
    for parents, level_sd in zip(reversed(data.levels), reversed(group_sds), strict=True):
        evidence = evidence_about_means(evidence, sd, members)
        by_level.append(evidence)
        members, sd = parents, level_sd
    return [evidence_about_means(evidence, sd, members), *reversed(by_level)]


def elasticities(panel, spec, start, data, group_mean, sd, deviation):
    """beta (N,): overall -> groups -> products."""
    if group_mean is None:
        return None
    mean = data.group.spread(group_mean)
    if deviation is not None and spec.priors.correlation is not None:
        mean, sd = tied_to_level(spec.priors.correlation, start.correlation, deviation, mean, sd)
    dims = panel.dims["product"]
    beta = whitened_normal(
        "elasticity_raw", mean, sd, data.elasticity_evidence, dims=dims, shape=data.product.type.shape
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


def time_effects(panel, spec, start, data):
    r"""gamma (G, T), zero-sum over time: a random walk plus independent shocks.

    .. math:: \gamma_{gt} = r_{gt} + s_{gt} - \mathrm{mean}_t, \quad
        r_{gt} \sim N(r_{g, t-1}, \sigma_r), \quad s_{gt} \sim N(0, \sigma_s)

    Prices and category demand both wander. With independent time effects alone, what the data can't
    resolve of a category's walk would pass for price response, as in a spurious regression.

    Sampled along the cosines that make its covariance diagonal.
    """
    if data.time is None:
        return None
    names, priors, (cosines, walk, evidence, mixing) = panel.dims, spec.priors, data.time
    shock = half_normal("time_shock_sd", priors.time_shock_sd, start=start.time_shock_sd)
    drift = half_normal("time_drift_sd", priors.time_drift_sd, start=start.time_drift_sd)
    heights = whitened_normal(
        "time_effect_raw",
        0.0,
        pt.sqrt(shock**2 + drift**2 * walk),
        evidence,
        dims=None,
        shape=evidence.shift.type.shape,
        mixing=mixing,
    )
    gamma = pt.dot(heights, cosines)
    return pm.Deterministic("time_effect", gamma, dims=(names["block"], names["time"]))


def control_effects(spec, start, data):
    """kappa (K,) per standard deviation of the control; ``control_effect`` is per unit."""
    if data.controls is None:
        return None
    kappa = pm.Normal(
        "control_effect_raw",
        0,
        spec.priors.control_sd,
        dims="control",
        initval=floatX(start.control_effect),
    )
    pm.Deterministic("control_effect", kappa / data.control_sd, dims="control")
    return kappa


def _bounded(latent, spec):
    return -pt.softplus(-latent) if spec.negative else latent
