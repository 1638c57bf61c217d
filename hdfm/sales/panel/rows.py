"""Rows to predict or score, in the codes of a fitted panel of sales.

Array names and axis order: n rows, K controls, N products of the panel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, InvalidArgumentError, warn_caller
from hdfm.frames.columns import ALL, label_column, named_column, numeric_column, plain, positions
from hdfm.frames.findings import FAR, far_outside, warn_of_far
from hdfm.frames.labels import label_list, warn_of_unknown
from hdfm.sales.panel.build import log_column, product_labels, refuse_two_parents, running_periods
from hdfm.sales.panel.panel import SalesPanel

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class SalesRows:
    """Rows of a frame in the codes of a fitted panel; -1 marks a label the panel doesn't know.

    Attributes
    ----------
    product, period : numpy.ndarray
        Positions (n,) in the panel.
    label : pandas.Series
        Labels (n,) of the products.
    time : numpy.ndarray
        Usual distances of periods (n,) from the first fitted one.
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
    time: np.ndarray
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
    products = panel.product if roles.product is not None else pd.Index([ALL])
    product = positions(products, label, "product")
    _refuse_two_groups(panel, label, group_labels)
    log_price = log_column(frame, roles.price, "price")
    log_reference, given, note = _log_reference(frame, panel, product, groups, reference_price)
    warn_of_unknown(products, label, product < 0, "product", note=note)
    for level, column, code in zip(panel.levels, group_labels, groups, strict=True):
        warn_of_unknown(level.labels, column, code < 0, "group")
    _warn_of_several_references(label, given, frame, reference_price, log_reference)
    log_exposure = log_column(frame, roles.exposure, "exposure")
    seen = _seen_prices(panel, product, groups)
    warn_of_far(
        _far_prices(frame, panel, np.exp(log_price), np.where(given, np.nan, seen))
        + _far_references(frame, panel, reference_price, np.exp([log_price, log_reference]), given, seen)
        + _far_exposures(frame, panel, np.exp(log_exposure))
        + _far_controls(frame, panel, raw)
    )
    return SalesRows(
        product=product,
        label=label,
        period=period,
        time=_time(panel, period, period_label),
        groups=groups,
        log_price=log_price,
        log_reference=log_reference,
        log_exposure=log_exposure,
        controls=(controls - panel.control_mean[:, None]) / panel.control_sd[:, None],
    )


def _time(panel, period, label):
    """Usual distances of periods (n,) from the first fitted one; each label that was not fitted once."""
    time = panel.timeline.steps[period]
    new_rows = np.flatnonzero(period < 0)
    code, distinct = pd.factorize(label.iloc[new_rows])
    if len(new_rows):
        time[new_rows] = panel.timeline.place(pd.Index(distinct))[code]
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
        edges = pd.DataFrame({"child": child.array, "parent": group_labels[depth].array}).drop_duplicates()
        fitted = pd.DataFrame({"child": labels, "parent": level.labels[parent]})
        pairs = pd.concat([fitted, edges], ignore_index=True)
        refuse_two_parents(
            pairs["child"].rename(child.name),
            pairs["parent"].rename(level.name),
            "product" if finest else "groups",
        )


def rows_of_frame(panel: SalesPanel) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Positions (n,) of the frame's rows among the observed cells, and the labels (n,) of rows by name."""
    i, t = np.nonzero(panel.observed)
    labels = {"row": panel.index, panel.dims["product"]: panel.product[i[panel.cell]]}
    if panel.roles.time is not None:
        labels[panel.roles.time] = panel.period[t[panel.cell]]
    return panel.cell, {name: np.asarray(values) for name, values in labels.items()}


def panel_rows(panel: SalesPanel) -> tuple[SalesRows, np.ndarray]:
    """The observed cells of a panel as rows, and their units (n,)."""
    i, t = np.nonzero(panel.observed)
    rows = SalesRows(
        product=i,
        label=pd.Series(panel.product[i]),
        period=t,
        time=panel.timeline.steps[t],
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
    labels = label_list(periods, "periods")
    if not len(labels):
        raise InvalidArgumentError(f"periods takes labels of {name!r}; it holds none.")
    label = panel.timeline.read(pd.Series(labels, name=name))
    N, period = len(panel.product), positions(panel.period, label, "time")
    time = _time(panel, period, label)
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
        time=time[p],
        groups=[panel.group_at(depth)[i] for depth in range(len(panel.levels))],
        log_price=panel.price_level[i],
        log_reference=panel.price_level[i],
        log_exposure=np.where(seen, panel.log_exposure[i, t], log_exposure[i]),
        controls=np.where(seen, panel.controls[:, i, t], controls[:, i]),
    )


def _log_reference(frame, panel, product, groups, column):
    """Log reference prices (n,), where X gives them (n,), and a sentence where new products lack one."""
    is_new, given = product < 0, np.zeros(len(product), dtype=bool)
    level = panel.price_level[np.where(is_new, 0, product)]
    if not is_new.any() or panel.roles.price is None:
        return level, given, ""
    group = groups[-1] if groups else np.zeros(len(is_new), dtype=int)
    usual = panel.group_price_level
    level = np.where(is_new, np.where(group >= 0, usual[group], usual.mean()), level)
    if column in frame:
        given = is_new & frame[column].notna().to_numpy()
    if given.any():
        prices = numeric_column(frame[column], "reference_price", positive=True, where=given)
        level[given] = np.log(prices[given])
    silent = int((is_new & ~given).sum())
    if not silent:
        return level, given, ""
    remedy = (
        "name a column of usual prices with reference_price="
        if column is None
        else f"give it in the reference_price column {column!r}"
    )
    note = (
        f"{silent:,} of these rows don't say what their product usually costs: that is taken to be the mean "
        f"log price of its group, and prices in X are changes against it. If that isn't so, {remedy}."
    )
    return level, given, note


def _seen_prices(panel, product, groups):
    """Price range (2, n) of the product in the fit, or where that is new of its group."""
    group, (low, high) = groups[-1] if groups else np.zeros(len(product), dtype=int), panel.price_range
    by_group = pd.DataFrame({"low": low, "high": high}).groupby(panel.group)
    lowest = np.append(by_group["low"].min(), low.min())  # the last of groups that are new too
    highest = np.append(by_group["high"].max(), high.max())
    is_new = product < 0
    return np.where(is_new, np.stack([lowest, highest])[:, group], np.stack([low, high])[:, product])


def _far_prices(frame, panel, price, seen):
    """Extrapolation warning: prices (n,) far from those seen (2, n)."""
    if panel.roles.price is None:
        return []
    return far_outside(frame[panel.roles.price], "price", price, *seen, ratio=True)


def _far_references(frame, panel, column, prices, given, seen):
    """Warnings: reference prices far from what their group costs, and prices far from them.

    Of the rows (n,) where one is ``given``: price and reference price (2, n), and the range ``seen`` (2, n).
    """
    if not given.any():
        return []
    price, reference = np.where(given, prices, np.nan)
    sentences = far_outside(frame[column], "reference_price", reference, *seen, ratio=True)
    far = np.maximum(price / reference, reference / price) > FAR
    if sentences or not far.any():
        return sentences
    name, k = panel.roles.price, int(np.argmax(far))
    return [
        f"{named_column(frame[name], 'price')} in {int(far.sum()):,} of {len(far):,} rows, such as "
        f"{price[k]:.4g} in row {plain(frame.index[k])!r} at a reference price of {reference[k]:.4g} "
        f"in column {column!r}"
    ]


def _warn_of_several_references(label, given, frame, column, log_reference):
    """Warn of new products with several reference prices (n,), or one in a part of their rows (n,) alone."""
    if not given.any():
        return
    rows = label.isin(label[given]).to_numpy()
    prices = pd.Series(np.exp(log_reference)).where(given)[rows].groupby(label[rows].to_numpy(), sort=False)
    several = prices.nunique(dropna=False) > 1
    if several.any():
        example = several.index[several][0]
        values = [float(f"{value:.4g}") for value in prices.get_group(example).unique()[:MOST_NAMED]]
        warn_caller(
            f"{int(several.sum()):,} of {len(several):,} products that were not fitted have several "
            f"reference prices, or none in some rows: in column {column!r} {plain(example)!r} has {values}. "
            "What a product usually costs is one price: each of these counts as a product of its own, at its "
            f"own level. Give it one, as X[{column!r}] = X.groupby({label.name!r})[{column!r}]"
            ".transform('median') does.",
            DataWarning,
        )


def _far_exposures(frame, panel, exposure):
    """Extrapolation warning: exposures (n,) far from those seen."""
    if panel.roles.exposure is None:
        return []
    low, high = (np.full(len(exposure), limit) for limit in panel.exposure_range)
    return far_outside(frame[panel.roles.exposure], "exposure", exposure, low, high, ratio=True)


def _far_controls(frame, panel, values):
    """Extrapolation warnings: controls (K, n) far from those seen."""
    sentences = []
    for name, column, limits in zip(panel.roles.controls, values, panel.control_range.T, strict=True):
        low, high = (np.full(len(column), limit) for limit in limits)
        sentences += far_outside(frame[name], "controls", column, low, high)
    return sentences
