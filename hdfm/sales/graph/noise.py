r"""Noise in the graph: of the likelihood, and of demand that wanders; both by product where these differ.

.. math:: \varsigma_i = \varsigma m_i, \quad s_i = s_u m_i, \qquad
    \log m_i \sim N(\log m_{g(i)}, \omega_p), \quad \log m_g \sim N(0, \omega_g)

Of a likelihood without multiplicative noise s_i alone differs. Sampled are the logs of what products tell
well, :math:`\varsigma m_i`, about the level :math:`\varsigma`, and :math:`s_u / \varsigma`: the level then
moves neither noise nor wander of any product.

Array names and axis order: N products, G finest groups.
"""

from typing import Any, NamedTuple

import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.hierarchy.whitened import evidence_about_means, half_normal, spread, whitened_normal
from hdfm.sales.graph.wandering import has_own_noise


class ProductNoise(NamedTuple):
    """Scale of the likelihood and sd of demand that wanders, (N,) or (1,); None where there is none."""

    scale: Any
    demand_sd: Any


def noise_of_products(panel, spec, start, data) -> ProductNoise:
    """Noise by product; registers its parameters."""
    family_noise, own, differs = spec.family.noise, has_own_noise(spec), data.noise_evidence is not None
    noise = None if family_noise is None else family_noise.in_graph(spec.priors, start.noise)
    unit = noise if own and differs else None
    demand_sd = demand_spread(spec, start, unit) if spec.wanders else None
    ratio = noise_ratios(panel, spec, data, noise if own else demand_sd) if differs else None
    scale = None
    if family_noise is not None:
        scale = pm.modelcontext(None)[family_noise.scale][None]
    if own and differs:
        scale = _by_product(noise, ratio) ** family_noise.scale_power
    return ProductNoise(scale, None if demand_sd is None else _by_product(demand_sd, ratio))


def _by_product(value, ratio):
    return value[None] if ratio is None else value * ratio


def demand_spread(spec, start, unit):
    """s_u, half-normal, a scalar; sampled in units of the likelihood's noise, if given."""
    size = spec.priors.demand_sd
    if unit is None:
        return half_normal("demand_sd", size, start=start.demand_sd)
    share = pm.HalfNormal("demand_share_raw", size / unit, initval=floatX(start.demand_sd / start.noise))
    return pm.Deterministic("demand_sd", unit * share)


def noise_ratios(panel, spec, data, level):
    """m (N,), about ``level``, a scalar."""
    (_, by_product), dims, evidence = spec.noise_levels, panel.dims, data.noise_evidence
    product_sd = log_spread("noise_product_sd", spec.priors.noise_product_sd) if by_product else 0.0
    group_sd = log_spread("noise_group_sd", spec.priors.noise_group_sd)
    log_level = pt.log(level)
    of_groups = whitened_normal(
        "noise_group_ratio_raw",
        log_level,
        group_sd,
        evidence_about_means(evidence, product_sd, data.group),
        dims=dims["group"],
        shape=(panel.n_groups,),
    )
    pm.Deterministic("noise_group_ratio", pt.exp(of_groups - log_level), dims=dims["group"])
    log_noise = data.group.spread(of_groups)
    if by_product:
        log_noise = whitened_normal(
            "noise_ratio_raw",
            log_noise,
            product_sd,
            evidence,
            dims=dims["product"],
            shape=data.product.type.shape,
        )
    ratio = pt.broadcast_to(pt.exp(log_noise - log_level), data.product.type.shape)
    return pm.Deterministic("noise_ratio", ratio, dims=dims["product"])


def log_spread(name, size):
    """A spread of log noise, half-normal, that starts at half its scale."""
    return pm.Deterministic(name, spread(f"{name}_raw", size, size / 2))
