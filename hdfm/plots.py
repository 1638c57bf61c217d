"""Pictures of fitted estimators, with matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidArgumentError, unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hdfm.choice.estimator import DynamicFactorChoiceModel
    from hdfm.sales.estimator import HierarchicalElasticity

PRODUCT, GROUP, UNIT = "#4c78a8", "#b3261e", "#555555"
PALETTE = ("#4c78a8", "#b3261e", "#3b7d4f", "#8a5a9e", "#c98a1b", "#4f8f9b", "#8c6d54", "#d0678c")


def plot_elasticities(
    model: "HierarchicalElasticity",
    level: str | None = None,
    ci_prob: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Elasticities of the groups of a level with their intervals, and of their products.

    A dot is a product's posterior mean; the fainter, the more it owes to its group.

    Parameters
    ----------
    model : HierarchicalElasticity
        Fitted.
    level : str, optional
        A column of ``groups``; the finest by default, or "global" where there are none.
    ci_prob : float, optional
        Probability of the intervals; ArviZ's ``stats.ci_prob`` by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The picture.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb

    products = model.elasticities(ci_prob=ci_prob)
    names = [name.name for name in model.panel_.levels]
    level = level or (names[-1] if names else "global")
    groups = model.elasticities(level, ci_prob=ci_prob).sort_values("mean", ascending=False)
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 1.6 + 0.42 * len(groups)), layout="constrained")
    member = products[level] if level in names else np.full(len(products), groups.index[0])
    jitter = np.random.default_rng(0).uniform(-0.28, 0.28, len(products))
    row = groups.index.get_indexer(pd.Index(member)) + jitter
    alpha = np.clip(1.0 - products["shrinkage"].to_numpy(), 0.12, 0.9)
    ax.scatter(products["mean"], row, s=14, color=[(*to_rgb(PRODUCT), a) for a in alpha], linewidths=0)
    center = np.arange(len(groups))
    ax.hlines(center, groups["lower"], groups["upper"], color=GROUP, lw=2.5)
    ax.plot(groups["mean"], center, "o", color=GROUP, ms=6, mec="white")
    ax.axvline(-1, color=UNIT, ls="--", lw=1)
    ax.set_yticks(center, [str(label) for label in groups.index])
    ax.set_xlabel("price elasticity of units sold (dashed: -1)")
    percent = 100 * groups.attrs["ci_prob"]
    title = "Overall" if level == "global" else level.capitalize()
    ax.set_title(
        f"{title}: mean and {percent:.0f} % interval; dots: products, fainter the more they owe to the group",
        fontsize=9,
        loc="left",
    )
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_factors(
    model: "DynamicFactorChoiceModel", ci_prob: float | None = None, ax: "Axes | None" = None
) -> "Axes":
    """The common factors over time: posterior mean and pointwise interval, with shares of variance.

    A factor times a customer's loading is what it adds to the customer's coefficient.

    Parameters
    ----------
    model : DynamicFactorChoiceModel
        Fitted, with common factors.
    ci_prob : float, optional
        Probability of the intervals; ArviZ's ``stats.ci_prob`` by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The picture.

    Raises
    ------
    InvalidArgumentError
        If the model has no common factors.
    """
    from hdfm.summaries.intervals import default_ci_prob

    factors = model.factors_
    if factors is None:
        raise InvalidArgumentError("plot_factors needs a fit with n_factors of at least 1 and a time column.")
    ci_prob = default_ci_prob(ci_prob)
    ax = _axes(ax)
    for factor in factors["factor"].to_numpy():
        draws = factors.sel(factor=factor).transpose("chain", "draw", "period").to_numpy()
        row = model.factor_table_.loc[("global", factor)]
        label = (
            f"factor {factor}: {100 * row['share']:.0f} % of what moves, lengthscale {row['lengthscale']:.3g}"
        )
        lower, upper = np.quantile(draws, [(1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=(0, 1))
        _band(
            ax, model.panel_.period, draws.mean(axis=(0, 1)), lower, upper, PALETTE[(factor - 1) % 8], label
        )
    ax.axhline(0, color=UNIT, lw=0.8, ls="--")
    ax.set_xlabel(str(model.time))
    ax.set_ylabel("factor")
    _finish(ax, f"Common factors: mean and {100 * ci_prob:.0f} % interval")
    return ax


def plot_coefficients(
    model: "DynamicFactorChoiceModel",
    predictor: str | None = None,
    customers: Sequence | None = None,
    ci_prob: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """A coefficient of the population over time in every category, with its interval.

    Parameters
    ----------
    model : DynamicFactorChoiceModel
        Fitted.
    predictor : str, optional
        As ``model.coefficients()`` names it; the price by default.
    customers : sequence, optional
        Customers to average over, such as those of a segment; all by default.
    ci_prob : float, optional
        Probability of the intervals; ArviZ's ``stats.ci_prob`` by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The picture.

    Raises
    ------
    InvalidArgumentError
        If no category has the predictor.
    """
    table = model.coefficients(by="time", customers=customers, ci_prob=ci_prob)
    predictor = predictor if predictor is not None else model.price
    predictors = table.index.get_level_values("predictor").unique()
    if predictor not in predictors:
        raise InvalidArgumentError(f"predictor must be one of {list(predictors)}; got {predictor!r}.")
    ax = _axes(ax)
    paths = table[table.index.get_level_values("predictor") == predictor]
    for k, (category, path) in enumerate(paths.groupby(level="category", sort=False)):
        time = path.index.get_level_values("time")
        _band(ax, time, path["mean"], path["lower"], path["upper"], PALETTE[k % 8], str(category))
    ax.set_xlabel(str(model.time))
    scale = _scale_of_price(model.price_transform) if predictor == model.price else ""
    ax.set_ylabel(f"coefficient of {predictor}{scale}")
    who = "all customers" if customers is None else f"{len(customers):,} customers"
    _finish(ax, f"Mean over {who} and {100 * table.attrs['ci_prob']:.0f} % interval")
    return ax


def _scale_of_price(price_transform):
    match price_transform:
        case "log":
            return " (log price)"
        case "linear":
            return ""
        case _:
            raise unknown("price_transform", price_transform)


def _axes(ax):
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 3.6), layout="constrained")[1]


def _band(ax, time, mean, lower, upper, color, label):
    """A line with its band over periods, which may be pandas Periods or labels in order."""
    time = time.to_timestamp() if isinstance(time, pd.PeriodIndex) else pd.Index(time)
    x = (
        time
        if pd.api.types.is_numeric_dtype(time) or isinstance(time, pd.DatetimeIndex)
        else time.astype(str)
    )
    ax.fill_between(x, np.asarray(lower), np.asarray(upper), color=color, alpha=0.18, lw=0)
    ax.plot(x, np.asarray(mean), color=color, lw=1.8, label=label)


def _finish(ax, title):
    ax.set_title(title, fontsize=9, loc="left")
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
