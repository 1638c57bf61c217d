"""Values as JSON: plain ones stand for themselves, others are nodes {"kind": name, ...} with arrays apart.

A kind has a short name that never changes, and an exact type: what has none can be neither written nor made.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdfm.exceptions import InvalidArgumentError

PLAIN = frozenset({type(None), bool, int, str})  # and finite floats
KIND = "kind"
STORABLE = "biufcmMSU"  # kinds of dtypes; others hold objects, or bytes that .npy files don't tell apart


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of some types are written and read.

    Attributes
    ----------
    name : str
        What they are called in files.
    types : tuple of type
        Their exact types: a subclass is something else.
    parts : callable
        The parts of a value, given the value and a :class:`Writer`.
    value : callable
        The value, given its parts and a :class:`Reader`.
    """

    name: str
    types: tuple[type, ...]
    parts: Callable[[Any, "Writer"], dict[str, Any]]
    value: Callable[[dict[str, Any], "Reader"], Any]


class Writer:
    """Turns values into nodes and collects their arrays, which are not copied.

    Attributes
    ----------
    arrays : list of numpy.ndarray
        By number; an array that stands twice has one.
    """

    def __init__(self, kinds: Iterable[Kind]):
        self.arrays: list[np.ndarray] = []
        self._kinds = {python_type: kind for kind in kinds for python_type in kind.types}
        self._numbers: dict[int, int] = {}
        self._held: list[np.ndarray] = []  # or the id of one that is gone would become another's
        self._trail: list[str] = []

    def node(self, value: Any) -> Any:
        """The node of a value.

        Raises
        ------
        InvalidArgumentError
            If the value is, or holds, one of no known kind; the message says where.
        """
        if type(value) in PLAIN or (type(value) is float and math.isfinite(value)):
            return value
        if type(value) is list:
            return self.nodes(value)
        kind = self._kinds.get(type(value))
        if kind is None:
            raise self.refusal(f"a {type(value).__module__}.{type(value).__qualname__}")
        return {KIND: kind.name, **kind.parts(value, self)}

    def nodes(self, values: list) -> list:
        """The nodes of values."""
        return values if PLAIN.issuperset(map(type, values)) else [self.node(value) for value in values]

    def array(self, values: np.ndarray) -> dict[str, Any]:
        """Where an array will stand, with its dtype, shape and the order of its axes in memory."""
        if values.dtype.kind not in STORABLE:
            raise self.refusal(f"an array of dtype {values.dtype}")
        axes = sorted(range(values.ndim), key=lambda axis: -abs(values.strides[axis]))
        if id(values) not in self._numbers:
            self._numbers[id(values)] = len(self.arrays)
            self.arrays.append(values.transpose(axes))
            self._held.append(values)
        stored = self.arrays[self._numbers[id(values)]]
        return {
            "array": self._numbers[id(values)],
            "dtype": stored.dtype.str,
            "shape": list(stored.shape),
            "axes": axes,
        }

    @contextmanager
    def at(self, name: object) -> Iterator[None]:
        """Within it, refusals say that what they refuse stands under this name."""
        self._trail.append(str(name))
        try:
            yield
        finally:
            self._trail.pop()

    def refusal(self, what: str) -> InvalidArgumentError:
        """The error to raise about a value that can't be stored."""
        return InvalidArgumentError(
            f"{'.'.join(self._trail) or 'This'} can't be saved: it holds {what}. Files hold arrays, tables, "
            "text, numbers and dates, and no objects of other packages or of your own; "
            "joblib.dump(model, path) keeps those, in a file that can run code when it is read."
        )


class Reader:
    """Turns nodes into values.

    Parameters
    ----------
    kinds : iterable of Kind
        All that can be made.
    read_array : callable
        The array of a number, given the number, its dtype and its shape.
    """

    def __init__(self, kinds: Iterable[Kind], read_array: Callable[[int, np.dtype, tuple], np.ndarray]):
        self._kinds = {kind.name: kind for kind in kinds}
        self._read_array = read_array
        self._arrays: dict[int, np.ndarray] = {}

    def value(self, node: Any) -> Any:
        """The value of a node.

        Raises
        ------
        ValueError
            If its kind is not known; what else is wrong with it raises errors of any class.
        """
        if isinstance(node, list):
            return self.values(node)
        if not isinstance(node, dict):
            return node
        if node[KIND] not in self._kinds:
            raise ValueError(f"no kind of value is called {node[KIND]!r}")
        return self._kinds[node[KIND]].value(node, self)

    def values(self, nodes: list) -> list:
        """The values of nodes."""
        return nodes if PLAIN.issuperset(map(type, nodes)) else [self.value(node) for node in nodes]

    def array(self, parts: dict[str, Any]) -> np.ndarray:
        """The array that :meth:`Writer.array` tells of."""
        number, dtype = parts["array"], plain_dtype(parts["dtype"])
        if number not in self._arrays:
            stored = self._read_array(number, dtype, tuple(parts["shape"]))
            self._arrays[number] = stored.transpose(np.argsort(parts["axes"]))
        return self._arrays[number]


def plain_dtype(text: str) -> np.dtype:
    """The dtype of a text such as "<f8", unless it would hold objects.

    Examples
    --------
    >>> plain_dtype("<M8[D]")
    dtype('<M8[D]')
    """
    dtype = np.dtype(text) if isinstance(text, str) else None
    if dtype is None or dtype.kind not in STORABLE:
        raise ValueError(f"no array has the dtype {text!r}")
    return dtype
