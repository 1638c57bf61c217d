"""Tiers of factors, what their variables are called in graphs and posteriors, and processes of time."""

from collections.abc import Collection
from typing import NamedTuple

COEFFICIENT = "coefficient"
GPS = ("hsgp", "exact")


class TierNames(NamedTuple):
    """What the variables of a tier are called.

    Attributes
    ----------
    owner : {"one", "category", "customer"}
        Whether a factor has one path, one a category, or one a customer.
    loading, path, lengthscale : str
        Names of variables.
    others : tuple of str
        Those that have a factor on their last axis too.
    """

    owner: str
    loading: str
    path: str
    lengthscale: str
    others: tuple[str, ...]


TIERS = {
    "global": TierNames("one", "loading", "factor_path", "lengthscale", ("lengthscale", "loading_amplitude")),
    "category": TierNames(
        "category",
        "category_loading",
        "category_factor_path",
        "category_lengthscale",
        ("category_lengthscale", "category_loading_amplitude"),
    ),
    "individual": TierNames(
        "customer",
        "individual_loading",
        "individual_factor_path",
        "individual_lengthscale",
        ("individual_scale",),
    ),
}


def present_tiers(values: Collection) -> dict[str, TierNames]:
    """The tiers that a model has, given the names of its variables."""
    return {tier: names for tier, names in TIERS.items() if names.path in values}
