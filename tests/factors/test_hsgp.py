"""Factors of time against pm.gp, dense covariances and dense Gaussian process regression."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from reference.kriging import kriging
from scipy import stats

from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.draws import KeyedNormals
from hdfm.factors.hsgp import GPS, MOST_EXACT_PERIODS, basis_size, choose_gp, eigenfunctions, gp_factors
from hdfm.factors.kernels import JITTER, KERNELS, covariance, root_spectral_density
from hdfm.factors.kriging import BLOCK, forecast, places_of
from hdfm.sampling.session import jax_session

PYMC = {"matern32": pm.gp.cov.Matern32, "matern52": pm.gp.cov.Matern52, "sq_exp": pm.gp.cov.ExpQuad}
SHORTEST, LONGEST = stats.lognorm(0.6, scale=0.15).ppf([0.05, 0.95])
TIMES = np.linspace(0, 1, 53)
UNEVEN = np.sort(np.random.default_rng(0).uniform(size=30))
LATER = np.array([1.3, 1.02, 1.1, 0.35])

NEAR_ENOUGH = 0.02  # of unit variance: what basis_size promises
ROUNDING = 1e-10
SOLVED = 1e-8  # both routes solve with covariances of condition 1e6

all_kernels = pytest.mark.parametrize("kernel", KERNELS)


def centring(n):
    return np.eye(n) - 1 / n


def dense(kernel, times, lengthscale):
    return covariance(kernel, times[:, None] - times, lengthscale)


def largest_error(kernel, times, m, c, lengthscales):
    """Of the factors' covariance, centred or not, in any entry and at any of the lengthscales."""
    phi, omega = eigenfunctions(times, m, c * np.ptp(times) / 2)
    H = centring(len(times))
    errors = [
        (phi * root_spectral_density(kernel, omega, rho) ** 2) @ phi.T - dense(kernel, times, rho)
        for rho in lengthscales
    ]
    return max(np.abs(error).max() for raw in errors for error in (raw, H @ raw @ H))


def published_size(kernel, shortest, longest):
    """Riutort-Mayol et al. (2023), for times of half range 0.5."""
    a, b = {"matern32": (4.5, 3.42), "matern52": (4.1, 2.65), "sq_exp": (3.2, 1.75)}[kernel]
    c = max(a * longest / 0.5, 1.2)
    return int(np.ceil(b * c * 0.5 / shortest)), c


@all_kernels
def test_covariance_and_spectral_density_are_those_of_pymc(kernel):
    omega = np.array([0.0, 0.3, 4.0, 60.0])
    theirs = PYMC[kernel](1, ls=0.2)
    np.testing.assert_allclose(dense(kernel, TIMES, 0.2), theirs(TIMES[:, None]).eval(), atol=1e-7)
    np.testing.assert_allclose(
        root_spectral_density(kernel, omega, 0.2) ** 2, theirs.power_spectral_density(omega[:, None]).eval()
    )


@all_kernels
def test_arrays_and_tensors_agree(kernel):
    x, rho = np.array([[-0.5], [0.0], [2.0]]), np.array([0.1, 0.7])
    for function in (covariance, root_spectral_density):
        np.testing.assert_allclose(function(kernel, x, pt.constant(rho)).eval(), function(kernel, x, rho))


@pytest.mark.parametrize("times", [TIMES, UNEVEN], ids=["even", "uneven"])
def test_eigenfunctions_are_those_of_pymc(times):
    m, c = basis_size("matern32", np.ptp(times) / 2, SHORTEST, LONGEST)
    process = choose_gp("hsgp", "matern32", times, SHORTEST, LONGEST)
    gp = pm.gp.HSGP(m=[m], c=c, cov_func=pm.gp.cov.Matern32(1, ls=0.2))
    phi, sqrt_density = gp.prior_linearized(times[:, None])
    theirs = phi.eval()
    ours, omega = eigenfunctions(times, m, process.basis.boundary)
    np.testing.assert_allclose(ours, theirs, atol=ROUNDING)
    np.testing.assert_allclose(process.basis.matrix, theirs - theirs.mean(axis=0), atol=ROUNDING)
    np.testing.assert_allclose(
        root_spectral_density("matern32", omega, 0.2), sqrt_density.eval(), atol=ROUNDING
    )


@all_kernels
@pytest.mark.parametrize("n_periods", [8, 53, 156])
@pytest.mark.parametrize(
    ("shortest", "longest"), [(SHORTEST, LONGEST), (0.05, 0.15), (0.2, 0.8), (0.03, 0.5), (0.1, 0.4)]
)
def test_size_of_the_basis_is_enough(kernel, n_periods, shortest, longest):
    m, c = basis_size(kernel, 0.5, shortest, longest)
    lengthscales = np.geomspace(shortest, longest, 7)
    assert largest_error(kernel, np.linspace(0, 1, n_periods), m, c, lengthscales) < NEAR_ENOUGH


@all_kernels
@pytest.mark.parametrize("lengthscale", [0.03, 0.1, 0.3])
def test_size_of_the_basis_for_one_lengthscale(kernel, lengthscale):
    m, c = basis_size(kernel, 0.5, lengthscale, lengthscale)
    assert largest_error(kernel, TIMES, m, c, [lengthscale]) < 2 * NEAR_ENOUGH


@all_kernels
def test_size_of_the_basis_is_not_too_much(kernel):
    m, c = basis_size(kernel, 0.5, SHORTEST, LONGEST)
    lengthscales = [SHORTEST, LONGEST]
    assert largest_error(kernel, TIMES, int(0.9 * m), c, lengthscales) > NEAR_ENOUGH
    assert largest_error(kernel, TIMES, m, 0.9 * c, lengthscales) > NEAR_ENOUGH


@all_kernels
def test_published_size_is_too_much_for_long_lengthscales_and_too_little_for_short_ones(kernel):
    m, c = published_size(kernel, SHORTEST, LONGEST)
    assert m > 1.15 * basis_size(kernel, 0.5, SHORTEST, LONGEST)[0]
    assert largest_error(kernel, TIMES, m, c, [SHORTEST, LONGEST]) < NEAR_ENOUGH
    m, c = published_size(kernel, 0.05, 0.15)
    assert largest_error(kernel, TIMES, m, c, [0.05, 0.15]) > 3 * NEAR_ENOUGH


def test_size_of_the_basis_follows_the_unit_of_time():
    weeks = basis_size("matern32", 26, 52 * SHORTEST, 52 * LONGEST)
    assert weeks == pytest.approx(basis_size("matern32", 0.5, SHORTEST, LONGEST))


@all_kernels
@pytest.mark.parametrize(("gp", "tolerance"), [("hsgp", NEAR_ENOUGH), ("exact", 2 * JITTER)])
def test_covariance_of_factors(kernel, gp, tolerance):
    process = choose_gp(gp, kernel, TIMES, SHORTEST, LONGEST)
    root = gp_factors(process, 0.15, np.eye(process.size)).eval()
    H = centring(len(TIMES))
    np.testing.assert_allclose(root @ root.T, H @ dense(kernel, TIMES, 0.15) @ H, atol=tolerance)
    np.testing.assert_allclose(root.sum(axis=0), 0, atol=ROUNDING)


@pytest.mark.parametrize("gp", GPS)
def test_every_factor_has_its_lengthscale(gp):
    process = choose_gp(gp, "matern32", TIMES, SHORTEST, LONGEST)
    rho, z = np.array([0.08, 0.3]), np.random.default_rng(1).normal(size=(process.size, 2))
    theta = gp_factors(process, rho, z).eval()
    assert theta.shape == (len(TIMES), 2)
    for factor in range(2):
        alone = gp_factors(process, rho[factor], z[:, [factor]]).eval()
        np.testing.assert_allclose(theta[:, [factor]], alone, atol=ROUNDING)


@all_kernels
def test_gradient_is_finite_far_from_the_prior(kernel):
    process = choose_gp("hsgp", kernel, TIMES, SHORTEST, LONGEST)
    rho = pt.dvector("rho", shape=(2,))
    loss = (gp_factors(process, rho, np.ones((process.size, 2))) ** 2).sum()
    with jax_session():
        gradient = pytensor.function([rho], pytensor.grad(loss, rho), mode="JAX")
        assert np.isfinite(gradient(np.array([1e-3, 20.0]))).all()


@pytest.mark.parametrize("gp", GPS)
@jax_session()
def test_gradient_in_jax_is_the_finite_difference(gp):
    process = choose_gp(gp, "matern32", TIMES[::4], SHORTEST, LONGEST)
    rho, z = pt.dvector("rho", shape=(2,)), pt.dmatrix("z", shape=(process.size, 2))
    loss = (gp_factors(process, rho, z) ** 3).sum()
    evaluate = pytensor.function([rho, z], [loss, *pytensor.grad(loss, [rho, z])], mode="JAX")
    rng, step = np.random.default_rng(2), 1e-6
    at, towards = [(rng.uniform(0.1, 0.3, size=2), rng.normal(size=(process.size, 2))) for _ in range(2)]
    above, below = (
        evaluate(*(a + s * d for a, d in zip(at, towards, strict=True)))[0] for s in (step, -step)
    )
    slope = sum((g * d).sum() for g, d in zip(evaluate(*at)[1:], towards, strict=True))
    assert float(slope) == pytest.approx(float(above - below) / (2 * step), rel=1e-6)


@all_kernels
@pytest.mark.parametrize("lengthscale", [0.05, 0.15, 0.4])
def test_kriging_is_regression_on_centred_values(kernel, lengthscale):
    """The joint Gaussian of y = H theta, one period dropped for its rank, and of theta(t*) - mean theta."""
    T, F = len(UNEVEN), len(LATER)
    joint = np.concatenate([UNEVEN, LATER])
    less_mean = np.eye(T + F) - np.outer(np.ones(T + F), np.repeat([1 / T, 0], [T, F]))
    V = less_mean @ (dense(kernel, joint, lengthscale) + JITTER * np.eye(T + F)) @ less_mean.T
    kept, new = slice(1, T), slice(T, None)
    gain = np.linalg.solve(V[kept, kept], V[kept, new]).T
    y = centring(T) @ np.sin(7 * UNEVEN)
    weights, root = kriging(kernel, lengthscale, UNEVEN, LATER)
    np.testing.assert_allclose(weights @ y, gain @ y[kept], atol=SOLVED)
    np.testing.assert_allclose(root @ root.T, V[new, new] - gain @ V[kept, new], atol=SOLVED)


def test_kriging_at_training_times_returns_the_training_values():
    y = centring(len(TIMES)) @ np.sin(9 * TIMES)
    weights, root = kriging("matern32", 0.15, TIMES, TIMES[[3, 40]])
    np.testing.assert_allclose(weights @ y, y[[3, 40]], atol=1e-3)
    assert np.abs(root).max() < 2 * np.sqrt(JITTER)


STEP = TIMES[1]


@all_kernels
def test_forecasts_are_those_of_kriging(kernel):
    """Draws alike but for their random numbers, at two lengthscales, on the grid, off it and between."""
    D, y = 4000, centring(len(UNEVEN)) @ np.sin(7 * UNEVEN)
    lengthscale, new = np.repeat([0.3, 0.1], D), np.append(LATER, [-0.2, 1 + 3 * BLOCK * STEP])
    places = places_of(UNEVEN, new, STEP)
    draws = forecast(kernel, lengthscale, np.tile(y, (2 * D, 1)), places, KeyedNormals(4))
    for rho in (0.3, 0.1):
        weights, root = kriging(kernel, rho, UNEVEN, new)
        mine, sd = draws[lengthscale == rho], np.sqrt((root**2).sum(axis=1))
        assert np.abs((mine.mean(axis=0) - weights @ y) / sd).max() < 5 / np.sqrt(D)
        assert np.abs(mine.std(axis=0) / sd - 1).max() < 5 / np.sqrt(2 * D)


def test_a_forecast_does_not_depend_on_what_else_is_asked():
    times, factor = TIMES[[0, 1, 2, 9, 10, 52]], np.random.default_rng(3).normal(size=(5, 6))
    rho = np.array([0.3, 0.1, 0.3, 0.2, 0.2])
    steps = np.array([-40, -1.5, -1, 0, 3, 3.5, 8.2, 20, 51.5, 53, 53.25, 54, 60, 90, 200])

    def drawn(which):
        return forecast("matern32", rho, factor, places_of(times, STEP * which, STEP), KeyedNormals(4))

    together = drawn(steps)
    np.testing.assert_allclose(drawn(steps[::-1])[:, ::-1], together, rtol=1e-6)
    for k, step in enumerate(steps):
        np.testing.assert_allclose(
            drawn(np.array([step]))[:, 0], together[:, k], rtol=1e-6, err_msg=str(step)
        )
    np.testing.assert_array_equal(together[:, 3], factor[:, 0])


def test_forecasts_of_drawn_factors_are_drawn_from_the_process():
    """Factors from the prior, forecast: together they have the covariance of the process."""
    rng, D = np.random.default_rng(5), 20_000
    process = choose_gp("exact", "matern32", TIMES, SHORTEST, LONGEST)
    root = gp_factors(process, 0.2, np.eye(process.size)).eval()
    theta = rng.normal(size=(D, process.size)) @ root.T
    draws = forecast("matern32", np.full(D, 0.2), theta, places_of(TIMES, LATER, STEP), KeyedNormals(1))
    joint = np.concatenate([TIMES, LATER])
    less_mean = np.eye(len(joint)) - np.outer(np.ones(len(joint)), np.arange(len(joint)) < len(TIMES)) / len(
        TIMES
    )
    expected = less_mean @ dense("matern32", joint, 0.2) @ less_mean.T
    found = np.cov(np.column_stack([theta, draws]).T)
    np.testing.assert_allclose(found, expected, atol=6 * expected.max() / np.sqrt(D))


def test_reason_says_the_size():
    assert choose_gp("hsgp", "matern32", TIMES, SHORTEST, LONGEST).reason == (
        "HSGP: m = 64 eigenfunctions, c = 2.37, T = 53 periods"
    )
    assert choose_gp("exact", "matern32", TIMES, SHORTEST, LONGEST).reason == (
        "exact: Cholesky root of T = 53 periods; HSGP would take m = 64, c = 2.37"
    )


def test_errors_name_the_choices():
    with pytest.raises(InvalidArgumentError, match=r"'matern32', 'matern52', 'sq_exp'\); got 'rbf'"):
        covariance("rbf", TIMES, 0.1)
    with pytest.raises(InvalidArgumentError, match=r"'hsgp', 'exact'\); got 'dense'"):
        choose_gp("dense", "matern32", TIMES, SHORTEST, LONGEST)
    with pytest.raises(InvalidArgumentError, match=r"shortest 0\.4 and longest 0\.1"):
        basis_size("matern32", 0.5, 0.4, 0.1)
    with pytest.raises(InvalidArgumentError, match=r"at most 300 periods; got 301\. Use gp=\"hsgp\""):
        choose_gp("exact", "matern32", np.linspace(0, 1, MOST_EXACT_PERIODS + 1), SHORTEST, LONGEST)
