r"""The graph of dynamic brand choice.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t) + \sum_l w^C_{isl} \theta^C_{c(s) l}(t)
        + \sum_l \lambda_{sl} a_i \phi_{il}(t)

Array names and axis order: N customers (1 without a customer column), S coefficients, T periods, L
factors of a tier; in a category O choice sets, J alternatives, P predictors. N, T and O may be padded, see
:class:`hdfm.choice.graph.data.Sizes`.

    alpha (N, S); w (N, S, L); theta (T, L); phi (N, T, L); beta (O, P)

Coefficients are in units of ``panel.coefficient_scale``; deterministics in the units of the data. What ends
in ``_raw`` is a coordinate to sample in.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.choice.graph.data import ChoiceData, Sizes, choice_data, sizes_of
from hdfm.choice.graph.evidence import evidence_by_period, first_coordinates
from hdfm.choice.graph.start import ChoiceStart
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import TimeGP, gp_factors
from hdfm.factors.loadings import loadings
from hdfm.factors.paths import lengthscales, whitened_factors
from hdfm.factors.tier import COEFFICIENT
from hdfm.hierarchy.blocks import sum_over_blocks
from hdfm.hierarchy.data import labels_of
from hdfm.hierarchy.lkj import covariance_root
from hdfm.hierarchy.whitened import Evidence, whitened_standard_normal


class Moving(NamedTuple):
    """What a tier of factors adds to coefficients: weights on paths, by customer or not.

    Attributes
    ----------
    weight : TensorVariable
        w (N or 1, S, L); lambda (1, S, L) for factors of customers.
    path : dict of int to TensorVariable
        theta (T, L) by the first coefficient of a category; a phi (N, T, L) for factors of customers.
    """

    weight: Any
    path: dict[int, Any]

    def mean(self, part: slice, share):
        """What it adds (T, P) on average over customers, whose shares are (N,)."""
        path = self.path[part.start]
        path = pt.tensordot(share, path, axes=1) if path.ndim == 3 else path
        return pt.dot(path, mean_of_customers(self.weight[:, part], share).T)


def added_in_sets(weight, path, customer, period):
    """What weights (N or 1, P, L) on paths (N, T, L) or (T, L) add (O, P) in choice sets."""
    at = path[customer, period] if path.ndim == 3 else path[period]
    if weight.type.shape[0] == 1:
        return pt.dot(at, weight[0].T)
    return (weight[customer] * at[:, None, :]).sum(axis=-1)


def mean_of_customers(values, share):
    """Mean (...) of values (N, ...) by customers' shares (N,); values (1, ...) are all customers'."""
    return values[0] if values.type.shape[0] == 1 else pt.tensordot(share, values, axes=1)


def build_choice_model(
    panel: ChoicePanel,
    spec: ChoiceSpec,
    gp: TimeGP | None,
    start: ChoiceStart,
    sizes: Sizes | None = None,
) -> pm.Model:
    """The model of a panel; its likelihood is the potential ``log_likelihood``.

    Padded to ``sizes``, customers that there are not have standard normal coordinates, and choose nothing.
    """
    sizes = sizes_of(panel) if sizes is None else sizes
    coords = panel.coords | spec.coords
    if "customer" in coords:
        coords["customer"] = labels_of(panel.customer, sizes.customers)
    if "period" in coords:
        coords["period"] = labels_of(panel.period, sizes.periods)
    with pm.Model(coords=coords) as model:
        data = choice_data(panel, spec, gp, start, sizes)
        alpha = customer_coefficients(panel, spec.priors, start, data)
        first = first_coordinates(spec, gp, start)
        tiers = [
            global_tier(panel, spec, data, start, first),
            category_tier(panel, spec, data, start, first),
            individual_tier(panel, spec, data),
        ]
        moving = [tier for tier in tiers if tier is not None]
        terms = [
            category_log_likelihood(sets, alpha, moving, category.coefficient)
            for category, sets in zip(panel.categories, data.sets, strict=True)
        ]
        pm.Potential("log_likelihood", sum(terms))
        register_paths(panel, data, alpha, moving)
    return model


def customer_coefficients(panel: ChoicePanel, priors: ChoicePriors, start: ChoiceStart, data: ChoiceData):
    r"""alpha (N, S): :math:`\alpha_i = \mu + \Delta z_i + L e_i`, with L the root of Sigma; or mu (1, S).

    The e_i are whitened by each customer's information about them, L' I L.
    """
    expected = _mean_coefficients(priors, data)[None, :]
    if panel.roles.customer is None:
        return expected
    root, sd = covariance_root("customer", priors.customer_sd, priors.lkj, start.covariance)
    pm.Deterministic("customer_sd", sd / data.scale, dims=COEFFICIENT)
    if panel.covariates.shape[1]:
        effect = pm.Normal(
            "covariate_raw",
            0,
            priors.covariate_sd,
            dims=(COEFFICIENT, "covariate"),
            initval=floatX(start.effect),
        )
        pm.Deterministic("covariate_effect", effect / data.scale[:, None], dims=(COEFFICIENT, "covariate"))
        expected = expected + pt.dot(data.covariates, effect.T)
    pull = data.shift - pt.matvec(data.information, expected)
    e = whitened_standard_normal(
        "alpha_raw",
        Evidence(root.T @ data.information @ root, pt.dot(pull, root)),
        dims=("customer", COEFFICIENT),
        shape=data.shift.type.shape,
    )
    alpha = expected + pt.dot(e, root.T)
    pm.Deterministic("alpha", alpha / data.scale, dims=("customer", COEFFICIENT))
    return alpha


def _mean_coefficients(priors, data):
    """mu (S,), whitened by what customers' own coefficients say about it at the covariance of the start."""
    sd = priors.coefficient_sd
    evidence = Evidence(sd**2 * data.mean_precision, sd * data.mean_shift)
    mean = sd * whitened_standard_normal(
        "coefficient_mean_raw", evidence, dims=COEFFICIENT, shape=data.scale.type.shape
    )
    pm.Deterministic("coefficient_mean", mean / data.scale, dims=COEFFICIENT)
    return mean


def global_tier(panel, spec, data, start, first) -> Moving | None:
    """Loadings and factors that all categories share."""
    L = spec.n_factors
    if not L:
        return None
    rho = lengthscales("lengthscale", spec.priors, "factor", L)
    w = loadings("loading", "factor", L, **_of_loadings(panel, spec, data))
    apart = evidence_by_period(panel, data, w, L)
    together = Evidence(*(sum(parts) for parts in zip(*apart, strict=True)))
    theta = whitened_factors("factor_raw", data.gp, rho, [together], L, first[0][None])[0]
    pm.Deterministic("factor_path", theta, dims=("period", "factor"))
    return Moving(w, {part.start: theta for part in panel.parts})


def category_tier(panel, spec, data, start, first) -> Moving | None:
    """Loadings, and factors of each category alone."""
    L = spec.n_category_factors
    if not L:
        return None
    rho = lengthscales("category_lengthscale", spec.priors, "category_factor", L)
    w = loadings("category_loading", "category_factor", L, **_of_loadings(panel, spec, data))
    about = evidence_by_period(panel, data, w, L)
    theta = whitened_factors("category_factor_raw", data.gp, rho, about, L, first[1])
    pm.Deterministic("category_factor_path", theta, dims=("category", "period", "category_factor"))
    return Moving(w, {part.start: theta[c] for c, part in enumerate(panel.parts)})


def _of_loadings(panel, spec, data):
    """What loadings of all tiers have in common."""
    by_customer = panel.roles.customer is not None and spec.customer_loadings
    return {
        "priors": spec.priors,
        "scale": data.scale,
        "n_customers": data.share.type.shape[0] if by_customer else None,
    }


def individual_tier(panel, spec, data) -> Moving | None:
    r"""lambda (S, L) a (N,) phi (N, T, L), zero-sum over customers, of one lengthscale."""
    L, N, S = spec.n_individual_factors, len(panel.customer), len(panel.coefficient)
    if not L or N < 2:
        return None
    priors = spec.priors
    rho = lengthscales("individual_lengthscale", priors, None, None)
    z = pm.ZeroSumNormal("individual_raw", 1.0, shape=(data.gp.size, L, N))
    phi = gp_factors(data.gp, rho, z.reshape((data.gp.size, L * N))).reshape((-1, L, N)).transpose(2, 0, 1)
    total = pm.HalfNormal("individual_scale", priors.individual_scale, dims="individual_factor")
    share = pm.Normal("individual_loading_raw", 0, 1, shape=(S, L))
    lam = total * pt.softplus(share) / np.log(2)
    pm.Deterministic("individual_loading", lam / data.scale[:, None], dims=(COEFFICIENT, "individual_factor"))
    spread = pm.HalfNormal("individual_sd", priors.individual_sd, initval=floatX(0.2))
    a = pt.exp(spread * pm.Normal("multiplier_raw", 0, 1, dims="customer"))
    pm.Deterministic("individual_multiplier", a, dims="customer")
    path = pm.Deterministic(
        "individual_factor_path", a[:, None, None] * phi, dims=("customer", "period", "individual_factor")
    )
    return Moving(lam[None], {part.start: path for part in panel.parts})


def register_paths(panel: ChoicePanel, data: ChoiceData, alpha, tiers: Sequence[Moving]) -> None:
    """The mean over customers of all coefficients over time, in the units of the data."""
    if not tiers:
        return
    mean = mean_of_customers(alpha, data.share)
    paths = [mean[part] + sum(tier.mean(part, data.share) for tier in tiers) for part in panel.parts]
    pm.Deterministic(
        "coefficient_path", pt.concatenate(paths, axis=1) / data.scale, dims=("period", COEFFICIENT)
    )


def category_log_likelihood(sets, alpha, tiers: Sequence[Moving], part: slice):
    r"""Log-likelihood of a category's choice sets, a scalar, given alpha (N or 1, S).

    .. math:: \log P(j) = -\log\Big(1 + \sum_{k \ne j} \exp((x_k - x_j)' \beta)\Big)
    """
    if sets.contrasts is None:
        return sets.constant
    common = [alpha[:, part]]
    for tier in tiers:
        common += [tier.weight[:, part], tier.path[part.start]]
    data = [sets.contrasts, sets.closed, sets.customer, sets.period, sets.count]

    def of_sets(alpha, *moving_and_data):
        *moving, contrasts, closed, customer, period, count = moving_and_data
        beta = alpha if alpha.type.shape[0] == 1 else alpha[customer]
        for weight, path in zip(moving[::2], moving[1::2], strict=True):
            beta = beta + added_in_sets(weight, path, customer, period)
        gaps = (contrasts * beta[:, None, :]).sum(axis=-1)
        return -pt.dot(count, pt.softplus(pt.logsumexp(gaps + closed, axis=1)))

    if sets.n_blocks is None:
        return of_sets(*common, *data)
    return sum_over_blocks(of_sets, sets.n_blocks, common, data)
