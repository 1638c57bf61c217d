"""Warnings point at the line that called hdfm, from whichever method and however deep."""

import re

import pytest
from conftest import TRIP_ROLES
from trips import many_trips

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import DataWarning


@pytest.fixture(scope="module")
def shares():
    """One series without a product column, in parts of a unit: units are then no counts."""
    series = simulate_sales(1, 1, 30, seed=366)
    return series, series["units_sold"] + 0.5


def quick(**roles):
    return HierarchicalElasticity(
        **roles, price="price", inference="laplace", draws=8, chains=1, progressbar=False
    )


def files(warned, message):
    found = [warning.filename for warning in warned if re.search(message, str(warning.message))]
    assert found
    return set(found)


def test_fractional_units(shares):
    X, y = shares
    with pytest.warns(DataWarning) as of_fit:
        model = quick(time="time_period").fit(X, y)
    with pytest.warns(DataWarning) as of_score:
        model.score(X, y)
    assert files(of_fit, "fractional") == files(of_score, "fractional") == {__file__}


def test_findings_of_sales():
    sales = simulate_sales(3, 1, 12, seed=366).assign(price=2.0)
    with pytest.warns(DataWarning) as warned:
        quick(product="product").fit(sales, sales["units_sold"])
    assert files(warned, "never changes") == {__file__}


def test_one_period():
    trips = many_trips().assign(week=1)
    with pytest.warns(DataWarning) as warned:
        DynamicFactorChoiceModel(1, **TRIP_ROLES).build_model(trips, trips["chosen"])
    assert files(warned, "holds one period") == {__file__}
