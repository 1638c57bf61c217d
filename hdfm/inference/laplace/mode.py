"""Where the marginal posterior of a demand model's scales is highest, and effects there.

Array names and axis order: N products, G groups, T periods, D scales.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from hdfm.graph.spec import DemandSpec
from hdfm.inference.laplace.effects import Effects, linear_predictor, normal_posterior
from hdfm.inference.laplace.newton import posterior_mode, working_likelihood
from hdfm.inference.laplace.prior import Layout, Scales, layout_of
from hdfm.inference.laplace.quadrature import LowCounts, refine
from hdfm.inference.laplace.scales import ScaleModel, marginal, marginal_slope, scale_model
from hdfm.panel.sales import SalesPanel

FIRST_NOISE = 0.3
ROUNDS, SETTLED = 10, 0.01
DIFFERENCE = 0.05


@dataclass(frozen=True, slots=True)
class LaplaceMode:
    """Where the marginal posterior of scales is highest; effects and eta (N, T) there.

    ``s`` and ``W`` (N, T) are those of the working likelihood s'eta - eta' W eta / 2.
    """

    panel: SalesPanel
    spec: DemandSpec
    layout: Layout
    model: ScaleModel
    scales: Scales
    effects: Effects
    eta: np.ndarray
    W: np.ndarray
    s: np.ndarray
    low: LowCounts | None


def laplace_mode(panel: SalesPanel, spec: DemandSpec) -> LaplaceMode:
    """Newton steps of effects and quasi-Newton steps of scales in turn."""
    layout = layout_of(panel, spec)
    model = scale_model(panel, spec, layout)
    scales, effects = first_guess(panel, spec, layout)
    effects, _, _ = posterior_mode(panel, spec, layout, scales, effects)
    W, s, eta = working_data(panel, spec, layout, scales, effects)
    for _ in range(ROUNDS):
        now = refine(panel, spec, layout, scales, W, s)
        W, s, eta, low = now.W, now.s, now.eta, now.low
        better = improved_scales(panel, spec, layout, model, scales, W, s, low)
        change = abs(model.coordinates(better) - model.coordinates(scales)).max(initial=0.0)
        noise = improved_noise(panel, spec, layout, better, eta)
        change = max(change, abs(np.log(noise / scales.noise)))
        scales = replace(better, noise=noise)
        if change < SETTLED:
            break
    now = refine(panel, spec, layout, scales, W, s)
    return LaplaceMode(panel, spec, layout, model, scales, now.effects, now.eta, now.W, now.s, now.low)


def first_guess(panel: SalesPanel, spec: DemandSpec, layout: Layout) -> tuple[Scales, Effects]:
    """Levels from totals, elasticities at the prior's mean."""
    priors, observed = spec.priors, panel.observed
    if spec.likelihood == "log_normal":
        logs = np.log(np.where(observed, panel.units, 1.0)) - panel.log_exposure
        levels = logs.sum(axis=1, where=observed) / observed.sum(axis=1)
    else:
        exposure = np.exp(panel.log_exposure).sum(axis=1, where=observed)
        levels = np.log((panel.units.sum(axis=1) + 0.5) / exposure)
    slope = priors.global_mean if panel.roles.price is not None else 0.0
    product = np.stack([levels, np.full(len(levels), slope)])
    effects = Effects(product, np.zeros((panel.n_groups, layout.n_bundle)), np.zeros(layout.n_top))
    centred = levels - (np.bincount(panel.group, levels) / np.bincount(panel.group))[panel.group]
    scales = Scales(
        product_effect=max(0.1, float(centred.std())),
        elasticity=priors.product_sd,
        correlation=0.0,
        groups=(priors.group_sd,) * len(panel.levels),
        time_shock=priors.time_shock_sd / 4,
        time_drift=priors.time_drift_sd / 2,
        between_price=priors.between_price_sd,
        noise=FIRST_NOISE,
    )
    return scales, effects


def working_data(panel, spec, layout, scales, effects):
    """W, s and eta (N, T) at effects."""
    eta = linear_predictor(panel, layout, effects)
    now = working_likelihood(panel, spec.likelihood, eta, scales.noise)
    return now.precision, now.precision * eta + now.gradient, eta


def improved_scales(panel, spec, layout, model, scales, W, s, low) -> Scales:
    """Scales with a higher marginal posterior for a fixed working likelihood."""
    if not model.names:
        return scales

    first = model.coordinates(scales)
    height = log_height(panel, spec, layout, model, scales, W, s, low)  # differences, or rounding stops it

    def loss(u):
        value, slope = log_posterior(panel, spec, layout, model, model.scales(u, scales), W, s, low)
        return height - value, -slope

    fit = minimize(
        loss, first, jac=True, method="L-BFGS-B", bounds=model.bounds(), options={"maxiter": 15, "ftol": 1e-5}
    )
    return model.scales(fit.x, scales)


def log_height(panel, spec, layout, model, scales, W, s, low) -> float:
    """Marginal log posterior of scales."""
    value = marginal(panel, spec, layout, scales, W, s)[0]
    more = low.evidence(spec, scales)[0] if low is not None else 0.0
    return value + more + model.log_prior(model.coordinates(scales))[0]


def log_posterior(panel, spec, layout, model, scales, W, s, low) -> tuple[float, np.ndarray]:
    """Marginal log posterior of scales and its gradient (D,)."""
    value, posterior, effects = marginal(panel, spec, layout, scales, W, s)
    more, products = low.evidence(spec, scales) if low is not None else (0.0, 0.0)
    prior, prior_slope = model.log_prior(model.coordinates(scales))
    slope = marginal_slope(model, layout, scales, posterior, effects, products)
    return value + more + prior, slope + prior_slope


def improved_noise(panel, spec, layout, scales, eta) -> float:
    """The noise where the marginal posterior is highest, by Newton steps in its log."""
    if spec.likelihood == "poisson":
        return scales.noise
    place = np.log(scales.noise)
    for _ in range(10):
        low, here, high = (
            noise_posterior(panel, spec, layout, scales, eta, place + k * DIFFERENCE) for k in (-1, 0, 1)
        )
        slope, curvature = (high - low) / (2 * DIFFERENCE), (high + low - 2 * here) / DIFFERENCE**2
        step = -slope / curvature if curvature < 0 else np.sign(slope)
        place += np.clip(step, -1, 1)
        if abs(step) < SETTLED:
            break
    return float(np.exp(place))


def noise_posterior(panel, spec, layout, scales, eta, log_noise) -> float:
    """Marginal log posterior of log noise with the mode of effects held fixed."""
    noise = np.exp(log_noise)
    now = working_likelihood(panel, spec.likelihood, eta, noise)
    posterior = normal_posterior(
        panel, spec, layout, scales, now.precision, now.precision * eta + now.gradient
    )
    return (
        now.value
        + noise_constant(panel, spec.likelihood, noise)
        - posterior.log_det / 2
        + noise_log_prior(spec, noise)
    )


def noise_log_prior(spec, noise) -> float:
    """Log density of the log of the noise, which is half-normal."""
    size = spec.priors.noise_sd if spec.likelihood == "log_normal" else spec.priors.overdispersion
    return float(np.log(noise) - noise**2 / (2 * size**2))


def noise_constant(panel, likelihood, noise) -> float:
    """What of the log-likelihood depends on the noise alone."""
    if likelihood == "log_normal":
        return -float(panel.observed.sum()) * np.log(noise)
    phi = noise**-2
    counts, times = np.unique(panel.units[panel.observed], return_counts=True)
    return float(times @ (gammaln(counts + phi) - gammaln(phi) - counts * np.log(phi)))
