"""Folds of a grid search share compiled programs: counted, not timed."""

import pytest
from conftest import CHOICE_ROLES, NO_PATHS, ROLES
from sklearn.model_selection import GridSearchCV

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales
from hdfm.model_selection import RollingOriginSplit

QUICK = {"draws": 4, "tune": 4, "chains": 1, "progressbar": False}
FOLDS = 3


def choices():
    X, _ = simulate_choices(9, 2, 30, alternatives=3, sets_per_customer=10, seed=1)
    return DynamicFactorChoiceModel(**CHOICE_ROLES, **QUICK), X, X.pop("chosen"), "week"


def sales():
    X = simulate_sales(20, 2, 60, seed=1, missing_prob=0.1)
    return (
        HierarchicalElasticity(**ROLES, **NO_PATHS, **QUICK, inference="nuts"),
        X,
        X.pop("units_sold"),
        "time_period",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "grid"),
    [(choices, {"n_factors": [0, 2]}), (sales, {"time_effects": ["category", None]})],
)
def test_a_grid_compiles_once_a_model(case, grid, monkeypatch):
    from hdfm.sampling import density

    monkeypatch.setattr(density, "_programs", type(density._programs)())
    model, X, y, time = case()
    n_values = len(next(iter(grid.values())))
    search = GridSearchCV(model, grid, cv=RollingOriginSplit(time, FOLDS), refit=False, error_score="raise")
    search.fit(X, y)
    programs = list(density._programs.values())
    compiled = [key for program in programs for key in program.kept if key[0] == "compiled"]
    assert len(search.cv_results_["params"]) == n_values
    assert len(programs) == len(compiled) == n_values
