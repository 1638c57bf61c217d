"""What in a panel of choices can't inform the coefficients, or misleads them.

Array names and axis order: O_c choice sets, J slots and P_c predictors of a category; N customers; n rows.
"""

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import OUTSIDE, Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.frames.findings import (
    LITTLE_LEFT,
    TIED_SHARE,
    explained_beside,
    fillers,
    price_spikes,
    without_effects,
)

FEW_SETS = 5
STRANGE_PRICE = 20.0  # times the usual price of a category


def uninformative_sets(panel: ChoicePanel) -> pd.Index:
    """Labels of uninformative choice sets, with a single option, the outside option counted."""
    labels = [sets.choice_set[~informs] for sets, informs in _informative(panel)]
    return panel.choice_set[np.sort(np.concatenate(labels))]


def sets_by_customer(panel: ChoicePanel) -> np.ndarray:
    """Number of informative choice sets (N,), with more than one option, of each customer."""
    codes = np.concatenate([sets.customer[informs] for sets, informs in _informative(panel)])
    return np.bincount(codes, minlength=len(panel.customer))


def tied_predictors(panel: ChoicePanel) -> list[str]:
    """Collinear predictors: price and features that the category's others explain almost wholly."""
    tied = []
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        which = _tied(category, choices, panel.roles.outside)
        tied += [_name(category.label, name, panel) for name in category.predictor[which]]
    return tied


def spiked_products(panel: ChoicePanel) -> list[str]:
    """Price outliers: products with a price that is far from their usual one."""
    out: list[str] = []
    if panel.roles.price is None or panel.roles.product is None:
        return out
    for category, product, log_price in _log_prices(panel):
        spiked = price_spikes(log_price, product, np.zeros(len(product), dtype=int))
        if panel.roles.log_price is None:  # a price near 0 is far off in logs alone
            spiked &= log_price > pd.Series(log_price).groupby(product).transform("median")
        out += [_name(category.label, category.product[j], panel) for j in np.unique(product[spiked])]
    return out


def strangely_priced(panel: ChoicePanel) -> list[str]:
    """Products whose usual price is far from that of the category's others, with both."""
    out: list[str] = []
    if panel.roles.price is None or panel.roles.product is None:
        return out
    for category, product, log_price in _log_prices(panel):
        usual = pd.Series(log_price).groupby(product).median()
        common = usual.min() if len(usual) == 2 else usual.median()
        far = usual[(usual - common).abs() > np.log(STRANGE_PRICE)]
        out += [
            f"{_name(category.label, category.product[j], panel)} ({np.exp(price):.4g} where "
            f"{np.exp(common):.4g} is usual)"
            for j, price in far.items()
        ]
    return out


def _log_prices(panel):
    """By category, the product (n,) and log price (n,) of available rows with a price above 0."""
    for c, (category, choices) in enumerate(zip(panel.categories, panel.choices, strict=True)):
        columns = np.flatnonzero(category.predictor == panel.roles.price)
        if len(columns):
            product, price = choices.product[choices.mask], choices.x[choices.mask][:, columns[-1]]
            if panel.roles.log_price is None:
                yield category, product[price > 0], np.log(price[price > 0])
            else:
                yield category, product, price + panel.log_price_centre[c]


def far_from_all(panel: ChoicePanel) -> list[str]:
    """Features and covariates with values far from all others, and such a value."""
    out = []
    for name in panel.roles.features or ():
        values = [
            choices.x[choices.mask][:, np.flatnonzero(category.predictor == name)[-1:]].ravel()
            for category, choices in zip(panel.categories, panel.choices, strict=True)
        ]
        out += _far(name, np.concatenate(values))
    raw = panel.covariates * panel.covariate_sd + panel.covariate_mean
    for name, values in zip(panel.roles.customer_covariates, raw.T, strict=True):
        out += _far(name, values)
    return out


def _far(name, values):
    which = fillers(values)
    return [f"{name} ({values[which][0]:.4g})"] if which.any() else []


def little_left(panel: ChoicePanel) -> list[str]:
    """Categories in which the prices of products move together in choice sets, with the share left."""
    out: list[str] = []
    if panel.roles.price is None or panel.roles.product is None or panel.roles.outside:
        return out
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        columns = np.flatnonzero(category.predictor == panel.roles.price)
        if len(columns):
            o, j = np.nonzero(choices.mask & (choices.mask.sum(axis=1, keepdims=True) > 1))
            price, product = choices.x[o, j, columns[-1:]][:, None], choices.product[o, j]
            within = without_effects(price, product, np.zeros_like(product))
            before, after = ((residual**2).sum() for residual in (within, without_effects(price, product, o)))
            if after < LITTLE_LEFT * before:
                out.append(_name(category.label, f"{panel.roles.price} ({after / before:.1%})", panel))
    return out


def following(panel: ChoicePanel) -> list[tuple[str, float]]:
    """Leaking features: other than 0 on chosen rows alone, with their number, and its chance."""
    out = []
    for name in panel.roles.features or ():
        n_rows = n_chosen = n_told = n_both = 0
        for category, choices in zip(panel.categories, panel.choices, strict=True):
            column = np.flatnonzero(category.predictor == name)
            chosen = np.arange(choices.mask.shape[1]) == choices.chosen[:, None]
            n_rows, n_chosen = n_rows + choices.mask.sum(), n_chosen + chosen.sum()
            if len(column):
                nonzero = choices.mask & (choices.x[..., column[-1]] != 0)
                n_told, n_both = n_told + nonzero.sum(), n_both + (nonzero & chosen).sum()
        if 0 < n_told == n_both < n_chosen:
            out.append((f"{name} ({n_told:,} rows)", float(n_chosen / n_rows) ** n_told))
    return out


def _informative(panel):
    """Each category with True (O_c,) for sets with more than one option."""
    for sets in panel.choices:
        yield sets, sets.mask.sum(axis=1) + panel.roles.outside > 1


def _tied(category: Category, choices: CategoryChoices, outside: bool) -> np.ndarray:
    """Collinearity (P_c,): others explain price or a feature but for a twentieth, beside the intercepts.

    Within sets; with an outside option about the category's mean.
    """
    mask, x = choices.mask[..., None], choices.x
    axis = (0, 1) if outside else 1
    count = np.maximum(mask.sum(axis=axis, keepdims=True), 1)
    flat = (x - x.sum(axis=axis, keepdims=True, where=mask) / count)[choices.mask]
    intercept, tied = category.intercept_of >= 0, np.zeros(len(category.predictor), dtype=bool)
    tied[~intercept] = explained_beside(flat[:, ~intercept], flat[:, intercept]) > TIED_SHARE
    return tied


def _name(category, predictor, panel):
    return str(predictor) if panel.roles.category is None else f"{category}: {predictor}"


def left_out_predictors(panel: ChoicePanel) -> list:
    """Predictors that never vary in a category."""
    return [_name(category, predictor, panel) for category, predictor in panel.left_out]


def absent_predictors(panel: ChoicePanel) -> list:
    """Features that are missing throughout a category."""
    out = []
    for category in panel.categories:
        columns = {*category.predictor, *(name for label, name in panel.left_out if label == category.label)}
        missing = [name for name in panel.roles.predictors if name not in columns]
        out += [_name(category.label, name, panel) for name in missing]
    return out


def bare_categories(panel: ChoicePanel) -> list:
    """Categories without a predictor."""
    return [category.label for category in panel.categories if not len(category.predictor)]


def never_available(panel: ChoicePanel) -> list[str]:
    """Products that could never be chosen."""
    return _products(panel, lambda choices, n: np.bincount(choices.product[choices.mask], minlength=n))


def never_chosen(panel: ChoicePanel) -> list[str]:
    """Products that were never chosen."""
    return _products(panel, _times_chosen)


def _products(panel, count):
    """Products that ``count`` (J,) finds never, where a product is a column of the frame."""
    out = []
    named = zip(panel.categories, panel.choices, strict=True) if panel.roles.product is not None else ()
    for category, choices in named:
        never = category.product[count(choices, len(category.product)) == 0]
        out += [_name(category.label, product, panel) for product in never]
    return out


def _times_chosen(choices, n):
    o = np.flatnonzero(choices.chosen != OUTSIDE)
    return np.bincount(choices.product[o, choices.chosen[o]], minlength=n)


def rare_customers(panel: ChoicePanel) -> pd.Index:
    """Customers with few choice sets."""
    if panel.roles.customer is None:
        return panel.customer[:0]
    return panel.customer[sets_by_customer(panel) < FEW_SETS]


def constant_covariates(panel: ChoicePanel) -> list:
    """Covariates that are the same for all customers."""
    constant = np.abs(panel.covariates).max(axis=0, initial=0.0) == 0
    return [name for name, flat in zip(panel.roles.customer_covariates, constant, strict=True) if flat]
