r"""Paths of products through time, drawn given effects and units, and beyond the fitted periods.

About posterior means the likelihood is, as in :mod:`hdfm.sales.laplace.wandering`, that of a normal response,
so that paths given a draw of effects, whose part of eta is f, are normal,

.. math:: p_i \sim N(M_i^{-1} h_i' (q_i - W_i f_i), \ M_i^{-1}), \qquad M_i = Q_i + h_i' W_i h_i

with Q of the draw's own scales: exact for log-normal volumes, Laplace's approximation for counts. A product
that was not fitted has W = 0, and a path of the population's. Outside of the fitted periods paths go on as
what they are, :class:`hdfm.sales.posterior.motion.OrnsteinUhlenbeck` processes: forecasts start where demand
was last, and fade to its mean.

Array names and axis order: k states (demand, then elasticities), N products, T periods, S draws, P times.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from hdfm.sales.laplace.effects import CHUNK
from hdfm.sales.laplace.paths import PathPrior, factored
from hdfm.sales.laplace.wandering import shortened
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.posterior.motion import Keyed, OrnsteinUhlenbeck, beyond, nearest_before

ROUNDS, SETTLED = 20, 1e-4


@dataclass(frozen=True, slots=True)
class Motions:
    """The processes that paths are, as far as there are any: of draws of a product, or of all products."""

    demand: OrnsteinUhlenbeck | None
    moves: OrnsteinUhlenbeck | None

    @property
    def processes(self) -> list[OrnsteinUhlenbeck]:
        """By state."""
        return [motion for motion in (self.demand, self.moves) if motion is not None]

    def columns(self, x: np.ndarray) -> np.ndarray:
        """h (k, ...) at log prices: ones where demand wanders, x where elasticities move."""
        of_demand = [np.ones_like(x)] if self.demand is not None else []
        return np.stack([*of_demand, *([x] if self.moves is not None else [])])

    def prior(self, steps: np.ndarray) -> PathPrior:
        """Of paths at times (T,)."""
        gaps = np.diff(steps)
        gaps = gaps[:1] if (gaps == gaps[:1]).all() else gaps
        rho = [motion.correlation(gaps[:, None]) for motion in self.processes]
        return PathPrior(np.stack(rho), np.stack([motion.sd for motion in self.processes]))


@dataclass(frozen=True, slots=True)
class PathEvidence:
    """What units tell of eta less exposure: q and W (N, T) of a log-likelihood q'eta - eta'W eta / 2."""

    pull: np.ndarray
    precision: np.ndarray


def path_evidence(
    panel: SalesPanel, family: Likelihood, fixed: np.ndarray, noise: np.ndarray, motions: Motions
) -> PathEvidence:
    """What units tell about the mode of paths given effects' part of eta (N, T) and noise (N,)."""
    pull, precision = np.empty((2, *panel.units.shape))
    for start in range(0, len(fixed), CHUNK):
        rows = slice(start, start + CHUNK)
        pull[rows], precision[rows] = _evidence(panel, family, fixed[rows], noise[rows], motions, rows)
    return PathEvidence(pull, precision)


def _evidence(panel, family, fixed, noise, motions, rows):
    """Of some products, by Newton's method."""
    whole = motions.prior(panel.timeline.steps)
    prior, h = whole.part(rows), motions.columns(np.ascontiguousarray(panel.log_price[rows].T))
    path = np.zeros(h.shape)
    for _ in range(ROUNDS):
        eta = fixed + (h * path).sum(axis=0).T
        W, pull = _working(panel, family, eta, noise, rows)
        step = shortened(h, factored(W.T, h, prior).towards((pull - W * fixed).T) - path)
        path += step
        if abs(step).max() < SETTLED:
            break
    W, pull = _working(panel, family, fixed + (h * path).sum(axis=0).T, noise, rows)
    return pull, W


def _working(panel, family, eta, noise, rows):
    """W and q (n, T) about eta less exposure."""
    units, observed = panel.units[rows], panel.observed[rows]
    _, gradient, W = family.working(units, observed, eta + panel.log_exposure[rows], (noise**2)[:, None])
    if panel.weight is not None:
        gradient, W = gradient * panel.weight[rows], W * panel.weight[rows]
    return W, gradient + W * eta


def drawn_paths(
    steps: np.ndarray,
    x: np.ndarray,
    told: tuple[np.ndarray, np.ndarray] | None,
    fixed: np.ndarray,
    motions: Motions,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws (k, T, S) of a product's paths at times (T,) and log prices (T,).

    Parameters
    ----------
    told : tuple of numpy.ndarray or None
        q and W (T,); None where units tell nothing.
    fixed : numpy.ndarray
        Effects' part of eta (T, S).
    """
    pull, W = (np.zeros((len(x), 1)),) * 2 if told is None else (array[:, None] for array in told)
    prior, h = motions.prior(steps), motions.columns(x)[..., None]
    out = rng.standard_normal((len(h), *fixed.shape))
    for start in range(0, fixed.shape[1], CHUNK):
        draws = slice(start, start + CHUNK)
        about = 0.0 if told is None else h * (pull - W * fixed[:, draws])
        out[..., draws] = factored(W, h, prior.part(draws)).draw(out[..., draws], about)
    return out


def paths_at(
    time: np.ndarray, steps: np.ndarray, paths: np.ndarray, motions: Motions, keyed: Keyed
) -> np.ndarray:
    """Paths (k, P, S) at rising times (P,) given those at times (T,), as usual distances of periods."""
    nearest, fitted = nearest_before(time, steps)
    out = np.empty((len(paths), len(time), paths.shape[2]))
    out[:, fitted] = paths[:, nearest[fitted]]
    if not fitted.all():
        for k, motion in enumerate(motions.processes):
            out[k, ~fitted] = beyond(time[~fitted], steps, paths[k], motion, partial(keyed, k))
    return out
