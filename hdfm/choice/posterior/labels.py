"""What tells choice sets of a market apart: labels of roles and columns, and the groups that they make."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import refuse_without_column
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.choice.posterior.market import Market
from hdfm.choice.posterior.placement import PlacedSets
from hdfm.exceptions import InvalidArgumentError, InvalidDataError, unknown
from hdfm.frames.columns import plain
from hdfm.frames.keys import key_columns
from hdfm.frames.periods import in_time_order

INDEX = ("category", "product", "price_of")
SET_ROLES = ("customer", "time", "choice_set")


def set_labels(panel: ChoicePanel, by: Sequence[str], encoded: EncodedChoices | None = None) -> pd.DataFrame:
    """Labels of choice sets by role, a row for each position among all.

    Parameters
    ----------
    by : sequence of {"customer", "time", "choice_set"}
        Columns to make. Of ``INDEX``, which every table has, none is made.
    encoded : EncodedChoices, optional
        New sets; those of the fit by default.

    Raises
    ------
    InvalidArgumentError
        If a role is none of these.
    """
    wanted = [role for role in dict.fromkeys(by) if role not in INDEX]
    for role in wanted:
        if role not in SET_ROLES:
            raise InvalidArgumentError(f"by takes roles among {(*INDEX, *SET_ROLES)}; got {role!r}.")
        refuse_without_column(role, panel.roles)
    choice_set = panel.choice_set if encoded is None else encoded.choice_set
    choices = panel.choices if encoded is None else (*encoded.choices, encoded.unseen)
    customer, period = np.empty((2, len(choice_set)), dtype=int)
    for sets in choices:
        customer[sets.choice_set], period[sets.choice_set] = sets.customer, sets.period
    labels = {"customer": panel.customer, "time": panel.period, "choice_set": choice_set}
    code = {"customer": customer, "time": period, "choice_set": np.arange(len(choice_set))}
    if encoded is not None:
        code["customer"] = np.where(customer < 0, len(panel.customer) + encoded.set_customer, customer)
        code["time"] = np.where(period < 0, len(panel.period) + encoded.set_period, period)
        labels["customer"] = panel.customer.append(encoded.customer)
        labels["time"] = panel.period.append(encoded.period)
    if not panel.period.is_monotonic_increasing:
        labels["time"] = in_time_order(labels["time"], labels["time"])
    for role in wanted:
        if role not in labels:
            raise unknown("by", role)
    return pd.DataFrame({role: labels[role][code[role]] for role in wanted}, index=range(len(choice_set)))


def grouped(market: Market, by: Sequence[str], columns: pd.DataFrame | None = None) -> Market:
    """The market with its choice sets told apart by roles, as in :func:`set_labels`, or columns.

    Parameters
    ----------
    columns : pandas.DataFrame, optional
        Columns of the market's rows (n,) that ``by`` may name; they are constant within choice sets.

    Raises
    ------
    InvalidArgumentError
        If a name is no role and no column.
    InvalidDataError
        If a column changes within a choice set.
    """
    panel, encoded = market.panel, market.encoded
    if columns is None or encoded is None:
        return replace(market, groups=set_labels(panel, by, encoded))
    labels = set_labels(panel, [name for name in by if name not in columns], encoded)
    for name in columns:
        labels[name] = _of_sets(market, columns[name])
    return replace(market, groups=labels[[name for name in dict.fromkeys(by) if name in labels]])


def columns_of(X: Any, by: Sequence[str]) -> pd.DataFrame | None:
    """Columns of a frame that ``by`` names and that are no roles; None where X is no frame."""
    if not isinstance(X, pd.DataFrame):
        return None
    return key_columns(X, [name for name in by if name not in (*INDEX, *SET_ROLES) and name in X])


def _of_sets(market, column):
    """Values of a column by choice set, at its position among all; constant within a set."""
    code, values = pd.factorize(column)
    of_set = np.full(len(market.choice_set), -1)
    for sets in market.sets:
        rows, is_row = sets.choices.row, sets.choices.row >= 0
        set_code = code[rows[np.arange(len(rows)), is_row.argmax(axis=1)]]
        changes = (is_row & (code[rows] != set_code[:, None])).any(axis=1)
        if changes.any():
            example = market.choice_set[sets.choices.choice_set[changes][0]]
            raise InvalidDataError(
                f"Column {column.name!r} in by= changes within {int(changes.sum()):,} choice sets, such as "
                f"{plain(example)!r}: it must be constant in a set."
            )
        of_set[sets.choices.choice_set] = set_code
    return pd.Series(values).reindex(of_set).array


def groups_of_sets(sets: PlacedSets, groups: pd.DataFrame) -> list[tuple[int, np.ndarray]]:
    """Position of an example among all sets, and positions among these sets, of each group in order.

    Sets of weight 0 are in none.
    """
    counted = np.flatnonzero(sets.choices.times > 0)
    if not len(groups.columns):
        return [(0, counted)] if len(counted) else []
    labels = groups.iloc[sets.choices.choice_set[counted]].reset_index(drop=True)
    by = labels.groupby(list(groups.columns), sort=True, observed=True, dropna=False)
    group = by.ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    order = order[group[order] >= 0]
    pieces = np.split(counted[order], np.flatnonzero(np.diff(group[order])) + 1)
    return [(sets.choices.choice_set[piece[0]], piece) for piece in pieces if len(piece)]
