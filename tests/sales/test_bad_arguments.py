"""Arguments and questions of the sales model that make no sense."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.frames import UNITS, with_value
from sklearn.exceptions import NotFittedError

from hdfm.datasets import simulate_sales
from hdfm.exceptions import HdfmError, InvalidArgumentError, InvalidDataError


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("likelihood", "gamma", "negative_binomial"),
        ("likelihood", None, "negative_binomial"),
        ("time_effects", "weekly", "shared"),
        ("product_effects", "mixed", "fixed"),
        ("sign", "positive", "negative"),
        ("demand", "walking", "wandering"),
        ("dispersion", None, "product"),
        ("elasticity_path", "still", "constant"),
        ("inference", "advi", "nuts"),
        ("sampler", "stan", "numpyro"),
        ("draws", 3, "whole number, at least 4"),
        ("draws", 10.0, "whole number, at least 4"),
        ("draws", True, "whole number, at least 4"),
        ("tune", -1, "whole number, at least 0"),
        ("chains", 0, "whole number, at least 1"),
        ("chains", None, "whole number, at least 1"),
        ("target_accept", 0, "strictly between 0 and 1"),
        ("target_accept", 1.0, "strictly between 0 and 1"),
        ("target_accept", "high", "strictly between 0 and 1"),
        ("priors", {"global_mean": -2}, "ElasticityPriors"),
        ("groups", 5, "column name"),
    ],
)
def test_arguments_out_of_range(elasticity, sales, argument, value, allowed):
    found = f"{argument} (must|takes).*{allowed}.*got {re.escape(repr(value))}"
    with pytest.raises(InvalidArgumentError, match=found):
        elasticity(**{argument: value}).fit(sales, sales[UNITS])


@pytest.mark.parametrize(
    ("role", "value"), [("time", ["time_period"]), ("price", ("price",)), ("product", ["product"])]
)
def test_roles_of_one_column_take_one_name(elasticity, sales, role, value):
    with pytest.raises(InvalidArgumentError, match=f"{role} takes a column name"):
        elasticity(**{role: value}).build_model(sales, sales[UNITS])


@pytest.mark.parametrize("name", ["chain", "draw", "control"])
@pytest.mark.parametrize(
    ("role", "column"), [("product", "product"), ("groups", "category"), ("time", "time_period")]
)
def test_columns_named_after_dimensions_of_the_posterior(elasticity, sales, name, role, column):
    renamed = sales.rename(columns={column: name})
    with pytest.raises(HdfmError, match=f"'{name}'"):
        elasticity(controls="promotion", **{role: name}).build_model(renamed, sales[UNITS])


@pytest.mark.parametrize(
    ("groups", "role", "name"),
    [
        (["cat", "cat_sd"], "groups", "cat_sd"),
        (["cat", "elasticity_cat"], "groups", "elasticity_cat"),
        (["cat_sd", "cat"], "groups", "cat_sd"),
        (["cat"], "time", "elasticity_cat_sd"),
    ],
)
def test_groups_whose_names_make_one_variable(mock_sampling, elasticity, sales, groups, role, name):
    """A group's elasticities and their spread are variables; the remedy is followed."""
    frame = sales.assign(**dict.fromkeys(groups, sales["category"]))
    roles = {"groups": groups}
    if role == "time":
        frame, roles = frame.rename(columns={"time_period": name}), roles | {"time": name}
    found = rf"{role} column '{name}' has the name of something in the posterior.*rename the column: X"
    with pytest.raises(InvalidArgumentError, match=found) as caught:
        elasticity(**roles).build_model(frame, sales[UNITS])
    call = re.search(r"rename the column: (.*)\.$", str(caught.value))[1]
    roles = {
        key: [f"{role}_{name}" if one == name else one for one in value]
        if isinstance(value, list)
        else f"{role}_{value}"
        for key, value in roles.items()
    }
    model = elasticity(**roles).fit(eval(call, {"X": frame}), sales[UNITS])
    posterior = model.idata_["posterior"]
    assert {f"elasticity_{group}_sd" for group in roles["groups"]} <= set(posterior.data_vars)
    assert posterior["elasticity_cat"].ndim == 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, X: model.predict(X),
        lambda model, X: model.predict_quantiles(X),
        lambda model, X: model.score(X, X[UNITS]),
        lambda model, X: model.elasticities(),
        lambda model, X: model.optimal_price(1.0),
        lambda model, X: model.diagnostics(),
        lambda model, X: model.loo(),
    ],
)
def test_before_fit(elasticity, sales, ask):
    with pytest.raises(NotFittedError, match="HierarchicalElasticity instance is not fitted yet"):
        ask(elasticity(), sales)


@pytest.mark.parametrize("level", ["department", "time_period", 0, ["category"]])
def test_unknown_level(fitted, level):
    found = rf"level must be one of .*'global', 'category'\); got {re.escape(repr(level))}"
    with pytest.raises(InvalidArgumentError, match=found):
        fitted.elasticities(level)


def test_a_column_for_a_word(fitted, fitted_sales):
    column = fitted_sales["category"]
    for name, ask in (
        ("level", lambda: fitted.elasticities(column)),
        ("of", lambda: fitted.predict_totals(fitted_sales, of=column)),
        ("objective", lambda: fitted.optimal_price(objective=column)),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{name} must be one of .*; got a Series"):
            ask()


@pytest.mark.parametrize("ci_prob", [0, 1, -0.1, 89])
def test_interval_probability_out_of_range(fitted, ci_prob):
    with pytest.raises(
        InvalidArgumentError, match=f"ci_prob must lie strictly between 0 and 1; got {ci_prob}"
    ):
        fitted.elasticities(ci_prob=ci_prob)
    with pytest.raises(
        InvalidArgumentError, match=f"ci_prob must lie strictly between 0 and 1; got {ci_prob}"
    ):
        fitted.optimal_price(1.0, ci_prob=ci_prob)


@pytest.mark.parametrize("quantiles", [(0.5, 1.5), (-0.1,), (5, 95), (np.nan,)])
def test_quantiles_out_of_range(fitted, sales, quantiles):
    with pytest.raises(InvalidArgumentError, match=f"between 0 and 1; got {re.escape(repr(quantiles))}"):
        fitted.predict_quantiles(sales, quantiles)


def test_profit_needs_costs(fitted):
    with pytest.raises(InvalidArgumentError, match='objective="profit" needs cost'):
        fitted.optimal_price()


def test_costs_of_some_products(fitted):
    known = fitted.elasticities_.index[2:]
    lacking = ", ".join(str(product) for product in sorted(fitted.elasticities_.index[:2]))
    for cost in (pd.Series(1.0, known), dict.fromkeys(known, 1.0)):
        with pytest.raises(InvalidDataError, match=f"cost lacks 2 products, such as {lacking}"):
            fitted.optimal_price(cost)


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
def test_costs_must_be_finite_and_not_negative(fitted, cost):
    with pytest.raises(InvalidDataError, match="cost must be finite and not negative"):
        fitted.optimal_price(cost)


@pytest.mark.parametrize("bounds", [(1.2, 0.8), (1.0, 1.0), (0.0, 1.2), (-0.5, 1.2)])
def test_price_bounds(fitted, bounds):
    with pytest.raises(InvalidArgumentError, match=f"bounds must be .*got {re.escape(repr(bounds))}"):
        fitted.optimal_price(1.0, bounds=bounds)


def test_unknown_objective(fitted):
    with pytest.raises(InvalidArgumentError, match=r"objective must be one of .*'profit'.*got 'margin'"):
        fitted.optimal_price(1.0, objective="margin")


def test_prices_need_a_price_column(mock_sampling, elasticity, sales):
    model = elasticity(price=None).fit(sales, sales[UNITS])
    with pytest.raises(InvalidArgumentError, match="optimal_price needs a model with a price column"):
        model.optimal_price(1.0)


def test_predict_refuses_what_fit_refuses(fitted):
    new = simulate_sales(3, 3, 4, seed=5).merge(
        fitted.elasticities_["category"].reset_index(), on="product", suffixes=("_", "")
    )
    new = new.drop(columns="category_")
    with pytest.raises(InvalidDataError, match="no column for price='price'"):
        fitted.predict(new.drop(columns="price"))
    with pytest.raises(
        InvalidDataError, match=r"price column 'price' has .*zero or negative in 1 of 12 rows"
    ):
        fitted.predict(with_value(new, "price", [2], 0.0))
    with pytest.raises(InvalidDataError, match="X has no rows"):
        fitted.predict(new.iloc[:0])
    with pytest.raises(InvalidDataError, match="X is a ndarray"):
        fitted.predict(new.to_numpy())
