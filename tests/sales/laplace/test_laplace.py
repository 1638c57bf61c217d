"""HierarchicalElasticity(inference="laplace") from the outside: ugly data, everything after the fit."""

from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import NO_PATHS, ROLES, UNFITTED
from sklearn.base import clone

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales
from hdfm.exceptions import ApproximationWarning, InvalidArgumentError
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.laplace.reliability import _pareto_k
from hdfm.sales.laplace.working import working_likelihood
from hdfm.sales.posterior.diagnostics import diagnostics_table


def laplace(**changes):
    return HierarchicalElasticity(**{**ROLES, "inference": "laplace", "draws": 100, **changes})


@pytest.fixture(scope="module")
def sales():
    return simulate_sales(40, 3, 25, seed=2, period_noise=0.0)


@pytest.fixture(scope="module")
def fitted(sales):
    return laplace(draws=500).fit(sales, sales["units_sold"])


@pytest.fixture(scope="module")
def plain(sales):
    return laplace(**NO_PATHS, draws=500).fit(sales, sales["units_sold"])


@pytest.fixture
def few_points(monkeypatch):
    monkeypatch.setattr("hdfm.sales.laplace.integration.MOST", 32)


def test_tables_after_the_fit(fitted, sales):
    table = fitted.elasticities_
    assert len(table) == 40
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert (table["sd"] > 0).all()
    assert len(fitted.elasticities("category")) == 3
    assert len(fitted.elasticities("global")) == 1
    assert len(fitted.optimal_price(cost=1.0)) == 40
    assert fitted.loo().n_data_points == len(sales)


@UNFITTED
def test_predictions(fitted, sales):
    expected = fitted.predict(sales)
    assert np.corrcoef(expected, sales["units_sold"])[0, 1] > 0.8
    quantiles = fitted.predict_quantiles(sales)
    assert ((quantiles[0.05] <= sales["units_sold"]) & (sales["units_sold"] <= quantiles[0.95])).mean() > 0.88
    new = sales.head(5).assign(product=sales["product"].max() + 1, time_period=99)
    assert np.isfinite(fitted.predict(new)).all()


def test_the_fit_says_how_it_was_made(fitted):
    assert fitted.idata_.attrs["inference"] == "laplace"
    verdict = fitted.diagnostics().attrs["verdict"]
    assert verdict.startswith("Laplace's approximation: 2,000 independent draws, nothing to converge")
    assert "Laplace" in fitted._repr_html_()


def test_pareto_k(plain, sales):
    k = plain.pareto_k()
    assert list(k.index) == list(plain.elasticities_.index)
    assert k.max() < 0.7
    table = plain.diagnostics()
    assert table.loc["product", "pareto_k"] == k.max()
    assert table.loc["product", "verdict"] == "ok"
    sold = sales[sales["units_sold"] > 0]
    normal = laplace(likelihood="log_normal").fit(sold, sold["units_sold"] - 0.5)
    assert (normal.pareto_k() == 0).all()  # the approximation is exact


def test_pareto_k_finds_what_is_wrong(plain):
    """A product whose working likelihood is forty times too sharp."""
    mode = laplace_mode(plain.panel_, plain.spec_)
    i = int(np.argmax(plain.panel_.units.sum(axis=1)))
    at, sharp = mode.expansion, np.where(np.arange(len(plain.panel_.units)) == i, 40.0, 1.0)
    cells = replace(at.cells, precision=at.cells.precision * sharp[:, None])
    likelihood = working_likelihood(mode.model, at.effects, cells)
    at = replace(at, cells=cells, likelihood=likelihood)
    mode = replace(mode, marginal=replace(mode.marginal, expansion=at))
    k = _pareto_k(mode, np.random.default_rng(1))
    assert k[i] > 0.6
    assert np.delete(k, i).max() < 0.5


def test_products_that_are_far_from_normal_are_named(fitted):
    k = pd.Series([0.1, 0.9, 0.8], index=["a", "b", "c"])
    table = diagnostics_table(fitted.idata_, k)
    assert table.loc["product", "verdict"] == "2 above 0.7"
    assert "2 of 3 products are far from normal (Pareto k above 0.7, worst b)" in table.attrs["verdict"]


def test_sampled_models_have_no_pareto_k(fitted):
    sampled = copy(fitted)
    sampled.idata_ = fitted.idata_.copy()
    sampled.idata_.attrs["inference"] = "nuts"
    with pytest.raises(InvalidArgumentError, match='about inference="laplace"'):
        sampled.pareto_k()


def test_seeds(sales):
    one, again, other = (
        laplace(random_state=seed).fit(sales, sales["units_sold"]).elasticities_["mean"] for seed in (1, 1, 2)
    )
    pd.testing.assert_series_equal(one, again)
    assert (one != other).all()


def test_order_of_rows_does_not_matter(sales):
    shuffled = sales.sample(frac=1, random_state=1)
    one = laplace().fit(sales, sales["units_sold"]).elasticities_
    other = laplace().fit(shuffled, shuffled["units_sold"]).elasticities_.loc[one.index]
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda sales: sales.assign(units_sold=np.where(np.arange(len(sales)) == 7, 1_000_000, 0)),
        lambda sales: sales.assign(units_sold=1),
        lambda sales: sales[sales["time_period"] <= 2],
        lambda sales: sales[sales["time_period"] == 1],
        lambda sales: sales[sales["category"] == sales["category"].iloc[0]],
        lambda sales: sales[sales["product"] == sales["product"].iloc[0]],
        lambda sales: sales.sample(40, random_state=1),
        lambda sales: sales.assign(price=2.0),
        lambda sales: sales.assign(units_sold=10**9 * (1 + sales["units_sold"])),
    ],
    ids=[
        "spike",
        "all one",
        "two periods",
        "one period",
        "one category",
        "one product",
        "few",
        "one price",
        "huge",
    ],
)
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.ApproximationWarning")
def test_ugly_data(few_points, sales, spoil, likelihood):
    """Answers are finite, also where data are so degenerate that the fit warns of its approximation."""
    rows = spoil(sales)
    model = laplace(likelihood=likelihood).fit(rows, rows["units_sold"])
    table = model.elasticities_.select_dtypes("number")
    assert np.isfinite(table.to_numpy()).all()
    assert (abs(table["mean"]) < 10).all()
    assert np.isfinite(model.score(rows, rows["units_sold"]))


def test_scales_that_the_approximation_misses():
    """One sale among 60 rows says little that is normal about spreads and noise."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"product": np.repeat(np.arange(30), 2), "time_period": np.tile([1, 2], 30)})
    rows = rows.assign(price=np.exp(rng.normal(0, 0.5, 60)), category=rows["product"] % 4)
    found = r'512 values of them count as \d.* inference="nuts"'
    with pytest.warns(ApproximationWarning, match=found) as warned:
        model = laplace(**NO_PATHS).fit(rows, np.where(rows.index == 17, 100_000.0, 0.0))
    assert warned.pop(ApproximationWarning).filename == __file__
    assert np.isfinite(model.elasticities_["mean"]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": None},
        {"time": None},
        {"price": None},
        {"time_effects": "shared"},
        {"product_effects": "fixed"},
        {"product_effects": "fixed", "likelihood": "poisson"},
        {"priors": ElasticityPriors.article()},
        {"priors": ElasticityPriors(correlation=None)},
        {"controls": "promotion", "exposure": "stores"},
    ],
    ids=str,
)
def test_every_layout(few_points, sales, changes):
    rng = np.random.default_rng(3)
    rows = sales.assign(promotion=rng.normal(size=len(sales)), stores=rng.integers(1, 5, len(sales)))
    model = laplace(**changes).fit(rows, rows["units_sold"])
    assert np.isfinite(model.predict(rows)).all()


@pytest.mark.parametrize("product_effects", ["random", "fixed"])
@pytest.mark.parametrize("time_effects", ["category", "shared", None])
@pytest.mark.parametrize("price", ["price", None])
@pytest.mark.parametrize("groups", [None, "category", ["department", "category"]], ids=str)
def test_parts_that_stand_beside_each_other(few_points, groups, price, time_effects, product_effects):
    sales = simulate_sales(6, 2, 10, seed=2)
    rows = sales.assign(department=np.where(sales["category"] == sales["category"][0], "a", "b"))
    parts = {"groups": groups, "price": price, "time_effects": time_effects}
    model = laplace(**parts, product_effects=product_effects).fit(rows, rows["units_sold"])
    assert np.isfinite(model.predict(rows)).all()


def test_exposure_scales_units(sales):
    """Twice the stores and twice the units: the same elasticities."""
    stores = sales.assign(stores=3.0)
    plain = laplace().fit(sales, sales["units_sold"]).elasticities_["mean"]
    exposed = laplace(exposure="stores").fit(stores, sales["units_sold"]).elasticities_["mean"]
    np.testing.assert_allclose(exposed, plain, atol=0.1)


def test_one_sign_needs_nuts(sales):
    with pytest.raises(InvalidArgumentError, match='inference="laplace" has no elasticities of one sign'):
        laplace(sign="negative").fit(sales, sales["units_sold"])


def test_clones(fitted):
    assert clone(fitted).inference == "laplace"
