r"""Draws of effects and scales from Laplace's approximation, scales integrated out.

Scales u and log noise take K values, a scrambled Sobol sequence through the normal approximation q of their
marginal posterior [1]_. Each is taken as often as

.. math:: w_k \propto p(y | u_k) \, p(u_k) / q(u_k)

says, with p(y | u) that of the working likelihood at the mode, whose effects are normal and drawn exactly.

Array names and axis order: N products, G groups, T periods, S draws, K points, D coordinates.

References
----------
.. [1] Rue, Martino, Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using
   integrated nested Laplace approximations", Journal of the Royal Statistical Society B 71(2).
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm, qmc
from threadpoolctl import threadpool_limits

from hdfm.graph.spec import DemandSpec
from hdfm.inference.draws import PosteriorDraws
from hdfm.inference.laplace.effects import Effects, normal_posterior
from hdfm.inference.laplace.mode import (
    LaplaceMode,
    laplace_mode,
    log_height,
    log_posterior,
    noise_constant,
    noise_log_prior,
)
from hdfm.inference.laplace.newton import working_likelihood
from hdfm.inference.laplace.prior import Scales
from hdfm.inference.settings import SamplingSettings
from hdfm.panel.sales import SalesPanel

POINTS, MORE_POINTS, CELLS = 64, 512, 50_000  # more where a point costs little
DIFFERENCE = 0.05
LEAST_CURVATURE = 0.5  # of the marginal posterior; the prior alone has about 1
SMALL = 1e-300
KNOWN_NOISE = 0.01  # posterior sd of log noise below which it stays at its mode


@dataclass(frozen=True, slots=True)
class Point:
    """A value of the scales, and the share of draws that take it."""

    scales: Scales
    weight: float


@dataclass(frozen=True, slots=True)
class ScaleCurvature:
    """Covariance of u, and of log noise if it is among the D coordinates; else the sd of that alone."""

    covariance: np.ndarray
    log_noise_sd: float


def sample_laplace(panel: SalesPanel, spec: DemandSpec, settings: SamplingSettings) -> PosteriorDraws:
    """``settings.chains`` times ``settings.draws`` independent draws, arranged as chains."""
    with threadpool_limits(1):  # small matrices: a second thread waits more than it works
        return _sample(panel, spec, settings)


def _sample(panel, spec, settings):
    begin = time.perf_counter()
    rng = np.random.default_rng([settings.seed, 5])
    mode = laplace_mode(panel, spec)
    points, log_noise_sd = scale_points(mode, rng)
    size = settings.chains * settings.draws
    taken = _systematic(np.array([point.weight for point in points]), size, rng)
    order = rng.permutation(size)
    values, first = {}, 0
    for point, count in zip(points, taken, strict=True):
        if not count:
            continue
        W, s = _working(mode, point.scales)
        effects = normal_posterior(panel, spec, mode.layout, point.scales, W, s).draw(count, rng)
        rows = order[first : first + count]
        for name, drawn in named(mode, point.scales, effects).items():
            if name not in values:
                values[name] = np.empty((size, *drawn.shape[1:]))
            values[name][rows] = drawn
        first += count
    if log_noise_sd:
        _spread_noise(values, np.exp(log_noise_sd * rng.standard_normal(size)))
    shape = (settings.chains, settings.draws)
    which = np.empty(size, dtype=int)
    which[order] = np.repeat(np.arange(len(points)), taken)
    statistics = {"diverging": np.zeros(shape, dtype=bool), "point": which.reshape(shape)}
    values = {name: drawn.reshape(*shape, *drawn.shape[1:]) for name, drawn in values.items()}
    return PosteriorDraws(values, statistics, 0, time.perf_counter() - begin, "laplace")


def _spread_noise(values, factor):
    for name, power in (("noise_sd", 1), ("overdispersion", 1), ("dispersion", -2)):
        if name in values:
            values[name] *= factor**power


def scale_points(mode: LaplaceMode, rng: np.random.Generator) -> tuple[list[Point], float]:
    """Values of the scales with weights that sum to one, and the sd of log noise about theirs."""
    u = mode.model.coordinates(mode.scales)
    curvature = scale_curvature(mode)
    D = len(curvature.covariance)
    if not D:
        return [Point(mode.scales, 1.0)], curvature.log_noise_sd
    root = np.linalg.cholesky(curvature.covariance)
    z = norm.ppf(qmc.Sobol(D, rng=rng).random(POINTS if mode.panel.units.size > CELLS else MORE_POINTS))
    centre = np.append(u, np.log(mode.scales.noise))[:D]
    values = centre + z @ root.T
    scales = [_scales(mode, value) for value in values]
    height = np.array([_height(mode, each) for each in scales]) + (z**2).sum(axis=1) / 2
    weight = np.exp(height - height.max())
    points = [Point(each, w) for each, w in zip(scales, weight / weight.sum(), strict=True)]
    return points, curvature.log_noise_sd


def scale_curvature(mode: LaplaceMode) -> ScaleCurvature:
    """Inverse of minus the Hessian of the marginal log posterior by u and log noise, from differences.

    Noise that the data tell to 1 % is left out: it hardly moves the rest.
    """
    u, log_noise = mode.model.coordinates(mode.scales), np.log(mode.scales.noise)
    D = len(u)
    H = np.zeros((D + 1, D + 1))
    for k, unit in enumerate(np.eye(D)):
        ends = [_slope(mode, _scales(mode, u + sign * DIFFERENCE * unit)) for sign in (1, -1)]
        H[k, :D] = (ends[1] - ends[0]) / (2 * DIFFERENCE)
    H[:D, :D] = (H[:D, :D] + H[:D, :D].T) / 2
    if mode.spec.likelihood == "poisson":
        return ScaleCurvature(_inverse(H[:D, :D]), 0.0)
    noisier, here, calmer = (
        replace(mode.scales, noise=float(np.exp(log_noise + sign * DIFFERENCE))) for sign in (1, 0, -1)
    )
    H[D, D] = (2 * _height(mode, here) - _height(mode, noisier) - _height(mode, calmer)) / DIFFERENCE**2
    if H[D, D] > KNOWN_NOISE**-2:
        return ScaleCurvature(_inverse(H[:D, :D]), H[D, D] ** -0.5)
    H[D, :D] = H[:D, D] = (_slope(mode, calmer) - _slope(mode, noisier)) / (2 * DIFFERENCE)
    return ScaleCurvature(_inverse(H), 0.0)


def _inverse(H):
    values, vectors = np.linalg.eigh(H)
    return (vectors / np.maximum(values, LEAST_CURVATURE)) @ vectors.T


def _scales(mode, value):
    """Scales of coordinates, log noise last if it is among them."""
    D = len(mode.model.names)
    scales = mode.model.scales(value[:D], mode.scales)
    return replace(scales, noise=float(np.exp(value[D]))) if len(value) > D else scales


def _working(mode, scales):
    """W and s (N, T) of some noise at the mode's eta."""
    if scales.noise == mode.scales.noise:
        return mode.W, mode.s
    now, plain = (
        working_likelihood(mode.panel, mode.spec.likelihood, mode.eta, noise)
        for noise in (scales.noise, mode.scales.noise)
    )
    W = now.precision * mode.W / np.maximum(plain.precision, SMALL)
    at_mode = mode.s - mode.W * mode.eta
    return W, W * mode.eta + now.gradient + (at_mode - plain.gradient)


def _height(mode, scales):
    """Log marginal posterior of scales and log noise, up to a constant."""
    W, s = _working(mode, scales)
    value = log_height(mode.panel, mode.spec, mode.layout, mode.model, scales, W, s, mode.low)
    if mode.spec.likelihood == "poisson" or scales.noise == mode.scales.noise:
        return value
    return value + _beside(mode, scales.noise, W, s) - _beside(mode, mode.scales.noise, mode.W, mode.s)


def _beside(mode, noise, W, s):
    """The log-likelihood at the mode's eta less the working one, and the prior of the noise."""
    exact = working_likelihood(mode.panel, mode.spec.likelihood, mode.eta, noise).value
    exact += noise_constant(mode.panel, mode.spec.likelihood, noise) + noise_log_prior(mode.spec, noise)
    return exact - float(np.vdot(s, mode.eta)) + 0.5 * float(np.einsum("nt,nt,nt->", W, mode.eta, mode.eta))


def _slope(mode, scales):
    """Gradient (D,) of the log marginal posterior by u."""
    W, s = _working(mode, scales)
    return log_posterior(mode.panel, mode.spec, mode.layout, mode.model, scales, W, s, mode.low)[1]


def _systematic(weight, size, rng):
    """How often each of K points is taken (K,), ``size`` in all, by systematic resampling."""
    ends = np.floor(np.cumsum(weight) * size + rng.random())
    ends[-1] = max(ends[-1], size)
    return np.diff(np.minimum(ends, size), prepend=0).astype(int)


def named(mode: LaplaceMode, scales: Scales, effects: Effects) -> dict[str, np.ndarray]:
    """Draws (S, ...) of one point under the names that the graph gives them."""
    panel, spec, layout, group = mode.panel, mode.spec, mode.layout, mode.layout.group
    S = effects.product.shape[2]
    n_waves = layout.n_bundle - layout.n_group
    out = _named_scales(panel, spec, mode.model.names, scales)
    if not spec.conditional:
        out["product_effect"] = effects.product[0].T
    if "mean" in group:
        out["elasticity"] = effects.product[1].T
        finest = effects.bundle[:, n_waves + group["mean"]].T
        out["elasticity_global"] = effects.top[layout.top["global"]][0] if panel.levels else finest[:, 0]
        for level in panel.levels[:-1]:
            out[f"elasticity_{level.name}"] = effects.top[layout.top[level.name]].T
        if panel.levels:
            out[f"elasticity_{panel.levels[-1].name}"] = finest
    if "level" in group:
        out["group_level"] = effects.bundle[:, n_waves + group["level"]].T
    if "slope" in group:
        out["between_price"] = effects.bundle[:, n_waves + group["slope"]].T
        out["between_price_bias"] = effects.top[layout.top["bias"]][0]
    if len(layout.waves):
        waves = effects.bundle[:, :n_waves] if layout.own_waves else effects.top[None, layout.top["waves"]]
        out["time_effect"] = np.einsum("gws,wt->sgt", waves, layout.waves, optimize=True)
    if len(panel.controls):
        out["control_effect"] = effects.top[layout.top["controls"]].T / panel.control_sd
    return {name: np.broadcast_to(value, (S, *np.shape(value)[1:])) for name, value in out.items()}


def _named_scales(panel, spec, estimated, scales):
    """Scales (1,) under the names that the graph gives them."""
    names = {
        "product_effect": "product_effect_sd",
        "elasticity": "elasticity_sd",
        "correlation": "correlation",
        "time_shock": "time_shock_sd",
        "time_drift": "time_drift_sd",
        "between_price": "between_price_sd",
    }
    found = {names[name]: getattr(scales, name) for name in estimated if name in names}
    found |= {
        f"elasticity_{level.name}_sd": sd
        for k, (level, sd) in enumerate(zip(panel.levels, scales.groups, strict=True))
        if f"group {k}" in estimated
    }
    if spec.likelihood == "log_normal":
        found["noise_sd"] = scales.noise
    elif spec.likelihood == "negative_binomial":
        found |= {"overdispersion": scales.noise, "dispersion": scales.noise**-2}
    return {name: np.array([value]) for name, value in found.items()}
