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

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable
from scipy.sparse import csr_array

from hdfm.choice.graph.data import ChoiceData, SetData, Sizes, choice_data, sizes_of
from hdfm.choice.graph.start import ChoiceStart
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.evidence import first_coordinates
from hdfm.factors.graph import Moving, added_in_rows, mean_of_customers, moving_tiers
from hdfm.factors.hsgp import TimeGP
from hdfm.factors.tier import COEFFICIENT
from hdfm.hierarchy.blocks import sum_over_blocks
from hdfm.hierarchy.data import labels_of
from hdfm.hierarchy.lkj import covariance_root
from hdfm.hierarchy.whitened import Evidence, whitened_standard_normal


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
        moving: list[Moving] = []
        if gp is not None and data.factors is not None:
            moving = moving_tiers(spec.tiers, spec.priors, data.factors, first_factors(spec, gp, start))
        terms = [
            category_log_likelihood(sets, alpha[:, part], [tier.of_category(c, part) for tier in moving])
            for c, (part, sets) in enumerate(zip(panel.parts, data.sets, strict=True))
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


def first_factors(spec: ChoiceSpec, gp: TimeGP, start: ChoiceStart) -> dict[str, np.ndarray]:
    """Where factors (G, L, m) of each tier start: along what moves customers' choices, or all choices."""
    scores = start.customer_score
    if not spec.customer_loadings:
        scores = tuple(csr_array(score.T) for score in start.score_by_period)
    return first_coordinates(spec.tiers, gp, spec.priors.lengthscale[0], scores)


def register_paths(panel: ChoicePanel, data: ChoiceData, alpha, tiers: Sequence[Moving]) -> None:
    """The mean over customers of all coefficients over time, in the units of the data."""
    if not tiers:
        return
    mean = mean_of_customers(alpha, data.share)
    paths = [
        mean[part] + sum(tier.mean(c, part, data.share) for tier in tiers)
        for c, part in enumerate(panel.parts)
    ]
    pm.Deterministic(
        "coefficient_path", pt.concatenate(paths, axis=1) / data.scale, dims=("period", COEFFICIENT)
    )


def category_log_likelihood(
    sets: SetData, alpha: TensorVariable, moving: Sequence[tuple[TensorVariable, TensorVariable]]
) -> TensorVariable:
    r"""Log-likelihood of a category's choice sets, a scalar.

    .. math:: \log P(j) = -\log\Big(1 + \sum_{k \ne j} \exp((x_k - x_j)' \beta)\Big)

    Parameters
    ----------
    alpha : TensorVariable
        (N or 1, P)
    moving : sequence of tuple of TensorVariable
        Weights (N or 1, P, L) and paths (T, L) or (N, T, L) of each tier.
    """
    if sets.contrasts is None:
        return sets.constant
    common = [alpha, *(part for tier in moving for part in tier)]
    data = [sets.contrasts, sets.closed, sets.customer, sets.period, sets.count]

    def of_sets(alpha, *moving_and_data):
        *moving, contrasts, closed, customer, period, count = moving_and_data
        beta = alpha if alpha.type.shape[0] == 1 else alpha[customer]
        for weight, path in zip(moving[::2], moving[1::2], strict=True):
            beta = beta + added_in_rows(weight, path, customer, period)
        gaps = (contrasts * beta[:, None, :]).sum(axis=-1)
        return -pt.dot(count, pt.softplus(pt.logsumexp(gaps + closed, axis=1)))

    if sets.n_blocks is None:
        return of_sets(*common, *data)
    return sum_over_blocks(of_sets, sets.n_blocks, common, data)
