"""Dataclasses stand in files under names of their own."""

from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import pytest

from hdfm.choice.schema import SCHEMA as CHOICES
from hdfm.exceptions import InvalidArgumentError
from hdfm.files.records import Schema
from hdfm.files.store import kinds_with, read_state, write_state
from hdfm.sales.schema import SCHEMA as SALES

# What stands in files that users have: names may be added, and never change.
NAMES = {
    "sales": {"elasticity_priors", "demand_spec", "sales_roles", "group_level", "sales_panel"},
    "choice": {
        *("choice_priors", "choice_spec", "choice_roles", "category", "category_choices"),
        *("choice_panel", "time_basis", "time_gp"),
    },
}
BUILT_IN = {
    *(
        "dict",
        "tuple",
        "set",
        "frozenset",
        "slice",
        "range",
        "float",
        "complex",
        "bytes",
        "decimal",
        "fraction",
    ),
    *("numpy_text", "numpy_scalar", "uuid", "path", "date", "datetime", "time", "span", "offset"),
    *("zone", "missing", "no_time", "stamp", "stamp_span", "period", "interval", "random_state", "array"),
    *("texts", "masked", "arrow", "categorical", "zoned_times", "periods", "intervals", "index"),
    *("range_index", "multi_index", "series", "frame", "dataset", "data_array", "tree"),
}


@dataclass(frozen=True)
class Before:
    values: np.ndarray
    name: str = "a"


@dataclass(frozen=True)
class After:
    """The same under another name, elsewhere, with a field more."""

    values: np.ndarray
    name: str = "b"
    more: int = 7


def test_names_that_are_in_files():
    assert NAMES["sales"] <= SALES.records.keys()
    assert NAMES["choice"] <= CHOICES.records.keys()
    assert {kind.name for kind in kinds_with({})} >= BUILT_IN


@pytest.mark.parametrize("records", [SALES.records, CHOICES.records], ids=["sales", "choice"])
def test_records_are_frozen_dataclasses(records):
    assert all(is_dataclass(record) and record.__dataclass_params__.frozen for record in records.values())
    assert all(field.init for record in records.values() for field in fields(record))


def test_a_class_that_moved(tmp_path):
    value = Before(np.arange(3), "c")
    path = write_state(tmp_path / "value", Schema("Value", {"thing": Before}, {}), {"value": value})
    back = read_state(path, Schema("Value", {"thing": After}, {}))["value"]
    assert type(back) is After
    assert (back.name, back.more) == ("c", 7)
    np.testing.assert_array_equal(back.values, value.values)


def test_what_would_not_be_read_is_not_written(tmp_path):
    with pytest.raises(
        InvalidArgumentError, match=r"Value\.value\.values can't be saved: it holds a list where"
    ):
        write_state(tmp_path / "value", Schema("Value", {"thing": Before}, {}), {"value": Before([1])})
