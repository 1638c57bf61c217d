r"""Smooth factors of time: Gaussian processes by Laplacian eigenfunctions (HSGP) or exactly.

Every factor is :func:`centred`: it sums to zero over the training periods, so that levels stay with the
coefficients it moves. Array names and axis order: T training periods, m eigenfunctions, L factors,
D posterior draws, F further periods. Times are scaled so that training runs over [0, 1].
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor.tensor as pt

from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.factors.kernels import JITTER, covariance, kernel_of, root_spectral_density
from hdfm.factors.tier import GPS
from hdfm.hierarchy.data import held, padded

MOST_EXACT_PERIODS = 300


def basis_size(kernel: str, half_range: float, shortest: float, longest: float) -> tuple[int, float]:
    r"""Eigenfunctions m and boundary factor c for lengthscales that may be this short and this long.

    .. math:: c = 1 + a \rho_\max / S, \qquad m = \lceil b c S / \rho_\min \rceil

    over lengthscales from ``shortest`` to ``longest``, say the central 90 % of their prior, and times
    of half range S. The boundary at c S mirrors the process, and the nearest mirror image, at least
    2 (c - 1) S away, must be as good as independent: :math:`k(2 a) \approx 0.02`. The functions left
    out must hold no more than about 0.02 of the variance, which sets b. The covariance, centred or not,
    is then wrong by less than 0.02 anywhere if ``longest`` is at least 3 times ``shortest``, and by less
    than 0.04 below that, where one lengthscale meets both errors. a and b are ``room`` and ``detail`` of
    :class:`hdfm.factors.kernels.Kernel`.

    The published rule [1]_, c in proportion to the longest lengthscale, is wasteful for long ones
    (m = 111 where this takes 64, in the example) and wrong for short ones (by 0.07 to 0.34 where the
    longest is 0.3 S).

    Parameters
    ----------
    kernel : str
        The name of one of :data:`hdfm.factors.kernels.KERNELS`.
    half_range : float
        S, half the distance from the first to the last time.
    shortest, longest : float
        Lengthscales rho, in the unit of S.

    Returns
    -------
    m : int
    c : float
        In units of S: the boundary is at c S.

    References
    ----------
    .. [1] Riutort-Mayol, Buerkner, Andersen, Solin, Vehtari (2023), "Practical Hilbert space
       approximate Bayesian Gaussian processes for probabilistic programming", Statistics and
       Computing 33(17).

    Examples
    --------
    >>> m, c = basis_size("matern32", 0.5, 0.056, 0.402)
    >>> m, round(c, 2)
    (64, 2.37)
    """
    k = kernel_of(kernel)
    if not 0 < shortest <= longest:
        raise InvalidArgumentError(
            f"Lengthscales must rise from above 0; got shortest {shortest!r} and longest {longest!r}."
        )
    c = 1 + k.room * longest / half_range
    return int(np.ceil(k.detail * c * half_range / shortest)), c


@dataclass(frozen=True, slots=True)
class TimeBasis:
    """Eigenfunctions of the Laplacian on the times of training.

    Attributes
    ----------
    matrix : numpy.ndarray
        (T, m), each column less its mean over the training periods.
    sqrt_eigenvalues : numpy.ndarray
        Angular frequencies (m,).
    c : float
        The boundary in units of the half range of the times.
    boundary : float
        Where the functions vanish, counted from the middle of the times.
    """

    matrix: np.ndarray
    sqrt_eigenvalues: np.ndarray
    c: float
    boundary: float

    @property
    def m(self) -> int:
        """Number of eigenfunctions."""
        return _length(self.sqrt_eigenvalues)


def eigenfunctions(times: np.ndarray, m: int, boundary: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Eigenfunctions (T, m) of the Laplacian that vanish at :math:`\pm B`, and their frequencies (m,).

    .. math:: \phi_j(x) = \sin(\omega_j (x + B)) / \sqrt B, \qquad \omega_j = \pi j / (2 B)

    with x the time from the middle of the range and B the boundary [1]_.

    References
    ----------
    .. [1] Solin and Saerkkae (2020), "Hilbert space methods for reduced-rank Gaussian process
       regression", Statistics and Computing 30.
    """
    x = times - (times.max() + times.min()) / 2
    omega = np.pi * np.arange(1, m + 1) / (2 * boundary)
    return np.sin(omega * (x[:, None] + boundary)) / np.sqrt(boundary), omega


def centred(basis: Any) -> Any:
    r"""Centring: columns less their means over the periods, so that any B z sums to zero over them.

    .. math:: H B, \qquad H = I - 1 1' / T

    What is added to a factor at all times can as well be added, times its loadings, to the coefficients
    that it moves: a level that no data settle. A smooth term is identified by a sum to zero, for which the
    columns of its basis are centred [1]_.

    Factors have the covariance H B B' H of a process less its mean over the periods, which is not that of a
    process whose mean is known to be 0. Kriging takes it so: :func:`hdfm.factors.kriging.forecast`.

    Parameters
    ----------
    basis : numpy.ndarray or TensorVariable
        B (T, m) or (L, T, m), over the training periods: eigenfunctions, or roots of covariances. The result
        has its shape and unit.

    References
    ----------
    .. [1] Wood (2017), "Generalized Additive Models: An Introduction with R", section 4.3.

    Examples
    --------
    >>> centred(np.array([[1.0], [2.0], [6.0]])).ravel().tolist()
    [-2.0, -1.0, 3.0]
    """
    return basis - basis.mean(axis=-2, keepdims=True)


def _length(array):
    return len(array) if isinstance(array, np.ndarray) else array.type.shape[0]


@dataclass(frozen=True, slots=True)
class TimeGP:
    """How the factors of a model are computed.

    Attributes
    ----------
    gp : str
        "hsgp" or "exact".
    kernel : str
    times : numpy.ndarray
        The training periods (T,).
    basis : TimeBasis or None
        None where exact.
    reason : str
        The choice and its size in words.
    """

    gp: str
    kernel: str
    times: np.ndarray
    basis: TimeBasis | None
    reason: str

    @property
    def size(self) -> int:
        """Coordinates per factor: m, or T where exact."""
        basis = basis_of(self)
        return _length(self.times) if basis is None else basis.m


def basis_of(process: TimeGP) -> TimeBasis | None:
    """The basis of a process, None where it is exact: by its name, so that no other passes for one."""
    match process.gp:
        case "hsgp":
            return process.basis
        case "exact":
            return None
        case _:
            raise unknown("gp", process.gp)


def choose_gp(gp: str, kernel: str, times: np.ndarray, shortest: float, longest: float) -> TimeGP:
    """The process asked for, sized for lengthscales from ``shortest`` to ``longest``.

    The Cholesky root costs more than the eigenfunctions at any T: with two factors and on one core, a
    gradient took 0.2 against 0.05 ms at 53 periods and 18 against 0.1 ms at 300. It is there to check
    against.

    Parameters
    ----------
    gp : {"hsgp", "exact"}
    kernel : str
        The name of one of :data:`hdfm.factors.kernels.KERNELS`.
    times : numpy.ndarray
        The training periods (T,), on a scale from 0 to 1.
    shortest, longest : float
        The 5 % and 95 % quantile of the lengthscales' prior, in the unit of ``times``.
    """
    if gp not in GPS:
        raise InvalidArgumentError(f"gp must be one of {GPS}; got {gp!r}.")
    m, c = basis_size(kernel, np.ptp(times) / 2, shortest, longest)
    match gp:
        case "hsgp":
            reason = f"HSGP: m = {m} eigenfunctions, c = {c:.2f}, T = {len(times)} periods"
            return TimeGP(gp, kernel, times, _centred_basis(times, m, c), reason)
        case "exact":
            _refuse_many_periods(times)
            reason = f"exact: Cholesky root of T = {len(times)} periods; HSGP would take m = {m}, c = {c:.2f}"
            return TimeGP(gp, kernel, times, None, reason)
        case _:
            raise unknown("gp", gp)


def _centred_basis(times, m, c):
    """The :func:`eigenfunctions` (T, m), :func:`centred`."""
    boundary = c * np.ptp(times) / 2
    phi, omega = eigenfunctions(times, m, boundary)
    return TimeBasis(centred(phi), omega, c, boundary)


def _refuse_many_periods(times):
    if len(times) > MOST_EXACT_PERIODS:
        raise InvalidArgumentError(
            f'gp="exact" takes at most {MOST_EXACT_PERIODS} periods; got {len(times)}. Use gp="hsgp".'
        )


def held_gp(process: TimeGP, n_periods: int) -> TimeGP:
    """A process whose times or basis, padded to ``n_periods``, are data of the model at hand.

    Factors are 0 in periods that there are not.
    """
    basis = basis_of(process)
    if basis is None:
        return replace(process, times=held("times", process.times))
    matrix = held("basis", padded(basis.matrix, n_periods))
    return replace(
        process,
        basis=replace(basis, matrix=matrix, sqrt_eigenvalues=held("frequencies", basis.sqrt_eigenvalues)),
    )


def gp_factors(process: TimeGP, lengthscale, z) -> Any:
    r"""Factors (T, L) from standard normal coordinates, zero-sum over the training periods.

    .. math::

        \theta_l = H \Phi \, \mathrm{diag}\big(S_{\rho_l}(\omega)\big)^{1/2} z_l
        \quad \text{or} \quad \theta_l = H \, \mathrm{chol}(K_{\rho_l}) z_l,
        \qquad H = I - 1 1' / T

    with H of :func:`centred`, Phi (T, m) the :func:`eigenfunctions`, S the spectral density, of the root
    :func:`hdfm.factors.kernels.root_spectral_density` [1]_, and K (T, T) the covariance of the process. The
    process, before H, has variance 1 (with eigenfunctions, nearly so) and no unit.

    Parameters
    ----------
    lengthscale : TensorVariable or array
        (L,), or a scalar shared by all columns of z, in the unit of the process's times.
    z : TensorVariable or array
        (m, L); (T, L) where exact: ``process.size`` rows.

    References
    ----------
    .. [1] Riutort-Mayol, Buerkner, Andersen, Solin, Vehtari (2023), "Practical Hilbert space
       approximate Bayesian Gaussian processes for probabilistic programming", Statistics and
       Computing 33(17).
    """
    basis = basis_of(process)
    if basis is not None:
        omega = basis.sqrt_eigenvalues[:, None]
        return pt.dot(basis.matrix, root_spectral_density(process.kernel, omega, lengthscale) * z)
    rho = pt.as_tensor(lengthscale)
    roots = gp_roots(process, pt.atleast_1d(rho))
    return pt.dot(roots[0], z) if rho.ndim == 0 else pt.matvec(roots, z.T).T


def gp_roots(process: TimeGP, lengthscale) -> Any:
    r"""Roots B (L, T, m) of the covariances of factors with lengthscales (L,), as in :func:`gp_factors`.

    .. math:: \theta_l = B_l z_l

    m is T where exact. Of an array of lengthscales an array.
    """
    basis = basis_of(process)
    if basis is not None:
        omega = basis.sqrt_eigenvalues
        return basis.matrix * root_spectral_density(process.kernel, omega, lengthscale[:, None])[:, None, :]
    distance = process.times[:, None] - process.times
    K = covariance(process.kernel, distance, lengthscale[:, None, None]) + JITTER * np.eye(process.size)
    root = np.linalg.cholesky(K) if isinstance(K, np.ndarray) else pt.linalg.cholesky(K)
    return centred(root)
