"""Where factors start: paths of simulations, both as rows of scores and as choices."""

import numpy as np
import pytest
from pytensor.compile.mode import Mode
from scipy.sparse import csr_array, vstack

from hdfm.choice.graph.model import build_choice_model, first_factors
from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_choices
from hdfm.factors.evidence import first_coordinates
from hdfm.factors.hsgp import choose_gp, gp_roots
from hdfm.factors.paths import moving_together
from hdfm.factors.tier import tier_sizes

PLAIN = Mode(linker="py", optimizer=None)
T = 40
TIMES = np.linspace(0, 1, T)
COLUMNS = {"category": "category", "product": "product", "time": "week", "choice_set": "choice_set"}
SHORTEST, LONGEST, RHO = 0.056, 0.4, 0.15


@pytest.fixture(scope="module", params=["hsgp", "exact"])
def gp(request):
    return choose_gp(request.param, "matern32", TIMES, SHORTEST, LONGEST)


def root(gp):
    return gp_roots(gp, np.array([RHO]))[0]


def noisy_scores(paths, weights, seed=0):
    """Of rows with weights (R, K) on paths (K, T), of unit information a period."""
    rng = np.random.default_rng(seed)
    return csr_array(weights @ paths + rng.normal(size=(len(weights), paths.shape[1])))


def test_paths_are_found_with_their_sign(gp):
    paths = np.stack([np.cos(np.pi * TIMES), np.sin(3 * np.pi * TIMES)])
    paths -= paths.mean(axis=1, keepdims=True)
    weights = np.random.default_rng(1).exponential([0.6, 0.3], size=(500, 2))
    weights[:250, 1] = weights[250:, 0] = 0
    found = moving_together(noisy_scores(paths, weights), root(gp), 2) @ root(gp).T
    np.testing.assert_allclose(found.std(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-8)
    assert np.diag(np.corrcoef(paths, found)[:2, 2:]).min() > 0.9


def test_habits_that_drift_apart_are_found(gp):
    """Weights of both signs cancel in the sum over rows."""
    path = TIMES - 0.5
    weights = np.random.default_rng(2).normal(size=(500, 1))
    found = moving_together(noisy_scores(path[None], weights), root(gp), 1) @ root(gp).T
    assert abs(np.corrcoef(path, found[0])[0, 1]) > 0.9


def test_paths_stay_apart_from_those_known(gp):
    path = TIMES - 0.5
    scores = noisy_scores(path[None], np.full((500, 1), 0.5))
    found = moving_together(scores, root(gp), 1, path[:, None]) @ root(gp).T
    assert abs(np.corrcoef(path, found[0])[0, 1]) < 0.5


def test_factors_beyond_what_moves_start_at_rest(gp):
    few = choose_gp(gp.gp, "matern32", np.linspace(0, 1, 4), SHORTEST, LONGEST)
    scores = csr_array(np.array([[1.0, 1.0, -1.0, -1.0]]))
    found = moving_together(scores, root(few), 3) @ root(few).T
    assert np.corrcoef(found[0], [1, 1, -1, -1])[0, 1] > 0.9
    np.testing.assert_array_equal(found[1:], 0)
    np.testing.assert_array_equal(moving_together(0 * scores, root(few), 2), 0)


@pytest.mark.parametrize("customer_loadings", [True, False])
@pytest.mark.parametrize("customer", ["customer", None])
def test_a_model_starts_on_the_factors_of_its_data(customer, customer_loadings):
    frame, truth = simulate_choices(60, 2, T, n_factors=1, seed=2)
    roles = ChoiceRoles(customer=customer, price="price", features=("display", "feature"), **COLUMNS)
    panel = build_choice_panel(frame, frame["chosen"], roles)
    gp = choose_gp("hsgp", "matern32", panel.time, SHORTEST, LONGEST)
    spec = ChoiceSpec(tier_sizes(1, 1, 0), customer_loadings, ChoicePriors())
    start = choice_start(panel, spec.priors, panel.coefficient_scale)
    model = build_choice_model(panel, spec, gp, start)
    names = ["factor_path", "category_factor_path"]
    paths = model.replace_rvs_by_values([model[name] for name in names])
    values = model.compile_fn(paths, inputs=model.value_vars, on_unused_input="ignore", mode=PLAIN)
    common, own = values(model.initial_point())
    B = root(gp)
    first = first_factors(spec, gp, start)
    np.testing.assert_allclose(common, B @ first["global"][0].T, atol=1e-6)
    np.testing.assert_allclose(own, B @ first["category"].mT, atol=1e-6)
    assert np.corrcoef(common.ravel(), truth.factors.to_numpy().ravel())[0, 1] > 0.7


def test_factors_start_apart_from_those_of_tiers_before(gp):
    scores = [noisy_scores(np.stack([TIMES - 0.5]), np.full((50, 1), 0.5), seed) for seed in range(2)]
    first = first_coordinates(tier_sizes(1, 1, 2), gp, RHO, scores)
    assert {name: z.shape for name, z in first.items()} == {
        "global": (1, 1, gp.size),
        "category": (2, 1, gp.size),
    }
    np.testing.assert_array_equal(first["global"][0], moving_together(vstack(scores), root(gp), 1))
    known = root(gp) @ first["global"][0].T
    for score, z in zip(scores, first["category"], strict=True):
        np.testing.assert_array_equal(z, moving_together(score, root(gp), 1, known))
