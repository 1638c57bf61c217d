"""The progress bar of sampling."""

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def announce(text: str, visible: bool) -> None:
    """Say what is about to be done."""
    if visible:
        Console().print(text, highlight=False, soft_wrap=True)


class SamplingProgress:
    """Iterations a chain, divergences after warm-up and leapfrog steps a draw, as a context manager."""

    def __init__(self, tune: int, draws: int, chains: int, visible: bool):
        self.tune, self.divergences = tune, 0
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not visible,
        )
        self.task = self.bar.add_task(f"compiling, {chains} chains", total=tune + draws, note="")

    def __enter__(self) -> "SamplingProgress":
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def resume(self, done: int, blocks: list[dict[str, np.ndarray]]) -> None:
        """Go on from ``done`` iterations, with their blocks of draws."""
        self.divergences = int(sum(block["diverging"].sum() for block in blocks))
        self.bar.update(self.task, completed=done)

    def update(self, done: int, statistics: dict[str, np.ndarray]) -> None:
        """Move to ``done`` iterations, given ``diverging`` and ``n_steps`` of the last block."""
        warming_up = done <= self.tune
        self.divergences += 0 if warming_up else int(statistics["diverging"].sum())
        steps = statistics["n_steps"].mean()
        self.bar.update(
            self.task,
            completed=done,
            description="warm-up" if warming_up else "sampling",
            note=f"{steps:.0f} steps a draw, {self.divergences} divergences",
        )
