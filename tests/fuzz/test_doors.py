"""Frames of all kinds go through both models, up to the engine: refused in hdfm's words, or read rightly."""

from collections import Counter

import pytest
from fuzz.cases import choice_cases, sales_cases
from fuzz.doors import CHOICES, SALES
from fuzz.properties import check
from fuzz.runs import frames
from hypothesis import given

DOORS = {"sales": (SALES, sales_cases()), "choices": (CHOICES, choice_cases())}
MANY, FEW = 1500, 60  # of each model
LEAST_ACCEPTED = 0.3  # else there is little that properties are held to


@pytest.mark.parametrize("model", DOORS)
@pytest.mark.parametrize("number", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_frames(model, number):
    (door, cases), outcomes = DOORS[model], Counter()

    @frames(number)
    @given(cases)
    def holds(case):
        outcomes[check(door, case)] += 1

    holds()
    assert outcomes["accepted"] > LEAST_ACCEPTED * outcomes.total()
