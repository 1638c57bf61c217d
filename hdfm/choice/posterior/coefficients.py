r"""Tables of coefficients over time, and what they are worth in money.

.. math::

    \bar\beta_s(t) = \frac{1}{N} \sum_i \beta_{is}(t)

Array names and axis order: D draws, N customers, S coefficients, T periods.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.market import ChoicePosterior
from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.factors.draws import mean_of_customers
from hdfm.factors.pieces import pieces
from hdfm.frames.columns import plain
from hdfm.frames.labels import label_list
from hdfm.frames.periods import in_time_order
from hdfm.frames.weights import weights_of_labels
from hdfm.summaries.effects import effect_table
from hdfm.summaries.intervals import summarise

BY = ("customer", "time")
COLUMNS = ["mean", "sd", "lower", "upper", "p_positive"]
LARGEST_LOG = 700.0
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """What coefficients are averaged over: customers and periods that ``by`` doesn't name.

    Attributes
    ----------
    by : sequence of {"customer", "time"}
    customers : sequence, optional
        Labels of those to take; all by default.
    weights : dict or pandas.Series, optional
        How often each customer counts in means.
    """

    by: Sequence[str] = ()
    customers: Sequence | None = None
    weights: Any = None


def coefficient_table(posterior: ChoicePosterior, averages: Averages, ci_prob: float) -> pd.DataFrame:
    """Posterior of coefficients.

    Returns
    -------
    pandas.DataFrame
        Index ``category``, ``predictor`` and those of ``by``, sorted; ``mean``, ``sd``, ``lower``, ``upper``,
        ``p_positive``.
    """
    tables, draws, panel, by = [], posterior.draws, posterior.panel, averages.by
    for label, paths in _paths(posterior, averages):
        values = paths if "time" in by else paths.mean(axis=1, keepdims=True)
        D, T, S = values.shape
        index = _index(panel, "customer" in by, label, "time" in by)
        flat = values.transpose(2, 1, 0).reshape(S * T, D)
        rows = summarise(flat, index, ci_prob)[COLUMNS]
        if "customer" in by and "time" not in by and draws.customer_sd is not None:
            rows = _normal_rows(rows, draws.customer_sd[panel.customer.get_loc(label)], ci_prob)
        tables.append(rows)
    table = pd.concat(tables).sort_index()
    table.attrs["ci_prob"] = ci_prob
    return table


def _normal_rows(rows, sd, ci_prob):
    """Rows of means (S,) with intervals of a normal posterior."""
    half = sd * stats.norm.ppf((1 + ci_prob) / 2)
    return rows.assign(
        sd=sd,
        lower=rows["mean"] - half,
        upper=rows["mean"] + half,
        p_positive=stats.norm.cdf(rows["mean"] / np.maximum(sd, SMALLEST)),
    )


def feature_table(posterior: ChoicePosterior, ci_prob: float, weights: Any = None) -> pd.DataFrame:
    """Coefficients of features, means over customers and periods, as effects on utility."""
    draws, panel = posterior.draws, posterior.panel
    column = np.concatenate([category.column for category in panel.categories])
    features = np.flatnonzero(column >= (panel.roles.price is not None))  # intercepts -1, the price first
    index: pd.Index = panel.coefficient[features].set_names(["category", "control"])
    if panel.roles.category is None:
        index = index.get_level_values("control")
    which = np.arange(draws.alpha.shape[1])
    paths = population_paths(draws, which, _weights_of(weights, panel, which))
    values = paths.mean(axis=1)[:, features]
    return effect_table(values.T.astype(float), index, ci_prob)


def willingness_to_pay_table(
    posterior: ChoicePosterior, predictor: str, averages: Averages, ci_prob: float
) -> pd.DataFrame:
    r"""Willingness to pay for one unit of a predictor, in every category that has it.

    .. math::

        -\frac{\beta_p}{\beta_\text{price}} \text{ (linear price)}, \qquad
        \exp\Big(-\frac{\beta_p}{\beta_\text{price}}\Big) - 1 \text{ (log price: a share of the price)}

    Ratios of draws have heavy tails where the price coefficient may be near 0: hence the median.

    Returns
    -------
    pandas.DataFrame
        Index ``category`` and those of ``by``; ``median``, ``lower``, ``upper``.

    Raises
    ------
    InvalidArgumentError
        If the model has no price, or no category has both the price and the predictor.
    """
    panel, by = posterior.panel, averages.by
    price = panel.roles.price
    if price is None:
        raise InvalidArgumentError("Willingness to pay needs a price: name its column with price=.")
    if not isinstance(predictor, str):
        raise InvalidArgumentError(f"predictor takes one name; got {predictor!r}.")
    pairs = [
        (category.label, category.coefficient.start + k[0], category.coefficient.start + p[0])
        for category in panel.categories
        if len(k := np.flatnonzero(category.predictor == predictor))
        and len(p := np.flatnonzero(category.predictor == price))
    ]
    if not pairs or predictor == price:
        predictors = panel.coefficient.get_level_values("predictor").unique().drop(price, errors="ignore")
        raise InvalidArgumentError(
            f"predictor must be one of {list(predictors)}, in a category with a price; got {predictor!r}."
        )
    tables = []
    for label, paths in _paths(posterior, averages):
        values = paths if "time" in by else paths.mean(axis=1, keepdims=True)
        for category, k, p in pairs:
            ratio = -values[:, :, k] / values[:, :, p]
            ratio, unit = _worth(ratio, panel.roles)
            ends = [(1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2]
            lower, median, upper = np.quantile(ratio, ends, axis=0)
            if len(ratio) == 1:
                lower = upper = np.full_like(median, np.nan)
            cells = {"category": category} | ({"customer": label} if "customer" in by else {})
            if "time" in by:
                cells["time"] = in_time_order(panel.period, panel.period)
            tables.append(pd.DataFrame(cells | {"median": median, "lower": lower, "upper": upper}))
    table = pd.concat(tables).set_index(["category", *(role for role in BY if role in by)]).sort_index()
    table.attrs |= {"ci_prob": ci_prob, "unit": unit}
    return table


def _worth(ratio, roles):
    """Willingness to pay, and its unit, from minus the ratio of a coefficient to the price's."""
    match roles.price_transform:
        case "log":
            return np.expm1(np.minimum(ratio, LARGEST_LOG)), "share of the price"
        case "linear":
            return ratio, f"units of {roles.price!r}"
        case _:
            raise unknown("price_transform", roles.price_transform)


def population_paths(draws: ChoiceDraws, which: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean coefficients (D, T, S) of the customers at positions ``which``; T is 1 without factors.

    Parameters
    ----------
    weights : numpy.ndarray, optional
        How often each of them counts.
    """
    N = draws.alpha.shape[1]
    if draws.population is not None and len(which) == N and weights is None:
        return draws.population
    everyone = slice(None)
    members: slice | np.ndarray = everyone if np.array_equal(which, np.arange(N)) else which
    beta = mean_of_customers(draws.alpha, members, weights)[:, None, :]
    return sum((tier.mean(draws.parts, members, weights) for tier in draws.tiers), start=beta)


def _weights_of(weights, panel, which):
    """How often customers at positions ``which`` count; None where all do once."""
    role = panel.roles.customer or "customer"
    return None if weights is None else weights_of_labels(weights, panel.customer[which], role)


def read_by(by: str | Sequence[str] | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """Roles as a tuple, each among ``allowed``."""
    if by is None:
        return ()
    names = tuple(by) if pd.api.types.is_list_like(by) else (str(by),)
    for name in names:
        if name not in allowed:
            raise InvalidArgumentError(f"by takes names among {list(allowed)}; got {name!r}.")
    return names


def _paths(posterior, averages) -> Iterator[tuple]:
    """Label and coefficients (D, T, S) of each customer, or of all of them together."""
    draws, panel, by, weights = posterior.draws, posterior.panel, averages.by, averages.weights
    for role in by:
        match role:
            case "customer" | "time":
                pass
            case _:
                raise unknown("by", role)
    which = np.arange(draws.alpha.shape[1])
    shape = (len(panel.period), len(panel.coefficient))
    if averages.customers is not None:
        labels = label_list(averages.customers, "customers")
        which = panel.customer.get_indexer(labels)
        if not len(which) or (which < 0).any():
            strangers = [plain(label) for label, code in zip(labels, which, strict=True) if code < 0]
            raise InvalidArgumentError(
                f"customers must name fitted ones; {len(strangers):,} of {len(which):,} are not, "
                f"such as {strangers[:3]}."
            )
    if weights is not None and "customer" in by:
        raise InvalidArgumentError('weights= weigh customers in means over them; by="customer" takes none.')
    if "customer" not in by:
        paths = population_paths(draws, which, _weights_of(weights, panel, which))
        yield None, np.broadcast_to(paths, (len(paths), *shape))
        return
    if panel.roles.customer is None:
        raise InvalidArgumentError('by="customer" needs a customer column: name it with customer=.')
    cells = sum(values[:, :1].size for values in _of_customers(draws))
    for piece in pieces(len(which), cells):
        customer_draws = draws.of_customers(which[piece])
        for place, i in enumerate(which[piece]):
            paths = population_paths(customer_draws, np.array([place]))
            yield panel.customer[i], np.broadcast_to(paths, (draws.n_draws, *shape))


def _of_customers(draws):
    """Arrays (D, N, ...) of customers."""
    yield draws.alpha
    for tier in draws.tiers:
        yield from (array for array in (tier.loading, tier.path) if array.shape[1] == draws.alpha.shape[1])


def _index(panel, with_customer, label, with_time):
    """(category, predictor[, customer][, time]) of the rows of one table, coefficient by coefficient."""
    S, T = len(panel.coefficient), len(panel.period) if with_time else 1
    levels = {
        name: np.repeat(panel.coefficient.get_level_values(k), T)
        for k, name in enumerate(("category", "predictor"))
    }
    if with_customer:
        levels["customer"] = pd.Index([label] * (S * T))
    if with_time:
        levels["time"] = in_time_order(panel.period[np.tile(np.arange(T), S)], panel.period)
    return pd.MultiIndex.from_arrays(list(levels.values()), names=list(levels))
