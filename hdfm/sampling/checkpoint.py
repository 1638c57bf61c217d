"""Finished blocks of draws on disk, until a fit has ended.

A process that dies loses at most the block it was in. The folder holds ``hdfm_fit.json``, what the fit is; a
file for each block, with the state of the chains after it; and a lock. Files tell whether they are damaged.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from hdfm.exceptions import CheckpointWarning, InvalidArgumentError, warn_caller
from hdfm.sampling.blocks import PATTERN, Block, IntactBlocks, block_files, end_of, write_block
from hdfm.sampling.identity import Identity
from hdfm.sampling.sealed import UNFINISHED, DamagedFileError, is_sealed, read_json, write_json

IDENTITY, LOCK = "hdfm_fit.json", "hdfm_fit.lock"
NAMES = re.compile(rf"({UNFINISHED})?({re.escape(IDENTITY)}|{PATTERN.pattern})|{re.escape(LOCK)}")
OTHERWISE = "Name another folder, or delete this one."


class NoCheckpoint:
    """Keeps nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pass

    def blocks(self, tune: int) -> Iterator[Block]:
        """What was kept before, in order; of warm-up, the first ``tune`` iterations, the last block alone."""
        yield from ()

    def add(self, block: Block) -> None:
        """Keep a block; where that fails, warn and keep no more."""

    def stay(self) -> None:
        """Draws are missing: what is kept stays there when the fit ends."""


class Checkpoint(NoCheckpoint):
    """A folder with the blocks of one fit, in use by one process: a context in which the fit is made.

    Where the fit ends without an error the folder goes, but for files that are not hdfm's.

    Parameters
    ----------
    path : str or os.PathLike
        The folder, made where it is missing.
    identity : Identity
        What tells this fit from others.

    Raises
    ------
    InvalidArgumentError
        On entering, if the folder is in use, can't be made, or holds another fit or something else.
    """

    def __init__(self, path: str | os.PathLike, identity: Identity):
        self.identity, self.key = identity, identity.digest
        self.name = f"checkpoint={os.fspath(path)!r}"
        self.writes, self.stays = True, False
        try:
            self.folder = Path(path).expanduser().absolute()
        except RuntimeError as error:
            raise InvalidArgumentError(f"{self.name} names no folder: {error}") from error
        self.lock = FileLock(self.folder / LOCK)

    def __enter__(self) -> Self:
        try:
            self._refuse_other_files()
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=0)  # which the system takes from a process that dies
        except Timeout:
            raise InvalidArgumentError(
                f"{self.name} is in use by another fit, in this process or another. Wait until it has ended, "
                "or name another folder for this one."
            ) from None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._take()
        except BaseException:
            self.lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        done = kind is None and not self.stays
        try:
            if done or not block_files(self.folder):
                self._remove()
        except FileNotFoundError:  # somebody has deleted the folder
            pass
        except OSError as error:  # the fit is none the worse for it
            self._warn(f"The checkpoint in {self.folder} can't be deleted ({error}), and is of no more use.")
        finally:
            self.lock.release()
            with suppress(OSError):  # files of others are there
                self.folder.rmdir()

    def stay(self) -> None:
        """Draws are missing: what is kept stays there when the fit ends."""
        self.stays = True

    def blocks(self, tune: int) -> Iterator[Block]:
        """Intact blocks up to where one is missing or damaged, of which a warning tells; later ones go."""
        scan = IntactBlocks(self.folder, self.key, tune)
        try:
            yield from scan
            if scan.trouble:
                for file in block_files(self.folder):
                    if end_of(file) > scan.end:
                        file.unlink()
        except OSError as error:
            raise self._unusable(error) from error
        if scan.trouble:
            self._warn(f"{scan.trouble}: sampling goes on from iteration {scan.end:,}, to the same draws.")

    def add(self, block: Block) -> None:
        """Keep a block; where that fails, warn and keep no more."""
        if self.writes:
            try:
                write_block(self.folder, block, self.key)
            except OSError as error:
                self._end_writing(error)

    def _refuse_other_files(self) -> None:
        """Before anything is written there: a folder that was used for something else is left alone."""
        names = [file.name for file in self.folder.iterdir()] if self.folder.exists() else []
        if names and not any(map(NAMES.fullmatch, names)):
            raise InvalidArgumentError(
                f"{self.name} holds other files, such as {min(names)!r}. Name a folder that is new or empty."
            )

    def _take(self) -> None:
        """Refuse the blocks of another fit; write what this one is where that is not known."""
        blocks, file = block_files(self.folder), self.folder / IDENTITY
        if blocks:
            saved, trouble = _saved(file)
            if saved == self.identity.content:
                return
            if saved is not None:
                differences = self.identity.differences(saved)
                raise InvalidArgumentError(f"{self.name} holds another fit: {differences}. {OTHERWISE}")
            if not any(is_sealed(block, self.key) for block in blocks):
                raise InvalidArgumentError(
                    f"{file} {trouble}, and none of the {len(blocks)} blocks beside it tells that it is of "
                    f"this fit. {OTHERWISE}"
                )
            self._warn(f"{file} {trouble}; blocks beside it are of this fit, which goes on from them.")
        try:
            write_json(file, self.identity.content)
        except OSError as error:
            self._end_writing(error)

    def _remove(self) -> None:
        """Delete hdfm's files, the last block first: what is left where that is interrupted can be used."""
        blocks = block_files(self.folder)
        unfinished = [file for file in self.folder.glob(UNFINISHED + "*") if NAMES.fullmatch(file.name)]
        for file in [*unfinished, *reversed(blocks), self.folder / IDENTITY]:
            file.unlink(missing_ok=True)
        with suppress(PermissionError):  # on Windows it goes when it is released
            (self.folder / LOCK).unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self.name} can't be used ({error}). Name a folder where files can be read and written."
        )

    def _end_writing(self, error: OSError) -> None:
        self.writes = False
        self._warn(f"The checkpoint in {self.folder} ends here ({error}); sampling goes on without it.")

    def _warn(self, message: str) -> None:
        warn_caller(message, CheckpointWarning)


def _saved(file: Path) -> tuple[dict[str, Any] | None, str]:
    """What fit the blocks beside a file are of; or None and what is wrong with the file."""
    try:
        return read_json(file), ""
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        return None, f"can't be read ({error})"
    except DamagedFileError as error:
        return None, f"is damaged ({error})"
