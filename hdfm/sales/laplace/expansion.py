"""Working likelihood of a whole panel about effects, products that sell little by quadrature.

Array names and axis order: N products, T periods.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.low_counts.products import LowCounts
from hdfm.sales.laplace.low_counts.quadrature import integrated
from hdfm.sales.laplace.posterior import normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.working import (
    WorkingCells,
    WorkingLikelihood,
    working_cells,
    working_likelihood,
)

ROUNDS, SETTLED = 8, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Working (IRLS) likelihood about effects, and what it is made of.

    Attributes
    ----------
    likelihood : WorkingLikelihood
    noise : float
        At which it was made.
    eta : numpy.ndarray
        Of the effects (N, T).
    cells, plain : WorkingCells
        At eta, with and without quadrature.
    low : LowCounts or None
        Products that sell little, if there are any.
    """

    likelihood: WorkingLikelihood
    noise: float
    eta: np.ndarray
    cells: WorkingCells
    plain: WorkingCells
    low: LowCounts | None

    @property
    def model(self) -> ArrowModel:
        """Whose likelihood it is."""
        return self.likelihood.model

    @property
    def effects(self) -> Effects:
        """About which it is."""
        return self.likelihood.at


def expansion(
    likelihood: WorkingLikelihood, scales: Scales, rounds: int = ROUNDS, before: Effects | None = None
) -> Expansion:
    """The working likelihood whose posterior has the means that it was made at: fixed-point iteration.

    From a working likelihood on, until means hardly move, from ``before`` too if that is given.
    """
    model = likelihood.model
    for _ in range(rounds):
        posterior = normal_posterior(likelihood, scales)
        effects = posterior.mean()
        eta = linear_predictor(model, effects)
        plain = working_cells(model, eta, scales.noise)
        cells, low = integrated(posterior, effects, eta, plain)
        likelihood = working_likelihood(model, effects, cells)
        sd = 1 / posterior.blocks.root[[0, 2]]
        if before is not None and (abs(effects.product - before.product) / sd).max() < SETTLED:
            break
        before = effects
    return Expansion(likelihood=likelihood, noise=scales.noise, eta=eta, cells=cells, plain=plain, low=low)
