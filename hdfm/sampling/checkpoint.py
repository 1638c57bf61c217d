"""Finished blocks of draws on disk, so that a killed process loses at most the block it was in."""

import os
import shutil
from pathlib import Path

import numpy as np

from hdfm.exceptions import CheckpointWarning, InvalidArgumentError, warn_caller

IDENTITY, STATE, BLOCKS = "fit.npz", "state.npz", "draws_*.npz"
UNFINISHED = "unfinished_"
TOLERANCE = 1e-6


class Checkpoint:
    """A folder with the blocks of one fit and the state of its chains; None keeps nothing.

    Parameters
    ----------
    folder : str, os.PathLike or None
        Made where it is missing.
    identity : dict of numpy.ndarray
        What tells this fit from others.

    Raises
    ------
    InvalidArgumentError
        If the folder holds the blocks of another fit, or something else.
    """

    def __init__(self, folder: str | os.PathLike | None, identity: dict[str, np.ndarray]):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        if self.folder.exists() and any(not file.match(UNFINISHED + "*") for file in self.folder.iterdir()):
            self._check(identity)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / IDENTITY, identity)

    def read(self) -> tuple[int, list[np.ndarray], list[dict[str, np.ndarray]]]:
        """Iterations that are done, the arrays of the chains' state, and the blocks of draws."""
        if self.folder is None or not (self.folder / STATE).exists():
            return 0, [], []
        saved = _read(self.folder / STATE)
        done = int(saved.pop("done"))
        files = sorted(self.folder.glob(BLOCKS))
        return done, list(saved.values()), [_read(file) for file in files if _iterations(file) <= done]

    def add(self, done: int, state: list[np.ndarray], block: dict[str, np.ndarray] | None) -> None:
        """Keep a block and the state after it; where that fails, warn and keep no more."""
        if self.folder is None:
            return
        try:
            if block is not None:
                _write(self.folder / BLOCKS.replace("*", f"{done:08d}"), block)
            _write(self.folder / STATE, {f"array_{k:03d}": v for k, v in enumerate(state)} | {"done": done})
        except OSError as error:
            warn_caller(
                f"The checkpoint in {self.folder} ends here ({error}); sampling goes on without it.",
                CheckpointWarning,
            )
            self.folder = None

    def remove(self) -> None:
        """Delete the folder: the fit is finished."""
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def _check(self, identity):
        file = self.folder / IDENTITY
        saved = _read(file) if file.exists() else {}
        same = saved.keys() == identity.keys() and all(
            saved[name].shape == np.shape(value) and np.allclose(saved[name], value, rtol=TOLERANCE, atol=0)
            for name, value in identity.items()
        )
        if not same:
            raise InvalidArgumentError(
                f"checkpoint={str(self.folder)!r} holds {'another fit' if saved else 'other files'}: with "
                "other data, arguments or random_state. Name another folder, or delete this one."
            )


def _iterations(file: Path) -> int:
    return int(file.stem.split("_")[1])


def _read(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


def _write(file: Path, arrays: dict) -> None:
    """Write all of a file or none of it."""
    temporary = file.with_name(UNFINISHED + file.name)
    try:
        np.savez(temporary, **arrays)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
