"""Hyperparameters of priors: frozen dataclasses whose numbers are floats, checked once."""

from dataclasses import Field, dataclass, fields
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from hdfm.exceptions import InvalidArgumentError


@dataclass(frozen=True)
class Hyperparameters:
    """Base of the priors of both models.

    Numbers become floats, whatever holds them, since negative powers of integers fail; they are finite, and
    above 0 but for those of ``ANY_SIGN``.

    Raises
    ------
    InvalidArgumentError
        If a field is of another kind than its default, or out of range.
    """

    ANY_SIGN: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, self._checked(field, getattr(self, field.name)))

    def _checked(self, field: Field, value: Any) -> Any:
        name, default = f"{type(self).__name__}.{field.name}", field.default
        if isinstance(default, str) or (value is None and field.type == float | None):
            return value
        if isinstance(default, bool):
            if not isinstance(value, bool | np.bool_):
                raise InvalidArgumentError(f"{name} must be True or False; got {value!r}.")
            return bool(value)
        if isinstance(default, tuple):
            if not isinstance(value, tuple | list | np.ndarray) or np.shape(value) != np.shape(default):
                raise InvalidArgumentError(f"{name} must be {len(default)} numbers; got {value!r}.")
            return tuple(_number(name, number, positive=True) for number in value)
        return _number(name, value, positive=field.name not in self.ANY_SIGN)


def _number(name, value, *, positive):
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise InvalidArgumentError(f"{name} must be a number; got {value!r}.")
    number = float(value)
    if positive and not number > 0:
        raise InvalidArgumentError(f"{name} must be above 0; got {value!r}.")
    if not np.isfinite(number):
        raise InvalidArgumentError(f"{name} must be finite; got {value!r}.")
    return number
