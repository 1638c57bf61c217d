"""Factors drawn under changing names: found again, and judged."""

import numpy as np
import pytest

from hdfm.factors.align import (
    Alignment,
    align,
    assign_by_listing,
    assign_by_matching,
    exchange_margins,
    identification_report,
)
from hdfm.factors.curves import contribution_curves, curve_sd, permuted
from hdfm.factors.variances import customer_variances, factor_variances, mean_squares, variance_shares

K, D, N, S, T = 4, 150, 6, 5, 30
# Sums of a few numbers of order 1 in another order.
EXACT = 1e-12
# Relative standard error of a standard deviation of 600 draws is 3 %.
SAMPLED = 0.1


def smooth_paths(L):
    """Centred waves (T, L) of unit variance, no two alike."""
    t = np.linspace(0, 1, T)[:, None]
    waves = np.sin((np.arange(L) + 1.3) * np.pi * t + np.arange(L))
    return (waves - waves.mean(axis=0)) / waves.std(axis=0)


def ordered_draws(rng, L, noise=0.1):
    """Loadings (K, D, N, S, L) and paths (K, D, T, L), the first factor the strongest."""
    size = 0.6 ** np.arange(L)
    loadings = size * np.exp(noise * rng.normal(size=(K, D, N, S, L)))
    paths = smooth_paths(L) + noise * rng.normal(size=(K, D, T, L))
    return loadings, paths - paths.mean(axis=2, keepdims=True)


def variances_of(loadings, paths):
    return factor_variances(mean_squares(loadings), paths)


def shuffles(rng, L, by_chain):
    """Random permutations (K, D, L), the same in all draws of a chain or new in each."""
    return np.broadcast_to(
        rng.permuted(np.tile(np.arange(L), (K, 1 if by_chain else D, 1)), axis=-1), (K, D, L)
    )


@pytest.mark.parametrize("by_chain", [True, False])
@pytest.mark.parametrize("L", [2, 3, 4, 6])
def test_shuffled_factors_are_put_back_in_order(L, by_chain):
    rng = np.random.default_rng(L)
    loadings, paths = ordered_draws(rng, L)
    shuffle = shuffles(rng, L, by_chain)
    mixed = permuted(loadings, shuffle, -1), permuted(paths, shuffle, -1)
    alignment = align(contribution_curves(*mixed))
    assert np.array_equal(permuted(mixed[0], alignment.permutation, -1), loadings)
    assert np.array_equal(permuted(mixed[1], alignment.permutation, 3), paths)
    assert np.array_equal(permuted(shuffle, alignment.permutation, 2), np.tile(np.arange(L), (K, D, 1)))
    assert alignment.passes <= 5
    np.testing.assert_allclose(
        alignment.reference, contribution_curves(loadings, paths).to_dense().mean(axis=(0, 1)), atol=EXACT
    )
    assert (alignment.margin > 0.5).all()


def test_what_the_order_leaves_alone_is_left_alone():
    rng = np.random.default_rng(1)
    shuffle = shuffles(rng, 3, by_chain=False)
    loadings, paths = (permuted(v, shuffle, -1) for v in ordered_draws(rng, 3, noise=0.5))
    permutation = align(contribution_curves(loadings, paths)).permutation
    aligned = permuted(loadings, permutation, -1), permuted(paths, permutation, -1)
    before = np.einsum("kdisl,kdtl->kdist", loadings, paths)
    np.testing.assert_allclose(np.einsum("kdisl,kdtl->kdist", *aligned), before, rtol=0, atol=EXACT)
    variances, reordered = variances_of(loadings, paths), variances_of(*aligned)
    np.testing.assert_allclose(reordered, permuted(variances, permutation, -1), atol=EXACT)
    np.testing.assert_allclose(reordered.sum(axis=-1), variances.sum(axis=-1), rtol=EXACT)


def test_listing_and_matching_agree():
    gain = np.random.default_rng(2).normal(size=(500, 4, 4))
    assert np.array_equal(assign_by_listing(gain), assign_by_matching(gain))


def test_assignment_has_the_least_squared_distance():
    rng = np.random.default_rng(3)
    curves, reference = rng.normal(size=(50, T, 3)), rng.normal(size=(T, 3))
    permutation = assign_by_listing(np.tensordot(curves, reference, axes=(1, 0)))
    chosen = ((permuted(curves, permutation, -1) - reference) ** 2).sum(axis=(1, 2))
    for one in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]):
        assert (chosen <= ((curves[..., one] - reference) ** 2).sum(axis=(1, 2)) + EXACT).all()


def test_margins_are_relative_costs_of_exchanging_two_factors():
    rng = np.random.default_rng(4)
    aligned = smooth_paths(3) + 0.3 * rng.normal(size=(40, T, 3))
    reference = aligned.mean(axis=0)

    def rise(curves, swapped):
        return ((curves[..., swapped] - reference) ** 2).sum((-2, -1)) - ((curves - reference) ** 2).sum(
            (-2, -1)
        )

    pairs = [([1, 0, 2], (0, 1)), ([2, 1, 0], (0, 2)), ([0, 2, 1], (1, 2))]
    ratio = {pair: rise(aligned, swapped) / rise(reference, swapped) for swapped, pair in pairs}
    expected = np.stack(
        [np.min([r for pair, r in ratio.items() if factor in pair], axis=0) for factor in range(3)], axis=1
    )
    np.testing.assert_allclose(exchange_margins(aligned, reference), expected, rtol=1e-10)
    np.testing.assert_allclose([r.mean() for r in ratio.values()], 1, rtol=1e-10)


def test_single_factor_has_nothing_to_align():
    loadings, paths = ordered_draws(np.random.default_rng(5), 1)
    curves = contribution_curves(loadings, paths)
    alignment = align(curves)
    assert not alignment.permutation.any()
    assert np.isinf(alignment.margin).all()
    shares = variance_shares({"global": variances_of(loadings, paths)})["global"]
    assert (shares == 1).all()
    assert identification_report(curves, alignment, shares)["verdict"].tolist() == ["identified"]


def test_loadings_of_the_population_are_loadings_of_equal_customers():
    loadings, paths = ordered_draws(np.random.default_rng(6), 2)
    population = loadings[:, :, 0]
    equal = np.repeat(population[:, :, None], N, axis=2)
    np.testing.assert_allclose(
        *(contribution_curves(w, paths).to_dense() for w in (population, equal)), rtol=0, atol=EXACT
    )
    np.testing.assert_allclose(*(variances_of(w, paths) for w in (population, equal)), rtol=EXACT)


def test_variances_are_those_of_the_products():
    rng = np.random.default_rng(7)
    loadings, paths = ordered_draws(rng, 2)
    products = np.einsum("kdisl,kdtl->kdislt", loadings, paths)
    expected = products.var(axis=-1).sum(axis=3).mean(axis=2)
    np.testing.assert_allclose(variances_of(loadings, paths), expected, rtol=EXACT)
    own = rng.normal(size=(K, D, N, T, 2))
    products = np.einsum("kdsl,kditl->kdislt", loadings[:, :, 0], own)
    expected = products.var(axis=-1).sum(axis=3).mean(axis=2)
    np.testing.assert_allclose(variances_of(loadings[:, :, 0], own), expected, rtol=EXACT)


def test_shares_of_all_tiers_sum_to_one_or_to_the_dynamic_part():
    rng = np.random.default_rng(8)
    variances = {"global": rng.gamma(2, size=(K, D, 2)), "individual": rng.gamma(1, size=(K, D, 1))}
    alpha = rng.normal(size=(K, D, N, S))
    dynamic = variances["global"].sum(axis=-1) + variances["individual"].sum(axis=-1)
    static = alpha.var(axis=2).sum(axis=-1)

    def added(shares):
        return sum(share.sum(axis=-1) for share in shares.values())

    np.testing.assert_allclose(added(variance_shares(variances)), 1, rtol=EXACT)
    np.testing.assert_allclose(
        added(variance_shares(variances, customer_variances(alpha))), dynamic / (dynamic + static), rtol=EXACT
    )


def test_nothing_has_no_share_of_nothing():
    assert not variance_shares({"global": np.zeros((K, D, 2))})["global"].any()


def report(loadings, paths, alpha=None, prior_sd=None):
    curves = contribution_curves(loadings, paths)
    static = None if alpha is None else customer_variances(alpha)
    shares = variance_shares({"global": variances_of(loadings, paths)}, static)["global"]
    return identification_report(curves, align(curves), shares, prior_sd)


def test_distinct_factors_are_identified():
    rng = np.random.default_rng(9)
    shuffle = shuffles(rng, 2, by_chain=True)
    ordered = ordered_draws(rng, 2)
    table = report(*(permuted(v, shuffle, -1) for v in ordered), prior_sd=1.0)
    assert table["verdict"].tolist() == ["identified"] * 2
    assert table.index.tolist() == [1, 2]
    assert (table["small_margins"] == 0).all()
    assert table["share"].is_monotonic_decreasing
    assert table["share"].between(table["share_lower"], table["share_upper"]).all()
    assert table["share"].sum() == pytest.approx(1, rel=EXACT)
    np.testing.assert_allclose(table["sd_ratio"], 1 / curve_sd(contribution_curves(*ordered)), rtol=1e-10)
    assert table["sd_ratio"].is_monotonic_increasing


def test_two_factors_alike_are_not_separate_and_a_third_is():
    rng = np.random.default_rng(10)
    loadings, paths = ordered_draws(rng, 3)
    loadings[..., 1], paths[..., 1] = loadings[..., 0], paths[..., 0]
    wobble = smooth_paths(6)[:, 3:] @ rng.normal(size=(K, D, 3, 2)) / 10
    paths[..., :2] += wobble
    table = report(loadings, paths)
    assert table["verdict"].tolist() == ["not separately identified"] * 2 + ["identified"]
    assert (table["r_hat"] < 1.05).all()


def test_twins_to_the_last_bit_have_no_margin():
    loadings, paths = ordered_draws(np.random.default_rng(11), 2)
    loadings[..., 1], paths[..., 1] = loadings[..., 0], paths[..., 0]
    table = report(loadings, paths)
    assert (table["small_margins"] == 1).all()
    assert set(table["verdict"]) == {"not separately identified"}


def test_chains_that_found_other_factors_are_not_separate():
    """Sum of w theta is the same; one chain splits it otherwise."""
    loadings, paths = ordered_draws(np.random.default_rng(12), 2, noise=0.05)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    loadings[0], paths[0] = loadings[0] @ turn, paths[0] @ turn
    table = report(loadings, paths)
    assert (table["r_hat"] > 1.05).all()
    assert set(table["verdict"]) == {"not separately identified"}


def test_factors_without_variance_make_no_contribution():
    rng = np.random.default_rng(13)
    loadings, paths = ordered_draws(rng, 2)
    loadings[..., 1] *= 1e-2
    table = report(loadings, paths)
    assert table["verdict"].tolist() == ["identified", "no contribution"]
    static = report(1e-2 * loadings, paths, alpha=rng.normal(size=(K, D, N, S)))
    assert set(static["verdict"]) == {"no contribution"}


def test_one_chain_has_no_r_hat():
    loadings, paths = (v[:1] for v in ordered_draws(np.random.default_rng(14), 2))
    table = report(loadings, paths)
    assert table["r_hat"].isna().all()
    assert table["sd_ratio"].isna().all()
    assert set(table["verdict"]) == {"identified"}


def test_single_period_gives_no_contribution():
    table = report(np.ones((K, D, S, 2)), np.zeros((K, D, 1, 2)))
    assert set(table["verdict"]) == {"no contribution"}


def test_standard_deviation_of_curves_is_over_draws():
    paths = np.random.default_rng(15).normal(size=(K, D, T, 2))
    curves = contribution_curves(np.broadcast_to([1.0, 3.0], (K, D, S, 2)), paths)
    np.testing.assert_allclose(curve_sd(curves), [1, 3], rtol=SAMPLED)


def test_margin_of_a_draw_is_its_smallest():
    margins = np.random.default_rng(16).uniform(size=(K, D, 3))
    alignment = Alignment(np.zeros((K, D, 3), dtype=int), np.zeros((T, 3)), margins, 1)
    assert np.array_equal(alignment.margin, np.sort(margins, axis=-1)[..., 0])
