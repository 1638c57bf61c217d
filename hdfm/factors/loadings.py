"""Positive loadings of coefficients on factors, in PyTensor."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX

from hdfm.choice.graph.model import COEFFICIENT, coefficient_scale
from hdfm.hierarchy.lkj import covariance_root

START_SD = 0.5
START_AMPLITUDE, START_LOADING = 0.3, 0.3


def loadings(panel, spec, name, dim, L):
    r"""w (N or 1, S, L): amplitude times softplus of :math:`\tilde w_{il} \sim N(\mu_l, \Sigma)`."""
    priors, scale = spec.priors, coefficient_scale(panel)
    N, S = len(panel.customer), len(scale)
    mean = pm.Normal(f"{name}_mean_raw", priors.loading_mean, priors.loading_mean_sd, shape=(S, L))
    decay = priors.amplitude * priors.amplitude_decay ** np.arange(L)
    amplitude = _amplitudes(name, decay, mean, dim, S)
    if panel.roles.customer is None or not spec.customer_loadings:
        w = (amplitude * pt.softplus(mean))[None]
        pm.Deterministic(name, w[0] / scale[:, None], dims=(COEFFICIENT, dim))
        return w
    raw = pm.Normal(f"{name}_raw", 0, 1, shape=(N, S, L))
    root, _ = covariance_root(name, priors.loading_sd, priors.lkj, START_SD**2 * np.eye(S))
    tilde = mean + pt.tensordot(raw, root, axes=[[1], [1]]).transpose(0, 2, 1)
    w = amplitude * pt.softplus(tilde)
    pm.Deterministic(name, w / scale[:, None], dims=("customer", COEFFICIENT, dim))
    return w


def _amplitudes(name, sd, mean, dim, S):
    r"""Half-normal amplitudes a (L,), in coordinates of the log of typical loadings.

    .. math:: \log a_l + \frac{1}{S} \sum_s \log \mathrm{softplus}(\mu_{ls})

    The data speak about this product, and hardly about what makes it up.
    """
    typical = pt.dot(np.full(S, 1 / S), pt.log(pt.softplus(mean)))
    raw = pm.CustomDist(
        f"{name}_size_raw",
        sd,
        typical,
        dist=lambda sd, typical, size: pt.log(pm.HalfNormal.dist(sd, size=size)) + typical,
        logp=lambda raw, sd, typical: pm.logp(pm.HalfNormal.dist(sd), pt.exp(raw - typical)) + raw - typical,
        dims=dim,
        initval=floatX(np.log(np.minimum(START_AMPLITUDE, sd) * START_LOADING)),
    )
    return pm.Deterministic(f"{name}_amplitude", pt.exp(raw - typical), dims=dim)
