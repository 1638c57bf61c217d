"""Choice probabilities and scores of a fit, known and unseen labels, against pandas and xarray."""

import numpy as np
import pandas as pd
import pytest
from conftest import TRIP_ROLES, UNFITTED
from reference.choice import CHAINS, DRAWS, QUICK, SAME, probabilities_by_hand

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidDataError


def test_probabilities(case):
    model, X = case
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba[:, 1], probabilities_by_hand(model, X).mean(axis=1), rtol=SAME)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=SAME)
    total = pd.Series(proba[:, 1]).groupby(X[model.choice_set].to_numpy()).sum()
    if model.outside_option:
        assert ((total > 0.01) & (total < 0.99)).all()
    else:
        np.testing.assert_allclose(total, 1, rtol=SAME)


def test_unavailable_alternatives_are_not_chosen(model, trips):
    away = ~trips["in_stock"]
    assert away.any()
    assert (model.predict_proba(trips)[away, 1] == 0).all()
    assert (model.predict(trips)[away] == 0).all()


def test_predictions_are_the_likeliest(case):
    model, X = case
    p = pd.Series(probabilities_by_hand(model, X).mean(axis=1), X.index)
    best = p.groupby(X[model.choice_set]).idxmax()
    if model.outside_option:
        none = 1 - p.groupby(X[model.choice_set]).sum()
        best = best[p[best].to_numpy() > none[best.index].to_numpy()]
    flags = model.predict(X)
    assert set(np.unique(flags)) == {0, 1}
    assert set(X.index[flags == 1]) == set(best)


def log_scores_by_hand(model, X):
    """Log predictive density of each choice set, by its label."""
    P = pd.DataFrame(probabilities_by_hand(model, X), index=X[model.choice_set])
    chosen = P[X["chosen"].to_numpy(dtype=bool)]
    nothing = 1 - P.groupby(level=0).sum()
    nothing = nothing[~nothing.index.isin(chosen.index)]
    return np.log(pd.concat([chosen, nothing]).mean(axis=1)).sort_index()


def test_score(case):
    model, X = case
    score = model.score(X, X["chosen"])
    assert score == pytest.approx(log_scores_by_hand(model, X).mean(), rel=SAME)
    assert score < model.score(X, model.predict(X))


def test_score_with_weights(model, trips):
    y, scores = trips["chosen"], log_scores_by_hand(model, trips)
    assert model.score(trips, y, np.full(len(trips), 3.0)) == pytest.approx(model.score(trips, y), rel=SAME)
    weight = pd.Series(np.random.default_rng(0).random(len(trips)), trips.index)
    of_sets = weight.groupby(trips["trip"]).mean()
    assert model.score(trips, y, weight) == pytest.approx(np.average(scores, weights=of_sets), rel=SAME)
    half = trips["household"] < 4
    assert model.score(trips, y, half) == pytest.approx(model.score(trips[half], y[half]), rel=SAME)


def test_weights_that_do_not_fit(model, trips):
    y = trips["chosen"]
    with pytest.raises(InvalidDataError, match="sample_weight has 322 values for 323 rows of X"):
        model.score(trips, y, np.ones(len(trips) - 1))
    with pytest.raises(InvalidDataError, match="sample_weight is 0 in all 323 rows"):
        model.score(trips, y, np.zeros(len(trips)))
    with pytest.raises(InvalidDataError, match="sample_weight has negative values in 1 of 323 rows"):
        model.score(trips, y, np.where(np.arange(len(trips)) == 5, -1.0, 1.0))


def test_labels_not_positions(model, trips):
    some = trips[trips["trip"] % 3 == 0].sample(frac=1, random_state=3)
    whole = pd.Series(model.predict_proba(trips)[:, 1], trips.index)
    relabelled = some.assign(
        brand=some["brand"].astype("category"), household=some["household"].astype("Int64")
    ).set_axis(np.zeros(len(some), dtype=int), axis=0)
    np.testing.assert_allclose(model.predict_proba(some)[:, 1], whole[some.index], rtol=SAME)
    np.testing.assert_allclose(model.predict_proba(relabelled)[:, 1], whole[some.index], rtol=SAME)


@pytest.mark.filterwarnings("ignore:.*choice sets of column:hdfm.exceptions.DataWarning")
def test_changed_prices_and_alternatives(case):
    model, X = case
    rng = np.random.default_rng(0)
    changed = X.assign(price=X["price"] * rng.uniform(0.5, 2, len(X)))
    fewer = changed[~changed[model.product].isin(["store", "c1p2"])]
    assert len(fewer) < len(changed)
    if model.availability:
        fewer = fewer[fewer.groupby(model.choice_set)[model.availability].transform("any")]
    for frame in (changed, fewer):
        expected = probabilities_by_hand(model, frame).mean(axis=1)
        np.testing.assert_allclose(model.predict_proba(frame)[:, 1], expected, rtol=SAME)


def single_set(trips, category="milk"):
    """A set of all of a category's brands, of household 0 in week 3."""
    rows = trips[trips["category"] == category].drop_duplicates("brand").sort_values("brand")
    return rows.assign(household=0, week=3, trip=1, in_stock=True, price=2.5, income=40.0)


def of_set(model, X):
    return model.predict_proba(X)[:, 1]


def test_unseen_customers_are_like_the_fitted(outside, market):
    rows = market[market["choice_set"] == market["choice_set"].min()]
    everybody = np.stack([probabilities_by_hand(outside, rows.assign(customer=i)) for i in range(6)])
    new = of_set(outside, rows.assign(customer=100, choice_set=0))
    assert (new >= everybody.min(axis=0).mean(axis=1)).all()
    assert (new <= everybody.max(axis=0).mean(axis=1)).all()
    error = everybody.std(axis=0).mean(axis=1) / np.sqrt(CHAINS * DRAWS)
    assert (np.abs(new - everybody.mean(axis=(0, 2))) < 5 * error).all()


def test_unseen_customers_are_the_same_in_any_company(model, trips):
    alone = single_set(trips).assign(household=99)
    others = single_set(trips).assign(household=98, trip=2)
    together = pd.concat([others, trips[trips["trip"] < 1010], alone])
    np.testing.assert_allclose(of_set(model, together)[-len(alone) :], of_set(model, alone), rtol=SAME)


def test_covariates_shift_unseen_customers(model, trips):
    rows = single_set(trips).assign(household=99)
    assert not np.allclose(of_set(model, rows), of_set(model, rows.assign(income=60.0)), rtol=1e-3)


@UNFITTED
def test_unseen_products(model, trips):
    rows = single_set(trips)
    new = pd.concat([rows, rows.iloc[:1].assign(brand="fresh")], ignore_index=True)
    p = of_set(model, new)
    assert p.sum() == pytest.approx(1, rel=SAME)
    assert p[-1] > 0
    # Among the fitted products the odds are theirs, draw by draw; their means are close.
    assert (p[:-1] < of_set(model, rows)).all()
    twice = pd.concat([new, rows.iloc[:1].assign(brand="another")], ignore_index=True)
    assert of_set(model, twice)[-1] != of_set(model, twice)[-2]


@UNFITTED
def test_unseen_categories(model, trips):
    rows = single_set(trips).assign(category="coffee", brand=["c1", "c2", "c3", "c4"], price=[1.0, 2, 3, 4])
    p = of_set(model, rows)
    assert p.sum() == pytest.approx(1, rel=SAME)
    assert len(np.unique(p)) == 4
    table = model.elasticities(rows)
    assert table.index.get_level_values("category").unique().tolist() == ["coffee"]
    assert len(table) == 16


@UNFITTED
@pytest.mark.parametrize("n_factors", [0, 1])
def test_unseen_categories_where_intercepts_are_all(n_factors):
    """A price that never varied has no coefficient: of the population nothing is known but intercepts."""
    rows = pd.DataFrame({"brand": ["a", "b"] * 20, "week": np.arange(40) // 4, "price": 2.0})
    rows = rows.assign(household=np.arange(40) // 10, trip=np.arange(40) // 2, category="milk")
    roles = {"customer": "household", "product": "brand", "time": "week", "price": "price"}
    arguments = {**roles, "category": "category", "choice_set": "trip", "outside_option": True}
    model = DynamicFactorChoiceModel(**arguments, inference="map", n_factors=n_factors, progressbar=False)
    with pytest.warns(UserWarning, match="never vary"):
        model.fit(rows, np.tile([1, 0, 0, 0], 10))
    asked = rows.assign(category="bread")
    proba = model.predict_proba(asked)[:, 1].reshape(-1, 2)
    assert (proba > 0).all()
    assert (proba.sum(axis=1) < 1).all()


def test_weeks_between_and_after(model, trips):
    rows = single_set(trips)
    at = of_set(model, rows)
    near = of_set(model, rows.assign(week=3 + 1e-7))
    np.testing.assert_allclose(near, at, rtol=1e-3)
    for week in (4, 12, 40):
        p = of_set(model, rows.assign(week=week))
        assert p.sum() == pytest.approx(1, rel=SAME)
        assert np.abs(p / at - 1).max() > 1e-2


def test_weeks_do_not_matter_without_factors(spread_sampling, trips):
    model = DynamicFactorChoiceModel(0, **TRIP_ROLES, **QUICK).fit(trips, trips["chosen"])
    assert model.gp_ is None
    assert model.factors_ is None
    assert model.loadings_ is None
    assert model.factor_table_.empty
    assert model.idata_.attrs["gp"] == "none"
    rows = single_set(trips)
    np.testing.assert_allclose(of_set(model, rows.assign(week=60)), of_set(model, rows), rtol=SAME)
