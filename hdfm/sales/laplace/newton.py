"""Mode of effects given scales: Newton's method (iteratively reweighted least squares) on the arrow.

Array names and axis order: N products, T periods.
"""

import numpy as np

from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.posterior import normal_posterior
from hdfm.sales.laplace.prior import (
    ArrowModel,
    Scales,
    expected_products,
    product_precision,
    shared_prior,
)
from hdfm.sales.laplace.working import working_cells, working_likelihood

SMALLEST_RISE = 1e-6
MOST_STEPS = 50
HALVINGS = 12


def posterior_mode(model: ArrowModel, scales: Scales, effects: Effects) -> Effects:
    """Mode of effects given scales, from ``effects`` on; steps are halved until the posterior rises."""
    eta = linear_predictor(model, effects)
    cells = working_cells(model, eta, model.variance(scales))
    height = cells.value + log_prior(model, scales, effects)
    for _ in range(MOST_STEPS):
        target = normal_posterior(working_likelihood(model, effects, cells), scales).mean()
        towards = linear_predictor(model, target)
        step = 1.0
        for _ in range(HALVINGS):
            new_effects = effects.towards(target, step)
            new_eta = eta + step * (towards - eta)
            cells = working_cells(model, new_eta, model.variance(scales))
            new_height = cells.value + log_prior(model, scales, new_effects)
            if new_height >= height - SMALLEST_RISE:
                break
            step /= 2
        rise = new_height - height
        effects, eta, height = new_effects, new_eta, new_height
        if abs(rise) < SMALLEST_RISE * max(1, len(model.panel.product)):
            break
    return effects


def log_prior(model: ArrowModel, scales: Scales, effects: Effects) -> float:
    """Log prior density of effects, without its determinant."""
    gap = effects.product - expected_products(model, effects.bundle)
    energy = np.einsum("jn,jk,kn->", gap, product_precision(scales, model.spec), gap)
    height = shared_prior(model, scales).log_density(effects.bundle, effects.top) - float(energy) / 2
    if model.selection is not None:
        of_group = effects.bundle[:, model.layout.n_cosines :]
        height += model.selection.value(of_group, scales.product_effect)
    return height
