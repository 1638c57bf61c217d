"""Blocks of iterations, each a file of draws with the state of the chains after them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdfm.sampling.sealed import DamagedFileError, read_arrays, write_arrays

NAME = "hdfm_block_{:08d}.npz"
PATTERN = re.compile(r"hdfm_block_(\d{8})\.npz")
BEGIN, STATE = "begin", "state_"
WARM_UP_STATES = 2  # the last ones, in case that the last is damaged


@dataclass(frozen=True, slots=True)
class Block:
    """Iterations of all chains.

    Attributes
    ----------
    begin, end : int
        Iterations a chain before it, and with it.
    state : list of numpy.ndarray
        Of the chains after it.
    values : dict of numpy.ndarray
        Draws and statistics by name (chains, iterations, ...); none of warm-up.
    """

    begin: int
    end: int
    state: list[np.ndarray]
    values: dict[str, np.ndarray]


def block_files(folder: Path) -> list[Path]:
    """Files of blocks, in order."""
    return sorted(file for file in folder.iterdir() if PATTERN.fullmatch(file.name))


def end_of(file: Path) -> int:
    """Iterations a chain with the block of a file."""
    return int(file.stem.rsplit("_", 1)[1])


def write_block(folder: Path, block: Block, key: str) -> None:
    """Keep a block, sealed under a key; of warm-up, the last states alone."""
    state = {f"{STATE}{k:03d}": leaf for k, leaf in enumerate(block.state)}
    arrays = {BEGIN: np.asarray(block.begin)} | state | block.values
    write_arrays(folder / NAME.format(block.end), arrays, key)
    if not block.values:
        for file in block_files(folder)[:-WARM_UP_STATES]:
            file.unlink()


def read_block(file: Path, key: str) -> Block:
    """What :func:`write_block` wrote. Raises :class:`DamagedFileError` if it is something else."""
    arrays = read_arrays(file, key)
    begin = int(arrays.pop(BEGIN))
    state = [arrays.pop(name) for name in sorted(arrays) if name.startswith(STATE)]
    return Block(begin, end_of(file), state, arrays)


class IntactBlocks:
    """Blocks of a folder in order, up to where one is missing or damaged.

    Attributes
    ----------
    end : int
        Iterations a chain with the last of them.
    trouble : str
        What is missing or damaged, in words.
    """

    def __init__(self, folder: Path, key: str, tune: int):
        self.folder, self.key, self.tune = folder, key, tune
        self.end, self.trouble = 0, ""

    def __iter__(self) -> Iterator[Block]:
        """The last intact block of warm-up, the first ``tune`` iterations, and those of draws."""
        files = block_files(self.folder)
        for file in reversed(files):
            if end_of(file) <= self.tune and (block := self._read(file)):
                yield block
                break
        for file in files:
            if end_of(file) > self.tune:
                block = self._read(file)
                if block is None:
                    return
                yield block

    def _read(self, file: Path) -> Block | None:
        """A block if it is intact and, where it holds draws, the next one."""
        try:
            block = read_block(file, self.key)
        except DamagedFileError as error:
            self.trouble = self.trouble or f"{file} is damaged ({error})"
            return None
        done = max(self.end, self.tune)
        if block.values and block.begin != done:
            self.trouble = self.trouble or (
                f"A block after iteration {done:,} is missing in {self.folder}, which has {file.name}"
            )
            return None
        self.end = block.end
        return block
