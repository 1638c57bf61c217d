"""Factors of a fit: aligned, labelled, their shares of variance."""

import numpy as np
import pytest
import xarray as xr
from reference.choice import SAME


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
    comparable = model.loadings_ * xr.DataArray(model.panel_.coefficient_scale, dims="coefficient")
    curve = comparable.mean(["customer", "coefficient"]) * model.factors_
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
