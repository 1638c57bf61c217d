"""Remedies of labels that miss fitted ones, followed to the letter: at both doors, and on their own."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning, InvalidDataError
from hdfm.frames.twins import conversion_of_twins, conversion_to, renaming, twins_among

REST = ["new", "other"]


def number(labels):
    """Labels as whole numbers from 0."""
    return pd.Series(pd.factorize(labels, sort=True)[0], labels.index)


SPELLINGS = {
    "upper": (lambda s: s.str.upper(), lambda s: s),
    "lower": (lambda s: s, lambda s: s.str.upper()),
    "title": (lambda s: "the " + s, lambda s: ("the " + s).str.title()),
    "fitted in title": (lambda s: ("the " + s).str.title(), lambda s: "the " + s),
    "blank": (lambda s: s, lambda s: s + " "),
    "blank and case": (lambda s: s, lambda s: " " + s.str.upper()),
    "whole as text": (lambda s: number(s).astype(str), lambda s: number(s).astype(float).astype(str)),
    "decimal as text": (lambda s: number(s).astype(float).astype(str), lambda s: number(s).astype(str)),
    "numbers": (lambda s: number(s), lambda s: number(s).astype(str)),
    "text": (lambda s: number(s).astype(str), lambda s: number(s).astype(float)),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_conversion_of_the_column(mock_sampling, door, spelling):
    fitted, asked = (spell(door.X[door.product].astype(str)) for spell in SPELLINGS[spelling])
    model = door.fit(door.X.assign(**{door.product: fitted}))
    X = door.X.assign(**{door.product: asked})
    message = ""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.predict(X)
        message = str(said[0].message)
    except InvalidDataError as error:
        message = str(error)
    call = re.search(r"onvert the column with (X\[.*?\)+)\.( |$)", message)[1]
    X[door.product] = eval(call, {"X": X, "str": str, "int": int, "float": float})
    np.testing.assert_allclose(model.predict(X), model.predict(door.X.assign(**{door.product: fitted})))


def test_where_the_fitted_label_is_the_odd_one(mock_sampling, door):
    """Renamed in X it is known; and the column of the fit can be converted."""
    odd = door.X[door.product].replace({door.X[door.product].iloc[0]: door.X[door.product].iloc[0] + " "})
    model, X = door.fit(door.X.assign(**{door.product: odd})), door.X
    with pytest.warns(
        DataWarning, match=r"rename the labels with X\[.*replace.*, or fit again, to a col"
    ) as said:
        model.predict(X)
    message = str(said[0].message)
    call = re.search(r"rename the labels with (X.*?}\))", message)[1]
    np.testing.assert_allclose(
        model.predict(X.assign(**{door.product: eval(call, {"X": X})})),
        model.predict(X.assign(**{door.product: odd})),
    )
    again = re.search(r"converted with (X.*?\(\))\.", message)[1]
    spoiled = door.X.assign(**{door.product: odd})
    repaired = spoiled.assign(**{door.product: eval(again, {"X": spoiled})})
    assert np.isfinite(door.fit(repaired).predict(X)).all()


@pytest.mark.filterwarnings("ignore:Time effects leave less:hdfm.exceptions.DataWarning")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s + " ",
        lambda s: s.str.upper(),
        lambda s: number(s).astype(str),
    ],
    ids=["blank", "case", "number"],
)
def test_twins_in_a_fit(mock_sampling, door, spoil):
    plain = door.X[door.product].astype(str)
    if spoil(plain).str.isdigit().all():
        plain = number(plain).astype(float).astype(str)
    half = door.X[door.time] % 2 == 0
    X = door.X.assign(**{door.product: plain.where(half, spoil(door.X[door.product].astype(str)))})
    with pytest.warns(DataWarning, match="labels that differ from another in blanks or case alone") as said:
        door.fit(X)
    message = next(str(w.message) for w in said if "labels that differ" in str(w.message))
    call = re.search(r"convert the column with (X.*?\)+)\.$", message)[1]
    X[door.product] = eval(call, {"X": X, "str": str, "int": int, "float": float})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        door.fit(X)
    assert not any("labels that differ" in str(warning.message) for warning in said)


def test_a_product_of_another_category(door, fitted_door):
    if "category" not in door.labels:
        pytest.skip("a product in two groups is refused")
    tea = door.X[door.group] == "tea"
    label = door.X.loc[~tea, door.product].iloc[0]
    first = door.X.loc[tea, door.product].iloc[0]
    X = door.X.assign(
        **{door.product: door.X[door.product].mask(tea & (door.X[door.product] == first), label)}
    )
    found = (
        rf"not fitted in their category, but in another, such as '{label}' in column '{door.product}' "
        "with 'tea'"
    )
    with pytest.warns(DataWarning, match=found) as said:
        fitted_door.predict(X)
    assert not any("Fitted was" in str(warning.message) for warning in said)


def test_strangers_stay_strangers():
    """No conversion that would make a fitted label of another one."""
    column = pd.Series(["7.0", "8.5"], name="sku")
    assert conversion_to(pd.Index([7, 8]), column) == "X['sku'].astype(float)"
    assert twins_among(pd.Index([7, 8]), pd.Index(column)) == {"7.0": 7}
    assert conversion_to(pd.Index(["a"]), pd.Series(REST, name="sku")) is None
    assert conversion_to(pd.Index(["a"]), pd.Series(["A", *REST], name="sku")) == "X['sku'].str.lower()"


def test_labels_of_which_no_conversion_makes_one():
    labels = pd.Index(["ab", "aB", "AB ", "c"], name="sku")
    call = conversion_of_twins(labels)
    X = pd.DataFrame({"sku": labels})
    assert eval(call, {"X": X}).nunique() == 2
    assert renaming({k: str(k) for k in range(7)}, "sku").endswith("and so on, 7 in all")
