"""Arguments and questions of the choice model that make no sense."""

import re

import pytest
from reference.choice_frames import choice_model, fit
from sklearn.exceptions import NotFittedError

from hdfm import ChoicePriors, ElasticityPriors
from hdfm.exceptions import InvalidArgumentError


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("n_factors", -1, "whole number, at least 0"),
        ("n_factors", 1.0, "whole number, at least 0"),
        ("n_factors", True, "whole number, at least 0"),
        ("n_category_factors", None, "whole number, at least 0"),
        ("n_individual_factors", "one", "whole number, at least 0"),
        ("product_intercepts", "yes", "True, False"),
        ("outside_option", None, "True, False"),
        ("price_transform", "sqrt", "'log', 'linear'"),
        ("loadings", "category", "'customer', 'population'"),
        ("gp", "spline", "'hsgp', 'exact'"),
        ("priors", {"coefficient_sd": 1}, "ChoicePriors or None"),
        ("priors", ElasticityPriors(), "ChoicePriors or None"),
        ("inference", "laplace", "'nuts', 'map', 'variational'"),
        ("sampler", "stan", "'numpyro', 'nutpie'"),
        ("draws", 3, "whole number, at least 4"),
        ("draws", 10.0, "whole number, at least 4"),
        ("tune", -1, "whole number, at least 0"),
        ("chains", 0, "whole number, at least 1"),
        ("chains", True, "whole number, at least 1"),
        ("target_accept", 1.0, "strictly between 0 and 1"),
        ("target_accept", "high", "strictly between 0 and 1"),
    ],
)
def test_arguments_out_of_range(trips, argument, value, allowed):
    found = rf"{argument} must .*{re.escape(allowed)}.*; got {re.escape(repr(value))}"
    for ask in (fit, lambda X, **changes: choice_model(**changes).build_model(X, X["chosen"])):
        with pytest.raises(InvalidArgumentError, match=found):
            ask(trips, **{argument: value})


def test_seed_of_no_kind(trips):
    with pytest.raises(ValueError, match="'soon' cannot be used to seed"):
        fit(trips, random_state="soon")


@pytest.mark.parametrize("name", ["coefficient_sd", "customer_sd", "lkj", "amplitude", "individual_scale"])
def test_priors_above_zero(name):
    with pytest.raises(InvalidArgumentError, match=f"ChoicePriors.{name} must be above 0; got 0"):
        ChoicePriors(**{name: 0})


@pytest.mark.parametrize("ci_prob", [0, 1, -0.1, 89, "wide"])
def test_interval_probability_out_of_range(fitted, trips, ci_prob):
    for ask in (
        lambda: fitted.elasticities(ci_prob=ci_prob),
        lambda: fitted.coefficients(ci_prob=ci_prob),
        lambda: fitted.shares(ci_prob=ci_prob),
        lambda: fitted.counterfactual(trips, {"price": 2}, ci_prob=ci_prob),
        lambda: fitted.diversion(ci_prob=ci_prob),
        lambda: fitted.willingness_to_pay("display", ci_prob=ci_prob),
    ):
        found = f"ci_prob must lie strictly between 0 and 1; got {ci_prob!r}"
        with pytest.raises(InvalidArgumentError, match=found):
            ask()


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (lambda model, X: model.shares(X, by=3), "by takes a column name or a list of them; got 3"),
        (lambda model, X: model.coefficients(by=3), r"by takes names among .*'time'\]; got '3'"),
        (lambda model, X: model.coefficients(customers=3), "customers takes a list of labels; got 3"),
        (lambda model, X: model.coefficients(customers="a"), "customers takes a list of labels; got 'a'"),
        (lambda model, X: model.coefficients(customers=[]), "customers must name fitted ones"),
        (lambda model, X: model.willingness_to_pay(["price"]), r"predictor takes one name; got \['price'\]"),
        (lambda model, X: model.sample_prior(X, draws=1), "draws must be a whole number, at least 2; got 1"),
        (lambda model, X: model.identification(0.5), "prior_draws must be a whole number, at least 2; got"),
        (lambda model, X: model.loo(), "loo needs at least 25 draws in all chains; there are 10"),
    ],
)
def test_questions_that_make_no_sense(fitted, trips, ask, found):
    with pytest.raises(InvalidArgumentError, match=found):
        ask(fitted, trips)


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, X: model.predict(X),
        lambda model, X: model.predict_proba(X),
        lambda model, X: model.score(X, X["chosen"]),
        lambda model, X: model.elasticities(),
        lambda model, X: model.coefficients(),
        lambda model, X: model.shares(X),
        lambda model, X: model.counterfactual(X, {"price": 0.9}),
        lambda model, X: model.diversion(),
        lambda model, X: model.willingness_to_pay("display"),
        lambda model, X: model.diagnostics(),
        lambda model, X: model.identification(),
        lambda model, X: model.loo(),
    ],
)
def test_before_fit(trips, ask):
    with pytest.raises(NotFittedError, match="DynamicFactorChoiceModel instance is not fitted yet"):
        ask(choice_model(), trips)
