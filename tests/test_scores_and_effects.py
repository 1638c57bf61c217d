"""What both models answer alike: scores by row or choice set, and effects of controls and features."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROLES
from trips import many_trips

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.exceptions import InvalidDataError
from hdfm.summaries.effects import effect_table

QUICK = {"draws": 40, "tune": 0, "chains": 2, "progressbar": False, "random_state": 0}
SAME = 1e-10
MODELS = ["sales", "choice", "choice, no sets"]


@dataclass
class Fitted:
    """A model with controls, its rows, and which row or set each score is of."""

    model: Any
    X: pd.DataFrame
    y: pd.Series
    unit: pd.Series


def fit_sales():
    from hdfm.datasets import simulate_sales

    sales = simulate_sales(12, 2, 20, seed=366, promotion_prob=0.2)
    sales["shelf"] = np.random.default_rng(0).normal(30, 8, len(sales))
    sales.index = [f"row {k}" for k in range(len(sales))]
    options = {"controls": ["promotion", "shelf"], "inference": "laplace"}
    model = HierarchicalElasticity(**ROLES, **QUICK, **options)
    return Fitted(model, sales, sales["units_sold"], pd.Series(sales.index, sales.index))


def fit_choices(choice_set="trip"):
    trips = many_trips()
    trips = trips[trips["category"] == "milk"]
    trips["shelf"] = np.random.default_rng(0).normal(30, 8, len(trips))
    options = {"product": "brand", "price": "price", "features": ["display", "shelf"], "inference": "map"}
    model = DynamicFactorChoiceModel(0, choice_set=choice_set, **QUICK, **options)
    unit = trips["trip"] if choice_set else pd.Series(trips.index, trips.index)
    return Fitted(model, trips, trips["chosen"].astype(int), unit)


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    """Each of the models; do not change it."""
    made = {"sales": fit_sales, "choice": fit_choices, "choice, no sets": lambda: fit_choices(None)}
    case = made[request.param]()
    case.model.fit(case.X, case.y)
    return case


def test_scores_are_labelled(fitted):
    scores = fitted.model.score_samples(fitted.X, fitted.y)
    assert scores.name == "log_density"
    assert scores.index.is_unique
    assert set(scores.index) == set(fitted.unit)
    assert np.isfinite(scores).all()
    if len(scores) == len(fitted.X):
        pd.testing.assert_index_equal(scores.index, fitted.X.index)
    else:
        assert scores.index.name == fitted.unit.name


def test_score_is_their_mean(fitted):
    model, X, y = fitted.model, fitted.X, fitted.y
    scores = model.score_samples(X, y)
    assert model.score(X, y) == scores.mean()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X))
    by_unit = pd.Series(weights).groupby(fitted.unit.to_numpy()).mean()[scores.index]
    assert model.score(X, y, weights) == pytest.approx(np.average(scores, weights=by_unit), rel=SAME)


def test_a_score_does_not_depend_on_other_rows(fitted):
    model, X, y = fitted.model, fitted.X, fitted.y
    scores = model.score_samples(X, y)
    backwards = model.score_samples(X[::-1], y[::-1])
    pd.testing.assert_series_equal(backwards[scores.index], scores, rtol=SAME)
    some = fitted.unit.isin(scores.index[::3])
    few = model.score_samples(X[some], y[some])
    pd.testing.assert_series_equal(few[scores.index[::3]], scores[::3], rtol=SAME)


def test_scores_need_an_outcome(fitted):
    with pytest.raises(InvalidDataError, match="y is missing"):
        fitted.model.score_samples(fitted.X, None)


@pytest.mark.parametrize("make", [HierarchicalElasticity, DynamicFactorChoiceModel])
def test_without_roles_the_name_is_left_to_scikit_learn(make):
    """Its checks call ``score_samples`` with X alone, of whatever has it."""
    with pytest.raises(AttributeError, match="has no attribute 'score_samples'") as info:
        _ = make().score_samples
    assert "needs columns with roles" in str(info.value.__cause__)


def test_effects_of_controls_are_per_unit(fitted):
    table = fitted.model.control_effects(ci_prob=0.8)
    assert list(table.columns) == ["mean", "sd", "lower", "upper", "percent"]
    assert table.index.names == ["control"]
    assert table.attrs["ci_prob"] == 0.8
    posterior = fitted.model.idata_["posterior"]
    if isinstance(fitted.model, HierarchicalElasticity):
        draws = posterior["control_effect"].stack(s=("chain", "draw")).transpose("control", "s")
        assert list(table.index) == ["promotion", "shelf"]
        np.testing.assert_allclose(table["lower"], np.quantile(draws, 0.1, axis=1))
    else:
        draws = posterior["coefficient_mean"].stack(s=("chain", "draw"))
        draws = draws[[list(posterior["coefficient"].values).index(f"all: {name}") for name in table.index]]
        assert sorted(table.index) == ["display", "shelf"]
        assert table[["sd", "lower", "upper"]].isna().all(axis=None)
    draws = draws.to_numpy()
    np.testing.assert_allclose(table["mean"], draws.mean(axis=1))
    np.testing.assert_allclose(table["percent"], 100 * np.expm1(draws).mean(axis=1))


def test_an_effect_is_what_predictions_do(fitted):
    """One more unit of the control multiplies units, or odds, by what the table says."""
    model, X, effect = fitted.model, fitted.X, fitted.model.control_effects()["mean"]["shelf"]
    more = X.assign(shelf=X["shelf"] + 1)
    if isinstance(model, HierarchicalElasticity):
        ratio = np.log(model.predict(more) / model.predict(X))
        np.testing.assert_allclose(ratio, effect, atol=0.01)
        return
    before, after = model.predict_proba(X)[:, 1], model.predict_proba(X.assign(shelf=more["shelf"]))[:, 1]
    if model.choice_set is None:
        odds = np.log(after / (1 - after)) - np.log(before / (1 - before))
        np.testing.assert_allclose(odds, effect, rtol=1e-6)


def test_effects_by_category():
    trips = many_trips()
    roles = {"category": "category", "product": "brand", "choice_set": "trip", "price": "price"}
    model = DynamicFactorChoiceModel(
        0, **roles, features=["display", "strength"], availability="in_stock", inference="map", **QUICK
    )
    table = model.fit(trips, trips["chosen"]).control_effects()
    assert table.index.names == ["category", "control"]
    assert sorted(table.index) == [("milk", "display"), ("tea", "display"), ("tea", "strength")]
    coefficients = model.coefficients(by=None)["mean"]
    np.testing.assert_allclose(table["mean"], coefficients[table.index.to_list()], rtol=1e-12)


def test_no_controls_have_no_effects(elasticity, sales):
    model = elasticity(inference="laplace").fit(sales, sales["units_sold"])
    table = model.control_effects()
    assert len(table) == 0
    assert list(table.columns) == ["mean", "sd", "lower", "upper", "percent"]


def test_huge_effects_stay_finite():
    table = effect_table(np.array([[1e4, 1e5]]), pd.Index(["share"]), 0.89)
    assert np.isfinite(table.to_numpy()).all()
