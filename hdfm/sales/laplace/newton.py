"""Laplace's approximation of a demand model, by Newton steps on its arrow.

Array names and axis order: N products, G groups, T periods.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.effects import CHUNK, Effects, linear_predictor
from hdfm.sales.laplace.evidence import Evidence, evidence
from hdfm.sales.laplace.posterior import normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales, log_prior

SMALLEST_RISE = 1e-6
MOST_STEPS = 50
HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Working:
    """Log-likelihood at some eta, up to what noise alone decides; its gradient and precision (N, T)."""

    value: float
    gradient: np.ndarray
    precision: np.ndarray


def working_likelihood(model: ArrowModel, eta: np.ndarray, noise: float) -> Working:
    """Of eta (N, T) less exposure."""
    panel, value, variance = model.panel, 0.0, model.by_product(noise**2)
    gradient, precision = np.empty(eta.shape), np.empty(eta.shape)
    for first in range(0, len(eta), CHUNK):
        part = slice(first, first + CHUNK)
        cells, gradient[part], precision[part] = model.spec.family.working(
            panel.units[part],
            panel.observed[part],
            eta[part] + panel.log_exposure[part],
            variance[part, None],
        )
        if panel.weight is not None:
            cells = cells * panel.weight[part]
            gradient[part] *= panel.weight[part]
            precision[part] *= panel.weight[part]
        value += float(cells.sum())
    return Working(value, gradient, precision)


def evidence_at(model: ArrowModel, effects: Effects, eta: np.ndarray, noise: float) -> Evidence:
    """The working likelihood of Newton's method at effects and their eta (N, T)."""
    now = working_likelihood(model, eta, noise)
    return evidence(model, effects, now.value, now.precision, now.gradient)


def posterior_mode(model: ArrowModel, scales: Scales, effects: Effects) -> Effects:
    """Mode of effects given scales, from ``effects`` on."""
    eta = linear_predictor(model, effects)
    now = working_likelihood(model, eta, scales.noise)
    height = now.value + _log_prior(model, scales, effects)
    for _ in range(MOST_STEPS):
        found = evidence(model, effects, now.value, now.precision, now.gradient)
        target = normal_posterior(found, scales).mean()
        towards = linear_predictor(model, target)
        step = 1.0
        for _ in range(HALVINGS):
            new_effects = effects.towards(target, step)
            new_eta = eta + step * (towards - eta)
            new = working_likelihood(model, new_eta, scales.noise)
            new_height = new.value + _log_prior(model, scales, new_effects)
            if new_height >= height - SMALLEST_RISE:
                break
            step /= 2
        rise = new_height - height
        effects, eta, now, height = new_effects, new_eta, new, new_height
        if abs(rise) < SMALLEST_RISE * max(1, len(model.panel.product)):
            break
    return effects


def _log_prior(model, scales, effects):
    return log_prior(model, scales, effects.product, effects.bundle, effects.top)
