"""Predictors that follow from the choice: refused before they take all effect.

Array names and axis order: n rows, O choice sets, K columns that hold a predictor.
"""

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.sets import ChoiceSets
from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import plain, refuse_outcome

FEW = 10  # rows or sets in which a predictor follows the choice by no accident
BY_ACCIDENT = 1e-4


def refuse_outcomes(
    frame: pd.DataFrame, values: np.ndarray, roles: ChoiceRoles, sets: ChoiceSets, chosen: pd.Series
) -> None:
    """Raise on leakage: a predictor among values (n, K) that follows from the choice.

    A feature that is other than 0 on chosen rows (n,) alone, as a quantity bought is, or whose value on the
    chosen row is above or below all others in every set, as what is left in stock; a price that is highest
    on chosen rows, as an amount paid is.
    """
    for k, name in enumerate(roles.predictors):
        column, is_price = values[:, k], name == roles.price
        refuse_outcome(frame[name], column, chosen.to_numpy(), "price" if is_price else "features")
        if not is_price:
            _refuse_following(name, column, chosen)
        if roles.choice_set is not None:
            _refuse_separating(name, column, sets, chosen.to_numpy(), is_price)


def _refuse_following(name, column, chosen):
    nonzero = column != 0
    if nonzero.sum() >= FEW and chosen[nonzero].all() and not chosen.all():
        raise InvalidDataError(
            f"features column {name!r} is other than 0 in {int(nonzero.sum()):,} rows, all of them chosen, "
            f"such as row {plain(chosen.index[nonzero][0])!r} with {column[nonzero][0]:.4g}: it follows from "
            "the choice, as a quantity bought or an amount paid does. Leave it out of X or of features."
        )


def _refuse_separating(name, column, sets, chosen, is_price):
    above, below = _separates(column, sets, chosen)
    if above.any() and not is_price:
        side, count = "above", above.sum()
    elif below.any() and not is_price:
        side, count = "below", below.sum()
    elif above.any():
        raise InvalidDataError(
            f"price column {name!r} is higher on the chosen row than on all others in each of the "
            f"{int(above.sum()):,} choice sets in which it varies: it seems to be an amount paid, not the "
            "price of each alternative. Fill in what the others would have cost."
        )
    else:
        return
    raise InvalidDataError(
        f"features column {name!r} is {side} all others on the chosen row in each of the {int(count):,} "
        "choice sets in which it varies: it follows from the choice, or decides it, and has no finite "
        "effect. Leave it out of X or of features."
    )


def _separates(column, sets, chosen):
    """Perfect separation (O,): sets whose chosen value is above, and below, all others; none if not all."""
    code, n_sets = sets.code, len(sets.label)
    chosen_value = np.full(n_sets, np.nan)
    chosen_value[code[chosen]] = column[chosen]
    rivals = sets.available & ~chosen
    high, low, size = np.full(n_sets, -np.inf), np.full(n_sets, np.inf), np.ones(n_sets)
    np.maximum.at(high, code[rivals], column[rivals])
    np.minimum.at(low, code[rivals], column[rivals])
    np.add.at(size, code[rivals], 1)
    varies = np.isfinite(chosen_value) & (size > 1) & ((high != chosen_value) | (low != chosen_value))
    proof = varies.sum() >= FEW and -np.log(size[varies]).sum() < np.log(BY_ACCIDENT)
    sides = varies & (chosen_value > high), varies & (chosen_value < low)
    return tuple(side if proof and (side == varies).all() else np.zeros(n_sets, dtype=bool) for side in sides)
