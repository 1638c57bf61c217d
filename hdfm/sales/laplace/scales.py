r"""Posterior of the scales of a demand model, effects integrated out, for a working likelihood held fixed.

Given scales, effects and the working likelihood are normal, so that the marginal likelihood is exact, and its
gradient is that of the expected log prior under the posterior of effects (Fisher's identity).

Array names and axis order: D scales that are estimated, in coordinates u (D,) of :class:`ScaleModel`.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from hdfm.sales.laplace.moments import moments
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales

SPREAD_RANGE, CORRELATION_RANGE = (-3.5, 8.0), (-3.0, 3.0)


@dataclass(frozen=True, slots=True)
class ScaleModel:
    r"""Which scales are estimated, and their priors.

    A spread sigma, half-normal of size s, has the coordinate u that is standard normal a priori,

    .. math:: P(\sigma' < \sigma) = \Phi(u)

    in which what data leave near zero has no long tail, as it has in logs. The correlation's is its atanh.
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    eta: float

    def coordinates(self, scales: Scales) -> np.ndarray:
        """u (D,) of scales."""
        values = np.array([_get(scales, name) for name in self.names])
        spreads = np.where(self._correlation, self.sizes, values)
        correlations = np.where(self._correlation, values, 0.0)
        u = -ndtri(2 * ndtr(-spreads / self.sizes))
        return np.where(self._correlation, np.arctanh(np.clip(correlations, -0.999, 0.999)), u)

    def scales(self, u: np.ndarray, like: Scales) -> Scales:
        """Scales of u; those that are not estimated as in ``like``."""
        groups, changes = list(like.groups), {}
        for name, value in zip(self.names, self._values(u), strict=True):
            if name.startswith("group "):
                groups[int(name[6:])] = float(value)
            else:
                changes[name] = float(value)
        return replace(like, groups=tuple(groups), **changes)

    def log_prior(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density of u and its gradient."""
        rho = np.tanh(u)
        value = np.where(self._correlation, self.eta * np.log1p(-(rho**2)), -(u**2) / 2)
        return float(value.sum()), np.where(self._correlation, -2 * self.eta * rho, -u)

    def bounds(self) -> list[tuple[float, float]]:
        """Where u is looked for."""
        return [CORRELATION_RANGE if name == "correlation" else SPREAD_RANGE for name in self.names]

    def slope_of_logs(self, u: np.ndarray) -> np.ndarray:
        """d log sigma / du (D,); 1 for the correlation."""
        values = np.where(self._correlation, self.sizes, self._values(u))
        prior = np.sqrt(2 / np.pi) * np.exp(-((values / self.sizes) ** 2) / 2) / self.sizes
        slope = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) / prior / values
        return np.where(self._correlation, 1.0, slope)

    def _values(self, u):
        return np.where(self._correlation, np.tanh(u), -ndtri(ndtr(-u) / 2) * self.sizes)

    @property
    def _correlation(self):
        return np.array([name == "correlation" for name in self.names])


def _get(scales, name):
    return scales.groups[int(name[6:])] if name.startswith("group ") else getattr(scales, name)


def scale_model(model: ArrowModel) -> ScaleModel:
    """The scales of a model."""
    panel, spec, layout = model.panel, model.spec, model.layout
    priors, found = spec.priors, {}
    has_price = panel.roles.price is not None
    if spec.pooled:
        found["product_effect"] = priors.product_effect_sd
    if has_price and priors.estimate_sd:
        found["elasticity"] = priors.product_sd
    if has_price and spec.pooled and priors.correlation is not None:
        found["correlation"] = 1.0
    if has_price and priors.estimate_sd:
        found |= {f"group {k}": priors.group_sd for k in range(len(panel.levels))}
    if len(layout.cosines):
        found |= {"time_shock": priors.time_shock_sd, "time_drift": priors.time_drift_sd}
    if "slope" in layout.group:
        found["between_price"] = priors.between_price_sd
    return ScaleModel(tuple(found), np.array(list(found.values())), priors.correlation or 1.0)


def marginal_slope(
    coordinates: ScaleModel, posterior: NormalPosterior, more_products: np.ndarray | float = 0.0
) -> np.ndarray:
    """Gradient (D,) of the log marginal likelihood by u; ``more_products`` add to second moments."""
    scales, model = posterior.scales, posterior.evidence.model
    panel, layout = model.panel, model.layout
    found = moments(posterior)
    found = replace(found, products=found.products + more_products)
    N, G = len(panel.product), panel.n_groups
    cross = scales.correlation * scales.product_effect * scales.elasticity
    Sigma = np.array([[scales.product_effect**2, cross], [cross, scales.elasticity**2]])
    P = np.linalg.inv(Sigma)
    D = (P @ found.products @ P - N * P) / 2
    if "product_effect" not in coordinates.names:
        D = np.diag([0.0, (found.products[1, 1] / Sigma[1, 1] - N) / (2 * Sigma[1, 1])])
    variance = scales.time_shock**2 + scales.time_drift**2 * layout.walk
    of_cosines = (found.cosines / variance - (G if layout.own_cosines else 1)) / (2 * variance)
    slopes = {
        "product_effect": 2 * (D[0, 0] * Sigma[0, 0] + D[0, 1] * Sigma[0, 1]),
        "elasticity": 2 * (D[1, 1] * Sigma[1, 1] + D[0, 1] * Sigma[0, 1]),
        "correlation": 2 * D[0, 1] * scales.product_effect * scales.elasticity * (1 - scales.correlation**2),
        "time_shock": 2 * scales.time_shock**2 * of_cosines.sum(),
        "time_drift": 2 * scales.time_drift**2 * (of_cosines @ layout.walk),
        "between_price": found.slopes / scales.between_price**2 - G,
    }
    for k, (level, sd) in enumerate(zip(panel.levels, scales.groups, strict=True)):
        slopes[f"group {k}"] = found.groups[k] / sd**2 - len(level.labels) if found.groups else 0.0
    by_log = np.array([slopes[name] for name in coordinates.names])
    return by_log * coordinates.slope_of_logs(coordinates.coordinates(scales))
