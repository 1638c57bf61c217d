"""Choice sets of which part is asked about: said, once a call."""

import warnings

import numpy as np
import pandas as pd
import pytest
from reference.choice_frames import choice_model, fit

from hdfm.exceptions import DataWarning


@pytest.fixture(scope="module")
def whole(trips):
    return trips.sort_values("trip", kind="stable").reset_index(drop=True)


@pytest.fixture(scope="module")
def sizes(whole):
    return whole["trip"].map(whole["trip"].value_counts())


def questions(model):
    return (
        model.predict,
        model.predict_proba,
        model.shares,
        model.elasticities,
        model.diversion,
        lambda X: model.counterfactual(X, {"price": 0.9}),
        lambda X: model.score(X, X["chosen"]),
    )


def test_a_set_of_one_row(fitted, whole):
    one = whole[whole["chosen"]].iloc[:1]
    found = (
        rf"^1 of 1 choice sets of column 'trip' have one row, such as {one['trip'].iloc[0]}, which is then "
        r"chosen with probability 1\. .*pass whole choice sets\. .*availability.*counterfactual\(X, changes\)"
    )
    for ask in questions(fitted):
        with pytest.warns(DataWarning, match=found) as said:
            ask(one)
        assert len(said) == 1


def test_rows_cut_into_batches(fitted, whole, sizes):
    """The batch ends one row before a set of several does."""
    end = int(np.flatnonzero((whole["trip"].diff(-1) != 0) & (sizes > 2))[5])
    trip, brand = whole["trip"].iloc[end], whole["brand"].iloc[end]
    found = (
        rf"^1 of \d+ choice sets of column 'trip' lack rows that they had in the fit, such as {trip} without "
        f"{brand!r}"
    )
    with pytest.warns(DataWarning, match=found) as said:
        fitted.predict_proba(whole.iloc[:end])
    assert len(said) == 1
    fitted.predict_proba(whole.iloc[: end + 1])
    with pytest.warns(DataWarning, match=f"^1 of 1 choice sets .* such as {trip} without {brand!r}"):
        fitted.predict_proba(whole.iloc[:end][whole["trip"].iloc[:end] == trip])


def test_both_are_said_at_once(fitted, whole, sizes):
    first = ~whole["trip"].duplicated()
    part = whole[first | ((sizes > 2) & ~whole["trip"].duplicated(keep="last"))]
    with pytest.warns(DataWarning, match=r"have one row, such as .*; \d+ of 120 choice sets .* lack") as said:
        fitted.predict_proba(part)
    assert len(said) == 1


def test_a_product_taken_out_of_all_sets(fitted, whole):
    """Shares of others rise, as the warning says; a scenario without it says nothing."""
    whole = whole.assign(in_stock=True)
    fewer = whole[whole["brand"] != "store"]
    found = r"have one row, such as .*; \d+ of \d+ choice sets .* lack rows .* without 'store'"
    with pytest.warns(DataWarning, match=found) as said:
        fitted.predict_proba(fewer)
    assert len(said) == 1
    assert isinstance(fitted.counterfactual(whole, fewer), pd.DataFrame)


def test_the_remedies(fitted, whole):
    """Whole sets; an availability column; a frame as the scenario."""
    some = whole[whole["trip"].isin(whole["trip"].unique()[:9])]
    gone = (some["trip"] == some["trip"].iloc[0]) & (some["brand"] == some["brand"].iloc[0])
    np.testing.assert_allclose(
        fitted.predict_proba(some), fitted.predict_proba(whole)[whole["trip"].isin(some["trip"])]
    )
    with pytest.warns(DataWarning, match=r"^1 of 9 choice sets"):
        without = fitted.predict_proba(some[~gone])
    marked = fitted.predict_proba(some.assign(in_stock=some["in_stock"] & ~gone))
    np.testing.assert_allclose(marked[~gone], without)
    assert isinstance(fitted.counterfactual(some, some[~gone]), pd.DataFrame)


def test_sets_of_others_with_the_same_label(fitted, whole):
    """Of another customer or period they are no part of a fitted set."""
    last = whole["trip"].duplicated()
    part = whole[~last | whole["trip"].duplicated(keep=False) & (whole.index % 2 == 0)]
    part = part[part["trip"].duplicated(keep=False)].assign(week=3)
    part = part[part["trip"].map(whole.groupby("trip")["week"].first()) != 3]
    assert np.isfinite(fitted.predict_proba(part)).all()


def test_sets_that_were_fitted_with_one_row(mock_sampling, whole):
    alone = whole[whole["chosen"] | (whole["trip"] > 1010)]
    with pytest.warns(DataWarning, match="11 of 120 choice sets have one alternative"):
        model = fit(alone)
    assert np.isfinite(model.predict_proba(alone)).all()


def test_decisions_of_one_row_against_buying_nothing(mock_sampling, whole):
    whole = whole.assign(in_stock=True)
    single = whole.drop_duplicates("trip")
    model = fit(single, outside_option=True, features=["display"])
    assert np.isfinite(model.predict_proba(single)).all()
    rows = fit(whole, choice_set=None, features=["display"], availability=None)
    assert np.isfinite(rows.predict_proba(whole.iloc[:1])).all()
    several = fit(whole, outside_option=True)
    with pytest.warns(DataWarning, match=r"^\d+ of 120 choice sets of column 'trip' lack rows"):
        several.predict_proba(single)


def test_without_a_product_column(mock_sampling, whole, sizes):
    model = fit(whole, product=None)
    part = whole[(sizes < 3) | whole["trip"].duplicated()]
    with pytest.warns(DataWarning, match=r"^\d+ of 120 choice sets .* in the fit, such as \d+\. Probab"):
        model.predict_proba(part)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        choice_model().fit(whole, whole["chosen"]).predict_proba(whole)
