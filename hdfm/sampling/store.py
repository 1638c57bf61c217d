"""What is kept of the draws, block by block as they come.

Array names and axis order: C chains, n draws of a block a chain. values (C, n, ...)
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hdfm.exceptions import unknown

Values = dict[str, np.ndarray]
Keep = str | int

LARGEST_IN_MEMORY = 2**30  # bytes of all draws that are kept


class Moments(NamedTuple):
    """Mean and standard deviation over all draws (...)."""

    mean: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Reported:
    """What of a model is kept.

    Attributes
    ----------
    names : tuple of str
        Free variables and deterministics.
    cut : dict of str to tuple of slice
        What of a variable there really is, where the graph is padded.
    wide : frozenset of str
        Variables of many values, such as those of every customer: kept in 32 bits, or as :class:`Moments`.
    keep : {"draws", "means"} or int
        All draws; of wide variables means and standard deviations; or so many draws a chain, spread evenly.
    align : callable, optional
        Puts the values of a block in the labelling of the blocks before: means of wide variables need it.
    """

    names: tuple[str, ...]
    cut: Mapping[str, tuple[slice, ...]] = field(default_factory=dict)
    wide: frozenset[str] = frozenset()
    keep: Keep = "draws"
    align: Callable[[Values], Values] | None = None

    @property
    def averaged(self) -> frozenset[str]:
        """Variables of which means are kept."""
        match self.keep:
            case "means":
                return self.wide
            case "draws" | int():
                return frozenset()
            case _:
                raise unknown("keep", self.keep)

    def which(self, draws: int) -> np.ndarray:
        """The draws of a chain that are kept, the last one among them."""
        match self.keep:
            case "draws" | "means":
                return np.arange(draws)
            case int() as most:
                n = min(most, draws)
                return (np.arange(1, n + 1) * draws) // n - 1
            case _:
                raise unknown("keep", self.keep)


class DrawStore:
    """Draws as they come, kept as a :class:`Reported` says; what is large lies in a temporary file.

    The file has no name (or goes with the process): it is gone when nobody holds its arrays any more.
    """

    def __init__(self, reported: Reported, chains: int, draws: int):
        self.reported, self.chains, self.draws = reported, chains, draws
        self.which = reported.which(draws)
        self.seen = 0
        self.arrays: Values = {}
        self.means: Values = {}
        self.squares: Values = {}

    def add(self, values: Values) -> None:
        """Take the next draws (C, n, ...) of all chains, by name, as many as there should be."""
        left = self.draws - self.seen
        values = {name: value[:, :left] for name, value in values.items()}
        every = (slice(None), slice(None))
        cut = {name: value[every + self.reported.cut.get(name, ())] for name, value in values.items()}
        averaged = self.reported.averaged
        if averaged and self.reported.align is not None:
            cut = self.reported.align(cut)
        n = next(iter(cut.values())).shape[1]
        if not self.arrays:
            self._allocate({name: value for name, value in cut.items() if name not in averaged})
        start, stop = np.searchsorted(self.which, [self.seen, self.seen + n])
        for name, array in self.arrays.items():
            array[:, start:stop] = cut[name][:, self.which[start:stop] - self.seen]
        moments = {name: self._averaged(name, cut[name]) for name in averaged & cut.keys()}
        self.means |= {name: mean for name, (mean, _) in moments.items()}  # all of it, or nothing
        self.squares |= {name: squares for name, (_, squares) in moments.items()}
        self.seen += n

    def result(self) -> tuple[Values, dict[str, Moments]]:
        """All that is kept: draws by name (C, n, ...), and moments of wide variables."""
        moments = {
            name: Moments(
                mean.astype(np.float32),
                np.sqrt(self.squares[name] / max(self._drawn - 1, 1)).astype(np.float32),
            )
            for name, mean in self.means.items()
        }
        return {name: array[:, : len(self.kept)] for name, array in self.arrays.items()}, moments

    @property
    def kept(self) -> np.ndarray:
        """Which draws of a chain are kept, of those that have come."""
        return self.which[self.which < self.seen]

    @property
    def _drawn(self) -> int:
        return self.chains * self.seen

    def _allocate(self, values):
        shapes = {k: (self.chains, len(self.which), *v.shape[2:]) for k, v in values.items()}
        types = {k: np.dtype(np.float32) if k in self.reported.wide else v.dtype for k, v in values.items()}
        size = sum(types[name].itemsize * int(np.prod(shape)) for name, shape in shapes.items())
        for name, shape in shapes.items():
            on_disk = size > LARGEST_IN_MEMORY and name in self.reported.wide
            self.arrays[name] = _on_disk(shape, types[name]) if on_disk else np.empty(shape, types[name])

    def _averaged(self, name, values):
        """Mean and sum of squares about it with more draws, as of Chan, Golub and LeVeque (1983)."""
        none = np.zeros(values.shape[2:])
        squares = self.squares.get(name, none).copy()
        before, n = self._drawn, values.shape[0] * values.shape[1]
        mean = values.mean(axis=(0, 1), dtype=float)
        gap = mean - self.means.get(name, none)
        for chain in values:
            for draw in chain:
                squares += (draw - mean) ** 2
        squares += gap**2 * before * n / (before + n)
        return self.means.get(name, none) + gap * n / (before + n), squares


def collect(values: Values, reported: Reported, block: int) -> DrawStore:
    """A store of draws (C, n, ...) that are all there, taken ``block`` at a time."""
    chains, draws = next(iter(values.values())).shape[:2]
    store = DrawStore(reported, chains, draws)
    for start in range(0, draws, block):
        store.add({name: values[name][:, start : start + block] for name in reported.names})
    return store


def _on_disk(shape: Sequence[int], dtype: Any) -> np.ndarray:
    with tempfile.TemporaryFile() as file:  # closed, the map stays
        return np.memmap(file, dtype, "w+", shape=tuple(shape))
