"""Columns that stand twice, of unusual names or values, with a role or asked for: at both doors."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.frames.keys import key_columns


def totals(model):
    """What the model answers by columns of X."""
    return model.predict_totals if hasattr(model, "predict_totals") else model.shares


def segments(door):
    """A column that is constant within whatever a row belongs to."""
    return "segment of " + door.X[door.group].astype(str)


def test_a_new_column_that_stands_twice_is_named_once(door, fitted_door):
    weight = pd.DataFrame({"weight": np.ones(len(door.X))})
    X = pd.concat([door.X, weight, weight], axis=1)
    with pytest.warns(DataWarning, match=r"X has 1 columns without a role .* not see \(weight\)"):
        np.testing.assert_array_equal(fitted_door.predict(X), fitted_door.predict(door.X))


def test_the_remedy_of_a_column_that_stands_twice(door, fitted_door):
    X = pd.concat([door.X, door.X[["price"]]], axis=1)
    for ask in (door.build, lambda X: fitted_door.predict(X)):
        with pytest.raises(InvalidDataError, match="holds the column 'price' more than once") as caught:
            ask(X)
    repaired = eval(re.search(r"as X = (.*) does", str(caught.value))[1], {"X": X})
    np.testing.assert_array_equal(fitted_door.predict(repaired), fitted_door.predict(door.X))


def test_any_column_with_a_role_that_stands_twice(door, fitted_door):
    weight = np.ones(len(door.X))
    asks = (
        door.build,
        lambda X: door.make().build_model(X, door.y, weight),
        fitted_door.predict,
        lambda X: fitted_door.score(X, door.y),
    )
    for name in {*door.labels.values(), "price"}:
        X = pd.concat([door.X, door.X[[name]]], axis=1)
        for ask in asks:
            with pytest.raises(InvalidDataError, match=f"holds the column '{name}' more than once"):
                ask(X)


@pytest.mark.parametrize("levels", [1, 2])
def test_column_names_of_several_levels(door, fitted_door, levels):
    X = door.X.set_axis(
        pd.MultiIndex.from_arrays([door.X.columns, [""] * len(door.X.columns)][:levels]), axis=1
    )
    for ask in (door.build, fitted_door.predict):
        with pytest.raises(InvalidDataError, match=rf"X's column names have {levels} levels") as caught:
            ask(X)
    joined = eval(re.search(r"X = (X\.set_axis.*) joins", str(caught.value))[1], {"X": X})
    np.testing.assert_array_equal([name.rstrip("_") for name in joined], door.X.columns)


def test_names_of_columns_that_are_no_text(mock_sampling, door):
    role = next(role for role in ("controls", "features") if role in door.make().get_params())
    X = door.X.assign(**{"7": np.random.default_rng(0).integers(0, 2, len(door.X))}).rename(columns={"7": 7})
    with pytest.raises(
        InvalidDataError, match=r"1 columns with a role whose name is no text, such as 7 \(int\)"
    ) as caught:
        door.build(X, **{role: ["price_index", 7] if "price_index" in X else [7]})
    repaired = eval(re.search(r"X = (X\.rename.*)\.$", str(caught.value))[1], {"X": X, "str": str})
    assert np.isfinite(door.fit(repaired, **{role: ["7"]}).predict(repaired)).all()


@pytest.mark.parametrize("names", [[["price"]], [{"price": 1}]])
def test_names_in_lists_in_lists(door, names):
    role = next(role for role in ("controls", "features") if role in door.make().get_params())
    with pytest.raises(InvalidArgumentError, match=rf"{role} takes a column name or a list of them; got \["):
        door.build(**{role: names})


def test_answers_by_a_column_of_any_frame(door, fitted_door):
    X = door.X.assign(segment=segments(door))
    expected = totals(fitted_door)(X, by="segment")
    for frame in (
        pl.from_pandas(X),
        pa.Table.from_pandas(X),
        X.set_index(["segment", door.group], drop=False),
    ):
        pd.testing.assert_frame_equal(totals(fitted_door)(frame, by="segment"), expected)
        pd.testing.assert_frame_equal(totals(fitted_door)(frame, by=["segment", "segment"]), expected)


def test_answers_by_a_column_that_rows_can_not_be_grouped_by(door, fitted_door):
    X, n = door.X.assign(segment=[[1]] * len(door.X)), len(door.X)
    with pytest.raises(
        InvalidDataError, match=rf"by column 'segment' has list values in {n} of {n} rows"
    ) as caught:
        totals(fitted_door)(X, by="segment")
    text = eval(re.search(r"with (X\[.*\))\.$", str(caught.value))[1], {"X": X, "str": str})
    assert totals(fitted_door)(X.assign(segment=text), by="segment") is not None
    twice = pd.concat([X, X[["segment"]]], axis=1)
    with pytest.raises(InvalidDataError, match="holds the column 'segment' more than once"):
        totals(fitted_door)(twice, by="segment")


def test_answers_by_a_column_named_as_one_of_the_table(door, fitted_door):
    X = door.X.assign(mean=segments(door))
    with pytest.raises(
        InvalidArgumentError, match="by='mean' has the name of a column of the table"
    ) as caught:
        totals(fitted_door)(X, by="mean")
    renamed = eval(re.search(r"(X\.rename.*)\.$", str(caught.value))[1], {"X": X})
    assert totals(fitted_door)(renamed, by="by_mean") is not None


def test_keys_of_rows():
    X = pd.DataFrame({"a": [1, 2], "b": pd.cut([1, 5], [0, 3, 6])}, index=pd.Index([5, 5], name="a"))
    keys = key_columns(X, ["a", "b", "a"])
    assert list(keys) == ["a", "b"]
    assert keys.index.equals(pd.RangeIndex(2))
    assert keys["b"].dtype == "category"
