"""Positive loadings of coefficients on factors, in PyTensor."""

from typing import Protocol

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable

from hdfm.factors.tier import COEFFICIENT
from hdfm.hierarchy.lkj import covariance_root

START_SD = 0.5
START_AMPLITUDE, START_LOADING = 0.3, 0.3


class LoadingPriors(Protocol):
    """Hyperparameters of loadings."""

    @property
    def loading_mean(self) -> float: ...
    @property
    def loading_mean_sd(self) -> float: ...
    @property
    def loading_sd(self) -> float: ...
    @property
    def lkj(self) -> float: ...
    @property
    def amplitude(self) -> float: ...
    @property
    def amplitude_decay(self) -> float: ...


def loadings(
    name: str, dim: str, L: int, *, priors: LoadingPriors, scale: TensorVariable, n_customers: int | None
) -> TensorVariable:
    r"""Positive loadings w (N or 1, S, L) of N customers' S coefficients on L factors.

    .. math::

        w_{isl} = a_l \log(1 + e^{\tilde w_{isl}}), \qquad \tilde w_{il} = \mu_l + C e_{il}, \quad
        e_{isl} \sim N(0, 1), \quad C C' = \mathrm{diag}(\sigma) R \, \mathrm{diag}(\sigma)

    with one root C (S, S) for all factors, from :func:`hdfm.hierarchy.lkj.covariance_root`, means
    :math:`\mu` (S, L) and amplitudes a (L,),

    .. math::

        R \sim \mathrm{LKJ}, \quad \sigma_s \sim N^+(0, \text{loading\_sd}), \quad
        \mu_{sl} \sim N(\text{loading\_mean}, \text{loading\_mean\_sd}), \quad
        a_l \sim N^+(0, \text{amplitude} \cdot \text{amplitude\_decay}^l), \ l = 0, 1, \ldots

    Loadings above 0 fix the sign of factors, whose unit variance fixes the scale of loadings. The function
    log(1 + exp), softplus [1]_, is linear for large loadings, where an exponential would make their prior's
    tail heavy. Amplitudes that fall with l shrink factors that are not needed, in the manner of [2]_.

    Parameters
    ----------
    name, dim : str
        Of the variable in the model, and of its dimension of factors.
    scale : TensorVariable
        What coefficients (S,) are divided by to report them. w is in the units of coefficients before that,
        the variable ``name`` in those after it; factors have no unit.
    n_customers : int or None
        N; None where all customers have the same loadings, :math:`\mu_l` in place of :math:`\tilde w_{il}`.

    Returns
    -------
    TensorVariable
        w, (1, S, L) where all customers have the same.

    References
    ----------
    .. [1] Dugas, Bengio, Belisle, Nadeau, Garcia (2001), "Incorporating second-order functional knowledge for
       better option pricing", Advances in Neural Information Processing Systems 13.
    .. [2] Bhattacharya and Dunson (2011), "Sparse Bayesian infinite factor models", Biometrika 98(2).
    """
    (S,) = scale.type.shape
    mean = pm.Normal(f"{name}_mean_raw", priors.loading_mean, priors.loading_mean_sd, shape=(S, L))
    decay = priors.amplitude * priors.amplitude_decay ** np.arange(L)
    amplitude = _amplitudes(name, decay, mean, dim, S)
    if n_customers is None:
        w = (amplitude * pt.softplus(mean))[None]
        pm.Deterministic(name, w[0] / scale[:, None], dims=(COEFFICIENT, dim))
        return w
    raw = pm.Normal(f"{name}_raw", 0, 1, shape=(n_customers, S, L))
    root, _ = covariance_root(name, priors.loading_sd, priors.lkj, START_SD**2 * np.eye(S))
    tilde = mean + pt.tensordot(raw, root, axes=[[1], [1]]).transpose(0, 2, 1)
    w = amplitude * pt.softplus(tilde)
    pm.Deterministic(name, w / scale[:, None], dims=("customer", COEFFICIENT, dim))
    return w


def _amplitudes(name, sd, mean, dim, S):
    r"""Half-normal amplitudes a (L,), in coordinates of the log of typical loadings.

    .. math:: \log a_l + \frac{1}{S} \sum_s \log \mathrm{softplus}(\mu_{sl})

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
