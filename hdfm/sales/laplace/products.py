r"""Log marginal likelihood product by product, of which slopes by a product's own noise are taken.

The slope of the log marginal likelihood by anything that is a product's own is that of

.. math:: Q_i(\varsigma_i) = E_{c \mid y} \log \int p(y_i \mid v_i, c, \varsigma_i) \, p(v_i \mid c) \, dv_i

with the posterior of what products share, c, held (Fisher's identity). For a working likelihood of
information A and gradient g about x_0 it is quadratic in the move d of eta that c makes,

.. math:: \ell + g'd - \tfrac12 d'Ad + \tfrac12 q' B^{-1} q - \tfrac12 \log |B| |\Omega|^{-1}, \qquad
    q = Z'(g - A d), \quad B = Z'AZ + \Omega

so that its expectation is the value at the mean of c, and a mean of squares over draws of c about it.

Array names and axis order: N products, n of a piece, T periods, S draws; the mean, then draws: 1 + S.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.arrow import product_blocks
from hdfm.sales.laplace.effects import time_paths
from hdfm.sales.laplace.expansion import Expansion
from hdfm.sales.laplace.paths import PathPrior, quadratics
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales, expected_products, product_precision
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.laplace.wandering import path_columns, told_to_paths
from hdfm.sampling.streams import Stream, stream

PIECE = 256  # products at a time
FEWEST, MOST, CELLS = 16, 32, 500_000  # draws, and cells of all draws
SEED = 0  # of the draws that replace a trace


@dataclass(frozen=True, slots=True)
class SharedMoves:
    """Moves from x_0 of what products share: the mean, then draws about it, last.

    Attributes
    ----------
    expected : numpy.ndarray
        Of products' expected effects, less their own at x_0 in the mean (2, N, 1 + S).
    gamma : numpy.ndarray or None
        Of time effects (G, T, 1 + S) or (1, T, 1 + S).
    kappa : numpy.ndarray
        Of control effects (K, 1 + S).
    """

    expected: np.ndarray
    gamma: np.ndarray | None
    kappa: np.ndarray

    def of_eta(self, model: ArrowModel, rows: slice) -> np.ndarray:
        """Of eta of some products (1 + S, n, T), their own effects as expected."""
        panel = model.panel
        level, slope = np.moveaxis(self.expected[:, rows], 2, 1)[..., None]
        out = level + slope * panel.log_price[rows]
        if self.gamma is not None:
            block = panel.group[rows] if model.layout.by_bundle else np.zeros(out.shape[1], dtype=int)
            out += np.moveaxis(self.gamma, 2, 0)[:, block]
        if len(self.kappa):
            out += np.tensordot(self.kappa.T, panel.controls[:, rows], axes=1)
        return out


def shared_moves(posterior: NormalPosterior) -> SharedMoves:
    """Mean and draws of a posterior's shared effects; the same draws each time."""
    model, at = posterior.likelihood.model, posterior.likelihood.at
    layout, group = model.layout, model.panel.group
    S = int(np.clip(CELLS / model.panel.units.size, FEWEST, MOST))
    bundle, top = posterior.arrow.draw(S, stream(SEED, Stream.LAPLACE))
    bundle = np.concatenate([posterior.bundle[..., None], bundle], axis=2)
    top = np.concatenate([posterior.top[:, None], top], axis=1)
    expected = np.einsum("jnq,nqs->jns", layout.design, bundle[group, layout.n_cosines :])
    expected[..., 0] += expected_products(model, at.bundle) - at.product
    return SharedMoves(
        expected,
        time_paths(layout, bundle, top) if len(layout.cosines) else None,
        top[layout.top["controls"]],
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some products, as far as noise and paths don't change them.

    Attributes
    ----------
    rows : slice
    start : numpy.ndarray or None
        What paths add to eta_0 (n, T).
    columns : numpy.ndarray
        Z, that is ones and log prices, and moves of eta (n, T, 3 + S).
    cells : dict
        Log-likelihood (n,), gradient and precision (n, T) by noise: paths change none of them.
    """

    rows: slice
    start: np.ndarray | None
    columns: np.ndarray
    cells: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class ProductValues:
    """Q by product, up to a constant of each, of the working likelihood about an expansion, at other noise.

    Attributes
    ----------
    at : Expansion
    like : Scales
        What else is held, ratios of products' noise among it.
    pieces : list
        All products.
    """

    at: Expansion
    like: Scales
    pieces: list[_Piece]

    def __call__(self, scales: Scales) -> np.ndarray:
        """Q (N,)."""
        model = self.at.model
        precision, prior = product_precision(self.like, model.spec), model.path_prior(scales)

        def values(piece: _Piece) -> np.ndarray:
            h, of_paths = path_columns(model.panel.log_price[piece.rows], scales), prior.part(piece.rows)
            value, g, W = _cells(self.at, piece, scales)
            return value + _value_less_cells(piece, (g, W, h), of_paths, precision)

        return np.concatenate(list(in_threads(model, values, self.pieces)))


def product_values(at: Expansion, posterior: NormalPosterior) -> ProductValues:
    """Of the posterior of what products share; its scales but for noise and paths are held."""
    shared = shared_moves(posterior)
    starts = range(0, len(at.model.panel.product), PIECE)
    pieces = list(in_threads(at.model, lambda k: _piece(at, shared, slice(k, k + PIECE)), starts))
    return ProductValues(at, posterior.scales, pieces)


def _piece(at: Expansion, shared: SharedMoves, rows: slice) -> _Piece:
    d, x = shared.of_eta(at.model, rows), at.model.panel.log_price[rows]
    columns = np.empty((*x.shape, 2 + len(d)))
    columns[..., 0], columns[..., 1], columns[..., 2:] = 1.0, x, np.moveaxis(d, 0, 2)
    start = None
    if at.path_means is not None:
        start = (path_columns(x, at.scales) * at.path_means[..., rows].swapaxes(1, 2)).sum(axis=0)
    return _Piece(rows, start, columns, {})


def _value_less_cells(
    piece: _Piece,
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
    prior: PathPrior,
    precision: np.ndarray,
) -> np.ndarray:
    """Q (n,) less the log-likelihood, of its gradient and W (n, T), h (k, n, T), prior of paths and Omega."""
    (g, W, h), value = cells, 0.0
    pull = g
    if piece.start is not None:
        pull = W * piece.start + g
        value = -np.vecdot(pull + g, piece.start) / 2
    products, log_det = quadratics(W, h, prior, pull, piece.columns)
    A1, Ax, own, gradient = np.moveaxis(products, 1, 0)
    blocks = product_blocks(np.stack([A1[:, 0], A1[:, 1], Ax[:, 1]]), precision)
    right = -np.stack([A1[:, 2:], Ax[:, 2:]])
    right[..., 0] += gradient[:, :2].T
    quadratic = (own[:, 2:] - np.square(blocks.half_solve(right)).sum(axis=0)) / 2  # (n, 1 + S)
    value += gradient[:, 2] - gradient[:, 3] / 2 - quadratic[:, 0] - quadratic[:, 1:].mean(axis=1)
    value -= log_det / 2
    return value - np.log(blocks.root[0] * blocks.root[2])


def _cells(at: Expansion, piece: _Piece, scales: Scales) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood (n,), gradient and precision (n, T) of a piece about an expansion."""
    noise = at.model.noise(scales)[piece.rows]
    key = noise.tobytes()
    if key not in piece.cells:
        piece.cells[key] = _computed_cells(at, piece.rows, noise)
    return piece.cells[key]


def _computed_cells(
    at: Expansion, rows: slice, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    panel, family = at.model.panel, at.model.spec.family
    eta, units, observed = at.eta[rows] + panel.log_exposure[rows], panel.units[rows], panel.observed[rows]
    value, g, W = family.working(units, observed, eta, (noise**2)[:, None])
    if family.noise is not None:
        value = value + family.noise.cell_constant(units, noise[:, None]) * observed
    if panel.weight is not None:
        value, g, W = (array * panel.weight[rows] for array in (value, g, W))
    if at.paths is not None:
        g, W = told_to_paths(g, W)
    return value.sum(axis=1), np.ascontiguousarray(g), np.ascontiguousarray(W)
