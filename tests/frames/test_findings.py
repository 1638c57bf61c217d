"""What is found in data, against plain linear algebra."""

import numpy as np
import pandas as pd
import pytest

from hdfm.frames.findings import explained_by_others, price_spikes, without_effects


@pytest.fixture
def cells():
    """Codes of two effects, of an unbalanced layout."""
    rng = np.random.default_rng(0)
    i, t = np.nonzero(rng.random((12, 9)) < 0.7)
    return i, t, rng.normal(size=(len(i), 3))


def test_residuals_of_two_way_effects_are_those_of_least_squares(cells):
    i, t, values = cells
    dummies = np.column_stack([pd.get_dummies(code).to_numpy(float) for code in (i, t)])
    expected = values - dummies @ np.linalg.lstsq(dummies, values)[0]
    np.testing.assert_allclose(without_effects(values, i, t), expected, atol=1e-7)


def test_what_effects_explain_is_nothing(cells):
    i, t, _ = cells
    columns = np.stack([0.3 * i - 2.0, t**2 + i, np.ones(len(i))], axis=1)
    assert not without_effects(columns, i, t).any()


def test_share_that_others_explain():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 500))
    near, alone = a + b + 0.05 * rng.normal(size=500), rng.normal(size=500)
    columns = np.stack([a, b, near, alone, np.zeros(500)], axis=1)
    columns -= columns.mean(axis=0)
    share = explained_by_others(columns)
    for k in range(4):
        others = np.delete(columns, k, axis=1)
        gap = columns[:, k] - others @ np.linalg.lstsq(others, columns[:, k])[0]
        assert share[k] == pytest.approx(1 - (gap**2).sum() / (columns[:, k] ** 2).sum(), abs=1e-6)
    assert share[4] == 0
    assert explained_by_others(np.stack([a, 2 * a], axis=1)) == pytest.approx(1)
    assert explained_by_others(a[:, None]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("price", "spiked"), [(0.01, True), (500.0, True), (2.0, False), (9.0, False)])
def test_a_spike_is_far_from_the_products_other_prices(price, spiked):
    prices = np.append(np.random.default_rng(2).uniform(4, 5, 30), price)
    found = price_spikes(np.log(prices), np.zeros(31, int), np.zeros(31, int))
    assert found[-1] == spiked
    assert not found[:-1].any()


def test_products_of_few_prices_are_held_against_their_group():
    prices, product = np.append(np.full(20, 4.0), [900.0, 30.0]), np.append(np.zeros(20, int), [1, 2])
    np.testing.assert_array_equal(
        np.flatnonzero(price_spikes(np.log(prices), product, np.zeros(22, int))), [20]
    )
    np.testing.assert_array_equal(price_spikes(np.log(prices), product, product), False)
