"""Paths through time: sweeps against dense matrices."""

import numpy as np
import pytest

from hdfm.sales.laplace.paths import PathPrior, factored, quadratics

N, T = 5, 8
EXACT = {"rtol": 1e-9, "atol": 1e-10}
TIME = {"even": np.arange(T, dtype=float), "uneven": np.array([0.0, 1, 2, 5, 6, 8, 9, 13])}


class Dense:
    """Products' matrices, formed."""

    def __init__(self, k, time, seed=0):
        rng = np.random.default_rng(seed)
        self.W = rng.gamma(2, 5, (T, N)) * (rng.random((T, N)) > 0.2)
        self.W[:3, 1] = 0
        self.h = np.stack([np.ones((T, N)), rng.normal(0, 0.4, (T, N))][:k])
        self.sd = np.stack([rng.uniform(0.1, 0.6, N), rng.uniform(0.3, 1, N)][:k])
        half_life = np.array([10.0, 1.5])[:k]
        self.prior = PathPrior(2.0 ** (-np.diff(time)[:, None] / half_life[:, None, None]), self.sd)
        gap = abs(time[:, None] - time)
        self.R = 2.0 ** (-gap / half_life[:, None, None])

    def covariance(self, i):
        """Of stacked paths (k T, k T)."""
        k = len(self.h)
        out = np.zeros((k * T, k * T))
        for j in range(k):
            out[j * T : (j + 1) * T, j * T : (j + 1) * T] = self.sd[j, i] ** 2 * self.R[j]
        return out

    def columns(self, i):
        """h (T, k T)."""
        return np.hstack([np.diag(row) for row in self.h[:, :, i]])

    def M(self, i):
        return np.linalg.inv(self.covariance(i)) + self.columns(i).T * self.W[:, i] @ self.columns(i)

    def A(self, i):
        hW = self.columns(i).T * self.W[:, i]
        return np.diag(self.W[:, i]) - hW.T @ np.linalg.solve(self.M(i), hW)


@pytest.fixture(params=[(1, "even"), (1, "uneven"), (2, "even"), (2, "uneven")], ids=str)
def dense(request):
    k, steps = request.param
    return Dense(k, TIME[steps])


@pytest.fixture
def paths(dense):
    return factored(dense.W, dense.h, dense.prior)


def test_determinants(dense, paths):
    for i in range(N):
        expected = np.linalg.slogdet(dense.M(i))[1] + np.linalg.slogdet(dense.covariance(i))[1]
        assert paths.log_det[i] == pytest.approx(expected, abs=1e-10)


def test_information_that_is_left(dense, paths):
    c = np.random.default_rng(1).normal(size=(T, 3, N))
    left = paths.times(c)
    for i in range(N):
        np.testing.assert_allclose(left[..., i], dense.A(i) @ c[..., i], **EXACT)


def test_the_information_is_that_of_the_marginal_covariance(dense, paths):
    """Woodbury: A = (W^-1 + h K h')^-1 where observed."""
    left = paths.times(np.repeat(np.eye(T)[..., None], N, axis=2))
    for i in range(N):
        seen = dense.W[:, i] > 0
        h = dense.columns(i)[seen]
        V = np.diag(1 / dense.W[seen, i]) + h @ dense.covariance(i) @ h.T
        np.testing.assert_allclose(left[..., i][np.ix_(seen, seen)], np.linalg.inv(V), **EXACT)


@pytest.mark.parametrize("starts", [[0], [0, 2], [0, 1, 4]])
def test_sums_over_products(dense, paths, starts):
    each = [dense.A(i) for i in range(N)]
    expected = [sum(each[a:b]) for a, b in zip(starts, [*starts[1:], N], strict=True)]
    np.testing.assert_allclose(paths.total(np.array(starts)), expected, **EXACT)


def test_means_and_parts(dense, paths):
    r = np.random.default_rng(2).normal(size=(T, N))
    means = paths.towards(r)
    some = paths.part(slice(1, 4)).towards(r[:, 1:4])
    np.testing.assert_array_equal(some, means[..., 1:4])
    for i in range(N):
        expected = np.linalg.solve(dense.M(i), dense.columns(i).T @ r[:, i])
        np.testing.assert_allclose(means[..., i].ravel(), expected, **EXACT)


def test_draws_have_the_covariance(dense, paths):
    """The map from standard normals to draws is a root of the covariance."""
    k = len(dense.h)
    z = np.eye(k * T).reshape(k, T, k * T, 1) * np.ones(N)
    root = paths.draw(z)
    for i in range(N):
        S = root[..., i].reshape(k * T, k * T)
        np.testing.assert_allclose(S @ S.T, np.linalg.inv(dense.M(i)), **EXACT)


def test_no_spread_leaves_the_diagonal(dense):
    """Paths of a spread of zero, nearly: A = W."""
    prior = PathPrior(dense.prior.rho, dense.sd * 1e-8)
    one = np.ones((T, 1, N))
    np.testing.assert_allclose(factored(dense.W, dense.h, prior).times(one)[:, 0], dense.W, rtol=1e-9)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_inner_products_need_no_sweep_back(k):
    """Those of columns and a pull, against dense matrices; paths of no state leave W."""
    dense, rng = Dense(max(1, k), TIME["uneven"]), np.random.default_rng(6)
    columns = np.stack([np.ones((N, T)), *rng.normal(size=(4, N, T))], axis=2)
    pull, W = rng.normal(size=(N, T)), np.ascontiguousarray(dense.W.T)
    h = np.ascontiguousarray(dense.h[:k].swapaxes(1, 2))
    prior = PathPrior(dense.prior.rho[:k], dense.prior.sd[:k])
    products, log_det = quadratics(W, h, prior, pull, columns)
    for i in range(N):
        A, inside, C = np.diag(W[i]), np.zeros(T), columns[i]
        if k:
            own = dense.columns(i)
            A, inside = dense.A(i), own @ np.linalg.solve(dense.M(i), own.T @ pull[i])
        np.testing.assert_allclose(products[i, :2], C[:, :2].T @ A @ C, **EXACT)
        np.testing.assert_allclose(products[i, 2], np.diag(C.T @ A @ C), **EXACT)
        np.testing.assert_allclose(products[i, 3, :3], C[:, :3].T @ (pull[i] - W[i] * inside), **EXACT)
        assert products[i, 3, 3] == pytest.approx(-pull[i] @ inside, abs=1e-10)
    if k:
        np.testing.assert_allclose(log_det, factored(dense.W, dense.h, dense.prior).log_det, **EXACT)


def test_even_periods_have_one_correlation(dense):
    """One for all steps, or the same one for each of them."""
    each = PathPrior(np.repeat(dense.prior.rho[:, :1], T - 1, axis=1), dense.sd)
    one = PathPrior(dense.prior.rho[:, :1], dense.sd)
    for ours, expected in zip(
        *(_arrays(factored(dense.W, dense.h, prior)) for prior in (one, each)), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_draws_about_means(dense, paths):
    """In one sweep back what two would make."""
    rng = np.random.default_rng(7)
    z, y = rng.normal(size=(2, len(dense.h), T, 3, N))
    np.testing.assert_allclose(paths.draw(z, y), paths.solve(y) + paths.draw(z), **EXACT)


def _arrays(paths):
    return paths.pivot, paths.step, paths.log_det
