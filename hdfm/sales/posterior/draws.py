"""Draws of a demand model as plain arrays, extended to what the panel has not seen.

Array names and axis order: S draws, N products, G finest groups, T periods, K controls. The draws come
last, so that picking the rows of a product copies contiguous memory.

    beta, delta (N, S); gamma (G, T, S); kappa (K, S) per unit of the standardised control
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from hdfm.sales.likelihoods.noise import ScaleDraws, split_noise
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.rows import SalesRows
from hdfm.sales.posterior.motion import OrnsteinUhlenbeck
from hdfm.sales.posterior.paths import Motions, PathEvidence, path_evidence
from hdfm.sales.posterior.walk import Walk, effects_at, new_effects
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.streams import labelled_stream

HUGE_ELASTICITY = 30.0
PATHS = ("demand", "elasticity_path")


@dataclass(frozen=True, slots=True)
class DemandDraws:
    """Effects by draw; None where the model has no such part.

    ``population`` holds the draws (S,) or (G_l, S) of the hyperparameters by name. ``ahead`` has the time
    effects (P, S) of P pairs of block and period that were not fitted, which count on from the T periods.
    ``told`` is what units tell of paths, where there are paths and units.
    """

    beta: np.ndarray | None
    delta: np.ndarray
    gamma: np.ndarray | None
    kappa: np.ndarray | None
    scale: ScaleDraws
    population: dict[str, np.ndarray]
    ahead: np.ndarray | None = None
    told: PathEvidence | None = None

    def time_effect(self, block: np.ndarray, period: np.ndarray) -> np.ndarray:
        """Time effects (n, S) of rows in blocks (n,) and periods (n,)."""
        assert self.gamma is not None
        if self.ahead is None:
            return self.gamma[block, period]
        T = self.gamma.shape[1]
        is_ahead = period >= T
        out = self.gamma[np.where(is_ahead, 0, block), np.where(is_ahead, 0, period)]
        out[is_ahead] = self.ahead[period[is_ahead] - T]
        return out

    def fixed_part(self, panel: SalesPanel, product: int) -> np.ndarray:
        """Effects' part of eta (T, S) of a fitted product, less exposure."""
        out = self.delta[product] + np.zeros((len(panel.period), 1))
        if self.beta is not None:
            out += self.beta[product] * panel.log_price[product, :, None]
        if self.gamma is not None:
            out += self.gamma[panel.block[product]]
        if self.kappa is not None:
            out += panel.controls[:, product].T @ self.kappa
        return out

    @property
    def has_paths(self) -> bool:
        """Whether anything of a product moves over time."""
        return any(f"{name}_sd" in self.population for name in PATHS)

    def motions(self, product: int) -> Motions:
        """What paths of a product are, by draw."""
        return motions_of(self.population, self.scale.demand_ratio_of(product))

    def some(self, which: np.ndarray) -> "DemandDraws":
        """The draws at some positions (s,)."""

        def taken(value):
            if isinstance(value, dict):
                return {name: taken(draws) for name, draws in value.items()}
            if isinstance(value, ScaleDraws):
                return value.some(which)
            return value[..., which] if isinstance(value, np.ndarray) else value

        return replace(self, **{field.name: taken(getattr(self, field.name)) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class DemandPosterior:
    """A fitted model, as far as answers ask for it.

    Attributes
    ----------
    draws : DemandDraws
        Effects by draw.
    panel, spec : SalesPanel, DemandSpec
        What they are of.
    seed : int
        Of the random numbers that predictions draw.
    """

    draws: DemandDraws
    panel: SalesPanel
    spec: DemandSpec
    seed: int


def demand_draws(posterior: xr.Dataset, panel: SalesPanel, spec: DemandSpec) -> DemandDraws:
    """The draws of a posterior (or prior) dataset; units tell nothing of paths."""
    dims = panel.dims

    def get(name, *order):
        if name not in posterior:
            return None
        stacked = posterior[name].stack(draws=("chain", "draw"), create_index=False)
        return np.ascontiguousarray(stacked.transpose(*order, "draws"))  # sums depend on the layout

    kappa = get("control_effect", "control")
    names = [str(name) for name in posterior.data_vars if set(posterior[name].dims) == {"chain", "draw"}]
    population = {name: get(name) for name in names}
    population |= {
        f"elasticity_{level.name}": get(f"elasticity_{level.name}", level.name) for level in panel.levels
    }
    for name in ("group_effect", "between_price", "noise_group_ratio"):
        if name in posterior:
            population[name] = get(name, dims["group"])
    delta = get("product_effect", dims["product"])
    noise, ratio = spec.family.noise, get("noise_ratio", dims["product"])
    demand_ratio = get("demand_ratio", dims["product"])
    shared = np.full(delta.shape[1], np.inf) if noise is None else get(noise.scale)
    power = noise.scale_power if noise is not None and noise.multiplicative else 0
    return DemandDraws(
        beta=get("elasticity", dims["product"]),
        delta=delta,
        gamma=get("time_effect", dims["block"], dims["time"]),
        kappa=None if kappa is None else kappa * panel.control_sd[:, None],
        scale=ScaleDraws(shared, ratio, power, demand_ratio),
        population=population,
    )


def motions_of(population: dict[str, np.ndarray], ratio: np.ndarray) -> Motions:
    """What paths are, of values (n,) or (1,) of sds and half-lives by name and of demand's ratios (n,)."""
    return Motions(
        *(
            OrnsteinUhlenbeck(population[f"{name}_sd"] * factor, population[f"{name}_half_life"])
            if f"{name}_sd" in population
            else None
            for name, factor in zip(PATHS, (ratio, np.ones_like(ratio)), strict=True)
        )
    )


def fitted_draws(tree: xr.DataTree, panel: SalesPanel, spec: DemandSpec) -> DemandDraws:
    """The draws of a posterior, and what units tell of paths."""
    return told_by_units(demand_draws(tree["posterior"].to_dataset(), panel, spec), panel, spec)


def told_by_units(draws: DemandDraws, panel: SalesPanel, spec: DemandSpec) -> DemandDraws:
    """The draws with what units of the panel tell of paths, about posterior means, of scales in logs."""
    if not draws.has_paths:
        return draws
    effects = {name: getattr(draws, name) for name in ("beta", "delta", "gamma", "kappa")}
    of_means = {
        name: values.mean(axis=-1, keepdims=True) for name, values in effects.items() if values is not None
    }
    middle = replace(draws, **of_means)
    fixed = np.stack([middle.fixed_part(panel, i)[:, 0] for i in range(len(panel.product))])
    ratio, noise = np.ones(len(fixed)), np.zeros(len(fixed))
    if draws.scale.ratio is not None:
        ratio = _middle(draws.scale.ratio)
    demand_ratio = ratio if draws.scale.demand_ratio is None else _middle(draws.scale.demand_ratio)
    if spec.family.noise is not None:
        noise = _middle(draws.population[spec.family.noise.name]) * ratio ** float(draws.scale.power != 0)
    names = [f"{name}_{of}" for name in PATHS for of in ("sd", "half_life")]
    means = {name: _middle(draws.population[name][None]) for name in names if name in draws.population}
    told = path_evidence(panel, spec.family, fixed, noise, motions_of(means, demand_ratio))
    return replace(draws, told=told)


def _middle(values):
    """Geometric mean over draws (..., S): of noise that has factors data may tell their product alone."""
    return np.exp(np.log(values).mean(axis=-1))


@dataclass(frozen=True, slots=True)
class ExtendedRows:
    """Rows of which every label is known, and the draws that know them.

    Attributes
    ----------
    draws : DemandDraws
    rows : SalesRows
    block : numpy.ndarray
        Position (n,) among the blocks.
    newcomers : list of tuple
        What random numbers of products that were not fitted are keyed by, from N on.
    """

    draws: DemandDraws
    rows: SalesRows
    block: np.ndarray
    newcomers: list[tuple]


def extend_to_rows(posterior: DemandPosterior, rows: SalesRows, *, common: bool = True) -> ExtendedRows:
    """Draws and rows in which every label is known.

    An unknown product or group gets draws from the population. Their random numbers depend on the seed and
    the group alone, so that the answers about one at a time are the same for products that are alike; without
    ``common`` on the seed and the label, as befits sums over products, which are independent given the draw.
    Those of a period depend on the seed and its position in time: no prediction depends on what else is
    predicted. For periods see :func:`hdfm.sales.posterior.walk.effects_at`.
    """
    draws, panel, seed = posterior.draws, posterior.panel, posterior.seed
    row_group = rows.groups[-1] if panel.levels else np.zeros(len(rows.product), dtype=int)
    by_group = len(panel.blocks) > 1 or (panel.levels and panel.blocks.name == panel.levels[-1].name)
    own_block = np.where(row_group >= 0, row_group, len(panel.blocks)) if by_group else 0
    block = np.where(rows.product >= 0, panel.block[rows.product], own_block)
    product = rows.product.copy()
    added_beta, added_delta, added_ratio, newcomers = [], [], [], []
    for k, members in enumerate(_new_products(rows)):
        product[members] = len(panel.product) + k
        row = int(members[0])
        newcomers.append(("group", row_group[row]) if common else (rows.label.iloc[row],))
        rng = labelled_stream(seed, *newcomers[-1])
        beta, delta = _new_product(posterior, rows, row, row_group[row], rng)
        added_beta.append(beta)
        added_delta.append(delta)
        if draws.scale.ratio is not None:
            added_ratio.append(_new_ratios(posterior, row_group[row], rng))
    period, ahead = _extend_time(posterior, rows, block)
    delta = np.vstack([draws.delta, *added_delta])
    extended = replace(
        draws,
        beta=None if draws.beta is None else np.vstack([draws.beta, *added_beta]),
        delta=delta,
        scale=draws.scale.extended(added_ratio),
        ahead=ahead,
    )
    return ExtendedRows(extended, replace(rows, product=product, period=period), block, newcomers)


def _new_products(rows):
    """The rows of each new product; of one with several reference prices, of each of them."""
    new_rows = np.flatnonzero(rows.product < 0)
    keys = [pd.factorize(rows.label.iloc[new_rows])[0], rows.log_reference[new_rows]]
    return [new_rows[k] for k in pd.Series(new_rows).groupby(keys, sort=False).indices.values()]


def _new_product(posterior, rows, row, group, rng):
    """Elasticity and level (S,) of a product the panel doesn't know; the level at its reference price."""
    draws, panel, spec = posterior.draws, posterior.panel, posterior.spec
    size, population = draws.delta.shape[1], draws.population
    e, z = (_even_normals(rng, size) for _ in range(2))
    known_group = group >= 0
    if "group_effect" in population:
        reference = panel.group_price_level
        usual = rows.log_reference[row] - (reference[group] if known_group else reference.mean())
        slope = _of_group(population.get("between_price", np.zeros((panel.n_groups, size))), group, rng)
        mean = _of_group(population["group_effect"], group, rng) + slope * usual
        delta = mean + population["product_effect_sd"] * e
    else:
        delta = draws.delta.mean(axis=0) + draws.delta.std(axis=0) * e
    if draws.beta is None:
        return np.empty((0, size)), delta
    latent = _group_latent(posterior, rows, row, rng)
    rho = population.get("correlation", 0.0)
    sd = population.get("elasticity_sd", spec.priors.product_sd)
    return _bound(latent + sd * (rho * e + np.sqrt(1 - np.square(rho)) * z), spec), delta


def _new_ratios(posterior, group, rng):
    """Noise and demand's sd (S,) of a product the panel doesn't know, over those that products share."""
    population, size = posterior.draws.population, posterior.draws.delta.shape[1]
    log_ratio = np.zeros(size)
    if "noise_group_ratio" in population:
        known = group >= 0
        of_group = np.log(population["noise_group_ratio"][group]) if known else _even_normals(rng, size)
        log_ratio += of_group if known else population["noise_group_sd"] * of_group
    if "noise_product_sd" in population:
        log_ratio += population["noise_product_sd"] * _even_normals(rng, size)
    ratio = np.exp(log_ratio)
    if "demand_share_sd" not in population:
        return ratio, ratio
    usual = population[posterior.spec.family.noise.name], population["demand_sd"]
    split = split_noise(*usual, ratio, population["demand_share_sd"] * _even_normals(rng, size))
    return split[0] / usual[0], split[1] / usual[1]


def _even_normals(rng, size):
    """Standard normals (S,), one in each of S intervals that are equally likely, in random order."""
    return ndtri((rng.permutation(size) + rng.random(size)) / size)


def _of_group(values, group, rng):
    """Draws (S,) of one of the groups (G, S), or for a new group (-1) about their mean."""
    if group >= 0:
        return values[group]
    return values.mean(axis=0) + values.std(axis=0) * _even_normals(rng, values.shape[1])


def _group_latent(posterior, rows, row, rng):
    """Mean elasticity (S,) of the row's group before the sign constraint; new groups are drawn."""
    population, spec = posterior.draws.population, posterior.spec
    value = unbounded(population["elasticity_global"], spec)
    for level, codes in zip(posterior.panel.levels, rows.groups, strict=True):
        if codes[row] >= 0:
            value = unbounded(population[f"elasticity_{level.name}"][codes[row]], spec)
        else:
            sd = population.get(f"elasticity_{level.name}_sd", spec.priors.group_sd)
            value = value + sd * _even_normals(rng, len(value))
    return value


def _extend_time(posterior, rows, block):
    """Periods (n,), from T on where block or period was not fitted; and the time effects (P, S) of these."""
    draws, panel, seed = posterior.draws, posterior.panel, posterior.seed
    is_new = (rows.period < 0) | (block >= len(panel.blocks))
    if draws.gamma is None or not is_new.any():
        return rows.period, None
    T, period, ahead = len(panel.period), rows.period.copy(), []
    shock, drift = draws.population["time_shock_sd"], draws.population["time_drift_sd"]
    walk, count = Walk(panel.timeline.steps, shock, drift), T
    for g in np.unique(block[is_new]):
        in_block = is_new & (block == g)
        steps, code = np.unique(rows.time[in_block], return_inverse=True)
        is_fitted = g < len(panel.blocks)
        gamma = draws.gamma[g] if is_fitted else new_effects(walk, seed, int(g))
        ahead.append(effects_at(steps, gamma, walk, seed, int(g)))
        period[in_block] = count + code
        count += len(steps)
    return period, np.concatenate(ahead)


def _bound(latent, spec):
    return -np.logaddexp(0, -latent) if spec.negative else latent


def unbounded(elasticity: np.ndarray, spec: DemandSpec) -> np.ndarray:
    """Inverse of the sign constraint beta = -softplus(-b): elasticities in which the hierarchy is normal."""
    if not spec.negative:
        return elasticity
    size = -elasticity
    return -np.where(size > HUGE_ELASTICITY, size, np.log(np.expm1(np.minimum(size, HUGE_ELASTICITY))))
