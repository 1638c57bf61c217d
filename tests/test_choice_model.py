"""What a fitted choice model says, against the same numbers by pandas and xarray from its labelled draws."""

import dataclasses
import itertools

import arviz as az
import conftest
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy.special import logsumexp
from trips import many_trips

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError

TRIPS = {
    "customer": "household",
    "category": "category",
    "product": "brand",
    "time": "week",
    "choice_set": "trip",
    "price": "price",
    "features": ["display", "strength"],
    "availability": "in_stock",
    "customer_covariates": "income",
}
MARKET = {
    "customer": "customer",
    "category": "category",
    "product": "product",
    "time": "week",
    "choice_set": "choice_set",
    "price": "price",
    "features": ["display", "feature"],
}
CHAINS, DRAWS = 2, 13
QUICK = {"draws": DRAWS, "tune": 5, "chains": CHAINS, "progressbar": False}
SPREAD = 0.3  # of draws in the coordinates to sample in: enough for each draw to differ in all that is asked
SAME = 1e-10  # sums of the same numbers in another order
# Central differences err by the step squared and by rounding over the step; ratios of them by more.
STEP, DIFFERENCE = 1e-5, 1e-5
INTERVAL = ["mean", "sd", "lower", "upper"]


@pytest.fixture(scope="module")
def spread_sampling():
    """The walk about the start in larger steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "WALK", SPREAD)
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        yield


@pytest.fixture(scope="module")
def trips():
    return many_trips()


@pytest.fixture(scope="module")
def model(spread_sampling, trips):
    """All three tiers, covariates, unavailable alternatives, log price; do not change it."""
    return DynamicFactorChoiceModel(2, 1, 1, **TRIPS, **QUICK).fit(trips, trips["chosen"])


@pytest.fixture(scope="module")
def market():
    frame, _ = simulate_choices(6, 2, 5, alternatives=3, sets_per_customer=4, outside_option=True, seed=1)
    return frame.assign(segment=np.where(frame["customer"] < 3, "old", "new"))


@pytest.fixture(scope="module")
def outside(spread_sampling, market):
    """An outside option, linear price and loadings of the population; do not change it."""
    options = {"outside_option": True, "price_transform": "linear", "loadings": "population"}
    model = DynamicFactorChoiceModel(1, **MARKET, **QUICK, **options)
    return model.fit(market, market["chosen"])


@pytest.fixture(params=["trips", "market"])
def case(request):
    """Each of the two models with its frame."""
    name = {"trips": "model", "market": "outside"}[request.param]
    return request.getfixturevalue(name), request.getfixturevalue(request.param)


def beta_by_hand(model) -> xr.DataArray:
    """Coefficients (customer, period, coefficient, sample), summed as the model is written."""
    p = model.idata_["posterior"].to_dataset().stack(sample=("chain", "draw"), create_index=False)
    alpha = p["alpha"] if "alpha" in p else p["coefficient_mean"].expand_dims(customer=["all"])
    beta = alpha + (p["loading"] * p["factor_path"]).sum("factor")
    if "category_loading" in p:
        own = p["category_factor_path"].sel(category=p["coefficient_category"])
        beta = beta + (p["category_loading"] * own).sum("category_factor")
    if "individual_loading" in p:
        beta = beta + (p["individual_loading"] * p["individual_factor_path"]).sum("individual_factor")
    return beta.transpose("customer", "period", "coefficient", "sample")


def design_by_hand(model, X, beta):
    """Predictors (n, S) of the rows of a frame."""
    x = np.zeros((len(X), beta.sizes["coefficient"]))
    pairs = zip(beta["coefficient_category"].values, beta["coefficient_predictor"].values, strict=True)
    for s, (category, predictor) in enumerate(pairs):
        if predictor.startswith(f"{model.product}["):
            values = X[model.product] == predictor[len(model.product) + 1 : -1]
        elif predictor == "price" and model.price_transform == "log":
            values = np.log(X["price"])
        else:
            values = X[predictor]
        x[:, s] = np.where(X["category"] == category, values, 0)
    return x


def probabilities_by_hand(model, X):
    """Choice probabilities (n, D) of the rows of a frame of fitted customers and weeks."""
    beta = beta_by_hand(model)
    customer = X[model.customer].to_numpy() if model.customer is not None else np.full(len(X), "all")
    rows = {"customer": ("row", customer), "period": ("row", X[model.time].to_numpy())}
    rows = {name: xr.DataArray(labels, dims=dim) for name, (dim, labels) in rows.items()}
    own = beta.sel(rows).transpose("row", "sample", "coefficient").to_numpy()
    weight = np.exp(np.einsum("nds,ns->nd", own, design_by_hand(model, X, beta)))
    if model.availability is not None:
        weight *= X[model.availability].to_numpy()[:, None]
    total = pd.DataFrame(weight).groupby(X[model.choice_set].to_numpy()).transform("sum").to_numpy()
    return weight / (total + model.outside_option)


def shares_by_hand(model, X, by=()):
    """Draws (one a column) of expected shares, by category, product and columns of X."""
    sets = X.groupby(["category", *by])[model.choice_set].nunique()
    keys = ["category", model.product, *by]
    total = pd.DataFrame(probabilities_by_hand(model, X), index=pd.MultiIndex.from_frame(X[keys]))
    total = total.groupby(keys).sum()
    return total.div(sets.reindex(total.index.droplevel(1)).to_numpy(), axis=0)


def with_price(model, X, product, ratio):
    """The frame with the prices of a product times a ratio."""
    return X.assign(price=X["price"].where(X[model.product] != product, ratio * X["price"]))


def share_slopes(model, X, product, by=()):
    """Draws of the derivative of shares by the log of one product's price, by central differences."""
    up, down = (
        shares_by_hand(model, with_price(model, X, product, np.exp(sign * STEP)), by) for sign in (1, -1)
    )
    return (up - down) / (2 * STEP)


def summaries(draws, ci_prob):
    """Mean, sd and the ends of the interval of each row."""
    lower, upper = draws.quantile((1 - ci_prob) / 2, axis=1), draws.quantile((1 + ci_prob) / 2, axis=1)
    return pd.DataFrame({"mean": draws.mean(axis=1), "sd": draws.std(axis=1), "lower": lower, "upper": upper})


def assert_same(table, expected, tolerance=SAME):
    """The same rows in any order, and numbers that agree."""
    assert set(table.index) == set(expected.index)
    np.testing.assert_allclose(
        table.to_numpy(), expected.loc[table.index].to_numpy(), rtol=tolerance, atol=tolerance
    )


def meeting(model, X, by=()):
    """(category, product, price_of, *by) of the products that stand in one choice set."""
    there = X if model.availability is None else X[X[model.availability]]
    columns = [*dict.fromkeys(["category", model.choice_set, *by]), model.product]
    pairs = there[columns].merge(there[[model.choice_set, model.product]], on=model.choice_set)
    named = [f"{model.product}_x", f"{model.product}_y"]
    return set(pairs[["category", *named, *by]].itertuples(index=False, name=None))


def elasticities_by_hand(model, X, by=()):
    """Draws of own and cross elasticities by finite differences."""
    shares = shares_by_hand(model, X, by)
    pairs = meeting(model, X, by)
    out = {}
    for k in X[model.product].unique():
        ratio = share_slopes(model, X, k, by) / shares
        for (category, j, *group), values in ratio.iterrows():
            if (category, j, k, *group) in pairs:
                out[category, j, k, *group] = values
    return pd.DataFrame(out).T


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
    with pytest.raises(InvalidDataError, match=r"sample_weight must be finite, not negative.*not all 0"):
        model.score(trips, y, np.zeros(len(trips)))
    with pytest.raises(InvalidDataError, match="sample_weight must be finite, not negative"):
        model.score(trips, y, np.where(np.arange(len(trips)) == 5, -1.0, 1.0))


def test_labels_not_positions(model, trips):
    some = trips[trips["trip"] % 3 == 0].sample(frac=1, random_state=3)
    whole = pd.Series(model.predict_proba(trips)[:, 1], trips.index)
    relabelled = some.assign(
        brand=some["brand"].astype("category"), household=some["household"].astype("Int64")
    ).set_axis(np.zeros(len(some), dtype=int), axis=0)
    np.testing.assert_allclose(model.predict_proba(some)[:, 1], whole[some.index], rtol=SAME)
    np.testing.assert_allclose(model.predict_proba(relabelled)[:, 1], whole[some.index], rtol=SAME)


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
    rows, n = market[market["choice_set"] == market["choice_set"].min()], 300
    everybody = np.stack([probabilities_by_hand(outside, rows.assign(customer=i)) for i in range(6)])
    guests = pd.concat([rows.assign(customer=100 + i, choice_set=i) for i in range(n)])
    new = of_set(outside, guests).reshape(n, len(rows))
    assert (new >= everybody.min(axis=0).mean(axis=1)).all()
    assert (new <= everybody.max(axis=0).mean(axis=1)).all()
    error = everybody.std(axis=0).mean(axis=1) / np.sqrt(n * CHAINS * DRAWS)
    assert (np.abs(new.mean(axis=0) - everybody.mean(axis=(0, 2))) < 5 * error).all()


def test_unseen_customers_are_the_same_in_any_company(model, trips):
    alone = single_set(trips).assign(household=99)
    others = single_set(trips).assign(household=98, trip=2)
    together = pd.concat([others, trips[trips["trip"] < 1010], alone])
    assert not np.allclose(of_set(model, others), of_set(model, alone), rtol=1e-3)
    np.testing.assert_allclose(of_set(model, together)[-len(alone) :], of_set(model, alone), rtol=SAME)


def test_covariates_shift_unseen_customers(model, trips):
    rows = single_set(trips).assign(household=99)
    assert not np.allclose(of_set(model, rows), of_set(model, rows.assign(income=60.0)), rtol=1e-3)


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


def test_unseen_categories(model, trips):
    rows = single_set(trips).assign(category="coffee", brand=["c1", "c2", "c3", "c4"], price=[1.0, 2, 3, 4])
    p = of_set(model, rows)
    assert p.sum() == pytest.approx(1, rel=SAME)
    assert len(np.unique(p)) == 4
    table = model.elasticities(rows)
    assert table.index.get_level_values("category").unique().tolist() == ["coffee"]
    assert len(table) == 16


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
    model = DynamicFactorChoiceModel(0, **TRIPS, **QUICK).fit(trips, trips["chosen"])
    assert model.gp_ is None
    assert model.factors_ is None
    assert model.loadings_ is None
    assert model.factor_table_.empty
    assert model.idata_.attrs["gp"] == "none"
    rows = single_set(trips)
    np.testing.assert_allclose(of_set(model, rows.assign(week=60)), of_set(model, rows), rtol=SAME)


def test_stored_elasticities(case):
    model, X = case
    table, ci_prob = model.elasticities_, az.rcParams["stats.ci_prob"]
    draws = elasticities_by_hand(model, X)
    assert table.index.names == ["category", "product", "price_of"]
    assert list(table) == [*INTERVAL, "p_elastic"]
    assert table.attrs == {"ci_prob": ci_prob}
    assert_same(table[INTERVAL], summaries(draws, ci_prob), DIFFERENCE)
    assert_same(table[["p_elastic"]], (draws < -1).mean(axis=1).to_frame())
    own = table.index.get_level_values("product") == table.index.get_level_values("price_of")
    assert own.sum() == X.groupby("category")[model.product].nunique().sum()
    pd.testing.assert_frame_equal(model.elasticities(), table)


def test_elasticities_at_other_prices(case):
    model, X = case
    changed = with_price(model, X, X[model.product].iloc[0], 0.7)
    table = model.elasticities(changed, ci_prob=0.5)
    assert table.attrs["ci_prob"] == 0.5
    assert_same(table[INTERVAL], summaries(elasticities_by_hand(model, changed), 0.5), DIFFERENCE)
    assert not np.allclose(table["mean"], model.elasticities_["mean"].loc[table.index], rtol=1e-3)


@pytest.mark.parametrize("by", ["time", ["time", "customer"], ("category", "time"), ["product", "customer"]])
def test_elasticities_by_role(outside, market, by):
    table = outside.elasticities(by=by)
    named = [name for name in ([by] if isinstance(by, str) else by) if name in ("time", "customer")]
    columns = [{"time": "week"}.get(name, name) for name in named]
    assert table.index.names == ["category", "product", "price_of", *named]
    draws = elasticities_by_hand(outside, market, columns)
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]), DIFFERENCE)
    again = outside.elasticities(market, by=by)
    pd.testing.assert_frame_equal(again, table)


def test_elasticities_by_segment(outside, market):
    table = outside.elasticities(market, by="segment")
    for segment, rows in market.groupby("segment"):
        alone = outside.elasticities(rows)
        assert_same(table.xs(segment, level="segment"), alone)


def test_elasticities_by_choice_set(model, trips):
    table = model.elasticities(by="choice_set")
    label = trips["trip"].iloc[0]
    alone = model.elasticities(trips[trips["trip"] == label])
    assert_same(table.xs(label, level="choice_set"), alone)


def test_no_share_changes_when_all_log_prices_rise(model):
    """Without outside option: a rise of all prices in proportion changes nothing."""
    total = model.elasticities_["mean"].groupby(["category", "product"]).sum()
    np.testing.assert_allclose(total, 0, atol=SAME)


def test_shares(case):
    model, X = case
    table = model.shares()
    draws = shares_by_hand(model, X)
    if model.outside_option:
        nothing = 1 - draws.groupby("category").sum()
        nothing.index = pd.MultiIndex.from_product([nothing.index, ["(none)"]])
        draws = pd.concat([draws, nothing])
    assert table.index.names == ["category", "product"]
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    np.testing.assert_allclose(table["mean"].groupby("category").sum(), 1, rtol=SAME)
    means = X.assign(p=model.predict_proba(X)[:, 1]).groupby(["category", model.product])["p"].sum()
    means /= X.groupby("category")[model.choice_set].nunique().reindex(means.index, level=0)
    np.testing.assert_allclose(table["mean"].reindex(means.index), means, rtol=SAME)
    pd.testing.assert_frame_equal(model.shares(X), table)


def test_shares_by(outside, market):
    table = outside.shares(market, by=["segment", "time"])
    assert table.index.names == ["category", "product", "segment", "time"]
    draws = shares_by_hand(outside, market, ["segment", "week"])
    inside = table.drop("(none)", level="product")
    assert_same(inside[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    total = table["mean"].groupby(["category", "segment", "time"]).sum()
    np.testing.assert_allclose(total, 1, rtol=SAME)
    pd.testing.assert_frame_equal(
        outside.shares(by="time").sort_index(), outside.shares(market, by=("product", "time")).sort_index()
    )


def changes_by_hand(model, before, after):
    """Before, after and draws of the change of shares."""
    first, second = shares_by_hand(model, before), shares_by_hand(model, after)
    both = first.index.union(second.index)
    first, second = first.reindex(both, fill_value=0), second.reindex(both, fill_value=0)
    return first.mean(axis=1), second.mean(axis=1), second - first


def assert_scenario(model, table, before, after):
    first, second, change = changes_by_hand(model, before, after)
    table = table.drop("(none)", level="product", errors="ignore")
    expected = summaries(change, 0.89).rename(columns={"mean": "change"})
    expected = expected.assign(before=first, after=second, p_up=(change > 0).mean(axis=1))
    assert set(table) == set(expected)
    assert_same(table, expected[list(table)])


def test_number_multiplies_prices(outside, market):
    table = outside.counterfactual(market, {"price": 0.9})
    assert list(table) == ["before", "after", "change", "sd", "lower", "upper", "p_up"]
    assert table.index.names == ["category", "product"]
    assert_scenario(outside, table, market, market.assign(price=0.9 * market["price"]))
    np.testing.assert_allclose(table["change"].groupby("category").sum(), 0, atol=SAME)
    assert_same(table[["before"]].set_axis(["mean"], axis=1), outside.shares(market)[["mean"]])


def test_prices_in_proportion_change_nothing(model, trips):
    """With log prices and no outside option."""
    table = model.counterfactual(trips, {"price": 0.5})
    np.testing.assert_allclose(table[["change", "sd", "lower", "upper"]], 0, atol=SAME)


@pytest.mark.parametrize("products", ["alpine", ["alpine", "green"], np.array(["alpine"]), pd.Index(["tea"])])
def test_some_products_change(model, trips, products):
    if "tea" in products:
        with pytest.raises(InvalidDataError, match=r"product column 'brand' of X holds no row of \['tea'\]"):
            model.counterfactual(trips, {"price": 0.9}, products=products)
        return
    mine = trips["brand"].isin(np.atleast_1d(products))
    after = trips.assign(price=trips["price"].where(~mine, 0.9 * trips["price"]))
    assert_scenario(model, model.counterfactual(trips, {"price": 0.9}, products=products), trips, after)


def test_changes_of_all_kinds(outside, market):
    new = np.random.default_rng(0).uniform(1, 5, len(market)).round(2)
    changes = {
        "a function": ({"price": lambda price: price + 1}, {"price": market["price"] + 1}),
        "an array": ({"price": new}, {"price": new}),
        "a list": ({"price": list(new)}, {"price": new}),
        "a series": ({"price": pd.Series(new, market.index)}, {"price": new}),
        "a series in another order": ({"price": pd.Series(new, market.index)[::-1]}, {"price": new}),
        "a series of another index": ({"price": pd.Series(new, market.index + 9999)}, {"price": new}),
        "a number": ({"display": 1}, {"display": 1}),
        "two": ({"display": 1, "price": 1.1}, {"display": 1, "price": 1.1 * market["price"]}),
    }
    for change, columns in changes.values():
        assert_scenario(outside, outside.counterfactual(market, change), market, market.assign(**columns))


def test_frame_is_the_scenario(case):
    model, X = case
    after = X[X[model.product] != X[model.product].iloc[0]]
    if model.availability:
        after = after[after.groupby(model.choice_set)[model.availability].transform("any")]
    table = model.counterfactual(X, after)
    assert_scenario(model, table, X, after)
    gone = table.xs(X[model.product].iloc[0], level="product")
    assert (gone["after"] == 0).all()
    assert (gone["change"] < 0).all()


def test_new_alternative_takes_shares(outside, market):
    entrant = market[market["product"] == "c0p0"].assign(product="entrant", chosen=0)
    table = outside.counterfactual(market, pd.concat([market, entrant]), by="segment")
    assert table.index.names == ["category", "product", "segment"]
    gained = table.xs("entrant", level="product")
    assert (gained["before"] == 0).all()
    assert (gained["after"] > 0).all()
    others = table.xs("c0", level="category").drop("entrant", level="product")
    assert (others["change"] < 0).all()
    np.testing.assert_allclose(table["change"].groupby(["category", "segment"]).sum(), 0, atol=SAME)


@pytest.mark.parametrize(
    ("changes", "options", "error", "found"),
    [
        (
            {},
            {},
            InvalidArgumentError,
            r"changes must map columns to changes, as in .*or be a frame; got \{\}",
        ),
        (0.9, {}, InvalidArgumentError, "changes must map columns to changes.*got 0.9"),
        ({"pricing": 0.9}, {}, InvalidDataError, "X has no column 'pricing' to change. Its columns are"),
        ({"price": [1.0, 2.0]}, {}, InvalidArgumentError, r"changes\['price'\] has 2 values for \d+ rows"),
        ({"price": "1"}, {}, InvalidArgumentError, r"changes\['price'\] multiplies the price .*got '1'"),
        ({"price": -1}, {}, InvalidDataError, "price column 'price' has prices that are zero or negative"),
        ({"price": 2}, {"products": "bread"}, InvalidDataError, r"'brand' of X holds no row of \['bread'\]"),
        (pd.DataFrame(), {"products": "alpine"}, InvalidArgumentError, "products= .* frame of changes"),
    ],
)
def test_scenarios_that_make_no_sense(model, trips, changes, options, error, found):
    with pytest.raises(error, match=found):
        model.counterfactual(trips, changes, **options)


def test_changes_of_labels(model, trips):
    """Columns of categories take labels that are among them, and others."""
    X = trips.assign(brand=trips["brand"].astype("category"), household=trips["household"].astype("category"))
    moved = model.counterfactual(X, {"household": 3})
    pd.testing.assert_frame_equal(moved, model.counterfactual(trips, {"household": 3}))
    assert_scenario(model, moved, trips, trips.assign(household=3))
    renamed = model.counterfactual(X, {"brand": "fresh"}, products="alpine")
    assert renamed.loc[("milk", "alpine"), "after"] == 0
    assert renamed.loc[("milk", "fresh"), "after"] > 0
    out = model.counterfactual(trips, {"in_stock": False}, products="alpine")
    assert out.loc[("milk", "alpine"), "after"] == pytest.approx(0, abs=SAME)


def test_scenarios_need_a_frame(model, trips):
    with pytest.raises(InvalidDataError, match=r"X is a ndarray.*pass a pandas DataFrame"):
        model.counterfactual(trips.to_numpy(), {"price": 0.9})
    with pytest.raises(InvalidDataError, match="X has no column for product='brand'"):
        model.counterfactual(trips.drop(columns="brand"), {"price": 0.9}, products="alpine")


def test_diversion(case):
    model, X = case
    table = model.diversion()
    assert table.index.names == ["category", "product", "to"]
    assert list(table) == INTERVAL
    draws = {}
    for j in X[model.product].unique():
        slope = share_slopes(model, X, j)
        for category in X.loc[X[model.product] == j, "category"].unique():
            own = slope.loc[category]
            ratio = -own.drop(j) / own.loc[j]
            draws |= {(category, j, k): values for k, values in ratio.iterrows()}
            if model.outside_option:
                draws[category, j, "(none)"] = 1 - ratio.sum()
    expected = summaries(pd.DataFrame(draws).T, table.attrs["ci_prob"])
    assert_same(table, expected, DIFFERENCE)
    np.testing.assert_allclose(table["mean"].groupby(["category", "product"]).sum(), 1, rtol=SAME)
    assert_same(model.diversion(X), table)


def test_product_that_is_always_alone_diverts_nothing(spread_sampling, trips):
    alone = trips.drop_duplicates("trip").head(5).assign(brand="kiosk", category="milk", chosen=True)
    alone = alone.assign(trip=range(5), price=[1.0, 2, 3, 4, 5], in_stock=True, strength=np.nan)
    X = pd.concat([trips, alone], ignore_index=True)
    model = DynamicFactorChoiceModel(0, **TRIPS, **QUICK)
    with pytest.warns(DataWarning, match="5 of 125 choice sets have one alternative"):
        model.fit(X, X["chosen"])
    table = model.diversion()
    assert np.isfinite(table).all(axis=None)
    assert "kiosk" not in table.index.get_level_values("product")
    assert (table.xs("kiosk", level="to")["mean"] == 0).all()
    assert model.elasticities_.loc[("milk", "kiosk", "kiosk"), "mean"] == pytest.approx(0, abs=SAME)


def coefficients_by_hand(model, by, customers=slice(None)):
    """Draws of coefficients, averaged over what ``by`` doesn't name."""
    beta = beta_by_hand(model).sel(customer=customers)
    dims = {"customer": "customer", "time": "period"}
    beta = beta.mean([dim for role, dim in dims.items() if role not in by])
    beta = beta.transpose("coefficient", *(dims[role] for role in dims if role in by), "sample")
    levels = [beta[dims[role]].values for role in dims if role in by]
    pairs = zip(beta["coefficient_category"].values, beta["coefficient_predictor"].values, strict=True)
    keys = [(*pair, *labels) for pair in pairs for labels in itertools.product(*levels)]
    index = pd.MultiIndex.from_tuples(keys, names=["category", "predictor", *by])
    return pd.DataFrame(beta.to_numpy().reshape(len(keys), -1), index=index)


@pytest.mark.parametrize("by", [("time",), (), ("customer",), ("customer", "time")])
def test_coefficients(case, by):
    model, _ = case
    table, draws = model.coefficients(by=by), coefficients_by_hand(model, by)
    assert table.index.names == ["category", "predictor", *by]
    assert list(table) == [*INTERVAL, "p_positive"]
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    assert_same(table[["p_positive"]], (draws > 0).mean(axis=1).to_frame())


def test_population_path_is_the_sampled_one(case):
    model, _ = case
    path = model.idata_["posterior"]["coefficient_path"].mean(["chain", "draw"])
    for (category, predictor, week), mean in model.coefficients()["mean"].items():
        assert mean == pytest.approx(float(path.sel(coefficient=f"{category}: {predictor}", period=week)))


def test_coefficients_are_means_of_each_other(model):
    everybody = model.coefficients(by=("customer", "time"))["mean"]
    for by in ("time", "customer"):
        kept = model.coefficients(by=by)["mean"]
        assert_same(everybody.groupby(["category", "predictor", by]).mean().to_frame(), kept.to_frame())
    one = model.coefficients(by=None)["mean"]
    assert_same(everybody.groupby(["category", "predictor"]).mean().to_frame(), one.to_frame())


def test_coefficients_of_some_customers(model):
    some = [5, 2]
    table = model.coefficients(customers=some)
    draws = coefficients_by_hand(model, ("time",), some)
    assert_same(table[INTERVAL], summaries(draws, table.attrs["ci_prob"]))
    each = model.coefficients(by="customer", customers=some)
    assert set(each.index.get_level_values("customer")) == set(some)


def test_coefficients_that_are_not_there(model):
    with pytest.raises(InvalidArgumentError, match=r"1 of 2 are not, such as \[77\]"):
        model.coefficients(customers=[2, 77])
    with pytest.raises(
        InvalidArgumentError, match=r"by takes names among \['customer', 'time'\]; got 'week'"
    ):
        model.coefficients(by="week")


@pytest.mark.parametrize("by", [None, "time", "customer", ("customer", "time")])
def test_willingness_to_pay(case, by):
    model, _ = case
    names = () if by is None else (by,) if isinstance(by, str) else by
    table = model.willingness_to_pay("display", by=by, ci_prob=0.5)
    draws = coefficients_by_hand(model, names)
    ratio = -draws.xs("display", level="predictor") / draws.xs("price", level="predictor")
    if model.price_transform == "log":
        ratio = np.expm1(ratio.clip(upper=700))
    quantiles = ratio.quantile([0.5, 0.25, 0.75], axis=1).T.set_axis(["median", "lower", "upper"], axis=1)
    assert list(table) == list(quantiles)
    assert table.index.names == ["category", *names]
    assert_same(table, quantiles)
    unit = {"log": "share of the price", "linear": "units of 'price'"}[model.price_transform]
    assert table.attrs == {"ci_prob": 0.5, "unit": unit}


def test_willingness_to_pay_for_brands(model):
    table = model.willingness_to_pay("brand[alpine]")
    assert table.index.tolist() == ["milk"]
    with pytest.raises(InvalidArgumentError, match=r"predictor must be one of \['brand\[alpine\]'.*'bread'"):
        model.willingness_to_pay("bread")
    with pytest.raises(InvalidArgumentError, match=r"predictor must be one of.*got 'price'"):
        model.willingness_to_pay("price")


def test_questions_about_prices_without_a_price(spread_sampling, market):
    model = DynamicFactorChoiceModel(0, **MARKET | {"price": None}, **QUICK, outside_option=True)
    model.fit(market, market["chosen"])
    assert model.elasticities_.empty
    assert model.elasticities_.index.names == ["category", "product", "price_of"]
    for ask in (
        lambda: model.elasticities(market),
        lambda: model.diversion(),
        lambda: model.willingness_to_pay("display"),
    ):
        with pytest.raises(InvalidArgumentError, match=r"needs? a price: name its column with price="):
            ask()
    assert model.shares()["mean"].groupby("category").sum().to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("ask", ["elasticities", "shares"])
def test_groups_that_are_not_there(outside, market, ask):
    with pytest.raises(InvalidArgumentError, match=r"by takes roles among \(.*'choice_set'\).*got 'segment'"):
        getattr(outside, ask)(by="segment")
    with pytest.raises(InvalidDataError, match=r"Column 'display' in by= changes within \d+ choice sets"):
        getattr(outside, ask)(market, by="display")


def test_columns_of_roles_group_as_their_roles(outside, market):
    by_role = outside.shares(market, by=["time", "customer"])
    by_column = outside.shares(market, by=["week", "customer"])
    assert_same(by_column, by_role)


def test_factors_and_loadings(model, outside):
    posterior = model.idata_["posterior"]
    assert model.factors_.dims == ("chain", "draw", "period", "factor")
    assert model.loadings_.dims == ("chain", "draw", "customer", "coefficient", "factor")
    assert outside.loadings_.dims == ("chain", "draw", "coefficient", "factor")
    assert model.factors_.sizes["factor"] == 2
    for mine, name in ((model.factors_, "factor_path"), (model.loadings_, "loading")):
        assert np.shares_memory(mine.to_numpy(), posterior[name].to_numpy())
    assert (model.loadings_ > 0).all()
    np.testing.assert_allclose(model.factors_.sum("period"), 0, atol=SAME)
    assert list(model.factors_["period"].values) == [2, 3, 5, 11]


def test_factor_table(model, outside):
    table = model.factor_table_
    assert list(table.index) == [
        ("global", 1),
        ("global", 2),
        ("category", 1),
        ("individual", 1),
    ]
    assert table["share"].sum() == pytest.approx(1, rel=SAME)
    assert (table["share_of_all"] < table["share"]).all()
    assert (table["share_lower"] <= table["share_of_all"]).all()
    assert (table["share_of_all"] <= table["share_upper"]).all()
    rho = 9 * model.idata_["posterior"]["lengthscale"].stack(sample=("chain", "draw"))
    ends = [(1 - table.attrs["ci_prob"]) / 2, 0.5, (1 + table.attrs["ci_prob"]) / 2]
    names = ["lengthscale_lower", "lengthscale", "lengthscale_upper"]
    np.testing.assert_allclose(
        table.loc["global", names].to_numpy(), rho.quantile(ends, "sample").transpose("factor", "quantile")
    )
    assert outside.factor_table_.loc[("global", 1), "share"] == pytest.approx(1)


def test_factors_stand_in_order_of_what_they_move(model):
    curve = model.loadings_.mean(["customer", "coefficient"]) * model.factors_
    scale = curve.var("period").mean(["chain", "draw"]).to_numpy()
    assert scale[0] >= scale[1]


def test_identification(model):
    table = model.identification(20)
    assert list(table.index) == list(model.factor_table_.index)
    assert set(table["verdict"]) <= {"identified", "not separately identified", "no contribution"}
    assert (table["small_margins"].between(0, 1)).all()
    # Draws near one point are much tighter than the prior.
    assert (table["sd_ratio"] > 1).all()
    np.testing.assert_allclose(table["share"], model.factor_table_["share_of_all"], rtol=SAME)


def test_diagnostics(model):
    table = model.diagnostics()
    assert list(table) == ["about", "n", "r_hat", "ess_bulk", "ess_tail", "divergences", "verdict"]
    about = table["about"].iloc[:-1]
    assert list(about.unique()) == ["label-invariant", "customers", "aligned"]
    first = ["coefficient_path", "coefficient_mean", "customer_sd", "covariate_effect"]
    assert table.index[:4].tolist() == first
    assert table.index[4:6].tolist() == ["sum_of_factors", "log_density"]
    assert table.index[-1] == "sampler"
    posterior = model.idata_["posterior"].to_dataset()
    worst = float(az.rhat(posterior[["alpha"]])["alpha"].max())
    assert table.loc["alpha", "r_hat"] == pytest.approx(worst)
    assert table.loc["alpha", "n"] == posterior["alpha"][0, 0].size
    moved = posterior["coefficient_path"] - posterior["coefficient_path"].mean("period")
    worst = float(az.rhat(moved.to_dataset(name="moved"))["moved"].max())
    assert table.loc["sum_of_factors", "r_hat"] == pytest.approx(worst)
    assert table.attrs["verdict"].startswith("Not converged (")


def converged(model):
    """Independent draws in place of some of the model's own, of what depends on labels and what does not."""
    rng, size = np.random.default_rng(0), (4, 500)
    names = ["coefficient_path", "coefficient_mean", "factor_path"]
    posterior = xr.Dataset(
        {
            name: (values.dims, rng.standard_normal((*size, *values.shape[2:])))
            for name, values in model.idata_["posterior"].to_dataset()[names].items()
        }
    )
    lp, diverging = rng.standard_normal(size), np.zeros(size, dtype=bool)
    dims = ("chain", "draw")
    return posterior, xr.Dataset({"lp": (dims, lp), "diverging": (dims, diverging)})


def verdict_of(posterior, stats, inference="nuts"):
    from hdfm.choice.posterior.diagnostics import choice_diagnostics

    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    tree.attrs["inference"] = inference
    return choice_diagnostics(tree).attrs["verdict"]


def test_verdicts(outside):
    posterior, stats = converged(outside)
    verdict = verdict_of(posterior, stats)
    assert verdict.startswith("Converged: largest R-hat 1.0")
    assert "Not separately" not in verdict
    shift = xr.DataArray([0.0, 0, 0, 3], dims="chain")
    labels = posterior.assign(factor_path=posterior["factor_path"] + shift)
    assert "Not separately identified, or short of draws: factor_path" in verdict_of(labels, stats)
    assert verdict_of(labels, stats).startswith("Converged")
    apart = posterior.assign(coefficient_path=posterior["coefficient_path"] + shift)
    assert verdict_of(apart, stats).startswith("Not converged (coefficient_path: R-hat")
    diverging = stats.assign(diverging=stats["diverging"] | (stats["lp"] > 2))
    assert "divergences" in verdict_of(posterior, diverging)
    assert verdict_of(posterior, diverging).startswith("Not converged")


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
def test_loo(case):
    model, X = case
    P = pd.DataFrame(probabilities_by_hand(model, X), index=X[model.choice_set])
    chosen = P[X["chosen"].to_numpy(dtype=bool)]
    nothing = 1 - P.groupby(level=0).sum()
    each = pd.concat([chosen, nothing[~nothing.index.isin(chosen.index)]]).sort_index()
    assert list(each.index) == list(model.panel_.choice_set)
    log_likelihood = np.moveaxis(np.log(each.to_numpy()).reshape(-1, CHAINS, DRAWS), 0, -1)
    tree = az.from_dict(
        {"posterior": {"x": np.zeros((CHAINS, DRAWS))}, "log_likelihood": {"y": log_likelihood}}
    )
    expected, found = az.loo(tree, pointwise=True, reff=1.0), model.loo()
    assert found.n_data_points == len(each)
    assert found.n_samples == CHAINS * DRAWS
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i, rtol=1e-8)
    assert found.elpd == pytest.approx(expected.elpd, rel=1e-8)
    np.testing.assert_allclose(found.pareto_k, expected.pareto_k, rtol=1e-6)
    lppd = logsumexp(np.log(each.to_numpy()), axis=1) - np.log(CHAINS * DRAWS)
    assert found.p == pytest.approx(lppd.sum() - expected.elpd, rel=1e-6)


@pytest.mark.parametrize("y", [None, "chosen"])
def test_prior_draws(trips, y):
    model = DynamicFactorChoiceModel(1, **TRIPS, **QUICK)
    tree = model.sample_prior(trips, None if y is None else trips[y], draws=9)
    chosen = tree["prior_predictive"]["chosen"]
    assert chosen.sizes == {"chain": 1, "draw": 9, "row": len(trips)}
    assert set(np.unique(chosen)) == {0, 1}
    assert (chosen[..., ~trips["in_stock"].to_numpy()] == 0).all()
    by_set = pd.DataFrame(chosen.to_numpy()[0].T).groupby(trips["trip"].to_numpy()).sum()
    assert (by_set == 1).all(axis=None)
    assert tree["prior"]["alpha"].sizes == {"chain": 1, "draw": 9, "customer": 8, "coefficient": 10}
    again = model.sample_prior(trips, None if y is None else trips[y], draws=9)
    assert again["prior"].to_dataset().equals(tree["prior"].to_dataset())
    np.testing.assert_array_equal(again["prior_predictive"]["chosen"], chosen)


def test_prior_draws_with_an_outside_option(market):
    model = DynamicFactorChoiceModel(0, **MARKET, **QUICK, outside_option=True)
    chosen = model.sample_prior(market, market["chosen"], draws=50)["prior_predictive"]["chosen"]
    by_set = pd.DataFrame(chosen.to_numpy()[0].T).groupby(market["choice_set"].to_numpy()).sum()
    assert set(np.unique(by_set)) == {0, 1}


def test_prior_draws_without_choice_sets(trips):
    model = DynamicFactorChoiceModel(0, features=["display", "price"], availability="in_stock", **QUICK)
    X = trips.sort_values("in_stock")
    assert not X["in_stock"].iloc[0]
    chosen = model.sample_prior(X, draws=30)["prior_predictive"]["chosen"].to_numpy()[0]
    assert (chosen[:, ~X["in_stock"]] == 0).all()
    assert set(np.unique(chosen[:, X["in_stock"]])) == {0, 1}


def test_too_many_prior_draws(trips, monkeypatch):
    monkeypatch.setattr("hdfm.estimator.LARGEST_PRIOR", 1000)
    model = DynamicFactorChoiceModel(0, **TRIPS, **QUICK)
    with pytest.raises(InvalidArgumentError, match="9 draws of 323 rows are too many to hold; take fewer"):
        model.sample_prior(trips, draws=9)


def test_questions_leave_a_fit_as_it_is(model, trips):
    state = dict(vars(model))
    other = trips.drop(columns="income")[trips["category"] == "tea"]
    asked = DynamicFactorChoiceModel(0, **TRIPS | {"customer_covariates": None, "features": None}, **QUICK)
    asked.build_model(other.drop(columns="chosen"), other["chosen"])
    assert not [name for name in vars(asked) if name.endswith("_")]
    model.sample_prior(trips[trips["category"] == "tea"], draws=5)
    model.build_model(trips, trips["chosen"])
    model.predict(trips)
    model.elasticities(by="time")
    assert vars(model).keys() == state.keys()
    assert all(vars(model)[name] is value for name, value in state.items())


def test_graph(trips):
    graph = DynamicFactorChoiceModel(2, 1, 1, **TRIPS, **QUICK).build_model(trips, trips["chosen"])
    assert isinstance(graph, pm.Model)
    names = {variable.name for variable in graph.deterministics}
    assert {"alpha", "loading", "category_loading", "individual_loading", "coefficient_path"} <= names
    assert list(graph.coords["customer"]) == list(range(8))
    assert list(graph.coords["factor"]) == [1, 2]


def parts_of(thing):
    """What an object holds, one level down."""
    if isinstance(thing, xr.DataTree):
        return [*thing.to_dict().values()]
    if isinstance(thing, xr.Dataset):
        return [values.to_numpy() for values in thing.variables.values()]
    if isinstance(thing, pd.DataFrame):
        return [thing.index, thing.to_numpy()]
    if isinstance(thing, xr.DataArray | pd.Index | pd.Series):
        return [thing.to_numpy()]
    if dataclasses.is_dataclass(thing):
        return [getattr(thing, each.name) for each in dataclasses.fields(thing)]
    if isinstance(thing, dict):
        return [*thing.values()]
    return [*thing] if isinstance(thing, list | tuple) else []


def everything(thing):
    """An object and all that it holds."""
    yield thing
    for part in parts_of(thing):
        yield from everything(part)


def test_no_array_of_rows_or_sets_by_draws_is_kept(spread_sampling):
    frame, _ = simulate_choices(4, 1, 4, alternatives=3, sets_per_customer=30, seed=2)
    model = DynamicFactorChoiceModel(1, **MARKET, **QUICK | {"draws": 40})
    model.fit(frame, frame["chosen"])
    model.score(frame, frame["chosen"])
    model.predict(frame)
    model.shares()
    D, sets = CHAINS * 40, frame["choice_set"].nunique()
    found = list(everything(vars(model)))
    arrays = [each for each in found if isinstance(each, np.ndarray)]
    sizes = {each.size for each in arrays}
    assert D * 4 * len(model.panel_.coefficient) in sizes  # alpha, and so all others, was found
    assert max(sizes) < sets * D < len(frame) * D
    assert not [each for each in found if isinstance(each, pm.Model)]


@pytest.mark.parametrize("progressbar", [True, False])
def test_size_of_the_posterior_is_said_before_sampling(monkeypatch, capsys, market, progressbar):
    said = []

    def sample(*arguments):
        said.append(capsys.readouterr().out)
        return conftest.walk_about_start(*arguments)

    monkeypatch.setattr("hdfm.sampling.nuts.sample_numpyro", sample)
    changes = {"progressbar": progressbar, "outside_option": True}
    DynamicFactorChoiceModel(2, **MARKET, **QUICK | changes).fit(market, market["chosen"])
    sets = market["choice_set"].nunique()
    text = f"{sets} choice sets, 6 customers, 12 coefficients, 2 factors; 2 x 13 draws will take 0.00 GB.\n"
    assert said == [text if progressbar else ""]


def test_one_period_has_no_factors(spread_sampling, trips):
    week = trips[trips["week"] == 3]
    with pytest.warns(DataWarning, match="time column 'week' holds one period: the model has no factors"):
        model = DynamicFactorChoiceModel(2, 1, 1, **TRIPS, **QUICK).fit(week, week["chosen"])
    assert model.spec_.total_factors == 0
    assert model.factors_ is None
    later = model.predict_proba(trips.assign(week=40))
    assert np.isfinite(later).all()


def test_without_time_there_are_no_factors(spread_sampling, trips):
    model = DynamicFactorChoiceModel(2, **TRIPS | {"time": None}, **QUICK).fit(trips, trips["chosen"])
    assert model.spec_.total_factors == 0
    assert model.gp_ is None
    np.testing.assert_allclose(model.coefficients()["mean"], model.coefficients(by=None)["mean"], rtol=SAME)


def test_one_customer_has_no_individual_factors(spread_sampling, trips):
    one = DynamicFactorChoiceModel(
        1, 0, 2, **TRIPS | {"customer": None, "customer_covariates": None}, **QUICK
    )
    one.fit(trips, trips["chosen"])
    assert one.spec_.n_individual_factors == 0
    assert "alpha" not in one.idata_["posterior"]
    with pytest.raises(InvalidArgumentError, match="needs a customer column: name it with customer="):
        one.coefficients(by="customer")


def test_rows_against_an_outside_option(spread_sampling, trips):
    """The binary logit: each row a set of its own."""
    options = {"features": ["display", "price"], "customer": "household", "time": "week"}
    model = DynamicFactorChoiceModel(1, **options, **QUICK).fit(trips, trips["chosen"])
    posterior = model.idata_["posterior"]
    assert list(posterior["coefficient_predictor"].values) == ["intercept", "display", "price"]
    beta = beta_by_hand(model).sel(
        customer=xr.DataArray(trips["household"].to_numpy(), dims="row"),
        period=xr.DataArray(trips["week"].to_numpy(), dims="row"),
    )
    x = xr.DataArray(
        trips[["display", "price"]].assign(one=1.0)[["one", "display", "price"]].to_numpy(),
        dims=["row", "coefficient"],
    )
    p = 1 / (1 + np.exp(-(beta * x).sum("coefficient")))
    np.testing.assert_allclose(model.predict_proba(trips)[:, 1], p.mean("sample"), rtol=SAME)
    np.testing.assert_array_equal(model.predict(trips), (p.mean("sample") > 0.5).astype(int))
    log_p = np.log(np.where(trips["chosen"], p.mean("sample"), 1 - p.mean("sample")))
    assert model.score(trips, trips["chosen"]) == pytest.approx(log_p.mean(), rel=SAME)


TIMES = {
    "datetime": lambda week: pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, unit="D"),
    "Period": lambda week: (pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, unit="D")).dt.to_period(
        "W"
    ),
    "float": lambda week: week / 10,
    "Int64": lambda week: week.astype("Int64"),
}


@pytest.mark.parametrize("kind", TIMES)
def test_time_columns(spread_sampling, model, trips, kind):
    X = trips.assign(week=TIMES[kind](trips["week"]))
    other = DynamicFactorChoiceModel(2, 1, 1, **TRIPS, **QUICK).fit(X, X["chosen"])
    np.testing.assert_allclose(other.predict_proba(X), model.predict_proba(trips), rtol=1e-8)
    assert other.panel_.period.tolist() == sorted(X["week"].unique())
    units = {"datetime": 7, "Period": 1, "float": 0.1, "Int64": 1}[kind]
    np.testing.assert_allclose(
        other.factor_table_["lengthscale"], units * model.factor_table_["lengthscale"], rtol=1e-8
    )


@pytest.mark.parametrize(
    "kind",
    ["datetime", "Int64", "Period"],
)
def test_posterior_as_netcdf(spread_sampling, trips, tmp_path, kind):
    X = trips.assign(week=TIMES[kind](trips["week"]))
    model = DynamicFactorChoiceModel(1, **TRIPS, **QUICK).fit(X, X["chosen"])
    model.idata_.to_netcdf(tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc") as tree:
        for name, values in model.idata_["posterior"].data_vars.items():
            np.testing.assert_allclose(tree["posterior"][name], values, err_msg=name)


@pytest.fixture(scope="module")
def few():
    frame, _ = simulate_choices(3, 1, 4, alternatives=3, sets_per_customer=6, seed=4)
    return frame


@pytest.fixture(scope="module")
def quick_looks(few):
    """A mode and a variational fit of few steps, for real."""
    from hdfm.sampling import mode as quick

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quick, "STEPS", 500)
        return {
            name: DynamicFactorChoiceModel(1, **MARKET | {"customer": None}, **QUICK, inference=name).fit(
                few, few["chosen"]
            )
            for name in ("map", "variational")
        }


def test_quick_looks_are_told_apart(quick_looks):
    for name, model in quick_looks.items():
        assert model.idata_.attrs["inference"] == name
        assert f"inference='{name}'" in repr(model)
        verdict = model.diagnostics().attrs["verdict"]
        assert verdict.startswith(f'A quick look by inference="{name}"')
        assert f"inference=&quot;{name}&quot;" in model._repr_html_()
        assert model.diagnostics().index.tolist() == ["sampler"]
    assert quick_looks["map"].idata_["posterior"].sizes["draw"] == 1
    assert quick_looks["variational"].idata_["posterior"].sizes["draw"] == DRAWS


def test_quick_looks_answer(quick_looks, few):
    for name, model in quick_looks.items():
        P = probabilities_by_hand(model, few)
        np.testing.assert_allclose(model.predict_proba(few)[:, 1], P.mean(axis=1), rtol=1e-6)
        assert model.score(few, few["chosen"]) > np.log(1 / 3)
        table = model.elasticities_
        assert np.isfinite(table["mean"]).all()
        assert table[["sd", "lower", "upper"]].isna().all(axis=None) == (name == "map")


def test_a_mode_has_no_draws(quick_looks):
    mode = quick_looks["map"]
    for ask in (mode.loo, mode.identification):
        found = f'{ask.__name__} needs draws; inference="map" finds the mode alone'
        with pytest.raises(InvalidArgumentError, match=found):
            ask()
    wtp = mode.willingness_to_pay("display")
    assert np.isfinite(wtp["median"]).all()
    assert wtp[["lower", "upper"]].isna().all(axis=None)


def test_mode_is_higher_than_variational_draws(quick_looks):
    lp = {name: model.idata_["sample_stats"]["lp"] for name, model in quick_looks.items()}
    assert float(lp["map"].max()) > float(lp["variational"].max())


def test_responses_to_one_price_add_up_to_nothing(quick_looks):
    """Shares add up to 1, so that weighted by them the responses to one price do to 0; exact in one draw."""
    mode = quick_looks["map"]
    shares, table = mode.shares()["mean"], mode.elasticities_["mean"]
    weight = shares.reindex(
        pd.MultiIndex.from_arrays([table.index.get_level_values(name) for name in ("category", "product")])
    ).to_numpy()
    total = (weight * table).groupby(["category", "price_of"]).sum()
    np.testing.assert_allclose(total, 0, atol=1e-6)
    assert (np.abs(weight * table) > 1e-3).any()


def test_tables_keep_the_order_of_categorical_periods(spread_sampling, trips):
    weeks = sorted(trips["week"].unique())
    names = [f"w{2 * k}" for k in range(4, 4 + len(weeks))]  # w8, w10, ...: another order as text
    named = trips["week"].map(dict(zip(weeks, names, strict=True)))
    X = trips.assign(week=pd.Categorical(named, names, ordered=True))
    model = DynamicFactorChoiceModel(1, **TRIPS, **QUICK).fit(X, X["chosen"])
    for table in (model.coefficients(), model.elasticities(by="time"), model.shares(X, by="time")):
        for _, rows in table.groupby(level=[name for name in table.index.names if name != "time"]):
            found = rows.index.get_level_values("time").astype(str)
            assert [name for name in names if name in set(found)] == list(dict.fromkeys(found))
