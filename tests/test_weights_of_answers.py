"""Weights in answers: tables and totals of another population, the posterior as it is."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import CHOICE_ROLES

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales
from hdfm.exceptions import InvalidArgumentError, InvalidDataError

ROUNDING = 1e-9  # sums in another order
ROLES = CHOICE_ROLES | {"features": ["display"]}
OF_SETS = ("elasticities", "shares", "diversion")


@pytest.fixture(scope="module")
def choices():
    return simulate_choices(
        6, 2, 5, alternatives=3, sets_per_customer=6, outside_option=True, n_factors=1, seed=1
    )[0]


@pytest.fixture(scope="module")
def times(choices):
    """How often each row's set counts, from 0 to 2."""
    sets = choices["choice_set"].unique()
    often = pd.Series(np.random.default_rng(0).integers(0, 3, len(sets)), index=sets)
    return choices["choice_set"].map(often).rename("times")


@pytest.fixture(scope="module")
def repeated(choices, times):
    copies = [
        choices[times > k].assign(choice_set=lambda X, k=k: X["choice_set"] + 10_000 * k) for k in range(2)
    ]
    return pd.concat(copies, ignore_index=True)


@pytest.fixture(scope="module", params=[pytest.param(0, marks=pytest.mark.slow), 1])
def model(request, choices):
    model = DynamicFactorChoiceModel(
        request.param,
        n_individual_factors=request.param,
        **ROLES,
        progressbar=False,
        outside_option=True,
        inference="map",
    )
    return model.fit(choices, choices["chosen"])


@pytest.fixture(scope="module")
def sales():
    return simulate_sales(12, 2, 20, seed=366)


@pytest.fixture(scope="module")
def elasticity(sales):
    model = HierarchicalElasticity(
        "product", "category", "time_period", "price", inference="laplace", draws=50, progressbar=False
    )
    return model.fit(sales, sales["units_sold"])


def same(table, other):
    pd.testing.assert_frame_equal(table, other, rtol=ROUNDING, check_exact=False)


@pytest.mark.parametrize("answer", OF_SETS)
def test_sets_so_many_times(model, choices, times, repeated, answer):
    """A set of weight k is k sets, one of weight 0 is not there; weights by row, or in a column."""
    ask = getattr(model, answer)
    weighted = ask(choices, weights=times)
    same(weighted, ask(repeated))
    same(weighted, ask(choices.assign(times=times), weights="times"))
    same(weighted, ask(weights=times.to_numpy()))
    same(weighted, ask(choices, weights=pl.Series(times)))
    same(weighted, ask(choices, weights=7.5 * times))
    assert (weighted["mean"] - ask(choices)["mean"]).abs().max() > 1e-4


def test_scenarios(model, choices, times, repeated):
    for by in (None, "customer"):
        weighted = model.counterfactual(choices, {"price": 0.9}, by=by, weights=times)
        same(weighted, model.counterfactual(repeated, {"price": 0.9}, by=by))
    before = choices.assign(times=times)
    after = before.assign(price=0.9 * before["price"])
    same(weighted, model.counterfactual(before, after, by="customer", weights="times"))
    with pytest.raises(InvalidArgumentError, match=r"weights= is the name of a column that both"):
        model.counterfactual(before, after, weights=times)


def test_groups_that_do_not_count_have_no_row(model, choices):
    last = choices["customer"].max()
    shares = model.shares(choices, by="customer", weights=(choices["customer"] != last) * 1.0)
    assert last not in shares.index.get_level_values("customer")
    assert len(shares.index.get_level_values("customer").unique()) == choices["customer"].nunique() - 1
    assert np.isfinite(shares["mean"]).all()


def test_means_over_customers(model, choices):
    customers = choices["customer"].unique()
    weights = pd.Series(np.arange(len(customers)), index=customers[::-1])
    each = model.coefficients(by="customer")["mean"].unstack("customer")
    expected = each @ (weights / weights.sum()).reindex(each.columns)
    found = model.coefficients(by=None, weights=weights)["mean"]
    np.testing.assert_allclose(found, expected.reindex(found.index), rtol=1e-6)
    same(model.coefficients(weights=weights.to_dict()), model.coefficients(weights=2 * weights))
    display = model.control_effects(weights=weights)["mean"]
    np.testing.assert_allclose(display, found.xs("display", level="predictor"))
    worth = model.willingness_to_pay("display", weights=weights)["median"]
    price = found.xs("price", level="predictor")
    np.testing.assert_allclose(worth, np.expm1(-display.to_numpy() / price.to_numpy()), rtol=1e-6)
    two = list(customers[:2])
    same(
        model.coefficients(customers=two, weights=weights[two]),
        model.coefficients(weights=weights.where(weights.index.isin(two), 0)),
    )


@pytest.mark.parametrize("of", ["units", "revenue"])
def test_totals(elasticity, sales, of):
    rng = np.random.default_rng(0)
    stores = rng.integers(0, 4, len(sales))
    price = sales["price"] if of == "revenue" else 1.0
    table = elasticity.predict_totals(sales, by="category", of=of, weights=stores)
    expected = pd.Series(stores * price * elasticity.predict(sales)).groupby(sales["category"]).sum()
    np.testing.assert_allclose(table["mean"], expected)
    same(table, elasticity.predict_totals(sales.assign(n=stores), by="category", of=of, weights="n"))
    same(2 * table, elasticity.predict_totals(sales, by="category", of=of, weights=2 * stores))
    once = elasticity.predict_totals(sales, of=of, weights=[1] * len(sales))
    same(once, elasticity.predict_totals(sales, of=of))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda n: np.ones(n - 1), r"weights has \d+ values for \d+ rows of X"),
        (lambda n: np.full(n, -1.0), "weights has negative values"),
        (lambda n: np.full(n, np.nan), "weights has missing values"),
        (lambda n: np.zeros(n), "weights is 0 in all"),
        (lambda n: np.ones((n, 2)), "weights has 2 columns"),
        (lambda n: ["much"] * n, "weights holds text"),
        (lambda n: "projection", "X has no column for weights='projection'"),
        (
            lambda n: pd.Series(1.0, index=range(1, n + 1)),
            r"1 of \d+ row labels of X are not in weights's index",
        ),
    ],
)
def test_weights_of_rows_that_can_not_be(model, choices, elasticity, sales, weights, message):
    with pytest.raises(InvalidDataError, match=message):
        model.shares(choices, weights=weights(len(choices)))
    with pytest.raises(InvalidDataError, match=message):
        elasticity.predict_totals(sales, weights=weights(len(sales)))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0] * 6, InvalidArgumentError, r"a dict or a Series by customer here; got list.*groupby"),
        (pd.Series(dtype=float), InvalidDataError, r"weights lacks 6 of 6 labels by customer, such as \d"),
        (pd.Series(1.0, index=[1, 1]), InvalidDataError, "weights has 1 labels twice, such as 1"),
    ],
)
def test_weights_of_customers_that_can_not_be(model, weights, error, message):
    for ask in (
        model.coefficients,
        model.control_effects,
        lambda **w: model.willingness_to_pay("display", **w),
    ):
        with pytest.raises(error, match=message):
            ask(weights=weights)


def test_one_customer_has_no_weight(model, choices):
    weights = dict.fromkeys(choices["customer"].unique(), 1.0)
    with pytest.raises(InvalidArgumentError, match='by="customer" takes none'):
        model.coefficients(by="customer", weights=weights)


def test_weights_need_a_frame_for_a_column(model):
    with pytest.raises(InvalidDataError, match="names a column of X, and X is NoneType"):
        model.shares(weights="times")


def test_the_remedy_for_lists_of_weights_names_the_column(choices):
    """The message's call makes the weights, whatever the column is called."""
    X = choices.rename(columns={"customer": "household"}).assign(w=2.0)
    model = DynamicFactorChoiceModel(
        0, **ROLES | {"customer": "household"}, outside_option=True, inference="map", progressbar=False
    ).fit(X.drop(columns="w"), X["chosen"])
    with pytest.raises(InvalidArgumentError) as error:
        model.coefficients(weights=[2.0] * 6)
    remedy = str(error.value).split(": ", 1)[1].rstrip(".")
    same(model.coefficients(weights=eval(remedy)), model.coefficients())
