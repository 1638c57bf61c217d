r"""Smooth factors of time: Gaussian processes by Laplacian eigenfunctions (HSGP) or exactly.

Every factor is centred: it sums to zero over the training periods, so that levels stay with the
coefficients it moves. Array names and axis order: T training periods, m eigenfunctions, L factors,
D posterior draws, F further periods. Times are scaled so that training runs over [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from scipy.linalg import solve_triangular

from hdfm.exceptions import InvalidArgumentError, unknown

GPS = ("hsgp", "exact")
MOST_EXACT_PERIODS = 300
JITTER = 1e-6


class Kernel(NamedTuple):
    """A stationary kernel of unit variance and lengthscale, in one dimension.

    Attributes
    ----------
    covariance : callable
        Of the distance r >= 0.
    amplitude : callable
        Square root of the spectral density, of the squared frequency.
    room, detail : float
        Factors of :func:`basis_size`.
    """

    covariance: Callable
    amplitude: Callable
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

    Examples
    --------
    >>> covariance("sq_exp", np.array([0.0, 1.0]), 0.5).round(3)
    array([1.   , 0.135])
    """
    return _kernel(kernel).covariance(abs(distance) / lengthscale)


def amplitude(kernel: str, omega, lengthscale):
    r"""Square root of the spectral density of :func:`covariance`; arrays or tensors.

    The density at angular frequencies omega is

    .. math::

        \text{matern32: } \frac{4 \cdot 3^{3/2} \rho}{(3 + \rho^2 \omega^2)^2}, \quad
        \text{matern52: } \frac{16 \cdot 5^{5/2} \rho}{3 (5 + \rho^2 \omega^2)^3}, \quad
        \text{sq\_exp: } \sqrt{2 \pi} \rho e^{-\rho^2 \omega^2 / 2}

    The gradient of its root stays finite where the density underflows.
    """
    return lengthscale**0.5 * _kernel(kernel).amplitude((lengthscale * omega) ** 2)


def basis_size(kernel: str, half_range: float, shortest: float, longest: float) -> tuple[int, float]:
    r"""Eigenfunctions m and boundary factor c for lengthscales that may be this short and this long.

    .. math:: c = 1 + a \rho_\max / S, \qquad m = \lceil b c S / \rho_\min \rceil

    over lengthscales from ``shortest`` to ``longest``, say the central 90 % of their prior, and times
    of half range S. The boundary at c S mirrors the process, and the nearest mirror image, at least
    2 (c - 1) S away, must be as good as independent: :math:`k(2 a) \approx 0.02`. The functions left
    out must hold no more than about 0.02 of the variance, which sets b. The covariance, centred or not,
    is then wrong by less than 0.02 anywhere if ``longest`` is at least 3 times ``shortest``, and by less
    than 0.04 below that, where one lengthscale meets both errors.

    The published rule [1]_, c in proportion to the longest lengthscale, is wasteful for long ones
    (m = 111 where this takes 64, in the example) and wrong for short ones (by 0.07 to 0.34 where the
    longest is 0.3 S).

    Returns
    -------
    m : int
    c : float

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
    k = _kernel(kernel)
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
        return len(self.sqrt_eigenvalues)


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
        return len(self.times) if self.basis is None else self.basis.m


def choose_gp(gp: str, kernel: str, times: np.ndarray, shortest: float, longest: float) -> TimeGP:
    """The process asked for, sized for lengthscales from ``shortest`` to ``longest``.

    The Cholesky root costs more than the eigenfunctions at any T: with two factors and on one core, a
    gradient took 0.2 against 0.05 ms at 53 periods and 18 against 0.1 ms at 300. It is there to check
    against.

    Parameters
    ----------
    gp : {"hsgp", "exact"}
    kernel : {"matern32", "matern52", "sq_exp"}
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
    boundary = c * np.ptp(times) / 2
    phi, omega = eigenfunctions(times, m, boundary)
    return TimeBasis(phi - phi.mean(axis=0), omega, c, boundary)


def _refuse_many_periods(times):
    if len(times) > MOST_EXACT_PERIODS:
        raise InvalidArgumentError(
            f'gp="exact" takes at most {MOST_EXACT_PERIODS} periods; got {len(times)}. Use gp="hsgp".'
        )


def gp_factors(process: TimeGP, lengthscale, z) -> Any:
    r"""Factors (T, L) from standard normal coordinates, zero-sum over the training periods.

    .. math::

        \theta_l = H \Phi \, \mathrm{diag}\big(S_{\rho_l}(\omega)\big)^{1/2} z_l
        \quad \text{or} \quad \theta_l = H \, \mathrm{chol}(K_{\rho_l}) z_l,
        \qquad H = I - 1 1' / T

    Parameters
    ----------
    lengthscale : TensorVariable or array
        (L,), or a scalar shared by all columns of z.
    z : TensorVariable or array
        (m, L); (T, L) where exact: ``process.size`` rows.
    """
    if process.basis is not None:
        omega = process.basis.sqrt_eigenvalues[:, None]
        return pt.dot(process.basis.matrix, amplitude(process.kernel, omega, lengthscale) * z)
    rho = pt.as_tensor(lengthscale)
    roots = gp_roots(process, pt.atleast_1d(rho))
    return pt.dot(roots[0], z) if rho.ndim == 0 else pt.matvec(roots, z.T).T


def gp_roots(process: TimeGP, lengthscale) -> Any:
    """Roots (L, T, m) of the covariances of factors with lengthscales (L,), as in :func:`gp_factors`.

    Of an array of lengthscales an array.
    """
    if process.basis is not None:
        omega = process.basis.sqrt_eigenvalues
        return process.basis.matrix * amplitude(process.kernel, omega, lengthscale[:, None])[:, None, :]
    distance = process.times[:, None] - process.times
    K = covariance(process.kernel, distance, lengthscale[:, None, None]) + JITTER * np.eye(len(distance))
    root = np.linalg.cholesky(K) if isinstance(K, np.ndarray) else pt.linalg.cholesky(K)
    return root - root.mean(axis=1, keepdims=True)


def kriging(
    kernel: str, lengthscale: float, times: np.ndarray, new_times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""The exact process at new times given its centred training values, as weights and a root.

    Centred values y = H theta say what theta is up to its mean a, so that given y,
    :math:`\theta = y + a 1` with :math:`p(a \mid y) \propto N(y + a 1; 0, K)`, and what is wanted,
    :math:`u = \theta(t^*) - a`, is ordinary kriging ([1]_, equation 2.42):

    .. math::

        u \mid y \sim N\Big(W y + \frac{b 1' K^{-1} y}{1' K^{-1} 1}, \;
        K_{**} - W K_*' + \frac{b b'}{1' K^{-1} 1}\Big), \qquad W = K_* K^{-1}, \quad b = 1 - W 1

    K has a little noise (``JITTER``) on its diagonal, as in :func:`gp_factors`.

    Returns
    -------
    weights : numpy.ndarray
        (F, T): the mean is ``weights @ y``.
    root : numpy.ndarray
        (F, F + 1): the covariance is ``root @ root.T``.

    References
    ----------
    .. [1] Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 2.7.
    """
    T, joint = len(times), np.concatenate([times, new_times])
    K = covariance(kernel, joint[:, None] - joint, lengthscale) + JITTER * np.eye(len(joint))
    cholesky = np.linalg.cholesky(K)
    A, B, D = cholesky[:T, :T], cholesky[T:, :T], cholesky[T:, T:]
    q = solve_triangular(A, np.ones(T), lower=True)
    b = 1 - B @ q
    weights = solve_triangular(A, (B + np.outer(b, q) / (q @ q)).T, lower=True, trans="T").T
    return weights, np.column_stack([b / np.sqrt(q @ q), D])


def forecast(
    kernel: str,
    lengthscale: np.ndarray,
    times: np.ndarray,
    factor: np.ndarray,
    new_times: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of one factor at new times, less its mean over the training periods; see :func:`kriging`.

    Parameters
    ----------
    lengthscale : numpy.ndarray
        (D,)
    times, new_times : numpy.ndarray
        (T,) and (F,), on the scale of the training periods.
    factor : numpy.ndarray
        Draws (D, T) at the training times.

    Returns
    -------
    numpy.ndarray
        (D, F)
    """
    noise = rng.standard_normal((len(factor), len(new_times) + 1))
    draws = np.empty((len(factor), len(new_times)))
    for rho in np.unique(lengthscale):
        same = lengthscale == rho
        weights, root = kriging(kernel, rho, times, new_times)
        draws[same] = factor[same] @ weights.T + noise[same] @ root.T
    return draws


def _kernel(name: str) -> Kernel:
    if name not in KERNELS:
        raise InvalidArgumentError(f"kernel must be one of {tuple(KERNELS)}; got {name!r}.")
    return KERNELS[name]
