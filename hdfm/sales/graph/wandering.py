r"""Rough estimates of noise that wanders and differs by product, and what it leaves of the evidence.

About estimates of everything else, residuals of working weights W have the moments

.. math:: E[r_{it} r_{i, t+1}] = W_{it} W_{i, t+1} s_u^2 \rho, \qquad
    E[(C r_i W_i^{-1/2})_k^2] = 1 + W_i s_u^2 v_k = 1 / S_{ik}

with v the variances of demand that wanders along cosines C of time, and S the share of the information that
it leaves to effects, as far as times tell equally much. Array names and axis order: N products, T periods.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdfm.hierarchy.whitened import Evidence
from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.likelihoods.noise import Scores, by_product
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec

SMALL = 1e-12
LEAST_SHARE, LARGEST_SHARE = 0.1, 0.9  # of the variance of noise, that wanders
LEAST_DEMAND = 0.05  # sd
LEAST_RATIO = 0.1  # of squared residuals to what is expected of them


@dataclass(frozen=True, slots=True)
class NoiseStart:
    """Rough estimates of noise.

    Attributes
    ----------
    noise, demand_sd : float
        Independent noise as :attr:`hdfm.sales.graph.start.Start.noise`; sd of demand that wanders, 0 if none.
    ratio : numpy.ndarray
        Of products' noise to these (N,).
    evidence : Evidence
        About the log of products' noise (N,), or of sds of demand that wanders where only these differ.
    """

    noise: float
    demand_sd: float
    ratio: np.ndarray
    evidence: Evidence

    def variance(self, spec: DemandSpec) -> np.ndarray:
        """Squared noise of the likelihood, by product (N,)."""
        ratio = self.ratio if has_own_noise(spec) else np.ones_like(self.ratio)
        return (self.noise * ratio) ** 2


def has_own_noise(spec: DemandSpec) -> bool:
    """Whether the likelihood has a multiplicative noise, which differs by product if any does."""
    return spec.family.noise is not None and spec.family.noise.multiplicative


def time_cosines(panel: SalesPanel) -> np.ndarray:
    """Orthonormal cosines (T, T) of time, the constant first."""
    T = len(panel.period)
    return np.vstack([np.full(T, T**-0.5), zero_sum_cosines(np.diff(panel.timeline.steps))[0]])


@dataclass(frozen=True, slots=True)
class Remainder:
    """What demand that wanders leaves of working weights W.

    Attributes
    ----------
    cosines : numpy.ndarray
        C (T, T).
    root : numpy.ndarray
        Roots of W (N, T).
    share : numpy.ndarray
        S (N, T), 1 where nothing wanders.
    """

    cosines: np.ndarray
    root: np.ndarray
    share: np.ndarray

    def of(self, pull: np.ndarray) -> np.ndarray:
        """W times something (N, T), with paths integrated out."""
        if (self.share == 1).all():
            return pull
        return self.root * ((self.along_cosines(pull) * self.share) @ self.cosines)

    def along_cosines(self, pull: np.ndarray) -> np.ndarray:
        """Heights (N, T) of cosines of W times something, per root of W."""
        return np.divide(pull, self.root, where=self.root > 0, out=np.zeros_like(pull)) @ self.cosines.T


def remainder(panel: SalesPanel, spec: DemandSpec, weights: np.ndarray, sd: np.ndarray) -> Remainder:
    """Of weights (N, T), by demand that wanders with some sd (N,)."""
    cosines, steps = time_cosines(panel), panel.timeline.steps
    correlation = 2.0 ** (-abs(steps[:, None] - steps) / spec.priors.demand_half_life)
    variance = ((cosines @ correlation) * cosines).sum(axis=1)
    signal = weights.mean(axis=1, keepdims=True) * sd[:, None] ** 2 * variance
    return Remainder(cosines, np.sqrt(weights), 1 / (1 + signal))


def wandering_sd(spec: DemandSpec, scores: Scores) -> float:
    """Sd of demand that wanders, by moments of residuals of neighbouring periods."""
    W, r = scores.information, scores.score
    between = (r[:, 1:] * r[:, :-1]).sum() / max((W[:, 1:] * W[:, :-1]).sum(), SMALL)
    return float(np.sqrt(np.clip(between, LEAST_DEMAND**2, spec.priors.demand_sd**2)))


def noise_start(
    panel: SalesPanel, spec: DemandSpec, scores_at: Callable[[np.ndarray], Scores], total: float
) -> NoiseStart:
    """Rough estimates, where ``total`` is the noise without anything that wanders or differs.

    Parameters
    ----------
    scores_at : callable
        Squared noise (N,) -> Scores, about estimates of everything else.
    """
    N, noise, demand_sd = len(panel.product), total, 0.0
    if spec.wanders:
        demand_sd = wandering_sd(spec, scores_at(by_product(total**2, N)))
    if demand_sd and has_own_noise(spec):
        share = np.clip((demand_sd / total) ** 2, LEAST_SHARE, LARGEST_SHARE)
        noise, demand_sd = total * np.sqrt(1 - share), total * np.sqrt(share)
    none = Evidence(np.zeros(N), np.zeros(N))
    start = NoiseStart(noise, demand_sd, np.ones(N), none)
    if not any(spec.noise_levels):
        return start
    return _by_product(panel, spec, scores_at(start.variance(spec)), start)


def _by_product(panel, spec, scores, start):
    r"""Ratios from squared residuals along cosines, whose expectation grows with log noise as

    .. math:: \partial \log E / \partial \log m_i = 2 (S_{ik} \varsigma^2 W_i + 1 - S_{ik})
    """
    W = scores.information
    left = remainder(panel, spec, W, by_product(start.demand_sd, len(W)))
    own = start.variance(spec)[:, None] * W.mean(axis=1, keepdims=True) if has_own_noise(spec) else 0.0
    observed = (W > 0).mean(axis=1, keepdims=True)
    slope = left.share * own + 1 - left.share
    information = 2 * (observed * slope**2).sum(axis=1)
    excess = (slope * (left.along_cosines(scores.score) ** 2 * left.share - observed)).sum(axis=1)
    log_ratio = np.log(np.maximum(1 + 2 * excess / np.maximum(information, SMALL), LEAST_RATIO)) / 2
    by_group, by_single = spec.noise_levels
    prior = (by_group * spec.priors.noise_group_sd**2 + by_single * spec.priors.noise_product_sd**2) ** -1.0
    shrunk = log_ratio * information / (information + prior)
    level = start.noise if has_own_noise(spec) else start.demand_sd
    if spec.has_demand_shares:
        level = np.hypot(start.noise, start.demand_sd)
    evidence = Evidence(information, information * (np.log(level) + log_ratio))
    return NoiseStart(start.noise, start.demand_sd, np.exp(shrunk), evidence)
