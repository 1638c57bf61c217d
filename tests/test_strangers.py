"""A name that was added to a list, and nowhere else, is refused wherever it is asked for."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from conftest import ROLES, TRIP_ROLES
from trips import many_trips, panel_of

from hdfm import ChoicePriors, DynamicFactorChoiceModel, ElasticityPriors, HierarchicalElasticity, plots
from hdfm.choice.engines import ENGINES as OF_CHOICES
from hdfm.choice.posterior import labels
from hdfm.choice.posterior.coefficients import Averages, coefficient_table
from hdfm.choice.posterior.diagnostics import choice_diagnostics
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.market import ChoicePosterior
from hdfm.choice.sampling import choice_gp, choice_model
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_sales
from hdfm.exceptions import UnknownNameError
from hdfm.factors import hsgp
from hdfm.factors.hsgp import TimeGP, choose_gp, gp_factors, gp_roots
from hdfm.factors.tier import TierSize, tier_of
from hdfm.sales.engines import ENGINES as OF_SALES
from hdfm.sales.laplace.draws import sample_laplace
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.likelihoods.registry import likelihood_of
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.panel.rows import panel_rows
from hdfm.sales.posterior.diagnostics import diagnostics_table
from hdfm.sales.posterior.draws import demand_draws
from hdfm.sales.posterior.pricing import unit_costs
from hdfm.sales.posterior.totals import amounts
from hdfm.sales.sampling import demand_model
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.engines import engine_of
from hdfm.sampling.settings import SamplingSettings

STRANGER = "stranger"
SETTINGS = SamplingSettings(draws=4, tune=0, chains=1, progressbar=False)
SPEC = DemandSpec("poisson", True, "random", False, ElasticityPriors())
OF_LIKELIHOOD, OF_EFFECTS = (replace(SPEC, **{name: STRANGER}) for name in ("likelihood", "product_effects"))
WANDERING = replace(SPEC, demand="wandering")
CHOICE_SPEC = ChoiceSpec((), True, ChoicePriors())
OF_TIER = replace(CHOICE_SPEC, tiers=(TierSize(STRANGER, 1),))


@pytest.fixture(scope="module")
def panel():
    sales = simulate_sales(4, 1, 6, seed=366)
    roles = Roles("product", ("category",), "time_period", "price")
    return build_panel(sales, sales["units_sold"].to_numpy(float), roles)


@pytest.fixture(scope="module")
def choices():
    return panel_of(many_trips())


class Tree(dict):
    """A posterior made by an engine that nobody knows."""

    attrs: ClassVar = {"inference": STRANGER}


PROCESS = TimeGP(STRANGER, "matern32", np.linspace(0, 1, 5), None, "")
PATHS = ChoiceDraws(np.ones((1, 1, 2)), (), [slice(0, 2)])


SALES = {
    "likelihood": lambda panel: likelihood_of(STRANGER),
    "graph, likelihood": lambda panel: demand_model(panel, OF_LIKELIHOOD),
    "graph, product effects": lambda panel: demand_model(panel, OF_EFFECTS),
    "laplace, likelihood": lambda panel: sample_laplace(panel, OF_LIKELIHOOD, SETTINGS),
    "laplace, product effects": lambda panel: laplace_mode(panel, OF_EFFECTS),
    "engine": lambda panel: engine_of(OF_SALES, STRANGER),
    "sampler": lambda panel: engine_of(OF_SALES, "nuts", STRANGER),
    "totals": lambda panel: amounts(panel_rows(panel)[0], STRANGER),
    "costs": lambda panel: unit_costs(1.0, panel.product, STRANGER),
    "verdict": lambda panel: diagnostics_table(Tree()),
    "conditioning on totals": lambda panel: OF_LIKELIHOOD.conditional,
    "laplace, demand": lambda panel: laplace_mode(panel, replace(SPEC, demand=STRANGER)),
    "laplace, dispersion": lambda panel: laplace_mode(panel, replace(WANDERING, dispersion=STRANGER)),
    "laplace, elasticity path": lambda panel: laplace_mode(panel, replace(SPEC, elasticity_path=STRANGER)),
}
CHOICES = {
    "engine": lambda choices: engine_of(OF_CHOICES, STRANGER, "numpyro"),
    "sampler": lambda choices: engine_of(OF_CHOICES, "nuts", STRANGER),
    "verdict": lambda choices: choice_diagnostics(Tree()),
    "process": lambda choices: choice_gp(choices, CHOICE_SPEC, STRANGER),
    "size of a process": lambda choices: PROCESS.size,
    "factors of a process": lambda choices: gp_factors(PROCESS, np.ones(1), np.ones((5, 1))),
    "roots of a process": lambda choices: gp_roots(PROCESS, np.ones(1)),
    "roles of coefficients": lambda choices: coefficient_table(
        ChoicePosterior(draws=PATHS, panel=choices, kernel="matern32", seed=0), Averages(by=(STRANGER,)), 0.9
    ),
    "label of the price": lambda choices: plots._scale_of_price(STRANGER),
    "scale": lambda choices: panel_of(many_trips(), price_transform=STRANGER),
    "tier": lambda choices: tier_of(STRANGER),
    "graph, tier": lambda choices: choice_model(choices, OF_TIER, PROCESS),
    "labels of a tier": lambda choices: OF_TIER.coords,
}


@pytest.mark.parametrize("ask", SALES.values(), ids=SALES)
def test_sales(ask, panel):
    with pytest.raises(UnknownNameError, match=f"There is no case for .*'{STRANGER}' here"):
        ask(panel)


@pytest.mark.parametrize("ask", CHOICES.values(), ids=CHOICES)
def test_choices(ask, choices):
    with pytest.raises(UnknownNameError, match=f"There is no case for .*'{STRANGER}' here"):
        ask(choices)


def test_draws_of_a_stranger(fitted):
    posterior = fitted.idata_["posterior"].to_dataset()
    with pytest.raises(UnknownNameError, match="no case for likelihood"):
        demand_draws(posterior, fitted.panel_, replace(fitted.spec_, likelihood=STRANGER))


def test_a_process_added_to_the_list(monkeypatch):
    monkeypatch.setattr(hsgp, "GPS", (STRANGER,))
    with pytest.raises(UnknownNameError, match="no case for gp"):
        choose_gp(STRANGER, "matern32", np.linspace(0, 1, 5), 0.1, 0.5)


def test_a_role_added_to_the_list(choices, monkeypatch):
    monkeypatch.setattr(labels, "SET_ROLES", (STRANGER,))
    with pytest.raises(UnknownNameError, match="no case for by"):
        labels.set_labels(choices, (STRANGER,))


def test_questions_about_how_a_fit_was_made():
    sales, choices = HierarchicalElasticity(), DynamicFactorChoiceModel()
    sales.idata_ = choices.idata_ = Tree()
    for ask in (sales.pareto_k, sales.diagnostics, choices.loo, choices.identification):
        with pytest.raises(UnknownNameError, match="no case for inference"):
            ask()


@pytest.mark.parametrize(
    ("list_", "argument"),
    [
        ("LIKELIHOODS", "likelihood"),
        *(("TIME_EFFECTS", "time_effects"), ("PRODUCT_EFFECTS", "product_effects"), ("SIGNS", "sign")),
    ],
)
def test_fit_of_sales(list_, argument, sales, monkeypatch):
    monkeypatch.setattr(f"hdfm.sales.arguments.{list_}", (STRANGER,))
    model = HierarchicalElasticity(**ROLES, **{argument: STRANGER}, draws=4, tune=0, chains=1)
    with pytest.raises(UnknownNameError, match=f"'{STRANGER}'"):
        model.fit(sales, sales["units_sold"])


@pytest.mark.parametrize(
    ("list_", "argument"),
    [
        ("LOADINGS", "loadings"),
        *(("PRICE_TRANSFORMS", "price_transform"), ("GPS", "gp")),
    ],
)
def test_fit_of_choices(list_, argument, monkeypatch):
    monkeypatch.setattr(f"hdfm.choice.arguments.{list_}", (STRANGER,))
    trips = many_trips()
    model = DynamicFactorChoiceModel(0, **TRIP_ROLES, **{argument: STRANGER}, draws=4, tune=0, chains=1)
    with pytest.raises(UnknownNameError, match=f"'{STRANGER}'"):
        model.fit(trips, trips["chosen"])


def test_a_family_of_lengthscales():
    priors = ChoicePriors()
    object.__setattr__(priors, "lengthscale_family", STRANGER)
    with pytest.raises(UnknownNameError, match="no case for lengthscale_family"):
        priors.lengthscale_range()


def test_names_that_are_known(panel, choices):
    assert demand_model(panel, SPEC)
    assert choice_model(choices, CHOICE_SPEC, None)
