"""Prices that do best under the posterior.

Array names and axis order: N products, S draws, P prices of the grid.
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidArgumentError, InvalidDataError, unknown
from hdfm.frames.columns import examples
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.posterior.draws import DemandDraws
from hdfm.sales.posterior.predict import log_of_mean_noise
from hdfm.sales.spec import DemandSpec

OBJECTIVES = ("profit", "revenue", "units")
GRID = 81


def check_bounds(bounds) -> None:
    """Raise unless bounds are two rising, finite, positive numbers."""
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not 0 < low < high < np.inf:
        raise InvalidArgumentError(f"bounds must be two rising multiples of the price; got {bounds!r}.")


def unit_costs(cost, products: pd.Index, objective: str) -> np.ndarray:
    """Unit cost (N,) from one number, or one by product label."""
    match objective:
        case "profit":
            return _costs_of_profit(cost, products)
        case "revenue" | "units":
            return np.zeros(len(products))
        case _:
            raise unknown("objective", objective)


def _costs_of_profit(cost, products):
    if cost is None:
        raise InvalidArgumentError(
            'objective="profit" needs cost: a number, or a mapping from product to cost.'
        )
    if isinstance(cost, Mapping | pd.Series):
        cost = pd.Series(cost)
        missing = products.difference(cost.index)
        if len(missing):
            raise InvalidDataError(f"cost lacks {len(missing):,} products, such as {examples(missing)}.")
        if not cost.index.is_unique:
            raise InvalidDataError("cost names a product more than once.")
        cost = cost.loc[products]
    elif not isinstance(cost, Real):
        raise InvalidArgumentError(f"cost must be a number, or a mapping from product to cost; got {cost!r}.")
    costs = np.broadcast_to(np.asarray(cost, dtype=float), len(products)).copy()
    if not np.isfinite(costs).all() or (costs < 0).any():
        raise InvalidDataError("cost must be finite and not negative for every product.")
    return costs


def optimal_prices(
    draws: DemandDraws,
    panel: SalesPanel,
    spec: DemandSpec,
    costs: np.ndarray,
    bounds: tuple[float, float],
    objective: str,
    ci_prob: float,
) -> pd.DataFrame:
    r"""The price in bounds that has the highest posterior mean of the objective.

    With demand of constant elasticity, at a price r times the last,

    .. math:: \mathrm{units}(r) = q r^{\beta}, \quad \mathrm{revenue}(r) = p r q r^{\beta}, \quad
        \mathrm{profit}(r) = (p r - c) q r^{\beta}

    where q is expected units at the last price in an average period, without time effects and at mean
    controls.
    """
    assert draws.beta is not None
    ratios = np.linspace(*bounds, GRID)[:, None]
    price = panel.last_price
    x = np.log(price) - panel.price_level
    exposure = _mean_log_exposure(panel)
    noise = log_of_mean_noise(draws.scale, spec.likelihood)
    tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    rows = []
    for i, (p, cost) in enumerate(zip(price, costs, strict=True)):
        today = np.exp(draws.delta[i] + draws.beta[i] * x[i] + exposure[i] + noise)
        units = today * ratios ** draws.beta[i]
        value = _value(objective, p * ratios, cost, units)
        base = _value(objective, p, cost, today)
        k = int(value.mean(axis=1).argmax())
        change = value[k] - base
        rows.append(
            (
                p,
                p * ratios[k, 0],
                ratios[k, 0],
                today.mean(),
                units[k].mean(),
                base.mean(),
                change.mean(),
                *np.quantile(change, tails),
                k in (0, GRID - 1),
            )
        )
    names = ["price", "optimal_price", "ratio", "units", "units_at_optimum", "value"]
    names += ["change", "change_lower", "change_upper", "at_bound"]
    table = pd.DataFrame(rows, columns=names, index=panel.product)
    table.attrs |= {"ci_prob": ci_prob, "objective": objective}
    return table


def _value(objective, price, cost, units):
    match objective:
        case "units":
            return units
        case "profit" | "revenue":  # the costs of revenue are 0
            return (price - cost) * units
        case _:
            raise unknown("objective", objective)


def _mean_log_exposure(panel):
    mean = np.exp(panel.log_exposure).sum(axis=1, where=panel.observed) / panel.observed.sum(axis=1)
    return np.log(mean)
