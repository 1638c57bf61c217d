r"""Coordinates of noise and paths that the search for the mode and the integration over scales move in.

Independent noise of sd s_e and demand that wanders with sd s_u, both in log units, share a total; what is
told apart well are

.. math:: \log \sqrt{s_e^2 + s_u^2}, \qquad \Phi^{-1}\Big(\frac{2}{\pi} \arctan \frac{s_u}{s_e}\Big), \qquad
    (\log h - \log h_0) / \tau_h

the last of the half-life h with its log-normal prior. The first moves the noise of all products, whose log
ratios to it have a hierarchy of their own (:mod:`hdfm.sales.laplace.dispersion`).

Array names and axis order: V coordinates v.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from hdfm.sales.laplace.prior import PathScale, Scales
from hdfm.sales.spec import DemandSpec

LEAST_NOISE = 1e-3  # less can't be told from none, and makes precisions singular
ANY = (-np.inf, np.inf)
FARTHEST = (-3.5, 3.5)  # of coordinates that are about standard normal a priori


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
    level : bool
        Whether all products' noise is a multiple of its exponential.
    """

    of: Callable[[Scales], float]
    moved: Callable[[Scales, float], Scales]
    log_prior: Callable[[Scales], float]
    bounds: tuple[float, float] = ANY
    level: bool = False


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """The coordinates of a model's noise and paths."""

    coordinates: tuple[Coordinate, ...]

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
        out += _total_and_share(getattr(spec.priors, noise.prior), priors.demand_sd)
    else:
        out += [_log_noise(spec)] if noise is not None else []
        out += [_log_demand(priors.demand_sd)] if spec.wanders else []
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
        bounds=(np.log(LEAST_NOISE), np.inf),
        level=noise.multiplicative,
    )


def _log_demand(size: float) -> Coordinate:
    return Coordinate(
        of=lambda scales: np.log(_demand(scales).sd),
        moved=lambda scales, v: replace(scales, demand=replace(_demand(scales), sd=float(np.exp(v)))),
        log_prior=lambda scales: np.log(_demand(scales).sd) - _demand(scales).sd ** 2 / (2 * size**2),
        bounds=(np.log(LEAST_NOISE), np.inf),
        level=True,
    )


def _total_and_share(noise_size: float, demand_size: float) -> list[Coordinate]:
    """Both sds are half-normal; of a total and an angle phi these have the density total dphi dtotal."""

    def total(scales: Scales) -> float:
        return float(np.hypot(scales.noise, _demand(scales).sd))

    def at(scales: Scales, size: float, angle: float) -> Scales:
        demand = replace(_demand(scales), sd=max(LEAST_NOISE, size * np.sin(angle)))
        return replace(scales, noise=max(LEAST_NOISE, size * np.cos(angle)), demand=demand)

    def angle(scales: Scales) -> float:
        return float(np.arctan2(_demand(scales).sd, scales.noise))

    def log_prior(scales: Scales) -> float:
        energy = (scales.noise / noise_size) ** 2 + (_demand(scales).sd / demand_size) ** 2
        return 2 * np.log(total(scales)) - energy / 2

    return [
        Coordinate(
            of=lambda scales: np.log(total(scales)),
            moved=lambda scales, v: at(scales, float(np.exp(v)), angle(scales)),
            log_prior=log_prior,
            bounds=(np.log(LEAST_NOISE), np.inf),
            level=True,
        ),
        Coordinate(
            of=lambda scales: float(ndtri(2 / np.pi * angle(scales))),
            moved=lambda scales, v: at(scales, total(scales), float(np.pi / 2 * ndtr(v))),
            log_prior=lambda scales: -(float(ndtri(2 / np.pi * angle(scales))) ** 2) / 2,
            bounds=FARTHEST,
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
    assert scales.demand is not None
    return scales.demand


def _moves(scales: Scales) -> PathScale:
    assert scales.moves is not None
    return scales.moves
