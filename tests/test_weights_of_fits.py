"""Weights in fits: powers of the likelihood, as they are."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.demand import case_of

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError

ROUNDING = 1e-9  # sums in another order
OF_A_SEARCH = 1e-3  # of a mode, between rounded steps
SALES = {"product": "product", "groups": "category", "price": "price", "progressbar": False}
STORE = {
    "product": "product", "groups": ["department", "category"], "time": "time_period", "price": "price",
    "controls": ["promotion", "display"], "exposure": "stores",
}  # fmt: skip
CHOICE = {
    "customer": "customer", "category": "category", "product": "product", "time": "week",
    "choice_set": "choice_set", "price": "price", "features": ["display"], "progressbar": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def sales():
    return simulate_sales(12, 2, 20, seed=366)


@pytest.fixture(scope="module")
def choices():
    return simulate_choices(
        8, 2, 6, alternatives=3, sets_per_customer=6, outside_option=True, n_factors=1, seed=1
    )[0]


@pytest.fixture(scope="module")
def times(choices):
    """How often each row's set counts, from 1 to 3."""
    sets = choices["choice_set"].unique()
    often = pd.Series(np.random.default_rng(0).choice([1, 2, 3], len(sets), p=[0.5, 0.3, 0.2]), index=sets)
    return choices["choice_set"].map(often)


def elasticity(X, y, sample_weight=None, **options):
    model = HierarchicalElasticity(**SALES, **({"inference": "laplace", "draws": 50, "chains": 2} | options))
    return model.fit(X, y, sample_weight=sample_weight)


def choice(X, n_factors=1, sample_weight=None, **options):
    model = DynamicFactorChoiceModel(n_factors, **{**CHOICE, "inference": "map", **options})
    return model.fit(X, X["chosen"], sample_weight=sample_weight)


@pytest.mark.parametrize("product_effects", ["random", "fixed"])
@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial", "log_normal"])
def test_rows_so_many_times_without_periods(sales, likelihood, product_effects):
    """To the bit, in any order: equal rows are one."""
    rng = np.random.default_rng(1)
    X = sales.assign(units=sales["units_sold"] + 0.5 * (likelihood == "log_normal"))
    k = rng.integers(0, 3, len(X))
    repeated = X.loc[np.repeat(X.index, k)].reset_index(drop=True)
    order = rng.permutation(len(X))
    options = {"likelihood": likelihood, "product_effects": product_effects}
    weighted = elasticity(X.iloc[order], X["units"].iloc[order], k[order], **options)
    alike = elasticity(repeated, repeated["units"], **options)
    pd.testing.assert_frame_equal(weighted.elasticities_, alike.elasticities_)
    np.testing.assert_array_equal(weighted.predict(X), alike.predict(X))
    assert len(weighted.loo().elpd_i) == (k > 0).sum()
    assert len(alike.loo().elpd_i) == len(repeated)


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial", "log_normal"])
def test_rows_of_weight_0_are_not_there(sales, likelihood):
    X, y = sales, sales["units_sold"] + 0.5 * (likelihood == "log_normal")
    kept = np.random.default_rng(0).random(len(X)) < 0.8
    broken = X.assign(price=X["price"].where(kept))  # what is not there need not be whole
    options = {"time": "time_period", "likelihood": likelihood}
    pd.testing.assert_frame_equal(
        elasticity(broken, y, kept * 1.0, **options).elasticities_,
        elasticity(X[kept], y[kept], **options).elasticities_,
    )


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial", "log_normal"])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_graph_takes_powers_of_the_likelihood(likelihood, gaps):
    case = case_of(likelihood, gaps, weighted=True, likelihood=likelihood, **STORE)
    weight = case.panel.weight[case.panel.observed]
    assert len(np.unique(weight)) == 4
    np.testing.assert_allclose(case.log_likelihood, weight @ case.pointwise, rtol=ROUNDING)


def test_the_graph_given_totals_takes_powers_of_the_likelihood():
    r""":math:`\sum_{it} w y \eta - \sum_i (\sum_t w y) \log \sum_t w e^\eta`, up to a constant."""
    options = {"likelihood": "poisson", "product_effects": "fixed"}
    case = case_of("poisson", gaps=True, weighted=True, **options, **STORE)
    w, y = case.panel.weight, case.panel.units
    chosen = (w * y * case.eta).sum(axis=(1, 2))
    total = np.log((w * np.exp(case.eta)).sum(axis=2)) @ (w * y).sum(axis=1)
    gap = case.log_likelihood - (chosen - total)
    np.testing.assert_allclose(gap, gap[0], rtol=ROUNDING)


def test_choice_sets_so_many_times(choices, times):
    copies = [
        choices[times > k].assign(choice_set=lambda X, k=k: X["choice_set"] + 10_000 * k) for k in range(3)
    ]
    repeated = pd.concat(copies, ignore_index=True)
    options = {"outside_option": True, "price_transform": "linear"}
    weighted = choice(choices, sample_weight=times, **options)
    alike, plain = choice(repeated, **options), choice(choices, **options)
    for answer in ("elasticities", "shares", "diversion", "coefficients"):
        mean, same, other = (getattr(model, answer)()["mean"] for model in (weighted, alike, plain))
        assert (mean - same).abs().max() < OF_A_SEARCH * (1 + mean.abs().max())
        assert (mean - other).abs().max() > 1e-2
    np.testing.assert_allclose(weighted.panel_.coefficient_scale, alike.panel_.coefficient_scale)


def test_choice_sets_of_weight_0_are_not_there(choices, times):
    there = times > 1
    weighted = choice(choices, 0, there * 1.0, outside_option=True)
    alone = choice(choices[there], 0, outside_option=True)
    pd.testing.assert_frame_equal(weighted.elasticities_, alone.elasticities_)


def test_weights_that_change_within_a_choice_set(choices, times):
    changes = times.where(choices.index % 2 == 0, 1.5)
    with pytest.raises(InvalidDataError, match=r"sample_weight changes within \d+ choice sets") as caught:
        choice(choices, sample_weight=changes, outside_option=True)
    names = {"pandas": pd, "numpy": np, "X": choices, "sample_weight": changes}
    fixed = eval(re.search(r"as in (.*)\.$", str(caught.value))[1], names)
    assert np.isfinite(choice(choices, 0, fixed, outside_option=True).elasticities_["mean"]).all()


@pytest.fixture(params=["sales", "choices"])
def case(request):
    """The fit of either model to a frame, and the frame."""
    X = request.getfixturevalue(request.param)
    if request.param == "sales":
        return lambda X, w: elasticity(X, X["units_sold"], w, time="time_period"), X
    return lambda X, w: choice(X, 0, w, outside_option=True), X


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        (-1.0, "negative values"),
        (np.nan, "missing values"),
        (0.0, "sample_weight is 0 in all"),
        (None, "sample_weight has 3 values"),
    ],
)
def test_weights_that_are_none(case, weight, found):
    fit, X = case
    with pytest.raises(InvalidDataError, match=found):
        fit(X, np.ones(3) if weight is None else np.full(len(X), weight))


def test_weights_of_other_rows(case):
    fit, X = case
    with pytest.raises(
        InvalidDataError, match="sample_weight's index holds the labels of X's index in another"
    ):
        fit(X, pd.Series(1.0, index=X.index[::-1]))


@pytest.mark.parametrize("weight", [2.5, 30.0])
def test_large_weights_are_said(case, weight):
    fit, X = case
    found = f"sample_weight is {weight:g} on average.*divide them by their mean"
    with pytest.warns(DataWarning, match=found):
        fit(X, np.full(len(X), weight))
    pd.testing.assert_frame_equal(fit(X, np.ones(len(X))).elasticities_, fit(X, None).elasticities_)


def test_selection_and_weights_are_not_for_both(sales):
    model = HierarchicalElasticity(**SALES, time="time_period", selected_above=1, inference="laplace")
    with pytest.raises(InvalidArgumentError, match=r"selected_above .* Give one of them"):
        model.fit(sales, sales["units_sold"], sample_weight=np.full(len(sales), 0.5))
