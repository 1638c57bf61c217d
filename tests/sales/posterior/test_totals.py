"""Totals over rows: of units, of money, with the intervals of sums."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reference.demand import SAME, fit_at

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.sales.likelihoods.noise import ScaleDraws


def test_means_are_sums_of_predictions(fitted, fitted_sales):
    units = pd.Series(fitted.predict(fitted_sales))
    total = fitted.predict_totals(fitted_sales)
    assert total.index.tolist() == ["total"]
    assert total["mean"].item() == pytest.approx(units.sum(), rel=SAME)
    money = fitted.predict_totals(fitted_sales, ["category", "time_period"], "revenue")
    expected = (units * fitted_sales["price"].to_numpy()).groupby(
        [fitted_sales["category"].to_numpy(), fitted_sales["time_period"].to_numpy()]
    )
    np.testing.assert_allclose(money["mean"], expected.sum(), rtol=SAME)
    assert money.index.names == ["category", "time_period"]
    assert list(money.columns) == ["mean", "sd", "lower", "upper"]
    assert money.attrs["of"] == "revenue"


def test_intervals_are_those_of_sums(fitted, fitted_sales):
    """Effects are common to a category's rows, noise is not: narrower than sums of the rows' intervals."""
    table = fitted.predict_totals(fitted_sales, "category", ci_prob=0.9)
    rows = fitted.predict_quantiles(fitted_sales, [0.05, 0.95]).groupby(fitted_sales["category"]).sum()
    assert (table["upper"] - table["lower"] < rows[0.95] - rows[0.05])[table["mean"] > 100].all()
    assert (table["mean"] > 100).sum() == 2
    alone = fitted.predict_totals(fitted_sales[:1])
    quantiles = fitted.predict_quantiles(fitted_sales[:1], [0.055, 0.945]).to_numpy()
    np.testing.assert_allclose(alone[["lower", "upper"]], quantiles)
    fitted_units = fitted_sales.groupby("category")["units_sold"].sum()
    assert ((fitted_units > table["lower"]) & (fitted_units < table["upper"])).mean() > 0.5


def test_totals_do_not_depend_on_order_nor_on_other_totals(fitted, fitted_sales):
    table = fitted.predict_totals(fitted_sales, "product")
    shuffled = fitted.predict_totals(fitted_sales.sample(frac=1, random_state=0), "product")
    pd.testing.assert_frame_equal(shuffled, table, rtol=1e-9)
    one = fitted_sales[fitted_sales["product"] == table.index[3]]
    pd.testing.assert_frame_equal(fitted.predict_totals(one, "product"), table.iloc[[3]], rtol=1e-9)


def test_known_effects_leave_the_noise(cases):
    """With one draw of the effects the variance of a total is the sum of variances."""
    case = cases("poisson")
    model = fit_at(case)
    one = {"delta": case.draws.delta, "beta": case.draws.beta, "gamma": case.draws.gamma}
    size = 4000
    model.draws_ = replace(
        case.draws,
        scale=ScaleDraws(np.full(size, np.inf)),
        **{name: np.repeat(values[..., :1], size, axis=-1) for name, values in one.items()},
    )
    total = model.predict_totals(case.sales).iloc[0]
    # The relative error of a standard deviation of n normals is about sqrt(1 / 2n).
    assert total["sd"] == pytest.approx(np.sqrt(total["mean"]), rel=5 * np.sqrt(1 / (2 * size)))


def test_a_missing_value_is_a_row_of_its_own(fitted, fitted_sales):
    X = fitted_sales.assign(region=np.where(fitted_sales["product"] < 20, "north", None))
    table = fitted.predict_totals(X, "region")
    assert table.index.isna().tolist() == [False, True]
    assert table["mean"].sum() == pytest.approx(fitted.predict(X).sum(), rel=SAME)


def test_bad_totals(cases):
    model, sales = fit_at(cases("no price")), cases("no price").sales
    with pytest.raises(InvalidArgumentError, match="of must be one of"):
        model.predict_totals(sales, of="profits")
    with pytest.raises(InvalidArgumentError, match="needs a model with a price column"):
        model.predict_totals(sales, of="revenue")
    with pytest.raises(InvalidDataError, match="X has no column for by='region'"):
        model.predict_totals(sales, by="region")
