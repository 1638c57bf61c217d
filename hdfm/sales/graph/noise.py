r"""Noise in the graph: of the likelihood, and of demand that wanders; both by product where these differ.

.. math:: \varsigma_i = \varsigma m_i, \quad s_i = s_u m_i, \qquad
    \log m_i \sim N(\log m_{g(i)}, \omega_p), \quad \log m_g \sim N(0, \omega_g)

Of a likelihood without multiplicative noise s_i alone differs. Where noise differs by product, so does the
share of it that wanders,

.. math:: \varsigma_i = s \, m_i \cos \phi_i, \quad s_i = s \, m_i \sin \phi_i, \quad
    s^2 = \varsigma^2 + s_u^2, \qquad
    \phi_i = \tfrac{\pi}{2} \Phi\big(\Phi^{-1}(\tfrac{2}{\pi} \arctan \tfrac{s_u}{\varsigma})
    + l_i\big), \quad l_i \sim N(0, \omega_u)

Sampled are the logs of what products tell well, :math:`\varsigma m_i` or :math:`s m_i`, about the level, and
:math:`s_u / \varsigma`: the level then moves neither noise nor wander of any product.

Array names and axis order: N products, G finest groups.
"""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.hierarchy.whitened import evidence_about_means, half_normal, spread, whitened_normal
from hdfm.sales.graph.wandering import has_own_noise

LEAST = 1e-6  # share of a product's noise that does not wander


class ProductNoise(NamedTuple):
    """Scale of the likelihood and sd of demand that wanders, (N,) or (1,); None where there is none."""

    scale: Any
    demand_sd: Any


def noise_of_products(panel, spec, start, data) -> ProductNoise:
    """Noise by product; registers its parameters."""
    family_noise, differs = spec.family.noise, data.noise_evidence is not None
    own = has_own_noise(spec)
    noise: Any = None if family_noise is None else family_noise.in_graph(spec.priors, start.noise)
    unit = noise if own and differs else None
    demand_sd: Any = demand_spread(spec, start, unit) if spec.wanders else None
    scale = None
    if family_noise is not None:
        scale = pm.modelcontext(None)[family_noise.scale][None]
    if not differs:
        return ProductNoise(scale, None if demand_sd is None else demand_sd[None])
    if spec.has_demand_shares:
        total = noise_ratios(panel, spec, data, pt.sqrt(noise**2 + demand_sd**2))
        of_noise, of_demand = split_in_graph(panel, spec, total, pt.arctan2(demand_sd, noise))
        of_demand = pm.Deterministic("demand_ratio", of_demand, dims=panel.dims["product"])
    else:
        of_noise = of_demand = noise_ratios(panel, spec, data, noise if own else demand_sd)
    of_noise = pm.Deterministic("noise_ratio", of_noise, dims=panel.dims["product"])
    if own and family_noise is not None:
        scale = (noise * of_noise) ** family_noise.scale_power
    return ProductNoise(scale, None if demand_sd is None else demand_sd * of_demand)


def split_in_graph(panel, spec, ratio, angle):
    """Ratios (N,) of noise and of demand that wanders, from those of both together; their usual angle."""
    sd = log_spread("demand_share_sd", spec.priors.demand_share_sd)
    raw = pm.Normal("demand_share_of_product_raw", 0, 1, dims=panel.dims["product"], shape=ratio.type.shape)
    quantile = np.sqrt(2) * pt.erfinv(4 / np.pi * angle - 1) + sd * raw
    own = np.pi / 4 * pt.erfc(-quantile / np.sqrt(2))  # PyMC's probit takes its root of 2 in 32 bits
    return ratio * pt.maximum(pt.cos(own), LEAST) / pt.cos(angle), ratio * pt.sin(own) / pt.sin(angle)


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
    return pt.broadcast_to(pt.exp(log_noise - log_level), data.product.type.shape)


def log_spread(name, size):
    """A spread of log noise, half-normal, that starts at half its scale."""
    return pm.Deterministic(name, spread(f"{name}_raw", size, size / 2))
