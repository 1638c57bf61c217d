"""The alternatives of the Complete Journey's choice panel: a brand in a package size.

A category is one product type. An alternative is named after its brand ("PL" for the private label,
otherwise "M" and the manufacturer's number) and, where the category has several, its package size. It
gathers every flavour, and every way the size was written down: "12 OZ", "12 PK/12 OZ" and "144 OZ" are
all twelve cans. Two sizes that a brand sells at the same price (48 and 56 oz of ice cream, 59 and 64 oz
of orange juice) are one alternative.
"""

import pandas as pd

TYPES = {
    "soda_12pk": ("SOFT DRINKS", "SOFT DRINKS 12/18&15PK CAN CAR"),
    "soda_2l": ("SOFT DRINKS", "SFT DRNK 2 LITER BTL CARB INCL"),
    "white_bread": ("BAKED BREAD/BUNS/ROLLS", "MAINSTREAM WHITE BREAD"),
    "wheat_bread": ("BAKED BREAD/BUNS/ROLLS", "MAINSTREAM WHEAT/MULTIGRAIN BR"),
    "orange_juice": ("REFRGRATD JUICES/DRNKS", "DAIRY CASE 100% PURE JUICE - O"),
    "yogurt": ("YOGURT", "YOGURT NOT MULTI-PACKS"),
    "ice_cream": ("ICE CREAM/MILK/SHERBTS", "PREMIUM"),
    "salad_dressing": ("SALD DRSNG/SNDWCH SPRD", "POURABLE SALAD DRESSINGS"),
    "pasta_sauce": ("PASTA SAUCE", "MAINSTREAM"),
    "peanut_butter": ("PNT BTR/JELLY/JAMS", "PEANUT BUTTER"),
}
PACKAGE_SIZES: dict[str, dict[str, tuple[str, ...]]] = {
    "soda_12pk": {
        "PL": ("12 OZ", "12 PK", "12 PK/12 OZ"),
        "M103": ("12 OZ", "12 PK/12 OZ"),
        "M1208": ("12 OZ", "12 OZ CAN", "12 OZ/12 PK", "144 OZ"),
        "M2224": ("12 OZ", "12 OZ/12 PK", "12 PK/12 OZ", "12/12 OZ"),
    },
    "soda_2l": {
        "PL": ("2 L",),
        "M103": ("2 L", "2 L BTL"),
        "M1208": ("2 L",),
        "M2224": ("2 L", "67.6 OZ"),
    },
    "white_bread": {
        "PL_20oz": ("20 OZ",),
        "M910_20oz": ("20 OZ",),
        "M1636_24oz": ("24 OZ",),
        "M1102_20oz": ("20 OZ",),
        "M1838_20oz": ("20 OZ",),
        "M1273_20oz": ("20 OZ",),
    },
    "wheat_bread": {
        "PL_20oz": ("20 OZ",),
        "PL_24oz": ("24 OZ",),
        "M1838_20oz": ("20 OZ",),
        "M910_20oz": ("20 OZ",),
        "M1882_24oz": ("24 OZ",),
        "M1102_20oz": ("20 OZ",),
    },
    "orange_juice": {
        "PL_1gal": ("1 GA",),
        "M1194_64oz": ("64 OZ", "1.75 L"),
        "M1194_89oz": ("89 OZ",),
        "M436_64oz": ("64 OZ",),
        "M436_59oz": ("59 OZ",),
    },
    "yogurt": {
        "PL_6oz": ("6 OZ",),
        "M1487_6oz": ("6 OZ",),
        "M759_6oz": ("6 OZ",),
        "M1487_4oz": ("4 OZ",),
    },
    "ice_cream": {
        "PL_56oz": ("56 OZ",),
        "M955_48oz": ("48 OZ", "56 OZ"),
        "M2110_56oz": ("56 OZ",),
        "M2193_48oz": ("48 OZ", "56 OZ"),
    },
    "salad_dressing": {
        "PL_16oz": ("16 OZ",),
        "M317_16oz": ("16 OZ", "L    16 OZ"),
        "M1603_16oz": ("16 OZ",),
        "M869_16oz": ("16 OZ",),
        "M919_16oz": ("16 OZ",),
    },
    "pasta_sauce": {
        "PL_26oz": ("26 OZ",),
        "M754_26oz": ("26 OZ", "26.3 OZ"),
        "M1251_26oz": ("26 OZ", "25.75 OZ", "25.6 OZ"),
        "M5758_26oz": ("26.5 OZ",),
    },
    "peanut_butter": {
        "PL_18oz": ("18 OZ",),
        "M1266_18oz": ("18 OZ",),
        "M1107_18oz": ("18 OZ",),
        "M1179_16oz": ("16.3 OZ",),
    },
}


def alternatives() -> pd.DataFrame:
    """One row per alternative: ``category``, ``product`` (its name); the index numbers them.

    Examples
    --------
    >>> from hdfm.datasets.alternatives import alternatives
    >>> alternatives().groupby("category").size().agg(["size", "sum"]).to_list()
    [10, 46]
    """
    names = [(category, product) for category, sizes in PACKAGE_SIZES.items() for product in sizes]
    return pd.DataFrame(names, columns=["category", "product"])


def recorded_sizes() -> pd.DataFrame:
    """What the products of each alternative have in common, one row per recorded package size.

    Columns ``alternative`` (a row of :func:`alternatives`), ``product_category``, ``product_type``,
    ``brand_id`` and ``package_size``.
    """
    table = alternatives()
    rows = [
        (number, *TYPES[category], product.split("_")[0], size)
        for number, category, product in zip(table.index, table["category"], table["product"], strict=True)
        for size in PACKAGE_SIZES[category][product]
    ]
    return pd.DataFrame(
        rows, columns=["alternative", "product_category", "product_type", "brand_id", "package_size"]
    )
