"""Rows to predict or score, in the codes of a fitted panel of sales.

Array names and axis order: n rows, K controls.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.frames.columns import ALL, label_column, numeric_column, positions
from hdfm.frames.labels import warn_of_unknown
from hdfm.sales.panel.panel import (
    SalesPanel,
    log_column,
    product_labels,
    refuse_two_parents,
    running_periods,
)


@dataclass(frozen=True, slots=True)
class SalesRows:
    """Rows of a frame in the codes of a fitted panel; -1 marks a label the panel doesn't know.

    Attributes
    ----------
    product, period : numpy.ndarray
        Positions (n,) in the panel.
    label, period_label : pandas.Series
        The labels (n,) themselves.
    time : numpy.ndarray
        Usual distances of periods (n,) from the first fitted one.
    groups : list of numpy.ndarray
        Positions (n,) at each level.
    log_price : numpy.ndarray
        Log price (n,), not centred.
    log_exposure : numpy.ndarray
        (n,)
    controls : numpy.ndarray
        Standardised with the panel's mean and sd (K, n).
    """

    product: np.ndarray
    label: pd.Series
    period: np.ndarray
    period_label: pd.Series
    time: np.ndarray
    groups: list[np.ndarray]
    log_price: np.ndarray
    log_exposure: np.ndarray
    controls: np.ndarray


def encode_rows(frame: pd.DataFrame, panel: SalesPanel) -> SalesRows:
    """Rows to predict in the codes of a fitted panel, matched by label."""
    roles = panel.roles
    label = product_labels(frame, roles)
    period_label = running_periods(label) if roles.time is None else panel.timeline.read(frame[roles.time])
    period = positions(panel.period, period_label, "time")
    group_labels = [label_column(frame[level.name], "groups") for level in panel.levels]
    groups = [
        positions(level.labels, column, "groups")
        for level, column in zip(panel.levels, group_labels, strict=True)
    ]
    raw = [numeric_column(frame[name], "controls") for name in roles.controls]
    controls = np.stack(raw) if raw else np.zeros((0, len(frame)))
    known = panel.product if roles.product is not None else pd.Index([ALL])
    product = positions(known, label, "product")
    _refuse_two_groups(panel, label, group_labels)
    warn_of_unknown(known, label, product < 0, "product")
    for level, column, code in zip(panel.levels, group_labels, groups, strict=True):
        warn_of_unknown(level.labels, column, code < 0, "group")
    return SalesRows(
        product=product,
        label=label,
        period=period,
        period_label=period_label,
        time=_time(panel, period, period_label),
        groups=groups,
        log_price=log_column(frame, roles.price, "price"),
        log_exposure=log_column(frame, roles.exposure, "exposure"),
        controls=(controls - panel.control_mean[:, None]) / panel.control_sd[:, None],
    )


def _time(panel, period, label):
    """Usual distances of periods (n,) from the first fitted one; each label that was not fitted once."""
    time = panel.timeline.steps[period]
    new = np.flatnonzero(period < 0)
    code, distinct = pd.factorize(label.iloc[new])
    if len(new):
        time[new] = panel.timeline.place(pd.Index(distinct))[code]
    return time


def _refuse_two_groups(panel, label, group_labels):
    """Raise unless products and groups (n,) belong to one group each, that of the fit where fitted."""
    for depth, level in enumerate(panel.levels):
        finest = depth == len(panel.levels) - 1
        child = label if finest else group_labels[depth + 1]
        labels, parent = (
            (panel.product, panel.group)
            if finest
            else (panel.levels[depth + 1].labels, panel.levels[depth + 1].parent)
        )
        here = pd.DataFrame({"child": child.array, "parent": group_labels[depth].array}).drop_duplicates()
        fitted = pd.DataFrame({"child": labels, "parent": level.labels[parent]})
        pairs = pd.concat([fitted, here], ignore_index=True)
        refuse_two_parents(
            pairs["child"].rename(child.name),
            pairs["parent"].rename(level.name),
            "product" if finest else "groups",
        )


def rows_of_frame(panel: SalesPanel) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Positions (n,) of the frame's rows among the observed cells, and the labels (n,) of rows by name."""
    i, t = np.nonzero(panel.observed)
    order = np.argsort(panel.row[i, t], kind="stable")
    labels = {"row": panel.index, panel.dims["product"]: panel.product[i[order]]}
    if panel.roles.time is not None:
        labels[panel.roles.time] = panel.period[t[order]]
    return order, {name: np.asarray(values) for name, values in labels.items()}


def panel_rows(panel: SalesPanel) -> tuple[SalesRows, np.ndarray]:
    """The observed cells of a panel as rows, and their units (n,)."""
    i, t = np.nonzero(panel.observed)
    rows = SalesRows(
        product=i,
        label=pd.Series(panel.product[i]),
        period=t,
        period_label=pd.Series(panel.period[t]),
        time=panel.timeline.steps[t],
        groups=[panel.group_at(depth)[i] for depth in range(len(panel.levels))],
        log_price=panel.log_price[i, t] + panel.price_level[i],
        log_exposure=panel.log_exposure[i, t],
        controls=panel.controls[:, i, t],
    )
    return rows, panel.units[i, t]
