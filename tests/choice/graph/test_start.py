"""The hierarchical logit against a general optimiser, finite differences and the truth of a simulation."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.datasets import simulate_choices

PRIORS = ChoicePriors()
COLUMNS = {"category": "category", "product": "product", "time": "week", "choice_set": "choice_set"}


def panel_of(customers=8, customer="customer", covariates=(), features=("display", "feature"), **simulation):
    options = {"alternatives": 3, "sets_per_customer": 6, "n_factors": 0, "seed": 1} | simulation
    frame, truth = simulate_choices(customers, 2, 6, **options)
    roles = ChoiceRoles(
        customer=customer,
        price="price",
        features=features,
        customer_covariates=covariates,
        outside_option=simulation.get("outside_option", False),
        **COLUMNS,
    )
    return build_choice_panel(frame, frame["chosen"], roles), truth


def log_likelihood(panel, i, a):
    """Of customer i with coefficients a (S,) per unit of the data, set by set."""
    total = 0.0
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        for o in np.flatnonzero(choices.customer == i):
            j, slots = choices.chosen[o], np.flatnonzero(choices.mask[o])
            utility = choices.x[o, slots] @ a[category.coefficient]
            slot = slots.tolist().index(j) if j >= 0 else len(slots)
            total += log_softmax(np.append(utility, 0.0) if panel.roles.outside else utility)[slot]
    return total


@pytest.mark.parametrize("outside", [False, True])
def test_customers_are_at_their_modes(outside):
    panel, _ = panel_of(outside_option=outside, unavailable_prob=0.2)
    scale = panel.coefficient_scale
    start = choice_start(panel, PRIORS, scale)
    precision = np.linalg.inv(start.covariance)

    def loss(a):
        gap = a - start.mean
        return gap @ precision @ gap / 2 - log_likelihood(panel, 3, a / scale)

    mode = minimize(loss, start.mean).x
    np.testing.assert_allclose(start.customer[3], mode, atol=0.03)
    own = (start.customer[3] - start.mean) @ precision
    np.testing.assert_allclose(start.score[3], own, atol=0.05)
    np.testing.assert_allclose(start.shift[3], start.information[3] @ start.customer[3] + start.score[3])


def test_information_is_the_curvature():
    panel, _ = panel_of()
    scale = panel.coefficient_scale
    start = choice_start(panel, PRIORS, scale)
    at, step = start.customer[2], 1e-3
    heights = np.array(
        [[log_likelihood(panel, 2, (at + k * e) / scale) for k in (-1, 0, 1)] for e in step * np.eye(len(at))]
    )
    curvature = -np.diff(heights, 2)[:, 0] / step**2
    np.testing.assert_allclose(curvature, np.diag(start.information[2]), rtol=1e-3)
    np.testing.assert_allclose((heights[:, 2] - heights[:, 0]) / (2 * step), start.score[2], atol=1e-4)
    for category, information, score in zip(
        panel.categories, start.information_by_period, start.score_by_period, strict=True
    ):
        part = category.coefficient
        np.testing.assert_allclose(information.sum(axis=0), start.information[:, part, part].sum(axis=0))
        np.testing.assert_allclose(score.sum(axis=0), start.score[:, part].sum(axis=0), atol=1e-10)


def test_estimates_are_near_the_truth():
    panel, truth = panel_of(250, sets_per_customer=20, features=("display", "feature"))
    scale = panel.coefficient_scale
    start = choice_start(panel, PRIORS, scale)
    own = truth.alpha.transpose("customer", "coefficient").to_numpy()
    np.testing.assert_allclose(start.mean / scale, own.mean(axis=0), atol=0.35)
    np.testing.assert_allclose(np.sqrt(np.diag(start.covariance)) / scale, own.std(axis=0), atol=0.35)
    fit = [np.corrcoef(start.customer[:, s], own[:, s])[0, 1] for s in range(len(scale))]
    assert min(fit) > 0.3


def test_without_customers_it_is_the_pooled_logit():
    panel, _ = panel_of(customer=None, outside_option=True)
    start = choice_start(panel, PRIORS, panel.coefficient_scale)
    gradient = start.score.sum(axis=0) - start.mean / PRIORS.coefficient_sd**2
    np.testing.assert_allclose(gradient, 0, atol=1e-3)
    np.testing.assert_array_equal(start.customer, start.mean[None])
    np.testing.assert_array_equal(start.covariance, 0)


@pytest.mark.parametrize(
    "simulation",
    [
        {"sets_per_customer": 0.7},
        {"category_prob": 0.5},
        {"n_covariates": 2, "covariates": ("covariate_1", "covariate_2")},
        {"customers": 2},
    ],
    ids=["few sets", "no sets in a category", "covariates", "two customers"],
)
def test_estimates_of_thin_data_are_finite(simulation):
    panel, _ = panel_of(**simulation)
    start = choice_start(panel, PRIORS, panel.coefficient_scale)
    assert np.isfinite(start.shift).all()
    assert np.linalg.eigvalsh(start.covariance).min() > 1e-4
    assert abs(start.customer).max() < 10
    assert start.effect.shape == (len(start.mean), panel.covariates.shape[1])


def test_separated_choices_and_extreme_predictors():
    """The dearest is chosen always, and a predictor is large: modes stay finite, and are modes."""
    frame, _ = simulate_choices(8, 2, 6, alternatives=3, sets_per_customer=6, seed=1)
    best = frame.groupby("choice_set")["price"].idxmax()
    frame["chosen"] = frame.index.isin(best).astype(int)
    frame["display"] = frame["display"] * 1e4 + np.arange(len(frame)) % 7
    roles = ChoiceRoles(customer="customer", price="price", features=("display",), **COLUMNS)
    panel = build_choice_panel(frame, frame["chosen"], roles)
    start = choice_start(panel, PRIORS, panel.coefficient_scale)
    pull = (start.customer - start.mean) @ np.linalg.inv(start.covariance)
    np.testing.assert_allclose(start.score, pull, atol=0.3)
    assert np.isfinite(start.information).all()
