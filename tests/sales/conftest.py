"""Models of demand at known draws."""

import pytest
from reference.demand import CASES, Case, case_of


@pytest.fixture(scope="module")
def cases():
    """Cases by name, each built once."""
    built: dict[str, Case] = {}

    def get(name):
        if name not in built:
            built[name] = case_of(**CASES[name])
        return built[name]

    return get


@pytest.fixture(params=list(CASES))
def case(request, cases):
    return cases(request.param)
