"""What posteriors call their variables stands in the docs."""

import re
from pathlib import Path

import pytest
from conftest import ROLES, TRIP_ROLES
from trips import many_trips

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.sales.likelihoods.registry import LIKELIHOODS
from hdfm.sampling.draws import reported_names

PAGE = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
NAMED = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("## What is called what") :]))


def undocumented(model):
    """Variables that the page lacks; a spread has the name of what spreads."""
    names = {re.sub(r"_category", "", name) if name.startswith("elasticity") else name for name in model}
    return {name for name in names if name not in NAMED and name.removesuffix("_sd") not in NAMED}


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_sales(likelihood):
    sales = simulate_sales(6, 2, 8, seed=366, promotion_prob=0.2)
    model = HierarchicalElasticity(**ROLES, controls="promotion", likelihood=likelihood)
    assert undocumented(reported_names(model.build_model(sales, sales["units_sold"] + 1))) == set()


def test_choices():
    trips = many_trips()
    model = DynamicFactorChoiceModel(1, 1, 1, **TRIP_ROLES)
    found = reported_names(model.build_model(trips, trips["chosen"]))
    assert {"factor_path", "category_factor_path", "individual_factor_path"} <= set(found)
    assert undocumented(found) == set()


def test_spread_of_names():
    assert {"elasticity", "alpha", "loading", "time_effect"} <= NAMED
    assert undocumented(["elasticity_sd", "elasticity_category_sd", "stranger"]) == {"stranger"}
