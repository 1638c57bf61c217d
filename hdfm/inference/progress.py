"""The progress bar of sampling."""

import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


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

    def update(self, done: int, statistics: list[np.ndarray]) -> None:
        """Move to ``done`` iterations; ``statistics`` of the last block start with diverging and steps."""
        diverging, steps = statistics[0], statistics[1]
        warming_up = done <= self.tune
        self.divergences += 0 if warming_up else int(diverging.sum())
        self.bar.update(
            self.task,
            completed=done,
            description="warm-up" if warming_up else "sampling",
            note=f"{steps.mean():.0f} steps a draw, {self.divergences} divergences",
        )
