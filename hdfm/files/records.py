"""What a model gives its dataclasses for names in files: classes may move, these names don't."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import xarray as xr

from hdfm.files.nodes import Kind, Reader, Writer

CHECKED = (np.ndarray, pd.Index, pd.DataFrame, xr.DataTree, slice, NoneType)


@dataclass(frozen=True, slots=True)
class Schema:
    """What the files of an estimator hold.

    Attributes
    ----------
    estimator : str
        What files call it, whatever becomes of the class.
    records : mapping
        Dataclasses by their names in files.
    fitted : mapping
        The attributes of a fit, and their types.
    """

    estimator: str
    records: Mapping[str, type]
    fitted: Mapping[str, Any]

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise if a state has some attributes of a fit and not others, or others in their place."""
        if self.fitted.keys().isdisjoint(state):
            return
        for name, hint in self.fitted.items():
            if name not in state:
                raise ValueError(f"there is no {name}")
            if not fits(state[name], hint):
                raise ValueError(f"{name} is a {type(state[name]).__name__}")


def record_kinds(classes: Mapping[str, type]) -> tuple[Kind, ...]:
    """The kinds of dataclasses by their names in files.

    A field that a file lacks has its default.
    """
    return tuple(_kind(name, cls) for name, cls in classes.items())


def _kind(name, record):
    def value(parts: dict[str, Any], reader: Reader) -> Any:
        values = {field: reader.value(node) for field, node in parts["fields"].items()}
        _refuse_misfits(record, values)
        return record(**values)

    return Kind(name, (record,), _parts, value)


def _parts(record: Any, writer: Writer) -> dict[str, Any]:
    nodes, hints = {}, get_type_hints(type(record))
    for field in fields(record):
        with writer.at(field.name):
            value = getattr(record, field.name)
            if not fits(value, hints[field.name]):
                raise writer.refusal(f"a {type(value).__name__} where {hints[field.name]} belongs")
            nodes[field.name] = writer.node(value)
    return {"fields": nodes}


def _refuse_misfits(record, values):
    """Raise unless values are those of a record's fields, by name and by what is annotated."""
    named = {field.name for field in fields(record)}
    needed = {f.name for f in fields(record) if f.default is MISSING and f.default_factory is MISSING}
    if not needed <= values.keys() <= named:
        odd = sorted((needed - values.keys()) | (values.keys() - named))
        raise ValueError(f"{record.__name__} has other fields: {odd}")
    hints = get_type_hints(record)
    for name, value in values.items():
        if not fits(value, hints[name]):
            raise ValueError(f"{record.__name__}.{name} is a {type(value).__name__}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value may be what is annotated; of numbers and text nothing is asked.

    Examples
    --------
    >>> fits(3, np.ndarray | None), fits((slice(3), 4), tuple[slice, ...]), fits("a", float)
    (False, False, True)
    """
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, option) for option in arguments)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(fits(element, arguments[0]) for element in value)
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, CHECKED)):
        return isinstance(value, hint)
    return True
