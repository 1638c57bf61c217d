"""Normal effects, and their spreads, in coordinates that are about standard normal given the data."""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from scipy import stats

from hdfm.hierarchy.groups import Members

SMALLEST_START = 0.02


class Evidence(NamedTuple):
    r"""What data say about effects v, roughly: a log-likelihood of :math:`h v - I v^2 / 2`.

    Attributes
    ----------
    precision : array or TensorVariable
        I, at least 0, of the shape of v; (..., n, n) about effects (..., n) jointly. In units of v to the
        power of -2.
    shift : array or TensorVariable
        h, that is I times the value that fits best, of the shape of v. In units of v to the power of -1.
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
        mu and sigma, broadcastable to the shape of v and in its unit; r has none.
    evidence : Evidence
        I and h, broadcastable to the shape of v.
    shape : tuple of int
        The shape of v, which starts at m.
    mixing : TensorVariable, optional
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
    pull, spread, start = scale * (precision * mean - shift), pt.sqrt(inflation), floatX(np.zeros(shape))
    if mixing is None:
        return centre + scale * pm.Normal(name, pull, spread, dims=dims, initval=start)
    mixed = pm.CustomDist(
        name,
        pt.broadcast_to(pull, shape),
        pt.broadcast_to(spread, shape),
        mixing,
        dist=_draw_mixed,
        logp=_mixed_log_density,
        signature="(n),(n),(n,n)->(n)",
        dims=dims,
        initval=start,
    )
    return centre + scale * pt.matvec(mixing, mixed)


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

    whatever I and h: :func:`whitened_normal` for effects about which the data speak jointly, between the
    non-centred and the centred form [1]_.

    Returns
    -------
    TensorVariable
        z, not registered in the model, which starts at ``start``, or else at its conditional mean.

    References
    ----------
    .. [1] Papaspiliopoulos, Roberts, Skoeld (2007), "A general framework for the parametrization of
       hierarchical models", Statistical Science 22(1).
    """
    precision, shift = evidence
    init_point: dict[str, Any] = {"initval": floatX(np.zeros(shape))}
    if start is not None:
        init_point = {"support_point": lambda rv, size, pull, root: pt.matvec(root.mT, floatX(start)) - pull}
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
        **init_point,
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
    u0 = stats.norm.isf(stats.halfnorm.sf(start, scale=scale))
    raw = pm.Normal(name, 0, 1, shape=u0.shape, initval=floatX(u0))
    return scale * np.sqrt(2) * pt.erfcinv(pt.erfc(raw / np.sqrt(2)) / 2)


def evidence_about_means(children: Evidence, sd, members: Members) -> Evidence:
    """Evidence about group means (g,) from that about children (n,) spread about them by sd."""
    inflation = 1 + children.precision * sd**2
    return Evidence(members.sum(children.precision / inflation), members.sum(children.shift / inflation))


def half_normal(name: str, scale: float, *, start: float):
    """A spread, half-normal, that starts at ``start`` or a little above zero."""
    return pm.HalfNormal(name, scale, initval=floatX(max(start, SMALLEST_START)))


def half_t(name: str, dof: float, scale: float, *, start: float):
    """The same with the tail of Student's t."""
    return pm.HalfStudentT(name, dof, scale, initval=floatX(max(start, SMALLEST_START)))
