"""Engines: what turns a problem into draws of its posterior, and what is known of such draws.

Each model lists those that it has; :func:`engine_of` finds one by name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hdfm.exceptions import unknown
from hdfm.sampling.draws import PosteriorDraws, no_draws
from hdfm.sampling.progress import announce
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported

if TYPE_CHECKING:
    import pymc as pm

Sampler = Callable[["pm.Model", Reported, SamplingSettings], PosteriorDraws]


class Problem(Protocol):
    """A model and its data, as far as engines that sample a PyMC graph ask for them."""

    def model(self, *, padded: bool) -> "pm.Model":
        """The graph; padded, panels of about a size have the same, and share one compiled program."""

    def reported(self, model: "pm.Model", settings: SamplingSettings) -> Reported:
        """What is kept of draws of the graph."""

    def text(self, settings: SamplingSettings) -> str:
        """The size of the posterior in words, to say before sampling."""


def accepts_all(spec: Any) -> None:
    """Any model will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What turns a problem into draws.

    Attributes
    ----------
    name : str
        What ``inference=`` calls it.
    run : callable
        (problem, settings) -> :class:`hdfm.sampling.draws.PosteriorDraws`. Heavy imports are made in it.
    sampler : str, optional
        What ``sampler=`` calls it, where several engines have the same name.
    check : callable
        Raises for a model's ``spec`` that it can't do.
    has_draws : bool
        Whether draws spread as the posterior does; else there is a point alone.
    exact : bool
        Whether they are, in the limit, of the posterior; else of an approximation, whose draws have the
        statistic ``log_weight``, log density less that of the approximation, unless there is ``pareto_k``.
    pareto_k : callable, optional
        (panel, spec, seed) -> Pareto k of the parts that are approximated one by one.
    resumes : bool
        Whether it goes on from the blocks of a checkpoint.
    """

    name: str
    run: Callable[[Any, SamplingSettings], PosteriorDraws]
    sampler: str | None = None
    check: Callable[[Any], None] = accepts_all
    has_draws: bool = True
    exact: bool = False
    pareto_k: Callable[[Any, Any, int], np.ndarray] | None = None
    resumes: bool = False

    @property
    def argument(self) -> str:
        """The engine as the estimators' argument, to stand in messages."""
        return f'inference="{self.name}"'


def engine_of(engines: Sequence[Engine], inference: str, sampler: str | None = None) -> Engine:
    """The engine of a name and, where several have it, of a sampler, of which None stands for the first.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    named = [engine for engine in engines if engine.name == inference]
    if not named:
        raise unknown("inference", inference)
    if sampler is None or named[0].sampler is None:
        return named[0]
    for engine in named:
        if engine.sampler == sampler:
            return engine
    raise unknown("sampler", sampler)


def inferences(engines: Iterable[Engine]) -> tuple[str, ...]:
    """What the argument ``inference`` may be."""
    return tuple(dict.fromkeys(engine.name for engine in engines))


def samplers(engines: Iterable[Engine]) -> tuple[str, ...]:
    """What the argument ``sampler`` may be."""
    return tuple(dict.fromkeys(engine.sampler for engine in engines if engine.sampler is not None))


def graph_draws(
    problem: Problem, settings: SamplingSettings, sample: Sampler, *, padded: bool, sampler: str
) -> PosteriorDraws:
    """Draws of a problem's graph with their dimensions by name; of a graph without free variables, none."""
    model = problem.model(padded=padded)
    dims = {name: list(labels) for name, labels in model.named_vars_to_dims.items()}
    if not model.free_RVs:
        return replace(no_draws(settings, sampler), dims=dims)
    return replace(sample(model, problem.reported(model, settings), settings), dims=dims)


def _numpyro(problem, settings):
    from hdfm.sampling.nuts import sample_numpyro

    announce(problem.text(settings), settings.progressbar)
    return graph_draws(problem, settings, sample_numpyro, padded=True, sampler="numpyro")


def _nutpie(problem, settings):
    """It compiles each graph alone: padding would cost, and save nothing."""
    from hdfm.sampling.nuts import sample_nutpie

    announce(problem.text(settings), settings.progressbar)
    return graph_draws(problem, settings, sample_nutpie, padded=False, sampler="nutpie")


def _mode(problem, settings):
    from hdfm.sampling.mode import posterior_mode

    return graph_draws(problem, settings, posterior_mode, padded=True, sampler="scipy")


def _variational(problem, settings):
    from hdfm.sampling.variational import variational

    announce(problem.text(settings), settings.progressbar)
    return graph_draws(problem, settings, variational, padded=True, sampler="numpyro")


NUMPYRO = Engine(name="nuts", sampler="numpyro", run=_numpyro, exact=True, resumes=True)
NUTPIE = Engine(name="nuts", sampler="nutpie", run=_nutpie, exact=True)
MODE = Engine(name="map", run=_mode, has_draws=False)
VARIATIONAL = Engine(name="variational", run=_variational)
NUTS = (NUMPYRO, NUTPIE)
