r"""Scales that are estimated, their coordinates u and priors.

Array names and axis order: D scales that are estimated, in coordinates u (D,) of :class:`ScaleModel`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit
from scipy.stats import t as student_t

from hdfm.sales.laplace.noise import NoiseModel, noise_model
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.priors import DOF

SPREAD_RANGE, RANGES = (-3.5, 8.0), {"elasticity": (-3.5, 4.5), "correlation": (-3.0, 3.0)}


@dataclass(frozen=True, slots=True)
class ScaleModel:
    r"""Coordinates of scales, and their log prior density.

    A spread sigma, half-normal (that of elasticities: half-t) of size s, has the coordinate u that is
    standard normal a priori,

    .. math:: P(\sigma' < \sigma) = \Phi(u)

    in which what data leave near zero has no long tail, as it has in logs. The correlation's is its atanh.
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    eta: float
    noise: NoiseModel

    def coordinates(self, scales: Scales) -> np.ndarray:
        """u (D,) of scales."""
        values = np.array([_get(scales, name) for name in self.names])
        spreads = np.where(self._correlation, self.sizes, values)
        correlations = np.where(self._correlation, values, 0.0)
        u = -ndtri(2 * self._survival(spreads / self.sizes))
        return np.where(self._correlation, np.arctanh(np.clip(correlations, -0.999, 0.999)), u)

    def scales(self, u: np.ndarray, like: Scales) -> Scales:
        """Scales of u; those that are not estimated as in ``like``."""
        groups, changes = list(like.groups), dict[str, Any]()
        for name, value in zip(self.names, self._values(u), strict=True):
            if name.startswith("group "):
                groups[int(name[6:])] = float(value)
            else:
                changes[name] = float(value)
        return replace(like, groups=tuple(groups), **changes)

    def position(self, scales: Scales) -> np.ndarray:
        """u and v (D + V,)."""
        return np.append(self.coordinates(scales), self.noise.position(scales))

    def at_position(self, place: np.ndarray, like: Scales) -> Scales:
        """Scales of u and v (D + V,), or of u alone (D,)."""
        D = len(self.names)
        scales = self.scales(place[:D], like)
        return self.noise.at(place[D:], scales) if len(place) > D else scales

    def log_prior(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density of u and its gradient."""
        rho = np.tanh(u)
        value = np.where(self._correlation, self.eta * np.log1p(-(rho**2)), -(u**2) / 2)
        return float(value.sum()), np.where(self._correlation, -2 * self.eta * rho, -u)

    def bounds(self) -> list[tuple[float, float]]:
        """Where u is looked for."""
        return [RANGES.get(name, SPREAD_RANGE) for name in self.names]

    def slope_of_logs(self, u: np.ndarray) -> np.ndarray:
        """d log sigma / du (D,); 1 for the correlation."""
        values = np.where(self._correlation, self.sizes, self._values(u))
        ratio = values / self.sizes
        prior = np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) / self.sizes
        prior = np.where(self._heavy, 2 * student_t.pdf(ratio, DOF) / self.sizes, prior)
        slope = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) / prior / values
        return np.where(self._correlation, 1.0, slope)

    def _values(self, u: np.ndarray) -> np.ndarray:
        tail = ndtr(-u) / 2
        ratio = np.where(self._heavy, -stdtrit(DOF, tail), -ndtri(tail))
        return np.where(self._correlation, np.tanh(u), ratio * self.sizes)

    def _survival(self, ratio: np.ndarray) -> np.ndarray:
        return np.where(self._heavy, stdtr(DOF, -ratio), ndtr(-ratio))

    @property
    def _heavy(self) -> np.ndarray:
        return np.array([name == "elasticity" for name in self.names])

    @property
    def _correlation(self) -> np.ndarray:
        return np.array([name == "correlation" for name in self.names])


def _get(scales: Scales, name: str) -> float:
    return scales.groups[int(name[6:])] if name.startswith("group ") else getattr(scales, name)


def scale_model(model: ArrowModel) -> ScaleModel:
    """The scales of a model."""
    panel, spec, layout = model.panel, model.spec, model.layout
    priors, has_price = spec.priors, panel.roles.price is not None
    sizes = {}
    if spec.pooled:
        sizes["product_effect"] = priors.product_effect_sd
    if has_price and priors.estimate_sd:
        sizes["elasticity"] = priors.product_sd
    if has_price and spec.pooled and priors.correlation is not None:
        sizes["correlation"] = 1.0
    if has_price and priors.estimate_sd:
        sizes |= {f"group {k}": priors.group_sd for k in range(len(panel.levels))}
    if len(layout.cosines):
        sizes |= {"time_shock": priors.time_shock_sd, "time_drift": priors.time_drift_sd}
    if "slope" in layout.group:
        sizes["between_price"] = priors.between_price_sd
    correlation, noise = priors.correlation or 1.0, noise_model(spec)
    return ScaleModel(tuple(sizes), np.array(list(sizes.values())), correlation, noise)
