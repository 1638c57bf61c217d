"""Mode of the marginal posterior of scales and noise, by Newton steps, and the working likelihood there.

Array names and axis order: N products, G groups, T periods, D scales.
"""

from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.expansion import Expansion, expansion, expansion_about
from hdfm.sales.laplace.marginal import (
    Marginal,
    Quadratic,
    newton_step,
    noise_given_effects,
    quadratic,
)
from hdfm.sales.laplace.newton import posterior_mode
from hdfm.sales.laplace.noise import NoiseModel
from hdfm.sales.laplace.noise_step import NoiseSlopes, noise_slopes, noise_step
from hdfm.sales.laplace.prior import ArrowModel, PathScale, Scales, arrow_model
from hdfm.sales.laplace.scales import ScaleModel, scale_model
from hdfm.sales.likelihoods.noise import LEAST_NOISE
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec

FIRST_NOISE = 0.3
FIRST_SHARE, FIRST_MOVES = 0.4, 0.2  # of noise that wanders, of variance; sd of elasticities' moves
ROUNDS, SETTLED, ENOUGH = 20, 0.01, 0.01
PATHS_SETTLED = 0.05  # of coordinates that are about standard normal a priori, and of log ratios
NEAR = 1.2  # posterior sds of scales: points are laid about a Newton step further
SHORT = 4.0  # posterior sds: after a shorter step the curvature is taken for the same
LARGEST_STEP, HALVINGS = 1.0, 6


@dataclass(frozen=True, slots=True)
class LaplaceMode:
    """Scales of the highest marginal posterior, and the marginal posterior about them.

    ``curvature`` (D, D) is that of the last steps, if the panel is large and they were short; ``by_noise``
    has the slopes by noise, where it differs by product or wanders.
    """

    marginal: Marginal
    scales: Scales
    curvature: np.ndarray | None
    by_noise: NoiseSlopes | None

    @property
    def model(self) -> ArrowModel:
        """Whose mode it is."""
        return self.marginal.model

    @property
    def coordinates(self) -> ScaleModel:
        """Of scales."""
        return self.marginal.coordinates

    @property
    def expansion(self) -> Expansion:
        """The working likelihood at the mode."""
        return self.marginal.expansion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Where the search stands: scales, the last move of u (D,) and of v (V,), curvature (D, D) if known.

    ``length`` is that of the last Newton step, in posterior sds; ``own_move`` the largest of what products
    add to noise.
    """

    scales: Scales
    move: np.ndarray
    noise_move: np.ndarray
    length: float = np.inf
    own_move: float = 0.0
    curvature: np.ndarray | None = None

    @property
    def still(self) -> bool:
        """Whether noise hardly moves."""
        enough = SETTLED if self.scales.plain else PATHS_SETTLED
        return bool(abs(self.noise_move).max(initial=self.own_move) < enough)

    @property
    def settled(self) -> bool:
        return self.length < NEAR and self.still


def laplace_mode(panel: SalesPanel, spec: DemandSpec) -> LaplaceMode:
    """Laplace mode by Newton steps of effects, scales and noise in turn."""
    model = arrow_model(panel, spec)
    coordinates = scale_model(model)
    about = _start(model)
    nothing = np.zeros(len(coordinates.names)), np.zeros(len(coordinates.noise.coordinates))
    search = _Search(scales=about.scales, move=nothing[0], noise_move=nothing[1])
    for k in range(ROUNDS):
        about = expansion(about, search.scales, rounds=1)
        search = _moved(search, Marginal(coordinates, about), early=k < 2)
        if search.settled:
            break
    about = expansion(about, search.scales, before=about.effects)
    curvature = search.curvature if model.large else None
    marginal, scales = Marginal(coordinates, about), search.scales
    if scales.plain:
        return LaplaceMode(marginal, scales, curvature, None)
    slopes = noise_slopes(about, coordinates.noise, marginal.posterior(scales))
    return LaplaceMode(marginal, scales, curvature, slopes)


def _start(model: ArrowModel) -> Expansion:
    """Rough scales, noise from moments, and the working likelihood about the mode of effects given them."""
    scales, effects = first_guess(model)
    effects = posterior_mode(model, scales, effects)
    eta, noise = linear_predictor(model, effects), model.spec.family.noise
    if noise is not None:
        scales = replace(scales, noise=noise.moment_estimate(model.panel, eta + model.panel.log_exposure))
    return expansion_about(model, _with_paths(model, scales), effects)


def _with_paths(model: ArrowModel, scales: Scales) -> Scales:
    """Scales with first values of paths and of products' noise, where the model has them."""
    spec, priors = model.spec, model.spec.priors
    if spec.wanders:
        share = np.sqrt(FIRST_SHARE)
        noise = scales.noise if spec.family.noise is not None else FIRST_NOISE
        demand = PathScale(float(share) * min(noise, priors.demand_sd), priors.demand_half_life)
        scales = replace(scales, noise=float(np.sqrt(1 - FIRST_SHARE)) * scales.noise, demand=demand)
    if spec.moves:
        scales = replace(scales, moves=PathScale(FIRST_MOVES, priors.elasticity_path_half_life))
    N = len(model.panel.product)
    return replace(
        scales,
        ratio=np.ones(N) if any(spec.noise_levels) else None,
        lean=np.zeros(N) if spec.has_demand_shares else None,
    )


def first_guess(model: ArrowModel) -> tuple[Scales, Effects]:
    """Starting values of effects: levels from totals, elasticities at the prior's mean."""
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


def _moved(search: _Search, marginal: Marginal, early: bool) -> _Search:
    """A Newton step in scales, and one in noise while that is far from settled."""
    coordinates = marginal.coordinates
    scales, length, H = improved_scales(marginal, search.scales, search.curvature)
    place, D = coordinates.position(search.scales), len(coordinates.names)
    if early or length < SHORT or not search.still:
        scales = improved_noise(marginal, scales)
    move = coordinates.position(scales) - place
    before = np.append(search.move, search.noise_move)
    if length < SHORT and before @ move < 0:
        move = move / 2  # spreads of time effects and the working likelihood, or noise, take turns
    return _Search(
        scales=coordinates.at_position(place + move, scales),
        move=move[:D],
        noise_move=move[D:],
        own_move=_largest_own_move(coordinates.noise, scales, search.scales),
        length=length,
        curvature=None if length > SHORT or marginal.model.selection is not None else H,
    )


def improved_scales(
    marginal: Marginal, scales: Scales, curvature: np.ndarray | None = None
) -> tuple[Scales, float, np.ndarray]:
    """Scales a Newton step higher in the marginal posterior for a fixed working likelihood and noise.

    Also how long the step is, in posterior sds, and the curvature (D, D), computed where it is not given.
    """
    coordinates = marginal.coordinates
    if not coordinates.names:
        return scales, 0.0, np.zeros((0, 0))
    u, at = coordinates.coordinates(scales), _quadratic(marginal, scales, curvature)
    step = newton_step(at.curvature, at.slope)
    length = np.sqrt(max(0.0, float(step @ at.slope)))
    step = step.clip(-LARGEST_STEP, LARGEST_STEP)
    low, high = np.transpose(coordinates.bounds())
    for _ in range(HALVINGS):
        trial = coordinates.scales((u + step).clip(low, high), scales)
        if marginal.value_given_noise(trial) >= at.value - ENOUGH:
            return trial, length, at.curvature
        step /= 2
    return (scales, 0.0, at.curvature) if curvature is None else improved_scales(marginal, scales)


def _quadratic(marginal: Marginal, scales: Scales, curvature: np.ndarray | None) -> Quadratic:
    if curvature is None:
        return quadratic(marginal, scales, central=False)
    u = marginal.coordinates.coordinates(scales)
    value, slope = marginal.slope_given_noise(marginal.coordinates.scales(u, scales))
    return Quadratic(value, slope, curvature)


def _largest_own_move(noise: NoiseModel, scales: Scales, before: Scales) -> float:
    """Of what products add to coordinates of noise, in a step."""
    moves = [abs(own.of(scales) - own.of(before)).max() for _, own in noise.own]
    return max(moves, default=0.0)


def improved_noise(marginal: Marginal, scales: Scales) -> Scales:
    """Noise and paths of a higher marginal posterior given the other scales, by a Newton step."""
    if not scales.plain:
        return noise_step(marginal.expansion, marginal.coordinates.noise, marginal.posterior(scales))
    if marginal.model.spec.family.noise is None:
        return scales
    slope, second = noise_given_effects(marginal, scales)
    step = -slope / second if second < 0 else np.sign(slope)
    noise = max(LEAST_NOISE, float(np.exp(np.log(scales.noise) + np.clip(step, -1, 1))))
    return replace(scales, noise=noise)
