"""Verdicts and leave-one-out scores of a fit."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from reference.choice import CHAINS, DRAWS, probabilities_by_hand
from scipy.special import logsumexp


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
