"""What tells a fit from others: all that its draws depend on."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.metadata import version
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from hdfm.sampling.sealed import digest_of

FORMAT = 1  # of a checkpoint's files
LIBRARIES = ("jax", "jaxlib", "numpyro")  # which have a part in every bit of a draw
OF_FRAME = frozenset({"roles", "row", "cell", "index"})  # of a panel: arguments, and where rows stood


@dataclass(frozen=True, slots=True)
class Identity:
    """A fit, as far as its draws depend on it.

    Attributes
    ----------
    versions : dict of str
        Of the files' format, of hdfm and of what computes draws.
    arguments : dict
        Of the estimator, in what JSON can hold, and the estimator's name.
    data : dict of str
        Digests of the parts of a panel.
    """

    versions: dict[str, str]
    arguments: dict[str, Any]
    data: dict[str, str]

    @property
    def content(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Equal for equal fits alone."""
        return digest_of(self.content)

    def differences(self, saved: dict[str, Any]) -> str:
        """What is other than in the :attr:`content` of another fit, in words."""
        sentences = [
            f"{name} was {before!r}, is {after!r}"
            for part in ("versions", "arguments")
            for name, before, after in _changes(saved.get(part, {}), getattr(self, part))
        ]
        data = [name for name, *_ in _changes(saved.get("data", {}), self.data)]
        if data:
            sentences.append(f"the data differ in {', '.join(data)}")
        return "; ".join(sentences)


def identity_of(name: str, arguments: dict[str, Any], panel: Any) -> Identity:
    """The identity of an estimator's fit of a panel, which is a dataclass."""
    from hdfm import __version__

    return Identity(
        versions={"format": str(FORMAT), "hdfm": __version__}
        | {library: version(library) for library in LIBRARIES},
        arguments={"estimator": name} | {key: plain(value) for key, value in sorted(arguments.items())},
        data={attribute: digest_of_data(getattr(panel, attribute)) for attribute in _names(panel)},
    )


def plain(value: Any) -> Any:
    """An argument as JSON holds it: equal for 3, np.int64(3) and 3.0, and for "week" and ["week"]."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return int(number) if number.is_integer() else number
    if isinstance(value, list | tuple | np.ndarray | pd.Index):
        values = [plain(element) for element in value]
        return values[0] if len(values) == 1 else values
    return repr(value)


def digest_of_data(value: Any) -> str:
    """A digest of arrays, labels and dataclasses of them, the same in all processes."""
    digest = hashlib.sha256()
    _add(digest.update, value)
    return digest.hexdigest()[:16]


def _add(add: Callable[[Any], None], value: Any) -> None:
    if isinstance(value, np.ndarray) and value.dtype != object:
        add(f"array {value.dtype} {value.shape}".encode())
        add(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    elif isinstance(value, np.ndarray | pd.Index):
        add(f"labels {value.dtype} {value.tolist()!r}".encode())
    elif isinstance(value, list | tuple):
        add(f"sequence {len(value)}".encode())
        for part in value:
            _add(add, part)
    elif is_dataclass(value):
        for name in _names(value):
            add(name.encode())
            _add(add, getattr(value, name))
    else:
        add(repr(value).encode())


def _names(panel: Any) -> list[str]:
    """Fields that draws depend on."""
    return [field.name for field in fields(panel) if field.name not in OF_FRAME]


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Differences: names, values before and values after, of what is not equal."""
    names = [*after, *(name for name in before if name not in after)]
    pairs = [(name, before.get(name), after.get(name)) for name in names]
    return [(name, a, b) for name, a, b in pairs if repr(a) != repr(b)]
