"""What holds of every frame that is accepted."""

import numpy as np
import pandas as pd
from fuzz.columns import WHOLE_NUMBERS
from fuzz.doors import Refused
from fuzz.sheets import ODD_OUTCOMES, OUTCOMES, contained
from pandas.testing import assert_frame_equal, assert_series_equal

ROUNDING = {"rtol": 1e-9, "atol": 1e-9}
CURRENCY = 137.5
ROUNDED = ("Arrow decimal", "float32", *WHOLE_NUMBERS)
OTHER_LABELS = (
    "text",
    "int",
    "halves",
    "unordered categories",
    "numbers with zeros",
    "Decimal",
    "Arrow dictionary",
    "Period",
)


def fit(door, case, sheet, order=None):
    """What the door gives for a sheet, with its rows in some order."""
    frame, y = sheet.frame(), case.y
    if order is not None:
        frame, y = frame.iloc[order], y[order]
    y = (OUTCOMES | ODD_OUTCOMES)[case.outcome](y, frame)
    X = contained(frame, sheet.container)
    with unchanged(X, y):
        return door.fit(case.arguments, X, y)


def encode(door, model, sheet, rows=None):
    """What the door gives for rows of a sheet to predict."""
    frame = sheet.frame() if rows is None else sheet.frame().iloc[rows]
    X = contained(frame, sheet.container)
    with unchanged(X):
        return door.encode(model, X)


def check(door, case):
    """Fit a case up to the engine, encode what is asked, and hold both to what should be true."""
    try:
        fitted = fit(door, case, case.sheet)
    except Refused:
        return "refused"
    try:
        encoded = encode(door, fitted[0], case.asked)
    except Refused:
        encoded = None
    if case.outcome in ODD_OUTCOMES:
        return "odd outcome"
    INVARIANTS[case.invariant](door, case, fitted, encoded)
    return "not asked" if encoded is None else "accepted"


class unchanged:
    """A context in which the caller's frames stay as they are."""

    def __init__(self, *given):
        self.given = given

    def __enter__(self):
        self.before = [
            each.copy() if isinstance(each, pd.DataFrame | pd.Series) else None for each in self.given
        ]

    def __exit__(self, *_):
        for each, before in zip(self.given, self.before, strict=True):
            if isinstance(each, pd.DataFrame):
                assert_frame_equal(each, before)
            elif isinstance(each, pd.Series):
                assert_series_equal(each, before)


def permutation(door, case, fitted, encoded):
    """Rows in another order give the same, row by row."""
    if "time" not in case.arguments:  # periods are then the order of rows
        return
    rng = np.random.default_rng(case.seed)
    order = rng.permutation(len(case.sheet))
    model, facts, findings = fit(door, case, case.sheet, order)
    assert_same(facts, fitted[1].iloc[order])
    assert findings == fitted[2]
    if encoded is not None:
        order = rng.permutation(len(encoded))
        assert_same(encode(door, model, case.asked, order), encoded.iloc[order])


def labels(door, case, fitted, encoded):
    """Products and whatever else has labels may have others, in any order."""
    rng = np.random.default_rng(case.seed)
    sheet, asked, new = case.sheet, case.asked, rng.permutation(100)
    for name in case.named("product", "groups", "customer", "category", "choice_set"):
        if not (sheet.is_odd(name) or asked.is_odd(name)) and sheet.kinds[name] == asked.kinds[name]:
            kind = rng.choice(OTHER_LABELS)
            sheet = sheet.with_kind(name, kind).with_values(**{name: new[sheet.values[name]]})
            asked = asked.with_kind(name, kind).with_values(**{name: new[asked.values[name]]})
    model, facts, findings = fit(door, case, sheet)
    assert_same(facts, fitted[1], by_label=False)
    assert findings[0] == fitted[2][0]  # twins are a matter of labels
    if encoded is not None:
        assert_same(encode(door, model, asked), encoded, by_label=False)


def units_of_measure(door, case, fitted, encoded):
    """A price in another currency moves its level alone."""
    name = case.arguments.get("price")
    if name is None or case.sheet.is_odd(name) or case.sheet.kinds[name][1] in ROUNDED:
        return
    sheet = case.sheet.with_values(**{name: case.sheet.values[name] * CURRENCY})
    _, facts, findings = fit(door, case, sheet)
    assert_same(facts, door.in_currency(fitted[1], case.arguments, CURRENCY))
    assert findings == fitted[2]


def row_by_row(door, case, fitted, encoded):
    """What a row, or a choice set, becomes does not depend on the others."""
    if encoded is None:
        return
    unit = case.arguments.get("choice_set")
    codes = np.arange(len(encoded)) if unit is None else case.asked.values[unit]
    rows = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    alone = [encode(door, fitted[0], case.asked, some).set_axis(some, axis=0) for some in rows]
    assert_same(pd.concat(alone).sort_index(), encoded)


INVARIANTS = {
    "permutation": permutation,
    "labels": labels,
    "units of measure": units_of_measure,
    "row by row": row_by_row,
}


def assert_same(found, expected, by_label=True):
    """Two tables have the same in every row; where not ``by_label``, the same label where it was the same."""
    found, expected = (
        table.reindex(columns=sorted(table.columns)).reset_index(drop=True) for table in (found, expected)
    )
    if not by_label:
        found, expected = (_unnamed(table) for table in (found, expected))
    assert_frame_equal(found, expected, check_dtype=False, **ROUNDING)


def _unnamed(table):
    names = [name for name in table if name.startswith("label ")]
    # Of products that are chosen as often, the reference is the first.
    return table.assign(**{name: pd.factorize(table[name])[0] for name in names}).drop(
        columns="label intercept", errors="ignore"
    )
