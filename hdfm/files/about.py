"""What a file says of itself before anything else: its format, and what wrote it."""

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.version import Version

from hdfm.exceptions import InvalidDataError

FORMAT = 1
# By format, what turns the content of a file into that of the next format; files of all of them are read.
MIGRATIONS: dict[int, Callable[[Any], Any]] = {}
WRITTEN_WITH = ("numpy", "pandas", "pymc", "scikit-learn", "xarray")


def running_version() -> str:
    """The version of hdfm that is running."""
    from hdfm import __version__

    return __version__


def about(estimator: str) -> dict[str, Any]:
    """Metadata of a file with an estimator.

    Later formats say at least ``format`` and ``hdfm`` in the same way, so that earlier versions can name
    what they can't read.
    """
    return {
        "format": FORMAT,
        "hdfm": running_version(),
        "estimator": estimator,
        "written_with": {
            "python": platform.python_version(),
            **{name: _installed(name) for name in WRITTEN_WITH},
        },
    }


def _installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def refuse_later(path: Path, said: dict[str, Any]) -> None:
    """Raise if a later version of hdfm wrote the file.

    Raises
    ------
    InvalidDataError
        With both versions, the formats and what to do.
    """
    version, number, running = said["hdfm"], said["format"], running_version()
    if number > FORMAT:
        limit = f" reads formats up to {FORMAT}; the file has format {number}"
    elif Version(Version(version).public) > Version(running):
        limit = ""
    else:
        return
    raise InvalidDataError(
        f"{path} was written by hdfm {version}, which is later than this one: hdfm {running}{limit}. "
        f'To read the file, pip install --upgrade "hdfm>={version}".'
    )


def in_this_format(content: Any, number: int) -> Any:
    """The content of a file in format ``number``, migrated to the present one."""
    for version in range(number, FORMAT):
        content = MIGRATIONS[version](content)
    return content
