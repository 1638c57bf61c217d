"""Prices that do best."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reference.demand import POINTS, fit_at

from hdfm import HierarchicalElasticity
from hdfm.exceptions import InvalidArgumentError

GRID_STEP = 0.4 / 80


def at_elasticity(case, beta) -> HierarchicalElasticity:
    """A fit whose every draw has the same elasticity, ``beta``."""
    model = fit_at(case)
    model.draws_ = replace(case.draws, beta=np.full_like(case.draws.beta, beta))
    return model


@pytest.mark.parametrize("beta", [-2.0, -3.0, -6.0])
@pytest.mark.parametrize("name", ["poisson", "log-normal", "all"])
def test_optimal_price_of_one_elasticity(cases, beta, name):
    model = at_elasticity(cases(name), beta)
    last = pd.Series(model.panel_.last_price, index=model.panel_.product)
    wanted = pd.Series(np.linspace(0.85, 1.15, len(last)), index=last.index)
    cost = wanted * last * (1 + beta) / beta
    table = model.optimal_price(cost)
    np.testing.assert_allclose(table["ratio"], wanted, atol=GRID_STEP / 2 + 1e-9)
    np.testing.assert_allclose(table["optimal_price"], table["ratio"] * table["price"])
    np.testing.assert_allclose(table["price"], last)
    assert not table["at_bound"].any()
    gain = (table["optimal_price"] - cost) * table["units_at_optimum"] - (table["price"] - cost) * table[
        "units"
    ]
    np.testing.assert_allclose(table["change"], gain, rtol=1e-6)
    np.testing.assert_allclose(table["units_at_optimum"] / table["units"], table["ratio"] ** beta)
    assert (table["change"] >= 0).all()
    assert (table["change_lower"] <= table["change_upper"]).all()


@pytest.mark.parametrize(
    ("beta", "objective", "cost", "ratio"),
    [
        (-0.5, "profit", 0.0, 1.2),
        (-0.5, "revenue", None, 1.2),
        (-3.0, "revenue", None, 0.8),
        (-0.5, "units", None, 0.8),
        (0.5, "units", None, 1.2),
        (-3.0, "profit", 1e6, 1.2),
    ],
)
def test_optimal_price_at_a_bound(cases, beta, objective, cost, ratio):
    table = at_elasticity(cases("poisson"), beta).optimal_price(cost, objective=objective)
    np.testing.assert_allclose(table["ratio"], ratio)
    assert table["at_bound"].all()
    assert table.attrs["objective"] == objective


def test_units_of_today_are_those_of_an_average_period(cases):
    case = cases("poisson")
    table = fit_at(case).optimal_price(1.0)
    x = np.log(case.panel.last_price) - case.panel.price_level
    today = np.exp(case.draws.delta + case.draws.beta * x[:, None]).mean(axis=1)
    np.testing.assert_allclose(table["units"], today)


def test_uncertain_elasticities_move_the_optimum(cases):
    case = cases("poisson")
    model = fit_at(case)
    model.draws_ = replace(case.draws, beta=np.tile([-1.5, -4.5], (len(case.panel.product), POINTS // 2)))
    cost = 0.6 * case.panel.last_price
    table = model.optimal_price(pd.Series(cost, index=case.panel.product), bounds=(0.5, 2.0))
    ratios = np.linspace(0.5, 2.0, 81)[:, None]
    for i, product in enumerate(case.panel.product):
        p = ratios * case.panel.last_price[i]
        units = np.exp(case.draws.delta[i] + model.draws_.beta[i] * (np.log(p) - case.panel.price_level[i]))
        profit = ((p - cost[i]) * units).mean(axis=1)
        assert table.loc[product, "ratio"] == pytest.approx(float(ratios[profit.argmax(), 0]))
    with pytest.raises(InvalidArgumentError, match="ci_prob must lie strictly between 0 and 1"):
        model.optimal_price(1.0, ci_prob=1.5)
