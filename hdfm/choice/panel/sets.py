"""Rows of a long frame -> choice sets, each one customer's choice in one category and period."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import OUTSIDE_LABEL, ChoiceRoles
from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import (
    ALL,
    label_column,
    named_column,
    numeric_column,
    plain,
    refuse_rows,
    sorted_labels,
)
from hdfm.frames.time_warnings import fitted_time
from hdfm.frames.timeline import Timeline


@dataclass(frozen=True, slots=True)
class ChoiceSets:
    """What each row (n,) belongs to; a part of the model without a column has the one label "all".

    Attributes
    ----------
    customer, category, product, period : pandas.Series
        Labels (n,).
    periods : pandas.Index
        The distinct periods in order.
    period_order : pandas.Index or None
        All labels of an ordered categorical of periods, where they alone say the order.
    label : pandas.Index
        Labels of the choice sets (O,), sorted.
    code : numpy.ndarray
        The choice set of each row (n,), a position in ``label``.
    first : numpy.ndarray
        The first row of each choice set (O,).
    available : numpy.ndarray
        True (n,) where the alternative could be chosen.
    """

    customer: pd.Series
    category: pd.Series
    product: pd.Series
    period: pd.Series
    periods: pd.Index
    period_order: pd.Index | None
    label: pd.Index
    code: np.ndarray
    first: np.ndarray
    available: np.ndarray


def read_sets(frame: pd.DataFrame, roles: ChoiceRoles, timeline: Timeline | None = None) -> ChoiceSets:
    """Validate the columns that place rows in choice sets.

    Parameters
    ----------
    timeline : Timeline, optional
        That of a fit, whose kind of periods the rows' have; ``periods`` are not looked for then.

    Raises
    ------
    InvalidDataError
        If there are no rows, labels are missing or of several types, or a choice set spans two
        customers, categories or periods, holds a product twice, (without outside option) nothing that is
        available, or (with it) a product that has its label.
    """
    if not len(frame):
        raise InvalidDataError("X has no rows.")
    customer = _labels(frame, roles.customer, "customer")
    category = _labels(frame, roles.category, "category")
    product = _labels(frame, roles.product, "product")
    period, periods, order = _periods(frame, roles.time, timeline)
    label, code = _codes(frame, roles.choice_set)
    head = np.unique(code, return_index=True)[1]
    available = _availability(frame, roles.availability)
    if roles.choice_set is not None:
        for role, column in (("customer", customer), ("category", category), ("time", period)):
            _refuse_spanning(label, code, head, column, role)
    if roles.one_of_each:
        _refuse_repeated(frame, roles, code)
    if roles.outside:
        _refuse_outside_label(product, roles)
    else:
        _refuse_unavailable(frame, roles, label, code, available)
    return ChoiceSets(customer, category, product, period, periods, order, label, code, head, available)


def check_chosen(chosen: pd.Series, sets: ChoiceSets, roles: ChoiceRoles) -> None:
    """Raise unless each choice set has one chosen row (n,), which is available, or none if it may."""
    what = named_column(chosen, "chosen")
    refuse_rows(
        chosen,
        chosen.to_numpy() & ~sets.available,
        what,
        f"chosen rows that the availability column {roles.availability!r} calls unavailable",
        "What was chosen was available: repair one of the two",
    )
    count = np.bincount(sets.code, chosen, minlength=len(sets.label))
    form = f"{what} flags {{}} in {{:,}} of {len(count):,} choice sets of column {roles.choice_set!r}"
    twice = np.flatnonzero(count > 1)
    if len(twice):
        raise InvalidDataError(
            f"{form.format('more than one row', len(twice))}, such as {plain(sets.label[twice[0]])!r} with "
            f"{int(count[twice[0]])}. One alternative is chosen in a set: make several purchases several "
            "sets, each with all its alternatives."
        )
    none = np.flatnonzero(count == 0)
    if len(none) and not roles.outside:
        raise InvalidDataError(
            f"{form.format('no row', len(none))}, such as {plain(sets.label[none[0]])!r}. "
            f"{whole_sets_message(roles)} If nothing was bought in them, set outside_option=True; else drop "
            "them."
        )


def whole_sets_message(roles: ChoiceRoles) -> str:
    """How to split a frame without cutting choice sets apart."""
    whole = roles.customer if roles.customer is not None else roles.choice_set
    return (
        "If a splitter cut choice sets apart, split whole ones: "
        f"cv=hdfm.model_selection.ColumnGroupKFold({roles.choice_set!r}), or scikit-learn's GroupKFold with "
        f"groups=X[{whole!r}]."
    )


def _refuse_outside_label(product, roles):
    refuse_rows(
        product,
        (product == OUTSIDE_LABEL).to_numpy(dtype=bool),
        named_column(product, "product"),
        f"the label {OUTSIDE_LABEL!r}, which tables have for the outside option,",
        "If these rows stand for buying nothing, leave them out, of y too: the outside option needs no row. "
        f"If it is a product, rename it: X[{roles.product!r}].replace({{{OUTSIDE_LABEL!r}: 'no name'}})",
    )


def _labels(frame, name, role):
    if name is None:
        return pd.Series(ALL, index=frame.index, name=role)
    return label_column(frame[name], role)


def _periods(frame, name, timeline):
    if name is None:
        column = pd.Series(ALL, index=frame.index, name="time")
        return column, sorted_labels(column), None
    if timeline is not None:
        return timeline.read(frame[name]), timeline.period, timeline.order
    time = fitted_time(frame[name])
    return time.label, time.periods, time.order


def _codes(frame, name):
    if name is None:
        return pd.RangeIndex(len(frame), name="choice_set"), np.arange(len(frame))
    column = _labels(frame, name, "choice_set")
    labels = sorted_labels(column)
    return labels, labels.get_indexer(pd.Index(column))


def _availability(frame, name):
    if name is None:
        return np.ones(len(frame), dtype=bool)
    values = numeric_column(frame[name], "availability")
    what = named_column(frame[name], "availability")
    remedy = "It is 1 where the alternative could be chosen, else 0"
    refuse_rows(frame[name], (values != 0) & (values != 1), what, "values other than 0 and 1", remedy)
    return values == 1


def _refuse_spanning(label, code, first, column, role):
    value_code = pd.factorize(column)[0]
    spans = np.unique(code[value_code != value_code[first[code]]])
    if len(spans):
        values = [plain(value) for value in column[code == spans[0]].unique()[:3]]
        raise InvalidDataError(
            f"choice_set column {label.name!r}: {len(spans):,} of {len(label):,} choice sets span more than "
            f"one {role}, such as {plain(label[spans[0]])!r} with {values} in column {column.name!r}. "
            "A choice set is one customer's choice in one category and period: give each its own label, as "
            f"in X.groupby({[label.name, column.name]!r}).ngroup()."
        )


def _refuse_repeated(frame, roles, code):
    product = pd.factorize(frame[roles.product])[0]
    repeated = pd.DataFrame({"set": code, "product": product}).duplicated(keep=False).to_numpy()
    if repeated.any():
        names = [roles.choice_set, roles.product]
        example = {name: plain(frame[name].to_numpy()[repeated][0]) for name in names}
        raise InvalidDataError(
            f"{int(repeated.sum()):,} rows share a choice set and product with another row, such as "
            f"{example}. An alternative stands once in a choice set: drop repeats with "
            f"X.drop_duplicates({names!r}), or give each choice its own label."
        )


def _refuse_unavailable(frame, roles, label, code, available):
    empty = np.flatnonzero(np.bincount(code, available, minlength=len(label)) == 0)
    if len(empty):
        raise InvalidDataError(
            f"availability column {roles.availability!r} leaves nothing to choose in {len(empty):,} of "
            f"{len(label):,} choice sets of column {roles.choice_set!r}, such as {plain(label[empty[0]])!r}. "
            f"Drop these sets or repair the column. {whole_sets_message(roles)}"
        )
