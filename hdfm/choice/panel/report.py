"""What in a panel of choices can't inform the coefficients, as a table."""

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import OUTSIDE, Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.frames.columns import examples
from hdfm.frames.findings import (
    LITTLE_LEFT,
    TIED_SHARE,
    explained_beside,
    findings_table,
    price_spikes,
    without_effects,
)
from hdfm.frames.time_warnings import time_warnings
from hdfm.frames.timeline import wide_gaps

GAPS = "factors move by distance in time, also across them"
FEW_SETS = 5
BY_CHANCE = 0.05
_FOLLOW = "check that they are known before the choice; their coefficients are held by the priors alone"
_TOGETHER = "the price coefficient is told from the priors"


def choice_report(panel: ChoicePanel) -> pd.DataFrame:
    """Findings about a panel: one row each, with count, examples and what the model makes of it."""
    pooled = "their coefficients stay close to the population's"
    findings = [
        ("choice sets with one alternative", uninformative_sets(panel), "kept; they carry no information"),
        ("predictors that never vary", _left_out(panel), "left out of these categories"),
        ("predictors missing in a category", _absent(panel), "no predictors of these categories"),
        ("categories without a predictor", _bare(panel), "every alternative is as likely as another"),
        ("predictors tied to others", tied_predictors(panel), "told apart by the priors alone"),
        ("little price variation left within choice sets", little_left(panel), _TOGETHER),
        ("features other than 0 on chosen rows alone", [text for text, _ in following(panel)], _FOLLOW),
        ("products never available", _products(panel, _available), "their intercepts are those of the prior"),
        ("products never chosen", _products(panel, _chosen), "their intercepts are held by the prior"),
        (
            "products with a spike in price",
            spiked_products(panel),
            "check the prices: they decide the answers",
        ),
        (f"customers with fewer than {FEW_SETS} choice sets", _rare_customers(panel), pooled),
        ("covariates that never vary", _constant_covariates(panel), "they carry no information"),
    ]
    if panel.roles.time is not None:
        findings.append(("wide gaps between periods", wide_gaps(panel.timeline), GAPS))
    return findings_table(findings)


def choice_warnings(panel: ChoicePanel, *, guessed: bool = False) -> list[str]:
    """What a user should hear of at once, as sentences; ``guessed``: features were not named."""
    said = []
    if guessed and panel.roles.features:
        said.append(
            "features=None: taken as features are the numeric columns without a role, "
            f"{', '.join(map(str, panel.roles.features))}. Name features=[...] to choose, or [] for none."
        )
    if panel.roles.time is not None:
        said += time_warnings(panel.timeline, len(panel.choice_set), "choice sets")
    alone = uninformative_sets(panel)
    if len(alone):
        said.append(
            f"{len(alone):,} of {len(panel.choice_set):,} choice sets have one alternative (such as "
            f"{examples(alone)}): they are kept but carry no information."
        )
    if len(panel.left_out):
        where = "a category" if panel.roles.outside else "a choice set"
        said.append(
            f"Predictors that never vary within {where} carry no information and are left out: "
            f"{examples(_left_out(panel))}."
        )
    tied = tied_predictors(panel)
    if len(tied):
        said.append(
            f"Predictors that are combinations of others, intercepts included, are told apart by the priors "
            f"alone: {examples(tied)}."
        )
    little = little_left(panel)
    if little:
        said.append(
            f"Of the variation of prices within products less than {LITTLE_LEFT:.0%} is left within choice "
            f"sets in {examples(little)}: prices of products move together there, which tells nothing of "
            "which one is chosen, and the priors decide the price coefficient. Occasions on which nothing "
            "was bought tell more, with outside_option=True."
        )
    unlikely = [text for text, chance in following(panel) if chance < BY_CHANCE]
    if unlikely:
        said.append(
            f"Features are other than 0 on chosen rows alone: {examples(unlikely)}. If they follow from the "
            "choice, as a quantity bought does, leave them out of features."
        )
    spiked = spiked_products(panel)
    if len(spiked):
        said.append(
            f"Prices of {len(spiked):,} products have a spike, more than 5 times the usual one or less than "
            f"a fifth: {examples(spiked)}. Repair them, or mark what could not be bought in an availability "
            "column."
        )
    return said


def uninformative_sets(panel: ChoicePanel) -> pd.Index:
    """Labels of the choice sets with a single option, the outside option counted."""
    found = [each.choice_set[~informs] for each, informs in _informative(panel)]
    return panel.choice_set[np.sort(np.concatenate(found))]


def sets_by_customer(panel: ChoicePanel) -> np.ndarray:
    """Choice sets (N,) of each customer with more than one option."""
    codes = np.concatenate([each.customer[informs] for each, informs in _informative(panel)])
    return np.bincount(codes, minlength=len(panel.customer))


def tied_predictors(panel: ChoicePanel) -> list[str]:
    """Price and features that are as good as linear combinations of the category's other predictors."""
    tied = []
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        which = _tied(category, choices, panel.roles.outside)
        tied += [_name(category.label, name, panel) for name in category.predictor[which]]
    return tied


def spiked_products(panel: ChoicePanel) -> list[str]:
    """Products with a price that is far from their usual one."""
    out: list[str] = []
    if panel.roles.price is None or panel.roles.product is None:
        return out
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        columns = np.flatnonzero(category.predictor == panel.roles.price)
        if len(columns):
            product = choices.product[choices.mask]
            log_price = choices.x[choices.mask][:, columns[-1]]
            if panel.roles.log_price is None:
                product, log_price = product[log_price > 0], np.log(log_price[log_price > 0])
            spiked = price_spikes(log_price, product, np.zeros(len(product), dtype=int))
            if panel.roles.log_price is None:  # a price near 0 is far off in logs alone
                spiked &= log_price > pd.Series(log_price).groupby(product).transform("median")
            out += [_name(category.label, category.product[j], panel) for j in np.unique(product[spiked])]
    return out


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
            before, after = ((each**2).sum() for each in (within, without_effects(price, product, o)))
            if after < LITTLE_LEFT * before:
                out.append(_name(category.label, f"{panel.roles.price} ({after / before:.1%})", panel))
    return out


def following(panel: ChoicePanel) -> list[tuple[str, float]]:
    """Features that are other than 0 on chosen rows alone, with their number, and its chance."""
    out = []
    for name in panel.roles.features or ():
        n_rows = n_chosen = n_told = n_both = 0
        for category, choices in zip(panel.categories, panel.choices, strict=True):
            column = np.flatnonzero(category.predictor == name)
            chosen = np.arange(choices.mask.shape[1]) == choices.chosen[:, None]
            n_rows, n_chosen = n_rows + choices.mask.sum(), n_chosen + chosen.sum()
            if len(column):
                told = choices.mask & (choices.x[..., column[-1]] != 0)
                n_told, n_both = n_told + told.sum(), n_both + (told & chosen).sum()
        if 0 < n_told == n_both < n_chosen:
            out.append((f"{name} ({n_told:,} rows)", float(n_chosen / n_rows) ** n_told))
    return out


def _informative(panel):
    """Each category with True (O_c,) for sets with more than one option."""
    for each in panel.choices:
        yield each, each.mask.sum(axis=1) + panel.roles.outside > 1


def _tied(category: Category, choices: CategoryChoices, outside: bool) -> np.ndarray:
    """True (P_c,) where others explain price or a feature but for a hundredth, beside the intercepts.

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


def _left_out(panel):
    return [_name(category, predictor, panel) for category, predictor in panel.left_out]


def _absent(panel):
    out = []
    for category in panel.categories:
        known = {*category.predictor, *(name for label, name in panel.left_out if label == category.label)}
        missing = [name for name in panel.roles.predictors if name not in known]
        out += [_name(category.label, name, panel) for name in missing]
    return out


def _bare(panel):
    return [category.label for category in panel.categories if not len(category.predictor)]


def _products(panel, count):
    """Products that ``count`` (J,) finds never, where a product is a column of the frame."""
    out = []
    named = zip(panel.categories, panel.choices, strict=True) if panel.roles.product is not None else ()
    for category, choices in named:
        never = category.product[count(choices, len(category.product)) == 0]
        out += [_name(category.label, product, panel) for product in never]
    return out


def _available(choices, n):
    return np.bincount(choices.product[choices.mask], minlength=n)


def _chosen(choices, n):
    o = np.flatnonzero(choices.chosen != OUTSIDE)
    return np.bincount(choices.product[o, choices.chosen[o]], minlength=n)


def _rare_customers(panel):
    if panel.roles.customer is None:
        return panel.customer[:0]
    return panel.customer[sets_by_customer(panel) < FEW_SETS]


def _constant_covariates(panel):
    constant = np.abs(panel.covariates).max(axis=0, initial=0.0) == 0
    return [name for name, flat in zip(panel.roles.customer_covariates, constant, strict=True) if flat]
