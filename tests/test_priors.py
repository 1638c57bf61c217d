"""Hyperparameters of both models: floats, checked, and parameters of their own for scikit-learn."""

from dataclasses import fields

import numpy as np
import pytest
from conftest import ROLES
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from hdfm import ChoicePriors, DynamicFactorChoiceModel, ElasticityPriors, HierarchicalElasticity
from hdfm.exceptions import InvalidArgumentError
from hdfm.model_selection import RollingOriginSplit

BOTH = [(HierarchicalElasticity, "product_sd"), (DynamicFactorChoiceModel, "customer_sd")]
PRIORS = [ElasticityPriors, ChoicePriors]
LAPLACE = {"inference": "laplace", "draws": 20, "chains": 2, "progressbar": False}


def numbers(priors):
    """Names of fields that hold one number."""
    return [field.name for field in fields(priors) if field.type in (float, float | None)]


@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize("number", [1, np.int64(1), np.float32(1)])
def test_numbers_are_floats(priors, number):
    made = priors(**dict.fromkeys(numbers(priors), number))
    assert {type(getattr(made, name)) for name in numbers(priors)} == {float}
    assert made == priors(**dict.fromkeys(numbers(priors), 1.0))


def test_pairs_of_numbers_are_floats():
    for lengthscale in ((1, 2), [1, 2], np.array([1, 2])):
        assert ChoicePriors(lengthscale=lengthscale).lengthscale == (1.0, 2.0)
        assert {type(number) for number in ChoicePriors(lengthscale=lengthscale).lengthscale} == {float}


@pytest.mark.parametrize(
    ("priors", "name", "value", "found"),
    [
        (ElasticityPriors, "global_sd", 0, "above 0; got 0"),
        (ElasticityPriors, "global_sd", float("nan"), "above 0; got nan"),
        (ElasticityPriors, "global_sd", np.inf, "finite; got inf"),
        (ElasticityPriors, "global_mean", np.nan, "finite; got nan"),
        (ElasticityPriors, "product_sd", "0.3", "a number; got '0.3'"),
        (ElasticityPriors, "product_sd", True, "a number; got True"),
        (ElasticityPriors, "product_sd", None, "a number; got None"),
        (ElasticityPriors, "estimate_sd", 1, "True or False; got 1"),
        (ChoicePriors, "loading_mean", None, "a number; got None"),
        (ChoicePriors, "lengthscale", 0.1, "2 numbers; got 0.1"),
        (ChoicePriors, "lengthscale", (0.1, 0), "above 0; got 0"),
        (ChoicePriors, "lengthscale", (0.1, 0.2, 0.3), "2 numbers; got"),
    ],
)
def test_numbers_out_of_range(priors, name, value, found):
    with pytest.raises(InvalidArgumentError, match=rf"^{priors.__name__}\.{name} must be {found}"):
        priors(**{name: value})


def test_integers_are_fitted_as_floats(sales):
    whole = {name: 1 for name in numbers(ElasticityPriors) if name != "global_mean"}
    tables = [
        HierarchicalElasticity(
            **ROLES, **LAPLACE, controls="promotion", priors=ElasticityPriors(**{**whole, "global_sd": one})
        )
        .fit(sales, sales["units_sold"])
        .elasticities_
        for one in (1, 1.0)
    ]
    np.testing.assert_array_equal(*(table["mean"] for table in tables))


@pytest.mark.parametrize(("estimator", "name"), BOTH)
def test_set_params_of_priors(estimator, name):
    default = estimator.PRIORS()
    model = estimator().set_params(**{f"priors__{name}": 0.1})
    assert model.priors == estimator.PRIORS(**{name: 0.1})
    model = estimator(priors=default).set_params(**{f"priors__{name}": 0.2})
    assert (getattr(model.priors, name), getattr(default, name)) == (0.2, getattr(estimator.PRIORS(), name))
    model.set_params(priors=estimator.PRIORS(**{name: 7}), random_state=3)
    assert (getattr(model.priors, name), model.random_state) == (7.0, 3)
    model.set_params(**{f"priors__{name}": 8, "priors": None})
    assert model.priors == estimator.PRIORS(**{name: 8})


def test_several_are_set_at_once():
    """A Weibull has another meaning of the same numbers: neither alone would do."""
    model = DynamicFactorChoiceModel().set_params(
        priors__lengthscale_family="weibull", priors__lengthscale=(0.1, 1), priors__lkj=3
    )
    assert model.priors == ChoicePriors(lengthscale=(0.1, 1.0), lengthscale_family="weibull", lkj=3.0)


@pytest.mark.parametrize(("estimator", "name"), BOTH)
def test_get_params_of_priors(estimator, name):
    model = estimator(priors=estimator.PRIORS(**{name: 0.1}))
    assert model.get_params()[f"priors__{name}"] == 0.1
    assert model.get_params(deep=False) == {
        key: value for key, value in model.get_params().items() if "__" not in key
    }
    assert estimator().get_params()["priors"] is None
    assert estimator().get_params()[f"priors__{name}"] == getattr(estimator.PRIORS(), name)
    assert clone(model).get_params() == model.get_params()
    assert estimator().set_params(**model.get_params()).get_params() == model.get_params()
    assert f"priors__{name}" not in repr(model) + model._repr_html_()


@pytest.mark.parametrize(("estimator", "name"), BOTH)
def test_hyperparameters_that_are_not_there(estimator, name):
    found = rf"{estimator.PRIORS.__name__} has no 'sd', which priors__sd asks for; it has .*'{name}'"
    with pytest.raises(InvalidArgumentError, match=found):
        estimator().set_params(priors__sd=1.0)
    with pytest.raises(InvalidArgumentError, match=rf"{name} must be above 0; got -1"):
        estimator().set_params(**{f"priors__{name}": -1})
    with pytest.raises(InvalidArgumentError, match=r"priors must be an? \w+ or None; got 'wide'"):
        estimator(priors="wide").set_params(**{f"priors__{name}": 1})


def test_a_search_over_hyperparameters(sales):
    model = Pipeline([("same", FunctionTransformer()), ("model", HierarchicalElasticity(**ROLES, **LAPLACE))])
    grid = {"model__priors__product_sd": [0.01, 1], "model__priors__estimate_sd": [False]}
    search = GridSearchCV(model, grid, cv=RollingOriginSplit("time_period", 1, test_size=4))
    search.fit(sales, sales["units_sold"])
    best = search.best_params_["model__priors__product_sd"]
    assert search.best_estimator_[-1].priors == ElasticityPriors(product_sd=best, estimate_sd=False)
    assert search.cv_results_["mean_test_score"][0] != search.cv_results_["mean_test_score"][1]
