import numpy as np
import pytest
from scipy.linalg import cholesky, solve_triangular

from hdfm.sales.laplace.arrow import factor_arrow, half_solved, lower_root, product_blocks

EXACT = 1e-12


@pytest.fixture(scope="module")
def precision():
    draws = np.random.default_rng(0).normal(size=(7, 12))
    return draws @ draws.T


@pytest.mark.parametrize("n", [0, 1, 7])
def test_roots_are_scipys(precision, n):
    np.testing.assert_array_equal(lower_root(precision[:n, :n]), cholesky(precision[:n, :n], lower=True))


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 0)])
@pytest.mark.parametrize("transposed", [False, True])
def test_solutions_are_scipys(precision, shape, transposed):
    root, y = lower_root(precision), np.random.default_rng(1).normal(size=shape)
    solved = half_solved(root, y, transposed=transposed)
    np.testing.assert_array_equal(solved, solve_triangular(root, y, lower=True, trans=int(transposed)))


def test_what_is_not_positive_definite(precision):
    precision = precision - 20 * np.diag([0, 0, 1, 0, 0, 0, 0])
    with pytest.raises(np.linalg.LinAlgError, match="The leading 3 columns of a precision"):
        lower_root(precision)


def test_an_arrow_is_its_dense_matrix():
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(8, 20))
    whole = draws @ draws.T
    whole[:3, 3:6] = whole[3:6, :3] = 0  # two bundles of 3 and a top of 2
    whole += 20 * np.eye(8)
    bundles = np.stack([whole[:3, :3], whole[3:6, 3:6]])
    border = np.stack([whole[:3, 6:], whole[3:6, 6:]])
    arrow, right = factor_arrow(bundles, border, whole[6:, 6:]), rng.normal(size=8)
    of_bundles, of_top, inner = arrow.solve(right[:6].reshape(2, 3), right[6:])
    solved = np.linalg.solve(whole, right)
    np.testing.assert_allclose(np.append(of_bundles, of_top), solved, atol=EXACT)
    assert inner == pytest.approx(right @ solved, abs=EXACT)
    assert arrow.log_det == pytest.approx(np.linalg.slogdet(whole)[1], abs=EXACT)
    np.testing.assert_allclose(arrow.to_dense(), whole, rtol=EXACT)


def test_blocks_of_products_are_their_dense_matrices():
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(5, 2, 9))
    squares = Z @ Z.transpose(0, 2, 1)
    omega = np.array([[2.0, 0.3], [0.3, 1.0]])
    blocks, y = (
        product_blocks(np.stack([squares[:, 0, 0], squares[:, 1, 0], squares[:, 1, 1]]), omega),
        Z[:, :, 0],
    )
    dense = blocks.to_dense()
    np.testing.assert_allclose(dense, squares + omega, rtol=EXACT)
    assert blocks.log_det == pytest.approx(np.linalg.slogdet(dense)[1].sum(), abs=EXACT)
    solved = blocks.half_solve_back(blocks.half_solve(y.T))
    np.testing.assert_allclose(solved.T, np.linalg.solve(dense, y[..., None])[..., 0], rtol=1e-9)
