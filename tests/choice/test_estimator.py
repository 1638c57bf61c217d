"""What a fit keeps and leaves, periods of every type, quick looks."""

import dataclasses

import conftest
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from conftest import CHOICE_ROLES, TRIP_ROLES
from reference.choice import CHAINS, DRAWS, QUICK, SAME, beta_by_hand, probabilities_by_hand

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import simulate_choices
from hdfm.exceptions import DataWarning, InvalidArgumentError

TIMES = {
    "datetime": lambda week: pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, unit="D"),
    "Period": lambda week: (pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, unit="D")).dt.to_period(
        "W"
    ),
    "float": lambda week: week / 10,
    "Int64": lambda week: week.astype("Int64"),
}


def test_questions_leave_a_fit_as_it_is(model, trips):
    state = dict(vars(model))
    other = trips.drop(columns="income")[trips["category"] == "tea"]
    roles = TRIP_ROLES | {"customer_covariates": None, "features": None}
    asked = DynamicFactorChoiceModel(0, **roles, **QUICK)
    asked.build_model(other.drop(columns="chosen"), other["chosen"])
    assert not [name for name in vars(asked) if name.endswith("_")]
    model.sample_prior(trips[trips["category"] == "tea"], draws=5)
    model.build_model(trips, trips["chosen"])
    model.predict(trips)
    model.elasticities(by="time")
    assert vars(model).keys() == state.keys()
    assert all(vars(model)[name] is value for name, value in state.items())


def test_graph(trips):
    graph = DynamicFactorChoiceModel(2, 1, 1, **TRIP_ROLES, **QUICK).build_model(trips, trips["chosen"])
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
    model = DynamicFactorChoiceModel(1, **CHOICE_ROLES, **QUICK | {"draws": 40})
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
    DynamicFactorChoiceModel(2, **CHOICE_ROLES, **QUICK | changes).fit(market, market["chosen"])
    sets = market["choice_set"].nunique()
    text = (
        f"{sets} choice sets, 6 customers, 12 coefficients, 2 factors; what is kept of 2 x 13 draws takes "
        "0.00 GB.\n"
    )
    assert said == [text if progressbar else ""]


def test_one_period_has_no_factors(spread_sampling, trips):
    week = trips[trips["week"] == 3]
    with pytest.warns(DataWarning, match="time column 'week' holds one period: the model has no factors"):
        model = DynamicFactorChoiceModel(2, 1, 1, **TRIP_ROLES, **QUICK).fit(week, week["chosen"])
    assert model.spec_.total_factors == 0
    assert model.factors_ is None
    later = model.predict_proba(trips.assign(week=40))
    assert np.isfinite(later).all()


def test_without_time_there_are_no_factors(spread_sampling, trips):
    model = DynamicFactorChoiceModel(2, **TRIP_ROLES | {"time": None}, **QUICK).fit(trips, trips["chosen"])
    assert model.spec_.total_factors == 0
    assert model.gp_ is None
    np.testing.assert_allclose(model.coefficients()["mean"], model.coefficients(by=None)["mean"], rtol=SAME)


def test_one_customer_has_no_individual_factors(spread_sampling, trips):
    one = DynamicFactorChoiceModel(
        1, 0, 2, **TRIP_ROLES | {"customer": None, "customer_covariates": None}, **QUICK
    )
    one.fit(trips, trips["chosen"])
    assert [size.name for size in one.spec_.tiers] == ["global"]
    assert "alpha" not in one.idata_["posterior"]
    with pytest.raises(InvalidArgumentError, match=r"needs a customer column.*name it with customer="):
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


@pytest.mark.parametrize("kind", TIMES)
def test_time_columns(spread_sampling, model, trips, kind):
    X = trips.assign(week=TIMES[kind](trips["week"]))
    other = DynamicFactorChoiceModel(2, 1, 1, **TRIP_ROLES, **QUICK).fit(X, X["chosen"])
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
    model = DynamicFactorChoiceModel(1, **TRIP_ROLES, **QUICK).fit(X, X["chosen"])
    model.idata_.to_netcdf(tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc") as tree:
        for name, values in model.idata_["posterior"].data_vars.items():
            np.testing.assert_allclose(tree["posterior"][name], values, err_msg=name)


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
