"""Frames of trips and a panel of one."""

import pytest
from trips import many_trips, panel_of, three_trips


@pytest.fixture(scope="module")
def trips():
    return many_trips().reset_index(drop=True)


@pytest.fixture(scope="module")
def frame():
    return many_trips()


@pytest.fixture(scope="module")
def panel(frame):
    return panel_of(frame)


@pytest.fixture
def tiny():
    return three_trips()
