"""Prices that do best under the posterior.

Array names and axis order: N products, S draws, P prices of the grid.
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError, unknown, warn_caller
from hdfm.frames.columns import examples, numeric_column, plain, refuse_rows, shown
from hdfm.frames.findings import FAR, far_outside, warn_of_far
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.rows import SalesRows
from hdfm.sales.posterior.draws import DemandPosterior
from hdfm.sales.posterior.predict import demand_multipliers

OBJECTIVES = ("profit", "revenue", "units")
GRID = 81


def check_bounds(bounds: tuple[float, float]) -> None:
    """Raise unless bounds are two rising, finite, positive numbers, and not both far above or below 1."""
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not 0 < low < high < np.inf:
        raise InvalidArgumentError(
            f"bounds must be two rising multiples of the last price; got {shown(bounds)}."
        )
    if low >= FAR or high <= 1 / FAR:
        raise InvalidArgumentError(
            f"bounds are multiples of the last price; between {low:g} and {high:g} times it no product is "
            "sold. For a fifth below to a fifth above the last price, 80 to 120 per cent of it, pass "
            "bounds=(0.8, 1.2)."
        )


def unit_costs(cost: Any, products: pd.Index, objective: str) -> np.ndarray | None:
    """Unit cost (N,) from one number, or one by product label; None where none is given nor needed."""
    match objective:
        case "profit":
            if cost is None:
                raise InvalidArgumentError(
                    'objective="profit" needs cost: a number, or a mapping from product to cost.'
                )
        case "revenue" | "units":
            if cost is None:
                return None
        case _:
            raise unknown("objective", objective)
    return _costs_by_product(cost, products)


def _costs_by_product(cost, products):
    if isinstance(cost, Mapping | pd.Series):
        cost = pd.Series(cost)
        missing = products.difference(cost.index)
        if len(missing):
            raise InvalidDataError(f"cost lacks {len(missing):,} products, such as {examples(missing)}.")
        if not cost.index.is_unique:
            raise InvalidDataError("cost names a product more than once.")
        cost = cost.loc[products].rename(None)
        costs = numeric_column(cost, "cost", missing_remedy="Give every product its cost")
        refuse_rows(cost, costs < 0, "cost", "negative values", "A unit costs 0 or more")
        return costs
    if not isinstance(cost, Real):
        raise InvalidArgumentError(
            f"cost must be a number, or a mapping from product to cost; got {shown(cost)}."
        )
    if not 0 <= cost < np.inf:
        raise InvalidDataError(f"cost must be finite and not negative; got {cost!r}.")
    return np.full(len(products), float(cost))


def warn_of_units(costs: np.ndarray | None, bounds: tuple[float, float], panel: SalesPanel) -> None:
    """Warn of prices in bounds far from those seen, and of costs (N,) that no price in them covers."""
    last = pd.Series(panel.last_price, index=panel.product)
    sentences = []
    for role, bound in zip(("lowest price in bounds", "highest price in bounds"), bounds, strict=True):
        price = last * bound
        sentences += far_outside(price, role, price.to_numpy(), *panel.price_range, ratio=True)
    warn_of_far(sentences)
    high = (last * bounds[1]).to_numpy()
    if costs is not None and (costs > high).all():
        warn_caller(
            f"cost is above the highest price in bounds of all {len(costs):,} products, such as "
            f"{costs[0]:.4g} for {plain(panel.product[0])!r}, whose highest price is {high[0]:.4g}: every "
            "sale is a loss. Check that costs are in the unit of prices; cents in that of euros are "
            "cost / 100.",
            DataWarning,
        )


def optimal_prices(
    posterior: DemandPosterior,
    rows: SalesRows,
    costs: np.ndarray | None,
    *,
    bounds: tuple[float, float],
    objective: str,
    ci_prob: float,
) -> pd.DataFrame:
    r"""The price in bounds that has the highest posterior mean of the objective.

    With demand of constant elasticity, at a price r times the last,

    .. math:: \mathrm{units}(r) = q r^{\beta}, \quad \mathrm{revenue}(r) = p r q r^{\beta}, \quad
        \mathrm{profit}(r) = (p r - c) q r^{\beta}

    where q is expected units at the last price, averaged over the product's ``rows`` with their time effects,
    controls, exposure and paths: a mean of exponentials, as predictions are. Where elasticities move, each
    row has its own, and the log of the mean over rows is taken for quadratic in log r.
    """
    draws, panel = posterior.draws, posterior.panel
    assert draws.beta is not None
    ratios = np.linspace(*bounds, GRID)[:, None]
    price = panel.last_price
    x = np.log(price) - panel.price_level
    log_ratio = np.log(ratios)
    knots = log_ratio[[0, GRID // 2, -1], 0] if posterior.spec.moves else np.zeros(1)
    tails = [(1 - ci_prob) / 2, (1 + ci_prob) / 2]
    table = []
    for i, multipliers in enumerate(demand_multipliers(posterior, rows, x[:, None] + knots)):
        p, cost = price[i], np.nan if costs is None else costs[i]
        eta, scale = draws.delta[i] + draws.beta[i] * x[i], draws.scale.of_rows(np.array([i]))[0]
        expected = posterior.spec.family.mean_units(eta, scale)
        today = expected * _between(knots, multipliers, np.zeros((1, 1)))[0]
        units = expected * _between(knots, multipliers, log_ratio) * ratios ** draws.beta[i]
        value = _value(objective, p * ratios, cost, units)
        base = _value(objective, p, cost, today)
        k = int(value.mean(axis=1).argmax())
        change = value[k] - base
        best, before, after = p * ratios[k, 0], today.mean(), units[k].mean()
        lower, upper = np.quantile(change, tails)
        table.append(
            {
                "price": p,
                "optimal_price": best,
                "ratio": ratios[k, 0],
                "units": before,
                "units_at_optimum": after,
                "revenue": p * before,
                "revenue_at_optimum": best * after,
                "profit": (p - cost) * before,
                "profit_at_optimum": (best - cost) * after,
                "value": base.mean(),
                "change": change.mean(),
                "change_lower": lower,
                "change_upper": upper,
                "at_bound": k in (0, GRID - 1),
            }
        )
    out = pd.DataFrame(table, index=panel.product)
    if costs is None:
        out = out.drop(columns=["profit", "profit_at_optimum"])
    out.attrs |= {"ci_prob": ci_prob, "objective": objective}
    return out


def _between(knots, values, place):
    """Values (n, S) at places (n, 1), of which the logs are quadratic through those at three knots (3, S)."""
    if len(knots) == 1:
        return values
    out = np.zeros((len(place), values.shape[1]))
    for k, log_value in enumerate(np.log(values)):
        others = np.delete(knots, k)
        out += ((place - others) / (knots[k] - others)).prod(axis=1, keepdims=True) * log_value
    return np.exp(out)


def _value(objective, price, cost, units):
    match objective:
        case "units":
            return units
        case "revenue":
            return price * units
        case "profit":
            return (price - cost) * units
        case _:
            raise unknown("objective", objective)
