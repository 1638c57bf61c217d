r"""Coordinates of noise and paths that the search for the mode and the integration over scales move in.

Independent noise of sd s_e and demand that wanders with sd s_u, both in log units, share a total; what is
told apart well are

.. math:: \log \sqrt{s_e^2 + s_u^2}, \qquad \Phi^{-1}\Big(\frac{2}{\pi} \arctan \frac{s_u}{s_e}\Big), \qquad
    (\log h - \log h_0) / \tau_h

the last of the half-life h with its log-normal prior. The first two are those of the usual product: what
others add to them has a hierarchy of its own (:mod:`hdfm.sales.laplace.dispersion`).

Array names and axis order: N products, V coordinates v.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from hdfm.sales.laplace.prior import PathScale, Scales
from hdfm.sales.likelihoods.noise import LEAST_NOISE, share_quantile
from hdfm.sales.spec import DemandSpec

NOISES = (np.log(LEAST_NOISE), np.log(10.0))  # of log sds, of all that is known of sales far too wide
FARTHEST = (-3.5, 3.5)  # of coordinates that are about standard normal a priori


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPart:
    """What products add to a coordinate: normal about 0, between groups and between products of a group.

    Attributes
    ----------
    of : callable
        Scales -> what they add (N,).
    moved : callable
        (Scales, (N,)) -> Scales with these.
    sizes : tuple of float
        Half-normal scales of the two spreads; 0 where there is none.
    """

    of: Callable[[Scales], np.ndarray]
    moved: Callable[[Scales, np.ndarray], Scales]
    sizes: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """A coordinate of scales.

    Attributes
    ----------
    of : callable
        Scales -> float.
    moved : callable
        (Scales, float) -> Scales with that value of it, and the other coordinates as they are.
    log_prior : callable
        Scales -> float: what it adds to the log density of all coordinates.
    bounds : tuple of float
    own : OwnPart or None
        What products add to it.
    """

    of: Callable[[Scales], float]
    moved: Callable[[Scales, float], Scales]
    log_prior: Callable[[Scales], float]
    bounds: tuple[float, float]
    own: OwnPart | None = None


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """The coordinates of a model's noise and paths."""

    coordinates: tuple[Coordinate, ...]

    @property
    def own(self) -> list[tuple[int, OwnPart]]:
        """Positions of coordinates that products add to, and what."""
        return [(j, one.own) for j, one in enumerate(self.coordinates) if one.own is not None]

    def position(self, scales: Scales) -> np.ndarray:
        """v (V,)."""
        return np.array([coordinate.of(scales) for coordinate in self.coordinates])

    def at(self, v: np.ndarray, like: Scales) -> Scales:
        """Scales at v, otherwise as ``like``."""
        for coordinate, value in zip(self.coordinates, v, strict=True):
            like = coordinate.moved(like, float(value))
        return like

    def log_prior(self, scales: Scales) -> float:
        """Log density of v, up to a constant."""
        return sum(coordinate.log_prior(scales) for coordinate in self.coordinates)

    def bounds(self) -> list[tuple[float, float]]:
        """Where v is looked for."""
        return [coordinate.bounds for coordinate in self.coordinates]


def noise_model(spec: DemandSpec) -> NoiseModel:
    """The coordinates of a model; none where eta alone decides."""
    priors, noise, out = spec.priors, spec.family.noise, []
    if spec.wanders and noise is not None and noise.multiplicative:
        out += _total_and_share(spec)
    else:
        out += [_log_noise(spec)] if noise is not None else []
        out += [_log_demand(spec)] if spec.wanders else []
    if spec.wanders:
        out.append(_half_life("demand", priors.demand_half_life, priors.demand_half_life_log_sd))
    if spec.moves:
        out.append(_moves_sd(priors.elasticity_path_sd))
        median, log_sd = priors.elasticity_path_half_life, priors.elasticity_path_half_life_log_sd
        out.append(_half_life("moves", median, log_sd))
    return NoiseModel(tuple(out))


def _log_noise(spec: DemandSpec) -> Coordinate:
    noise = spec.family.noise
    assert noise is not None
    return Coordinate(
        of=lambda scales: np.log(scales.noise),
        moved=lambda scales, v: replace(scales, noise=float(np.exp(v))),
        log_prior=lambda scales: noise.log_prior(spec.priors, scales.noise),
        bounds=NOISES,
        own=_log_ratio(spec) if noise.multiplicative else None,
    )


def _log_ratio(spec: DemandSpec) -> OwnPart | None:
    if not any(spec.noise_levels):
        return None
    by_group, by_product = spec.noise_levels
    return OwnPart(
        of=lambda scales: np.log(_present(scales.ratio)),
        moved=lambda scales, own: replace(scales, ratio=np.exp(own)),
        sizes=(by_group * spec.priors.noise_group_sd, by_product * spec.priors.noise_product_sd),
    )


def _lean(spec: DemandSpec) -> OwnPart | None:
    if not spec.has_demand_shares:
        return None
    return OwnPart(
        of=lambda scales: _present(scales.lean),
        moved=lambda scales, own: replace(scales, lean=own),
        sizes=(0.0, spec.priors.demand_share_sd),
    )


def _log_demand(spec: DemandSpec) -> Coordinate:
    size = spec.priors.demand_sd
    return Coordinate(
        of=lambda scales: np.log(_demand(scales).sd),
        moved=lambda scales, v: replace(scales, demand=replace(_demand(scales), sd=float(np.exp(v)))),
        log_prior=lambda scales: np.log(_demand(scales).sd) - _demand(scales).sd ** 2 / (2 * size**2),
        bounds=NOISES,
        own=_log_ratio(spec),
    )


def _total_and_share(spec: DemandSpec) -> list[Coordinate]:
    """Both sds are half-normal; of a total and an angle phi these have the density total dphi dtotal."""
    assert spec.family.noise is not None
    noise_size, demand_size = getattr(spec.priors, spec.family.noise.prior), spec.priors.demand_sd

    def total(scales: Scales) -> float:
        return float(np.hypot(scales.noise, _demand(scales).sd))

    def at(scales: Scales, size: float, angle: float) -> Scales:
        demand = replace(_demand(scales), sd=max(LEAST_NOISE, size * np.sin(angle)))
        return replace(scales, noise=max(LEAST_NOISE, size * np.cos(angle)), demand=demand)

    def angle(scales: Scales) -> float:
        return float(np.arctan2(_demand(scales).sd, scales.noise))

    def quantile(scales: Scales) -> float:
        return float(share_quantile(scales.noise, _demand(scales).sd))

    def log_prior(scales: Scales) -> float:
        energy = (scales.noise / noise_size) ** 2 + (_demand(scales).sd / demand_size) ** 2
        return 2 * np.log(total(scales)) - energy / 2

    return [
        Coordinate(
            of=lambda scales: np.log(total(scales)),
            moved=lambda scales, v: at(scales, float(np.exp(v)), angle(scales)),
            log_prior=log_prior,
            bounds=NOISES,
            own=_log_ratio(spec),
        ),
        Coordinate(
            of=quantile,
            moved=lambda scales, v: at(scales, total(scales), float(np.pi / 2 * ndtr(v))),
            log_prior=lambda scales: -(quantile(scales) ** 2) / 2,
            bounds=FARTHEST,
            own=_lean(spec),
        ),
    ]


def _half_life(name: str, median: float, log_sd: float) -> Coordinate:
    def of(scales: Scales) -> float:
        return float(np.log(getattr(scales, name).half_life / median) / log_sd)

    def moved(scales: Scales, v: float) -> Scales:
        path = replace(getattr(scales, name), half_life=float(median * np.exp(log_sd * v)))
        return replace(scales, **{name: path})

    return Coordinate(of=of, moved=moved, log_prior=lambda scales: -(of(scales) ** 2) / 2, bounds=FARTHEST)


def _moves_sd(size: float) -> Coordinate:
    """Of a half-normal spread the coordinate that is standard normal a priori."""

    def of(scales: Scales) -> float:
        return float(-ndtri(2 * ndtr(-_moves(scales).sd / size)))

    def moved(scales: Scales, v: float) -> Scales:
        return replace(scales, moves=replace(_moves(scales), sd=float(-size * ndtri(ndtr(-v) / 2))))

    return Coordinate(of=of, moved=moved, log_prior=lambda scales: -(of(scales) ** 2) / 2, bounds=FARTHEST)


def _demand(scales: Scales) -> PathScale:
    return _present(scales.demand)


def _moves(scales: Scales) -> PathScale:
    return _present(scales.moves)


def _present[T](value: T | None) -> T:
    """A part of the scales that the model has."""
    assert value is not None
    return value
