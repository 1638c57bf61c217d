"""Parts of the periods, fitted apart and compared."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from reference.conjugate import MODEL, fit_exactly, volumes
from sklearn.linear_model import LinearRegression

from hdfm import HierarchicalElasticity
from hdfm.exceptions import (
    ApproximationWarning,
    DataWarning,
    InterruptedSamplingWarning,
    InvalidArgumentError,
    InvalidDataError,
)
from hdfm.model_selection import split_time_check
from hdfm.model_selection.split_time import default_blocks, time_splits

COPIES = 6


@pytest.fixture(autouse=True)
def fits(monkeypatch):
    """The frames and models that were fitted, exactly and at once."""
    fitted = []

    def fit(model, X, y):
        fitted.append((X, np.asarray(y), model))
        return fit_exactly(model, X, y)

    monkeypatch.setattr(HierarchicalElasticity, "fit", fit)
    return fitted


@pytest.fixture(scope="module")
def sales():
    return volumes()


def check(sales, model=None, **options):
    model = HierarchicalElasticity(**MODEL) if model is None else model
    return split_time_check(model, sales, sales["units_sold"], **{"copies": COPIES, **options})


def test_right_intervals(sales):
    table = check(sales)
    assert table.index.get_level_values("split").unique().to_list() == [
        "halves",
        "blocks of 6",
        "blocks of 1",
    ]
    assert table.loc["halves"].index.to_list() == ["product", "category", "global"]
    products = table.xs("product", level="level")
    assert (products["n"] + products["left_out"] == 80).all()
    assert (products["n"] > 60).all()
    assert (abs(products["z_copies"] - 1) < 0.1).all()
    assert (abs(products["ratio"] - 1) < 3 * products["se"]).all()
    assert (table.loc[(slice(None), "global"), "n"] == 1).all()
    assert table.loc[(slice(None), "global"), "se"].isna().all()
    assert table["se_copies"].gt(0).all()


def test_noise_that_wanders_shows_on_long_blocks():
    table = check(volumes(persistence=0.95), blocks=(4, 1))
    ratio = table.xs("product", level="level")["ratio"]
    assert ratio["halves"] > 1.3
    assert ratio["halves"] > ratio["blocks of 4"] > ratio["blocks of 1"]
    assert ratio["blocks of 1"] < 0.9  # neighbouring periods share what wanders
    assert "errors are shared" in table.loc[("blocks of 1", "product"), "verdict"]
    assert table.attrs["verdict"].startswith("On halves the intervals of products are too narrow by")


def test_number_of_fits_and_their_periods(sales, fits):
    check(sales, blocks=(3,), copies=2)
    assert len(fits) == 1 + 2 * (1 + 2) * (1 + 1)
    periods = [sorted(X["time_period"].unique()) for X, _, _ in fits]
    odd = [t for t in range(24) if t // 3 % 2]
    even = sorted(set(range(24)) - set(odd))
    assert periods[0] == list(range(24))
    assert periods[1:] == 3 * [list(range(12)), list(range(12, 24)), even, odd]
    np.testing.assert_array_equal(fits[1][1], sales.loc[sales["time_period"] < 12, "units_sold"])
    of_copies = [fits[5][1], fits[9][1]]
    assert all((units != fits[1][1]).all() for units in of_copies)
    assert (of_copies[0] != of_copies[1]).all()


def test_same_twice_whatever_holds_the_rows(sales):
    before = sales.copy()
    table = check(sales, blocks=(), copies=2)
    pd.testing.assert_frame_equal(sales, before)
    pd.testing.assert_frame_equal(check(sales, blocks=(), copies=2), table)
    shuffled = sales.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(check(shuffled, blocks=(), copies=2), table)
    pd.testing.assert_frame_equal(check(pl.from_pandas(sales), blocks=(), copies=2), table)
    model = HierarchicalElasticity(**MODEL)
    listed = split_time_check(model, sales, sales["units_sold"].to_list(), blocks=(), copies=2)
    pd.testing.assert_frame_equal(listed, table)
    assert not hasattr(model, "panel_")


@pytest.mark.parametrize("state", [lambda: 3, lambda: np.random.RandomState(3)], ids=["int", "RandomState"])
def test_seeds(sales, fits, state):
    def of_seed():
        return check(sales, HierarchicalElasticity(**MODEL, random_state=state()), blocks=(), copies=2)

    table = of_seed()
    pd.testing.assert_frame_equal(of_seed(), table)
    assert check(sales, blocks=(), copies=2)["ratio"].ne(table["ratio"]).all()
    assert len({model.seed_ for _, _, model in fits[1:7]}) == 1


def test_who_is_in_one_part_alone(sales):
    late = (sales["product"] == 5) & (sales["time_period"] < 12)
    late |= (sales["category"] == 3) & (sales["time_period"] >= 12)
    table = check(sales, blocks=(1,), copies=2)
    with_gaps = check(sales[~late], blocks=(1,), copies=2)
    assert with_gaps.loc[("halves", "product"), "left_out"] >= 21
    assert with_gaps.loc[("halves", "category")][["n", "left_out"]].to_list() == [3, 1]
    assert with_gaps.loc[("blocks of 1", "category"), "n"] == 4
    assert table.loc[("halves", "category"), "n"] == 4


def test_what_parts_are_fitted_with(sales, fits):
    arguments = {**MODEL, "selected_above": 20.0, "checkpoint": "folder"}
    check(sales, HierarchicalElasticity(**arguments), blocks=(), copies=2)
    assert all(model.checkpoint is None for _, _, model in fits)
    assert [model.selected_periods for _, _, model in fits] == [None] + 6 * [24]
    arguments["selected_periods"] = 30
    check(sales, HierarchicalElasticity(**arguments), blocks=(), copies=2)
    assert {model.selected_periods for _, _, model in fits[7:]} == {30}


def refusing(message, which):
    """A fit that fails, or warns, on some frames."""

    def fit(model, X, y):
        if which(X):
            message(X)
        return fit_exactly(model, X, y)

    return fit


def is_second(X):
    return X["time_period"].min() >= 12


def test_a_part_that_fails_is_named(sales, monkeypatch):
    def fail(X):
        raise InvalidDataError("nothing was sold")

    monkeypatch.setattr(HierarchicalElasticity, "fit", refusing(fail, is_second))
    found = r"^The second part of halves \(12 of 24 periods\) can't be fitted apart: nothing was sold"
    with pytest.raises(InvalidDataError, match=found):
        check(sales)
    calls = []

    def third(X):
        calls.append(X)
        return len(calls) == 4

    monkeypatch.setattr(HierarchicalElasticity, "fit", refusing(fail, third))
    with pytest.raises(InvalidDataError, match=r"^Copy 1, the first part of halves .* can't be fitted"):
        check(sales, blocks=())


def test_other_errors_of_a_part_name_it_too(sales, monkeypatch):
    def fail(X):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(HierarchicalElasticity, "fit", refusing(fail, is_second))
    with pytest.raises(np.linalg.LinAlgError, match="singular") as caught:
        check(sales)
    assert caught.value.__notes__ == ["In the fit to the second part of halves (12 of 24 periods)."]


def test_warnings_of_parts_are_told_once(sales, monkeypatch):
    def warn(X):
        warnings.warn("scales are far from normal", ApproximationWarning, stacklevel=1)
        warnings.warn("a finding", DataWarning, stacklevel=1)

    monkeypatch.setattr(HierarchicalElasticity, "fit", refusing(warn, is_second))
    found = "3 of 6 fits to parts warn, such as the second part of halves .*: scales are far from normal"
    with pytest.warns(ApproximationWarning, match=found) as caught:
        check(sales, blocks=(), copies=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_an_interrupt_ends_it(sales, monkeypatch):
    def interrupt(X):
        warnings.warn("the finished draws were kept", InterruptedSamplingWarning, stacklevel=1)

    monkeypatch.setattr(HierarchicalElasticity, "fit", refusing(interrupt, is_second))
    with pytest.raises(KeyboardInterrupt):
        check(sales, blocks=())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"time": None}, "splits its column of periods: the model needs time=, which is None"),
        ({"price": None}, "compares elasticities: the model needs price=, which is None"),
    ],
)
def test_models_without_what_it_takes(sales, fits, change, found):
    with pytest.raises(InvalidArgumentError, match=found):
        check(sales, HierarchicalElasticity(**{**MODEL, **change}))
    assert not fits


def test_other_models(sales):
    with pytest.raises(InvalidArgumentError, match="of a HierarchicalElasticity; got LinearRegression"):
        check(sales, LinearRegression())


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"copies": 1}, "copies must be a whole number, at least 2; got 1"),
        ({"blocks": 13}, r"blocks takes lengths in periods, such as \(13, 4, 1\); got 13"),
        ({"blocks": "13"}, r"blocks takes lengths in periods, such as \(13, 4, 1\); got '13'"),
        ({"blocks": (4, 2.5)}, "blocks of 24 periods are whole numbers from 1 to 22, .*; got 2.5"),
        ({"blocks": (0,)}, "from 1 to 22, so that both parts have 2 periods or more; got 0"),
        ({"blocks": (23,)}, "from 1 to 22, .*; got 23"),
    ],
)
def test_bad_arguments(sales, fits, options, found):
    with pytest.raises(InvalidArgumentError, match=found):
        check(sales, **options)
    assert not fits


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda X: X[X["time_period"] < 3], "time column 'time_period' holds 3 periods, too few to split"),
        (lambda X: X.drop(columns="time_period"), "X has no column 'time_period'"),
        (lambda X: X.assign(time_period=X["time_period"].astype(str)), "holds text .* no order in time"),
    ],
)
def test_bad_frames(sales, fits, change, found):
    with pytest.raises(InvalidDataError, match=found):
        check(change(sales))
    assert not fits


def test_y_of_other_rows(sales):
    with pytest.raises(InvalidDataError, match="they must agree"):
        split_time_check(HierarchicalElasticity(**MODEL), sales, sales["units_sold"][:-1])


@pytest.mark.parametrize(
    ("T", "lengths"), [(53, (13, 4, 1)), (104, (26, 8, 1)), (24, (6, 1)), (12, (3, 1)), (4, (1,))]
)
def test_default_blocks(T, lengths):
    assert default_blocks(T) == lengths
    assert len(time_splits(pd.Series(range(T)))) == 1 + len(lengths)


@pytest.mark.parametrize(
    "convert", [lambda week: week, lambda week: pd.Timestamp("2024-01-01") + week * pd.Timedelta(days=7)]
)
def test_periods_are_split_whole_and_in_order(convert):
    rng = np.random.default_rng(0)
    week = pd.Series(np.concatenate([np.arange(53), rng.integers(0, 53, 300)]), name="week")
    week = week.sample(frac=1, random_state=1)
    splits = time_splits(convert(week))
    assert list(splits) == ["halves", "blocks of 13", "blocks of 4", "blocks of 1"]
    is_first = [week < 26, week // 13 % 2 == 0, week // 4 % 2 == 0, week % 2 == 0]
    for (one, other), expected in zip(splits.values(), is_first, strict=True):
        np.testing.assert_array_equal(one.rows, np.flatnonzero(expected))
        np.testing.assert_array_equal(other.rows, np.flatnonzero(~expected))


def test_equal_lengths_are_one_split():
    assert list(time_splits(pd.Series(range(9)), [2, 2, np.int64(1)])) == [
        "halves",
        "blocks of 2",
        "blocks of 1",
    ]
