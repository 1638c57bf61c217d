"""Curves made piece by piece, against all of them at once; factors put in order where they lie."""

import numpy as np
import pytest

from hdfm.factors import pieces
from hdfm.factors.align import align, towards
from hdfm.factors.curves import Curves, contribution_curves, curve_sd, mean_loadings, permute, permuted
from hdfm.factors.pieces import by_draw
from hdfm.factors.tables import align_factors, factor_table
from hdfm.factors.variances import customer_variances, factor_variances, mean_squares

K, D, N, S, T, L = 2, 9, 4, 5, 6, 3
# Sums of a few numbers of order 1 in another order.
EXACT = 1e-12


@pytest.fixture(params=[1, 40, 10**6])
def piece_cells(request, monkeypatch):
    """From a number to everything at a time."""
    monkeypatch.setattr(pieces, "PIECE_CELLS", request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def values_by_name(rng):
    """A tier of each kind; factors common to all change places between draws."""
    size = 0.5 ** np.arange(L)
    values = {
        "alpha": rng.normal(size=(K, D, N, S)),
        "loading": size * rng.uniform(0.9, 1.1, (K, D, N, S, L)),
        "factor_path": np.sin(np.arange(T)[:, None] * np.arange(1, L + 1))
        + 0.1 * rng.normal(size=(K, D, T, L)),
        "lengthscale": rng.uniform(size=(K, D, L)),
        "loading_amplitude": rng.uniform(size=(K, D, L)),
        "category_loading": rng.uniform(size=(K, D, N, S, 2)),
        "category_factor_path": rng.normal(size=(K, D, 2, T, 2)),
        "category_lengthscale": rng.uniform(size=(K, D, 2)),
        "category_loading_amplitude": rng.uniform(size=(K, D, 2)),
        "individual_loading": rng.uniform(size=(K, D, S, 2)),
        "individual_factor_path": rng.normal(size=(K, D, N, T, 2)),
        "individual_lengthscale": rng.uniform(size=(K, D)),
        "individual_scale": rng.uniform(size=(K, D, 2)),
    }
    order = rng.permuted(np.tile(np.arange(L), (K, D, 1)), axis=-1)
    for name in ("loading", "factor_path", "lengthscale", "loading_amplitude"):
        values[name] = permuted(values[name], order, -1)
    return values


@pytest.mark.parametrize("own_weights", [False, True])
def test_pieces_of_curves_are_those_of_all(rng, piece_cells, own_weights):
    weight, path = rng.normal(size=(K, D, N if own_weights else 1, L)), rng.normal(size=(K, D, N, T, L))
    curves = Curves(weight, path)
    dense = (weight[:, :, :, None] * path).reshape(K, D, N * T, L)
    assert curves.shape == dense.shape
    np.testing.assert_array_equal(curves.to_dense(), dense)
    pooled, found = dense.reshape(K * D, N * T, L), np.full((K * D, N * T, L), np.nan)
    for some, piece in curves.over_draws():
        found[some] = piece
    np.testing.assert_array_equal(found, pooled)
    for m in range(K * D):
        np.testing.assert_array_equal(curves.of_draw(m), pooled[m])
    order = rng.permuted(np.tile(np.arange(L), (K, D, 1)), axis=-1)
    for permutation in (None, order):
        expected = dense if permutation is None else permuted(dense, permutation, -1)
        together = np.concatenate(list(curves.over_times(permutation)), axis=2)
        assert sorted(together[0, 0, :, 0]) == sorted(expected[0, 0, :, 0])
        sd = np.sqrt(expected.var(axis=(0, 1)).mean(axis=0))
        np.testing.assert_allclose(curve_sd(curves, permutation), sd, rtol=EXACT)


def test_alignment_in_pieces_is_that_of_all(rng, monkeypatch):
    values = values_by_name(rng)
    curves = contribution_curves(values["loading"], values["factor_path"])
    whole = align(curves)
    monkeypatch.setattr(pieces, "PIECE_CELLS", 2 * T * L)
    again = align(curves)
    np.testing.assert_array_equal(again.permutation, whole.permutation)
    np.testing.assert_allclose(again.reference, whole.reference, atol=EXACT)
    np.testing.assert_allclose(again.factor_margin, whole.factor_margin, rtol=1e-9)
    permutation, mean = towards(curves, whole.reference[None])
    np.testing.assert_array_equal(permutation[0].reshape(K, D, L), whole.permutation)
    np.testing.assert_allclose(mean[0], whole.reference, atol=EXACT)


def test_moments_over_customers(rng, piece_cells):
    w, alpha = rng.normal(size=(K, D, N, S, L)), rng.normal(size=(K, D, N, S))
    own = rng.normal(size=(K, D, N, T, L))
    np.testing.assert_allclose(mean_loadings(w), w.mean(axis=2), atol=EXACT)
    np.testing.assert_allclose(mean_squares(w), (w**2).mean(axis=2), rtol=EXACT)
    np.testing.assert_allclose(mean_squares(w[:, :, 0]), w[:, :, 0] ** 2, rtol=EXACT)
    np.testing.assert_allclose(customer_variances(alpha), alpha.var(axis=2), rtol=EXACT)
    expected = mean_squares(w).sum(axis=2) * own.var(axis=-2).mean(axis=2)
    np.testing.assert_allclose(factor_variances(mean_squares(w), own), expected, rtol=EXACT)
    some = np.array([2, 0])
    np.testing.assert_allclose(by_draw(lambda a: a.sum(axis=1), alpha, some), alpha[:, :, some].sum(axis=2))


def test_values_alike_in_all_draws_are_read_once(rng, piece_cells):
    w = rng.normal(size=(N, S, L)).astype(np.float32)
    seen = []

    def mean(draws):
        seen.append(draws.shape)
        return draws.mean(axis=1)

    found = by_draw(mean, np.broadcast_to(w, (K, D, N, S, L)))
    assert seen == [(1, N, S, L)]
    np.testing.assert_allclose(found, np.broadcast_to(w.mean(axis=0, dtype=float), (K, D, S, L)), rtol=EXACT)


def test_factors_are_put_in_order_in_place(rng):
    values = values_by_name(rng)
    before = {name: value.copy() for name, value in values.items()}
    out = align_factors(values, [slice(0, 2), slice(2, S)], np.ones(S))
    assert all(out[name] is values[name] for name in values)
    assert not np.array_equal(values["loading"], before["loading"])
    for value in before.values():
        value.flags.writeable = False
    copied = align_factors(before, [slice(0, 2), slice(2, S)], np.ones(S))
    assert copied["loading"] is not before["loading"]
    for name in values:
        np.testing.assert_array_equal(copied[name], values[name])


def test_only_draws_that_change_are_written(rng):
    values = rng.normal(size=(K, D, N, L))
    order = np.broadcast_to(np.arange(L), (K, D, L)).copy()
    order[1, 3] = [2, 0, 1]
    expected = permuted(values, order, -1)

    class Watched(np.ndarray):
        """An array that counts what is written into it."""

        written = 0

        def __setitem__(self, key, value):
            type(self).written += 1
            super().__setitem__(key, value)

    np.testing.assert_array_equal(permute(values.view(Watched), order), expected)
    assert Watched.written == 1


def test_tables_of_32_bits_are_those_of_64(rng):
    values, parts, scale = values_by_name(rng), [slice(0, 2), slice(2, S)], rng.uniform(0.5, 2, S)
    narrow = {name: value.astype(np.float32) for name, value in values.items()}
    one, other = (factor_table(v, parts, scale, 10.0, 0.8) for v in (values, narrow))
    np.testing.assert_allclose(one, other, rtol=1e-6)
