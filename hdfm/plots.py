"""Pictures of fitted estimators, with matplotlib."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hdfm.elasticity import HierarchicalElasticity

PRODUCT, GROUP, UNIT = "#4c78a8", "#b3261e", "#555555"


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
