"""Prices that do best."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reference.demand import POINTS, SAME, fit_at

from hdfm import HierarchicalElasticity
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.sales.posterior.pricing import OBJECTIVES

GRID_STEP = 0.4 / 80
ABOVE_ALL = pytest.mark.filterwarnings("ignore:cost is above the highest price:hdfm.exceptions.DataWarning")


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
        pytest.param(-3.0, "profit", 1e6, 1.2, marks=ABOVE_ALL),
    ],
)
def test_optimal_price_at_a_bound(cases, beta, objective, cost, ratio):
    table = at_elasticity(cases("poisson"), beta).optimal_price(cost, objective=objective)
    np.testing.assert_allclose(table["ratio"], ratio)
    assert table["at_bound"].all()
    assert table.attrs["objective"] == objective


def mean_units(model, X, price):
    """Mean predicted units by product at one price each (N,)."""
    at = X.assign(price=pd.Series(price, model.panel_.product)[X["product"]].to_numpy())
    return pd.Series(model.predict(at)).groupby(X["product"].to_numpy()).mean()[model.panel_.product]


def assert_money_is_predictions(model, X, table, cost):
    """Units, revenue and profit at both prices are means over X of what the model predicts there."""
    for price, ending in ((table["price"], ""), (table["optimal_price"], "_at_optimum")):
        units = mean_units(model, X, price.to_numpy()).to_numpy()
        np.testing.assert_allclose(table["units" + ending], units, rtol=SAME)
        np.testing.assert_allclose(table["revenue" + ending], price * units, rtol=SAME)
        np.testing.assert_allclose(table["profit" + ending], (price - cost) * units, rtol=SAME, atol=SAME)


@pytest.mark.parametrize(
    "name", ["poisson", "log-normal", "all", "all, shared time", "all, log-normal", "no groups", "fixed"]
)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_money_is_the_mean_of_predictions(cases, name, objective):
    case = cases(name)
    model = fit_at(case)
    table = model.optimal_price(0.4, objective=objective)
    assert_money_is_predictions(model, case.sales, table, 0.4)
    np.testing.assert_allclose(table["value"], table[objective], rtol=SAME, atol=SAME)
    gain = table[f"{objective}_at_optimum"] - table[objective]
    np.testing.assert_allclose(table["change"], gain, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["poisson", "all"])
def test_money_of_some_periods(cases, name):
    case = cases(name)
    model, periods = fit_at(case), case.panel.period[[2, 5, 6]]
    table = model.optimal_price(0.4, periods=[*periods, periods[0]])
    rows = grid(model, case, periods)
    assert_money_is_predictions(model, rows, table, 0.4)
    assert not np.allclose(table["units"], model.optimal_price(0.4)["units"], rtol=1e-6)


def test_money_of_periods_to_come(cases):
    case = cases("all")
    model, later = fit_at(case), case.panel.period[-1] + np.array([1, 4])
    table = model.optimal_price(0.4, periods=later)
    assert_money_is_predictions(model, grid(model, case, later), table, 0.4)


def grid(model, case, periods):
    """Rows of all products in some periods, where they had none at their mean exposure and controls."""
    panel, sales = model.panel_, case.sales
    products = sales.groupby("product")
    roles = panel.roles
    shifts = [*roles.controls, *([] if roles.exposure is None else [roles.exposure])]
    usual = products[[*roles.groups]].first()
    usual[shifts] = products[shifts].mean()
    out = usual.loc[np.repeat(panel.product, len(periods))].reset_index()
    out["time_period"], out["price"] = np.tile(periods, len(panel.product)), 1.0
    there = out[["product", "time_period"]].merge(sales, how="left", on=["product", "time_period"])
    out[shifts] = there[shifts].fillna(out[shifts])
    return out


def test_profits_need_a_cost_alone(cases):
    model = fit_at(cases("poisson"))
    assert "profit" not in model.optimal_price(objective="revenue")
    with pytest.raises(InvalidArgumentError, match='objective="profit" needs cost'):
        model.optimal_price()


@pytest.mark.parametrize(
    ("name", "periods", "message"),
    [
        ("poisson", 3, "periods takes a list of labels; got 3"),
        ("poisson", [], "periods takes labels of 'time_period'; it holds none"),
        ("no price", [1], "optimal_price needs a model with a price"),
    ],
)
def test_bad_periods(cases, name, periods, message):
    with pytest.raises(InvalidArgumentError, match=message):
        fit_at(cases(name)).optimal_price(1.0, periods=periods)
    with pytest.raises(InvalidDataError, match="time column 'time_period' holds text"):
        fit_at(cases("poisson")).optimal_price(1.0, periods=["next week"])


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


@pytest.mark.parametrize("bounds", [(80, 120), (0.01, 0.15)])
def test_bounds_in_another_unit(cases, bounds):
    model = fit_at(cases("poisson"))
    found = (
        rf"between {bounds[0]:g} and {bounds[1]:g} times it no product is sold.*pass bounds=\(0\.8, 1\.2\)"
    )
    with pytest.raises(InvalidArgumentError, match=found):
        model.optimal_price(objective="revenue", bounds=bounds)
    assert model.optimal_price(objective="revenue", bounds=(0.8, 1.2))["ratio"].between(0.8, 1.2).all()


def test_bounds_far_beyond_the_prices_seen(cases):
    model = fit_at(cases("poisson"))
    N = len(model.panel_.product)
    found = rf"Values far outside those of the fit: highest price in bounds in {N} of {N} rows, such as"
    with pytest.warns(DataWarning, match=found):
        model.optimal_price(objective="revenue", bounds=(0.8, 30.0))


def test_costs_in_another_unit(cases):
    case = cases("poisson")
    model, cost = fit_at(case), pd.Series(0.6 * case.panel.last_price, index=case.panel.product)
    found = rf"cost is above the highest price in bounds of all {len(cost)} products, such as .*cost / 100"
    with pytest.warns(DataWarning, match=found):
        model.optimal_price(100 * cost)
    cents = 100 * cost
    pd.testing.assert_frame_equal(model.optimal_price(cents / 100), model.optimal_price(cost))
    dear = cost.where(np.arange(len(cost)) > 0, 1e6)  # one product that loses is no other unit
    assert model.optimal_price(dear)["at_bound"].iloc[0]


def test_costs_that_are_text(cases):
    model = fit_at(cases("poisson"))
    cost = dict.fromkeys(model.panel_.product, "$1")
    with pytest.raises(InvalidDataError, match=r"cost holds text in .*, such as '\$1' in row") as caught:
        model.optimal_price(cost)
    call = re.search(r"Convert it with (.*)\.$", str(caught.value))[1]
    numbers = eval(call, {"cost": cost, "pandas": pd})
    pd.testing.assert_frame_equal(model.optimal_price(numbers), model.optimal_price(1.0))


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (lambda product: dict.fromkeys(product), "cost has missing values in .* Give every product its cost"),
        (lambda product: dict.fromkeys(product, -1), "cost has negative values"),
        (lambda product: -1.0, "cost must be finite and not negative; got -1.0"),
        (lambda product: pd.DataFrame({"cost": 1.0}, product), "cost must be a number, .*; got a DataFrame"),
    ],
)
def test_bad_costs(cases, cost, message):
    model = fit_at(cases("poisson"))
    with pytest.raises((InvalidArgumentError, InvalidDataError), match=message):
        model.optimal_price(cost(model.panel_.product))


def test_periods_of_any_list(cases):
    model = fit_at(cases("poisson"))
    periods = list(model.panel_.period[:3])
    wanted = model.optimal_price(1.0, periods=periods)
    for some in (pd.Series(periods * 2), np.array(periods), iter(periods), (t for t in periods)):
        pd.testing.assert_frame_equal(model.optimal_price(1.0, periods=some), wanted)
    with pytest.raises(InvalidArgumentError, match="got the DataFrame of 1 columns: pass one column alone"):
        model.optimal_price(1.0, periods=pd.DataFrame({"week": periods}))
