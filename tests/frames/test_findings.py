"""What is found in data, against plain linear algebra."""

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning
from hdfm.frames.findings import (
    explained_beside,
    explained_by_others,
    far_outside,
    price_spikes,
    warn_of_far,
    without_effects,
)


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


def test_share_that_others_explain_beside_effects(cells):
    i, _, values = cells
    dummies = pd.get_dummies(i).to_numpy(float)
    columns = np.column_stack([values[:, :2], values.sum(axis=1) + i, dummies @ np.arange(12.0)])
    left = columns - dummies @ np.linalg.lstsq(dummies, columns)[0]
    expected = explained_by_others(left[:, :3])
    np.testing.assert_allclose(explained_beside(columns, dummies), [*expected, 1], atol=1e-6)
    np.testing.assert_allclose(explained_beside(left, dummies[:, :0])[:3], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "low", "high", "ratio", "far"),
    [
        *((5.9, 0, 1, False, False), (6.1, 0, 1, False, True), (-5.1, 0, 1, False, True)),
        *((100.0, 0, 1, False, True), (2.0, 1, 1, False, True), (1.0, 1, 1, False, False)),
        *(
            (0.2, 1, 3, True, False),
            (0.19, 1, 3, True, True),
            (16, 1, 3, True, True),
            (14, 1, 3, True, False),
        ),
        *((0.19, 1, 3, False, False), (-30.0, -1, 3, True, True), (-20.0, -1, 3, True, False)),
        *((np.nan, 0, 1, False, False), (9.0, np.nan, np.nan, True, False)),
    ],
)
def test_what_is_far(value, low, high, ratio, far):
    column = pd.Series([value, 0.5], index=["a", "b"], name="x")
    limits = (np.array([end, np.nan], dtype=float) for end in (low, high))
    said = far_outside(column, "controls", column.to_numpy(), *limits, ratio=ratio)
    shown = f"such as {value:.4g} in row 'a' where {low:.4g} to {high:.4g} was seen"
    assert said == ([f"controls column 'x' in 1 of 2 rows, {shown}"] if far else [])


def test_one_warning_of_all_that_is_far():
    warn_of_far([])
    with pytest.warns(DataWarning, match="^Values far outside those of the fit: a; b. Answers there") as said:
        warn_of_far(["a", "b"])
    assert len(said) == 1
