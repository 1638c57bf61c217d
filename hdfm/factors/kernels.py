"""Stationary kernels over time, for arrays and tensors alike."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt

from hdfm.exceptions import InvalidArgumentError

JITTER = 1e-6


class Kernel(NamedTuple):
    """A stationary kernel of unit variance and lengthscale, in one dimension.

    Attributes
    ----------
    covariance : callable
        Of the distance r >= 0.
    root_spectral_density : callable
        Square root of the spectral density, of the squared frequency.
    room, detail : float
        Factors of :func:`hdfm.factors.hsgp.basis_size`.
    """

    covariance: Callable
    root_spectral_density: Callable
    room: float
    detail: float


def _exp(x):
    return pt.exp(x) if isinstance(x, pt.TensorVariable) else np.exp(x)


KERNELS = {
    "matern32": Kernel(
        lambda r: (1 + 3**0.5 * r) * _exp(-(3**0.5) * r),
        lambda square: 2 * 3**0.75 / (3 + square),
        room=1.7,
        detail=3.0,
    ),
    "matern52": Kernel(
        lambda r: (1 + 5**0.5 * r + 5 / 3 * r**2) * _exp(-(5**0.5) * r),
        lambda square: 4 / 3**0.5 * 5**1.25 / (5 + square) ** 1.5,
        room=1.6,
        detail=2.3,
    ),
    "sq_exp": Kernel(
        lambda r: _exp(-(r**2) / 2),
        lambda square: (2 * np.pi) ** 0.25 * _exp(-square / 4),
        room=1.4,
        detail=1.6,
    ),
}


def covariance(kernel: str, distance, lengthscale):
    r"""Covariance :math:`k(d / \rho)` at distances d of any sign; arrays or tensors, which broadcast.

    .. math::

        \text{matern32: } (1 + \sqrt 3 r) e^{-\sqrt 3 r}, \quad
        \text{matern52: } (1 + \sqrt 5 r + 5 r^2 / 3) e^{-\sqrt 5 r}, \quad
        \text{sq\_exp: } e^{-r^2 / 2}, \qquad r = |d| / \rho

    of variance 1 ([1]_, equations 4.9 and 4.17); distance and lengthscale rho are in one unit of time.

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 4.2.1.

    Examples
    --------
    >>> covariance("sq_exp", np.array([0.0, 1.0]), 0.5).round(3)
    array([1.   , 0.135])
    """
    return kernel_of(kernel).covariance(abs(distance) / lengthscale)


def root_spectral_density(kernel: str, omega, lengthscale):
    r"""Square root of the spectral density S of :func:`covariance`; arrays or tensors, which broadcast.

    The density at angular frequencies omega, :math:`S(\omega) = \int k(d) e^{-i \omega d} \, d d`, is

    .. math::

        \text{matern32: } \frac{4 \cdot 3^{3/2} \rho}{(3 + \rho^2 \omega^2)^2}, \quad
        \text{matern52: } \frac{16 \cdot 5^{5/2} \rho}{3 (5 + \rho^2 \omega^2)^3}, \quad
        \text{sq\_exp: } \sqrt{2 \pi} \rho e^{-\rho^2 \omega^2 / 2}

    that is [1]_ with :math:`\omega = 2 \pi s`. The gradient of its root stays finite where the density
    underflows.

    Parameters
    ----------
    kernel : str
        The name of one of :data:`KERNELS`.
    omega : array or TensorVariable
        Radians a unit of time, say (m, 1) for m eigenfunctions.
    lengthscale : array or TensorVariable
        rho in units of time, say (L,) for L factors: the result is then (m, L), in roots of units of time.

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 4.2.1.
    """
    return lengthscale**0.5 * kernel_of(kernel).root_spectral_density((lengthscale * omega) ** 2)


def kernel_of(name: str) -> Kernel:
    """The kernel of a name, or an error that lists them."""
    if name not in KERNELS:
        raise InvalidArgumentError(f"kernel must be one of {tuple(KERNELS)}; got {name!r}.")
    return KERNELS[name]
