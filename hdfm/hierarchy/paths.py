r"""Ornstein-Uhlenbeck paths in coordinates that are about standard normal given the data.

.. math:: u_i \sim N(0, \sigma_i^2 R), \qquad R_{tt'} = 2^{-|\tau_t - \tau_{t'}| / h}

With evenly spaced times :math:`\tau` these are stationary AR(1) paths.

Array names and axis order: N paths, T times, and as many cosines of time.
"""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable

from hdfm.hierarchy.whitened import Evidence, whitened_normal


class PathClock(NamedTuple):
    """When paths are, and how long they take to forget half.

    Attributes
    ----------
    times : TensorVariable
        tau (T,), in the unit of the half-life.
    half_life : TensorVariable
        h, a scalar.
    """

    times: Any
    half_life: Any

    def correlation(self) -> TensorVariable:
        """R (T, T)."""
        return pt.exp2(-abs(self.times[:, None] - self.times) / self.half_life)

    def steps(self) -> tuple[TensorVariable, TensorVariable]:
        """Correlation with the time before (T,), 0 of the first; sd (T,) of innovations, in sigmas."""
        gaps = pt.diff(self.times) / self.half_life
        rho = pt.concatenate([pt.zeros(1), pt.exp2(-gaps)])
        variance = pt.concatenate([pt.ones(1), -pt.expm1(-2 * np.log(2) * gaps)])
        return rho, pt.sqrt(variance)

    def root(self) -> TensorVariable:
        """Cholesky root (T, T) of R."""
        return pt.tril(self.correlation()) * self.steps()[1]


def paths_by_innovations(
    name: str, sd: Any, clock: PathClock, evidence: Evidence, *, dims: Any, shape: tuple[int, int]
) -> TensorVariable:
    """Paths (N, T) by their innovations, each whitened by what data say about all that follows from it.

    For paths that soon forget, about which some times say much and most say nothing.

    Parameters
    ----------
    sd : TensorVariable
        sigma, a scalar.
    evidence : Evidence
        About each path at each time, (N, T) and (N, T).
    """
    root, (precision, shift) = clock.root(), evidence
    of_innovations = Evidence(pt.dot(precision, root**2), pt.dot(shift, root))
    return pt.dot(whitened_normal(name, 0.0, sd, of_innovations, dims=dims, shape=shape), root.T)


class PathEvidence(NamedTuple):
    """What data say about paths, and along which cosines it is put.

    Attributes
    ----------
    about : Evidence
        About each path at each time, (N, T) and (N, T); 0 where there is none.
    cosines : TensorVariable
        Orthonormal basis (T, T) of time; rows and columns of times that there are not are 0, and last.
    there : TensorVariable
        Whether there is such a path and time (N, T).
    """

    about: Evidence
    cosines: Any
    there: Any


def whitened_paths(
    name: str, sd: Any, clock: PathClock, evidence: PathEvidence, *, dims: Any, shape: tuple[int, int]
) -> TensorVariable:
    r"""Paths (N, T) in coordinates r (N, T) that are about standard normal given the data.

    Along cosines C the paths' covariance is nearly diagonal, :math:`v_k = (C R C')_{kk}`, and so is their
    posterior, as far as times tell equally much, I_i on average. With evidence h of times,

    .. math:: u_i = C' (m_i + s_i r_i), \qquad
        s_{ik}^2 = \frac{\sigma_i^2 v_k}{1 + I_i \sigma_i^2 v_k}, \qquad m_{ik} = s_{ik}^2 (C h_i)_k

    and the density of r is that of the paths times :math:`\prod_k s_{ik}`, whatever C, I and h. It is the
    form of :func:`hdfm.hierarchy.whitened.whitened_normal`: where the data say nothing coordinates scale with
    sigma, where they say much they do not. The condition number of R along cosines, so scaled, is at most
    2.2; that of the posterior of innovations some hundred where half-lives are long and data say much.

    Coordinates of what is not there are standard normal.

    Parameters
    ----------
    sd : TensorVariable
        sigma (N,) or (1,).
    """
    (precision, shift), cosines, there = evidence
    variance = sd[:, None] ** 2 * (pt.dot(cosines, clock.correlation()) * cosines).sum(axis=1)
    number = pt.maximum(there.sum(axis=1, keepdims=True), 1)
    inflation = 1 + variance * precision.sum(axis=1, keepdims=True) / number
    centre = pt.switch(there, variance * pt.dot(shift, cosines.T) / inflation, 0.0)
    scale = pt.switch(there, pt.sqrt(pt.switch(there, variance, 1.0) / inflation), 1.0)
    rho, step_sd = clock.steps()
    raw = pm.CustomDist(
        name,
        centre,
        scale,
        pt.broadcast_to(sd, shape[:1]),
        rho,
        step_sd,
        cosines,
        there,
        dist=_draw_coordinates,
        logp=_log_density_of_coordinates,
        signature="(n,t),(n,t),(n),(t),(t),(t,t),(n,t)->(n,t)",
        dims=dims,
        initval=floatX(np.zeros(shape)),
    )
    return pt.dot(centre + scale * raw, cosines)


def _log_density_of_coordinates(raw, centre, scale, sd, rho, step_sd, cosines, there):
    paths = pt.dot(centre + scale * raw, cosines)
    before = pt.concatenate([pt.zeros_like(paths[:, :1]), paths[:, :-1]], axis=1)
    spread = sd[:, None] * step_sd
    innovations = (paths - rho * before) / spread
    of_paths = pt.log(scale) - pt.log(spread) - innovations**2 / 2
    return (pt.switch(there, of_paths, -(raw**2) / 2) - np.log(2 * np.pi) / 2).sum()


def _draw_coordinates(centre, scale, sd, rho, step_sd, cosines, there, size):
    z = pm.Normal.dist(0, 1, shape=centre.shape)
    log_decay = pt.concatenate([pt.zeros(1), pt.cumsum(pt.log(rho[1:]))])
    root = pt.tril(pt.exp(pt.minimum(log_decay[:, None] - log_decay, 0.0))) * step_sd
    heights = pt.dot(sd[:, None] * pt.dot(z, root.T), cosines.T)
    return pt.switch(there, (heights - centre) / scale, z)
