"""What the constructor of the choice model was given -> roles and spec, checked.

Arguments of sampling, but for ``keep``, are those of :class:`hdfm.estimator.BayesianEstimator`.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Protocol

from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.factors.tier import GPS, TIERS, tier_sizes
from hdfm.frames.columns import as_names, check_word, shown

LOADINGS = ("customer", "population")
PRICE_TRANSFORMS = ("log", "linear")
KEEPS, LEAST_KEPT = ("draws", "means"), 4
FACTORS = tuple(tier.number for tier in TIERS.values())
FLAGS = ("product_intercepts", "outside_option")


class ChoiceArguments(Protocol):
    """Arguments of :class:`hdfm.DynamicFactorChoiceModel`: what it is a model of, and what is kept."""

    n_factors: int
    n_category_factors: int
    n_individual_factors: int
    customer: str | None
    category: str | None
    product: str | None
    time: str | None
    choice_set: str | None
    price: str | None
    features: str | Sequence[str] | None
    product_intercepts: bool
    price_transform: str
    outside_option: bool
    availability: str | None
    customer_covariates: str | Sequence[str] | None
    loadings: str
    gp: str
    keep: str | int


def choice_roles(given: ChoiceArguments) -> ChoiceRoles:
    """The columns, and how alternatives are read."""
    return ChoiceRoles(
        customer=given.customer,
        category=given.category,
        product=given.product,
        time=given.time,
        choice_set=given.choice_set,
        price=given.price,
        features=None if given.features is None else tuple(as_names(given.features, "features")),
        availability=given.availability,
        customer_covariates=tuple(as_names(given.customer_covariates, "customer_covariates")),
        product_intercepts=given.product_intercepts,
        price_transform=given.price_transform,
        outside_option=given.outside_option,
    )


def check_arguments(given: ChoiceArguments) -> None:
    """Raise if an argument is not one of those allowed."""
    _check_keep(given.keep)
    check_word("loadings", given.loadings, LOADINGS)
    check_word("gp", given.gp, GPS)
    check_word("price_transform", given.price_transform, PRICE_TRANSFORMS)
    for name in FLAGS:
        check_word(name, getattr(given, name), (True, False))
    for name in FACTORS:
        value = getattr(given, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
            hint = f" Name columns: customer={value!r}, say." if isinstance(value, str) else ""
            raise InvalidArgumentError(
                f"{name} must be a whole number, at least 0; got {shown(value)}.{hint}"
            )


def choice_spec(given: ChoiceArguments, priors: ChoicePriors) -> ChoiceSpec:
    """The spec of arguments that are checked."""
    return ChoiceSpec(
        tiers=tier_sizes(*(int(getattr(given, name)) for name in FACTORS)),
        customer_loadings=_by_customer(given.loadings),
        priors=priors,
    )


def _check_keep(keep: str | int) -> None:
    if isinstance(keep, Integral) and not isinstance(keep, bool):
        if keep >= LEAST_KEPT:
            return
    elif keep in KEEPS:
        return
    raise InvalidArgumentError(
        f'keep must be "draws", "means" or a whole number of draws a chain, at least {LEAST_KEPT}; '
        f"got {keep!r}."
    )


def _by_customer(loadings: str) -> bool:
    """Whether every customer has loadings of their own."""
    match loadings:
        case "customer":
            return True
        case "population":
            return False
        case _:
            raise unknown("loadings", loadings)
