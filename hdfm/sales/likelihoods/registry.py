"""The likelihoods that there are."""

from hdfm.exceptions import unknown
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.likelihoods.log_normal import LOG_NORMAL
from hdfm.sales.likelihoods.negative_binomial import NEGATIVE_BINOMIAL
from hdfm.sales.likelihoods.poisson import POISSON
from hdfm.sales.likelihoods.zero_inflated_poisson import ZERO_INFLATED_POISSON

FAMILIES = {family.name: family for family in (NEGATIVE_BINOMIAL, POISSON, LOG_NORMAL, ZERO_INFLATED_POISSON)}
LIKELIHOODS = tuple(FAMILIES)


def likelihood_of(name: str) -> Likelihood:
    """The likelihood of a name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in FAMILIES:
        raise unknown("likelihood", name)
    return FAMILIES[name]


def noise_variables() -> tuple[str, ...]:
    """Names of variables of noise in the posterior, whatever the likelihood."""
    noises = [family.noise for family in FAMILIES.values() if family.noise is not None]
    return tuple(name for noise in noises for name, _ in noise.variables(1.0))
