"""Posterior draws as they leave a sampler."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import DrawStore, Moments

if TYPE_CHECKING:
    import pymc as pm


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
    moments : dict of Moments
        Means and standard deviations of variables whose draws are not kept.
    dims : dict of list of str
        Names of axes after the first two, of variables that have some; empty where the graph was not asked.
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    tune: int
    seconds: float
    library: str
    moments: dict[str, Moments] = field(default_factory=dict)
    dims: dict[str, list[str]] = field(default_factory=dict)


def kept_draws(
    store: DrawStore, statistics: dict[str, np.ndarray], tune: int, seconds: float, library: str
) -> PosteriorDraws:
    """What a store holds, with the statistics (C, n), given of all draws, of those that it keeps."""
    values, moments = store.result()
    kept_statistics = {name: value[:, store.kept] for name, value in statistics.items()}
    return PosteriorDraws(values, kept_statistics, tune, seconds, library, moments)


def no_draws(settings: SamplingSettings, library: str) -> PosteriorDraws:
    """Draws of a model that leaves a sampler nothing to draw."""
    statistics = {"diverging": np.zeros((settings.chains, settings.draws), dtype=bool)}
    return PosteriorDraws({}, statistics, 0, 0.0, library)


def reported_names(model: "pm.Model") -> list[str]:
    """Free variables and deterministics in the units of the data, without sampling coordinates."""
    variables = [*model.free_RVs, *model.deterministics]
    return [variable.name for variable in variables if not variable.name.endswith("_raw")]
