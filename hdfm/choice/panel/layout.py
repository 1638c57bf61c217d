"""The choice sets of a category as dense arrays.

Array names and axis order: O_c choice sets, J_c slots for alternatives, P_c predictors.

    x (O_c, J_c, P_c); mask, product, row (O_c, J_c); chosen, customer, period, choice_set (O_c,)
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.panel.sets import ChoiceSets

OUTSIDE = -1
UNKNOWN = -2
FULL = 0.5  # the share of all products that sets hold, from which on each product has a slot of its own


@dataclass(frozen=True, slots=True)
class Category:
    """The products and predictors of a category.

    Attributes
    ----------
    label : hashable
        Its label.
    product : pandas.Index
        Product labels, sorted; "all" alone without a product column.
    reference : hashable or None
        The product whose intercept is 0: the one chosen most often. None where the outside option
        is the reference, or without intercepts.
    predictor : pandas.Index
        Names (P_c,): intercepts, the price, features.
    intercept_of : numpy.ndarray
        The product (P_c,) whose intercept a predictor is, a position in ``product``; -1 for others.
    column : numpy.ndarray
        Position (P_c,) among ``roles.predictors``; -1 for intercepts.
    coefficient : slice
        Where the P_c predictors stand among all S.
    """

    label: Hashable
    product: pd.Index
    reference: Hashable | None
    predictor: pd.Index
    intercept_of: np.ndarray
    column: np.ndarray
    coefficient: slice


@dataclass(frozen=True, slots=True)
class CategoryChoices:
    """The choice sets of a category, sorted by customer, period and label.

    Attributes
    ----------
    x : numpy.ndarray
        Predictors (O_c, J_c, P_c) in their own units, the price in logs if so set; 0 where not
        available.
    mask : numpy.ndarray
        True (O_c, J_c) where an alternative is available.
    chosen : numpy.ndarray
        The chosen slot (O_c,); -1: the outside option; -2: not known.
    customer, period : numpy.ndarray
        Positions (O_c,) among the panel's labels; -1 where not among them.
    product : numpy.ndarray
        Positions (O_c, J_c) among the category's products; -1 where not among them or no row.
    row : numpy.ndarray
        The row of the frame (O_c, J_c); -1 where there is none.
    choice_set : numpy.ndarray
        Positions (O_c,) among the labels of all choice sets.
    weight : numpy.ndarray or None
        How often each set counts (O_c,); None where every one counts once.
    """

    x: np.ndarray
    mask: np.ndarray
    chosen: np.ndarray
    customer: np.ndarray
    period: np.ndarray
    product: np.ndarray
    row: np.ndarray
    choice_set: np.ndarray
    weight: np.ndarray | None = None

    @property
    def times(self) -> np.ndarray:
        """How often each set counts (O_c,)."""
        return np.ones(len(self.chosen)) if self.weight is None else self.weight


@dataclass(frozen=True, slots=True)
class RowCodes:
    """What to lay out of each row of a frame.

    Attributes
    ----------
    category, customer, period : numpy.ndarray
        Positions (n,) among labels; -1 where not among them.
    values : numpy.ndarray
        Price and features (n, K) as they enter utility.
    chosen : numpy.ndarray or None
        True (n,) where chosen; None where not known.
    weight : numpy.ndarray or None
        How often the set of a row counts (n,); None for once.
    """

    category: np.ndarray
    customer: np.ndarray
    period: np.ndarray
    values: np.ndarray
    chosen: np.ndarray | None
    weight: np.ndarray | None = None


def lay_out(
    category: Category, which: np.ndarray, sets: ChoiceSets, rows: RowCodes, roles: ChoiceRoles
) -> CategoryChoices:
    """Dense arrays of the rows of one category, True in ``which`` (n,)."""
    r = np.flatnonzero(which)
    members = np.unique(sets.code[r])
    head = sets.first[members]
    order = np.lexsort((members, rows.period[head], rows.customer[head]))
    members, head = members[order], head[order]
    position = np.empty(len(sets.label), dtype=int)
    position[members] = np.arange(len(members))
    o = position[sets.code[r]]
    product = category.product.get_indexer(pd.Index(sets.product.iloc[r]))
    n_products, full = len(category.product), FULL * len(members) * len(category.product)
    j, n_slots = _slots(o, product, n_products if roles.one_of_each and len(r) >= full else 0)

    def dense(entries, fill):
        out = np.full((len(members), n_slots, *entries.shape[1:]), fill, dtype=entries.dtype)
        out[o, j] = entries
        return out

    picked = np.full(len(members), UNKNOWN if rows.chosen is None else OUTSIDE)
    if rows.chosen is not None:
        picked[o[rows.chosen[r]]] = j[rows.chosen[r]]
    available = sets.available[r]
    return CategoryChoices(
        x=dense(_design(category, product, rows.values[r]) * available[:, None], 0.0),
        mask=dense(available, False),
        chosen=picked,
        customer=rows.customer[head],
        period=rows.period[head],
        product=dense(product, -1),
        row=dense(r, -1),
        choice_set=members,
        weight=None if rows.weight is None else rows.weight[head],
    )


def to_rows(
    choices: Iterable[CategoryChoices], values: Iterable[np.ndarray], n_rows: int, fill: float = 0.0
) -> np.ndarray:
    """Values of slots (O_c, J_c) by row of the frame (n_rows,); ``fill`` where not available.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from hdfm.choice.panel.panel import build_choice_panel
    >>> from hdfm.choice.panel.roles import ChoiceRoles
    >>> X = pd.DataFrame({"trip": [2, 1, 1, 2], "brand": [*"aabb"], "price": [3.0, 1.0, 2.0, 4.0]})
    >>> roles = ChoiceRoles(product="brand", choice_set="trip", price="price", price_transform="linear")
    >>> panel = build_choice_panel(X, [1, 0, 1, 0], roles)
    >>> to_rows(panel.choices, [each.x[..., -1] for each in panel.choices], panel.n_rows)
    array([3., 1., 2., 4.])
    """
    out = np.full(n_rows, fill)
    for sets, value in zip(choices, values, strict=True):
        out[sets.row[sets.mask]] = value[sets.mask]
    return out


def _slots(o, product, n_slots):
    """The slot of each row in its set: of its product where known (n_slots > 0), else in their order."""
    has_slot = (product >= 0) & (n_slots > 0)
    slot, rows = product.copy(), np.flatnonzero(~has_slot)
    rows = rows[np.lexsort((product[rows], o[rows]))]
    slot[rows] = pd.Series(o[rows]).groupby(o[rows]).cumcount().to_numpy() + n_slots
    return slot, max(n_slots, int(slot.max(initial=-1)) + 1)


def _design(category, product, values):
    """Predictors (r, P_c) of rows with a product code (r,) and values (r, K)."""
    x = np.zeros((len(product), len(category.predictor)))
    dummy = category.intercept_of >= 0
    x[:, dummy] = product[:, None] == category.intercept_of[dummy]
    x[:, ~dummy] = values[:, category.column[~dummy]]
    return x
