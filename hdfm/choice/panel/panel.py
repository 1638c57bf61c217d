"""A long frame of alternatives -> the panel that the choice model is fitted to.

Array names and axis order: N customers, C categories, T periods, O choice sets, K covariates, S pairs of
category and predictor.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import Category, CategoryChoices, RowCodes, lay_out
from hdfm.choice.panel.leaks import refuse_outcomes
from hdfm.choice.panel.predictors import (
    ROUNDING,
    belonging,
    centred,
    column_moments,
    customer_covariates,
    informative,
    log_price_centre,
    predictor_values,
    refuse_products_without_price,
)
from hdfm.choice.panel.purchases import refuse_purchases_alone
from hdfm.choice.panel.read import read_chosen
from hdfm.choice.panel.roles import ChoiceRoles, with_features
from hdfm.choice.panel.sets import check_chosen, read_sets
from hdfm.exceptions import InvalidDataError
from hdfm.factors.tier import COEFFICIENT, OF_CUSTOMER
from hdfm.frames.columns import refuse_far_apart, sorted_labels
from hdfm.frames.labels import stored_labels, warn_of_twins
from hdfm.frames.periods import plain_labels
from hdfm.frames.timeline import Timeline

INTERCEPT = "intercept"


@dataclass(frozen=True)  # without slots, so that facts are found once
class ChoicePanel:
    """All choice sets of a frame, by category.

    Attributes
    ----------
    roles : ChoiceRoles
        The columns, features named.
    customer, period, choice_set : pandas.Index
        Labels (N,), (T,), (O,), sorted; "all" alone for customers or periods without a column.
    time : numpy.ndarray
        The periods (T,) on a scale from 0, the first, to 1, the last.
    time_span : float
        From the first period to the last, in units of the column; days for dates.
    categories : tuple of Category
        C of them, sorted by label.
    choices : tuple of CategoryChoices
        The arrays of each category.
    coefficient : pandas.MultiIndex
        (category, predictor) of all S coefficients.
    log_price_centre : numpy.ndarray
        What is taken from the log price, by category (C,): its mean, with an outside option, else 0.
    predictor_mean : numpy.ndarray
        Mean (S,) of each predictor over the available alternatives of sets with more than one option.
    predictor_sd : numpy.ndarray
        Standard deviation (S,) about the mean of the choice set; about the category's mean where
        there is an outside option. 1 where that is 0.
    covariates : numpy.ndarray
        Customer covariates (N, K), standardised.
    covariate_mean, covariate_sd : numpy.ndarray
        What they were standardised with (K,).
    left_out : pandas.MultiIndex
        (category, predictor) of columns that carry no information there.
    n_rows : int
        Rows of the frame.
    period_order : pandas.Index or None
        All labels of an ordered categorical of periods, fitted or not, where they alone say the order.
    """

    roles: ChoiceRoles
    customer: pd.Index
    period: pd.Index
    choice_set: pd.Index
    time: np.ndarray
    time_span: float
    categories: tuple[Category, ...]
    choices: tuple[CategoryChoices, ...]
    coefficient: pd.MultiIndex
    log_price_centre: np.ndarray
    predictor_mean: np.ndarray
    predictor_sd: np.ndarray
    covariates: np.ndarray
    covariate_mean: np.ndarray
    covariate_sd: np.ndarray
    left_out: pd.MultiIndex
    n_rows: int
    period_order: pd.Index | None = None

    @cached_property
    def timeline(self) -> Timeline:
        """Where the periods lie in time."""
        return Timeline(self.period, self.period_order)

    @property
    def owners(self) -> dict[str, np.ndarray]:
        """By name of an owner of factors' paths: which of them each customer (N,) belongs to."""
        return {OF_CUSTOMER.name: np.arange(len(self.customer))}

    @property
    def parts(self) -> list[slice]:
        """Where the coefficients of each category stand among all S."""
        return [category.coefficient for category in self.categories]

    @cached_property
    def coefficient_scale(self) -> np.ndarray:
        """What predictors are divided by (S,): 1 for dummies and log prices, else their sd within sets."""
        log_price = self.roles.log_price
        natural = np.concatenate(
            [(c.intercept_of >= 0) | (c.predictor == log_price).astype(bool) for c in self.categories]
        )
        return np.where(natural, 1.0, self.predictor_sd)

    @cached_property
    def coords(self) -> dict[str, list]:
        """Labels of the dimensions."""
        coords: dict[str, Any] = {
            COEFFICIENT: [f"{category}: {predictor}" for category, predictor in self.coefficient],
            "customer": self.customer,
            "period": self.period,
            "category": self.category,
            "covariate": list(self.roles.customer_covariates),
        }
        return {name: stored_labels(plain_labels(labels)) for name, labels in coords.items() if len(labels)}

    @property
    def category(self) -> pd.Index:
        """Labels (C,) of the categories."""
        return pd.Index([category.label for category in self.categories], name=self.coefficient.names[0])


def build_choice_panel(
    X: pd.DataFrame, y: Any, roles: ChoiceRoles, weights: np.ndarray | None = None
) -> ChoicePanel:
    """Validate a long frame of alternatives and lay it out by category and choice set.

    Parameters
    ----------
    X : pandas.DataFrame
        One row per alternative in a choice set; not changed.
    y : array-like of shape (n_rows,)
        1 on the chosen row of each choice set, else 0.
    roles : ChoiceRoles
        The columns.
    weights : numpy.ndarray, optional
        How often the sets of rows count (n_rows,), above 0; once by default.

    Returns
    -------
    ChoicePanel
        The same for rows in any order, but for ``row``.

    Raises
    ------
    InvalidDataError
        If the data can't be fitted; the message names the column, the count and an example.
    """
    roles = with_features(roles, X)
    sets, chosen = read_sets(X, roles), read_chosen(y)
    refuse_purchases_alone(chosen, sets, roles)
    check_chosen(chosen, sets, roles)
    customers, labels = sorted_labels(sets.customer), sorted_labels(sets.category)
    for names, role in (
        (customers, "customer"),
        (labels, "category"),
        (sorted_labels(sets.product), "product"),
    ):
        warn_of_twins(names, role)
    code = labels.get_indexer(pd.Index(sets.category))
    refuse_products_without_price(X, roles, sets)
    belongs = belonging(X, roles, code, len(labels), sets.available)
    where = sets.available[:, None] & belongs[code]
    values = predictor_values(X, roles, where)
    if roles.log_price is not None:
        log_price = np.where(where[:, 0], values[:, 0], np.nan)
        refuse_far_apart(X[roles.log_price], log_price, pd.factorize(sets.product)[0], "price")
    if roles.beside_features:
        refuse_outcomes(X, values, roles, sets, chosen)
    counted = sets.available if weights is None else sets.available * weights
    centre = log_price_centre(values, roles, counted, code, len(labels))
    rows = RowCodes(
        category=code,
        customer=customers.get_indexer(pd.Index(sets.customer)),
        period=sets.periods.get_indexer(pd.Index(sets.period)),
        values=centred(values, roles, centre[code], where),
        chosen=chosen.to_numpy(),
        weight=weights,
    )
    informs = informative(rows.values, roles, sets, code, len(labels)) & belongs
    categories = _categories(labels, sets, rows, informs, roles)
    choices = tuple(lay_out(category, code == c, sets, rows, roles) for c, category in enumerate(categories))
    predictor_mean, predictor_sd = _predictor_moments(choices, roles)
    covariates = customer_covariates(X, roles, rows.customer, len(customers))
    covariate_mean, covariate_sd = column_moments(covariates)
    elapsed = Timeline(sets.periods, sets.period_order).elapsed
    time_span = float(elapsed[-1]) if len(elapsed) > 1 else 1.0
    left_out = [(labels[c], roles.predictors[k]) for c, k in np.argwhere(belongs & ~informs)]
    return ChoicePanel(
        roles=roles,
        customer=customers,
        period=sets.periods,
        choice_set=sets.label,
        time=elapsed / time_span,
        time_span=time_span,
        categories=categories,
        choices=choices,
        coefficient=_pairs(
            ((category.label, name) for category in categories for name in category.predictor), labels
        ),
        log_price_centre=centre,
        predictor_mean=predictor_mean,
        predictor_sd=predictor_sd,
        covariates=(covariates - covariate_mean) / covariate_sd,
        covariate_mean=covariate_mean,
        covariate_sd=covariate_sd,
        left_out=_pairs(left_out, labels),
        n_rows=len(X),
        period_order=sets.period_order,
    )


def _categories(labels, sets, rows, informs, roles):
    """The categories (C,), their coefficients one after the other."""
    categories, start = [], 0
    for c, label in enumerate(labels):
        which = rows.category == c
        times = rows.chosen[which] if rows.weight is None else rows.chosen[which] * rows.weight[which]
        category = _category(label, sets.product[which], times, roles, informs[c], start)
        start = category.coefficient.stop
        categories.append(category)
    if not start:
        raise InvalidDataError(
            f"No predictor carries information: the columns {list(roles.predictors)} never vary within a "
            "choice set. Name a price or features that do, or a product column for intercepts."
        )
    return tuple(categories)


def _category(label, product, chosen, roles, informs, start):
    products = sorted_labels(product)
    reference, dummies = None, np.arange(0)
    if roles.product_intercepts:
        counts = np.bincount(products.get_indexer(pd.Index(product)), chosen, minlength=len(products))
        dummies = np.arange(len(products))
        if not roles.outside:
            reference = products[int(counts.argmax())]
            dummies = np.delete(dummies, counts.argmax())
    columns = np.flatnonzero(informs)
    names = [INTERCEPT if roles.product is None else f"{roles.product}[{products[j]}]" for j in dummies]
    P = len(dummies) + len(columns)
    return Category(
        label=label,
        product=products,
        reference=reference,
        predictor=pd.Index([*names, *(roles.predictors[k] for k in columns)], name="predictor", dtype=object),
        intercept_of=np.concatenate([dummies, np.full(len(columns), -1)]),
        column=np.concatenate([np.full(len(dummies), -1), columns]),
        coefficient=slice(start, start + P),
    )


def _predictor_moments(choices, roles):
    """Mean and sd (S,) over available alternatives, the sd about the set's mean or the category's."""
    moments = [_moments(sets.x, sets.mask[..., None], roles.outside, sets.weight) for sets in choices]
    mean, sd = (np.concatenate(parts) for parts in zip(*moments, strict=True))
    return mean, np.where(sd > ROUNDING * np.maximum(1.0, np.abs(mean)), sd, 1.0)


def _moments(x, mask, outside, weight):
    if not outside:
        mask = mask & (mask.sum(axis=1, keepdims=True) > 1)
    times = 1.0 if weight is None else weight[:, None, None]
    n = max(float((mask * times).sum()), 1.0)
    mean = (x * times).sum(axis=(0, 1), where=mask) / n
    centre = (
        mean
        if outside
        else x.sum(axis=1, keepdims=True, where=mask) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    )
    return mean, np.sqrt((times * (x - centre) ** 2).sum(axis=(0, 1), where=mask) / n)


def _pairs(pairs: Iterable[tuple], category: pd.Index) -> pd.MultiIndex:
    """(category, predictor) labels, the first named and typed as ``category``."""
    pairs = list(pairs)
    labels = pd.Index([label for label, _ in pairs], dtype=category.dtype)
    return pd.MultiIndex.from_arrays(
        [labels, pd.Index([name for _, name in pairs], dtype=object)], names=[category.name, "predictor"]
    )
