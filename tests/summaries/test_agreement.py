"""Standardised gaps between two parts of the data, where the posterior is exact."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reference.conjugate import SD, levels, posterior, simulate

from hdfm.summaries.agreement import (
    COLUMNS,
    LEAST_WEIGHT,
    PooledLevel,
    agreement_row,
    agreement_table,
    aligned,
    copies_error,
    ratio_error,
    root_mean_square,
    standardised_gaps,
    verdict,
)

GROUP = np.repeat(np.arange(12), 6)
PANELS = 60
# Of root mean squares over all panels' products, of which there are about 4,000.
NEAR = 0.03


def parts(rng, understated=1.0):
    """Moments of products and groups from two parts with very unequal information."""
    error_sd = SD * np.exp(rng.uniform(-1, 2, (2, len(GROUP))))
    estimates = simulate(GROUP, error_sd, rng, understated)
    return [levels(GROUP, *posterior(GROUP, *part)) for part in zip(estimates, error_sd, strict=True)]


def figures(statistic, understated=1.0):
    """The root mean square over panels of a statistic of two levels, products first."""
    rng, z = np.random.default_rng(1), []
    for _ in range(PANELS):
        one, other = parts(rng, understated)
        z.append([statistic(*pair) for pair in zip(one, other, strict=True)])
    return [float(root_mean_square(np.concatenate(values))) for values in zip(*z, strict=True)]


def test_a_right_posterior_has_one():
    products, groups = figures(standardised_gaps)
    assert products == pytest.approx(1, abs=NEAR)
    assert 0.5 < groups < 0.9  # both parts have the same products


@pytest.mark.parametrize("informed", [False, True])
def test_however_much_data_say(informed):
    def of_some(one, other):
        weight = np.minimum(one.weight, other.weight)
        return np.where((weight > 0.3) == informed, standardised_gaps(one, other), np.nan)

    assert figures(of_some)[0] == pytest.approx(1, abs=2 * NEAR)


def test_understated_errors_show():
    products, _ = figures(standardised_gaps, understated=1.5)
    assert 1.35 < products < 1.5


def test_posterior_means_are_pulled_together():
    """The plain statistic, which a right posterior fails."""

    def plain(one, other):
        sd = np.hypot(*(np.sqrt(part.variance) for part in (one, other)))
        return (one.mean - other.mean) / sd

    assert figures(plain)[0] < 0.8


def test_means_of_groups_have_to_be_one():
    """Where data say little of a product, its estimates differ by those of its group."""

    def apart(one, other):
        w, v = one.weight, other.weight
        variance = w * one.variance + v * other.variance + (w - v) ** 2 * SD**2
        z = (one.mean - other.mean) / np.sqrt(variance)
        return np.where(np.minimum(w, v) < LEAST_WEIGHT, np.nan, z)

    assert figures(apart)[0] > 1 + 4 * NEAR


def level(mean, weight, labels=None, name="product"):
    """A level pooled about 0 with spread 1."""
    mean, weight = np.asarray(mean, dtype=float), np.asarray(weight, dtype=float)
    labels = pd.Index(range(len(mean)) if labels is None else labels, name=name)
    return PooledLevel(labels=labels, mean=mean, variance=1 - weight, centre=np.zeros(len(mean)), spread=1.0)


def test_a_gap_by_hand():
    one, other = level([0.5], [0.8]), level([-0.1], [0.5])
    expected = 0.6 / np.sqrt(0.8 * 0.2 + 0.5 * 0.5 + 0.3**2)
    np.testing.assert_allclose(standardised_gaps(one, other), expected)
    moved = replace(other, centre=np.array([0.2]))  # the other part's group mean is .2 higher
    expected = (0.5 + 0.2 * 0.1 - (-0.1 + 0.5 * -0.1)) / np.sqrt(0.8 * 0.2 + 0.5 * 0.5 + 0.3**2)
    np.testing.assert_allclose(standardised_gaps(one, moved), expected)


def test_who_is_left_out():
    one = aligned(level([1.0, 2.0, 3.0], [0.5, 0.04, 0.5], ["a", "b", "d"]), pd.Index(["a", "b", "c", "d"]))
    other = aligned(level([3.0, 1.0, 1.0], [0.5, 0.5, 0.5], ["c", "b", "a"]), one.labels)
    np.testing.assert_array_equal(one.weight, [0.5, 1 - 0.96, 0, 0.5])
    np.testing.assert_array_equal(np.isfinite(standardised_gaps(one, other)), [True, False, False, False])


def test_root_mean_square():
    z = np.array([[3.0, np.nan, 4.0], [np.nan] * 3])
    np.testing.assert_allclose(root_mean_square(z), [np.sqrt(12.5), np.nan])


def test_errors_of_ratios():
    """Both are that of a ratio of root mean squares of normals, sqrt(1 / 2N) of each."""
    rng = np.random.default_rng(0)
    N, K = 400, 30
    z, copies = rng.standard_normal(N), rng.standard_normal((K, N))
    expected = np.sqrt((1 + 1 / K) / (2 * N))
    assert ratio_error(z, copies, rng) == pytest.approx(expected, rel=0.2)
    assert copies_error(root_mean_square(copies)) == pytest.approx(expected, rel=0.3)
    together = np.repeat(rng.standard_normal((K, N // 20)), 20, axis=1)  # that products do not vary alone
    assert copies_error(root_mean_square(together)) == pytest.approx(np.sqrt(20) * expected, rel=0.3)


def test_one_member_has_the_error_of_copies_alone():
    rng = np.random.default_rng(0)
    row = agreement_row(np.array([1.0]), rng.standard_normal((20, 1)), rng)
    assert row["n"] == 1
    assert np.isnan(row["se"])
    assert row["se_copies"] > 0.5
    assert row["verdict"] == "too few to tell"


def test_no_copy_has_what_the_data_have():
    rng = np.random.default_rng(0)
    row = agreement_row(rng.standard_normal(5), np.full((2, 5), np.nan), rng)
    assert np.isnan([row[name] for name in ("ratio", "se", "se_copies")]).all()
    assert row["verdict"] == "nothing to compare"


def test_two_members_are_too_few_for_a_verdict():
    rng = np.random.default_rng(0)
    row = agreement_row(np.full(2, 9.0), rng.standard_normal((20, 2)), rng)
    assert row["ratio"] > 3
    assert row["verdict"] == "too few to tell"


@pytest.mark.parametrize("of_copies", [1.0, np.nan])
def test_nothing_to_compare(of_copies):
    rng = np.random.default_rng(0)
    row = agreement_row(np.full(3, np.nan), np.full((4, 3), of_copies), rng)
    assert (row["n"], row["left_out"], row["verdict"]) == (0, 3, "nothing to compare")
    assert np.isnan([row[name] for name in ("z", "z_copies", "ratio", "se")]).all()


@pytest.mark.parametrize(
    ("ratio", "error", "expected"),
    [
        (1.05, 0.04, "about right"),
        (1.26, 0.09, "too narrow by 26 %"),
        (0.8, 0.05, "too wide by 20 %, or errors are shared"),
        (1.2, 0.2, "too few to tell"),
        (1.6, 0.2, "too narrow by 60 %"),
        (np.nan, 0.1, "nothing to compare"),
        (1.1, np.nan, "too few to tell"),
    ],
)
def test_verdicts(ratio, error, expected):
    assert verdict(ratio, error) == expected


def test_table():
    rng = np.random.default_rng(0)
    right, wrong = rng.standard_normal((2, 9, 500))
    wrong[0] *= 1.5
    few, none = rng.standard_normal((9, 2)), np.full((9, 2), np.nan)
    gaps = {("halves", "sku"): right, ("halves", "shelf"): few}
    gaps |= {("blocks of 4", "sku"): wrong, ("blocks of 1", "sku"): few, ("blocks of 2", "sku"): none}
    table = agreement_table(gaps, rng)
    assert list(table.columns) == COLUMNS
    assert table.index.to_list() == list(gaps)
    assert table["n"].to_list() == [500, 2, 500, 2, 0]
    np.testing.assert_allclose(table["ratio"], table["z"] / table["z_copies"])
    said = table.attrs["verdict"].split(": ")
    assert said[0] == "On halves the intervals of products are about right"
    assert "On blocks of 4 the intervals of products are too narrow by" in said[1]
    assert said[2].endswith("On blocks of 1 too few products, 2, can be compared to tell")
    assert said[3].endswith("On blocks of 2 no products can be compared.")
