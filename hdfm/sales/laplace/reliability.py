"""Importance weights of the Laplace approximation, product by product: how far the exact posterior is.

Array names and axis order: N products, T periods, S draws.
"""

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.mode import LaplaceMode, laplace_mode
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.streams import Stream, stream

DRAWS = 400
CLOSE = 0.1
CELLS = 1_000_000  # cells times draws at a time


def pareto_k(panel: SalesPanel, spec: DemandSpec, seed: int) -> np.ndarray:
    r"""Pareto k (N,) of the importance weights of each product's draws given what products share.

    .. math:: w_s = p(y_i | v_s, c) \, p(v_s | c) / q(v_s | c)

    with q what draws come from, at the mode of the scales and of what is shared, c; v has a product's paths
    too where it has any. Above 0.7 the
    approximation is too far from the posterior for weights to mend it [1]_. Where the weights' sd is below
    0.1, k is 0: by Cauchy and Schwarz the exact mean is then within 0.1 sd, whatever the shape of the tail.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao, Gabry (2024), "Pareto smoothed importance sampling", Journal of
       Machine Learning Research 25(72).
    """
    with threadpool_limits(1):
        return _pareto_k(laplace_mode(panel, spec), stream(seed, Stream.PARETO_K))


def _pareto_k(mode: LaplaceMode, rng: np.random.Generator) -> np.ndarray:
    ratios = log_ratios(mode, rng)
    weight = np.exp(ratios - logsumexp(ratios, axis=1, keepdims=True)) * DRAWS
    matters = weight.std(axis=1) > CLOSE
    k = np.zeros(len(ratios))
    if matters.any():
        k[matters] = array_stats.psislw(-ratios[matters], axis=-1)[1]
    return k


def log_ratios(mode: LaplaceMode, rng: np.random.Generator) -> np.ndarray:
    """log w (N, S), up to a constant of each product."""
    N, T = mode.expansion.eta.shape
    z = rng.standard_normal((2, N, DRAWS))
    ratios = np.zeros((N, DRAWS))
    if (low := mode.expansion.low) is not None:
        normal = z[:, low.which]
        z = low.reshaped(z, slice(0, N))
        ratios[low.which] = low.shape.log_ratio(normal, z[:, low.which], slice(0, len(low.which)))
    posterior = mode.marginal.posterior(mode.scales)
    v = posterior.blocks.half_solve_back(z)
    step = max(1, CELLS // (T * DRAWS))
    parts = [slice(start, start + step) for start in range(0, N, step)]
    tasks = list(zip(parts, rng.spawn(len(parts)), strict=True))
    gaps = in_threads(mode.model, lambda task: _exact_less_working(mode, v[:, task[0]], *task), tasks)
    for part, gap in zip(parts, gaps, strict=True):
        ratios[part] += gap
    return ratios


def _exact_less_working(
    mode: LaplaceMode, v: np.ndarray, part: slice, rng: np.random.Generator
) -> np.ndarray:
    """Log-likelihood less the working one (n, S) of a part of products, v (2, n, S) from their means."""
    panel, at, family = mode.model.panel, mode.expansion, mode.model.spec.family
    variance = mode.model.variance(mode.scales)
    move = v[0, :, None] + panel.log_price[part, :, None] * v[1, :, None]
    if at.paths is not None:
        move += _moves_of_paths(at, move, part, rng)
    W, g = at.cells.precision[part, :, None], at.cells.gradient[part, :, None]
    exact, _, _ = family.working(
        panel.units[part, :, None],
        panel.observed[part, :, None],
        move + (at.eta[part] + panel.log_exposure[part])[..., None],
        variance[part, None, None],
    )
    if panel.weight is not None:
        exact = exact * panel.weight[part, :, None]
    return (exact - (g - 0.5 * W * move) * move).sum(axis=1)


def _moves_of_paths(at: Expansion, move: np.ndarray, part: slice, rng: np.random.Generator) -> np.ndarray:
    """Draws (n, T, S) of what paths add to eta, from where they are, given moves of effects' part."""
    assert at.paths is not None
    assert at.path_means is not None
    paths, (n, T, S) = at.paths.paths.part(part), move.shape
    from_here = (at.paths.mean - at.path_means)[:, :, None, part]
    own = from_here - paths.towards(paths.W[:, None] * move.transpose(1, 2, 0))
    own = own + paths.draw(rng.standard_normal((len(own), T, S, n)))
    return paths.of(own).transpose(2, 0, 1)
