r"""Predictions from draws, in blocks of rows, so that no array of rows x draws is kept.

Array names and axis order: n rows, S draws, b rows of a block.

    eta (b, S): log of expected units, of their median for log-normal volumes
    scale (b, S), or (1, S) where products share it: what densities take of the noise
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from numbers import Real

import numpy as np
from scipy.special import logsumexp

from hdfm.exceptions import InvalidArgumentError
from hdfm.sales.panel.rows import SalesRows, panel_rows
from hdfm.sales.posterior.draws import DemandPosterior, ExtendedRows, extend_to_rows
from hdfm.sales.posterior.motion import Part, time_key
from hdfm.sales.posterior.paths import drawn_paths, paths_at
from hdfm.sampling.streams import Stream, labelled_stream, stream

BLOCK_CELLS = 2_000_000
Rows = slice | np.ndarray


def check_quantiles(quantiles: Sequence[float]) -> None:
    """Raise if they are not numbers between 0 and 1."""
    if not isinstance(quantiles, Sequence | np.ndarray) or not all(
        isinstance(q, Real) and 0 <= q <= 1 for q in quantiles
    ):
        raise InvalidArgumentError(f"quantiles must be numbers between 0 and 1; got {quantiles!r}.")


def linear_predictor_blocks(
    posterior: DemandPosterior, rows: SalesRows, *, common: bool = True
) -> Iterator[tuple[Rows, np.ndarray, np.ndarray]]:
    """Pieces of the rows, their eta (b, S) and scale; ``common`` as in :func:`extend_to_rows`."""
    extended = extend_to_rows(posterior, rows, common=common)
    draws, rows, block_of = extended.draws, extended.rows, extended.block
    x = rows.log_price - rows.log_reference
    for piece in _pieces(rows.product, max(1, BLOCK_CELLS // draws.delta.shape[1]), whole=draws.has_paths):
        i = rows.product[piece]
        eta = draws.delta[i] + rows.log_exposure[piece, None]
        if draws.beta is not None:
            eta += draws.beta[i] * x[piece, None]
        if draws.gamma is not None:
            eta += draws.time_effect(block_of[piece], rows.period[piece])
        if draws.kappa is not None:
            eta += rows.controls[:, piece].T @ draws.kappa
        if draws.has_paths:
            add_paths(eta, posterior, extended, piece, x[piece])
        yield piece, eta, draws.scale.of_rows(i)


def _pieces(product: np.ndarray, size: int, *, whole: bool) -> Iterator[Rows]:
    """Rows, at most so many at a time; ``whole``: about so many, those of a product together."""
    n = len(product)
    if not whole:
        yield from (slice(start, start + size) for start in range(0, n, size))
        return
    order = np.argsort(product, kind="stable")
    starts = np.flatnonzero(np.diff(product[order], prepend=-1))
    piece = np.repeat(starts // size, np.diff(starts, append=n))
    for rows in np.split(order, np.flatnonzero(np.diff(piece)) + 1):
        yield from (rows[start : start + size] for start in range(0, len(rows), size) if len(rows))


def add_paths(
    eta: np.ndarray, posterior: DemandPosterior, extended: ExtendedRows, piece: Rows, x: np.ndarray
) -> None:
    """Add to eta (b, S) of some rows what paths of their products make of it, at log prices x (b,)."""
    rows = extended.rows
    for i in np.unique(rows.product[piece]):
        members = np.flatnonzero(rows.product[piece] == i)
        paths = paths_of_product(posterior, extended, int(i), rows.time[piece][members])
        eta[members] += (extended.draws.motions(i).columns(x[members])[..., None] * paths).sum(axis=0)


def paths_of_product(
    posterior: DemandPosterior, extended: ExtendedRows, i: int, time: np.ndarray
) -> np.ndarray:
    """Paths (k, n, S) of a product at times (n,)."""
    draws, panel, N = extended.draws, posterior.panel, len(posterior.panel.product)
    steps, S, motions = panel.timeline.steps, draws.delta.shape[1], draws.motions(i)
    key = ("fitted", i) if i < N else extended.newcomers[i - N]

    def keyed(*numbers: int) -> np.random.Generator:
        return labelled_stream(posterior.seed, int(Stream.PATHS), *key, *numbers)

    fixed, x, told = np.zeros((len(steps), S)), np.zeros(len(steps)), None
    if i < N and draws.told is not None:
        fixed, x = draws.fixed_part(panel, i), panel.log_price[i]
        told = draws.told.pull[i], draws.told.precision[i]
    paths = drawn_paths(steps, x, told, fixed, motions, keyed(Part.FITTED))
    times, of_time = np.unique(time, return_inverse=True)
    return paths_at(times, steps, paths, motions, keyed)[:, of_time]


def expected_units(posterior: DemandPosterior, rows: SalesRows) -> np.ndarray:
    """Posterior mean of expected units (n,)."""
    out = np.empty(len(rows.product))
    for piece, eta, scale in linear_predictor_blocks(posterior, rows):
        out[piece] = posterior.spec.family.mean_units(eta, scale).mean(axis=1)
    return out


def demand_multipliers(posterior: DemandPosterior, rows: SalesRows, x: np.ndarray) -> Iterator[np.ndarray]:
    r"""Demand multipliers (m, S) of each product, means over its rows, a product after the other.

    .. math:: m_i(x) = \frac{1}{|R_i|} \sum_{t \in R_i}
        e_{it} \exp(\gamma_{g(i), t} + \kappa' z_{it} + u_{it} + b_{it} x)

    Parameters
    ----------
    rows : SalesRows
        Of fitted products, in their order, all of them; prices don't matter.
    x : numpy.ndarray
        Log prices (N, m), less products' mean, at which elasticities that move are asked; the same for all x
        where none move, then (N, 1) will do.
    """
    extended = extend_to_rows(posterior, rows)
    draws, rows, block_of = extended.draws, extended.rows, extended.block
    size = draws.delta.shape[1]
    starts = np.searchsorted(rows.product, np.arange(len(posterior.panel.product) + 1))
    for i, (start, stop) in enumerate(pairwise(starts)):
        piece = slice(start, stop)
        exposure = np.exp(rows.log_exposure[piece])
        factor = np.ones((stop - start, size))
        if draws.gamma is not None:
            factor = np.exp(draws.time_effect(block_of[piece], rows.period[piece]))
        if draws.kappa is not None:
            factor = factor * np.exp(rows.controls[:, piece].T @ draws.kappa)
        if not draws.has_paths:
            yield exposure @ factor[None] / (stop - start)
            continue
        paths = paths_of_product(posterior, extended, i, rows.time[piece])
        columns = draws.motions(i).columns(np.repeat(x[i][:, None], stop - start, axis=1))
        yield exposure @ (factor * np.exp(np.einsum("kmn,kns->mns", columns, paths))) / (stop - start)


def unit_quantiles(posterior: DemandPosterior, rows: SalesRows, quantiles: Sequence[float]) -> np.ndarray:
    """Quantiles (n, len(quantiles)) of the predictive distribution of units, noise included."""
    if posterior.panel.roles.time is None:  # a running number, which other rows in X would decide
        rows = replace(rows, period=np.zeros(len(rows.period), dtype=int))
    out = np.empty((len(rows.product), len(quantiles)))
    for piece, units in unit_blocks(posterior, rows):
        out[piece] = np.quantile(units, quantiles, axis=1).T
    return out


def unit_blocks(
    posterior: DemandPosterior, rows: SalesRows, *, common: bool = True
) -> Iterator[tuple[Rows, np.ndarray]]:
    """Pieces of the rows and units drawn (b, S), noise included; ``common`` as in :func:`extend_to_rows`.

    The noise of a row depends on the seed, its product and the place of its period in time alone.
    """
    for piece, eta, scale in linear_predictor_blocks(posterior, rows, common=common):
        keys = zip(rows.label.iloc[piece], _places(rows, piece), strict=True)
        rngs = (labelled_stream(posterior.seed, int(Stream.UNITS), *key) for key in keys)
        parts = zip(eta, np.broadcast_to(scale, eta.shape), rngs, strict=True)
        yield piece, np.stack([posterior.spec.family.draw_units(*part) for part in parts])


def replicated_units(posterior: DemandPosterior, copies: int) -> np.ndarray:
    r"""Posterior predictive replicates (K, n) of the fitted rows, in the order of the frame [1]_.

    .. math:: \theta^{(k)} \sim p(\theta \mid y), \qquad y^{(k)}_{it} \sim p(y \mid \eta_{it}(\theta^{(k)}))

    Units of a copy share one draw of all that is estimated; copies take draws without replacement as long as
    there are enough. Paths of products are drawn anew [2]_: those that were fitted know what the data did.

    References
    ----------
    .. [1] Gelman, Meng, Stern (1996), "Posterior predictive assessment of model fitness via realized
       discrepancies", Statistica Sinica 6(4).
    .. [2] Marshall and Spiegelhalter (2003), "Approximate cross-validatory predictive checks in disease
       mapping models", Statistics in Medicine 22(10).
    """
    size = posterior.draws.delta.shape[1]
    which = stream(posterior.seed, Stream.COPIES).choice(size, copies, replace=copies > size)
    draws = replace(posterior.draws.some(which), told=None)
    rows, _ = panel_rows(posterior.panel)
    out = np.empty((len(rows.product), copies))
    for piece, units in unit_blocks(replace(posterior, draws=draws), rows):
        out[piece] = units
    return out[posterior.panel.cell].T


def _places(rows, piece):
    """Keys of the periods of some rows: the position of a fitted one, else its time."""
    times = zip(rows.period[piece], rows.time[piece], strict=True)
    return [("time", time_key(time)) if position < 0 else int(position) for position, time in times]


def pointwise_log_likelihood(
    posterior: DemandPosterior, rows: SalesRows, units: np.ndarray
) -> Iterator[tuple[Rows, np.ndarray]]:
    """Pieces of the rows and their log-likelihood (b, S)."""
    for piece, eta, scale in linear_predictor_blocks(posterior, rows):
        yield piece, posterior.spec.family.log_density(units[piece, None], eta, scale)


def log_predictive_density(posterior: DemandPosterior, rows: SalesRows, units: np.ndarray) -> np.ndarray:
    """log of the mean over draws of p(y | draw), by row (n,)."""
    out = np.empty(len(units))
    for piece, values in pointwise_log_likelihood(posterior, rows, units):
        out[piece] = logsumexp(values, axis=1) - np.log(values.shape[1])
    return out
