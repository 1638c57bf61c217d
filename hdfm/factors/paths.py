"""Factors of time in coordinates whitened by what data say about them, in PyTensor.

Array names and axis order: T periods, L factors, m coordinates of a factor, R series of scores; G groups of
factors that share lengthscales.

    theta (G, T, L); roots B (L, T, m)
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable
from scipy.sparse import csr_array

from hdfm.exceptions import unknown
from hdfm.factors.hsgp import TimeGP, gp_roots
from hdfm.hierarchy.whitened import Evidence, whitened_standard_normal

ROUNDING = 1e-9


def moving_together(score: csr_array, B: np.ndarray, L: int, known: np.ndarray | None = None) -> np.ndarray:
    r"""Principal paths: coordinates (L, m) of smooth paths along which scores (R, T) move together.

    With loadings w of variance :math:`\tau^2` on a path theta, the log-likelihood rises by about

    .. math:: \frac{\tau^2}{2} \theta' M \theta, \qquad
        M_{tt'} = \sum_r g_{rt} g_{rt'} \ (t \ne t'), \quad M_{tt} = 0

    since the square of a score holds as much noise as it has information, and scores of different periods
    share none. Paths are eigenvectors of M under the prior of covariance B B', of variance 1, each with the
    sign under which more loadings are positive, or 0 where nothing seems to move any more. Individual habits
    that drift count as much as common movements, which alone would start the sampler in a lesser mode.

    Parameters
    ----------
    known : numpy.ndarray, optional
        Paths (T, K) to stay apart from.
    """
    M = (score.T @ score).toarray()
    np.fill_diagonal(M, 0)
    if known is not None and known.shape[1]:
        basis = np.linalg.qr(known)[0]
        apart = np.eye(len(B)) - basis @ basis.T
        M = apart @ M @ apart
    coordinates = np.zeros((L, B.shape[1]))
    values, vectors = np.linalg.eigh(B.T @ M @ B)
    moving = values > ROUNDING * abs(values).max()
    for place, z in zip(coordinates, vectors.T[moving][::-1], strict=False):
        path = B @ z
        gain = score @ path
        sign = 1 if (gain.clip(0) ** 2).sum() >= (gain.clip(max=0) ** 2).sum() else -1
        place[:] = sign * z / path.std()
    return coordinates


def whitened_factors(
    name: str, gp: TimeGP, lengthscale, groups: Sequence[Evidence], L: int, start: np.ndarray
):
    r"""Factors theta (G, T, L), zero-sum over periods, whitened by evidence about each group by period.

    .. math:: \theta_{gl} = B_l z_{gl}, \qquad z_{gl} \sim N(0, 1)

    with the roots B (L, T, m) of :func:`hdfm.factors.hsgp.gp_roots`. What data say of a group's coordinates z
    (L m,) is theirs by :func:`evidence_about_coordinates`, and
    :func:`hdfm.hierarchy.whitened.whitened_standard_normal` whitens them jointly. theta has no unit.

    Parameters
    ----------
    name : str
        Of the whitened coordinates (G, L m) in the model.
    lengthscale : TensorVariable
        (L,), in the unit of the process's times.
    groups : sequence of Evidence
        J (T, L, L) and g (T, L) about the factors of each of G groups by period.
    start : numpy.ndarray
        z (G, L, m) to start at.
    """
    B = gp_roots(gp, lengthscale)
    G, m = len(groups), gp.size
    evidence = evidence_about_coordinates(gp, B, groups, L)
    z = whitened_standard_normal(name, evidence, shape=(G, L * m), start=start.reshape(G, L * m))
    return pt.matvec(B, z.reshape((G, L, m))).transpose(0, 2, 1)


def evidence_about_coordinates(gp: TimeGP, B, groups: Sequence[Evidence], L: int) -> Evidence:
    r"""About coordinates (G, L m), from evidence J (T, L, L), g (T, L) about factors by period.

    .. math:: \sum_t B_{ltk} J_{ll'}(t) B_{l'tk'}, \qquad \sum_t B_{ltk} g_l(t)

    Eigenfunctions overlap on the periods, which leaves posterior sds of their coordinates that differ by an
    order of magnitude, in directions oblique to them that move with the lengthscale: hence jointly.
    """
    G, m = len(groups), gp.size
    J = pt.stack([group.precision for group in groups]).transpose(0, 2, 1, 3)
    g = pt.stack([group.shift for group in groups]).transpose(0, 2, 1)
    right = (J[..., None] * B.transpose(1, 0, 2)).reshape((G, L, -1, L * m))
    precision = (B.mT @ right).reshape((G, L * m, L * m))
    return Evidence(precision, pt.matvec(B.mT, g).reshape((G, L * m)))


class LengthscalePriors(Protocol):
    """Hyperparameters of lengthscales."""

    @property
    def lengthscale(self) -> tuple[float, float]: ...
    @property
    def lengthscale_family(self) -> str: ...


def lengthscales(name: str, priors: LengthscalePriors, dim: str | None, size: int | None) -> TensorVariable:
    """Lengthscales (L,) on the time scale from 0 to 1, or one where size is None."""
    scale, shape = priors.lengthscale
    start = floatX(np.full(() if size is None else size, scale))
    match priors.lengthscale_family:
        case "weibull":
            return pm.Weibull(name, alpha=shape, beta=scale, dims=dim, initval=start)
        case "log_normal":
            return pm.LogNormal(name, np.log(scale), shape, dims=dim, initval=start)
        case _:
            raise unknown("lengthscale_family", priors.lengthscale_family)
