"""Tiers of factors: which path a coefficient reads, against loops; a record in the registry suffices."""

from dataclasses import replace

import numpy as np
import pytest

from hdfm.exceptions import UnknownNameError
from hdfm.factors.draws import tier_draws
from hdfm.factors.tables import factor_table, tier_variances
from hdfm.factors.tier import CATEGORY, GLOBAL, INDIVIDUAL, TIERS, Tier, tier_of, tier_sizes

D, N, T, L = 3, 5, 4, 2
PARTS = [slice(0, 2), slice(2, 2), slice(2, 6)]
S, C = 6, len(PARTS)
# Sums of a few numbers of order 1 in another order.
EXACT = 1e-12


def draws_of(tier, seed=0):
    """Draws with a path for each owner."""
    rng = np.random.default_rng(seed)
    G = {GLOBAL: (), CATEGORY: (C,), INDIVIDUAL: (N,)}[tier]
    loading = rng.uniform(size=(D, S, L) if tier.zero_sum else (D, N, S, L))
    return tier_draws(tier, loading, rng.normal(size=(D, *G, T, L)), rng.uniform(size=(D, L)))


def path_by_hand(draws, i, s):
    """The path (D, T, L) that coefficient s of customer i reads."""
    category = next(c for c, part in enumerate(PARTS) if part.start <= s < part.stop)
    return draws.path[:, {GLOBAL: 0, CATEGORY: category, INDIVIDUAL: i}[draws.tier]]


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
def test_coefficients_read_the_paths_of_their_owners(tier):
    draws = draws_of(tier)
    customer, period = np.array([[3, 0, 3]]), np.array([1, 0, 3])
    for category, s in ((0, 1), (2, 4)):
        found = draws.at(np.arange(D)[:, None], category, customer, period)
        for o, (i, t) in enumerate(zip(customer[0], period, strict=True)):
            np.testing.assert_array_equal(found[:, o], path_by_hand(draws, i, s)[:, t])


@pytest.mark.parametrize("weights", [None, np.array([1.0, 3.0, 0.5])])
@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
def test_means_over_customers(tier, weights):
    """Loadings that differ by customer move one path, so that their mean does."""
    draws, which = draws_of(tier), np.array([0, 2, 4])
    share = np.full(3, 1 / 3) if weights is None else weights / weights.sum()
    expected = np.zeros((D, T, S))
    for part in PARTS:
        for s in range(part.start, part.stop):
            for i, times in zip(which, share, strict=True):
                w = draws.loading[:, 0 if tier.zero_sum else i, s]
                expected[..., s] += times * np.einsum("dl,dtl->dt", w, path_by_hand(draws, i, s))
    np.testing.assert_allclose(draws.mean(PARTS, which, weights), expected, atol=EXACT)


def test_variables_have_the_prefix_of_their_tier():
    names = [{tier.dim, *tier.by_factor, *tier.wide, tier.lengthscale} for tier in TIERS.values()]
    assert len(set.union(*names)) == sum(map(len, names))
    assert GLOBAL.path_dims == ("period", "factor")
    assert CATEGORY.path_dims == ("category", "period", "category_factor")
    assert INDIVIDUAL.path_dims == ("customer", "period", "individual_factor")


def test_sizes_are_those_of_tiers_with_factors():
    assert [(size.tier, size.number) for size in tier_sizes(0, 2, 1)] == [(CATEGORY, 2), (INDIVIDUAL, 1)]
    assert tier_sizes(0, 0, 0) == ()


def test_a_record_in_the_registry_is_a_tier(monkeypatch):
    """Named otherwise, the same variables have the same share, side by side with the first."""
    other: Tier = replace(CATEGORY, name="segment", number="n_segment_factors", prefix="segment_")
    rng = np.random.default_rng(1)
    sizes = {"loading": (N, S, L), "factor_path": (C, T, L), "lengthscale": (L,)}
    values = {CATEGORY.variable(name): rng.uniform(size=(1, D, *size)) for name, size in sizes.items()}
    values |= {other.variable(name): values[CATEGORY.variable(name)] for name in sizes}
    with pytest.raises(UnknownNameError, match="no case for tier 'segment'"):
        tier_of("segment")
    monkeypatch.setitem(TIERS, other.name, other)
    table = factor_table(values, PARTS, np.ones(S), 10.0, 0.8)
    np.testing.assert_array_equal(table.loc["segment"], table.loc["category"])
    assert table["share"].sum() == pytest.approx(1)
    variances = tier_variances(values, PARTS, np.ones(S))
    assert list(variances) == ["category", "segment"]
