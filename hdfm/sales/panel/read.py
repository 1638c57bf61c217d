"""What a caller passes as X and y -> a frame with the columns that have a role, and checked units."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import as_floats, check_roles, numeric_column, refuse_outcome
from hdfm.frames.read import (
    both_in_pandas,
    check_same_rows,
    one_column,
    read_plain,
    refuse_columns,
    refuse_name,
    require_frame,
    select_columns,
)
from hdfm.sales.panel.roles import ALL_PRODUCTS, Roles
from hdfm.summaries.intervals import SUMMARY

RESERVED_LABELS = (
    *(*SUMMARY, "shrinkage", "n_products"),
    *("between_price_bias", "between_price_sd", "elasticity_global", "elasticity_sd", "product_effect_sd"),
    *("time_drift_sd", "time_shock_sd"),
    *("weighted_mean", "weighted_lower", "weighted_upper"),
    *("chain", "draw", "draws", "control", "global", "row", ALL_PRODUCTS),
    *("elasticity", "product_effect", "time_effect", "control_effect", "group_effect", "between_price"),
    *("correlation", "units", "price_level", "n_price_changes"),
)
DIMENSIONS = ("product", "groups", "time")
ONE_COLUMN = ("product", "time", "price", "exposure", "reference_price")
UnitsReader = Callable[[pd.Series, bool], np.ndarray]


def reserved_labels(roles: Roles) -> tuple[str, ...]:
    """Names of tables' columns and of the posterior's variables, those of groups included, noise aside.

    A group ``x`` has the variables ``elasticity_x`` and ``elasticity_x_sd``, and so has a group ``x_sd``.
    """
    means = [f"elasticity_{name}" for name in roles.groups]
    spreads = [f"{name}_sd" for name in roles.groups]
    twice = [name for name in spreads if name in roles.groups]
    return (*RESERVED_LABELS, *means, *(f"{mean}_sd" for mean in means), *twice)


def read_frame(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    roles: Roles,
    *,
    read_units: UnitsReader | None,
    reserved: tuple[str, ...],
    reset: bool,
) -> tuple[pd.DataFrame, np.ndarray | None, Roles]:
    """The frame, the units (n,) and the roles; ``y`` None and ``read_units`` None read X alone.

    Without any role every column is a control, and X may be anything that scikit-learn takes. What a fit
    can't learn from, units that are all zero or those of a control, can be scored.

    Parameters
    ----------
    read_units : callable or None
        The likelihood's check of a column of units; it takes fractions where told that it need not be whole.
    reserved : tuple of str
        Names of noise in the posterior, which columns with some roles must not have.
    """
    X, y = both_in_pandas(X, y)
    refuse_name(X, y)
    named = roles != Roles()
    if not named:
        wanted = {} if read_units is None else {"y": y, "y_numeric": True}
        frame, y = read_plain(estimator, X, reset=reset, **wanted)
        roles = replace(roles, controls=tuple(frame.columns))
    else:
        frame = _read_roles(estimator, X, roles, reserved, reset)
    if read_units is None:
        return frame, None, roles
    if y is None:
        raise InvalidDataError("y is missing: pass the units sold, one value per row of X.")
    refuse_columns(y)
    check_same_rows(frame, y)
    units = read_units(one_column(y), roles.product is not None)
    if reset:
        _refuse_nothing_sold(units)
    if named and reset:
        _refuse_outcomes(frame, units, roles)
    return frame, units, roles


def _refuse_outcomes(frame, units, roles):
    """Raise if a control is the units or what was paid for them."""
    for name in roles.controls:
        values = numeric_column(frame[name], "controls")
        refuse_outcome(frame[name], values, units, "controls")
        if roles.price is not None:
            paid = units * as_floats(frame[roles.price], "price")
            if len(units) and np.allclose(values, paid, rtol=1e-3, atol=0) and np.ptp(paid):
                refuse_outcome(frame[name], paid, paid, "controls", "y times the price")


def _refuse_nothing_sold(units):
    if not units.any():
        raise InvalidDataError(
            "units are zero in every row: nothing was sold, so there is nothing to learn from."
        )


def _read_roles(estimator, X, roles, reserved, reset):
    require_frame(X)
    # Only products that were not fitted need it, so that X of a fit may do without.
    reference = roles.reference_price if roles.reference_price in X else None
    named = {
        "product": roles.product,
        "groups": roles.groups,
        "time": roles.time,
        "price": roles.price,
        "controls": roles.controls,
        "exposure": roles.exposure,
        "reference_price": reference,
    }
    reserved = (*reserved_labels(roles), *reserved)
    check_roles(X, named, one_column=ONE_COLUMN, dimensions=DIMENSIONS, reserved=reserved)
    columns = [roles.product, *roles.groups, roles.time, roles.price, *roles.controls, roles.exposure]
    if reference is None:
        return select_columns(estimator, X, columns, reset=reset)
    frame = select_columns(estimator, X.drop(columns=reference), columns, reset=reset)
    return frame.assign(**{reference: X[reference]})
