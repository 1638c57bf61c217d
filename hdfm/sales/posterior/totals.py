r"""Totals of units or money over rows, from draws that the rows share.

.. math:: T_g^{(s)} = \sum_{r \in g} a_r \, y_r^{(s)}

Array names and axis order: n rows, G groups of rows, S draws, b rows of a block.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from hdfm.exceptions import InvalidArgumentError, InvalidDataError, unknown
from hdfm.frames.columns import as_names, check_word
from hdfm.frames.keys import key_columns, refuse_columns_of_tables
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.rows import SalesRows
from hdfm.sales.posterior.draws import DemandPosterior
from hdfm.sales.posterior.predict import expected_units, unit_blocks
from hdfm.summaries.intervals import summarise

TOTALS = ("units", "revenue")
COLUMNS = ["mean", "sd", "lower", "upper"]


def total_table(
    posterior: DemandPosterior,
    rows: SalesRows,
    groups: tuple[np.ndarray, pd.Index],
    *,
    of: str,
    ci_prob: float,
    weights: np.ndarray | None = None,
) -> pd.DataFrame:
    """Mean, sd and interval of totals by group, noise included; rows of a draw share its effects.

    New products are independent given the draw.

    Parameters
    ----------
    groups : tuple of numpy.ndarray and pandas.Index
        The group (n,) of each row, and the groups' labels (G,).
    of : {"units", "revenue"}
        Whether a row counts as its units, or its units times its price.
    weights : numpy.ndarray, optional
        How often each row (n,) counts.
    """
    code, labels = groups
    amount = amounts(rows, of) if weights is None else amounts(rows, of) * weights
    total = np.zeros((len(labels), posterior.draws.delta.shape[1]))
    for piece, units in unit_blocks(posterior, rows, common=False):
        members = np.arange(len(units))
        total += csr_array((amount[piece], (code[piece], members)), (len(labels), len(units))) @ units
    table = summarise(total, labels, ci_prob)[COLUMNS]
    expected = expected_units(posterior, rows)
    table["mean"] = np.bincount(code, amount * expected, minlength=len(labels))
    table.attrs |= {"ci_prob": ci_prob, "of": of}
    return table


def row_groups(X: pd.DataFrame, by: str | Sequence[str] | None, n_rows: int) -> tuple[np.ndarray, pd.Index]:
    """The group (n_rows,) of each row and the groups' labels, a missing value being a label.

    Raises
    ------
    InvalidArgumentError, InvalidDataError
        If ``by`` names no column of X.
    """
    names = as_names(by, "by")
    if not names:
        return np.zeros(n_rows, dtype=int), pd.Index(["total"])
    if not isinstance(X, pd.DataFrame):
        raise InvalidDataError(f"by takes columns of X, and X is a {type(X).__name__}: pass a frame.")
    refuse_columns_of_tables(names, COLUMNS)
    keys = key_columns(X, names)
    grouped = keys.groupby(list(keys) if len(keys.columns) > 1 else names[0], dropna=False, observed=True)
    return grouped.ngroup().to_numpy(), grouped.size().index


def check_total(of: str, panel: SalesPanel) -> None:
    """Raise unless totals of that can be made."""
    check_word("of", of, TOTALS)
    if of == "revenue" and panel.roles.price is None:
        raise InvalidArgumentError('of="revenue" needs a model with a price column.')


def amounts(rows: SalesRows, of: str) -> np.ndarray:
    """What a unit of each row counts (n,)."""
    match of:
        case "units":
            return np.ones(len(rows.log_price))
        case "revenue":
            return np.exp(rows.log_price)
        case _:
            raise unknown("total", of)
