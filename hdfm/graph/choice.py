r"""The graph of dynamic brand choice.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t) + \sum_l w^C_{isl} \theta^C_{c(s) l}(t)
        + \sum_l \lambda_{sl} a_i \phi_{il}(t)

Array names and axis order: N customers (1 without a customer column), S coefficients, T periods, L
factors of a tier; in a category O choice sets, J alternatives, P predictors.

    alpha (N, S); w (N, S, L); theta (T, L); phi (N, T, L); beta (N, T, P)

Coefficients are in units of :func:`coefficient_scale`; deterministics in the units of the data. What ends
in ``_raw`` is a coordinate to sample in.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from hdfm.graph.blocks import Evidence, correlation_root, whitened_normal
from hdfm.graph.choice_start import ChoiceStart, contrasts
from hdfm.graph.hsgp import TimeGP, gp_factors, spectral_density
from hdfm.graph.priors import ChoicePriors
from hdfm.graph.spec import ChoiceSpec
from hdfm.panel.choice_layout import CategoryChoices
from hdfm.panel.choices import ChoicePanel

COEFFICIENT = "coefficient"
NEVER = -1e4
START_SD, START_AMPLITUDE = 0.5, 0.3


def build_choice_model(
    panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None, start: ChoiceStart
) -> pm.Model:
    """The model of a panel; its likelihood is the potential ``log_likelihood``."""
    with pm.Model(coords=choice_coords(panel, spec)) as model:
        alpha = customer_coefficients(panel, spec.priors, start)
        tiers = [
            global_tier(panel, spec, gp, start),
            category_tier(panel, spec, gp),
            individual_tier(panel, spec, gp),
        ]
        moving = [tier for tier in tiers if tier is not None]
        scale = coefficient_scale(panel)
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


def choice_coords(panel: ChoicePanel, spec: ChoiceSpec) -> dict[str, list]:
    """Labels of the model's dimensions."""
    coords = {
        COEFFICIENT: [f"{category}: {predictor}" for category, predictor in panel.coefficient],
        "customer": list(panel.customer),
        "period": list(panel.period),
        "category": list(panel.category),
        "covariate": list(panel.roles.customer_covariates),
        "factor": list(range(1, spec.n_factors + 1)),
        "category_factor": list(range(1, spec.n_category_factors + 1)),
        "individual_factor": list(range(1, spec.n_individual_factors + 1)),
    }
    return {name: labels for name, labels in coords.items() if labels}


def coefficient_scale(panel: ChoicePanel) -> np.ndarray:
    """What predictors are divided by (S,): 1 for dummies and log prices, else their sd within sets."""
    log_price = panel.roles.price if panel.roles.price_transform == "log" else None
    natural = np.concatenate(
        [(c.intercept_of >= 0) | (c.predictor == log_price).astype(bool) for c in panel.categories]
    )
    return np.where(natural, 1.0, panel.predictor_sd)


def customer_coefficients(panel: ChoicePanel, priors: ChoicePriors, start: ChoiceStart):
    r"""alpha (N, S): :math:`\alpha_i = \mu + \Delta z_i + L e_i`, with L the root of Sigma; or mu (1, S).

    The e_i are whitened by each customer's information (N, P, P) about them, L' I L.
    """
    scale, S = coefficient_scale(panel), len(panel.coefficient)
    if panel.roles.customer is None:
        about = Evidence(start.diagonal.sum(axis=0), start.diagonal.sum(axis=0) * start.mean)
        return _mean_coefficients(priors, about, scale)[None, :]
    root, sd = _root("customer", priors.customer_sd, priors.lkj, S)
    pm.Deterministic("customer_sd", sd / scale, dims=COEFFICIENT)
    inflation = 1 + start.diagonal * sd**2
    of_means = Evidence(
        (start.diagonal / inflation).sum(axis=0),
        ((start.diagonal * start.mean + start.score) / inflation).sum(axis=0),
    )
    expected = _mean_coefficients(priors, of_means, scale)[None, :]
    if panel.covariates.shape[1]:
        effect = pm.Normal("covariate_raw", 0, priors.covariate_sd, dims=(COEFFICIENT, "covariate"))
        pm.Deterministic("covariate_effect", effect / scale[:, None], dims=(COEFFICIENT, "covariate"))
        expected = expected + pt.dot(pt.constant(panel.covariates), effect.T)
    e = whitened_normal(
        "alpha_raw",
        0.0,
        1.0,
        _customer_evidence(panel, start, expected, root),
        dims=("customer", COEFFICIENT),
        shape=start.score.shape,
    )
    alpha = expected + pt.dot(e, root.T)
    pm.Deterministic("alpha", alpha / scale, dims=("customer", COEFFICIENT))
    return alpha


def _mean_coefficients(priors, evidence, scale):
    mean = whitened_normal(
        "coefficient_mean_raw", 0.0, priors.coefficient_sd, evidence, dims=COEFFICIENT, shape=scale.shape
    )
    pm.Deterministic("coefficient_mean", mean / scale, dims=COEFFICIENT)
    return mean


def _customer_evidence(panel, start, expected, root):
    """About e (N, S), where alpha = expected + root e; expected (N or 1, S)."""
    precision, shift = 0.0, 0.0
    for category, block in zip(panel.categories, start.information, strict=True):
        part = category.coefficient
        gap = start.mean[part] - expected[:, part]
        pull = start.score[:, part] + (pt.constant(block) * gap[:, None, :]).sum(axis=-1)
        shift = shift + pt.dot(pull, root[part])
        flat = pt.dot(pt.constant(block.reshape(-1, block.shape[2])), root[part])
        product = flat.reshape((len(block), block.shape[1], root.shape[1]))
        precision = precision + (product * root[part][None]).sum(axis=1)
    return Evidence(precision, shift)


def global_tier(panel, spec, gp, start):
    """Loadings (N or 1, S, L) and factors (T, L) that all categories share."""
    if not spec.n_factors:
        return None
    rho = lengthscales("lengthscale", spec.priors, "factor", spec.n_factors)
    w = loadings(panel, spec, "loading", "factor", spec.n_factors)
    z = whitened_normal(
        "factor_raw",
        0.0,
        1.0,
        factor_evidence(panel, gp, start, rho, w),
        dims=None,
        shape=(gp.size, spec.n_factors),
    )
    theta = pm.Deterministic("factor_path", gp_factors(gp, rho, z), dims=("period", "factor"))
    return lambda part: pt.dot(w[:, part], theta.T).transpose(0, 2, 1)


def factor_evidence(panel, gp, start, rho, w):
    r"""About coordinates (m, L) of factors with loadings w (N or 1, S, L), at unknown heights.

    .. math:: I_{kl} = A_k(\rho_l) \sum_t \Phi_{tk}^2 \sum_s \overline{w_{sl}^2} I_s(t)
    """
    by_period = pt.dot(pt.constant(start.information_by_period), (w**2).mean(axis=0))
    if gp.basis is None:
        return Evidence(by_period, 0.0)
    amplitude = spectral_density(gp.kernel, gp.basis.sqrt_eigenvalues[:, None], rho[None, :])
    return Evidence(amplitude * pt.dot(pt.constant(gp.basis.matrix.T**2), by_period), 0.0)


def category_tier(panel, spec, gp):
    """Loadings (N or 1, S, L), and factors (C, T, L) of each category alone."""
    L, C = spec.n_category_factors, len(panel.category)
    if not L:
        return None
    rho = lengthscales("category_lengthscale", spec.priors, "category_factor", L)
    z = pm.Normal("category_factor_raw", 0, 1, shape=(gp.size, C * L))
    flat = gp_factors(gp, pt.tile(rho, C), z)
    theta = flat.reshape((len(panel.period), C, L)).transpose(1, 0, 2)
    pm.Deterministic("category_factor_path", theta, dims=("category", "period", "category_factor"))
    w = loadings(panel, spec, "category_loading", "category_factor", L)
    number = {category.coefficient.start: c for c, category in enumerate(panel.categories)}
    return lambda part: pt.dot(w[:, part], theta[number[part.start]].T).transpose(0, 2, 1)


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
        lam / coefficient_scale(panel)[:, None],
        dims=(COEFFICIENT, "individual_factor"),
    )
    spread = pm.HalfNormal("individual_sd", priors.individual_sd, initval=0.2)
    a = pt.exp(spread * pm.Normal("multiplier_raw", 0, 1, dims="customer"))
    pm.Deterministic("individual_multiplier", a, dims="customer")
    pm.Deterministic(
        "individual_factor_path", a[:, None, None] * phi, dims=("customer", "period", "individual_factor")
    )
    return lambda part: pt.dot(a[:, None, None] * phi, lam[part].T)


def loadings(panel, spec, name, dim, L):
    r"""w (N or 1, S, L): amplitude times softplus of :math:`\tilde w_{il} \sim N(\mu_l, \Sigma)`."""
    priors, scale = spec.priors, coefficient_scale(panel)
    decay = priors.amplitude * priors.amplitude_decay ** np.arange(L)
    amplitude = pm.HalfNormal(
        f"{name}_amplitude", decay, dims=dim, initval=np.minimum(START_AMPLITUDE, decay)
    )
    mean = pm.Normal(f"{name}_mean_raw", priors.loading_mean, priors.loading_mean_sd, dims=(COEFFICIENT, dim))
    if panel.roles.customer is None or not spec.customer_loadings:
        w = (amplitude * pt.softplus(mean))[None]
        pm.Deterministic(name, w[0] / scale[:, None], dims=(COEFFICIENT, dim))
        return w
    raw = pm.Normal(f"{name}_raw", 0, 1, dims=("customer", COEFFICIENT, dim))
    root, _ = _root(name, priors.loading_sd, priors.lkj, len(panel.coefficient))
    tilde = mean + pt.tensordot(raw, root, axes=[[1], [1]]).transpose(0, 2, 1)
    w = amplitude * pt.softplus(tilde)
    pm.Deterministic(name, w / scale[:, None], dims=("customer", COEFFICIENT, dim))
    return w


def lengthscales(name, priors, dim, size):
    """Lengthscales (L,) on the time scale from 0 to 1, or one where size is None."""
    first, second = priors.lengthscale
    start = np.full(() if size is None else size, first)
    if priors.lengthscale_family == "weibull":
        return pm.Weibull(name, alpha=second, beta=first, dims=dim, initval=start)
    return pm.LogNormal(name, np.log(first), second, dims=dim, initval=start)


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
    scale = coefficient_scale(panel)
    means = [coefficient_paths(alpha, tiers, c.coefficient).mean(axis=0) for c in panel.categories]
    pm.Deterministic("coefficient_path", pt.concatenate(means, axis=1) / scale, dims=("period", COEFFICIENT))


def category_log_likelihood(choices: CategoryChoices, beta, moving: bool, scale, outside: bool):
    r"""Log-likelihood of a category's choice sets given beta (N or 1, T or 1, P), a scalar.

    .. math:: \log P(j) = -\log\Big(1 + \sum_{k \ne j} \exp((x_k - x_j)' \beta)\Big)
    """
    D, open_ = contrasts(choices, outside)
    gaps = (pt.constant(D / scale) * beta_of_sets(beta, choices, moving)[:, None, :]).sum(axis=-1)
    closed = pt.constant(np.where(open_, 0.0, NEVER))
    return -pt.softplus(pt.logsumexp(gaps + closed, axis=1)).sum()


def beta_of_sets(beta, choices: CategoryChoices, moving: bool):
    """Rows (O, P) of beta (N or 1, T or 1, P) at the customers and periods of choice sets."""
    index = choices.customer * beta.shape[1] + (choices.period if moving else 0)
    return beta.reshape((-1, choices.x.shape[2]))[index]


def _root(name, sd_scale, lkj, size):
    """Root (S, S) of a covariance diag(sd) R diag(sd), R ~ LKJ; and sd (S,)."""
    sd = pm.HalfNormal(f"{name}_sd_raw", sd_scale, shape=size, initval=np.full(size, START_SD))
    return (sd[:, None] * correlation_root(f"{name}_partial_raw", lkj, size) if size > 1 else sd[:, None]), sd
