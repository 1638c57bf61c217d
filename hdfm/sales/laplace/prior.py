r"""Normal prior of effects given scales, as the precision of an arrow.

Products' effects v_i (level, elasticity) and effects c of what they share have

.. math:: v_i \sim N(M_i c + m, \Omega^{-1}), \qquad c \sim N(P^{-1} h, P^{-1})

Array names and axis order: N products, G groups; q effects of a group, b of a bundle, m of the top.
"""

from dataclasses import dataclass

import numpy as np

from hdfm.sales.laplace.layout import Layout, layout_of
from hdfm.sales.laplace.paths import PathPrior
from hdfm.sales.laplace.selection import Selection, selection_of
from hdfm.sales.likelihoods.noise import by_product, is_shared, split_noise
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec

LARGE = 50_000  # cells


@dataclass(frozen=True, slots=True)
class PathScale:
    """Of AR(1) paths: their sd, and their half-life in usual distances of periods."""

    sd: float
    half_life: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Spreads and noise of a demand model; parts that it does not have keep their value.

    ``groups`` are spreads of mean elasticities by level, coarse to fine; ``noise`` is the overdispersion
    (dispersion**-0.5) of counts or the sd of log units. ``demand`` and ``moves`` are of paths of demand and
    elasticities, None where there are none. ``ratio`` (N,) is the noise of products over these, independent
    and wandering together, ``lean`` (N,) what they add to the normal quantile of the share that wanders; None
    where they are 1 and 0.
    """

    product_effect: float
    elasticity: float
    correlation: float
    groups: tuple[float, ...]
    time_shock: float
    time_drift: float
    between_price: float
    noise: float
    ratio: np.ndarray | None = None
    lean: np.ndarray | None = None
    demand: PathScale | None = None
    moves: PathScale | None = None

    @property
    def paths(self) -> tuple[PathScale, ...]:
        """Of demand, then of elasticities."""
        return tuple(path for path in (self.demand, self.moves) if path is not None)

    @property
    def plain(self) -> bool:
        """Whether noise is one for all products, and nothing wanders."""
        return self.ratio is None and not self.paths

    def same_noise(self, other: "Scales") -> bool:
        """Whether the working likelihood is that of other scales."""
        if (self.noise, self.paths) != (other.noise, other.paths):
            return False
        return _same(self.ratio, other.ratio) and _same(self.lean, other.lean)

    @property
    def covariance(self) -> np.ndarray:
        """Of products' levels and elasticities about what is expected of them (2, 2)."""
        cross = self.correlation * self.product_effect * self.elasticity
        return np.array([[self.product_effect**2, cross], [cross, self.elasticity**2]])


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


@dataclass(frozen=True, slots=True)
class ArrowModel:
    """A panel, what its model is made of, and where effects stand."""

    panel: SalesPanel
    spec: DemandSpec
    layout: Layout
    selection: Selection | None

    @property
    def large(self) -> bool:
        """Whether the panel is worth more than one core, and 32 bits where they do no harm."""
        return self.panel.units.size > LARGE

    def noise(self, scales: Scales) -> np.ndarray:
        """By product (N,); ratios are of noise in log units, not of the odds of extra zeros."""
        noise = self.spec.family.noise
        if scales.ratio is None or noise is None or not noise.multiplicative:
            return by_product(scales.noise, len(self.panel.product))
        if scales.lean is None or scales.demand is None:
            return scales.noise * scales.ratio
        return split_noise(scales.noise, scales.demand.sd, scales.ratio, scales.lean)[0]

    def variance(self, scales: Scales) -> np.ndarray:
        """Squared noise, by product (N,)."""
        noise = self.noise(scales)
        return by_product(scales.noise**2, len(noise)) if is_shared(noise) else noise**2

    def path_prior(self, scales: Scales) -> PathPrior:
        """Prior of products' paths."""
        N, gaps = len(self.panel.product), np.diff(self.panel.timeline.steps)[:, None]
        rho = np.empty((len(scales.paths), len(gaps), 1))
        sd = np.empty((len(scales.paths), N))
        for k, path in enumerate(scales.paths):
            rho[k] = 2.0 ** (-gaps / path.half_life)
            sd[k] = path.sd
        if scales.demand is not None and scales.ratio is not None:
            if scales.lean is None:
                sd[0] *= scales.ratio
            else:
                sd[0] = split_noise(scales.noise, scales.demand.sd, scales.ratio, scales.lean)[1]
        return PathPrior(rho, sd)


def arrow_model(panel: SalesPanel, spec: DemandSpec) -> ArrowModel:
    """The arrow of a panel's model."""
    layout = layout_of(panel, spec)
    return ArrowModel(panel, spec, layout, selection_of(panel, spec, layout.design[0]))


@dataclass(slots=True)
class NormalEquations:
    r"""Normal equations P c = h of what products share, while terms are added to them.

    Cosines of a bundle come first among its effects, and are independent of the others a priori.

    Attributes
    ----------
    n_cosines : int
    bundles, border, top : numpy.ndarray
        P: (G, b, b), (G, b, m), (m, m).
    of_bundles, of_top : numpy.ndarray
        h: (G, b), (m,).
    log_det : float
        log det of the prior's P.
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
        """Gradient h - P c (G, b), (m,) of the log density at effects (G, b), (m,)."""
        of_bundles = self.of_bundles - np.einsum("gbc,gc->gb", self.bundles, bundle) - self.border @ top
        return of_bundles, self.of_top - self.top @ top - np.einsum("gbm,gb->m", self.border, bundle)

    def log_density(self, bundle: np.ndarray, top: np.ndarray) -> float:
        """h'c - c'Pc / 2 at effects (G, b), (m,); without what means alone decide, and the determinant."""
        at_bundles, at_top = self.slope(bundle, top)
        value = np.vdot(bundle, at_bundles + self.of_bundles) + top @ (at_top + self.of_top)
        return float(value) / 2


def shared_prior(model: ArrowModel, scales: Scales) -> NormalEquations:
    """The prior of what products share, as equations of its own to add to."""
    layout, priors, G = model.layout, model.spec.priors, model.panel.n_groups
    b, m = layout.n_bundle, layout.n_top
    zeros = (np.zeros((G, b, b)), np.zeros((G, b, m)), np.zeros((m, m)), np.zeros((G, b)), np.zeros(m))
    equations = NormalEquations(layout.n_cosines, *zeros)
    _add_time(layout, scales, equations)
    if "level" in layout.group:
        equations.add(_of_group(layout, level=1), np.zeros((G, m)), layout.level, priors.group_effect_sd)
    if "slope" in layout.group:
        bias = -np.eye(m)[np.full(G, layout.top["bias"].start)]
        equations.add(_of_group(layout, slope=1, mean=-1), bias, 0.0, scales.between_price)
        equations.add_top(np.eye(m)[layout.top["bias"]], 0.0, np.array([priors.between_price_bias]))
    if "mean" in layout.group:
        _add_means(model, scales, equations)
    controls = layout.top["controls"]
    if controls.stop > controls.start:
        sd = np.full(controls.stop - controls.start, priors.control_sd)
        equations.add_top(np.eye(m)[controls], 0.0, sd)
    return equations


def _of_group(layout: Layout, **coefficients: float) -> np.ndarray:
    """Coefficients (q,) of effects of a group."""
    row = np.zeros(layout.n_group)
    for name, value in coefficients.items():
        row[layout.group[name]] = value
    return row


def _add_time(layout: Layout, scales: Scales, equations: NormalEquations) -> None:
    """Cosines of time effects: a random walk and shocks, independent along them."""
    sd = np.sqrt(scales.time_shock**2 + scales.time_drift**2 * layout.walk)
    if layout.by_bundle:
        rows = np.arange(layout.n_cosines)
        equations.bundles[:, rows, rows] += sd**-2
        equations.log_det -= 2 * len(equations.bundles) * float(np.log(sd).sum())
    elif len(sd):
        equations.add_top(np.eye(layout.n_top)[layout.top["cosines"]], 0.0, sd)


def _add_means(model: ArrowModel, scales: Scales, equations: NormalEquations) -> None:
    """Means of elasticities: overall, of coarser groups, of the finest."""
    panel, layout, priors = model.panel, model.layout, model.spec.priors
    finest, m = _of_group(layout, mean=1), layout.n_top
    if not panel.levels:
        equations.add(finest, np.zeros((panel.n_groups, m)), priors.global_mean, priors.global_sd)
        return
    unit = np.eye(m)
    equations.add_top(unit[layout.top["global"]], priors.global_mean, np.array([priors.global_sd]))
    above = unit[layout.top["global"]]
    for level, sd in zip(panel.levels[:-1], scales.groups[:-1], strict=True):
        rows = unit[layout.top[level.name]]
        equations.add_top(rows - above[level.parent], 0.0, np.full(len(rows), sd))
        above = rows
    equations.add(finest, -unit[layout.above], 0.0, scales.groups[-1])


def product_precision(scales: Scales, spec: DemandSpec) -> np.ndarray:
    """Omega (2, 2) of products' levels and elasticities about what is expected of them."""
    if not spec.pooled:
        return np.diag([spec.priors.group_effect_sd**-2, scales.elasticity**-2])
    return np.linalg.inv(scales.covariance)


def expected_products(model: ArrowModel, bundle: np.ndarray) -> np.ndarray:
    """Expected level and elasticity M c + m of products (2, N), from effects of bundles (G, b)."""
    layout = model.layout
    of_group = bundle[model.panel.group, layout.n_cosines :]
    return np.einsum("jnq,nq->jn", layout.design, of_group) + layout.fixed[:, None]
