"""Choices that carry little, or come in odd types: fitted, and said so."""

import numpy as np
import pandas as pd
import pytest
from pytensor.compile.mode import Mode
from reference.choice_frames import QUICK, choice_model, findings, fit

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError


def test_new_periods_of_an_ordered_categorical(mock_sampling, trips):
    names = pd.CategoricalDtype([f"w{week}" for week in range(13)], ordered=True)
    X = trips.assign(week=("w" + trips["week"].astype(str)).astype(names))
    model = fit(X, n_factors=1)
    assert list(model.panel_.period) == ["w2", "w3", "w5", "w11"]
    np.testing.assert_allclose(model.panel_.time, [0, 1 / 9, 3 / 9, 1])
    later = X.assign(week=pd.Series("w12", X.index).astype(names))
    numbered = fit(trips, n_factors=1).predict_proba(trips.assign(week=12))
    np.testing.assert_allclose(model.predict_proba(later), numbered, rtol=1e-6)
    with pytest.raises(InvalidDataError, match="holds 1 periods that were not fitted, such as 'w13'"):
        model.predict(X.assign(week="w13"))


def alone(X, trips):
    """The frame with only the chosen alternative in some sets."""
    return X[X["chosen"] | ~X["trip"].isin(trips)]


def test_sets_of_one_alternative_are_kept_and_counted(mock_sampling, trips):
    X = alone(trips, [1003, 1007, 1050])
    found = (
        r"3 of 120 choice sets have one alternative \(such as 1003, 1007, 1050\): they are kept but carry no "
        "information"
    )
    with pytest.warns(DataWarning, match=found):
        model = fit(X)
    assert findings(model)["choice sets with one alternative"] == (3, "1003, 1007, 1050")
    assert len(model.panel_.choice_set) == 120
    single = X["trip"].isin([1003, 1007, 1050])
    assert (model.predict_proba(X)[single, 1] == 1).all()
    assert (model.predict(X)[single] == 1).all()
    assert model.score(X[single], X["chosen"][single]) == 0
    position = model.panel_.choice_set.get_indexer([1003, 1007, 1050])
    assert list(position) == [3, 7, 50]
    assert np.isfinite(model.idata_["sample_stats"]["lp"]).all()


def test_sets_of_one_alternative_carry_no_information(trips):
    """Start, parameters and likelihood are the same with and without them."""
    few = trips[trips["trip"] < 1030]
    favourite = few[few["chosen"] & (few["category"] == "tea")]["brand"].mode()[0]  # stays the reference
    single = trips["chosen"] & (trips["trip"] >= 1030) & (trips["category"] == "tea")
    single = trips[single & (trips["brand"] == favourite)]
    more = pd.concat([few, single])
    assert len(single) > 10
    values = []
    for X in (few, more):
        model = choice_model(customer=None, customer_covariates=None)
        graph = model.build_model(X, X["chosen"])
        (log_likelihood,) = graph.replace_rvs_by_values([graph["log_likelihood"]])
        plain = Mode(linker="py", optimizer=None)
        evaluate = graph.compile_fn(log_likelihood, inputs=graph.value_vars, mode=plain)
        values.append(float(evaluate(graph.initial_point())))
    assert values[1] == pytest.approx(values[0], rel=1e-6)
    assert values[0] < -10


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_dtypes(mock_sampling, fitted, trips, backend):
    X = trips.convert_dtypes(dtype_backend=backend)
    model = fit(X)
    np.testing.assert_allclose(model.predict_proba(X), fitted.predict_proba(trips), rtol=1e-9)
    missing = X.copy()
    missing.loc[int(np.flatnonzero(trips["in_stock"])[0]), "price"] = pd.NA
    with pytest.raises(InvalidDataError, match="price column 'price' has missing values in 1 of 323 rows"):
        fit(missing)


@pytest.mark.parametrize(
    "index",
    [
        lambda n: np.zeros(n, dtype=int),
        lambda n: [f"row {k}" for k in range(n)],
        lambda n: np.arange(n)[::-1],
    ],
    ids=["all the same", "text", "descending"],
)
def test_any_index(mock_sampling, fitted, trips, index):
    X = trips.set_axis(index(len(trips)), axis=0)
    model = fit(X)
    np.testing.assert_array_equal(model.predict_proba(X), fitted.predict_proba(trips))
    assert model.score(X, X["chosen"]) == fitted.score(trips, trips["chosen"])
    table = model.counterfactual(X, {"price": 0.9}, products="alpine")
    pd.testing.assert_frame_equal(table, fitted.counterfactual(trips, {"price": 0.9}, products="alpine"))
    pd.testing.assert_frame_equal(
        model.shares(X, by="household"), fitted.shares(trips, by="household"), check_exact=True
    )


def test_arrays_answer_without_roles(mock_sampling, trips):
    X, y = trips[["price", "display"]].to_numpy(), trips["chosen"]
    model = DynamicFactorChoiceModel(**QUICK).fit(X, y)
    pd.testing.assert_frame_equal(model.shares(X), model.shares())
    pd.testing.assert_frame_equal(model.shares(X.tolist()), model.shares())
    assert model.coefficients(by=None).index.tolist() == [
        ("all", predictor) for predictor in ("intercept", "x0", "x1")
    ]
    with pytest.raises(InvalidArgumentError, match=r"by takes roles among .*; got 'display'"):
        model.shares(X, by="display")


def test_unsorted_rows(mock_sampling, fitted, trips):
    shuffled = trips.sample(frac=1, random_state=3)
    model = fit(shuffled)
    np.testing.assert_allclose(
        model.predict_proba(shuffled), fitted.predict_proba(trips)[shuffled.index], rtol=1e-9
    )
    pd.testing.assert_frame_equal(model.elasticities_, fitted.elasticities_)


def test_the_frame_is_not_changed(mock_sampling, trips):
    X = trips.assign(
        brand=trips["brand"].astype("category"),
        week=trips["week"].astype("Int64"),
        price=trips["price"].astype("Float64"),
        segment=trips["household"] % 2,
    ).sample(frac=1, random_state=2)
    y = X["chosen"].astype("boolean")
    before, y_before = X.copy(deep=True), y.copy(deep=True)
    model = choice_model(1).fit(X, y)
    model.predict(X)
    model.predict_proba(X)
    model.score(X, y)
    model.elasticities(X, by="segment")
    model.shares(X, by=["time", "segment"])
    model.counterfactual(X, {"price": 0.9, "display": 1}, products=["alpine", "green"])
    model.counterfactual(X, {"price": lambda price: price + 1})
    model.diversion(X)
    model.sample_prior(X, draws=4)
    model.build_model(X, y)
    pd.testing.assert_frame_equal(X, before)
    pd.testing.assert_series_equal(y, y_before)
    pd.testing.assert_index_equal(X.index, before.index)
