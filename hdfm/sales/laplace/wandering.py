r"""Paths of products integrated out of a working likelihood, and their posterior given effects.

A working likelihood about :math:`\eta_0 = f_0 + h' p_0`, of effects' part f and paths p, is normal in both.
With :math:`r = W h' p_0 + g` its integral over :math:`p \sim N(0, Q^{-1})` is one about f_0 of information
A (:mod:`hdfm.sales.laplace.paths`), gradient and value

.. math:: g_A = r - W h' \hat p, \quad \hat p = M^{-1} h r, \qquad
    \ell - g' h' p_0 - \tfrac12 p_0' h W h' p_0 + \tfrac12 r' h' \hat p - \tfrac12 \log |M| |Q|^{-1}

and paths given effects are normal, of mean :math:`\hat p - M^{-1} h W (f - f_0)` and precision M.

Array names and axis order: k states, T periods, N products; cells as (N, T) but where products are last.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.effects import Effects
from hdfm.sales.laplace.information import PathInformation
from hdfm.sales.laplace.paths import Paths, factored
from hdfm.sales.laplace.prior import ArrowModel, Scales
from hdfm.sales.laplace.working import WorkingCells, WorkingLikelihood, working_sums

LARGEST_W = 1e7  # of a cell: what a path leaves of more is lost in rounding
LARGEST_MOVE = 2.0  # of eta in a step, in log units


@dataclass(frozen=True, slots=True)
class PathPosterior:
    """Paths given effects.

    Attributes
    ----------
    paths : Paths
        W and M, factored.
    mean : numpy.ndarray
        Of paths (k, T, N) given effects that make f_0.
    gradient : numpy.ndarray
        g_A (N, T).
    value : numpy.ndarray
        What paths change in the log-likelihood (N,).
    """

    paths: Paths
    mean: np.ndarray
    gradient: np.ndarray
    value: np.ndarray

    @property
    def information(self) -> PathInformation:
        """What is left to effects."""
        return PathInformation(self.paths)

    def given(self, move: np.ndarray) -> np.ndarray:
        """Mean of paths (k, T, N) given effects that make f_0 + move (N, T)."""
        return self.mean - self.paths.towards(self.paths.W * move.T)


def path_columns(x: np.ndarray, scales: Scales) -> np.ndarray:
    """h (k, ...) at log prices x: ones where demand wanders, x where elasticities move."""
    columns = [np.ones_like(x)] * (scales.demand is not None) + [x] * (scales.moves is not None)
    return np.stack(columns) if columns else np.empty((0, *x.shape))


def told_to_paths(gradient: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and W of cells, as if beside noise of 3e-4 log units where W is larger than that allows."""
    share = 1 / (1 + np.maximum(precision / LARGEST_W - 1, 0))
    return gradient * share, precision * share


def path_posterior(
    model: ArrowModel,
    scales: Scales,
    cells: WorkingCells,
    before: np.ndarray | None = None,
    part: slice = slice(None),
) -> PathPosterior:
    """Integrate paths out of cells about eta_0, in which paths are ``before`` (k, T, n); 0 if None.

    Of a part of products, and its cells.
    """
    h = path_columns(model.panel.log_price[part].T, scales)
    g, W = (np.ascontiguousarray(array.T) for array in told_to_paths(cells.gradient, cells.precision))
    paths = factored(W, h, model.path_prior(scales).part(part))
    start = np.zeros_like(W) if before is None else paths.of(before)
    pull = W * start + g
    mean = paths.towards(pull)
    fitted = paths.of(mean)
    value = (pull * fitted - (2 * g + W * start) * start).sum(axis=0) - paths.log_det
    return PathPosterior(paths, mean, (pull - W * fitted).T, value / 2)


def likelihood_of_paths(
    model: ArrowModel, at: Effects, cells: WorkingCells, paths: PathPosterior
) -> WorkingLikelihood:
    """What is left to effects, about those of f_0."""
    value = cells.value + float(paths.value.sum())
    return working_sums(model, at, paths.information, paths.gradient, value=value)


def step_of_paths(
    posterior: PathPosterior, move: np.ndarray, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps of paths (k, T, N) from ``before`` on where effects move f (N, T); how far to go of both (N,)."""
    step = posterior.given(move) - before
    length = abs(move.T + posterior.paths.of(step)).max(axis=0)
    return step, np.minimum(1, LARGEST_MOVE / np.maximum(length, LARGEST_MOVE))


def shortened(h: np.ndarray, step: np.ndarray) -> np.ndarray:
    """A step of paths (k, T, n), by product as long as lets eta move by ``LARGEST_MOVE`` at most."""
    length = abs(h * step).sum(axis=0).max(axis=0)
    return step * np.minimum(1, LARGEST_MOVE / np.maximum(length, LARGEST_MOVE))
