"""A chain that takes no time, kept in blocks as those of a sampler are."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from hdfm.exceptions import CheckpointWarning, ConvergenceWarning
from hdfm.sampling.blocks import Block
from hdfm.sampling.checkpoint import Checkpoint
from hdfm.sampling.identity import Identity

TUNE, ENDS = 30, (10, 20, 30, 40, 50, 55)
IDENTITY = Identity(
    versions={"format": "1", "hdfm": "1.0"},
    arguments={"estimator": "Chain", "draws": 25, "likelihood": "poisson"},
    data={"units": "0a1b", "price": "2c3d"},
)
OTHER = replace(IDENTITY, arguments=IDENTITY.arguments | {"draws": 50})


class Killed(BaseException):
    """Stands for the end of a process."""


def advanced(state: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """State (3,) and draws (2, n, 3) after n iterations."""
    draws = np.empty((2, n, 3))
    for k in range(n):
        state = np.modf(np.exp(state + 1))[0]
        draws[:, k] = state
    return state, draws


def run(
    folder: Path, identity: Identity = IDENTITY, killed_at: int | None = None
) -> tuple[np.ndarray, list[int]]:
    """All draws (2, 25, 3), by a fit with a checkpoint, and the ends of blocks that were computed."""
    draws, computed, done = [], [], 0
    state = np.linspace(0.1, 0.7, 3)
    with Checkpoint(folder, identity) as checkpoint:
        for block in checkpoint.blocks(TUNE):
            (state,), done = block.state, block.end
            draws += [block.values["q"]] if block.values else []
        for end in ENDS:
            if end > done:
                state, values = advanced(state, end - done)
                drawn = {"q": values} if end > TUNE else {}
                checkpoint.add(Block(done, end, [state], drawn))
                draws += [values] if drawn else []
                computed.append(end)
                done = end
            if end == killed_at:
                raise Killed
    return np.concatenate(draws, axis=1), computed


def undisturbed() -> np.ndarray:
    """What :func:`run` returns where nothing happens."""
    state, draws = np.linspace(0.1, 0.7, 3), []
    for begin, end in zip((0, *ENDS), ENDS, strict=False):
        state, values = advanced(state, end - begin)
        draws += [values] if end > TUNE else []
    return np.concatenate(draws, axis=1)


def killed(folder: Path, at: int = ENDS[-1], identity: Identity = IDENTITY) -> Path:
    """The folder of a fit that died after a block."""
    try:
        run(folder, identity, at)
    except Killed:
        return folder
    raise AssertionError(f"It lived longer than {at} iterations.")


def names(folder: Path) -> list[str]:
    """Of what lies in a folder."""
    return sorted(file.name for file in folder.iterdir())


def block(end: int) -> str:
    """The name of a block's file."""
    return f"hdfm_block_{end:08d}.npz"


@contextmanager
def warned() -> Iterator[list[str]]:
    """Messages of ``CheckpointWarning``, as they come."""
    told: list[str] = []
    with warnings.catch_warnings(record=True, action="always") as caught:
        yield told
    told += [str(each.message) for each in caught if each.category is CheckpointWarning]
    assert {each.category for each in caught} <= {CheckpointWarning, ConvergenceWarning}


def copied(folder: Path, to: Path) -> Path:
    """A copy of a folder, in place of what was there."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to
