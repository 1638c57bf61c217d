"""Rows to predict or score, in the codes of a fitted panel of sales.

Array names and axis order: n rows, K controls.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.frames.columns import ALL, label_column, numeric_column, positions
from hdfm.sales.panel.panel import SalesPanel, log_column, product_labels, running_periods


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
    groups = []
    for level in panel.levels:
        column = label_column(frame[level.name], "groups")
        groups.append(positions(level.labels, column, "groups"))
    raw = [numeric_column(frame[name], "controls") for name in roles.controls]
    controls = np.stack(raw) if raw else np.zeros((0, len(frame)))
    known = panel.product if roles.product is not None else pd.Index([ALL])
    return SalesRows(
        product=positions(known, label, "product"),
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
