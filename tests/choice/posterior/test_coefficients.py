"""Coefficients over time and willingness to pay of a fit, by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES
from reference.choice import INTERVAL, QUICK, assert_same, beta_by_hand, summaries

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidArgumentError, InvalidDataError


def coefficients_by_hand(model, by, customers=slice(None)):
    """Draws of coefficients, averaged over what ``by`` doesn't name."""
    beta = beta_by_hand(model).sel(customer=customers)
    dims = {"customer": "customer", "time": "period"}
    beta = beta.mean([dim for role, dim in dims.items() if role not in by])
    beta = beta.transpose("coefficient", *(dims[role] for role in dims if role in by), "sample")
    levels = [beta[dims[role]].values for role in dims if role in by]
    pairs = zip(beta["coefficient_category"].values, beta["coefficient_predictor"].values, strict=True)
    keys = [(*pair, *labels) for pair in pairs for labels in itertools.product(*levels)]
    index = pd.MultiIndex.from_tuples(keys, names=["category", "predictor", *by])
    return pd.DataFrame(beta.to_numpy().reshape(len(keys), -1), index=index)


@pytest.mark.parametrize("by", [("time",), (), ("customer",), ("customer", "time")])
def test_coefficients(case, by):
    model, _ = case
    table, draws = model.coefficients(by=by), coefficients_by_hand(model, by)
    assert table.index.names == ["category", "predictor", *by]
    assert list(table) == [*INTERVAL, "p_positive"]
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    assert_same(table[["p_positive"]], (draws > 0).mean(axis=1).to_frame())


def test_population_path_is_the_sampled_one(case):
    model, _ = case
    path = model.idata_["posterior"]["coefficient_path"].mean(["chain", "draw"])
    for (category, predictor, week), mean in model.coefficients()["mean"].items():
        assert mean == pytest.approx(float(path.sel(coefficient=f"{category}: {predictor}", period=week)))


def test_coefficients_are_means_of_each_other(model):
    everybody = model.coefficients(by=("customer", "time"))["mean"]
    for by in ("time", "customer"):
        kept = model.coefficients(by=by)["mean"]
        assert_same(everybody.groupby(["category", "predictor", by]).mean().to_frame(), kept.to_frame())
    one = model.coefficients(by=None)["mean"]
    assert_same(everybody.groupby(["category", "predictor"]).mean().to_frame(), one.to_frame())


def test_coefficients_of_some_customers(model):
    some = [5, 2]
    table = model.coefficients(customers=some)
    draws = coefficients_by_hand(model, ("time",), some)
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    each = model.coefficients(by="customer", customers=some)
    assert set(each.index.get_level_values("customer")) == set(some)


def test_coefficients_that_are_not_there(model):
    with pytest.raises(InvalidArgumentError, match=r"1 of 2 are not, such as \[77\]"):
        model.coefficients(customers=[2, 77])
    with pytest.raises(
        InvalidArgumentError, match=r"by takes names among \['customer', 'time'\]; got 'week'"
    ):
        model.coefficients(by="week")


@pytest.mark.parametrize("by", [None, "time", "customer", ("customer", "time")])
def test_willingness_to_pay(case, by):
    model, _ = case
    names = () if by is None else (by,) if isinstance(by, str) else by
    table = model.willingness_to_pay("display", by=by, ci_prob=0.5)
    draws = coefficients_by_hand(model, names)
    ratio = -draws.xs("display", level="predictor") / draws.xs("price", level="predictor")
    if model.price_transform == "log":
        ratio = np.expm1(ratio.clip(upper=700))
    quantiles = ratio.quantile([0.5, 0.25, 0.75], axis=1).T.set_axis(["median", "lower", "upper"], axis=1)
    assert list(table) == list(quantiles)
    assert table.index.names == ["category", *names]
    assert_same(table, quantiles)
    unit = {"log": "share of the price", "linear": "units of 'price'"}[model.price_transform]
    assert table.attrs == {"ci_prob": 0.5, "unit": unit}


def test_willingness_to_pay_for_brands(model):
    table = model.willingness_to_pay("brand[alpine]")
    assert table.index.tolist() == ["milk"]
    with pytest.raises(InvalidArgumentError, match=r"predictor must be one of \['brand\[alpine\]'.*'bread'"):
        model.willingness_to_pay("bread")
    with pytest.raises(InvalidArgumentError, match=r"predictor must be one of.*got 'price'"):
        model.willingness_to_pay("price")


def test_questions_about_prices_without_a_price(spread_sampling, market):
    model = DynamicFactorChoiceModel(0, **CHOICE_ROLES | {"price": None}, **QUICK, outside_option=True)
    model.fit(market, market["chosen"])
    assert model.elasticities_.empty
    assert model.elasticities_.index.names == ["category", "product", "price_of"]
    for ask in (
        lambda: model.elasticities(market),
        lambda: model.diversion(),
        lambda: model.willingness_to_pay("display"),
    ):
        with pytest.raises(InvalidArgumentError, match=r"needs? a price: name its column with price="):
            ask()
    assert model.shares()["mean"].groupby("category").sum().to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("ask", ["elasticities", "shares"])
def test_groups_that_are_not_there(outside, market, ask):
    with pytest.raises(InvalidArgumentError, match=r"by takes roles among \(.*'choice_set'\).*got 'segment'"):
        getattr(outside, ask)(by="segment")
    with pytest.raises(InvalidDataError, match=r"Column 'display' in by= changes within \d+ choice sets"):
        getattr(outside, ask)(market, by="display")


def test_columns_of_roles_group_as_their_roles(outside, market):
    by_role = outside.shares(market, by=["time", "customer"])
    by_column = outside.shares(market, by=["week", "customer"])
    assert_same(by_column, by_role)


def test_customers_named_by_a_column_count_once(model, trips):
    column = trips["household"][trips["household"].isin([2, 4])]
    column = pd.concat([column, column[column == 2]])
    for by in (None, "customer"):
        table = model.coefficients(by=by, customers=column)
        pd.testing.assert_frame_equal(table, model.coefficients(by=by, customers=column.unique()))
    with pytest.raises(
        InvalidArgumentError, match="customers takes a list of labels; got the DataFrame of 1 col"
    ):
        model.coefficients(customers=column.to_frame())
