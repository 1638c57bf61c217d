"""What is found in a panel of sales before it is fitted."""

import numpy as np
import pandas as pd
import pytest

from hdfm.sales.panel.panel import build_panel
from hdfm.sales.panel.report import SalesFindings
from hdfm.sales.panel.roles import Roles

LITTLE = "little price variation left by time effects"
TIED = "controls tied to the price or to others"


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


def found(frame, controls=(), *, time_effects=True, counts=True, price="price"):
    """Examples by finding, and what is said at once."""
    roles = Roles("sku", ("group",), "week", price, tuple(controls))
    panel = build_panel(frame, frame["units"].to_numpy(float), roles)
    findings = SalesFindings(panel, time_effects, counts)
    return findings.table().set_index("finding")["examples"].to_dict(), " ".join(findings.warnings())


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
    assert table["no row with 0 units"] == "units"
    assert "biased towards 0" in said
    assert "no row with 0 units" not in found(sales)[0]
    assert "no row with 0 units" not in found(sold, counts=False)[0]


def test_products_that_stop(sales):
    sales.loc[(sales["sku"] == "s03") & (sales["week"] >= 28), "units"] = 0
    assert found(sales)[0]["products that stop selling before the last period"] == "s03"
    assert (
        "products that stop selling before the last period"
        in found(sales[(sales["sku"] != "s07") | (sales["week"] < 28)])[0]
    )
