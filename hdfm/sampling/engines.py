"""What turns a PyMC model into draws, by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hdfm.exceptions import unknown
from hdfm.sampling.draws import PosteriorDraws
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported

if TYPE_CHECKING:
    import pymc as pm

SAMPLERS = ("numpyro", "nutpie")
Engine = Callable[["pm.Model", Reported, SamplingSettings], PosteriorDraws]


def engine_of(inference: str, sampler: str) -> Engine:
    """The engine of ``inference`` "nuts", by a ``sampler``, "map" or "variational".

    Importing them imports JAX.
    """
    from hdfm.sampling import mode, nuts, variational

    match inference, sampler:
        case "nuts", "numpyro":
            return nuts.sample_numpyro
        case "nuts", "nutpie":
            return nuts.sample_nutpie
        case "nuts", _:
            raise unknown("sampler", sampler)
        case "map", _:
            return mode.posterior_mode
        case "variational", _:
            return variational.variational
        case _:
            raise unknown("inference", inference)
