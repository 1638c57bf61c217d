r"""The normal prior of a demand model's effects given its scales, in the shape of an arrow.

Effects of a bundle (a finest group; all products where time effects are not by group): cosines of time
effects where they are its own, then of the group: level, slope of levels on prices, mean elasticity. Effects of the
top: means of coarser groups, the overall mean, the bias of slopes, controls, and cosines that all share.

Array names and axis order: N products, G groups, T periods; q effects of a group, b of a bundle, m of the
top.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.laplace.selection import Selection, selection_of
from hdfm.sales.likelihoods.noise import by_product
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec


@dataclass(frozen=True, slots=True)
class Scales:
    """Spreads and noise of a demand model; parts that it does not have keep their value.

    ``groups`` are spreads of mean elasticities by level, coarse to fine; ``noise`` is the overdispersion
    (dispersion**-0.5) of counts or the sd of log units.
    """

    product_effect: float
    elasticity: float
    correlation: float
    groups: tuple[float, ...]
    time_shock: float
    time_drift: float
    between_price: float
    noise: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where effects stand.

    Attributes
    ----------
    level : float
        Where levels are centred.
    cosines : numpy.ndarray
        Orthonormal cosines of time effects (T - 1, T), or (0, T) without.
    walk : numpy.ndarray
        Variances (T - 1,) of a unit random walk along them.
    own_cosines : bool
        Whether each bundle has its own.
    expected : numpy.ndarray
        What products' level and elasticity are expected to be, from effects of the group (2, N, q).
    fixed : numpy.ndarray
        What is added to that (2,).
    group, top : dict
        Positions of effects among those of the group, and slices of the top.
    above : numpy.ndarray
        Position in the top of the mean above each finest group's (G,); empty without levels.
    """

    level: float
    cosines: np.ndarray
    walk: np.ndarray
    own_cosines: bool
    expected: np.ndarray
    fixed: np.ndarray
    group: dict[str, int]
    top: dict[str, slice]
    above: np.ndarray

    @property
    def n_group(self) -> int:
        return len(self.group)

    @property
    def n_cosines(self) -> int:
        """Cosines of a bundle."""
        return self.own_cosines * len(self.cosines)

    @property
    def n_bundle(self) -> int:
        return self.n_group + self.n_cosines

    @property
    def n_top(self) -> int:
        return max((part.stop for part in self.top.values()), default=0)


@dataclass(frozen=True, slots=True)
class ArrowModel:
    """A panel, what its model is made of, and where effects stand."""

    panel: SalesPanel
    spec: DemandSpec
    layout: Layout
    selection: Selection | None

    def by_product(self, shared: float) -> np.ndarray:
        """What products share of noise, by product (N,)."""
        return by_product(shared, len(self.panel.product))


def arrow_model(panel: SalesPanel, spec: DemandSpec) -> ArrowModel:
    """The arrow of a panel's model."""
    layout = layout_of(panel, spec)
    return ArrowModel(panel, spec, layout, selection_of(panel, spec, layout.expected[0]))


def layout_of(panel: SalesPanel, spec: DemandSpec) -> Layout:
    """Where the effects of a panel's model stand."""
    priors, has_price = spec.priors, panel.roles.price is not None
    T = len(panel.period)
    cosines, walk = np.zeros((0, T)), np.zeros(0)
    if spec.time_effects and T > 1:
        cosines, walk = zero_sum_cosines(np.diff(panel.timeline.steps))
    own = len(panel.blocks) == panel.n_groups
    names = []
    if spec.pooled:
        names.append("level")
        if priors.between_price_bias is not None and has_price:
            names.append("slope")
    if has_price:
        names.append("mean")
    group = {name: k for k, name in enumerate(names)}
    expected = np.zeros((2, len(panel.product), len(names)))
    if spec.pooled:
        expected[0, :, group["level"]] = 1
    if "slope" in group:
        expected[0, :, group["slope"]] = panel.within_group_price
    if has_price:
        expected[1, :, group["mean"]] = 1
    sizes = {level.name: len(level.labels) for level in panel.levels[:-1]} if has_price else {}
    if has_price and panel.levels:
        sizes["global"] = 1
    if "slope" in group:
        sizes["bias"] = 1
    sizes["controls"] = len(panel.controls)
    if not own:
        sizes["cosines"] = len(cosines)
    ends = np.cumsum([0, *sizes.values()])
    top = {name: slice(a, b) for name, a, b in zip(sizes, ends[:-1], ends[1:], strict=True)}
    level = panel.mean_log_units
    fixed = np.array([0.0 if spec.pooled else level, 0.0])
    return Layout(level, cosines, walk, own, expected, fixed, group, top, _above(panel, top))


def _above(panel, top):
    if "global" not in top:
        return np.zeros(0, dtype=int)
    parent = panel.levels[-1].parent
    if len(panel.levels) == 1:
        return np.full(len(parent), top["global"].start)
    return top[panel.levels[-2].name].start + parent


@dataclass(slots=True)
class SharedPrior:
    """Prior precision of bundles (G, b, b), border (G, b, m), top (m, m); precision times mean; log det.

    Cosines of a bundle come first, and are independent of the rest.
    """

    n_cosines: int
    bundles: np.ndarray
    border: np.ndarray
    top: np.ndarray
    of_bundles: np.ndarray
    of_top: np.ndarray
    log_det: float = 0.0

    def add(self, group: np.ndarray, top: np.ndarray, mean: float, sd: float) -> None:
        """Count in that coefficients (q,) of each group's effects and (G, m) of the top make N(mean, sd)."""
        P, q = sd**-2, slice(self.n_cosines, None)
        self.bundles[:, q, q] += P * np.outer(group, group)
        self.border[:, q] += P * group[:, None] * top[:, None, :]
        self.of_bundles[:, q] += P * mean * group
        self.add_top(top, mean, np.full(len(top), sd))

    def add_top(self, top: np.ndarray, mean: float, sd: np.ndarray) -> None:
        """Count in that coefficients (k, m) times effects of the top are N(mean, sd (k,))."""
        self.top += (top.T * sd**-2) @ top
        self.of_top += mean * (sd**-2 @ top)
        self.log_det -= 2 * float(np.log(sd).sum())

    def slope(self, bundle: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (G, b), (m,) of the log density at effects (G, b), (m,)."""
        of_bundles = self.of_bundles - np.einsum("gbc,gc->gb", self.bundles, bundle) - self.border @ top
        return of_bundles, self.of_top - self.top @ top - np.einsum("gbm,gb->m", self.border, bundle)

    def log_density(self, bundle: np.ndarray, top: np.ndarray) -> float:
        """At effects (G, b), (m,); without what means alone decide, and the determinant."""
        at_bundles, at_top = self.slope(bundle, top)
        value = np.vdot(bundle, at_bundles + self.of_bundles) + top @ (at_top + self.of_top)
        return float(value) / 2


def shared_prior(model: ArrowModel, scales: Scales) -> SharedPrior:
    """The prior of what products share."""
    panel, spec, layout = model.panel, model.spec, model.layout
    G, b, m = panel.n_groups, layout.n_bundle, layout.n_top
    empty = (np.zeros((G, b, b)), np.zeros((G, b, m)), np.zeros((m, m)), np.zeros((G, b)), np.zeros(m))
    prior = SharedPrior(layout.n_cosines, *empty)
    priors, nothing = spec.priors, np.zeros((G, m))
    cosine_sd = np.sqrt(scales.time_shock**2 + scales.time_drift**2 * layout.walk)
    if layout.own_cosines:
        rows = np.arange(layout.n_cosines)
        prior.bundles[:, rows, rows] += cosine_sd**-2
        prior.log_det -= 2 * G * float(np.log(cosine_sd).sum())
    elif len(cosine_sd):
        prior.add_top(np.eye(m)[layout.top["cosines"]], 0.0, cosine_sd)

    def of_group(**coefficients):
        row = np.zeros(layout.n_group)
        for name, value in coefficients.items():
            row[layout.group[name]] = value
        return row

    if "level" in layout.group:
        prior.add(of_group(level=1), nothing, layout.level, priors.level_sd)
    if "slope" in layout.group:
        bias = -np.eye(m)[np.full(G, layout.top["bias"].start)]
        prior.add(of_group(slope=1, mean=-1), bias, 0.0, scales.between_price)
        prior.add_top(np.eye(m)[layout.top["bias"]], 0.0, np.array([priors.between_price_bias]))
    if "mean" in layout.group:
        _add_means(model, scales, prior, of_group(mean=1))
    controls = layout.top["controls"]
    if controls.stop > controls.start:
        prior.add_top(np.eye(m)[controls], 0.0, np.full(controls.stop - controls.start, priors.control_sd))
    return prior


def _add_means(model, scales, prior, finest):
    """Means of elasticities: overall, of coarser groups, of the finest."""
    panel, layout, priors = model.panel, model.layout, model.spec.priors
    m = layout.n_top
    if not panel.levels:
        prior.add(finest, np.zeros((panel.n_groups, m)), priors.global_mean, priors.global_sd)
        return
    unit = np.eye(m)
    prior.add_top(unit[layout.top["global"]], priors.global_mean, np.array([priors.global_sd]))
    above = unit[layout.top["global"]]
    for level, sd in zip(panel.levels[:-1], scales.groups[:-1], strict=True):
        own = unit[layout.top[level.name]]
        prior.add_top(own - above[level.parent], 0.0, np.full(len(own), sd))
        above = own
    prior.add(finest, -unit[layout.above], 0.0, scales.groups[-1])


def product_precision(scales: Scales, spec: DemandSpec) -> np.ndarray:
    """Omega (2, 2) of products' levels and elasticities about what is expected of them."""
    if not spec.pooled:
        return np.diag([spec.priors.level_sd**-2, scales.elasticity**-2])
    cross = scales.correlation * scales.product_effect * scales.elasticity
    return np.linalg.inv([[scales.product_effect**2, cross], [cross, scales.elasticity**2]])


def expected_products(model: ArrowModel, bundle: np.ndarray) -> np.ndarray:
    """What groups let products' level and elasticity be (2, N), from effects of bundles (G, b)."""
    layout = model.layout
    of_group = bundle[model.panel.group, layout.n_cosines :]
    return np.einsum("jnq,nq->jn", layout.expected, of_group) + layout.fixed[:, None]


def log_prior(model: ArrowModel, scales: Scales, product: np.ndarray, bundle: np.ndarray, top: np.ndarray):
    """Log prior density of effects, without its determinant."""
    gap = product - expected_products(model, bundle)
    energy = np.einsum("jn,jk,kn->", gap, product_precision(scales, model.spec), gap)
    height = shared_prior(model, scales).log_density(bundle, top) - float(energy) / 2
    if model.selection is not None:
        height += model.selection.value(bundle[:, model.layout.n_cosines :], scales.product_effect)
    return height
