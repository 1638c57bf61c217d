"""Padded graphs are those of the data with standard normal coordinates added; panels that are alike share."""

import pytest
from conftest import quick
from reference.padding import refuse_more_than_padding, share_a_program

from hdfm.choice.graph.data import Sizes, common_sizes
from hdfm.choice.graph.model import build_choice_model
from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_choices
from hdfm.factors.hsgp import choose_gp
from hdfm.factors.tier import tier_sizes
from hdfm.sampling.session import jax_session

PRIORS = ChoicePriors()
CASES = {
    "static": ({}, (0, 0, 0), True, "hsgp"),
    "global": ({"unavailable_prob": 0.2}, (2, 0, 0), True, "hsgp"),
    "population": ({"outside_option": True}, (1, 1, 0), False, "hsgp"),
    "all": ({"outside_option": True}, (1, 1, 1), True, "hsgp"),
    "exact, covariates": ({"n_covariates": 2}, (1, 0, 0), True, "exact"),
    "no customers": ({"customer": None, "unavailable_prob": 0.2}, (2, 0, 0), True, "hsgp"),
}
PADDED = [case for case in CASES if case != "global"]  # whose parts "all" and "no customers" have


def model_of(case, padding, seed=1, customers=9, weeks=6):
    """Of a case, at its own sizes or those that panels share."""
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
    spec = ChoiceSpec(tier_sizes(*n), by_customer, PRIORS)
    process = choose_gp(gp, "matern32", panel.time, 0.3, 0.9) if sum(n) else None
    start = choice_start(panel, PRIORS, panel.coefficient_scale)
    sizes = common_sizes(panel, spec, process) if padding else None
    return build_choice_model(panel, spec, process, start, sizes)


@pytest.mark.parametrize("case", quick(PADDED, "static"))
def test_padding_adds_standard_normal_coordinates_alone(case):
    refuse_more_than_padding(model_of(case, False), model_of(case, True))


@pytest.mark.parametrize("case", quick(["static", "global", "population", "no customers"], "static"))
def test_panels_that_are_alike_share_a_program(case):
    """Other choices, other customers and weeks, the same categories, products and predictors."""
    shared, values = share_a_program(
        model_of(case, True), model_of(case, True, seed=2, customers=12, weeks=9)
    )
    assert shared
    assert abs(values[0] - values[1]) > 1


@pytest.mark.parametrize("case", quick(["static", "global"], "static"))
def test_a_program_has_a_name_that_lasts(case):
    with jax_session():
        from hdfm.sampling.density import density_of

        names = {density_of(model_of(case, True), ["coefficient_mean"]).program.name for _ in range(2)}
        other = density_of(model_of("population", True), ["coefficient_mean"]).program.name
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
    assert common_sizes(panel, ChoiceSpec(tier_sizes(1, 0, 0), True, PRIORS), None) == Sizes(16, 64, (64, 64))
    assert common_sizes(panel, ChoiceSpec(tier_sizes(0, 0, 1), True, PRIORS), None).customers == 9
