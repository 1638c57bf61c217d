"""Padded graphs are those of the data with coordinates of their own added; panels that are alike share."""

from dataclasses import replace

import pytest
from conftest import quick
from reference.padding import refuse_more_than_padding, share_a_program
from reference.sales import LAYOUTS, case

from hdfm.sales.graph.data import Sizes, common_sizes, sizes_of
from hdfm.sales.sampling import demand_model

CASES = [
    *((name, "negative_binomial", None) for name in LAYOUTS),
    ("two levels, a control", "poisson", None),
    ("no groups, fixed effects", "poisson", None),
    ("two levels, a control", "log_normal", None),
    ("one level", "negative_binomial", 0.5),
]


def model_of(name, likelihood, above, padding, **simulation):
    """Of a case, at its own sizes or those that panels share."""
    one = case(name, likelihood, noise=likelihood, **simulation)
    spec = replace(one.spec, selected_above=above)
    return demand_model(one.panel, spec, common_sizes(one.panel) if padding else None)


@pytest.mark.parametrize(("name", "likelihood", "above"), quick(CASES, CASES[5]))
def test_padding_adds_coordinates_of_their_own_alone(name, likelihood, above):
    one = case(name, likelihood, noise=likelihood, periods=11)
    fixed = {"product_effect": (one.panel.mean_log_units, one.spec.priors.group_effect_sd)}
    levels = None if one.spec.pooled else fixed
    refuse_more_than_padding(
        *(model_of(name, likelihood, above, padding, periods=11) for padding in (False, True)), levels
    )


@pytest.mark.parametrize(("name", "likelihood", "above"), quick(CASES, CASES[5]))
def test_panels_that_are_alike_share_a_program(name, likelihood, above):
    """Other units and prices, other products and periods, the same groups and controls."""
    shared, values = share_a_program(
        model_of(name, likelihood, above, True, periods=9),
        model_of(name, likelihood, above, True, products=14, periods=15),
    )
    assert shared
    assert abs(values[0] - values[1]) > 1


def test_sizes():
    panel = case("one level", products=20, periods=11).panel
    assert sizes_of(panel) == Sizes(20, 11, complete=False)
    assert common_sizes(panel) == Sizes(32, 64, complete=False)
    many = case("one level", products=150, periods=11).panel
    assert common_sizes(many) == Sizes(160, 16, complete=False)
