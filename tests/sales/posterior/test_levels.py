"""Moments of the hierarchy of elasticities, and replicates of the data."""

from dataclasses import fields

import numpy as np
import pytest
from reference.conjugate import MODEL, fit_exactly, levels, posterior, volumes

from hdfm import HierarchicalElasticity
from hdfm.sales.panel.rows import panel_rows
from hdfm.sales.posterior.draws import DemandPosterior, unbounded
from hdfm.sales.posterior.levels import pooled_levels, variance_given_parent
from hdfm.sales.posterior.predict import linear_predictor_blocks, replicated_units

GROUP = np.repeat(np.arange(3), 4)
DRAWS = 200_000
OF_DRAWS = 0.02  # a few standard errors of a variance of so many


def test_variance_given_the_parent_is_exact_for_normals():
    rng = np.random.default_rng(0)
    error_sd = rng.uniform(0.1, 2, len(GROUP))
    mean, covariance = posterior(GROUP, rng.normal(-1.5, 0.6, len(GROUP)), error_sd)
    draws = rng.multivariate_normal(mean, covariance, DRAWS, method="cholesky").T
    products, groups = levels(GROUP, mean, covariance)
    found = variance_given_parent(draws[:12], draws[12:15], GROUP)
    np.testing.assert_allclose(found, products.variance, rtol=OF_DRAWS)
    np.testing.assert_allclose(found, 0.25 * error_sd**2 / (0.25 + error_sd**2), rtol=OF_DRAWS)
    found = variance_given_parent(draws[12:15], draws[15:], np.zeros(3, int))
    np.testing.assert_allclose(found, groups.variance, rtol=OF_DRAWS)


def test_pieces_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    beta, above = rng.normal(size=(12, 30)), rng.normal(size=(3, 30))
    expected = variance_given_parent(beta, above, GROUP)
    monkeypatch.setattr("hdfm.sales.posterior.levels.PIECE", 5)
    np.testing.assert_allclose(variance_given_parent(beta, above, GROUP), expected)


NAMES = {"all": ["product", "category", "department", "global"], "no groups": ["product", "global"]}


@pytest.mark.parametrize("name", ["negative binomial", "all", "no groups", "negative", "article"])
def test_levels_by_hand(cases, name):
    case = cases(name)
    draws, population, priors = case.draws, case.draws.population, case.spec.priors
    found = pooled_levels(case.posterior)
    assert [level.labels.name for level in found] == NAMES.get(name, ["product", "category", "global"])
    beta = unbounded(draws.beta, case.spec)
    np.testing.assert_allclose(found[0].mean, beta.mean(axis=1))
    assert found[0].labels.equals(case.panel.product)
    assert found[-1].labels.to_list() == ["global"]
    assert (found[-1].centre, found[-1].spread) == (priors.global_mean, priors.global_sd**2)
    spread = np.mean(np.square(population.get("elasticity_sd", priors.product_sd)))
    assert found[0].spread == pytest.approx(spread)
    if case.panel.levels:
        groups = unbounded(population["elasticity_category"], case.spec)
        np.testing.assert_allclose(found[0].centre, groups.mean(axis=1)[case.panel.group])
        np.testing.assert_allclose(found[1].mean, groups.mean(axis=1))
        regressions = [
            np.polyfit(groups[g], values, 1) for g, values in zip(case.panel.group, beta, strict=True)
        ]
        left = [
            np.var(values - np.polyval(line, groups[g]))
            for g, values, line in zip(case.panel.group, beta, regressions, strict=True)
        ]
        np.testing.assert_allclose(found[0].variance, left)
    else:
        np.testing.assert_allclose(found[0].centre, found[-1].mean[0])


def test_negative_elasticities_are_compared_before_the_bound(cases):
    case = cases("negative")
    latent = unbounded(case.draws.beta, case.spec)
    np.testing.assert_allclose(-np.logaddexp(0, -latent), case.draws.beta)
    assert (pooled_levels(case.posterior)[0].mean != case.draws.beta.mean(axis=1)).all()


@pytest.mark.parametrize("name", ["all", "no price"])
def test_some_draws(cases, name):
    draws, which = cases(name).draws, np.array([3, 0])
    some = draws.some(which)
    pairs = [(getattr(draws, field.name), getattr(some, field.name)) for field in fields(some)]
    assert some.population.keys() == draws.population.keys()
    pairs += [(values, some.population[name]) for name, values in draws.population.items()]
    arrays = [(of_all, of_some) for of_all, of_some in pairs if isinstance(of_all, np.ndarray)]
    assert len(arrays) > 5
    for of_all, of_some in arrays:
        np.testing.assert_array_equal(of_some, of_all[..., which])


@pytest.fixture(scope="module")
def exact():
    sales = volumes(per=5, T=12).sample(frac=0.9, random_state=0)
    return fit_exactly(HierarchicalElasticity(**MODEL), sales, sales["units_sold"]), sales


def test_copies_are_draws_of_the_fit(exact):
    """Each has one draw of the effects, noise of its own, and the frame's rows in its order."""
    model, sales = exact
    posterior = DemandPosterior(model.draws_, model.panel_, model.spec_, model.seed_)
    copies = replicated_units(posterior, 300)
    assert copies.shape == (300, len(sales))
    np.testing.assert_array_equal(replicated_units(posterior, 300), copies)
    rows, _ = panel_rows(model.panel_)
    eta = np.empty((len(sales), model.draws_.delta.shape[1]))
    for piece, values, _ in linear_predictor_blocks(posterior, rows):
        eta[piece] = values
    logs, sd = np.log(copies), model.draws_.scale.shared[0]
    eta = eta[model.panel_.cell]
    z = (logs.mean(axis=0) - eta.mean(axis=1)) / np.sqrt((eta.var(axis=1) + sd**2) / 300)
    assert abs(z).max() < 5
    assert np.sqrt((z**2).mean()) == pytest.approx(1, abs=0.15)
    gaps = logs - eta.mean(axis=1)
    np.testing.assert_allclose(gaps.var(), eta.var(axis=1).mean() + sd**2, rtol=0.03)
    product = sales["product"].to_numpy()
    together = np.mean([np.outer(row, row)[np.ix_(product == 3, product == 3)].mean() for row in gaps])
    n = (product == 3).sum()
    assert together > 1.5 * gaps[:, product == 3].var() / n  # its rows share a level


def test_more_copies_than_draws(exact):
    model, _ = exact
    few = model.draws_.some(np.arange(3))
    assert len(replicated_units(DemandPosterior(few, model.panel_, model.spec_, 0), 8)) == 8
