"""Bad labels and rows at both doors: one list, both estimators."""

import uuid

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError

ROLES = ("product", "groups", "category", "customer", "choice_set")


def role_column(door, role):
    if role not in door.labels:
        pytest.skip(f"no {role} in this model")
    return door.labels[role]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("unusual", "kind"),
    [
        (lambda label: [label], "list"),
        (lambda label: (label, 1), "tuple"),
        (lambda label: {"id": label}, "dict"),
        (lambda label: uuid.uuid5(uuid.NAMESPACE_OID, str(label)), "UUID"),
        (lambda label: pd.Interval(len(str(label)), 99), "Interval"),
    ],
    ids=["list", "tuple", "dict", "UUID", "Interval"],
)
def test_labels_of_an_unusual_kind(door, fitted_door, role, unusual, kind):
    column = role_column(door, role)
    X = door.X.assign(**{column: door.X[column].map(unusual)})
    found = rf"{role} column '{column}' has {kind} labels in {len(X)} of {len(X)} rows, such as .* in row 0"
    for ask in (door.build, fitted_door.predict):
        with pytest.raises(InvalidDataError, match=found):
            ask(X)


@pytest.mark.parametrize("role", ROLES)
def test_labels_that_have_no_hash_where_there_is_no_time(door, role):
    """Rows are compared with each other before anything else is made of them."""
    column = role_column(door, role)
    X = door.X.assign(**{column: door.X[column].map(lambda label: [label])})
    with pytest.raises(InvalidDataError, match=f"{role} column '{column}' has list labels in {len(X)} of"):
        door.build(X, time=None)


def test_unusual_labels_as_text_fit(mock_sampling, door):
    X = door.X.assign(**{door.product: door.X[door.product].map(lambda label: [label]).astype(str)})
    assert np.isfinite(door.fit(X).predict(X)).all()


@pytest.mark.parametrize("role", ROLES)
def test_labels_of_mixed_types(door, fitted_door, role):
    column = role_column(door, role)
    labels = door.X[column].astype(object)
    labels.iloc[[7, 8]] = 5 if isinstance(labels.iloc[0], str) else "5"
    found = rf"{role} column '{column}' has .* labels among .* ones such as .* in 2 of {len(labels)} rows"
    for ask in (door.build, fitted_door.predict):
        with pytest.raises(InvalidDataError, match=found):
            ask(door.X.assign(**{column: labels}))


@pytest.mark.parametrize(
    "spoil", [lambda label: label + " ", lambda label: label.upper()], ids=["blank", "case"]
)
def test_products_that_all_miss_by_a_blank_or_case(door, fitted_door, spoil):
    X = door.X.assign(**{door.product: door.X[door.product].map(spoil)})
    n, example = len(X), X[door.product].iloc[0]
    found = (
        rf"{n} of {n} rows have a product that was not fitted, such as {example!r} in column "
        rf"'{door.product}'.*Fitted was {door.X[door.product].iloc[0]!r}: "
    )
    for ask in (fitted_door.predict, lambda X: fitted_door.score(X, door.y)):
        with pytest.warns(DataWarning, match=found):
            ask(X)


def test_the_remedies_of_blanks_and_case(door, fitted_door):
    """Followed, nothing is said, and predictions are those of the fitted labels."""
    expected = fitted_door.predict(door.X)
    for spoil, repair in (
        ("{} ", lambda column: column.str.strip()),
        (" {}", lambda c: c.str.strip().str.lower()),
    ):
        spoiled = door.X[door.product].map(spoil.format)
        np.testing.assert_array_equal(
            fitted_door.predict(door.X.assign(**{door.product: repair(spoiled)})), expected
        )


def test_some_new_products(door, fitted_door):
    new = door.X[door.product] == door.X[door.product].iloc[0]
    X = door.X.assign(**{door.product: door.X[door.product].where(~new, "new")})
    found = rf"{int(new.sum())} of {len(X)} rows have a product that was not fitted, such as 'new' in column"
    with pytest.warns(DataWarning, match=found):
        fitted_door.predict(X)


@pytest.mark.filterwarnings("ignore:Time effects leave less:hdfm.exceptions.DataWarning")
def test_labels_fitted_with_and_without_a_blank(mock_sampling, door):
    blank = np.arange(len(door.X)) % 2 == 0
    labels = door.X[door.product].where(blank, door.X[door.product] + " ")
    X = door.X.assign(**{door.product: labels})
    with pytest.warns(DataWarning, match=rf"product column '{door.product}' holds .* labels that differ"):
        door.fit(X)


@pytest.mark.parametrize("name", ["chain", "draw"])
@pytest.mark.parametrize("role", ["product", "time"])
def test_columns_named_after_parts_of_the_posterior(door, name, role):
    column = door.labels[role]
    with pytest.raises(
        InvalidArgumentError, match=rf"{role} column '{name}' .*rename.*{{'{name}': '{role}_{name}'}}"
    ):
        door.build(door.X.rename(columns={column: name}), **{role: name})


@pytest.mark.parametrize(
    "name", ["mean", "sd", "lower", "upper", "p_elastic", "p_positive", "change", "units"]
)
def test_columns_named_after_columns_of_tables(mock_sampling, door, name):
    """Refused before sampling, or carried through."""
    for column in (door.product, door.group):
        role = next(role for role, label in door.labels.items() if label == column)
        X = door.X.drop(columns=name, errors="ignore").rename(columns={column: name})
        model, refusal = None, ""
        try:
            model = door.fit(X, **{role: name})
        except InvalidArgumentError as error:
            refusal = str(error)
        if model is None:
            assert f"'{name}'" in refusal
        else:
            assert np.isfinite(model.elasticities_["mean"]).all()
            assert len(model.elasticities_.reset_index()) == len(model.elasticities_)


def shifted(values):
    return values.iloc[:-1]


MISALIGNED = [
    (lambda y: y.iloc[::-1], r"another order.*pass {}\.loc\[X\.index\].*{}\.to_numpy\(\)"),
    (
        lambda y: y.set_axis(y.index + 3),
        r"3 of \d+ row labels of X are not in {}'s index; row 0 has the label 0 in X and 3 in",
    ),
    (
        lambda y: y.set_axis(np.r_[-1, 1 : len(y)]),
        r"1 of \d+ row labels of X are not in {}'s index; row 0 .* 0 in X and -1 in {}",
    ),
    (
        lambda y: y.set_axis(np.r_[1, 1 : len(y)]),
        r"stand more than once, in 0 of \d+ rows of X and 2 of {}, such as 1, .*row 0 .* 0 in X and 1 in {}",
    ),
]


@pytest.mark.parametrize(("move", "found"), MISALIGNED, ids=["order", "shifted", "one", "twice"])
def test_rows_of_y_and_weights_that_are_not_those_of_X(door, fitted_door, move, found):
    for ask in (door.build, fitted_door.score):
        with pytest.raises(InvalidDataError, match=found.format("y", "y")):
            ask(door.X, move(door.y))
    weights = move(pd.Series(1.0, door.X.index))
    with pytest.raises(InvalidDataError, match=found.format("sample_weight", "sample_weight")):
        fitted_door.score(door.X, door.y, sample_weight=weights)


@pytest.mark.parametrize(("move", "found"), MISALIGNED, ids=["order", "shifted", "one", "twice"])
def test_rows_without_roles(door, move, found):
    """scikit-learn reads a frame of plain numbers; its rows are held against those of y all the same."""
    model, y = type(door.make())(), (door.y > 0).astype(int)
    with pytest.raises(InvalidDataError, match=found.format("y", "y")):
        model.fit(door.X[["price"]], move(y))


def test_the_remedies_of_misaligned_rows(fitted_door, door):
    expected = fitted_door.score(door.X, door.y)
    moved = door.y.iloc[::-1]
    assert fitted_door.score(door.X, moved.loc[door.X.index]) == expected
    assert fitted_door.score(door.X, door.y.set_axis(door.y.index + 3).to_numpy()) == expected
    assert fitted_door.score(door.X, door.y.set_axis(door.X.index.astype(str) + "x")) == expected
    weights = pd.Series(1.0, door.X.index)
    assert fitted_door.score(door.X, door.y, sample_weight=weights) == pytest.approx(expected)


@pytest.mark.parametrize("y", [3.0, np.float64(2)], ids=type)
def test_one_number_for_y(door, y):
    with pytest.raises(ValueError, match=r"y is a float.*: pass one value|y should be a 1d array"):
        door.build(door.X, y)


def test_complex_y(door):
    with pytest.raises(InvalidDataError, match="y has complex numbers"):
        door.build(door.X, door.y.to_numpy() + 1j)
