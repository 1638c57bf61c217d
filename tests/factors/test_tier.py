"""Tiers of factors: which path a coefficient reads, against loops; a record in the registry suffices.

Groups of customers are held against customers who have the paths of their group.
"""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

from hdfm import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.exceptions import UnknownNameError
from hdfm.factors.data import FactorData
from hdfm.factors.draws import tier_draws
from hdfm.factors.graph import moving_tiers
from hdfm.factors.hsgp import choose_gp, held_gp
from hdfm.factors.tables import factor_table, tier_variances
from hdfm.factors.tier import (
    CATEGORY,
    GLOBAL,
    INDIVIDUAL,
    OF_CUSTOMER,
    TIERS,
    Tier,
    TierSize,
    tier_of,
    tier_sizes,
)
from hdfm.hierarchy.data import held

D, N, T, L = 3, 5, 4, 2
PARTS = [slice(0, 2), slice(2, 2), slice(2, 6)]
S, C = 6, len(PARTS)
# Sums of a few numbers of order 1 in another order.
EXACT = 1e-12
MEMBER = np.array([0, 1, 0, 2, 0])  # of the N customers among groups of different sizes
GROUPS: Tier = replace(
    INDIVIDUAL,
    name="group",
    number="n_group_factors",
    prefix="group_",
    owner=replace(OF_CUSTOMER, name="group", dims=("group",), by_customer=False),
)


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


@pytest.fixture
def groups(monkeypatch):
    """The tier of groups, in the registry."""
    monkeypatch.setitem(TIERS, GROUPS.name, GROUPS)
    return GROUPS


def drawn_twice():
    """Draws of groups, and of customers with the paths of their groups."""
    rng = np.random.default_rng(2)
    loading, path = rng.uniform(size=(D, S, L)), rng.normal(size=(D, MEMBER.max() + 1, T, L))
    rho = rng.uniform(size=D)
    grouped = tier_draws(GROUPS, loading, path, rho, member=MEMBER)
    return grouped, tier_draws(INDIVIDUAL, loading, path[:, MEMBER], rho)


@pytest.mark.parametrize("which", [slice(None), np.array([0, 2, 3, 4])], ids=["all", "some"])
@pytest.mark.parametrize("weighted", [False, True])
def test_customers_read_the_paths_of_their_group(which, weighted):
    grouped, alone = drawn_twice()
    d, customer, period = np.arange(D)[:, None], np.array([[3, 0, 1, 2]]), np.array([1, 0, 3, 3])
    np.testing.assert_array_equal(grouped.at(d, 0, customer, period), alone.at(d, 0, customer, period))
    each = np.repeat(customer, D, axis=0)
    np.testing.assert_array_equal(grouped.at(d, 2, each, period), alone.at(d, 2, each, period))
    weights = np.arange(1.0, 6.0)[which] if weighted else None
    means = (draws.mean(PARTS, which, weights) for draws in (grouped, alone))
    np.testing.assert_allclose(*means, atol=EXACT)
    some = np.array([4, 1])
    means = (draws.of_customers(some).mean(PARTS, slice(None)) for draws in (grouped, alone))
    np.testing.assert_allclose(*means, atol=EXACT)


def test_groups_have_the_variance_of_their_customers(groups):
    grouped, alone = drawn_twice()
    variances = [
        tier_variances(
            {tier.loading: draws.loading[None, :, 0], tier.path: draws.path[None]},
            PARTS,
            np.ones(S),
            {groups.owner.name: MEMBER, OF_CUSTOMER.name: np.arange(N)},
        )[tier.name]
        for tier, draws in ((groups, grouped), (INDIVIDUAL, alone))
    ]
    np.testing.assert_allclose(*variances, rtol=EXACT)


def test_the_graph_gives_customers_the_paths_of_their_group(groups):
    times = np.linspace(0, 1, T)
    owners = {groups.owner.name: MEMBER}
    with pm.Model(
        coords={"coefficient": range(S), "period": range(T), "group": range(3), groups.dim: [1, 2]}
    ):
        data = FactorData(
            gp=held_gp(choose_gp("exact", "matern32", times, 0.1, 0.4), T),
            parts=PARTS,
            scale=held("scale", np.ones(S)),
            share=held("share", np.full(N, 1 / N)),
            loading_customers=None,
            owners=owners,
            information=(),
            score=(),
        )
        (moving,) = moving_tiers([TierSize(groups.name, L)], ChoicePriors(), data, {})
        variables = [pm.modelcontext(None)[groups.path], *moving.path]
        path, *read = pm.draw(variables, mode="FAST_COMPILE", random_seed=1)
    assert path.shape == (3, T, L)
    for of_customers in read:
        np.testing.assert_array_equal(of_customers, path[MEMBER])


def test_one_owner_alone_has_no_sum_to_zero(groups):
    spec = ChoiceSpec((TierSize("global", 1), TierSize(groups.name, 1)), True, ChoicePriors())
    assert spec.without_lone_owners({groups.owner.name: MEMBER}) == spec
    alone = spec.without_lone_owners({groups.owner.name: np.zeros(N, dtype=int)})
    assert alone.tiers == (TierSize("global", 1),)
