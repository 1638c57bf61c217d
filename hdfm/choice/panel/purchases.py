"""Frames that hold what was bought alone: refused, with the call that puts alternatives beside it."""

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.sets import ChoiceSets
from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import named_column, plain


def refuse_purchases_alone(chosen: pd.Series, sets: ChoiceSets, roles: ChoiceRoles) -> None:
    """Raise if every row (n,) that could be chosen was: prices of what was left untaken are then unknown."""
    flags = chosen.to_numpy()
    if len(flags) < 2 or not np.array_equal(flags, sets.available):
        return
    one_a_set = roles.choice_set is not None and np.bincount(sets.code[flags]).max() == 1
    row = int(np.argmax(flags))
    raise InvalidDataError(
        f"{named_column(chosen, 'chosen')} flags all of the {int(flags.sum()):,} rows that could be chosen, "
        f"such as row {plain(chosen.index[row])!r}: X holds what was bought and no alternative that was not, "
        f"without which nothing tells of prices. {_remedy(roles, one_a_set)}"
    )


def _remedy(roles, one_a_set):
    """How to put alternatives beside what was bought: the prices of the products bought at the time."""
    decisions = (
        " If rows are decisions to buy or not, add those in which nothing was bought, with y = 0."
        if roles.outside
        else ""
    )
    if roles.product is None:
        return (
            "Give each choice set a row for every alternative, name their column with product= and that of "
            f"the sets with choice_set=.{decisions}"
        )
    where = [name for name in (roles.category, roles.time) if name is not None]
    values, choice_set = list(roles.predictors), roles.choice_set if one_a_set else "choice_set"
    bought = "X" if one_a_set else "X.assign(choice_set=range(len(X)))"
    means = f"X.groupby({[*where, roles.product]!r}, as_index=False)[{values!r}].mean()"
    shelf = means if values else f"X[{[*where, roles.product]!r}].drop_duplicates()"
    keys = f"on={where!r}" if where else "how='cross'"
    return (
        "Give each choice set a row for every alternative, at the price that it had then: from a price list "
        "or, as far as purchases tell, those of what was bought at the same time: "
        f"long = {bought}.drop(columns={values!r}).rename(columns={{{roles.product!r}: 'bought'}})"
        f".merge({shelf}, {keys}); name choice_set={choice_set!r}, and "
        f"fit(long, long[{roles.product!r}] == long['bought']).{decisions}"
    )
