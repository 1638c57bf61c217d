"""Padded graphs are those of the data with standard normal coordinates added; panels that are alike share."""

import numpy as np
import pytest

from hdfm.choice.graph.data import Sizes, common_sizes
from hdfm.choice.graph.model import build_choice_model
from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_choices
from hdfm.factors.hsgp import choose_gp
from hdfm.sampling.draws import reported_names
from hdfm.sampling.session import jax_session

PRIORS = ChoicePriors()
CASES = {
    "static": ({}, (0, 0, 0), True, "hsgp"),
    "global": ({"unavailable_prob": 0.2}, (2, 0, 0), True, "hsgp"),
    "population": ({"outside_option": True}, (1, 1, 0), False, "hsgp"),
    "all": ({"outside_option": True}, (1, 1, 1), True, "hsgp"),
    "exact": ({}, (1, 0, 0), True, "exact"),
    "covariates": ({"n_covariates": 2}, (1, 0, 0), True, "hsgp"),
    "no customers": ({"customer": None}, (1, 0, 0), True, "hsgp"),
}


def model_of(case, padding, seed=1, customers=9, weeks=6):
    """Of a case, at its own sizes or those that panels share; and its names."""
    simulation, n, by_customer, gp = CASES[case]
    changes = dict(simulation)
    customer = changes.pop("customer", "customer")
    frame, _ = simulate_choices(
        customers, 2, weeks, alternatives=3, sets_per_customer=4, seed=seed, **changes
    )
    roles = ChoiceRoles(
        customer=customer,
        category="category",
        product="product",
        time="week",
        choice_set="choice_set",
        price="price",
        features=("display", "feature"),
        customer_covariates=tuple(name for name in frame if name.startswith("covariate")),
        outside_option=simulation.get("outside_option", False),
    )
    panel = build_choice_panel(frame, frame["chosen"], roles)
    spec = ChoiceSpec(*n, by_customer, PRIORS)
    process = choose_gp(gp, "matern32", panel.time, 0.3, 0.9) if sum(n) else None
    start = choice_start(panel, PRIORS, panel.coefficient_scale)
    sizes = common_sizes(panel, spec, process) if padding else None
    return build_choice_model(panel, spec, process, start, sizes), sizes


@pytest.mark.parametrize("case", CASES)
def test_padding_adds_standard_normal_coordinates_alone(case):
    with jax_session():
        from hdfm.sampling.density import density_of

        own, padded = (density_of(model, reported_names(model)) for model in
                       (model_of(case, False)[0], model_of(case, True)[0]))  # fmt: skip
        rng = np.random.default_rng(0)
        q, q_padded, where = [], [], []
        for shape, larger in zip(own.program.shapes, padded.program.shapes, strict=True):
            value, wide = rng.normal(0, 0.3, shape), rng.normal(0, 1, larger)
            there = np.zeros(larger, bool)
            there[tuple(slice(n) for n in shape)] = True
            wide[there] = value.ravel()
            q.append(value.ravel())
            q_padded.append(wide.ravel())
            where.append(there.ravel())
        q, q_padded, where = map(np.concatenate, (q, q_padded, where))
        value, slope = map(np.asarray, own.gradient(q))
        wide_value, wide_slope = map(np.asarray, padded.gradient(q_padded))
        added = (q_padded[~where] ** 2).sum() / 2 + (~where).sum() * np.log(2 * np.pi) / 2
        names = dict(zip(own.program.names, own.program.deterministics(q[None], own.data), strict=True))
        wide_names = dict(
            zip(padded.program.names, padded.program.deterministics(q_padded[None], padded.data), strict=True)
        )
    assert wide_value == pytest.approx(value + added, rel=1e-11)
    np.testing.assert_allclose(wide_slope[where], slope, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(wide_slope[~where], q_padded[~where], rtol=1e-8, atol=1e-8)
    for name, found in names.items():
        there = tuple(slice(n) for n in np.shape(found))
        np.testing.assert_allclose(np.asarray(wide_names[name])[there], found, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("exact", "all")])
def test_panels_that_are_alike_share_a_program(case):
    """Other choices, other customers and weeks, the same categories, products and predictors."""
    with jax_session():
        from hdfm.sampling.density import density_of

        first, other = (
            density_of(model, reported_names(model))
            for model, _ in (model_of(case, True), model_of(case, True, seed=2, customers=12, weeks=9))
        )
        values = [float(each.potential(each.start)) for each in (first, other)]
    assert first.program is other.program
    assert abs(values[0] - values[1]) > 1


@pytest.mark.parametrize("case", ["static", "global"])
def test_a_program_has_a_name_that_lasts(case):
    with jax_session():
        from hdfm.sampling.density import density_of

        names = {density_of(model_of(case, True)[0], ["coefficient_mean"]).program.name for _ in range(2)}
        other = density_of(model_of("population", True)[0], ["coefficient_mean"]).program.name
    assert None not in names
    assert len(names) == 1
    assert other not in names


def test_sizes():
    panel = build_choice_panel(
        *(lambda frame: (frame, frame["chosen"]))(simulate_choices(9, 2, 6, seed=1)[0]),
        ChoiceRoles(
            customer="customer", category="category", product="product", time="week", choice_set="choice_set",
            price="price", features=("display", "feature"),
        ),
    )  # fmt: skip
    assert common_sizes(panel, ChoiceSpec(1, 0, 0, True, PRIORS), None) == Sizes(16, 64, (64, 64))
    assert common_sizes(panel, ChoiceSpec(0, 0, 1, True, PRIORS), None).customers == 9
