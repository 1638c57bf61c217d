"""A zip archive of JSON and .npy members, written whole or not at all."""

import json
import os
import uuid
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np

from hdfm.exceptions import InvalidArgumentError
from hdfm.files.foreign import ABOUT

CONTENT, ARRAY = "content.json", "arrays/{}.npy"
LEVEL = 1  # of deflate: higher ones take several times the time for a few per cent
SAMPLE = 2**16  # bytes
WORTH_IT = 0.85  # of its size, after deflate: draws don't get there
LARGE = 2**30  # bytes, from which on members may need the 64-bit fields of zip
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write_archive(path: Path, about: Any, content: Any, arrays: Sequence[np.ndarray]) -> None:
    """Write a file; one that stood there is replaced only once all is written.

    Folders that are missing are made; a link stays one, and what it points to is replaced.
    """
    path = path.resolve()
    if path.is_dir():
        raise InvalidArgumentError(f"{path} is a folder; save takes a file, such as {path / 'fit.hdfm'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".hdfm-{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            _write_members(file, about, content, arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_members(file: IO[bytes], about: Any, content: Any, arrays: Sequence[np.ndarray]) -> None:
    with ZipFile(file, "w", compresslevel=LEVEL) as archive:
        archive.compression = ZIP_STORED
        _write(archive, ABOUT, _json(about))
        archive.compression = ZIP_DEFLATED
        _write(archive, CONTENT, _json(content))
        for number, array in enumerate(arrays):
            archive.compression = ZIP_DEFLATED if _compresses(array) else ZIP_STORED
            with archive.open(ARRAY.format(number), "w", force_zip64=array.nbytes > LARGE) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _write(archive: ZipFile, name: str, data: bytes) -> None:
    with archive.open(name, "w", force_zip64=len(data) > LARGE) as member:
        member.write(data)


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _compresses(array: np.ndarray) -> bool:
    """Whether an array is much smaller deflated, as its first values are."""
    sample = array.flat[: max(1, SAMPLE // max(array.itemsize, 1))].tobytes()
    return len(zlib.compress(sample, LEVEL)) < WORTH_IT * len(sample)


def read_json(archive: ZipFile, name: str) -> Any:
    """A JSON member.

    Raises
    ------
    KeyError
        If there is no such member.
    """
    return json.loads(archive.read(name), parse_constant=_refuse_constant)


def _refuse_constant(text):
    raise ValueError(f"JSON has no {text}")


def array_reader(archive: ZipFile) -> Callable[[int, np.dtype, tuple], np.ndarray]:
    """What reads the array of a number, its dtype and shape being known."""

    def read(number: int, dtype: np.dtype, shape: tuple) -> np.ndarray:
        name = ARRAY.format(number)
        with archive.open(name) as member:
            stored = HEADERS[np.lib.format.read_magic(member)](member)
        if stored != (shape, False, dtype):
            raise ValueError(f"{name} is an array of another shape or dtype")
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > archive.getinfo(name).file_size:
            raise ValueError(f"{name} is too short")
        with archive.open(name) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            if member.read(1):
                raise ValueError(f"{name} is too long")
        return array

    return read
