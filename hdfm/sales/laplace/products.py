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
from hdfm.sales.laplace.information import DiagonalInformation, Information
from hdfm.sales.laplace.posterior import NormalPosterior
from hdfm.sales.laplace.prior import ArrowModel, Scales, expected_products, product_precision
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.laplace.wandering import path_posterior
from hdfm.sales.laplace.working import WorkingCells
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


def product_values(at: Expansion, shared: SharedMoves, scales: Scales) -> np.ndarray:
    """Q (N,), up to a constant of each product, of the working likelihood about an expansion at scales."""
    N = len(at.model.panel.product)
    pieces = [slice(start, start + PIECE) for start in range(0, N, PIECE)]
    return np.concatenate(list(in_threads(at.model, lambda rows: _values(at, shared, scales, rows), pieces)))


def _values(at: Expansion, shared: SharedMoves, scales: Scales, rows: slice) -> np.ndarray:
    """Of some products (n,)."""
    model, x = at.model, at.model.panel.log_price[rows]
    value, A, g = _integrated(at, scales, rows)
    d = shared.of_eta(model, rows)
    AZ, Ad = np.split(A.times(np.concatenate([np.ones((1, *x.shape)), x[None], d])), [2])
    A1, Ax = AZ
    squares = np.stack([A1.sum(axis=1), Ax.sum(axis=1), np.vecdot(Ax, x)])
    blocks = product_blocks(squares, product_precision(scales, model.spec))
    pull = -Ad
    pull[0] += g
    half = blocks.half_solve(np.stack([pull.sum(axis=2), np.vecdot(pull, x)]).swapaxes(1, 2))
    quadratic = (np.vecdot(d, Ad) - np.square(half).sum(axis=0).T) / 2  # (1 + S, n)
    value += np.vecdot(d[0], g) - quadratic[0] - quadratic[1:].mean(axis=0)
    return value - np.log(blocks.root[0] * blocks.root[2])


def _integrated(at: Expansion, scales: Scales, rows: slice) -> tuple[np.ndarray, Information, np.ndarray]:
    """Log-likelihood (n,), information and gradient (n, T) about an expansion, paths integrated out."""
    model, panel, family = at.model, at.model.panel, at.model.spec.family
    eta, noise = at.eta[rows] + panel.log_exposure[rows], model.noise(scales)[rows]
    units, observed = panel.units[rows], panel.observed[rows]
    value, g, W = family.working(units, observed, eta, (noise**2)[:, None])
    if family.noise is not None:
        scale = dict(family.noise.variables(noise))[family.noise.scale][:, None]
        value = np.where(observed, family.log_density(np.where(observed, units, 1.0), eta, scale), 0.0)
    if panel.weight is not None:
        value, g, W = (array * panel.weight[rows] for array in (value, g, W))
    if not scales.paths:
        return value.sum(axis=1), DiagonalInformation(W), g
    before = None if at.path_means is None else at.path_means[..., rows]
    paths = path_posterior(model, scales, WorkingCells(0.0, g, W), before, rows)
    return value.sum(axis=1) + paths.value, paths.information, paths.gradient
