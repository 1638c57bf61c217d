"""Files that tell whether they are as they were written, and for whom.

Arrays lie in ``.npz`` files, whose members have checksums; a seal over these checksums and a key stands in
the comment of the archive. A file is written as a whole or not at all.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

import numpy as np

UNFINISHED = "unfinished_"
SEAL = "seal"


class DamagedFileError(Exception):
    """A file is not as it was written, or was not written under this key."""


def write_arrays(file: Path, arrays: Mapping[str, Any], key: str) -> None:
    """Write arrays by name, sealed under a key and the file's name.

    Raises
    ------
    OSError
        If there is no room, say; nothing is then left of the file, and what was there before stays.
    """

    def write(stream):
        with ZipFile(stream, "w") as archive:
            for name, value in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
            archive.comment = _seal(file, key, archive.infolist())

    _write(file, write)


def read_arrays(file: Path, key: str) -> dict[str, np.ndarray]:
    """The arrays that :func:`write_arrays` wrote.

    Raises
    ------
    DamagedFileError
        If the file, or a part of it, is another one.
    OSError
        If it can't be opened.
    """
    with file.open("rb") as stream:
        _check(file, stream, key)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            return dict(arrays)


def is_sealed(file: Path, key: str) -> bool:
    """Whether a file has the seal of a key, whatever became of its arrays."""
    try:
        with ZipFile(file) as archive:
            return archive.comment == _seal(file, key, archive.infolist())
    except Exception:  # of a damaged file anything may come
        return False


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write what JSON can hold, with its seal. Raises ``OSError`` as :func:`write_arrays` does."""
    sealed = content | {SEAL: digest_of(content)}
    text = json.dumps(sealed, indent=1)
    _write(file, lambda stream: stream.write(text.encode()))


def read_json(file: Path) -> dict[str, Any]:
    """What :func:`write_json` wrote. Raises :class:`DamagedFileError` if it is something else."""
    try:
        content = json.loads(file.read_bytes())
        intact = content.pop(SEAL) == digest_of(content)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DamagedFileError(str(error)) from error
    if not intact:
        raise DamagedFileError("it is not what its seal is of")
    return content


def digest_of(content: dict[str, Any]) -> str:
    """A digest of what JSON can hold, whatever the order of its names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _seal(file: Path, key: str, members: Iterable[ZipInfo]) -> bytes:
    entries = [[member.filename, member.file_size, member.CRC, member.compress_type] for member in members]
    return digest_of({"key": key, "file": file.name, "members": entries}).encode()


def _check(file: Path, stream: IO[bytes], key: str) -> None:
    """Whether all bytes of the arrays are those that were sealed."""
    try:
        with ZipFile(stream) as archive:
            bad = archive.testzip()
            sealed = archive.comment == _seal(file, key, archive.infolist())
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file anything may come
        raise DamagedFileError(str(error)) from error
    if bad is not None or not sealed:
        raise DamagedFileError("its checksums differ" if bad else "its seal is of another fit")


def _write(file: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write all of a file or none of it."""
    temporary = file.with_name(UNFINISHED + file.name)
    try:
        with temporary.open("wb") as stream:
            write(stream)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
