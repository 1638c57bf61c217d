"""Both estimators behind one interface: what one of them refuses, the other refuses in the same words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import conftest
import pandas as pd
import pytest
from conftest import NO_PATHS, ROLES, TRIP_ROLES
from trips import many_trips

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_sales

QUICK = {"draws": 13, "tune": 5, "chains": 2, "progressbar": False}


@dataclass(frozen=True)
class Door:
    """An estimator, a frame that it fits, and which columns are what.

    ``labels`` maps roles, as messages call them, to columns; ``product`` and ``group`` are two of them.
    """

    make: Callable[..., Any]
    X: pd.DataFrame
    y: pd.Series
    labels: dict[str, str]
    product: str
    group: str
    time: str

    def fit(self, X: Any = None, y: Any = None, **changes: Any) -> Any:
        return self.make(**changes).fit(self.X if X is None else X, self.y if y is None else y)

    def build(self, X: Any = None, y: Any = None, **changes: Any) -> Any:
        return self.make(**changes).build_model(self.X if X is None else X, self.y if y is None else y)


def sales_door() -> Door:
    frame = simulate_sales(8, 2, 12, seed=366)
    frame = frame.assign(
        product="p" + frame["product"].astype(str), category="c" + frame["category"].astype(str)
    )
    return Door(
        make=lambda **changes: HierarchicalElasticity(**{**ROLES, **NO_PATHS, **QUICK, **changes}),
        X=frame,
        y=frame["units_sold"],
        labels={"product": "product", "groups": "category", "time": "time_period"},
        product="product",
        group="category",
        time="time_period",
    )


def choice_door() -> Door:
    frame = many_trips().reset_index(drop=True)
    return Door(
        make=lambda **changes: DynamicFactorChoiceModel(**{"n_factors": 0, **TRIP_ROLES, **QUICK, **changes}),
        X=frame,
        y=frame["chosen"].astype(int),
        labels={
            "product": "brand",
            "category": "category",
            "customer": "household",
            "choice_set": "trip",
            "time": "week",
        },
        product="brand",
        group="category",
        time="week",
    )


DOORS = {"sales": sales_door, "choice": choice_door}


@pytest.fixture(scope="session", params=list(DOORS))
def door(request):
    return DOORS[request.param]()


@pytest.fixture(scope="session")
def fitted_door(door):
    """The estimator of ``door`` fitted on draws about the start; do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        return door.fit()
