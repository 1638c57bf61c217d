"""Rows of X and y that belong together by label, by position, or nobody knows how."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hdfm.exceptions import InvalidDataError
from hdfm.frames.read import in_pandas
from hdfm.model_selection import rolling_predict

SEED = 3


def concatenated(door):
    """The frame and its outcome, of two parts whose row labels both count from 0."""
    frame = door.X.assign(outcome=door.y)
    half = len(frame) // 2
    return pd.concat([frame[:half].reset_index(drop=True), frame[half:].reset_index(drop=True)])


def parted(frame, door):
    """X in another order than y, as after X.sample(frac=1)."""
    return frame.sample(frac=1, random_state=SEED)[list(door.X)], frame["outcome"]


def test_row_labels_that_stand_twice(door, fitted_door):
    X, y = parted(concatenated(door), door)
    n, twice = len(X), len(X) // 2 * 2
    found = (
        rf"Row labels stand more than once, in {twice} of {n} rows of X and {twice} of y, such as \d+, "
        r"and not in the same places: row \d+ has the label \d+ in X and \d+ in y\."
    )
    for ask in (door.build, fitted_door.score):
        with pytest.raises(InvalidDataError, match=found):
            ask(X, y)
    weights = y.rename("weight") * 0 + 1.0
    with pytest.raises(InvalidDataError, match=r"rows of X and \d+ of sample_weight, such as"):
        fitted_door.score(X, y, sample_weight=weights)


def test_its_remedies(mock_sampling, door):
    """Numbers given before X and y are parted, as the message says; or one frame till rows are in order."""
    frame = concatenated(door)
    X, y = parted(frame, door)
    with pytest.raises(InvalidDataError, match="Labels that repeat do") as caught:
        door.build(X, y)
    remedy = re.search(r"frame = (frame\S+);", str(caught.value))[1]
    X, y = parted(eval(remedy, {"frame": frame}), door)
    assert np.isfinite(door.fit(X, y.loc[X.index]).score(door.X, door.y))
    whole = frame.sample(frac=1, random_state=SEED)
    assert np.isfinite(door.fit(whole[list(door.X)], whole["outcome"]).predict(door.X)).all()


def test_labels_that_repeat_in_the_same_places_are_matched_by_them(mock_sampling, door):
    frame = concatenated(door)
    assert np.isfinite(door.fit(frame[list(door.X)], frame["outcome"]).predict(door.X)).all()


@pytest.mark.parametrize("sides", ["X", "y"])
def test_one_side_without_row_labels(mock_sampling, door, sides):
    """They belong together by position, in fits, draws of the prior and forecasts."""
    frame = door.X.assign(outcome=door.y).sample(frac=1, random_state=SEED)
    X, y = frame[list(door.X)], frame["outcome"]
    if sides == "X":
        X, y = pl.from_pandas(X.reset_index(drop=True)), y.set_axis(y.index[::-1])
    else:
        y = pl.Series(y.to_numpy())
    model = door.fit(X, y)
    prior = door.make().sample_prior(X, y, draws=3)
    assert len(prior["prior_predictive"]["row"]) == len(frame)
    half = door.X[door.time].median()
    early = (frame[door.time] < half).to_numpy()
    ahead = rolling_predict(door.make(), X, y, [(np.flatnonzero(early), np.flatnonzero(~early))])
    assert len(ahead) == (~early).sum()
    assert np.isfinite(model.predict(X)).all()


def test_a_record_batch(fitted_door, door):
    batch = pa.RecordBatch.from_pandas(door.X, preserve_index=False)
    pd.testing.assert_frame_equal(in_pandas(batch), in_pandas(pa.Table.from_batches([batch])))
    np.testing.assert_array_equal(fitted_door.predict(batch), fitted_door.predict(door.X))
