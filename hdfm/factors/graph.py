r"""What tiers of factors add to coefficients, in PyTensor.

.. math:: \beta_{is}(t) = \alpha_{is} + \sum_\text{tiers} \sum_l w_{isl} \, \theta_{g(i, s) l}(t)

Array names and axis order: N customers, S coefficients in C categories, P coefficients of a category, T
periods, L factors of a tier, G paths of a factor, m coordinates of a path; O choice sets, or other rows.

    w (N or 1, S, L); theta (T, L) or (N, T, L)
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import floatX
from pytensor.tensor import TensorVariable

from hdfm.factors.data import FactorData
from hdfm.factors.evidence import evidence_by_period, together
from hdfm.factors.hsgp import gp_factors
from hdfm.factors.loadings import LoadingPriors, loadings
from hdfm.factors.paths import LengthscalePriors, lengthscales, whitened_factors
from hdfm.factors.tier import COEFFICIENT, TierSize, n_owners
from hdfm.hierarchy.data import held


class Moving(NamedTuple):
    """What a tier of factors adds to coefficients: weights on paths, by customer or not.

    Attributes
    ----------
    weight : TensorVariable
        w (N or 1, S, L).
    path : tuple of TensorVariable
        theta that coefficients of each category read: (T, L), or (N, T, L) by customer.
    """

    weight: Any
    path: tuple[Any, ...]

    def of_category(self, category: int, part: slice) -> tuple[TensorVariable, TensorVariable]:
        """Weights (N or 1, P, L) and the path of the coefficients ``part`` of a category."""
        return self.weight[:, part], self.path[category]

    def mean(self, category: int, part: slice, share: TensorVariable) -> TensorVariable:
        """What it adds (T, P) to a category's coefficients, on average over customers of shares (N,)."""
        w, path = self.of_category(category, part)
        path = pt.tensordot(share, path, axes=1) if path.ndim == 3 else path
        return pt.dot(path, mean_of_customers(w, share).T)


def added_in_rows(
    weight: TensorVariable, path: TensorVariable, customer: TensorVariable, period: TensorVariable
) -> TensorVariable:
    """What weights (N or 1, P, L) on paths (N, T, L) or (T, L) add (O, P) in rows."""
    at = path[customer, period] if path.ndim == 3 else path[period]
    if weight.type.shape[0] == 1:
        return pt.dot(at, weight[0].T)
    return (weight[customer] * at[:, None, :]).sum(axis=-1)


def mean_of_customers(values: TensorVariable, share: TensorVariable) -> TensorVariable:
    """Mean (...) of values (N, ...) by customers' shares (N,); values (1, ...) are all customers'."""
    return values[0] if values.type.shape[0] == 1 else pt.tensordot(share, values, axes=1)


class FactorPriors(LoadingPriors, LengthscalePriors, Protocol):
    """Hyperparameters of factors."""

    @property
    def individual_scale(self) -> float: ...
    @property
    def individual_sd(self) -> float: ...


def moving_tiers(
    tiers: Sequence[TierSize], priors: FactorPriors, data: FactorData, first: Mapping[str, np.ndarray]
) -> list[Moving]:
    """The tiers of a model, in whose context this is called; of one owner alone none sums to zero.

    Parameters
    ----------
    first : mapping of str to numpy.ndarray
        Where factors start, see :func:`hdfm.factors.evidence.first_coordinates`.
    """
    moving = []
    for size in tiers:
        if not size.tier.zero_sum:
            moving.append(whitened_tier(size, priors, data, first[size.name]))
        elif n_owners(size.tier, data.owners) > 1:
            moving.append(zero_sum_tier(size, priors, data))
    return moving


def whitened_tier(size: TierSize, priors: FactorPriors, data: FactorData, start: np.ndarray) -> Moving:
    """Loadings by customer, and factors whitened by what data say about them by period.

    Parameters
    ----------
    start : numpy.ndarray
        Coordinates (G, L, m) along the GP's roots.
    """
    tier, L = size.tier, size.number
    rho = lengthscales(tier.lengthscale, priors, tier.dim, L)
    w = loadings(
        tier.loading, tier.dim, L, priors=priors, scale=data.scale, n_customers=data.loading_customers
    )
    evidence = [together(group) for group in tier.owner.groups(evidence_by_period(data, w, L))]
    theta = whitened_factors(tier.variable("factor_raw"), data.gp, rho, evidence, L, start)
    paths = [theta[g] for g in range(len(evidence))]
    pm.Deterministic(tier.path, theta if tier.owner.dims else paths[0], dims=tier.path_dims)
    return Moving(w, tuple(paths[tier.owner.reads(c, None)] for c in range(len(data.parts))))


def zero_sum_tier(size: TierSize, priors: FactorPriors, data: FactorData) -> Moving:
    r"""Individual factors: paths of N owners (customers, or groups of them) that add up to zero.

    .. math::

        \lambda_{sl} \, a_i \, \phi_{il}(t), \qquad \phi_{il} = B_\rho z_{il}, \quad
        z_{\cdot lk} \sim N(0, I - 1 1' / N) \implies \sum_i \phi_{il}(t) = 0

    where z are independent standard normals given that they add up to zero [1]_, and B_rho (T, m) is the root
    of :func:`hdfm.factors.hsgp.gp_roots` at one lengthscale, so that phi (N, T, L) sums to zero over periods
    too, and

    .. math::

        \lambda_{sl} = \tau_l \log(1 + e^{v_{sl}}) / \log 2, \quad
        \tau_l \sim N^+(0, \text{individual\_scale}), \quad v_{sl} \sim N(0, 1), \qquad
        \log a_i \sim N(0, \sigma_a), \quad \sigma_a \sim N^+(0, \text{individual\_sd})

    What all owners share is so left to other tiers. Multipliers come after the sum: it is phi that adds up to
    zero over owners, while the paths reported are :math:`a_i \phi_{il}`. lambda (S, L) is in the units of
    coefficients, a (N,) and phi have none. z is a :class:`pymc.ZeroSumNormal` over owners.

    References
    ----------
    .. [1] Rue and Held (2005), "Gaussian Markov Random Fields", section 2.3.3.
    """
    tier, L, N = size.tier, size.number, n_owners(size.tier, data.owners)
    (S,) = data.scale.type.shape
    rho = lengthscales(tier.lengthscale, priors, None, None)
    z = pm.ZeroSumNormal(tier.variable("raw"), 1.0, shape=(data.gp.size, L, N))
    phi = gp_factors(data.gp, rho, z.reshape((data.gp.size, L * N))).reshape((-1, L, N)).transpose(2, 0, 1)
    total = pm.HalfNormal(tier.variable("scale"), priors.individual_scale, dims=tier.dim)
    share = pm.Normal(tier.variable("loading_raw"), 0, 1, shape=(S, L))
    lam = total * pt.softplus(share) / np.log(2)
    pm.Deterministic(tier.loading, lam / data.scale[:, None], dims=(COEFFICIENT, tier.dim))
    spread = pm.HalfNormal(tier.variable("sd"), priors.individual_sd, initval=floatX(0.2))
    a = pt.exp(spread * pm.Normal(tier.variable("multiplier_raw"), 0, 1, dims=tier.owner.dims))
    pm.Deterministic(tier.multiplier, a, dims=tier.owner.dims)
    path = pm.Deterministic(tier.path, a[:, None, None] * phi, dims=tier.path_dims)
    if not tier.owner.by_customer:
        path = path[held(tier.variable("member"), data.owners[tier.owner.name])]
    return Moving(lam[None], (path,) * len(data.parts))
