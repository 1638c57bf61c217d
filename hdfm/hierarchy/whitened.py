"""Building blocks of hierarchical models in PyTensor."""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from scipy import stats

SMALLEST_START = 0.02
LARGEST_START = 0.9
MOST_COLUMNS = 32
FAR_BELOW = -8.0


class Evidence(NamedTuple):
    r"""What data say about effects v, roughly: a log-likelihood of :math:`h v - I v^2 / 2`.

    Attributes
    ----------
    precision : array or TensorVariable
        I, at least 0.
    shift : array or TensorVariable
        h, that is I times the value that fits best.
    """

    precision: Any
    shift: Any


def whitened_normal(name: str, mean, sd, evidence: Evidence, *, dims, shape, mixing=None):
    r"""Normal effects in coordinates that are about standard normal given the data, whatever mean and sd.

    With evidence I, h about an effect, its conditional mean and sd are

    .. math:: m = \frac{\mu + \sigma^2 h}{1 + I \sigma^2}, \qquad s = \frac{\sigma}{\sqrt{1 + I \sigma^2}}

    and the coordinate is r in v = m + s r. That is exact for any I and h, since

    .. math:: r \sim N\big(s (I \mu - h), \sqrt{1 + I \sigma^2}\big) \iff v \sim N(\mu, \sigma).

    I = 0 is the non-centred form and a large I the centred one; in between, neither form's funnel
    arises, for the balance moves with sigma [1]_. Evidence about effects that is not independent leaves
    r correlated; with a ``mixing`` matrix M, r = M q and q is the coordinate.

    Parameters
    ----------
    name : str
        Name of r in the model.
    mean, sd : TensorVariable or array
        Broadcastable to the shape of v.
    shape : tuple of int
        The shape of v, which starts at m.
    mixing : numpy.ndarray, optional
        Lower triangular M (..., n, n) for the last axis of v.

    Returns
    -------
    TensorVariable
        v, not registered in the model.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts, Skoeld (2007), "A general framework for the parametrization of
       hierarchical models", Statistical Science 22(1).
    """
    precision, shift = evidence
    inflation = 1 + precision * sd**2
    scale = sd / pt.sqrt(inflation)
    centre = (mean + sd**2 * shift) / inflation
    pull, spread, first = scale * (precision * mean - shift), pt.sqrt(inflation), floatX(np.zeros(shape))
    if mixing is None:
        return centre + scale * pm.Normal(name, pull, spread, dims=dims, initval=first)
    mixed = pm.CustomDist(
        name,
        pt.broadcast_to(pull, shape),
        pt.broadcast_to(spread, shape),
        floatX(mixing),
        dist=_draw_mixed,
        logp=_mixed_log_density,
        signature="(n),(n),(n,n)->(n)",
        dims=dims,
        initval=first,
    )
    return centre + scale * pt.matvec(floatX(mixing), mixed)


def _mixed_log_density(q, pull, spread, mixing):
    gap = (pt.matvec(mixing, q) - pull) / spread
    log_volume = pt.log(pt.diagonal(mixing, axis1=-2, axis2=-1)) - pt.log(spread) - np.log(2 * np.pi) / 2
    return (log_volume - gap**2 / 2).sum(axis=-1)


def _draw_mixed(pull, spread, mixing, size):
    return pt.linalg.solve_triangular(
        mixing, pm.Normal.dist(pull, spread, shape=pull.shape), lower=True, b_ndim=1
    )


def whitened_standard_normal(name: str, evidence: Evidence, *, shape, dims=None, start=None):
    r"""Standard normal effects z (..., n) in coordinates that are whitened jointly given the data.

    With evidence I (..., n, n), h (..., n) about z, and the Cholesky root C C' = 1 + I,

    .. math:: z = C'^{-1} (C^{-1} h + r), \qquad r \sim N(-C^{-1} h, C' C) \iff z \sim N(0, 1)

    whatever I and h: :func:`whitened_normal` for effects about which the data speak jointly.

    Returns
    -------
    TensorVariable
        z, not registered in the model, which starts at ``start``, or else at its conditional mean.
    """
    precision, shift = evidence
    first: dict[str, Any] = {"initval": floatX(np.zeros(shape))}
    if start is not None:
        first = {"support_point": lambda rv, size, pull, root: pt.matvec(root.mT, floatX(start)) - pull}
    root = pt.linalg.cholesky(pt.eye(shape[-1]) + precision)
    pull = pt.linalg.solve_triangular(root, shift, lower=True, b_ndim=1)
    raw = pm.CustomDist(
        name,
        pull,
        root,
        dist=_draw_whitened,
        logp=_whitened_log_density,
        signature="(n),(n,n)->(n)",
        dims=dims,
        **first,
    )
    return _from_whitened(raw, pull, root)


def _from_whitened(raw, pull, root):
    return pt.linalg.solve_triangular(root.mT, raw + pull, lower=False, b_ndim=1)


def _whitened_log_density(raw, pull, root):
    z = _from_whitened(raw, pull, root)
    log_volume = pt.log(pt.diagonal(root, axis1=-2, axis2=-1)) + np.log(2 * np.pi) / 2
    return -(z**2 / 2 + log_volume).sum(axis=-1)


def _draw_whitened(pull, root, size):
    z = pm.Normal.dist(0, 1, shape=pull.shape)
    return pt.matvec(root.mT, z) - pull


def spread(name: str, scale: float, start: np.ndarray):
    r"""Half-normal spreads, which start at ``start``, in coordinates u that are standard normal a priori.

    .. math:: P(\sigma' < \sigma) = \Phi(u), \qquad \sigma = s \sqrt 2 \, \mathrm{erfc}^{-1}(\Phi(-u))

    The log of a spread that the data leave near zero has a long tail to the left; u has none.
    """
    first = stats.norm.isf(stats.halfnorm.sf(start, scale=scale))
    raw = pm.Normal(name, 0, 1, shape=first.shape, initval=floatX(first))
    return scale * np.sqrt(2) * pt.erfcinv(pt.erfc(raw / np.sqrt(2)) / 2)


def evidence_about_means(children: Evidence, sd, codes: np.ndarray, n_groups: int) -> Evidence:
    """Evidence about group means (g,) from that about children (n,) spread about them by sd."""
    inflation = 1 + children.precision * sd**2
    return Evidence(
        sum_rows(children.precision / inflation, codes, n_groups),
        sum_rows(children.shift / inflation, codes, n_groups),
    )


def correlation_root(name: str, eta: float, start: np.ndarray):
    r"""Cholesky root (S, S) of a correlation matrix, :math:`R \sim LKJ(\eta)`, from partial correlations.

    .. math:: \rho_{ij | 1..i-1} = 2 b - 1, \quad b \sim \mathrm{Beta}(c_i, c_i), \quad
        c_i = \eta + \frac{S - 1 - i}{2}, \qquad
        L_{ji} = \rho_{ij | 1..i-1} \prod_{k<i} \sqrt{1 - \rho_{kj | 1..k-1}^2}

    are independent [1]_. In the packed covariance root of :class:`pymc.LKJCholeskyCov` a row shrinks with its
    scale, which makes a funnel where the data say little about the scale; here scales are apart. R starts at
    ``start`` (S, S).

    References
    ----------
    .. [1] Lewandowski, Kurowicka, Joe (2009), "Generating random correlation matrices based on vines and
       extended onion method", Journal of Multivariate Analysis 100(9).
    """
    size = len(start)
    row, column = np.tril_indices(size, -1)
    shape = eta + (size - 2 - column) / 2
    first = (1 + _partial_correlations(start)[row, column]) / 2
    share = pm.Beta(name, shape, shape, initval=floatX(first))
    partial = pt.zeros((size, size))[row, column].set(2 * share - 1)
    log_left = pt.log1p(-(partial**2))
    before = pt.cumsum(log_left, axis=1) - log_left
    return (partial + pt.eye(size)) * pt.exp(before / 2)


def _partial_correlations(correlation):
    """Of i and j given those before i (S, S), below the diagonal; at most ``LARGEST_START``."""
    root = np.linalg.cholesky(correlation)
    left = 1 - np.tril(np.cumsum(root**2, axis=1) - root**2, -1)
    return np.tril(root / np.sqrt(left), -1).clip(-LARGEST_START, LARGEST_START)


def half_normal(name: str, scale: float, *, start: float):
    """A spread, half-normal, that starts at ``start`` or a little above zero."""
    return pm.HalfNormal(name, scale, initval=floatX(max(start, SMALLEST_START)))


def log_normal_cdf(z):
    """Log of the standard normal distribution function, finite and smooth in 32 bits too.

    Below ``FAR_BELOW``, where erfc would underflow, by its asymptotic series.
    """
    near, far = pt.maximum(z, FAR_BELOW), pt.minimum(z, FAR_BELOW)
    series = -(far**2) / 2 - pt.log(-far) - np.log(2 * np.pi) / 2 + pt.log1p(-(far**-2) + 3 * far**-4)
    return pt.switch(z > FAR_BELOW, pt.log(pt.erfc(-near / np.sqrt(2)) / 2), series)


def spread_rows(table, codes: np.ndarray):
    """``table[codes]`` (n, ...) of a small table (g,) or (g, t), by a matmul where g is small.

    The gradient of a gather is a scatter-add, slow on GPUs and on CPUs for few groups.
    """
    n_groups = int(codes.max()) + 1
    if n_groups == 1:
        return table[0][None]
    if n_groups > MOST_COLUMNS:
        return table[codes]
    return pt.dot(_one_hot(codes, n_groups), table)


def sum_rows(values, codes: np.ndarray, n_groups: int):
    """Sums (g,) of values (n,) by group."""
    if n_groups > MOST_COLUMNS:
        return pt.zeros(n_groups)[codes].inc(values)
    return pt.dot(values, _one_hot(codes, n_groups))  # with the matrix first, PyTensor makes it a scatter


def _one_hot(codes, n_groups):
    return pt.constant((codes[:, None] == np.arange(n_groups)).astype(float))
