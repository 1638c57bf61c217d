"""Frames of what was bought alone: refused, and the way out followed."""

import re

import numpy as np
import pandas as pd
import pytest
from reference.choice_frames import QUICK, choice_model, fit
from trips import TINY, panel_of, three_trips

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidDataError

FOUND = r"flags all of the 120 rows that could be chosen, such as row 0: X holds what was bought"


@pytest.fixture(scope="module")
def bought(trips):
    return trips[trips["chosen"]]


@pytest.mark.parametrize("outside_option", [False, True])
@pytest.mark.parametrize("choice_set", ["trip", None])
def test_what_was_bought_alone(mock_sampling, bought, choice_set, outside_option):
    """Without the check the price coefficient is +1.95, or no coefficient at all."""
    roles = {"choice_set": choice_set, "outside_option": outside_option}
    with pytest.raises(InvalidDataError, match=FOUND) as caught:
        choice_model(**roles).build_model(bought, bought["chosen"])
    call, name = re.search(r"long = (.*); name choice_set='(\w+)', and fit", str(caught.value)).groups()
    assert ("with y = 0" in str(caught.value)) == (choice_set is None or outside_option)
    long = eval(call, {"X": bought.drop(columns="chosen")})
    model = fit(long, long["brand"] == long["bought"], choice_set=name)
    assert len(model.panel_.choice_set) == len(bought)
    assert {"price", "display"} <= set(model.panel_.categories[0].predictor)
    assert np.isfinite(model.elasticities_["mean"]).all()


def test_baskets(mock_sampling, bought):
    """Several purchases in one set become sets of their own."""
    baskets = bought.assign(trip=bought.groupby(["household", "category", "week"]).ngroup())
    assert baskets["trip"].duplicated().any()
    baskets = baskets.drop_duplicates(["trip", "brand"])
    with pytest.raises(InvalidDataError, match="X holds what was bought and no alternative") as caught:
        fit(baskets)
    call, name = re.search(r"long = (.*); name choice_set='(\w+)', and fit", str(caught.value)).groups()
    long = eval(call, {"X": baskets.drop(columns="chosen")})
    assert len(fit(long, long["brand"] == long["bought"], choice_set=name).panel_.choice_set) == len(baskets)


@pytest.mark.filterwarnings("ignore:Predictors that are combinations:hdfm.exceptions.DataWarning")
@pytest.mark.parametrize(
    "roles",
    [{"product": "brand"}, {"product": "brand", "time": "week"}, {"product": "brand", "features": []}],
)
def test_without_a_column_for_time_or_prices(mock_sampling, bought, roles):
    roles = {"features": ["display"], **roles} | ({} if "features" in roles else {"price": "price"})
    with pytest.raises(InvalidDataError, match=FOUND) as caught:
        DynamicFactorChoiceModel(0, **roles, **QUICK).build_model(bought, bought["chosen"])
    long = eval(re.search(r"long = (.*); name", str(caught.value))[1], {"X": bought})
    model = DynamicFactorChoiceModel(0, choice_set="choice_set", **roles, **QUICK)
    assert len(model.fit(long, long["brand"] == long["bought"]).panel_.choice_set) == len(bought)


def test_without_a_product_column(bought):
    found = rf"{FOUND}.*Give each choice set a row for every alternative, name their column with product="
    with pytest.raises(InvalidDataError, match=found):
        DynamicFactorChoiceModel(0, price="price", features=[], **QUICK).fit(bought, bought["chosen"])


def test_decisions_in_which_nothing_was_bought_tell_of_prices(mock_sampling, bought):
    """The other way out: rows with y = 0."""
    X = pd.concat([bought, bought.assign(price=2 * bought["price"], chosen=False)], ignore_index=True)
    model = fit(X, choice_set=None)
    assert "price" in model.panel_.categories[0].predictor


def test_alternatives_that_could_not_be_chosen_are_none(trips):
    sold_out = trips.assign(in_stock=trips["chosen"])
    with pytest.raises(InvalidDataError, match=FOUND):
        fit(sold_out)


def test_one_choice_among_several_is_not_refused():
    tiny = three_trips()
    assert len(panel_of(tiny[tiny["trip"] == 7], TINY).choice_set) == 1


def test_the_prior_of_decisions_needs_no_outcome(bought):
    prior = choice_model(choice_set=None, features=["display"]).sample_prior(bought, draws=4)
    assert prior["prior_predictive"]["chosen"].sizes["row"] == len(bought)
