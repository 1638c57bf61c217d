"""The values that a fit saw of its predictors, and rows to predict that are far from them.

Array names and axis order: n rows, K columns that hold a predictor; in a category J products, P predictors
without intercepts.
"""

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.frames.columns import numeric_column
from hdfm.frames.findings import far_outside


def far_predictors(
    frame: pd.DataFrame,
    panel: ChoicePanel,
    values: np.ndarray,
    category: np.ndarray,
    choices: tuple[CategoryChoices, ...],
    where: np.ndarray,
) -> list[str]:
    """Extrapolation warnings, as sentences: columns with values far outside those of the fit.

    A price is held against those of its product, a feature against those of its category; what was not
    fitted against those of the category, or of all.

    Parameters
    ----------
    values : numpy.ndarray
        Price and features (n, K) as they enter utility, not centred.
    category : numpy.ndarray
        Position (n,) among the panel's; -1 where not among them.
    choices : tuple of CategoryChoices
        The rows as they are laid out.
    where : numpy.ndarray
        True (n, K) where a value matters.
    """
    roles = panel.roles
    low, high = np.full((2, *values.shape), np.nan)
    anywhere = np.full((2, values.shape[1]), np.nan)
    for c, (panel_category, fitted) in enumerate(zip(panel.categories, panel.choices, strict=True)):
        columns = panel_category.column[panel_category.intercept_of < 0]
        lowest, highest = _seen(panel_category, fitted, columns, panel.log_price_centre[c])
        limits = np.stack([lowest.min(axis=0), highest.max(axis=0)])
        anywhere[0, columns] = np.fmin(anywhere[0, columns], limits[0])
        anywhere[1, columns] = np.fmax(anywhere[1, columns], limits[1])
        r = np.flatnonzero(category == c)
        low[np.ix_(r, columns)], high[np.ix_(r, columns)] = limits
        price = np.flatnonzero(columns == 0) if roles.price is not None else columns[:0]
        row_product = choices[c].row[choices[c].product >= 0], choices[c].product[choices[c].product >= 0]
        for k in price:
            seen = np.isfinite(lowest[row_product[1], k])
            row, product = row_product[0][seen], row_product[1][seen]
            low[row, 0], high[row, 0] = lowest[product, k], highest[product, k]
    low[category < 0], high[category < 0] = anywhere
    sentences = []
    for k, name in enumerate(roles.predictors):
        column, used = frame[name], where[:, k]
        x, a, b = (np.where(used, array[:, k], np.nan) for array in (values, low, high))
        is_price = name == roles.price
        if is_price and roles.log_price is not None:
            x, a, b = np.exp(x), np.exp(a), np.exp(b)
        sentences += far_outside(column, "price" if is_price else "features", x, a, b, ratio=is_price)
    return sentences


def far_covariates(frame: pd.DataFrame, panel: ChoicePanel, new: np.ndarray) -> list[str]:
    """Extrapolation warnings: covariates of new customers, ``new`` (n,), far outside the fitted ones'."""
    sentences = []
    fitted = panel.covariates * panel.covariate_sd + panel.covariate_mean
    for k, name in enumerate(panel.roles.customer_covariates if new.any() else ()):
        values = numeric_column(frame[name], "customer_covariates", where=new)
        low, high = (np.full(len(new), limit) for limit in (fitted[:, k].min(), fitted[:, k].max()))
        sentences += far_outside(frame[name], "customer_covariates", np.where(new, values, np.nan), low, high)
    return sentences


def _seen(category: Category, choices: CategoryChoices, columns: np.ndarray, centre: float):
    """Range, lowest and highest (J, P), of each product's values; infinite where it was never available."""
    x = choices.x[..., category.intercept_of < 0][choices.mask]
    x = x + np.where(columns == 0, centre, 0.0)
    product = choices.product[choices.mask]
    lowest, highest = (np.full((len(category.product), len(columns)), end) for end in (np.inf, -np.inf))
    np.minimum.at(lowest, product, x)
    np.maximum.at(highest, product, x)
    return lowest, highest
