"""Laplace's approximation of a demand model, by Newton steps on its arrow.

Array names and axis order: N products, G groups, T periods.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.graph.spec import DemandSpec
from hdfm.inference.laplace.effects import Effects, NormalPosterior, linear_predictor, normal_posterior
from hdfm.inference.laplace.prior import Layout, Scales, log_prior
from hdfm.panel.sales import SalesPanel

LARGEST_LOG_MEAN = 40.0
SMALLEST_RISE = 1e-6
MOST_STEPS = 50
HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Working:
    """Log-likelihood at some eta, up to what noise alone decides; its gradient and precision (N, T)."""

    value: float
    gradient: np.ndarray
    precision: np.ndarray


def working_likelihood(panel: SalesPanel, likelihood: str, eta: np.ndarray, noise: float) -> Working:
    """Of eta (N, T) less exposure."""
    full = eta + panel.log_exposure
    observed = None if panel.observed.all() else panel.observed
    if likelihood == "log_normal":
        gap = np.log(np.where(panel.observed, panel.units, 1.0)) - full
        if observed is not None:
            gap *= observed
        W = panel.observed / noise**2
        return Working(-0.5 * float(np.vdot(gap, gap)) / noise**2, gap / noise**2, W)
    np.minimum(full, LARGEST_LOG_MEAN, out=full)
    mu = np.exp(full)
    if observed is not None:
        mu *= observed
    if likelihood == "poisson":
        value = float(np.vdot(panel.units, full)) - float(mu.sum())
        return Working(value, panel.units - mu, mu)
    spread = noise**2
    odds = 1 + spread * mu
    logs = np.log(odds)
    value = float(np.vdot(panel.units, full)) - float(((panel.units + 1 / spread) * logs).sum())
    gradient = (panel.units - mu) / odds
    # expected information mu / odds; the observed one is W (1 + spread y) / odds
    return Working(value, gradient, mu * (1 + spread * panel.units) / odds**2)


def cell_likelihood(
    likelihood: str, units: np.ndarray, observed: np.ndarray, eta: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood of counts, its gradient and precision by cell, shaped as eta, exposure included."""
    full = np.minimum(eta, LARGEST_LOG_MEAN)
    mu = np.exp(full) * observed
    if likelihood == "poisson":
        return units * full - mu, units - mu, mu
    spread = noise**2
    odds = 1 + spread * mu
    value = units * full - (units + 1 / spread) * np.log(odds)
    return value, (units - mu) / odds, mu * (1 + spread * units) / odds**2


def posterior_mode(
    panel: SalesPanel, spec: DemandSpec, layout: Layout, scales: Scales, effects: Effects
) -> tuple[Effects, NormalPosterior, float]:
    """Mode of effects given scales, the normal posterior and the height there, from ``effects`` on."""
    eta = linear_predictor(panel, layout, effects)
    now = working_likelihood(panel, spec.likelihood, eta, scales.noise)
    height = now.value + log_prior(panel, spec, layout, scales, effects)
    for _ in range(MOST_STEPS):
        s = now.precision * eta + now.gradient
        posterior = normal_posterior(panel, spec, layout, scales, now.precision, s)
        target = posterior.mean()
        towards = linear_predictor(panel, layout, target)
        step = 1.0
        for _ in range(HALVINGS):
            new_effects = _between(effects, target, step)
            new_eta = eta + step * (towards - eta)
            new = working_likelihood(panel, spec.likelihood, new_eta, scales.noise)
            new_height = new.value + log_prior(panel, spec, layout, scales, new_effects)
            if new_height >= height - SMALLEST_RISE:
                break
            step /= 2
        rise = new_height - height
        effects, eta, now, height = new_effects, new_eta, new, new_height
        if abs(rise) < SMALLEST_RISE * max(1, len(panel.product)):
            break
    return effects, posterior, height


def _between(a: Effects, b: Effects, step: float) -> Effects:
    return Effects(
        a.product + step * (b.product - a.product),
        a.bundle + step * (b.bundle - a.bundle),
        a.top + step * (b.top - a.top),
    )
