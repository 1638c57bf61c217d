"""What messages say to do works: the remedy is followed, and fits."""

import re

import numpy as np
import pandas as pd
import pytest

from hdfm.exceptions import InvalidDataError


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (lambda week: "week " + week.astype(str), "Convert it with "),
        (lambda week: week.astype(str), "Convert it with "),
        (
            lambda week: (pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, "D")).astype(str),
            "Convert it with ",
        ),
    ],
    ids=["words", "numbers", "dates"],
)
def test_text_weeks(mock_sampling, door, spoil, remedy):
    X = door.X.assign(**{door.time: spoil(door.X[door.time])})
    with pytest.raises(InvalidDataError, match="holds text or booleans such as") as caught:
        door.build(X)
    call = re.search(re.escape(remedy) + r"(.*)\.$", str(caught.value))[1]
    repaired = X.assign(**{door.time: eval(call, {"X": X, "pandas": pd})})
    assert len(door.fit(repaired).panel_.period) == door.X[door.time].nunique()


def test_time_within_a_list(mock_sampling, door):
    X = door.X.assign(**{door.time: door.X[door.time].map(lambda week: [week])})
    with pytest.raises(InvalidDataError, match=r"take these out of the list, as X.* does") as caught:
        door.build(X)
    call = re.search(r"as (X.*) does", str(caught.value))[1]
    assert door.fit(X.assign(**{door.time: eval(call, {"X": X})})) is not None


def test_rows_in_part_the_same(mock_sampling, door):
    """X without the rows of one unit and y without as many others, the remedy on both."""
    X, y, unit = door.X, door.y, door.labels.get("choice_set", door.product)
    code, size = X.groupby(unit).ngroup(), X.groupby(unit)[unit].transform("size")
    dropped = code[size == size.iloc[0]].unique()[:2]
    X, y = X[code != dropped[0]], y[code != dropped[1]]
    with pytest.raises(InvalidDataError, match="Take the same rows of both: ") as caught:
        door.build(X, y)
    remedy = re.search(r"both = (.*), X\.loc\[both\], y\.loc\[both\]", str(caught.value))[1]
    both = eval(remedy, {"X": X, "y": y})
    assert np.isfinite(door.fit(X.loc[both], y.loc[both]).predict(X.loc[both])).all()
