"""What is found in a panel of sales before it is fitted."""

import numpy as np
import pandas as pd
import pytest

from hdfm.datasets.simulate_demand import stationary_paths
from hdfm.frames.findings import findings_said
from hdfm.sales.likelihoods.registry import likelihood_of
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.report import sales_findings, sales_report
from hdfm.sales.panel.roles import Roles
from hdfm.sales.panel.signals import SalesSignals

LITTLE = "little price variation left by time effects"
TIED = "controls tied to the price or to others"
ZEROS, FAR = "few rows with 0 units", "values far from all others"
ALIKE, UNLIKE = "residuals of neighbouring periods are alike", "groups whose noise differs"
SLOW = "products whose prices move slowly"
LEAK, FILLED = "controls that explain nearly all of units", "prices filled in where nothing was sold"


@pytest.fixture
def sales():
    """20 products of two groups over 40 weeks, elasticity -2, prices that move by themselves."""
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([[f"s{i:02d}" for i in range(20)], range(40)], names=["sku", "week"])
    frame = rows.to_frame(index=False)
    frame["group"] = np.where(frame["sku"] < "s10", "a", "b")
    frame["price"] = 4 * np.exp(0.12 * rng.standard_normal(len(frame)))
    frame["units"] = rng.poisson(np.exp(1 - 2 * np.log(frame["price"] / 4)))
    frame["promo"] = (rng.random(len(frame)) < 0.2).astype(float)
    return frame


def found_in(panel, remedy="", **model):
    return sales_findings(
        panel, remedy, **{"time_effects": True, "wanders": False, "one_noise": True} | model
    )


def found(frame, controls=(), *, likelihood="poisson", price="price", **model):
    """Examples by finding, and what is said at once."""
    roles = Roles("sku", ("group",), "week", price, tuple(controls))
    panel = build_panel(frame, frame["units"].to_numpy(float), roles)
    findings = found_in(panel, likelihood_of(likelihood).remedy_for_zeros, **model)
    table = sales_report(panel, findings).set_index("finding")
    return table["examples"].to_dict(), " ".join(findings_said(findings))


def test_nothing_is_found_where_nothing_is_wrong(sales):
    assert found(sales, ["promo"]) == ({}, "")


@pytest.mark.parametrize("price", [0.01, 400.0])
def test_a_spike_in_price_names_its_product(sales, price):
    sales.loc[45, "price"] = price
    table, said = found(sales)
    assert table["products with a spike in price"] == "s01"
    assert f"such as {price:.4g} where" in said
    assert "'s01'" in said


@pytest.mark.parametrize("time_effects", [True, False])
def test_controls_tied_to_the_price(sales, time_effects):
    level = np.log(sales["price"]).groupby(sales["sku"]).transform("mean")
    sales["discount"] = 100 * (np.log(sales["price"]) - level) + 1e-3 * sales["promo"]
    table, said = found(sales, ["promo", "discount"], time_effects=time_effects)
    assert table[TIED] == "discount"
    assert "by the priors alone: discount" in said


def test_controls_tied_to_each_other(sales):
    table, _ = found(sales.assign(no_promo=1 - sales["promo"]), ["promo", "no_promo"])
    assert table[TIED] == "promo, no_promo"


def test_controls_that_time_effects_explain(sales):
    season = sales.assign(season=np.cos(sales["week"]))
    assert found(season, ["season"])[0][TIED] == "season"
    assert TIED not in found(season, ["season"], time_effects=False)[0]


def test_prices_of_a_whole_chain_leave_little(sales):
    """All products of a group change their price at once; those of the other each by itself."""
    chain = np.exp(0.2 * np.random.default_rng(1).standard_normal(40))[sales["week"]]
    moved = np.where(sales["group"] == "a", 4 * chain * np.exp(0.01 * np.log(sales["price"])), sales["price"])
    sales = sales.assign(price=moved)
    table, said = found(sales)
    assert table[LITTLE].startswith("a (")
    assert "b (" not in table[LITTLE]
    assert "time_effects=None" in said
    assert LITTLE not in found(sales, time_effects=False)[0]
    assert LITTLE not in found(sales, price=None)[0]


def test_rows_left_out_where_nothing_was_sold(sales):
    sold = sales[sales["units"] > 0]
    table, said = found(sold)
    assert table[ZEROS] == "units"
    assert "biased towards 0" in said
    assert ZEROS not in found(sales)[0]


@pytest.mark.parametrize("likelihood", ["poisson", "log_normal"])
def test_some_rows_with_0_units_are_few_too(sales, likelihood):
    """One in ten of them; all of them where the likelihood has none."""
    none = sales.index[sales["units"] == 0]
    few = sales.drop(none[np.arange(len(none)) % 10 > 0] if likelihood == "poisson" else none)
    table, said = found(few, likelihood=likelihood)
    assert table[ZEROS] == "units"
    assert ("negative_binomial" in said) == (likelihood == "log_normal")
    assert ZEROS not in found(few.assign(units=few["units"] / 7))[0]  # no counts


def test_rows_left_out_without_periods(sales):
    sold = sales[sales["units"] > 0]
    panel = build_panel(sold, sold["units"].to_numpy(float), Roles("sku", (), None, "price"))
    assert ZEROS in [each.name for each in found_in(panel, time_effects=False) if len(each.labels)]


@pytest.mark.parametrize("factor", [10, 100])
def test_a_spike_in_units_names_its_product(sales, factor):
    units = np.random.default_rng(1).poisson(50 * (sales["price"] / 4) ** -2)
    units[45] *= factor
    table, said = found(sales.assign(units=units))
    assert table == {"products with a spike in units": "s01"}
    assert f"such as {units[45]:,.4g} of 's01' where about" in said


@pytest.mark.parametrize("filler", [-99.0, 99999.0])
def test_fillers_among_controls(sales, filler):
    sales.loc[::37, "promo"] = filler
    table, said = found(sales, ["promo"])
    assert table[FAR] == f"promo ({filler:.4g})"
    assert "Repair them or drop these rows" in said


def test_fillers_among_exposures(sales):
    rng = np.random.default_rng(1)
    frame = sales.assign(stores=rng.integers(5, 50, len(sales)))
    frame.loc[50, "stores"] = 99999
    panel = build_panel(
        frame, frame["units"].to_numpy(float), Roles("sku", (), "week", "price", (), "stores")
    )
    found = {each.name: list(each.labels) for each in found_in(panel)}
    assert found[FAR] == ["stores (1e+05)"]


@pytest.mark.parametrize("leak", ["revenue", "logs"])
def test_controls_that_explain_units(sales, leak):
    rng = np.random.default_rng(1)
    y = rng.poisson(10 * (sales["price"] / 4) ** -2)
    noisy = y * sales["price"] * np.exp(0.02 * rng.standard_normal(len(y)))
    table, said = found(sales.assign(units=y, x=noisy if leak == "revenue" else np.log1p(noisy)), ["x"])
    assert table[LEAK].startswith("x (")
    assert "leave them out" in said
    assert LEAK not in found(sales.assign(units=y), ["promo"])[0]


def test_prices_filled_in_where_nothing_was_sold(sales):
    filled = sales.assign(price=sales["price"].where(sales["units"] > 0)).groupby("sku")["price"].ffill()
    table, said = found(sales.assign(price=filled.fillna(4.0)))
    assert table[FILLED] == "price"
    assert "of the shelf" in said
    sticky = sales.assign(price=sales["price"].where(sales["week"] % 4 == 0)).groupby("sku")["price"].ffill()
    assert FILLED not in found(sales.assign(price=sticky))[0]


def test_products_that_stop(sales):
    """Rows with 0 units from then on bias elasticities; where they are left out the remedy is, too."""
    sales.loc[(sales["sku"] == "s03") & (sales["week"] >= 28), "units"] = 0
    name = f"{STOPPED} last period"
    for rows, remedy in ((sales, True), (sales[(sales["sku"] != "s03") | (sales["week"] < 28)], False)):
        panel = build_panel(rows, rows["units"].to_numpy(float), Roles("sku", (), "week", "price"))
        (finding,) = [each for each in found_in(panel) if each.name == name]
        assert list(finding.labels) == ["s03"]
        assert ("leave those out" in finding.consequence) == remedy


@pytest.mark.parametrize("wanders", [False, True])
def test_demand_that_wanders(sales, wanders):
    rng = np.random.default_rng(2)
    path = stationary_paths(rng, (20, 40), 0.7, 8.0).ravel()
    sales["units"] = rng.poisson(30 * np.exp(path) * (sales["price"] / 4) ** -2)
    table, said = found(sales, wanders=wanders)
    assert (ALIKE in table) != wanders
    assert not said
    assert wanders or 0.5 < float(table[ALIKE].split()[-1]) < 0.95


@pytest.mark.parametrize("one_noise", [False, True])
@pytest.mark.parametrize("likelihood", ["poisson", "log_normal"])
def test_noise_that_differs_by_group(sales, one_noise, likelihood):
    """Of counts what is left beside chance: small ones spread more."""
    rng, wild = np.random.default_rng(2), sales["group"] == "b"
    mean = np.where(wild, 100.0, 10.0) * (sales["price"] / 4) ** -2
    noisy = mean * np.exp(np.where(wild, 0.6, 0.1) * rng.standard_normal(len(sales)))
    units = noisy if likelihood == "log_normal" else rng.poisson(noisy).astype(float)
    table, _ = found(sales.assign(units=units), likelihood=likelihood, one_noise=one_noise)
    assert (UNLIKE in table) == one_noise
    if one_noise:
        calm, loud = table[UNLIKE].split(", ")
        assert calm == "a (0.10)"
        assert loud[:3] == "b ("
        assert float(loud[3:-1]) == pytest.approx(0.6, abs=0.1)
    of_chance = sales.assign(units=rng.poisson(mean))
    assert UNLIKE not in found(of_chance)[0]


def test_prices_that_move_slowly(sales):
    slow = sales["sku"] == "s04"
    sales.loc[slow, "price"] = 4 * np.exp(0.02 * sales.loc[slow, "week"])
    assert found(sales, wanders=True)[0][SLOW] == "s04"
    assert SLOW not in found(sales)[0]


BEGUN, STOPPED = "products that begin selling after the first period", "products that stop selling before the"
RUN_DOWN = "products that run down to less than a third"


def test_products_that_begin(sales):
    sales.loc[(sales["sku"] == "s04") & (sales["week"] < 11), "units"] = 0
    assert found(sales)[0] == {BEGUN: "s04"}
    table, _ = found(sales[(sales["sku"] != "s04") | (sales["week"] >= 11)])
    assert table[BEGUN] == "s04"
    assert not any(name.startswith(STOPPED) for name in table)


@pytest.mark.parametrize("time_effects", [True, False])
@pytest.mark.parametrize("last", [0.1, 0.9])
def test_products_that_run_down(sales, last, time_effects):
    """To a tenth, or by a tenth; what the price takes away, or a season that all share, is no trend."""
    rng = np.random.default_rng(3)
    base = 60 * np.exp(-2 * np.log(sales["price"] / 4))
    decay = np.where(sales["sku"] == "s05", last ** (sales["week"] / 39), 1.0)
    table, _ = found(sales.assign(units=rng.poisson(base * decay)), time_effects=time_effects)
    assert table.get(RUN_DOWN) == ("s05" if last < 1 / 3 else None)
    assert set(table) <= {RUN_DOWN}


def test_what_price_and_season_take_away_is_no_trend(sales):
    rng = np.random.default_rng(3)
    price = sales["price"] * np.where(sales["sku"] == "s05", 2.0 ** (sales["week"] / 39), 1.0)
    base = 60 * np.exp(-2 * np.log(price / 4) - sales["week"] / 20)
    assert RUN_DOWN not in found(sales.assign(price=price, units=rng.poisson(base)))[0]


def test_what_stops_is_not_said_to_run_down_too(sales):
    units = sales["units"].where((sales["sku"] != "s03") | (sales["week"] < 20), 0)
    table, _ = found(sales.assign(units=units))
    assert [name for name in table if "s03" in table[name]] == [f"{STOPPED} last period"]


def test_without_periods_nothing_runs_down(sales):
    panel = build_panel(sales, sales["units"].to_numpy(float), Roles("sku", (), None, "price"))
    signals = SalesSignals(panel, False)
    assert not (signals.running_down | signals.stopped | signals.begun).any()
    bare = build_panel(sales, sales["units"].to_numpy(float), Roles("sku", (), "week"))
    assert not SalesSignals(bare, True).running_down.any()
