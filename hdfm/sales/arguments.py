"""What the constructor of the sales model was given -> roles and spec, checked.

Arguments of sampling are those of :class:`hdfm.estimator.BayesianEstimator`.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Protocol

import numpy as np

from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.frames.columns import as_names, check_word
from hdfm.sales.likelihoods.registry import LIKELIHOODS, likelihood_of
from hdfm.sales.panel.roles import Roles
from hdfm.sales.priors import ElasticityPriors
from hdfm.sales.spec import DemandSpec

TIME_EFFECTS = ("category", "shared", None)
PRODUCT_EFFECTS = ("random", "fixed")
SIGNS = (None, "negative")
DEMANDS = (None, "wandering", "independent")
DISPERSIONS = ("product", "group", "shared")
ELASTICITY_PATHS = (None, "moving", "constant")


class DemandArguments(Protocol):
    """Arguments of :class:`hdfm.HierarchicalElasticity`: what it is a model of."""

    product: str | None
    groups: str | Sequence[str] | None
    time: str | None
    price: str | None
    controls: str | Sequence[str] | None
    exposure: str | None
    reference_price: str | None
    likelihood: str
    time_effects: str | None
    product_effects: str
    sign: str | None
    selected_above: float | None
    selected_periods: int | None
    demand: str | None
    dispersion: str
    elasticity_path: str | None


def demand_roles(given: DemandArguments) -> Roles:
    """The columns."""
    return Roles(
        product=given.product,
        groups=tuple(as_names(given.groups, "groups")),
        time=given.time,
        price=given.price,
        controls=tuple(as_names(given.controls, "controls")),
        exposure=given.exposure,
        reference_price=given.reference_price,
    )


def check_arguments(given: DemandArguments) -> None:
    """Raise if an argument is not one of those allowed, or not beside the others."""
    check_word("likelihood", given.likelihood, LIKELIHOODS)
    check_word("time_effects", given.time_effects, TIME_EFFECTS)
    check_word("product_effects", given.product_effects, PRODUCT_EFFECTS)
    check_word("sign", given.sign, SIGNS)
    check_word("demand", given.demand, DEMANDS)
    check_word("dispersion", given.dispersion, DISPERSIONS)
    check_word("elasticity_path", given.elasticity_path, ELASTICITY_PATHS)
    _check_selected_periods(given)
    _check_selected_above(given)
    if given.reference_price is not None and (given.product is None or given.price is None):
        raise InvalidArgumentError(
            "reference_price is what products usually cost: it needs a product and a price column; got "
            f"product={given.product!r}, price={given.price!r}."
        )


def demand_spec(given: DemandArguments, priors: ElasticityPriors) -> DemandSpec:
    """The spec of arguments that are checked."""
    demand, elasticity_path = _paths(given)
    return DemandSpec(
        likelihood=given.likelihood,
        time_effects=given.time_effects is not None and given.time is not None,
        product_effects=given.product_effects,
        negative=_is_negative(given.sign),
        priors=priors,
        selected_above=given.selected_above,
        demand=demand if given.time is not None else "independent",
        dispersion=given.dispersion,
        elasticity_path=elasticity_path if None not in (given.time, given.price) else "constant",
    )


def _paths(given: DemandArguments) -> tuple[str, str]:
    """``demand`` and ``elasticity_path``."""
    usual = ("wandering", "moving") if given.selected_above is None else ("independent", "constant")
    return given.demand or usual[0], given.elasticity_path or usual[1]


def shares_time(time_effects: str | None) -> bool:
    """Whether all products have the same time effects, if any."""
    match time_effects:
        case "shared":
            return True
        case "category" | None:
            return False
        case _:
            raise unknown("time_effects", time_effects)


def _is_negative(sign: str | None) -> bool:
    """Whether elasticities are bounded above by 0."""
    match sign:
        case "negative":
            return True
        case None:
            return False
        case _:
            raise unknown("sign", sign)


def _check_selected_periods(given: DemandArguments) -> None:
    periods = given.selected_periods
    if periods is None:
        return
    if not isinstance(periods, Integral) or isinstance(periods, bool) or periods < 1:
        raise InvalidArgumentError(
            f"selected_periods must be a whole number, at least 1, or None; got {periods!r}."
        )
    for name, value in (("selected_above", given.selected_above), ("time", given.time)):
        if value is None:
            raise InvalidArgumentError(
                "selected_periods says over how many periods products sold more than selected_above: "
                f"it needs {name}=, which is None."
            )


def _check_selected_above(given: DemandArguments) -> None:
    above = given.selected_above
    if above is None:
        return
    if not isinstance(above, Real) or isinstance(above, bool) or not 0 < above < np.inf:
        raise InvalidArgumentError(f"selected_above must be a number above 0, or None; got {above!r}.")
    if given.product_effects == "fixed":
        raise InvalidArgumentError(
            'selected_above needs product_effects="random": fixed levels have no distribution that a '
            "selection could cut."
        )
    if likelihood_of(given.likelihood).log_total_variance is None:
        raise InvalidArgumentError(
            f"selected_above can't be had with likelihood={given.likelihood!r}, whose noise moves what a "
            "product is expected to sell in all. Take another likelihood, or selected_above=None."
        )
    plain_words = {"demand": "independent", "elasticity_path": "constant"}
    for (name, plain), word in zip(plain_words.items(), _paths(given), strict=True):
        if given.time is not None and word != plain:
            raise InvalidArgumentError(
                f"selected_above can't be had with {name}={word!r}: what moves over time "
                f"moves what a product is expected to sell in all. Take {name}={plain!r}, or "
                "selected_above=None."
            )
