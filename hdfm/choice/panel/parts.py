"""Choice sets of which part stands in a frame to predict or score.

Array names and axis order: in a category O choice sets that were fitted too, J slots, K products.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.sets import whole_sets_message
from hdfm.exceptions import DataWarning, InvalidDataError, warn_caller
from hdfm.frames.columns import plain

NO_ROW = -2


@dataclass(frozen=True, slots=True)
class FittedSets:
    """The new sets of a category that were fitted with the same label, customer and period.

    Attributes
    ----------
    choice_set : numpy.ndarray
        Positions (O,) among the labels of new sets.
    here, there : numpy.ndarray
        Products (O, J) of the new rows and of the fitted ones, positions among the category's; -1: not
        fitted, -2: no row.
    """

    choice_set: np.ndarray
    here: np.ndarray
    there: np.ndarray


def refuse_other_alternatives(
    choices: Sequence[CategoryChoices], labels: pd.Index, panel: ChoicePanel
) -> None:
    """Raise if all choice sets that were fitted too hold none of the alternatives they had there.

    Parameters
    ----------
    choices, labels : sequence of CategoryChoices, pandas.Index
        New sets by category of the panel, and the labels of all.
    """
    cut, common = [], 0
    for sets in _fitted_sets(choices, labels, panel):
        common += len(sets.choice_set)
        is_fitted = sets.here >= 0
        differs = is_fitted.any(axis=1) & ~(is_fitted & _among(sets.here, sets.there)).any(axis=1)
        cut += list(sets.choice_set[differs])
    if cut and len(cut) == common:
        raise InvalidDataError(
            f"{len(cut):,} of {len(labels):,} choice sets of column {panel.roles.choice_set!r}, "
            f"such as {plain(labels[cut[0]])!r}, were fitted with other alternatives of the same "
            f"set. {whole_sets_message(panel.roles)}"
        )


def warn_of_parts(
    choices: Sequence[CategoryChoices], unseen: CategoryChoices, labels: pd.Index, panel: ChoicePanel
) -> None:
    """Warn of choice sets of a single row, and of fitted ones of which rows are missing."""
    n_rows = np.zeros(len(labels), dtype=int)
    for category_sets in (*choices, unseen):
        n_rows[category_sets.choice_set] = (category_sets.row >= 0).sum(axis=1)
    lost: dict[int, str] = {}
    alone = n_rows == 1 if not panel.roles.outside else np.zeros(len(labels), dtype=bool)
    for c, sets in enumerate(_fitted_sets(choices, labels, panel)):
        alone[sets.choice_set[(sets.there != NO_ROW).sum(axis=1) == 1]] = False
        if panel.roles.product is None:
            fewer = (sets.here != NO_ROW).sum(axis=1) < (sets.there != NO_ROW).sum(axis=1)
            lost |= dict.fromkeys(sets.choice_set[fewer].tolist(), "")
            continue
        for o, j in np.argwhere(_missing(sets)):
            brand = plain(panel.categories[c].product[sets.there[o, j]])
            lost.setdefault(int(sets.choice_set[o]), f" without {brand!r}")
    parts = [o for o in sorted(lost) if not alone[o]]
    phrases = []
    if alone.any():
        example = plain(labels[int(np.argmax(alone))])
        phrases.append(
            f"{int(alone.sum()):,} of {len(labels):,} choice sets of column {panel.roles.choice_set!r} have "
            f"one row, such as {example!r}, which is then chosen with probability 1"
        )
    if parts:
        phrases.append(
            f"{len(parts):,} of {len(labels):,} choice sets of column {panel.roles.choice_set!r} lack rows "
            f"that they had in the fit, such as {plain(labels[parts[0]])!r}{lost[parts[0]]}"
        )
    if phrases:
        warn_caller(
            f"{'; '.join(phrases)}. Probabilities add up to 1 over the rows that X holds: pass whole choice "
            "sets. Where an alternative is to be taken away on purpose, keep its rows and mark them in an "
            "availability column, or ask counterfactual(X, changes) with a frame of changes without them.",
            DataWarning,
        )


def _fitted_sets(choices, labels, panel) -> Iterator[FittedSets]:
    """The new sets that were fitted too, by category."""
    fitted = panel.choice_set.get_indexer(labels)
    for sets, fit in zip(choices, panel.choices, strict=True):
        position = np.full(len(panel.choice_set) + 1, -1)
        position[fit.choice_set] = np.arange(len(fit.choice_set))
        before = position[fitted[sets.choice_set]]
        same = (before >= 0) & (sets.customer == fit.customer[before]) & (sets.period == fit.period[before])
        yield FittedSets(sets.choice_set[same], _products(sets)[same], _products(fit)[before[same]])


def _products(choices):
    return np.where(choices.row >= 0, choices.product, NO_ROW)


def _among(products, others):
    """True (O, J) where a product is among others (O, J') of its set; both below 0 where none."""
    K = 1 + max(products.max(initial=0), others.max(initial=0))
    keys, other_keys = (np.arange(len(p))[:, None] * K + p for p in (products, others))
    return (products >= 0) & np.isin(keys, other_keys[others >= 0])


def _missing(sets):
    """True (O, J) where a fitted row is missing of a set that has no other rows than it had."""
    has_stranger = ((sets.here != NO_ROW) & ~_among(sets.here, sets.there)).any(axis=1)
    return (sets.there >= 0) & ~_among(sets.there, sets.here) & ~has_stranger[:, None]
