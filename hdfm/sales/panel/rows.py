"""Rows to predict or score, in the codes of a fitted panel of sales.

Array names and axis order: n rows, K controls, N products of the panel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError, warn_caller
from hdfm.frames.columns import ALL, examples, label_column, numeric_column, plain, positions
from hdfm.sales.panel.panel import SalesPanel, log_column, read_keys, refuse_two_parents
from hdfm.sales.panel.roles import Roles


@dataclass(frozen=True, slots=True)
class SalesRows:
    """Rows of a frame in the codes of a fitted panel; -1 marks a label the panel doesn't know.

    Attributes
    ----------
    product, period : numpy.ndarray
        Positions (n,) in the panel.
    label, period_label : pandas.Series
        The labels (n,) themselves.
    groups : list of numpy.ndarray
        Positions (n,) at each level.
    log_price : numpy.ndarray
        Log price (n,), not centred.
    log_reference : numpy.ndarray
        Log of what the product usually costs (n,): the mean log price of a fitted product, else the
        reference price given, else the mean over products of the group.
    log_exposure : numpy.ndarray
        (n,)
    controls : numpy.ndarray
        Standardised with the panel's mean and sd (K, n).
    """

    product: np.ndarray
    label: pd.Series
    period: np.ndarray
    period_label: pd.Series
    groups: list[np.ndarray]
    log_price: np.ndarray
    log_reference: np.ndarray
    log_exposure: np.ndarray
    controls: np.ndarray


def encode_rows(frame: pd.DataFrame, panel: SalesPanel, reference_price: str | None = None) -> SalesRows:
    """Rows to predict in the codes of a fitted panel, matched by label.

    Parameters
    ----------
    reference_price : str, optional
        Column with what products usually cost, for those that were not fitted; it may be missing, as may
        its values.

    Raises
    ------
    InvalidDataError
        If labels or numbers are missing, or a product or group belongs to two groups.
    """
    roles = panel.roles
    label, period_label = read_keys(frame, roles, known_periods=panel.period)
    columns = [label_column(frame[level.name], "groups") for level in panel.levels]
    groups = [
        positions(level.labels, column, "groups") for level, column in zip(panel.levels, columns, strict=True)
    ]
    raw = [numeric_column(frame[name], "controls") for name in roles.controls]
    controls = np.stack(raw) if raw else np.zeros((0, len(frame)))
    known = panel.product if roles.product is not None else pd.Index([ALL])
    product = positions(known, label, "product")
    _refuse_other_groups(panel, label, columns, product, groups)
    return SalesRows(
        product=product,
        label=label,
        period=positions(panel.period, period_label, "time"),
        period_label=period_label,
        groups=groups,
        log_price=log_column(frame, roles.price, "price"),
        log_reference=_log_reference(frame, panel, label, product, groups, reference_price),
        log_exposure=log_column(frame, roles.exposure, "exposure"),
        controls=(controls - panel.control_mean[:, None]) / panel.control_sd[:, None],
    )


def panel_rows(panel: SalesPanel) -> tuple[SalesRows, np.ndarray]:
    """The observed cells of a panel as rows, and their units (n,)."""
    i, t = np.nonzero(panel.observed)
    rows = SalesRows(
        product=i,
        label=pd.Series(panel.product[i]),
        period=t,
        period_label=pd.Series(panel.period[t]),
        groups=[panel.group_at(depth)[i] for depth in range(len(panel.levels))],
        log_price=panel.log_price[i, t] + panel.price_level[i],
        log_reference=panel.price_level[i],
        log_exposure=panel.log_exposure[i, t],
        controls=panel.controls[:, i, t],
    )
    return rows, panel.units[i, t]


def rows_of_periods(panel: SalesPanel, periods: Any) -> SalesRows:
    """A row per product and period, products in order; where the panel has none, at its usual conditions.

    These are the product's mean exposure and mean controls over its observed periods.

    Raises
    ------
    InvalidArgumentError
        If the panel has no periods, or ``periods`` is no list of them.
    """
    name = panel.roles.time
    if name is None:
        raise InvalidArgumentError("periods= needs a model with a time column.")
    if not pd.api.types.is_list_like(periods) or not len(periods):
        raise InvalidArgumentError(f"periods takes a list of labels of {name!r}; got {periods!r}.")
    frame = pd.DataFrame({name: pd.Index(periods).unique()})
    _, label = read_keys(frame, Roles(time=name), known_periods=panel.period)
    N, period = len(panel.product), positions(panel.period, label, "time")
    seen = panel.observed[:, np.maximum(period, 0)] & (period >= 0)
    i, p = np.divmod(np.arange(N * len(period)), len(period))
    t, seen = period[p], seen.ravel()
    count = panel.observed.sum(axis=1)
    log_exposure = np.log(np.exp(panel.log_exposure).sum(axis=1, where=panel.observed) / count)
    controls = panel.controls.sum(axis=2) / count  # 0 where not observed
    return SalesRows(
        product=i,
        label=pd.Series(panel.product[i]),
        period=t,
        period_label=label.iloc[p].reset_index(drop=True),
        groups=[panel.group_at(depth)[i] for depth in range(len(panel.levels))],
        log_price=panel.price_level[i],
        log_reference=panel.price_level[i],
        log_exposure=np.where(seen, panel.log_exposure[i, t], log_exposure[i]),
        controls=np.where(seen, panel.controls[:, i, t], controls[:, i]),
    )


def _refuse_other_groups(panel, label, columns, product, groups):
    """Raise if a product or group stands in two groups of the frame, or in another one than in the fit."""
    children = [*columns[1:], label] if columns else []
    for depth, (child, column) in enumerate(zip(children, columns, strict=True)):
        role = "groups" if depth + 1 < len(columns) else "product"
        refuse_two_parents(child, column, role)
        code, fitted = (
            (groups[depth + 1], panel.levels[depth + 1].parent)
            if role == "groups"
            else (product, panel.group)
        )
        moved = (code >= 0) & (fitted[np.maximum(code, 0)] != groups[depth])
        if moved.any():
            k = int(np.argmax(moved))
            there = panel.levels[depth].labels[fitted[code[k]]]
            raise InvalidDataError(
                f"{role} column {child.name!r}: {child[moved].nunique():,} labels were fitted in another "
                f"{column.name!r}, such as {plain(child.iloc[k])!r} in {plain(there)!r}, here in "
                f"{plain(column.iloc[k])!r}. Give it the group of the fit, or a label of its own."
            )


def _log_reference(frame, panel, label, product, groups, column):
    """Log of what products usually cost (n,); says so where that is their group's mean."""
    new = product < 0
    level = panel.price_level[np.where(new, 0, product)]
    if not new.any() or panel.roles.price is None:
        return level
    group = groups[-1] if groups else np.zeros(len(new), dtype=int)
    usual = panel.group_price_level
    level = np.where(new, np.where(group >= 0, usual[group], usual.mean()), level)
    said = new & frame[column].notna().to_numpy() if column in frame else np.zeros(len(new), dtype=bool)
    if said.any():
        given = numeric_column(frame[column], "reference_price", positive=True, where=said)
        level[said] = np.log(given[said])
    silent = label[new & ~said]
    if len(silent):
        remedy = (
            "name a column of usual prices with reference_price="
            if column is None
            else f"give it in the reference_price column {column!r}"
        )
        warn_caller(
            f"{len(silent):,} of {len(label):,} rows have a product that was not fitted, such as "
            f"{examples(silent.unique(), 3)}, and don't say what it usually costs: that is taken to be the "
            "mean log price of its group, and prices in X are changes against it. If that isn't so, "
            f"{remedy}.",
            DataWarning,
        )
    return level
