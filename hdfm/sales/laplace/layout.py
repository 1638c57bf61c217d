r"""Positions of effects: products, bundles and the top of the arrow.

Effects of a bundle (a finest group; all products where time effects are not by group): cosines of time
effects where they are by bundle, then of the group: level, slope of levels on prices, mean elasticity.
Effects of the top: means of coarser groups, the overall mean, the bias of slopes, controls, and cosines that
all share.

Array names and axis order: N products, G groups, T periods, w cosines; q effects of a group, b of a bundle, m
of the top.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.graph.cosines import evenly_spaced, zero_sum_cosines
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where effects stand.

    Attributes
    ----------
    level : float
        Where levels are centred.
    cosines : numpy.ndarray
        Orthonormal basis of time effects (w, T), w = T - 1; (0, T) without.
    walk : numpy.ndarray
        Variances (w,) of a unit random walk along it.
    even : bool
        Whether periods are evenly spaced, so that the basis is one of cosines.
    by_bundle : bool
        Whether each bundle has time effects of its own.
    design : numpy.ndarray
        M, of products' expected level and elasticity, by effects of the group (2, N, q).
    fixed : numpy.ndarray
        What is added to M times effects (2,).
    group, top : dict
        Positions of effects among those of the group, and slices of the top.
    above : numpy.ndarray
        Position in the top of the mean above each finest group's (G,); empty without levels.
    """

    level: float
    cosines: np.ndarray
    walk: np.ndarray
    even: bool
    by_bundle: bool
    design: np.ndarray
    fixed: np.ndarray
    group: dict[str, int]
    top: dict[str, slice]
    above: np.ndarray

    @property
    def n_group(self) -> int:
        """q."""
        return len(self.group)

    @property
    def n_cosines(self) -> int:
        """Cosines of a bundle: w or 0."""
        return self.by_bundle * len(self.cosines)

    @property
    def n_bundle(self) -> int:
        """b."""
        return self.n_group + self.n_cosines

    @property
    def n_top(self) -> int:
        """m."""
        return max((part.stop for part in self.top.values()), default=0)


def layout_of(panel: SalesPanel, spec: DemandSpec) -> Layout:
    """Where the effects of a panel's model stand."""
    T = len(panel.period)
    cosines, walk, even = np.zeros((0, T)), np.zeros(0), True
    if spec.time_effects and T > 1:
        steps = np.diff(panel.timeline.steps)
        cosines, walk = zero_sum_cosines(steps)
        even = evenly_spaced(steps)
    by_bundle = len(panel.blocks) == panel.n_groups
    group = _group_positions(panel, spec)
    top = _top_slices(panel, "slope" in group, None if by_bundle else len(cosines))
    level = panel.mean_log_units
    return Layout(
        level=level,
        cosines=cosines,
        walk=walk,
        even=even,
        by_bundle=by_bundle,
        design=_design(panel, spec, group),
        fixed=np.array([0.0 if spec.pooled else level, 0.0]),
        group=group,
        top=top,
        above=_above(panel, top),
    )


def _group_positions(panel: SalesPanel, spec: DemandSpec) -> dict[str, int]:
    has_price = panel.roles.price is not None
    names = []
    if spec.pooled:
        names.append("level")
        if spec.priors.between_price_bias is not None and has_price:
            names.append("slope")
    if has_price:
        names.append("mean")
    return {name: k for k, name in enumerate(names)}


def _design(panel: SalesPanel, spec: DemandSpec, group: dict[str, int]) -> np.ndarray:
    """M (2, N, q)."""
    design = np.zeros((2, len(panel.product), len(group)))
    if spec.pooled:
        design[0, :, group["level"]] = 1
    if "slope" in group:
        design[0, :, group["slope"]] = panel.within_group_price
    if "mean" in group:
        design[1, :, group["mean"]] = 1
    return design


def _top_slices(panel: SalesPanel, has_slope: bool, n_cosines: int | None) -> dict[str, slice]:
    has_price = panel.roles.price is not None
    sizes = {level.name: len(level.labels) for level in panel.levels[:-1]} if has_price else {}
    if has_price and panel.levels:
        sizes["global"] = 1
    if has_slope:
        sizes["bias"] = 1
    sizes["controls"] = len(panel.controls)
    if n_cosines is not None:
        sizes["cosines"] = n_cosines
    ends = np.cumsum([0, *sizes.values()])
    return {name: slice(a, b) for name, a, b in zip(sizes, ends[:-1], ends[1:], strict=True)}


def _above(panel: SalesPanel, top: dict[str, slice]) -> np.ndarray:
    if "global" not in top:
        return np.zeros(0, dtype=int)
    parent = panel.levels[-1].parent
    if len(panel.levels) == 1:
        return np.full(len(parent), top["global"].start)
    return top[panel.levels[-2].name].start + parent
