"""Pictures hold what the tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.plots import plot_coefficients, plot_elasticities, plot_factors

QUICK = {"draws": 6, "tune": 5, "chains": 2, "progressbar": False}
ROLES = {
    "customer": "customer",
    "category": "category",
    "product": "product",
    "time": "week",
    "choice_set": "choice_set",
    "price": "price",
    "features": ["display", "feature"],
}


@pytest.fixture
def choices():
    return simulate_choices(6, 2, 5, alternatives=3, sets_per_customer=4, seed=1)[0]


@pytest.fixture(autouse=True)
def closed():
    with plt.rc_context({"backend": "Agg"}):
        yield
    plt.close("all")


@pytest.fixture
def model(mock_sampling, choices):
    return DynamicFactorChoiceModel(n_factors=2, **ROLES, **QUICK).fit(choices, choices["chosen"])


def test_elasticities(mock_sampling, elasticity, sales):
    model = elasticity().fit(sales, sales["units_sold"])
    ax = plot_elasticities(model, ci_prob=0.5)
    assert "50 % interval" in ax.get_title(loc="left")
    means = model.elasticities("category")["mean"].sort_values(ascending=False)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), means)
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(name) for name in means.index]


def test_factors(model):
    ax = plot_factors(model, ci_prob=0.5)
    lines = {line.get_label(): line for line in ax.lines if line.get_label().startswith("factor")}
    assert len(lines) == 2
    for (label, line), factor in zip(lines.items(), (1, 2), strict=True):
        share = model.factor_table_.loc[("global", factor), "share"]
        assert f"factor {factor}: {100 * share:.0f} %" in label
        mean = model.factors_.sel(factor=factor).mean(("chain", "draw"))
        np.testing.assert_allclose(line.get_ydata(), mean)
        np.testing.assert_array_equal(line.get_xdata(), model.panel_.period)
    assert "50 % interval" in ax.get_title(loc="left")


def test_factors_need_factors(mock_sampling, choices):
    model = DynamicFactorChoiceModel(n_factors=0, **ROLES, **QUICK).fit(choices, choices["chosen"])
    with pytest.raises(ValueError, match="n_factors of at least 1"):
        plot_factors(model)


@pytest.mark.parametrize("customers", [None, [0, 3]])
def test_coefficients(model, customers):
    ax = plot_coefficients(model, "display", customers)
    table = model.coefficients(by="time", customers=customers)
    for line in ax.lines:
        path = table.loc[(line.get_label(), "display")]
        np.testing.assert_allclose(line.get_ydata(), path["mean"])
    assert [line.get_label() for line in ax.lines] == ["c0", "c1"]
    assert ("all customers" if customers is None else "2 customers") in ax.get_title(loc="left")


def test_price_is_the_default(model):
    assert plot_coefficients(model).get_ylabel() == "coefficient of price (log price)"
    with pytest.raises(ValueError, match=r"predictor must be one of .*display.*; got 'colour'"):
        plot_coefficients(model, "colour")


def test_axes_are_used(model):
    _, ax = plt.subplots()
    assert plot_factors(model, ax=ax) is ax


@pytest.mark.parametrize("kind", ["date", "period", "label"])
def test_kinds_of_time(mock_sampling, choices, kind):
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * choices["week"], unit="D")
    labels = pd.Categorical(choices["week"].map("w{}".format), [f"w{k}" for k in range(1, 6)], ordered=True)
    weeks = {"date": dates, "period": dates.dt.to_period("W"), "label": labels}[kind]
    dated = choices.assign(week=weeks)
    model = DynamicFactorChoiceModel(n_factors=1, **ROLES, **QUICK).fit(dated, dated["chosen"])
    assert len(plot_factors(model).lines[0].get_xdata()) == 5
