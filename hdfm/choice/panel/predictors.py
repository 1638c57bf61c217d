"""Predictors and customer covariates of a long frame: read, checked, and found to inform or not.

Array names and axis order: n rows, C categories, N customers; K columns that hold a predictor (the price and
the features) or a covariate.
"""

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.sets import ChoiceSets
from hdfm.exceptions import InvalidDataError, unknown
from hdfm.frames.columns import examples, numeric_column, plain, refuse_rows

ROUNDING = 1e-12
_PRICE_REMEDY = (
    "Fill in what it would have cost, whether or not it was bought, or mark what could not be bought in an "
    "availability column"
)


def refuse_products_without_price(frame: pd.DataFrame, roles: ChoiceRoles, sets: ChoiceSets) -> None:
    """Raise if a product has no price in any row: it may stand for buying nothing."""
    if roles.product is None or roles.price is None:
        return
    absent = _without_price(frame[roles.price], roles.price_transform)
    product, absent = sets.product[sets.available], absent[sets.available]
    never = pd.Series(absent).groupby(product.to_numpy(), sort=False).transform("all").to_numpy(dtype=bool)
    if not never.any():
        return
    labels = product[never].unique()
    rows = f"X[{roles.product!r}] != {plain(labels[0])!r}"
    raise InvalidDataError(
        f"price column {roles.price!r} has no price in any of the {int(never.sum()):,} rows of "
        f"{len(labels):,} products (such as {examples(labels)}) of column {roles.product!r}. If "
        f"{plain(labels[0])!r} stands for buying nothing, it is no alternative: keep the rows {rows}, of X "
        "and of y, and set outside_option=True. Else fill prices in, or mark what could not be bought in an "
        "availability column."
    )


def _without_price(column, price_transform):
    """True (n,) where a price is missing, or is 0 and to be used in logs."""
    missing = column.isna().to_numpy()
    match price_transform:
        case "linear":
            return missing
        case "log":
            return missing | (column == 0).to_numpy(dtype=bool, na_value=True)
        case _:
            raise unknown("price_transform", price_transform)


def predictor_values(frame: pd.DataFrame, roles: ChoiceRoles, where: np.ndarray) -> np.ndarray:
    """Price and features (n, K) as they enter utility; 0 where ``where`` (n, K) is False."""
    values = np.zeros(where.shape)
    for k, name in enumerate(roles.predictors):
        read = _price if name == roles.price else _feature
        values[:, k] = read(frame[name], roles, where[:, k])
    return values


def belonging(
    frame: pd.DataFrame, roles: ChoiceRoles, category: np.ndarray, n_categories: int, available: np.ndarray
) -> np.ndarray:
    """False (C, K) where a feature is missing throughout a category, and so is none of its predictors.

    Parameters
    ----------
    category, available : numpy.ndarray
        Code and availability (n,) of each row.
    """
    belongs = np.ones((n_categories, len(roles.predictors)), dtype=bool)
    for k, name in enumerate(roles.predictors):
        if name != roles.price:
            present = available & frame[name].notna().to_numpy()
            in_category = np.bincount(category, present, minlength=n_categories) > 0
            belongs[:, k] = in_category | ~in_category.any()
    return belongs


def informative(
    values: np.ndarray, roles: ChoiceRoles, sets: ChoiceSets, category: np.ndarray, n_categories: int
) -> np.ndarray:
    """True (C, K) where a column tells available alternatives apart, or them from the outside option.

    Within choice sets only differences count. Against an outside option levels do too: a column must then
    vary within the category or, where no intercept stands beside it, differ from 0. The level of a log price
    is that of the currency, and never counts.
    """
    group = category if roles.outside else sets.code
    n_groups = n_categories if roles.outside else len(sets.label)
    owner = np.arange(n_categories) if roles.outside else category[sets.first]
    level = roles.outside and not roles.product_intercepts
    used = sets.available
    informs = np.zeros((n_categories, values.shape[1]), dtype=bool)
    for k, (name, column) in enumerate(zip(roles.predictors, values.T, strict=True)):
        low, high = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
        np.minimum.at(low, group[used], column[used])
        np.maximum.at(high, group[used], column[used])
        size = np.maximum(np.abs(low), np.abs(high))
        moves = size > 0 if level and name != roles.log_price else high - low > ROUNDING * size
        informs[:, k] = np.bincount(owner, moves & (high >= low), minlength=n_categories) > 0
    return informs


def log_price_centre(
    values: np.ndarray, roles: ChoiceRoles, counted: np.ndarray, category: np.ndarray, n_categories: int
) -> np.ndarray:
    r"""Centre of the log price by category (C,): its mean where something stands against utility 0, else 0.

    .. math:: \overline{\log p_c} = \frac{\sum_{r \in c} w_r \log p_r}{\sum_{r \in c} w_r}

    over the rows r of a category, which count w_r = ``counted`` (n,) times. A log price moves with the
    currency, and with it would all utilities but the outside option's; :func:`centred` takes the centre off.
    """
    if not roles.outside or roles.log_price is None:
        return np.zeros(n_categories)
    column = values[:, roles.predictors.index(roles.log_price)]
    count = np.bincount(category, counted, minlength=n_categories)
    total = np.bincount(category, column * counted, minlength=n_categories)
    return total / np.where(count > 0, count, 1)


def centred(values: np.ndarray, roles: ChoiceRoles, centre: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Predictors (n, K) with the log price less its centre (n,); 0 where ``where`` (n, K) is False."""
    if roles.log_price is None:
        return values
    k = roles.predictors.index(roles.log_price)
    return values - np.where(where, centre[:, None], 0.0) * (np.arange(values.shape[1]) == k)


def customer_covariates(
    frame: pd.DataFrame, roles: ChoiceRoles, customer: np.ndarray, n_customers: int
) -> np.ndarray:
    """Covariates (N, K) of the customers that rows (n,) belong to; rows with a code of -1 are left out."""
    has_customer = customer >= 0
    covariates = np.zeros((n_customers, len(roles.customer_covariates)))
    for k, name in enumerate(roles.customer_covariates):
        values = numeric_column(frame[name], "customer_covariates", where=has_customer)
        covariates[customer[has_customer], k] = values[has_customer]
        changes = has_customer.copy()
        changes[has_customer] = values[has_customer] != covariates[customer[has_customer], k]
        if changes.any():
            at = customer == customer[changes][0]
            label, sample = plain(frame.loc[at, roles.customer].iloc[0]), np.unique(values[at])[:3].tolist()
            count = len(np.unique(customer[changes]))
            raise InvalidDataError(
                f"customer_covariates column {name!r} changes within {count:,} of {n_customers:,} customers, "
                f"such as {label!r} with {sample}. A covariate is constant within a customer: average it, or "
                "make it a feature."
            )
    return covariates


def column_moments(covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (K,) over customers; 1 for a constant covariate."""
    mean, sd = covariates.mean(axis=0), covariates.std(axis=0)
    return mean, np.where(sd > ROUNDING * np.maximum(1.0, np.abs(mean)), sd, 1.0)


def _feature(column, roles, where):
    return numeric_column(column, "features", where=where)


def _price(column, roles, where):
    values = numeric_column(column, "price", where=where, missing_remedy=_PRICE_REMEDY)
    match roles.price_transform:
        case "linear":
            return values
        case "log":
            return _log_price(column, values, where)
        case _:
            raise unknown("price_transform", roles.price_transform)


def _log_price(column, values, where):
    refuse_rows(
        column,
        where & (values <= 0),
        f"price column {column.name!r}",
        "prices that are zero or negative",
        "The price is used in logs: fill in what it would have cost, or mark what could not be bought in an "
        'availability column. Where 0 is the price of what was free, set price_transform="linear"',
    )
    return np.log(np.where(where, values, 1.0))
