"""Frames of polars and pyarrow are read at one door; answers are those of pandas."""

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from sklearn.utils.validation import check_is_fitted

from hdfm.frames.read import in_pandas
from hdfm.model_selection import ColumnGroupKFold


def to_polars(frame):
    return polars.from_pandas(frame)


def dictionaries(frame):
    """A table of pyarrow whose text is dictionary-encoded."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    text = (pa.string(), pa.large_string())
    columns = [column.dictionary_encode() if column.type in text else column for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


KINDS = {
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "dictionaries": dictionaries,
    "polars": to_polars,
    "lazy": lambda frame: to_polars(frame).lazy(),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_frames_become_those_of_pandas(kind):
    weeks = pd.to_datetime(["2024-01-01", "2024-01-08"])
    frame = pd.DataFrame({"brand": ["a", "b"], "price": [1.0, 2.5], "week": weeks})
    read = in_pandas(KINDS[kind](frame))
    assert isinstance(read, pd.DataFrame)
    assert read["brand"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(read["price"], frame["price"])
    assert (read["week"] == frame["week"]).all()


def test_columns_become_those_of_pandas():
    assert in_pandas(pa.chunked_array([[1, 2], [3]])).tolist() == [1, 2, 3]


@pytest.mark.parametrize("data", [None, [1, 2], np.ones(2), {"a": [1]}, "text", pd.Series([1])], ids=str)
def test_what_is_no_other_frame_stays(data):
    assert in_pandas(data) is data


@pytest.mark.parametrize("kind", ["pyarrow", "dictionaries", "polars"])
def test_answers_are_those_of_pandas(mock_sampling, door, fitted_door, kind):
    X = KINDS[kind](door.X)
    column = door.y.name
    model = door.make().fit(X, X[column] if kind != "polars" else X.get_column(column))
    check_is_fitted(model, "idata_")
    np.testing.assert_array_equal(model.predict(X), fitted_door.predict(door.X))
    assert model.score(X, door.y.to_numpy()) == fitted_door.score(door.X, door.y)
    assert model.sample_prior(X, draws=2)["prior_predictive"].sizes["row"] == len(door.X)
    if hasattr(model, "shares"):
        pd.testing.assert_frame_equal(model.shares(X), fitted_door.shares(door.X))
        pd.testing.assert_frame_equal(
            model.counterfactual(X, {"price": 0.9}), fitted_door.counterfactual(door.X, {"price": 0.9})
        )


@pytest.mark.parametrize("kind", ["pyarrow", "polars"])
def test_splitters_find_their_groups(door, kind):
    splitter = ColumnGroupKFold(door.product, 3)
    folds = splitter.split(door.X), splitter.split(KINDS[kind](door.X))
    for one, other in zip(*folds, strict=True):
        np.testing.assert_array_equal(one[1], other[1])


def test_columns_without_row_labels_belong_by_position(mock_sampling, door, fitted_door):
    """Of polars and pyarrow: the labels of X, and those of y beside a table, say nothing about them."""
    shuffled = np.random.default_rng(1).permutation(len(door.X))
    X, y = door.X.set_axis(shuffled), pa.chunked_array([door.y.to_numpy()])
    np.testing.assert_array_equal(door.fit(X, y).predict(X), fitted_door.predict(door.X))
    table, y = KINDS["pyarrow"](door.X), door.y.set_axis(shuffled)
    assert fitted_door.score(table, y) == fitted_door.score(door.X, door.y)


def test_labels_of_rows_of_several_levels(fitted_door, door):
    levels = pd.MultiIndex.from_arrays([np.arange(len(door.y)), np.zeros(len(door.y))])
    assert fitted_door.score(door.X, door.y.set_axis(levels)) == fitted_door.score(door.X, door.y)


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), pa.string()), pa.timestamp("us", "UTC")], ids=str)
def test_tables_with_notes_that_pandas_does_not_read(kind):
    values = pa.array(["a", "b"] if pa.types.is_dictionary(kind) else [1, 2]).cast(kind)
    frame = pd.DataFrame({"brand": pd.arrays.ArrowExtensionArray(values), "price": [1.0, 2.0]})
    assert in_pandas(pa.Table.from_pandas(frame))["price"].tolist() == [1.0, 2.0]
