"""Posterior draws as they leave a sampler."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PosteriorDraws:
    """Draws and how they were made.

    Attributes
    ----------
    values : dict of numpy.ndarray
        Variables by name (chains, draws, ...).
    statistics : dict of numpy.ndarray
        Sampler statistics by name (chains, draws).
    tune : int
        Warm-up iterations a chain.
    seconds : float
        Wall-clock time of warm-up and draws, compilation included.
    library : str
        The sampler.
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    tune: int
    seconds: float
    library: str
