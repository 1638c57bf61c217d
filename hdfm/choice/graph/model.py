r"""The graph of dynamic brand choice.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t) + \sum_l w^C_{isl} \theta^C_{c(s) l}(t)
        + \sum_l \lambda_{sl} a_i \phi_{il}(t)

Array names and axis order: N customers (1 without a customer column), S coefficients, T periods, L
factors of a tier; in a category O choice sets, J alternatives, P predictors.

    alpha (N, S); w (N, S, L); theta (T, L); phi (N, T, L); beta (N, T, P)

Coefficients are in units of ``panel.coefficient_scale``; deterministics in the units of the data. What ends
in ``_raw`` is a coordinate to sample in.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.choice.graph.evidence import evidence_by_period, first_coordinates
from hdfm.choice.graph.start import ChoiceStart, contrasts
from hdfm.choice.panel.layout import CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import TimeGP, gp_factors
from hdfm.factors.loadings import loadings
from hdfm.factors.paths import lengthscales, whitened_factors
from hdfm.factors.tier import COEFFICIENT
from hdfm.hierarchy.lkj import covariance_root
from hdfm.hierarchy.whitened import Evidence, whitened_standard_normal

NEVER = -1e4


def build_choice_model(
    panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None, start: ChoiceStart
) -> pm.Model:
    """The model of a panel; its likelihood is the potential ``log_likelihood``."""
    with pm.Model(coords=panel.coords | spec.coords) as model:
        alpha = customer_coefficients(panel, spec.priors, start)
        first = first_coordinates(spec, gp, start)
        tiers = [
            global_tier(panel, spec, gp, start, first),
            category_tier(panel, spec, gp, start, first),
            individual_tier(panel, spec, gp),
        ]
        moving = [tier for tier in tiers if tier is not None]
        scale = panel.coefficient_scale
        terms = [
            category_log_likelihood(
                choices,
                coefficient_paths(alpha, moving, category.coefficient),
                bool(moving),
                scale[category.coefficient],
                panel.roles.outside,
            )
            for category, choices in zip(panel.categories, panel.choices, strict=True)
        ]
        pm.Potential("log_likelihood", sum(terms))
        register_paths(panel, alpha, moving)
    return model


def customer_coefficients(panel: ChoicePanel, priors: ChoicePriors, start: ChoiceStart):
    r"""alpha (N, S): :math:`\alpha_i = \mu + \Delta z_i + L e_i`, with L the root of Sigma; or mu (1, S).

    The e_i are whitened by each customer's information about them, L' I L.
    """
    scale = panel.coefficient_scale
    expected = _mean_coefficients(priors, start, scale)[None, :]
    if panel.roles.customer is None:
        return expected
    root, sd = covariance_root("customer", priors.customer_sd, priors.lkj, start.covariance)
    pm.Deterministic("customer_sd", sd / scale, dims=COEFFICIENT)
    if panel.covariates.shape[1]:
        effect = pm.Normal(
            "covariate_raw",
            0,
            priors.covariate_sd,
            dims=(COEFFICIENT, "covariate"),
            initval=floatX(start.effect),
        )
        pm.Deterministic("covariate_effect", effect / scale[:, None], dims=(COEFFICIENT, "covariate"))
        expected = expected + pt.dot(pt.constant(panel.covariates), effect.T)
    information = pt.constant(start.information)
    pull = pt.constant(start.shift) - pt.matvec(information, expected)
    e = whitened_standard_normal(
        "alpha_raw",
        Evidence(root.T @ information @ root, pt.dot(pull, root)),
        dims=("customer", COEFFICIENT),
        shape=start.customer.shape,
    )
    alpha = expected + pt.dot(e, root.T)
    pm.Deterministic("alpha", alpha / scale, dims=("customer", COEFFICIENT))
    return alpha


def _mean_coefficients(priors, start, scale):
    """mu (S,), whitened by what customers' own coefficients say about it at the covariance of the start."""
    sd = priors.coefficient_sd
    evidence = Evidence(sd**2 * start.mean_precision, sd * start.mean_precision @ start.mean)
    mean = sd * whitened_standard_normal(
        "coefficient_mean_raw", evidence, dims=COEFFICIENT, shape=scale.shape
    )
    pm.Deterministic("coefficient_mean", mean / scale, dims=COEFFICIENT)
    return mean


def global_tier(panel, spec, gp, start, first):
    """Loadings (N or 1, S, L) and factors (T, L) that all categories share."""
    L = spec.n_factors
    if not L:
        return None
    rho = lengthscales("lengthscale", spec.priors, "factor", L)
    w = loadings("loading", "factor", L, **_of_loadings(panel, spec))
    apart = evidence_by_period(panel, start, w, L)
    together = Evidence(*(sum(parts) for parts in zip(*apart, strict=True)))
    theta = whitened_factors("factor_raw", gp, rho, [together], L, first[0][None])[0]
    pm.Deterministic("factor_path", theta, dims=("period", "factor"))
    return lambda part: pt.dot(w[:, part], theta.T).transpose(0, 2, 1)


def category_tier(panel, spec, gp, start, first):
    """Loadings (N or 1, S, L), and factors (C, T, L) of each category alone."""
    L = spec.n_category_factors
    if not L:
        return None
    rho = lengthscales("category_lengthscale", spec.priors, "category_factor", L)
    w = loadings("category_loading", "category_factor", L, **_of_loadings(panel, spec))
    about = evidence_by_period(panel, start, w, L)
    theta = whitened_factors("category_factor_raw", gp, rho, about, L, first[1])
    pm.Deterministic("category_factor_path", theta, dims=("category", "period", "category_factor"))
    number = {category.coefficient.start: c for c, category in enumerate(panel.categories)}
    return lambda part: pt.dot(w[:, part], theta[number[part.start]].T).transpose(0, 2, 1)


def _of_loadings(panel, spec):
    """What loadings of all tiers have in common."""
    by_customer = panel.roles.customer is not None and spec.customer_loadings
    return {
        "priors": spec.priors,
        "scale": panel.coefficient_scale,
        "n_customers": len(panel.customer) if by_customer else None,
    }


def individual_tier(panel, spec, gp):
    r"""lambda (S, L) a (N,) phi (N, T, L), zero-sum over customers, of one lengthscale."""
    L, N, T = spec.n_individual_factors, len(panel.customer), len(panel.period)
    if not L or N < 2:
        return None
    priors = spec.priors
    rho = lengthscales("individual_lengthscale", priors, None, None)
    z = pm.ZeroSumNormal("individual_raw", 1.0, shape=(gp.size, L, N))
    phi = gp_factors(gp, rho, z.reshape((gp.size, L * N))).reshape((T, L, N)).transpose(2, 0, 1)
    total = pm.HalfNormal("individual_scale", priors.individual_scale, dims="individual_factor")
    share = pm.Normal("individual_loading_raw", 0, 1, shape=(len(panel.coefficient), L))
    lam = total * pt.softplus(share) / np.log(2)
    pm.Deterministic(
        "individual_loading",
        lam / panel.coefficient_scale[:, None],
        dims=(COEFFICIENT, "individual_factor"),
    )
    spread = pm.HalfNormal("individual_sd", priors.individual_sd, initval=floatX(0.2))
    a = pt.exp(spread * pm.Normal("multiplier_raw", 0, 1, dims="customer"))
    pm.Deterministic("individual_multiplier", a, dims="customer")
    pm.Deterministic(
        "individual_factor_path", a[:, None, None] * phi, dims=("customer", "period", "individual_factor")
    )
    return lambda part: pt.dot(a[:, None, None] * phi, lam[part].T)


def coefficient_paths(alpha, tiers, part: slice):
    """beta (N or 1, T or 1, P) of one category."""
    beta = alpha[:, None, part]
    for tier in tiers:
        beta = beta + tier(part)
    return beta


def register_paths(panel, alpha, tiers):
    """The mean over customers of all coefficients over time, in the units of the data."""
    if not tiers:
        return
    scale = panel.coefficient_scale
    means = [coefficient_paths(alpha, tiers, c.coefficient).mean(axis=0) for c in panel.categories]
    pm.Deterministic("coefficient_path", pt.concatenate(means, axis=1) / scale, dims=("period", COEFFICIENT))


def category_log_likelihood(choices: CategoryChoices, beta, moving: bool, scale, outside: bool):
    r"""Log-likelihood of a category's choice sets given beta (N or 1, T or 1, P), a scalar.

    .. math:: \log P(j) = -\log\Big(1 + \sum_{k \ne j} \exp((x_k - x_j)' \beta)\Big)
    """
    D, open_ = contrasts(choices, outside)
    several = open_.any(axis=1)  # a set of one option is certain, and its logarithm has no gradient
    D, open_ = D[several], open_[several]
    if not D.shape[2]:
        return pt.constant(-np.log1p(open_.sum(axis=1)).sum())
    gaps = (pt.constant(D / scale) * beta_of_sets(beta, choices, moving, several)[:, None, :]).sum(axis=-1)
    closed = pt.constant(np.where(open_, 0.0, NEVER))
    return -pt.softplus(pt.logsumexp(gaps + closed, axis=1)).sum()


def beta_of_sets(beta, choices: CategoryChoices, moving: bool, which: np.ndarray):
    """Rows (o, P) of beta (N or 1, T or 1, P) at the customers and periods of some choice sets."""
    period = choices.period[which] if moving else 0
    index = choices.customer[which] * beta.shape[1] + period
    return beta.reshape((-1, choices.x.shape[2]))[index]
