"""Draws of effects and scales from the Laplace approximation, scales integrated out.

Array names and axis order: N products, G groups, T periods, S draws, last.
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from hdfm.exceptions import ApproximationWarning, InvalidDataError, warn_caller
from hdfm.sales.laplace.effects import CHUNK, Effects, time_paths
from hdfm.sales.laplace.integration import Point, integration_points
from hdfm.sales.laplace.mode import LaplaceMode, laplace_mode
from hdfm.sales.laplace.noise_step import given_others, noise_hierarchy
from hdfm.sales.laplace.prior import Scales
from hdfm.sales.laplace.threads import in_threads
from hdfm.sales.likelihoods.noise import split_noise
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.draws import PosteriorDraws
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.streams import Stream, stream

FEW = 8  # effective values of scales
MOST_DEMAND = 2.0  # sd of log demand of a product: exp of a normal of more has a mean that few draws decide


def sample_laplace(panel: SalesPanel, spec: DemandSpec, settings: SamplingSettings) -> PosteriorDraws:
    """``settings.chains`` times ``settings.draws`` independent draws, arranged as chains.

    Raises
    ------
    InvalidDataError
        If the data, or the likelihood of a selected sample, leave no posterior to approximate.
    """
    try:
        with threadpool_limits(1):  # small matrices: a second thread waits more than it works
            return _sample(panel, spec, settings)
    except np.linalg.LinAlgError as error:
        if spec.selected_above is None:
            raise InvalidDataError(
                "Laplace's approximation fails: these units leave scales (spreads, noise) no posterior that "
                f"it could be of. They go up to {panel.units.max():.3g} in a period; correct those that are "
                'far off the others, or take inference="nuts".'
            ) from error
        raise InvalidDataError(
            f"selected_above={spec.selected_above!r} cuts so close to what products sold, "
            f"{panel.units_sold.min():,.0f} to {panel.units_sold.max():,.0f} units in X, that their levels "
            "say nothing of those left out, and Laplace's approximation fails. Take selected_above=None, or "
            'inference="nuts".'
        ) from error


def _sample(panel: SalesPanel, spec: DemandSpec, settings: SamplingSettings) -> PosteriorDraws:
    begin = time.perf_counter()
    rng = stream(settings.seed, Stream.LAPLACE)
    mode = laplace_mode(panel, spec)
    points, noise_root = integration_points(mode, rng)
    weight = np.array([point.weight for point in points])
    _check_finite({"weight": weight})
    _warn_of_few(1 / (weight**2).sum(), len(points))
    shape = (settings.chains, settings.draws)
    size = settings.chains * settings.draws
    times = _systematic(weight, size, rng)
    order = rng.permutation(size)
    values = _drawn(mode, points, times, order, seed=settings.seed)
    point = np.repeat(np.arange(len(points)), times)[order]
    if not mode.scales.plain:
        values |= _noise_about(mode, points, point, noise_root, rng)
    elif noise_root.any() and spec.family.noise is not None:
        factor = np.exp(noise_root[0, 0] * rng.standard_normal(size))
        values |= {name: values[name] * power for name, power in spec.family.noise.variables(factor)}
    _check_finite({name: array for name, array in values.items() if array.ndim == 1})
    statistics = {"diverging": np.zeros(shape, dtype=bool), "point": point.reshape(shape)}
    values = {name: _by_chain(array, shape) for name, array in values.items()}
    return PosteriorDraws(values, statistics, 0, time.perf_counter() - begin, "laplace")


def _check_finite(values: dict[str, np.ndarray]) -> None:
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise np.linalg.LinAlgError(f"Not all values of {name} are finite.")


def _drawn(
    mode: LaplaceMode, points: list[Point], times: np.ndarray, order: np.ndarray, *, seed: int
) -> dict[str, np.ndarray]:
    """Draws (..., S) by name: each of K points so many times (K,), put in another order (S,)."""
    ends, low = np.cumsum(times), mode.expansion.low

    def draw(k: int) -> tuple[int, dict[str, np.ndarray]]:
        posterior, rng = points[k].posterior(mode.marginal), stream(seed, Stream.LAPLACE, k)
        effects = posterior.draw(int(times[k]), rng, low.reshaped if low is not None else None)
        return k, named(mode, points[k].scales, effects)

    out: dict[str, np.ndarray] = {}
    for k, variables in in_threads(mode.model, draw, np.flatnonzero(times).tolist()):
        for name, array in variables.items():
            if name not in out:
                out[name] = np.empty((*array.shape[:-1], len(order)), array.dtype)
            out[name][..., ends[k] - times[k] : ends[k]] = array
    for array in out.values():
        for row in array.reshape(-1, len(order)):  # a whole copy would double the memory
            row[:] = row[order]
    return out


def _noise_about(
    mode: LaplaceMode,
    points: list[Point],
    point: np.ndarray,
    noise_root: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draws (..., S) of noise and paths about those of points (S,), and of the noise of products.

    Effects are drawn with the ratios of the mode; the level that these are relative to comes with them.
    """
    scales, noise, spec = mode.scales, mode.coordinates.noise, mode.model.spec
    v = np.array([noise.position(at.scales) for at in points])[point]
    v += rng.standard_normal(v.shape) @ noise_root.T
    own: list[dict[str, np.ndarray]] = []
    low, high = np.transpose(noise.bounds())
    for j, _ in noise.own:
        assert mode.by_noise is not None
        own.append(noise_hierarchy(mode.model, noise, scales, mode.by_noise, j).draw(len(v), rng))
        for name in ("level", "group", "product"):
            np.clip(own[-1][name], low[j], high[j], out=own[-1][name])
        v[:, j] = own[-1]["level"] + given_others(noise, mode.by_noise, j, v)
    with np.errstate(over="ignore"):  # refused where it is infinite
        drawn = [_named_noise(spec, noise.at(row, scales)) for row in v.clip(low, high)]
    out = {name: np.array([draw[name] for draw in drawn]) for name in drawn[0]}
    return out | (_named_ratios(out, own, spec) if own else {})


def _named_ratios(
    noise: dict[str, np.ndarray], own: list[dict[str, np.ndarray]], spec: DemandSpec
) -> dict[str, np.ndarray]:
    """Products' noise over its level, and what it comes from, where it differs by these."""
    by_group, by_product = spec.noise_levels
    of_groups, of_products = own[0]["spreads"]
    ratio, out = np.subtract(own[0]["product"], own[0]["level"], out=own[0]["product"]), {}
    np.exp(ratio, out=ratio)  # in place, here and below: it is as large as elasticities
    if by_group:
        out["noise_group_sd"] = of_groups
        out["noise_group_ratio"] = np.exp(own[0]["group"] - own[0]["level"])
    if by_product:
        out["noise_product_sd"] = of_products
    if not spec.has_demand_shares:
        if spec.wanders:
            np.minimum(ratio, MOST_DEMAND / noise["demand_sd"], out=ratio)
        return out | {"noise_ratio": ratio}
    assert spec.family.noise is not None
    usual = noise[spec.family.noise.name], noise["demand_sd"]
    demand = np.subtract(own[1]["product"], own[1]["level"], out=own[1]["product"])
    for start in range(0, len(ratio), CHUNK):
        rows = slice(start, start + CHUNK)
        split = split_noise(*usual, ratio[rows], demand[rows])
        ratio[rows], demand[rows] = split[0] / usual[0], np.minimum(split[1], MOST_DEMAND) / usual[1]
    return out | {"noise_ratio": ratio, "demand_ratio": demand, "demand_share_sd": own[1]["spreads"][1]}


def _warn_of_few(effective: float, size: int) -> None:
    if size > FEW and effective < FEW:
        warn_caller(
            "Laplace's approximation of the posterior of scales (spreads, noise) is poor for this data: "
            f"{size} values of them count as {effective:.0f}, and intervals may be far off. "
            'Take inference="nuts".',
            ApproximationWarning,
        )


def _by_chain(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(C, n, ...) of draws (..., S), without a copy: those of a product stay together."""
    return np.moveaxis(array.reshape(*array.shape[:-1], *shape), (-2, -1), (0, 1))


def _systematic(weight: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of K points is taken (K,), ``size`` in all, by systematic resampling."""
    ends = np.floor(np.cumsum(weight) * size + rng.random())
    ends[-1] = max(ends[-1], size)
    return np.diff(np.minimum(ends, size), prepend=0).astype(int)


def named(mode: LaplaceMode, scales: Scales, effects: Effects) -> dict[str, np.ndarray]:
    """Draws (..., S) of one point under the names that the graph gives them; (..., 1) of scales."""
    panel, spec, layout = mode.model.panel, mode.model.spec, mode.model.layout
    group, n_cosines = layout.group, layout.n_cosines
    out = _named_scales(panel, spec, mode.coordinates.names, scales)
    if not spec.conditional:
        out["product_effect"] = effects.product[0]
    if "mean" in group:
        out["elasticity"] = effects.product[1]
        finest = effects.bundle[:, n_cosines + group["mean"]]
        out["elasticity_global"] = effects.top[layout.top["global"]][0] if panel.levels else finest[0]
        for level in panel.levels[:-1]:
            out[f"elasticity_{level.name}"] = effects.top[layout.top[level.name]]
        if panel.levels:
            out[f"elasticity_{panel.levels[-1].name}"] = finest
    if "level" in group:
        out["group_effect"] = effects.bundle[:, n_cosines + group["level"]]
    if "slope" in group:
        out["between_price"] = effects.bundle[:, n_cosines + group["slope"]]
        out["between_price_bias"] = effects.top[layout.top["bias"]][0]
    if len(layout.cosines):
        out["time_effect"] = time_paths(layout, effects.bundle, effects.top)
    if len(panel.controls):
        out["control_effect"] = effects.top[layout.top["controls"]] / panel.control_sd[:, None]
    return out


def _named_scales(
    panel: SalesPanel, spec: DemandSpec, estimated: tuple[str, ...], scales: Scales
) -> dict[str, np.ndarray]:
    """Scales (1,) under the names that the graph gives them."""
    names = {
        "product_effect": "product_effect_sd",
        "elasticity": "elasticity_sd",
        "correlation": "correlation",
        "time_shock": "time_shock_sd",
        "time_drift": "time_drift_sd",
        "between_price": "between_price_sd",
    }
    values = {names[name]: getattr(scales, name) for name in estimated if name in names}
    values |= {
        f"elasticity_{level.name}_sd": sd
        for k, (level, sd) in enumerate(zip(panel.levels, scales.groups, strict=True))
        if f"group {k}" in estimated
    }
    values |= _named_noise(spec, scales)
    return {name: np.array([value]) for name, value in values.items()}


def _named_noise(spec: DemandSpec, scales: Scales) -> dict[str, float]:
    """Of noise and paths."""
    values = {} if spec.family.noise is None else dict(spec.family.noise.variables(scales.noise))
    for name, path in (("demand", scales.demand), ("elasticity_path", scales.moves)):
        if path is not None:
            values |= {f"{name}_sd": path.sd, f"{name}_half_life": path.half_life}
    return values
