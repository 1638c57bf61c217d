"""The state of an estimator in a file."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.files import arrays, scalars, tables, trees
from hdfm.files.about import about, in_this_format, refuse_later
from hdfm.files.archive import CONTENT, array_reader, read_json, write_archive
from hdfm.files.foreign import ABOUT, BEGIN, refuse_foreign
from hdfm.files.nodes import Kind, Reader, Writer
from hdfm.files.records import Schema, record_kinds

STATE = "state"
LONGEST_REASON = 200  # characters: zip quotes what it finds in place of a name


def kinds_with(records: Mapping[str, type]) -> tuple[Kind, ...]:
    """All kinds of values, a model's dataclasses among them."""
    kinds = (*scalars.KINDS, *arrays.KINDS, *tables.KINDS, *trees.KINDS, *record_kinds(records))
    assert len({kind.name for kind in kinds}) == len(kinds)
    return kinds


def write_state(path: str | os.PathLike, schema: Schema, state: Mapping[str, Any]) -> Path:
    """Write the attributes of an estimator.

    Parameters
    ----------
    path : str or os.PathLike
        ``~`` is the user's folder; folders that are missing are made.
    schema : Schema
        What files of the estimator hold.
    state : mapping
        Attributes by name.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    InvalidArgumentError
        If an attribute can't be stored; then no file is touched.
    """
    path, writer = Path(path).expanduser(), Writer(kinds_with(schema.records))
    try:
        schema.check(state)
    except ValueError as error:
        raise InvalidArgumentError(f"{schema.estimator} can't be saved: {error}; fit it again.") from error
    nodes = {}
    for name, value in state.items():
        with writer.at(f"{schema.estimator}.{name}"):
            nodes[name] = _node(writer, value)
    write_archive(path, about(schema.estimator), {STATE: nodes}, writer.arrays)
    return path


def _node(writer: Writer, value: Any) -> Any:
    try:
        return writer.node(value)
    except RecursionError as error:
        raise writer.refusal("lists in lists without end") from error


def read_state(path: Path, schema: Schema) -> dict[str, Any]:
    """The attributes that :func:`write_state` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidDataError
        If it is damaged, of a later version, of another estimator, or something else.
    """
    if path.is_dir():
        raise InvalidDataError(f"{path} is a folder, not a file written by save.")
    with open(path, "rb") as file:
        refuse_foreign(path, file.read(BEGIN))
        with reading(path):
            archive = ZipFile(file)
            header = read_json(archive, ABOUT)
        with reading(path, InvalidDataError):
            refuse_later(path, header)
            if header["estimator"] != schema.estimator:
                raise InvalidDataError(
                    f"{path} holds a {header['estimator']}, not a {schema.estimator}: read it with "
                    f"{header['estimator']}.load."
                )
        with reading(path):
            content = in_this_format(read_json(archive, CONTENT), header["format"])
            reader = Reader(kinds_with(schema.records), array_reader(archive))
            state = {name: reader.value(node) for name, node in content[STATE].items()}
            schema.check(state)
            return state


@contextmanager
def reading(path: Path, *meant: type[Exception]) -> Iterator[None]:
    """Within it, whatever goes wrong is damage to the file, but for errors that are meant.

    Damage has many faces: errors of zip, zlib, JSON and Unicode, values that don't fit, too little memory.
    """
    try:
        yield
    except meant:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON].rstrip(". ")
        raise InvalidDataError(
            f"{path} is damaged, or not all of it is there ({reason}). Take another copy of the file, or fit "
            "and save again."
        ) from error
