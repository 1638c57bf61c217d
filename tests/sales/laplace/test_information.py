"""Information over periods as an operator: against its dense matrices, alone and in the elimination."""

from types import SimpleNamespace

import numpy as np
import pytest
from reference.sales import LAYOUTS, case, dense_posterior, vector, wandering

from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.laplace.information import DiagonalInformation
from hdfm.sales.laplace.moments import moments
from hdfm.sales.laplace.posterior import normal_posterior

N, T = 5, 7
EXACT = {"rtol": 1e-9, "atol": 1e-10}
STEPS = {"even": np.ones(T - 1), "uneven": np.array([1.0, 2, 1, 1, 3, 1])}


HALF_LIVES = {"demand wanders": (4.0,), "elasticities move too": (4.0, 1.5)}


@pytest.fixture(params=["independent", *HALF_LIVES])
def information(request):
    rng = np.random.default_rng(0)
    W, x = rng.exponential(1, (N, T)), rng.normal(size=(N, T))
    W[1, 2:5] = 0
    if request.param == "independent":
        return DiagonalInformation(W)
    return wandering(W, x, HALF_LIVES[request.param])


def test_products_with_vectors(information):
    dense, v = information.to_dense(), np.random.default_rng(1).normal(size=(3, N, T))
    np.testing.assert_allclose(information.ones(), dense.sum(axis=2), **EXACT)
    np.testing.assert_allclose(information.times(v), np.einsum("nts,kns->knt", dense, v), **EXACT)
    np.testing.assert_allclose(information.part(slice(1, 3)).to_dense(), dense[1:3], **EXACT)


@pytest.mark.parametrize("steps", STEPS)
def test_sums_along_cosines(information, steps):
    Phi, _ = zero_sum_cosines(STEPS[steps])
    panel = SimpleNamespace(product=range(N), group=np.array([0, 0, 1, 1, 1]), n_groups=2)
    along = information.along(information.totals(panel), Phi, steps == "even")
    dense = [Phi @ information.to_dense()[part].sum(axis=0) @ Phi.T for part in (slice(2), slice(2, N))]
    np.testing.assert_allclose(along, dense, **EXACT)


@pytest.mark.parametrize("half_lives", HALF_LIVES.values(), ids=HALF_LIVES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_any_information_is_eliminated_as_its_dense_matrix(name, half_lives):
    """Mean, determinant and second moments, paths integrated out of W."""
    one = case(name)
    diagonal, s = one.working
    A = wandering(diagonal.W, one.panel.log_price, half_lives)
    arrow = normal_posterior(one.likelihood_of(A, s), one.scales)
    dense = dense_posterior(one, A, s)
    np.testing.assert_allclose(vector(arrow.mean()), dense.mean, **EXACT)
    expected = np.linalg.slogdet(dense.posterior)[1] - np.linalg.slogdet(dense.prior)[1]
    assert arrow.log_det == pytest.approx(expected, abs=1e-9)
    other = dense_posterior(one, diagonal, s)
    assert abs(dense.mean - other.mean).max() > 0.1
    if one.layout.by_bundle and len(one.layout.cosines):
        first = 2 * len(one.panel.product)
        b, w = one.layout.n_bundle, one.layout.n_cosines
        rows = first + np.arange(one.panel.n_groups)[:, None] * b + np.arange(w)
        squares = (np.diag(dense.covariance) + dense.mean**2)[rows].sum(axis=0)
        np.testing.assert_allclose(moments(arrow).cosines, squares, **EXACT)
