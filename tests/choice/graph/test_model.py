"""The graph of choice against the same formulas in NumPy, and its density for every combination of parts."""

import itertools

import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode
from reference.choice import log_likelihood, paths
from scipy import stats

from hdfm.choice.graph.model import build_choice_model
from hdfm.choice.graph.start import choice_start, contrasts
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_choices
from hdfm.factors.hsgp import choose_gp
from hdfm.factors.kernels import JITTER, covariance
from hdfm.factors.tier import tier_sizes

PRIORS = ChoicePriors()
PLAIN = Mode(linker="py", optimizer=None)  # these graphs are evaluated once: compiling would take longer
COLUMNS = {"category": "category", "product": "product", "time": "week", "choice_set": "choice_set"}


def panel_of(customer="customer", covariates=(), **simulation):
    frame, _ = simulate_choices(8, 2, 6, alternatives=3, sets_per_customer=4, seed=1, **simulation)
    roles = ChoiceRoles(
        customer=customer,
        price="price",
        features=("display", "feature"),
        customer_covariates=covariates,
        outside_option=simulation.get("outside_option", False),
        **COLUMNS,
    )
    return build_choice_panel(frame, frame["chosen"], roles)


def model_of(panel, n=(0, 0, 0), customer_loadings=True, gp="hsgp", priors=PRIORS):
    process = choose_gp(gp, "matern32", panel.time, 0.3, 0.9)
    start = choice_start(panel, priors, panel.coefficient_scale)
    return build_choice_model(panel, ChoiceSpec(tier_sizes(*n), customer_loadings, priors), process, start)


def values(model, seed=0):
    """Deterministics and the log-likelihood at a random point near the start."""
    rng = np.random.default_rng(seed)
    point = {k: v + 0.3 * rng.standard_normal(np.shape(v)) for k, v in model.initial_point().items()}
    outputs = [*model.deterministics, model["log_likelihood"]]
    found = model.compile_fn(
        model.replace_rvs_by_values(outputs), inputs=model.value_vars, on_unused_input="ignore", mode=PLAIN
    )
    return dict(zip([v.name for v in outputs], found(point), strict=True))


@pytest.mark.parametrize(
    ("simulation", "n", "customer_loadings"),
    [
        ({}, (0, 0, 0), True),
        ({"unavailable_prob": 0.2}, (2, 0, 0), True),
        ({"outside_option": True}, (2, 1, 0), False),
        ({"outside_option": True, "unavailable_prob": 0.2}, (1, 2, 1), True),
        ({"customer": None}, (2, 0, 0), True),
        ({"n_covariates": 2, "covariates": ("covariate_1", "covariate_2")}, (0, 0, 2), True),
    ],
)
def test_log_likelihood_is_that_of_the_paths(simulation, n, customer_loadings):
    panel = panel_of(**simulation)
    found = values(model_of(panel, n, customer_loadings))
    beta = paths(panel, found)
    assert found["log_likelihood"] == pytest.approx(log_likelihood(panel, beta), rel=1e-10)
    if "coefficient_path" in found:
        np.testing.assert_allclose(found["coefficient_path"], beta.mean(axis=0), atol=1e-12)


def combinations():
    """Tiers of all and of individuals quickly; the other, two of them, or one with the exact process slowly.

    Not all three tiers: without compilation a sum has at most 32 terms.
    """
    for gp, most in (("hsgp", 2), ("exact", 1)):
        for n in itertools.product((0, 1), (0, 1), (0, 2)):
            if 0 < np.count_nonzero(n) <= most:
                quick = np.count_nonzero(n) == 1 and gp == "hsgp" and not n[1]
                yield pytest.param(gp, n, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(("gp", "n"), list(combinations()))
def test_density_and_gradient_are_finite(gp, n):
    model = model_of(panel_of(), n, gp=gp)
    gradient = model.compile_dlogp(mode=PLAIN)(model.initial_point())
    assert np.isfinite(model.compile_logp(mode=PLAIN)(model.initial_point()))
    assert np.isfinite(gradient).all()


def test_factors_and_individuals_are_zero_sum():
    found = values(model_of(panel_of(), (2, 1, 2)))
    np.testing.assert_allclose(found["factor_path"].sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(found["category_factor_path"].sum(axis=1), 0, atol=1e-10)
    assert (found["loading"] > 0).all()
    assert (found["individual_loading"] > 0).all()


@pytest.mark.parametrize("priors", [PRIORS, ChoicePriors.note()], ids=["default", "note"])
def test_customers_have_the_prior_of_their_population(priors):
    """Whitened by the data or not: alpha less its mean over customer_sd is standard normal."""
    model = model_of(panel_of(), priors=priors)
    names = ("alpha", "coefficient_mean", "customer_sd")
    alpha, mean, sd = pm.draw([model[name] for name in names], 400, random_seed=0, mode=PLAIN)
    z = (alpha - mean[:, None]) / sd[:, None]
    assert abs(z.mean()) < 0.05
    assert z.std() == pytest.approx(1, abs=0.03)
    assert (mean / priors.coefficient_sd).std() == pytest.approx(
        np.sqrt(np.mean(panel_of().coefficient_scale ** -2.0)), rel=0.1
    )


def test_factors_have_the_covariance_of_their_kernel():
    """Whitened by the data or not: scores on the kernel's eigenvectors are standard normal."""
    panel = panel_of()
    model = model_of(panel, (2, 1, 0), gp="exact")
    names = ("factor_path", "lengthscale", "category_factor_path", "category_lengthscale")
    theta, rho, own, own_rho = pm.draw([model[name] for name in names], 200, random_seed=0, mode=PLAIN)
    paths_ = [*np.concatenate(theta.transpose(0, 2, 1)), *own[:, 0, :, 0], *own[:, 1, :, 0]]
    lengths = [*rho.ravel(), *own_rho[:, 0], *own_rho[:, 0]]
    z = np.array([kernel_scores(panel.time, *pair) for pair in zip(paths_, lengths, strict=True)])
    assert abs(z.mean()) < 0.05
    assert z.std() == pytest.approx(1, abs=0.04)


def kernel_scores(times, path, lengthscale):
    """Of a centred path (T,) on the eigenvectors of its covariance (T - 1,)."""
    K = covariance("matern32", times[:, None] - times, lengthscale) + JITTER * np.eye(len(times))
    values, vectors = np.linalg.eigh(K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean())
    return path @ vectors[:, 1:] / np.sqrt(values[1:])


@pytest.mark.parametrize("priors", [PRIORS, ChoicePriors.note()], ids=["default", "note"])
def test_amplitudes_are_half_normal(priors):
    model = model_of(panel_of(), (2, 0, 0), priors=priors)
    draws = pm.draw(model["loading_amplitude"], 2000, random_seed=0, mode=PLAIN)
    scale = priors.amplitude * priors.amplitude_decay ** np.arange(2)
    assert stats.kstest(draws / scale, "halfnorm").pvalue.min() > 0.001
    density = model.logp(vars=[model["loading_size_raw"]])
    logp = model.compile_fn(density, inputs=model.value_vars, on_unused_input="ignore")
    points = [model.initial_point() for _ in range(2)]
    points[1]["loading_size_raw"] = points[0]["loading_size_raw"] + 0.5
    gap = np.diff([logp(point) for point in points])[0]
    first = np.exp(points[0]["loading_size_raw"]) / np.logaddexp(0, priors.loading_mean)
    expected = np.diff(stats.halfnorm.logpdf([first, first * np.exp(0.5)], scale=scale), axis=0) + 0.5
    assert gap == pytest.approx(expected.sum())


@pytest.mark.parametrize("outside", [False, True])
def test_contrasts(outside):
    choices = panel_of(outside_option=outside, unavailable_prob=0.3).choices[0]
    D, available = contrasts(choices, outside)
    n_sets, n_slots, _ = choices.x.shape
    assert D.shape[:2] == (n_sets, n_slots - (not outside))
    inside = choices.chosen >= 0
    others = choices.mask.sum(axis=1) - inside + (outside & inside)
    np.testing.assert_array_equal(available.sum(axis=1), others)
