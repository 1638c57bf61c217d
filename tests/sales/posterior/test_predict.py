"""Predictions of units, of what was fitted and what was not."""

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.demand import SAME, fit_at
from scipy import stats

from hdfm.sales.likelihoods.noise import ScaleDraws
from hdfm.sales.panel.rows import encode_rows
from hdfm.sales.posterior.draws import DemandDraws
from hdfm.sales.posterior.predict import (
    linear_predictor_blocks,
)

# False alarms of a test on fixed random numbers: the seed is fixed, so one passes for good.
UNLIKELY = 1e-3
LABELS = 300
pytestmark = UNFITTED


def repeated(draws: DemandDraws, size: int) -> DemandDraws:
    """The first draw, ``size`` times."""

    def same(values):
        return None if values is None else np.repeat(values[..., :1], size, axis=-1)

    population = {name: same(values) for name, values in draws.population.items()}
    return DemandDraws(
        same(draws.beta),
        same(draws.delta),
        same(draws.gamma),
        same(draws.kappa),
        ScaleDraws(same(draws.scale.shared)),
        population,
    )


@pytest.mark.parametrize("name", ["negative binomial", "poisson", "log-normal", "all"])
def test_quantiles_of_a_single_draw(cases, name):
    case, size, levels = cases(name), 20_000, [0.05, 0.5, 0.95]
    model = fit_at(case)
    model.draws_ = repeated(case.draws, size)
    sales = case.sales[:40]
    table = model.predict_quantiles(sales, levels)
    eta = np.vstack([e for _, e, _ in linear_predictor_blocks(case.posterior, model._rows(sales))])
    mean, scale = np.exp(eta[:, :1]), case.draws.scale.shared[0]
    cdf = {
        "log_normal": lambda y: stats.norm.cdf(np.log(y), np.log(mean), scale),
        "poisson": lambda y: stats.poisson.cdf(np.floor(y), mean),
        "negative_binomial": lambda y: stats.nbinom.cdf(np.floor(y), scale, scale / (scale + mean)),
    }[case.spec.likelihood]
    q, error = np.array(levels), 5 * np.sqrt(0.25 / size)
    step = 0.0 if case.spec.likelihood == "log_normal" else 1.0
    assert (cdf(table.to_numpy()) >= q - error).all()
    assert (cdf(table.to_numpy() - step) <= q + error).all()


def test_quantiles_rise(fitted, fitted_sales):
    table = fitted.predict_quantiles(fitted_sales, [0.01, 0.25, 0.5, 0.75, 0.99])
    assert list(table.columns) == [0.01, 0.25, 0.5, 0.75, 0.99]
    pd.testing.assert_index_equal(table.index, fitted_sales.index)
    assert (np.diff(table, axis=1) >= 0).all()
    inside = (fitted_sales["units_sold"] >= table[0.01]) & (fitted_sales["units_sold"] <= table[0.99])
    assert inside.mean() > 0.95
    assert fitted.predict_quantiles(fitted_sales, [0, 1]).notna().all(axis=None)


def test_quantiles_are_reproducible(fitted, fitted_sales):
    pd.testing.assert_frame_equal(
        fitted.predict_quantiles(fitted_sales), fitted.predict_quantiles(fitted_sales)
    )


def unseen(sales):
    """One product's rows with a new product, new category, new period and future period each."""
    rows = sales[sales["product"] == sales["product"].iloc[0]].iloc[:5]
    return {
        "product": rows.assign(product=900),
        "category": rows.assign(product=901, category=77),
        "period": rows.assign(time_period=rows["time_period"] - 1000),
        "future": rows.assign(time_period=rows["time_period"] + 1000),
        "all": rows.assign(product=902, category=78, time_period=rows["time_period"] + 2000),
    }


@pytest.mark.parametrize("kind", ["product", "category", "period", "future", "all"])
def test_the_unseen_does_not_depend_on_what_else_is_predicted(fitted, fitted_sales, kind):
    new = unseen(fitted_sales)
    alone = fitted.predict(new[kind])
    assert np.isfinite(alone).all()
    assert (alone > 0).all()
    others = [new[name] for name in new if name != kind] + [fitted_sales[:100]]
    together = pd.concat([*others, new[kind]], ignore_index=True)
    np.testing.assert_allclose(fitted.predict(together)[-len(alone) :], alone, rtol=SAME)
    np.testing.assert_allclose(fitted.predict(together[::-1])[: len(alone)][::-1], alone, rtol=SAME)
    assert fitted.predict_quantiles(new[kind]).notna().all(axis=None)
    assert np.isfinite(fitted.score(new[kind], np.arange(5)))


def test_a_new_period_does_not_depend_on_its_dtype(fitted, fitted_sales):
    future = fitted_sales[:5].assign(time_period=np.arange(1000, 1005))
    for dtype in ("int32", "uint16", "Int64", "float64"):
        np.testing.assert_allclose(
            fitted.predict(future.astype({"time_period": dtype})), fitted.predict(future), rtol=SAME
        )
        pd.testing.assert_frame_equal(
            fitted.predict_quantiles(future.astype({"time_period": dtype})), fitted.predict_quantiles(future)
        )
    together = pd.concat([fitted_sales[:5], future])
    np.testing.assert_allclose(
        fitted.predict(together.astype({"time_period": float})), fitted.predict(together), rtol=SAME
    )


@pytest.fixture(scope="module")
def new_products(fitted):
    """Elasticities and levels (labels, S) of new products of category 0, sold at one mean price."""
    price, period = np.exp(fitted.panel_.price_level.mean()), fitted.panel_.period[0]
    X = pd.DataFrame(
        {
            "product": np.repeat(np.arange(5000, 5000 + LABELS), 2),
            "category": 0,
            "time_period": period,
            "price": np.tile([price * np.exp(-0.5), price * np.exp(0.5)], LABELS),
            "usual": price,
        }
    )
    rows = encode_rows(X, fitted.panel_, "usual")
    pieces = linear_predictor_blocks(fitted._posterior(), rows, common=False)
    low, high = np.moveaxis(np.vstack([eta for _, eta, _ in pieces]).reshape(LABELS, 2, -1), 1, 0)
    return high - low, (high + low) / 2


def test_new_products_have_the_elasticities_of_their_group(fitted, new_products):
    beta, _ = new_products
    population = fitted.draws_.population
    group = list(fitted.panel_.levels[0].labels).index(0)
    z = (beta - population["elasticity_category"][group]) / population["elasticity_sd"]
    assert stats.kstest(z.ravel(), "norm").pvalue > UNLIKELY


def test_new_products_have_the_levels_of_their_group(fitted, new_products):
    beta, level = new_products
    population = fitted.draws_.population
    z = level - level.mean(axis=0)
    spread = z.std(axis=0, ddof=1) / population["product_effect_sd"]
    # The relative error of an sd of n normals is about sqrt(1 / 2n).
    assert np.abs(spread - 1).max() < 5 * np.sqrt(1 / (2 * LABELS))
    correlation = [np.corrcoef(b, d)[0, 1] for b, d in zip(beta.T, level.T, strict=True)]
    error = np.arctanh(correlation) - np.arctanh(population["correlation"])  # Fisher's z
    assert abs(error.mean()) < 5 / np.sqrt(LABELS * len(error))


def time_effects_at(fitted, fitted_sales, labels):
    """Time effects (labels, S) of new periods, in the category of the first product."""
    one = fitted_sales[:1]
    X = pd.concat([one] * len(labels), ignore_index=True).assign(time_period=labels)
    rows = encode_rows(X, fitted.panel_)
    pieces = linear_predictor_blocks(fitted._posterior(), rows)
    eta = np.vstack([piece for _, piece, _ in pieces])
    i = fitted.panel_.product.get_loc(one["product"].iloc[0])
    x = np.log(one["price"].iloc[0]) - fitted.panel_.price_level[i]
    known = fitted.draws_.gamma[fitted.panel_.block[i]]
    return eta - fitted.draws_.delta[i] - fitted.draws_.beta[i] * x, known


def dense_conditional(gamma, shock, drift, time, new):
    """Mean and sd of a random walk plus shocks at a new time, given gamma (T,), by Gaussian conditioning."""
    T, diffuse = len(gamma), 1e4
    t = np.append(time, new)
    walk = drift**2 * (np.abs(t - t[0])[:, None] + np.abs(t - t[0]) - np.abs(t[:, None] - t)) / 2
    covariance = diffuse + walk + shock**2 * np.eye(T + 1)
    weights = np.linalg.solve(covariance[:T, :T], covariance[:T, T])
    return weights @ gamma, np.sqrt(covariance[T, T] - weights @ covariance[:T, T])


@pytest.mark.parametrize("direction", [-1, 1])
def test_periods_outside_continue_the_random_walk(fitted, fitted_sales, direction):
    steps = np.arange(1, LABELS + 1)
    edge = fitted.panel_.period[-1 if direction > 0 else 0]
    new, known = time_effects_at(fitted, fitted_sales, edge + direction * steps)
    shock, drift = (fitted.draws_.population[f"time_{part}_sd"] for part in ("shock", "drift"))
    z, time = [], fitted.panel_.timeline.steps
    for s in range(0, new.shape[1], 10):
        for h in (0, 1, 9, LABELS - 1):
            mean, sd = dense_conditional(known[:, s], shock[s], drift[s], time, edge + direction * steps[h])
            z.append((new[h, s] - mean) / sd)
    assert stats.kstest(z, "norm").pvalue > UNLIKELY


def test_a_new_group_spreads_about_the_overall_elasticity(fitted, fitted_sales):
    first = fitted_sales[:1]
    X = pd.concat([first] * (2 * LABELS), ignore_index=True)
    X["product"] = X["category"] = np.repeat(np.arange(9000, 9000 + LABELS), 2)
    X["price"] = np.tile(first["price"].iloc[0] * np.exp([-0.5, 0.5]), LABELS)
    rows = encode_rows(X.assign(usual=first["price"].iloc[0]), fitted.panel_, "usual")
    pieces = linear_predictor_blocks(fitted._posterior(), rows, common=False)
    low, high = np.moveaxis(np.vstack([eta for _, eta, _ in pieces]).reshape(LABELS, 2, -1), 1, 0)
    population = fitted.draws_.population
    sd = np.hypot(population["elasticity_category_sd"], population["elasticity_sd"])
    z = (high - low - population["elasticity_global"]) / sd
    assert stats.kstest(z.ravel(), "norm").pvalue > UNLIKELY


@pytest.mark.parametrize(
    "pick",
    [
        lambda sales: sales.sample(frac=1, random_state=0),
        lambda sales: sales[sales["product"] == sales["product"].iloc[-1]],
        lambda sales: sales[sales["time_period"] > 30][::-1],
        lambda sales: sales[sales.columns[::-1]],
        lambda sales: sales.astype({"product": "category", "category": "category"})[::7],
    ],
    ids=["permuted", "one product", "late and reversed", "columns reversed", "categorical"],
)
def test_rows_are_matched_by_label(fitted, fitted_sales, pick):
    whole = pd.Series(fitted.predict(fitted_sales), index=fitted_sales.index)
    picked = pick(fitted_sales)
    np.testing.assert_allclose(fitted.predict(picked), whole[picked.index], rtol=SAME)


def test_score_is_the_mean_log_mean_density(fitted, fitted_sales):
    rows = encode_rows(fitted_sales, fitted.panel_)
    units = fitted_sales["units_sold"].to_numpy()
    pieces = linear_predictor_blocks(fitted._posterior(), rows)
    eta = np.vstack([piece for _, piece, _ in pieces])
    phi = fitted.draws_.scale.shared
    density = stats.nbinom.pmf(units[:, None], phi, phi / (phi + np.exp(eta)))
    assert fitted.score(fitted_sales, units) == pytest.approx(np.log(density.mean(axis=1)).mean(), rel=1e-8)


def test_blocks_of_rows_change_nothing(fitted, fitted_sales, monkeypatch):
    whole = fitted.predict(fitted_sales), fitted.score(fitted_sales, fitted_sales["units_sold"])
    monkeypatch.setattr("hdfm.sales.posterior.predict.BLOCK_CELLS", 7 * fitted.draws_.delta.shape[1])
    np.testing.assert_array_equal(fitted.predict(fitted_sales), whole[0])
    assert fitted.score(fitted_sales, fitted_sales["units_sold"]) == whole[1]
