"""Where the marginal posterior of a demand model's scales is highest, and effects there.

Array names and axis order: N products, G groups, T periods, D scales.
"""

from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.evidence import LARGE, Evidence
from hdfm.sales.laplace.newton import Working, evidence_at, posterior_mode, working_likelihood
from hdfm.sales.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales, arrow_model
from hdfm.sales.laplace.quadrature import LowCounts, refine
from hdfm.sales.laplace.scales import ScaleModel, marginal_slope, scale_model
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec

FIRST_NOISE = 0.3
LEAST_NOISE = 1e-3  # less can't be told from none, and makes precisions singular
ROUNDS, SETTLED, ENOUGH = 20, 0.01, 0.01
NEAR = 1.2  # posterior sds of scales: points are laid about a Newton step further
SHORT = 4.0  # posterior sds: after a shorter step the curvature is taken for the same
LARGEST_STEP, HALVINGS = 1.0, 6
LEAST_CURVATURE = 0.5  # of the marginal posterior of scales; the prior alone has about 1
DIFFERENCE = 0.05


@dataclass(frozen=True, slots=True)
class LaplaceMode:
    """Where the marginal posterior of scales is highest; the working likelihood and eta (N, T) there.

    ``plain`` is the working likelihood at eta without quadrature; ``curvature`` (D, D) is that of the last
    steps, if the panel is large and they were short.
    """

    model: ArrowModel
    coordinates: ScaleModel
    scales: Scales
    evidence: Evidence
    working: Working
    plain: Working
    eta: np.ndarray
    low: LowCounts | None
    curvature: np.ndarray | None


def laplace_mode(panel: SalesPanel, spec: DemandSpec) -> LaplaceMode:
    """Newton steps of effects, scales and noise in turn."""
    model = arrow_model(panel, spec)
    coordinates = scale_model(model)
    scales, effects = first_guess(model)
    effects = posterior_mode(model, scales, effects)
    eta = linear_predictor(model, effects)
    if spec.family.noise is not None:
        noise = spec.family.noise.moment_estimate(panel, eta + panel.log_exposure)
        scales = replace(scales, noise=noise)
    evidence = evidence_at(model, effects, eta, scales.noise)
    H, move = None, np.zeros(len(coordinates.names) + 1)
    for k in range(ROUNDS):
        now = refine(model, scales, evidence, rounds=1)
        evidence = now.evidence
        new, length, H = improved_scales(coordinates, scales, evidence, now.low, H)
        if length > SHORT or model.selection is not None:
            H = None
        before, place = move, position(coordinates, scales)
        if k < 2 or length < SHORT or abs(before[-1]) > SETTLED:
            new = replace(new, noise=improved_noise(new, now.effects, now.eta, model))
        move = position(coordinates, new) - place
        if length < SHORT and before @ move < 0:
            move /= 2  # spreads of time effects and the working likelihood, or noise, take turns
        scales = at_position(coordinates, place + move, new)
        if length < NEAR and abs(move[-1]) < SETTLED:
            break
    now = refine(model, scales, evidence, before=now.effects)
    H = H if panel.units.size > LARGE else None
    return LaplaceMode(
        model=model,
        coordinates=coordinates,
        scales=scales,
        evidence=now.evidence,
        working=now.working,
        plain=working_likelihood(model, now.eta, scales.noise),
        eta=now.eta,
        low=now.low,
        curvature=H,
    )


def position(coordinates: ScaleModel, scales: Scales) -> np.ndarray:
    """u and log noise (D + 1,)."""
    return np.append(coordinates.coordinates(scales), np.log(scales.noise))


def at_position(coordinates: ScaleModel, place: np.ndarray, like: Scales) -> Scales:
    """Scales and noise at u and log noise (D + 1,)."""
    return replace(coordinates.scales(place[:-1], like), noise=float(np.exp(place[-1])))


def first_guess(model: ArrowModel) -> tuple[Scales, Effects]:
    """Levels from totals, elasticities at the prior's mean."""
    panel, layout, priors = model.panel, model.layout, model.spec.priors
    levels = model.spec.family.start_levels(panel)
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


def improved_scales(
    coordinates: ScaleModel,
    scales: Scales,
    evidence: Evidence,
    low: LowCounts | None,
    H: np.ndarray | None = None,
) -> tuple[Scales, float, np.ndarray]:
    """Scales a Newton step higher in the marginal posterior for a fixed working likelihood.

    Also how long the step is, in posterior sds, and the curvature H (D, D), found where it is not given.
    """
    D = len(coordinates.names)
    if not D:
        return scales, 0.0, np.zeros((0, 0))
    first, known = coordinates.coordinates(scales), H is not None
    steps = DIFFERENCE * np.vstack([np.zeros(D), np.eye(D)])[: 1 if known else D + 1]

    def at(u):
        return log_posterior(coordinates, coordinates.scales(u, scales), evidence, low)

    found = list(in_threads(evidence.model, at, first + steps))
    height, slopes = found[0][0], np.array([slope for _, slope in found])
    if H is None:
        H = (slopes[0] - slopes[1:]) / DIFFERENCE
        if evidence.model.selection is not None:
            k = coordinates.names.index("product_effect")
            below = log_height(coordinates, coordinates.scales(first - steps[k + 1], scales), evidence, low)
            mend_levels(coordinates, slopes[0], H, np.array([below, height, found[k + 1][0]]))
        H = (H + H.T) / 2
    step = newton_step(H, slopes[0])
    length = np.sqrt(max(0.0, float(step @ slopes[0])))
    step = step.clip(-LARGEST_STEP, LARGEST_STEP)
    low_end, high_end = np.transpose(coordinates.bounds())
    for _ in range(HALVINGS):
        new = coordinates.scales((first + step).clip(low_end, high_end), scales)
        if log_height(coordinates, new, evidence, low) >= height - ENOUGH:
            return new, length, H
        step /= 2
    return improved_scales(coordinates, scales, evidence, low) if known else (scales, 0.0, H)


def newton_step(H: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """H^-1 slope, with H made positive definite."""
    values, vectors = np.linalg.eigh(H)
    return vectors @ (vectors.T @ slope / np.maximum(abs(values), LEAST_CURVATURE))


def log_height(coordinates: ScaleModel, scales: Scales, evidence: Evidence, low: LowCounts | None) -> float:
    """Marginal log posterior of scales."""
    return height_of(coordinates, normal_posterior(evidence, scales), low)


def height_of(coordinates: ScaleModel, posterior: NormalPosterior, low: LowCounts | None) -> float:
    """Marginal log posterior of the scales that a posterior of effects was made for."""
    more = low.evidence(posterior)[0] if low is not None else 0.0
    prior, _ = coordinates.log_prior(coordinates.coordinates(posterior.scales))
    return posterior.log_marginal + more + prior


def log_posterior(
    coordinates: ScaleModel, scales: Scales, evidence: Evidence, low: LowCounts | None
) -> tuple[float, np.ndarray]:
    """Marginal log posterior of scales and its gradient (D,)."""
    posterior = normal_posterior(evidence, scales)
    more, products = low.evidence(posterior) if low is not None else (0.0, 0.0)
    prior, prior_slope = coordinates.log_prior(coordinates.coordinates(scales))
    slope = marginal_slope(coordinates, posterior, products)
    return posterior.log_marginal + more + prior, slope + prior_slope


def mend_levels(coordinates: ScaleModel, slope: np.ndarray, H: np.ndarray, heights: np.ndarray) -> None:
    """Write slope and curvature by the sd of levels, from heights (3,) below, at and above a place.

    Where products were selected, the slope of :func:`log_posterior` lacks what that sd changes in selection.
    """
    k, (low, here, high) = coordinates.names.index("product_effect"), heights
    slope[k] = (high - low) / (2 * DIFFERENCE)
    H[:, k] = H[k]
    H[k, k] = (2 * here - low - high) / DIFFERENCE**2


def improved_noise(scales: Scales, effects: Effects, eta: np.ndarray, model: ArrowModel) -> float:
    """A noise with a higher marginal posterior, by a Newton step in its log."""
    if model.spec.family.noise is None:
        return scales.noise
    place = np.log(scales.noise)
    low, here, high = (
        noise_posterior(scales, effects, eta, place + k * DIFFERENCE, model) for k in (-1, 0, 1)
    )
    slope, curvature = (high - low) / (2 * DIFFERENCE), (high + low - 2 * here) / DIFFERENCE**2
    step = -slope / curvature if curvature < 0 else np.sign(slope)
    return max(LEAST_NOISE, float(np.exp(place + np.clip(step, -1, 1))))


def noise_posterior(
    scales: Scales, effects: Effects, eta: np.ndarray, log_noise: float, model: ArrowModel
) -> float:
    """Marginal log posterior of log noise with the mode of effects held fixed."""
    noise = float(np.exp(log_noise))
    found = evidence_at(model, effects, eta, noise)
    constant, prior = noise_terms(model, noise)
    return found.value + constant - normal_posterior(found, scales).log_det / 2 + prior


def noise_terms(model: ArrowModel, noise: float) -> tuple[float, float]:
    """What of the log-likelihood depends on noise alone, and the log prior of log noise."""
    parameter = model.spec.family.noise
    assert parameter is not None
    constant = parameter.log_constant(model.panel, model.by_product(noise))
    return constant, parameter.log_prior(model.spec.priors, noise)
