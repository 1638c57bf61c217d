"""Products that were not fitted: what they usually cost, and a price against that."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.demand import SAME, fit_at
from sklearn.base import clone

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError
from hdfm.sales.panel.rows import encode_rows
from hdfm.sales.posterior.draws import extend_to_rows
from hdfm.sales.posterior.predict import linear_predictor_blocks

pytestmark = UNFITTED

SILENT = "don't say what their product usually costs"


@pytest.fixture
def model(cases):
    """A fit of two levels of groups, both controls and an exposure."""
    fit = fit_at(cases("all"))
    fit.set_params(reference_price="usual")
    yield fit
    fit.set_params(reference_price=None)


def newcomers(model, case, **columns):
    """Rows of one new product in the group and periods of a fitted one, by default at what that costs."""
    rows = case.sales[case.sales["product"] == model.panel_.product[0]]
    return rows.assign(product=900, usual=rows["price"].iloc[0], **columns)


def etas(model, X):
    """Linear predictors (n, S)."""
    rows = encode_rows(X, model.panel_, model.reference_price)
    blocks = linear_predictor_blocks(model._posterior(), rows)
    return np.vstack([eta for _, eta, _ in blocks])


def test_a_price_cut_moves_along_the_elasticity(model, cases):
    case = cases("all")
    X = newcomers(model, case)
    change = etas(model, X.assign(price=0.9 * X["price"])) - etas(model, X)
    beta = change / np.log(0.9)
    np.testing.assert_allclose(beta, np.broadcast_to(beta[:1], beta.shape), rtol=1e-8)
    group = model.draws_.population[f"elasticity_{model.panel_.levels[-1].name}"][model.panel_.group[0]]
    assert np.abs(beta[0] - group).max() < 6 * model.draws_.population["elasticity_sd"].max()


def test_a_reference_price_moves_along_the_slope_between_products(model, cases):
    X = newcomers(model, cases("all"))
    dearer = X.assign(usual=2 * X["usual"], price=2 * X["price"])
    slope = model.draws_.population["between_price"][model.panel_.group[0]]
    change = etas(model, dearer) - etas(model, X)
    np.testing.assert_allclose(change, np.broadcast_to(np.log(2) * slope, change.shape), rtol=1e-8)


def test_a_reference_price_of_a_new_group(model, cases):
    X = newcomers(model, cases("all"), category=77)
    change = etas(model, X.assign(usual=2 * X["usual"], price=2 * X["price"])) - etas(model, X)
    assert np.abs(change - change[:1]).max() < 1e-8
    assert np.ptp(change[0]) > 0


def test_what_products_of_the_group_cost_is_the_default_and_is_said(model, cases):
    X = newcomers(model, cases("all"))
    usual = np.exp(model.panel_.group_price_level[model.panel_.group[0]])
    with_column = model.predict(X.assign(usual=usual))
    for silent in (X.drop(columns="usual"), X.assign(usual=np.nan)):
        with pytest.warns(
            DataWarning, match=rf"{len(X)} of {len(X)} rows .* 900 .*{SILENT}.*'usual'"
        ) as said:
            np.testing.assert_allclose(model.predict(silent), with_column, rtol=SAME)
        assert len(said) == 1
    model.set_params(reference_price=None)
    with pytest.warns(DataWarning, match=f"{SILENT}.*with reference_price="):
        np.testing.assert_allclose(model.predict(X.drop(columns="usual")), with_column, rtol=SAME)
    usual = np.exp(model.panel_.group_price_level.mean())
    stranger = X.assign(category=77)
    with_column = etas(model.set_params(reference_price="usual"), stranger.assign(usual=usual))
    with pytest.warns(DataWarning, match=SILENT):
        np.testing.assert_allclose(etas(model, stranger.drop(columns="usual")), with_column, rtol=SAME)


def test_fitted_products_need_no_reference_price(model, cases):
    sales = cases("all").sales
    without = model.predict(sales)
    for usual in (np.nan, 3.0, "unknown"):
        np.testing.assert_array_equal(model.predict(sales.assign(usual=usual)), without)


@pytest.mark.filterwarnings("ignore:.*have several reference prices:hdfm.exceptions.DataWarning")
def test_each_row_alone_and_all_at_once_agree(model, cases):
    sales = cases("all").sales
    X = newcomers(model, cases("all"))
    cut, dearer = X.assign(price=0.4 * X["price"]), X.assign(usual=2 * X["usual"])
    frame = pd.concat([X, cut, dearer, X.assign(product=901), sales[:5]])
    frame = frame.reset_index(drop=True)
    together = model.predict(frame)
    alone = np.concatenate([model.predict(frame.iloc[[k]]) for k in range(len(frame) - 5)])
    np.testing.assert_allclose(together[:-5], alone, rtol=SAME)
    np.testing.assert_allclose(model.predict(frame[::-1])[::-1], together, rtol=SAME)
    quantiles = model.predict_quantiles(frame)
    alone = pd.concat([model.predict_quantiles(frame.iloc[[k]]) for k in range(len(frame))])
    pd.testing.assert_frame_equal(quantiles, alone)
    pd.testing.assert_frame_equal(model.predict_quantiles(frame[::-1])[::-1], quantiles)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usual": 0.0}, "reference_price column 'usual' has values that are zero or negative"),
        ({"usual": "dear"}, "reference_price column 'usual' holds text"),
    ],
)
def test_a_bad_reference_price(model, cases, change, message):
    with pytest.raises(InvalidDataError, match=message):
        model.predict(newcomers(model, cases("all")).assign(**change))


def moved(X, model):
    other = next(label for label in model.panel_.levels[-1].labels if label != X["category"].iloc[0])
    twice = pd.concat([X, X.assign(category=other, department=department_of(model, other))])
    fitted = model.panel_.product[0]
    return {
        "two groups": (twice, "'product': 1 labels stand in more than one 'category', such as 900"),
        "fitted elsewhere": (
            X.assign(product=fitted, category=other, department=department_of(model, other)),
            f"'product': 1 labels stand in more than one 'category', such as {fitted}",
        ),
        "fitted, in a new group": (
            X.assign(product=fitted, category=77),
            "stand in more than one 'category'",
        ),
        "group elsewhere": (
            X.assign(department="new"),
            "'category': 1 labels stand in more than one 'depart",
        ),
        "group in two": (
            pd.concat([X, X.assign(product=901, department="new")]),
            "'category': 1 labels stand in more than one 'department'",
        ),
    }


def department_of(model, category):
    coarse, fine = model.panel_.levels
    return coarse.labels[fine.parent[fine.labels.get_loc(category)]]


@pytest.mark.parametrize(
    "kind", ["two groups", "fitted elsewhere", "fitted, in a new group", "group elsewhere", "group in two"]
)
def test_products_and_groups_belong_to_one_group(model, cases, kind):
    X, message = moved(newcomers(model, cases("all")), model)[kind]
    for order in (1, -1):
        with pytest.raises(InvalidDataError, match=message):
            model.predict(X[::order])


@pytest.mark.parametrize("without", ["product", "price"])
def test_a_reference_price_needs_products_and_prices(elasticity, sales, without):
    model = elasticity(reference_price="usual", groups=None, **{without: None})
    with pytest.raises(InvalidArgumentError, match="reference_price is what products usually cost"):
        model.fit(sales, sales["units_sold"])


def test_fit_does_not_use_it(cases):
    case = cases("poisson")
    estimator = clone(case.estimator).set_params(reference_price="usual")
    for X in (case.sales, case.sales.assign(usual=np.nan)):
        panel, _ = estimator._panel(X, case.sales["units_sold"])
        assert "usual" not in estimator.feature_names_in_
        np.testing.assert_array_equal(panel.price_level, case.panel.price_level)
    with pytest.raises(InvalidArgumentError, match="'price' is given as both price and reference_price"):
        estimator.set_params(reference_price="price")._panel(case.sales, case.sales["units_sold"])


@pytest.mark.filterwarnings("ignore:Values far outside .* reference_price:hdfm.exceptions.DataWarning")
def test_pooled_levels_alone_depend_on_it(cases):
    """Fixed levels have no slope: a new one is a draw from the fitted ones whatever it costs."""
    case = cases("fixed")
    model = fit_at(case)
    rows = case.sales[:3].assign(product=900)
    cheap, dear = (
        encode_rows(rows.assign(usual=usual, price=usual), model.panel_, "usual") for usual in (1.0, 9.0)
    )
    first, second = (next(linear_predictor_blocks(model._posterior(), each))[1] for each in (cheap, dear))
    np.testing.assert_allclose(first, second, rtol=SAME)


def test_products_that_are_alike_get_one_answer(model, cases):
    X = newcomers(model, cases("all"))
    one, other = (X.assign(product=product) for product in (901, 902))
    both = pd.concat([one, other], ignore_index=True)
    for answer in (
        model.predict(both),
        model.score_samples(both, np.tile(X["units_sold"], 2)).to_numpy(),
        model.predict(both.assign(category=77)),
    ):
        np.testing.assert_allclose(answer[: len(X)], answer[len(X) :], rtol=SAME)


def test_they_are_independent_in_totals(fitted, fitted_sales):
    """Given the draw of what products share; the mean of the total is the sum of predictions all the same."""
    X = pd.concat([fitted_sales[:1].assign(product=9000 + k) for k in range(2)], ignore_index=True)
    rows, population = encode_rows(X, fitted.panel_), fitted.draws_.population
    group = fitted.panel_.levels[0].labels.get_loc(X["category"].iloc[0])
    for common in (True, False):
        delta = extend_to_rows(fitted._posterior(), rows, common=common).draws.delta[-2:]
        z = (delta - population["group_effect"][group]) / population["product_effect_sd"]
        assert np.array_equal(*delta) == common
        assert (abs(np.corrcoef(z)[0, 1]) < 5 / np.sqrt(z.shape[1])) != common
    total = fitted.predict_totals(X).loc["total", "mean"]
    np.testing.assert_allclose(total, fitted.predict(X).sum(), rtol=SAME)


@pytest.mark.parametrize("cents", ["both", "usual"])
def test_a_reference_price_in_another_unit(model, cases, cents):
    X = newcomers(model, cases("all"))
    spoiled = X.assign(usual=100 * X["usual"], price=(100 if cents == "both" else 1) * X["price"])
    found = rf"fit: reference_price column 'usual' in {len(X)} of {len(X)} rows, such as .* to .* was seen\. "
    with pytest.warns(DataWarning) as said:
        model.predict(spoiled)
    far = [str(warning.message) for warning in said if "Values far" in str(warning.message)]
    assert len(far) == 1
    assert re.search(found, far[0])


def test_a_price_far_from_its_reference_price(model, cases):
    X = newcomers(model, cases("all"))
    dear = X.assign(price=6 * X["usual"])
    found = (
        rf"price column 'price' in {len(X)} of {len(X)} rows, such as .* at a reference price of .* 'usual'"
    )
    with pytest.warns(DataWarning) as said:
        model.predict(dear)
    assert any(re.search(found, str(warning.message)) for warning in said)


@pytest.mark.parametrize("gap", [False, True])
def test_several_reference_prices_of_one_product(model, cases, gap):
    X = newcomers(model, cases("all")).reset_index(drop=True)
    X["usual"] = X["usual"].where(X.index > 0, np.nan if gap else 1.1 * X["usual"])
    with pytest.warns(
        DataWarning, match="1 of 1 products .* several reference .* in column 'usual' 900 has"
    ) as said:
        model.predict(X)
    message = next(str(warning.message) for warning in said if "several" in str(warning.message))
    column, call = re.search(r"as X\['(.*?)'\] = (.*) does\.$", message).groups()
    assert np.isfinite(model.predict(X.assign(**{column: eval(call, {"X": X})}))).all()
