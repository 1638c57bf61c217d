"""From a long frame of sales to a dense panel.

Array names and axis order: n rows, N products sorted by their finest group, T periods, K controls.
"""

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import ALL, label_column, numeric_column, plain, refuse_far_apart, sorted_labels
from hdfm.frames.labels import warn_of_twins
from hdfm.frames.time_warnings import fitted_time
from hdfm.frames.weights import merge_equal_rows
from hdfm.sales.panel.panel import GroupLevel, SalesPanel
from hdfm.sales.panel.roles import ALL_PRODUCTS, Roles


def build_panel(
    frame: pd.DataFrame,
    units: np.ndarray,
    roles: Roles,
    *,
    shared_time: bool = False,
    weights: np.ndarray | None = None,
) -> SalesPanel:
    """Validate a long frame and lay it out by product and period.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per product and period; not changed.
    units : numpy.ndarray
        Outcomes (n,), checked already.
    roles : Roles
        The columns.
    shared_time : bool
        Whether all products share one set of time effects.
    weights : numpy.ndarray, optional
        How often rows count (n,), above 0; once by default.

    Raises
    ------
    InvalidDataError
        If a label or number is missing, a product-period stands twice, or a product or group
        belongs to two groups.
    """
    index, merged = frame.index, np.arange(len(frame))
    if roles.time is None and len(frame):
        frame, units, weights, merged = _merged(frame, units, roles, weights)
    label = product_labels(frame, roles)
    period_label, periods, order = _periods(frame, roles, label)
    group_labels = [label_column(frame[name], "groups") for name in roles.groups]
    levels, group_codes = _nested_levels(label, group_labels)
    products, product_group = _sorted_products(label, group_codes)
    warn_of_twins(products, "product")
    for level in levels:
        warn_of_twins(level.labels, "group")
    by_group = bool(levels) and not shared_time
    i = products.get_indexer(label)
    t = periods.get_indexer(period_label)
    _refuse_duplicates(frame, roles, i, t, len(periods))

    for name, role in ((roles.price, "price"), (roles.exposure, "exposure")):
        if name is not None:
            refuse_far_apart(frame[name], log_column(frame, name, role), i, role)

    def dense(values: np.ndarray | float, fill: float = 0.0) -> np.ndarray:
        out = np.full((len(products), len(periods)), fill)
        out[i, t] = values
        return out

    observed = dense(1.0) > 0
    weight = None if weights is None else dense(weights)
    log_price = dense(log_column(frame, roles.price, "price"))
    x, price_level = centred_log_price(log_price, observed, weight)
    raw = [dense(numeric_column(frame[name], "controls")) for name in roles.controls]
    controls = np.stack(raw) if raw else np.zeros((0, *observed.shape))
    mean, sd = _moments(controls, observed, weight)
    cell = np.cumsum(observed.ravel()) - 1
    return SalesPanel(
        roles=roles,
        product=products,
        levels=levels,
        group=product_group,
        block=product_group if by_group else np.zeros_like(product_group),
        blocks=levels[-1].labels if by_group else pd.Index([ALL], name=ALL_PRODUCTS),
        period=periods,
        units=dense(units),
        observed=observed,
        log_price=x,
        price_level=price_level,
        log_exposure=dense(log_column(frame, roles.exposure, "exposure")),
        controls=np.where(observed, (controls - mean[:, None, None]) / sd[:, None, None], 0.0),
        control_mean=mean,
        control_sd=sd,
        n_price_changes=_price_changes(log_price, observed),
        last_price=np.exp(log_price[np.arange(len(products)), _last_observed(observed)]),
        period_order=order,
        cell=cell[(i * len(periods) + t)[merged]],
        index=index,
        weight=weight,
    )


def product_labels(frame: pd.DataFrame, roles: Roles) -> pd.Series:
    """Product (n,) of each row; without a role, one product."""
    if roles.product is None:
        return pd.Series(ALL, index=frame.index, name="product")
    return label_column(frame[roles.product], "product")


def running_periods(label: pd.Series) -> pd.Series:
    """Periods (n,) where there is no column for them: a running number within each product (n,)."""
    return label.groupby(label, sort=False).cumcount().rename("time")


def _merged(frame, units, roles, weights):
    """Rows of which none equals another, their units and weights; and which of them each row (n,) is."""
    labels = {name: label_column(frame[name], "groups") for name in roles.groups}
    labels |= {} if roles.product is None else {roles.product: product_labels(frame, roles)}
    numbers = {name: numeric_column(frame[name], "controls") for name in roles.controls}
    numbers |= {
        name: log_column(frame, name, role)
        for name, role in ((roles.price, "price"), (roles.exposure, "exposure"))
        if name is not None
    }
    used = frame.columns[frame.columns != roles.reference_price]  # of which a fit knows nothing
    columns = [(labels | numbers).get(name, frame[name]) for name in used]
    rows = merge_equal_rows([*columns, units], weights)
    all_once = (rows.weight == 1).all()
    return frame.iloc[rows.first], units[rows.first], None if all_once else rows.weight, rows.merged


def _periods(frame, roles, label):
    """Period of each row (n,), the distinct ones in order, and the order of their own that they have."""
    if roles.time is None:
        running = running_periods(label)
        return running, sorted_labels(running), None
    time = fitted_time(frame[roles.time])
    return time.label, time.periods, time.order


def _nested_levels(label, group_labels):
    """GroupLevels from coarse to fine, and the code of each row at the finest."""
    levels, parent_codes = [], np.zeros(len(label), dtype=int)
    for depth, column in enumerate(group_labels):
        labels = sorted_labels(column)
        codes = labels.get_indexer(pd.Index(column))
        if depth:
            refuse_two_parents(column, group_labels[depth - 1], "groups")
        parent = np.zeros(len(labels), dtype=int)
        parent[codes] = parent_codes
        levels.append(GroupLevel(str(column.name), labels, parent))
        parent_codes = codes
    if group_labels:
        refuse_two_parents(label, group_labels[-1], "product")
    return tuple(levels), parent_codes


def refuse_two_parents(child: pd.Series, parent: pd.Series, role: str) -> None:
    """Raise if a label (n,) stands beside more than one label (n,) of what it belongs to."""
    pairs = pd.DataFrame({"child": child.to_numpy(), "parent": parent.to_numpy()}).drop_duplicates()
    twice = pairs["child"][pairs["child"].duplicated()].unique()
    if len(twice):
        parents = pairs.loc[pairs["child"] == twice[0], "parent"].tolist()
        raise InvalidDataError(
            f"{role} column {child.name!r}: {len(twice):,} labels stand in more than one {parent.name!r}, "
            f"such as {plain(twice[0])!r} in {parents[:3]!r}. Each must belong to one; name groups from the "
            "coarsest to the finest, and make labels unique (for example category + product)."
        )


def _sorted_products(label, group_codes):
    """Product labels sorted by group, then label; and the group of each."""
    products = sorted_labels(label)
    group = np.zeros(len(products), dtype=int)
    group[products.get_indexer(pd.Index(label))] = group_codes
    order = np.argsort(group, kind="stable")
    return products[order], group[order]


def _refuse_duplicates(frame, roles, i, t, n_periods):
    duplicated = pd.Series(i.astype(np.int64) * n_periods + t).duplicated(keep=False).to_numpy()
    if duplicated.any():
        names = [name for name in (roles.product, roles.time) if name is not None]
        example = frame.loc[duplicated, names].iloc[0].to_dict()
        raise InvalidDataError(
            f"{int(duplicated.sum()):,} rows share a product and period with another row, such as {example}. "
            f"Add them up first: X.groupby({names!r}), units summed and prices averaged by units."
        )


def log_column(frame, column, role):
    if column is None:
        return np.zeros(len(frame))
    remedy = _MISSING_REMEDY.format(role)
    return np.log(numeric_column(frame[column], role, positive=True, missing_remedy=remedy))


_MISSING_REMEDY = (
    "Fill in the {} of the shelf then, from a price list or other stores, also where nothing was sold: "
    "without rows in which nothing was sold, elasticities are biased towards 0. That of the product's last "
    "period will do only where it usually stays for several"
)


def centred_log_price(
    log_price: np.ndarray, observed: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Centring within products: log prices less their product's mean, x (N, T), and these means (N,).

    .. math:: x_{it} = \log p_{it} - \overline{\log p_i}, \qquad
        \overline{\log p_i} = \frac{\sum_t w_{it} \log p_{it}}{\sum_t w_{it}}

    over observed cells, which count w times, once by default [1]_. A level at the product's mean price hardly
    correlates with its elasticity, one at a price of 1 nearly perfectly, and x does not depend on the
    currency: it is in logs of a ratio.

    Parameters
    ----------
    log_price : numpy.ndarray
        (N, T), 0 where not observed; so is x.
    observed : numpy.ndarray
        Which cells (N, T) are.
    weight : numpy.ndarray or None
        w (N, T), 0 where not observed.

    References
    ----------
    .. [1] Enders and Tofighi (2007), "Centering predictor variables in cross-sectional multilevel models: a
       new look at an old issue", Psychological Methods 12(2).

    Examples
    --------
    >>> x, mean = centred_log_price(np.array([[1.0, 2.0, 0.0]]), np.array([[True, True, False]]), None)
    >>> x.tolist(), mean.tolist()
    ([[-0.5, 0.5, 0.0]], [1.5])
    """
    if weight is None:
        mean = log_price.sum(axis=1) / observed.sum(axis=1)
    else:
        mean = (log_price * weight).sum(axis=1) / weight.sum(axis=1)
    return np.where(observed, log_price - mean[:, None], 0.0), mean


def _moments(controls, observed, weight):
    """Mean and sd (K,) over observed cells, as often as they count; a constant control gets sd 1."""
    inside = controls[:, observed]
    if not inside.size:
        return np.zeros(len(controls)), np.ones(len(controls))
    if weight is None:
        mean, sd = inside.mean(axis=1), inside.std(axis=1)
    else:
        mean = np.average(inside, axis=1, weights=weight[observed])
        sd = np.sqrt(np.average((inside - mean[:, None]) ** 2, axis=1, weights=weight[observed]))
    varies = sd > 1e-12 * np.maximum(1.0, np.abs(mean))
    return np.where(varies, mean, inside[:, 0]), np.where(varies, sd, 1.0)


def _price_changes(log_price, observed):
    """Changes of price (N,) between one observed period and the next observed one."""
    last = np.maximum.accumulate(np.where(observed, np.arange(observed.shape[1]), -1), axis=1)
    before = last[:, :-1]
    previous = np.take_along_axis(log_price, np.maximum(before, 0), axis=1)
    changed = np.abs(log_price[:, 1:] - previous) > 1e-9
    return (changed & observed[:, 1:] & (before >= 0)).sum(axis=1)


def _last_observed(observed):
    return observed.shape[1] - 1 - np.argmax(observed[:, ::-1], axis=1)
