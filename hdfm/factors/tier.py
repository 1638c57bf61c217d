r"""Tiers of factors: whose paths they are, and what their variables are called in graphs and posteriors.

.. math:: \beta_{is}(t) = \alpha_{is} + \sum_\text{tiers} \sum_l w_{isl} \, \theta_{g(i, s) l}(t)

Array names and axis order: N customers, S coefficients in C categories, T periods, L factors of a tier, G
paths of a factor: one for each of its owners.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdfm.exceptions import unknown

COEFFICIENT = "coefficient"
GPS = ("hsgp", "exact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who has a path of a factor: g(i, s).

    Attributes
    ----------
    name : str
        Labels the random numbers of forecasts.
    dims : tuple of str
        The dimension of paths (G, T, L) in graphs and posteriors; none where all have the same (T, L).
    by_customer : bool
        Whether customers have paths of their own; groups of customers have theirs in common.
    groups : callable
        (things of the C categories, in order) -> groups of them whose coefficients read the same paths.
    reads : callable
        (position of a category, members) -> which of the G paths its coefficients read, of customers who
        belong to these of the owners: themselves, or groups of them.
    """

    name: str
    dims: tuple[str, ...]
    by_customer: bool
    groups: Callable[[Sequence[Any]], list[Sequence[Any]]]
    reads: Callable[[int, Any], Any]

    def blocks(self, parts: Sequence[slice]) -> list[tuple[slice, int]]:
        """Coefficients that read the same paths, and the position of a category that they are of.

        Parameters
        ----------
        parts : sequence of slice
            The coefficients of each category, which follow each other.
        """
        groups = self.groups(range(len(parts)))
        return [(slice(parts[group[0]].start, parts[group[-1]].stop), group[0]) for group in groups]


OF_ALL = Owner(
    name="one",
    dims=(),
    by_customer=False,
    groups=lambda categories: [categories],
    reads=lambda category, members: 0,
)
OF_CATEGORY = Owner(
    name="category",
    dims=("category",),
    by_customer=False,
    groups=lambda categories: [[category] for category in categories],
    reads=lambda category, members: category,
)
OF_CUSTOMER = Owner(
    name="customer",
    dims=("customer",),
    by_customer=True,
    groups=lambda categories: [categories],
    reads=lambda category, members: members,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier of factors.

    Attributes
    ----------
    name : str
        What tables and files call it.
    number : str
        The estimators' argument that says how many factors it has.
    prefix : str
        What its variables' names begin with.
    owner : Owner
        Who has a path of a factor.
    zero_sum : bool
        Whether paths sum to zero over their owners, as those of customers and of groups of them do: see
        :func:`hdfm.factors.graph.zero_sum_tier`, and :func:`hdfm.factors.graph.whitened_tier` for the others.
    sized : tuple of str
        The variables beside loadings and paths that have a factor on their last axis, without the prefix.
    """

    name: str
    number: str
    prefix: str
    owner: Owner
    zero_sum: bool
    sized: tuple[str, ...]

    def variable(self, what: str) -> str:
        """What one of its variables is called."""
        return self.prefix + what

    @property
    def dim(self) -> str:
        """The dimension of factors."""
        return self.variable("factor")

    @property
    def loading(self) -> str:
        """Loadings (N, S, L), or (S, L) where all customers have the same."""
        return self.variable("loading")

    @property
    def path(self) -> str:
        """Paths, of dimensions :attr:`path_dims`."""
        return self.variable("factor_path")

    @property
    def path_dims(self) -> tuple[str, ...]:
        """(G, T, L), or (T, L) where all have the same."""
        return *self.owner.dims, "period", self.dim

    @property
    def lengthscale(self) -> str:
        """Lengthscales (L,), or one."""
        return self.variable("lengthscale")

    @property
    def multiplier(self) -> str:
        """What the owners' paths of unit variance (G,) were multiplied with, where there is such."""
        return self.variable("multiplier")

    @property
    def wide(self) -> tuple[str, ...]:
        """The variables that have an owner on an axis."""
        return self.path, self.multiplier

    @property
    def by_factor(self) -> tuple[str, ...]:
        """All variables that have a factor on their last axis."""
        return self.loading, self.path, *map(self.variable, self.sized)


GLOBAL = Tier(
    name="global",
    number="n_factors",
    prefix="",
    owner=OF_ALL,
    zero_sum=False,
    sized=("lengthscale", "loading_amplitude"),
)
CATEGORY = Tier(
    name="category",
    number="n_category_factors",
    prefix="category_",
    owner=OF_CATEGORY,
    zero_sum=False,
    sized=("lengthscale", "loading_amplitude"),
)
INDIVIDUAL = Tier(
    name="individual",
    number="n_individual_factors",
    prefix="individual_",
    owner=OF_CUSTOMER,
    zero_sum=True,
    sized=("scale",),
)
TIERS = {tier.name: tier for tier in (GLOBAL, CATEGORY, INDIVIDUAL)}


def tier_of(name: str) -> Tier:
    """The tier of a name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in TIERS:
        raise unknown("tier", name)
    return TIERS[name]


def n_owners(tier: Tier, owners: Mapping[str, np.ndarray]) -> int:
    """Number of owners G of a tier's paths, where they are customers or groups of them.

    Parameters
    ----------
    owners : mapping of str to numpy.ndarray
        By name of an owner: which of them each customer (N,) belongs to.
    """
    return len(np.unique(owners[tier.owner.name]))


def present_tiers(variables: Collection) -> list[Tier]:
    """The tiers that a model has, given the names of its variables."""
    return [tier for tier in TIERS.values() if tier.path in variables]


@dataclass(frozen=True, slots=True)
class TierSize:
    """How many factors a tier of a model has; the tier by its name, as files hold it."""

    name: str
    number: int

    @property
    def tier(self) -> Tier:
        """The tier."""
        return tier_of(self.name)


def tier_sizes(*numbers: int) -> tuple[TierSize, ...]:
    """The tiers that have factors, given how many each of the registry has, in its order.

    Examples
    --------
    >>> tier_sizes(2, 0, 1)
    (TierSize(name='global', number=2), TierSize(name='individual', number=1))
    """
    sizes = [TierSize(name, number) for name, number in zip(TIERS, numbers, strict=True)]
    return tuple(size for size in sizes if size.number)
