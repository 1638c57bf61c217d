"""What hdfm raises and warns of. Errors derive from ValueError, as scikit-learn's users expect."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
# Contexts that decorate functions stand between them and their callers. A whole name is no prefix of itself.
NOT_CALLERS = (PACKAGE, contextlib.__file__.removesuffix(".py"))


class HdfmError(ValueError):
    """Base class of the errors raised by hdfm on purpose."""


class InvalidArgumentError(HdfmError):
    """An argument of a constructor or function is not one of those allowed."""


class InvalidDataError(HdfmError):
    """The data can't be fitted as they are: the message names the column, the count, an example."""


class UnknownNameError(HdfmError):
    """A likelihood, tier, engine or the like that was added in one place, and not where it is asked for."""


def unknown(what: str, name: object) -> UnknownNameError:
    """The error to raise in the last branch of those that ask for a name."""
    return UnknownNameError(f"There is no case for {what} {name!r} here.")


class InterruptedSamplingWarning(UserWarning):
    """Sampling was interrupted; the finished draws were kept."""


class CheckpointWarning(UserWarning):
    """Finished draws could not be written to disk, or not be read from there; sampling goes on."""


class ApproximationWarning(UserWarning):
    """An approximation of the posterior is poor for this data; what it gave was kept."""


class ConvergenceWarning(UserWarning):
    """Chains disagree, or their draws are too few: answers may be far off."""


class DataWarning(UserWarning):
    """Something in the data carries no information or was read in a way worth knowing."""


_said: ContextVar[set[str] | None] = ContextVar("said", default=None)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called hdfm, however deep inside it this is."""
    messages = _said.get()
    if messages is not None and message in messages:
        return
    if messages is not None:
        messages.add(message)
    warnings.warn(message, category, skip_file_prefixes=NOT_CALLERS)


@contextlib.contextmanager
def each_once() -> Iterator[None]:
    """Within it a message is given once: rows that are read twice have the same to say."""
    token = _said.set(set())
    try:
        yield
    finally:
        _said.reset(token)
