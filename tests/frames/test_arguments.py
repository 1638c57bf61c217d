"""Arguments and outcomes that are no such thing, at both doors: one list, both estimators."""

import re

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import InvalidArgumentError, InvalidDataError

ONE_COLUMN = ("product", "time", "price", "category", "customer", "choice_set", "exposure", "reference_price")
OTHERS = (
    "draws",
    "chains",
    "inference",
    "sampler",
    "priors",
    "likelihood",
    "n_factors",
    "gp",
    "groups",
    "features",
)


def argument(door, name):
    if name not in door.make().get_params(deep=False):
        pytest.skip(f"no {name} in this model")
    return name


@pytest.mark.parametrize("role", ONE_COLUMN)
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (lambda X: X, r"a DataFrame \(data are passed to fit\(X, y\)\)"),
        (lambda X: X.iloc[:, 0], r"a Series \(data are passed to fit\(X, y\)\)"),
        (lambda X: X.to_numpy(), r"a ndarray \(data are passed to fit\(X, y\)\)"),
        (lambda X: 3, "3"),
        (lambda X: ["a"], r"\['a'\]"),
    ],
    ids=["frame", "column", "array", "number", "list"],
)
def test_roles_of_one_column(door, role, value, found):
    with pytest.raises(InvalidArgumentError, match=f"^{role} takes a column name; got {found}"):
        door.build(**{argument(door, role): value(door.X)})


@pytest.mark.parametrize("name", OTHERS)
def test_a_frame_where_something_else_is_meant(door, name):
    found = rf"^{name} (must be|takes) .*got a DataFrame \(data are passed to fit\(X, y\)\)"
    with pytest.raises(InvalidArgumentError, match=found):
        door.build(**{argument(door, name): door.X})


def test_a_frame_before_all_else(door):
    """As in ``Estimator(X, y)``."""
    with pytest.raises(InvalidArgumentError, match=r"got a DataFrame \(data are passed to fit\(X, y\)\)"):
        type(door.make())(door.X, door.y).fit(door.X, door.y)


def test_y_as_the_name_of_a_column(mock_sampling, door):
    X = door.X.assign(outcome=door.y)
    with pytest.raises(InvalidDataError, match=r"y is 'outcome', the name of a column") as caught:
        door.build(X, "outcome")
    y = eval(re.search(r"pass the column itself, y=(.*)\.$", str(caught.value))[1], {"X": X})
    assert np.isfinite(door.fit(door.X, y).predict(door.X)).all()
    with pytest.raises(InvalidDataError, match=r"y is the text 'sold'; it is one value per row of X"):
        door.build(X, "sold")


def test_y_of_several_columns(door):
    y = pd.concat([door.y, door.y], axis=1)
    with pytest.raises(InvalidDataError, match="y has 2 columns, but it takes one"):
        door.build(door.X, y)


def test_the_outcome_among_the_predictors(mock_sampling, door):
    role = next(role for role in ("controls", "features") if role in door.make().get_params())
    X = door.X.assign(outcome=door.y)
    found = f"{role} column 'outcome' equals y in all {len(X)} rows, such as row 0: it is the outcome"
    with pytest.raises(InvalidDataError, match=found):
        door.build(X, **{role: ["outcome"]})
    others = X.assign(outcome=door.y.where(door.y.index > 20, 3))
    assert np.isfinite(door.fit(others, **{role: ["outcome"]}).predict(others)).all()
