"""Working likelihood of a whole panel about effects, products that sell little by quadrature.

Array names and axis order: N products, T periods.
"""

from dataclasses import dataclass, replace

import numpy as np

from hdfm.sales.laplace.effects import Effects, linear_predictor
from hdfm.sales.laplace.low_counts.products import LowCounts
from hdfm.sales.laplace.low_counts.quadrature import integrated
from hdfm.sales.laplace.posterior import NormalPosterior, normal_posterior
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.wandering import (
    PathPosterior,
    likelihood_of_paths,
    path_columns,
    path_posterior,
    step_of_paths,
)
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
    scales : Scales
        At which it was made.
    eta, fixed : numpy.ndarray
        Of effects and paths, and of effects alone (N, T).
    cells, plain : WorkingCells
        At eta, with and without quadrature.
    low : LowCounts or None
        Products that sell little, if there are any and no paths.
    paths : PathPosterior or None
        Of paths, if there are any.
    path_means : numpy.ndarray or None
        Paths in eta (k, T, N), if there are any.
    """

    likelihood: WorkingLikelihood
    scales: Scales
    eta: np.ndarray
    fixed: np.ndarray
    cells: WorkingCells
    plain: WorkingCells
    low: LowCounts | None
    paths: PathPosterior | None
    path_means: np.ndarray | None

    @property
    def model(self) -> ArrowModel:
        """Whose likelihood it is."""
        return self.likelihood.model

    @property
    def effects(self) -> Effects:
        """About which it is."""
        return self.likelihood.at


def expansion_about(model: ArrowModel, scales: Scales, effects: Effects) -> Expansion:
    """The working likelihood about effects, paths at 0."""
    return _expansion(model, scales, effects, None, None)


def expansion(
    at: Expansion, scales: Scales, rounds: int = ROUNDS, before: Effects | None = None
) -> Expansion:
    """The working likelihood whose posterior has the means that it was made at: fixed-point iteration.

    From another expansion on, until means hardly move, from ``before`` too if that is given.
    """
    for _ in range(rounds):
        posterior = normal_posterior(at.likelihood, scales)
        effects, path_means = posterior.mean(), None
        if at.paths is not None and at.path_means is not None:
            move = linear_predictor(at.model, effects) - at.fixed
            step, share = step_of_paths(at.paths, move, at.path_means)
            path_means = at.path_means + share * step
            product = at.effects.product + share * (effects.product - at.effects.product)
            effects = replace(effects, product=product)
        at = _expansion(at.model, scales, effects, path_means, posterior)
        sd = 1 / posterior.blocks.root[[0, 2]]
        if before is not None and (abs(effects.product - before.product) / sd).max() < SETTLED:
            break
        before = effects
    return at


def _expansion(
    model: ArrowModel,
    scales: Scales,
    effects: Effects,
    path_means: np.ndarray | None,
    posterior: NormalPosterior | None,
) -> Expansion:
    """About effects; products that sell little by quadrature about a posterior of theirs, if it is given."""
    eta = fixed = linear_predictor(model, effects)
    if path_means is not None:
        eta = fixed + (path_columns(model.panel.log_price.T, scales) * path_means).sum(axis=0).T
    cells = plain = working_cells(model, eta, model.variance(scales))
    low = paths = None
    if scales.paths:
        paths = path_posterior(model, scales, plain, path_means)
        likelihood = likelihood_of_paths(model, effects, plain, paths)
        path_means = np.zeros_like(paths.mean) if path_means is None else path_means
    else:
        if posterior is not None:
            cells, low = integrated(posterior, effects, eta, plain)
        likelihood = working_likelihood(model, effects, cells)
    return Expansion(
        likelihood=likelihood,
        scales=scales,
        eta=eta,
        fixed=fixed,
        cells=cells,
        plain=plain,
        low=low,
        paths=paths,
        path_means=path_means,
    )
