r"""Factors by the same name in every draw, and what the data say about each of them.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t)

doesn't change when factors change places. Positive loadings fix their sign and unit variance their scale, so
that permutations, one per draw, are what is left to undo.

Array names and axis order: K chains, D draws, N customers, S coefficients, T periods, L factors of a tier.

    loadings w (K, D, N, S, L) or (K, D, S, L); paths theta (K, D, T, L); curves c (K, D, T, L)

Coefficients should be in comparable units, for the largest rule a sum over s. T runs over category and period
for category factors, which have a lengthscale in common, and over customer and period for individual ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import arviz as az
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

R_HAT = 1.05
SMALL_MARGIN = 1 / 3
SMALL_MARGIN_SHARE = 0.1
NO_SHARE = 0.01
INTERVAL = (0.05, 0.95)
STARTS = 8
ENUMERATED = 4
IDENTIFIED, NOT_SEPARATE, NOTHING = "identified", "not separately identified", "no contribution"


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which factor is which, draw by draw.

    Attributes
    ----------
    permutation : numpy.ndarray
        (K, D, L) int: factor l of a draw is what the sampler called ``permutation[..., l]``.
    reference : numpy.ndarray
        (T, L): mean of the aligned curves.
    factor_margin : numpy.ndarray
        (K, D, L): how clearly each factor is told from its likeliest rival, see :func:`exchange_margins`.
    passes : int
        Passes made; all that were allowed if draws still changed.
    """

    permutation: np.ndarray
    reference: np.ndarray
    factor_margin: np.ndarray
    passes: int

    @property
    def margin(self) -> np.ndarray:
        """(K, D): the smallest margin of a draw; infinite for a single factor."""
        return self.factor_margin.min(axis=-1)


def contribution_curves(loadings: np.ndarray, paths: np.ndarray) -> np.ndarray:
    r"""What each factor adds to the average coefficient (K, D, T, L).

    .. math:: c_l(t) = \bar w_l \, \theta_l(t), \qquad \bar w_l = \frac{1}{N S} \sum_{is} w_{isl}

    >>> contribution_curves(np.full((1, 1, 3, 1), 0.5), np.array([[[[1.0], [-1.0]]]])).ravel().tolist()
    [0.5, -0.5]
    """
    everyone = tuple(range(2, loadings.ndim - 1))
    return loadings.mean(axis=everyone)[:, :, None, :] * paths


def align(curves: np.ndarray, passes: int = 5) -> Alignment:
    r"""Permute the factors of every draw towards a reference r (T, L) that all chains share.

    .. math::

        \sigma_d = \arg\min_\sigma \sum_l \lVert c_{d \sigma(l)} - r_l \rVert^2, \qquad
        r_l = \operatorname{mean}_d \, c_{d \sigma_d(l)}

    in turn [1]_, at most ``passes`` times, until no draw changes. Single draws spread over all chains are
    tried as first references; the one that ends with the least total cost is kept. Factors come in
    decreasing order of the posterior mean of :math:`\operatorname{Var}_t c_l(t)`.

    References
    ----------
    .. [1] Stephens (2000), "Dealing with label switching in mixture models", JRSS B 62(4).
    """
    K, D, T, L = curves.shape
    pooled = curves.reshape(K * D, T, L)
    starts = np.unique(np.linspace(0, K * D - 1, STARTS).astype(int))
    ends = [_iterate(pooled, pooled[start], passes) for start in starts]
    # Total cost is sum |c|^2 - K D |r|^2.
    permutation, reference, used = max(ends, key=lambda end: float((end[1] ** 2).sum()))
    spread = permuted(pooled.var(axis=1), permutation, -1).mean(axis=0)
    order = np.argsort(-spread, kind="stable")
    permutation, reference = permutation[:, order], reference[:, order]
    margins = exchange_margins(permuted(pooled, permutation, -1), reference)
    return Alignment(permutation.reshape(K, D, L), reference, margins.reshape(K, D, L), used)


def _iterate(pooled, reference, passes):
    """Permutations (M, L) of M draws, their mean (T, L) and the passes made, from a first reference."""
    assign = assign_by_listing if reference.shape[1] <= ENUMERATED else assign_by_matching
    permutation, used, changed = None, 0, True
    while changed and used < passes:
        proposal = assign(np.tensordot(pooled, reference, axes=(1, 0)))
        changed = permutation is None or bool((proposal != permutation).any())
        permutation, used = proposal, used + 1
        reference = permuted(pooled, permutation, -1).mean(axis=0)
    return permutation, reference, used


def assign_by_listing(gain: np.ndarray) -> np.ndarray:
    """Best permutations (M, L) out of all L!, given inner products c'r (M, L, L).

    The least squared distance has the largest inner product, for the norms don't depend on the order.
    """
    L = gain.shape[-1]
    every = np.array(list(permutations(range(L))))
    return every[gain[:, every, np.arange(L)].sum(axis=-1).argmax(axis=1)]


def assign_by_matching(gain: np.ndarray) -> np.ndarray:
    """The same by the Hungarian method, a draw at a time."""
    return np.stack([linear_sum_assignment(one.T, maximize=True)[1] for one in gain])


def exchange_margins(aligned: np.ndarray, reference: np.ndarray) -> np.ndarray:
    r"""How much dearer it is to exchange a factor with its likeliest rival (M, L).

    .. math:: u_l = \min_{b \ne l} \frac{(c_l - c_b)' (r_l - r_b)}{\lVert r_l - r_b \rVert^2}

    The rise in cost when l and b change places, relative to that for the reference itself: c is (M, T, L),
    aligned, and r (T, L) its mean. Any pair's mean over draws is 1; at 0 both labellings fit alike. Factors
    well apart stay near 1; for two with one distribution it is about a folded normal, a fifth below 1/3.
    """
    L = reference.shape[1]
    gap = reference[:, :, None] - reference[:, None, :]
    own = (gap**2).sum(axis=0)
    half = np.einsum("mtl,tlb->mlb", aligned, gap)
    ratio = (half + np.swapaxes(half, 1, 2)) / np.where(own > 0, own, np.inf)
    ratio[:, np.arange(L), np.arange(L)] = np.inf
    return ratio.min(axis=-1)


def permuted(values: np.ndarray, permutation: np.ndarray, axis: int) -> np.ndarray:
    """Values, say loadings (K, D, N, S, L), with the factors on ``axis`` put in the order (K, D, L)."""
    draws = permutation.shape[:-1]
    shape = [*draws] + [1] * (values.ndim - len(draws))
    shape[axis] = permutation.shape[-1]
    return np.take_along_axis(values, permutation.reshape(shape), axis=axis)


def factor_variances(loadings: np.ndarray, paths: np.ndarray) -> np.ndarray:
    r"""Variance over time that each factor gives to a customer's coefficients (K, D, L).

    .. math:: v_l = \frac{1}{N} \sum_{is} \operatorname{Var}_t(w_{isl} \, \theta_l(t))

    as in :meth:`hdfm.datasets.ChoiceTruth.variance_shares`. For category factors, add up the categories, each
    with its own coefficients and paths. The paths of individual factors, :math:`a_i \phi_{il}(t)`, are
    (K, D, N, T, L), with loadings (K, D, S, L).
    """
    K, D, *_, S, L = loadings.shape
    w = loadings.reshape(K, D, -1, L)
    variance = paths.var(axis=-2).reshape(K, D, -1, L).mean(axis=2)
    return np.einsum("kdal,kdal->kdl", w, w) * (S / w.shape[2]) * variance


def variance_shares(
    variances: Mapping[str, np.ndarray], alpha: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    r"""Share (K, D, L) of each factor of each tier in the variance of the coefficients.

    .. math:: v_l \Big/ \Big(\sum_{\text{tiers}} \sum_l v_l + \sum_s \operatorname{Var}_i(\alpha_{is})\Big)

    of :func:`factor_variances` by tier and alpha (K, D, N, S). Without ``alpha`` a draw's shares add up to 1.
    With it they add up to the dynamic part of all variance, so that they can show that nothing moves.
    """
    total = sum(v.sum(axis=-1, keepdims=True) for v in variances.values())
    if alpha is not None:
        total = total + alpha.var(axis=2).sum(axis=-1, keepdims=True)
    return {
        tier: np.divide(v, total, out=np.zeros_like(v), where=np.broadcast_to(total, v.shape) > 0)
        for tier, v in variances.items()
    }


def curve_sd(curves: np.ndarray) -> np.ndarray:
    """Standard deviation over draws of the curves (K, D, T, L), root mean square over time (L,)."""
    return np.sqrt(curves.var(axis=(0, 1)).mean(axis=0))


def identification_report(
    curves: np.ndarray,
    alignment: Alignment,
    shares: np.ndarray,
    prior_sd: float | np.ndarray | None = None,
) -> pd.DataFrame:
    """What the draws identify, a row per aligned factor.

    Parameters
    ----------
    curves, shares : numpy.ndarray
        Curves (K, D, T, L) and the tier's :func:`variance_shares` (K, D, L), with ``alpha`` where there are
        customers; both as they were before ``alignment``.
    prior_sd : float, numpy.ndarray (L,) or None
        :func:`curve_sd` of aligned draws from the prior.

    Returns
    -------
    pandas.DataFrame
        ``r_hat`` of the aligned curve (largest over time; missing with one chain), ``share`` (mean, with
        5 % and 95 % quantiles ``share_lower`` and ``share_upper``), ``small_margins`` (share of draws whose
        margin is below 1/3), ``sd_ratio`` (prior over posterior standard deviation of the curve) and
        ``verdict``: "no contribution" if the median share is below 1 %, "not separately identified" if R-hat
        is above 1.05 or more than 10 % of margins are small, else "identified".
    """
    aligned = permuted(curves, alignment.permutation, -1)
    share = permuted(shares, alignment.permutation, -1)
    lower, upper = np.quantile(share, INTERVAL, axis=(0, 1))
    r_hat = np.array([_largest_r_hat(aligned[..., factor]) for factor in range(curves.shape[-1])])
    small = (alignment.factor_margin < SMALL_MARGIN).mean(axis=(0, 1))
    separate = ~(r_hat > R_HAT) & (small <= SMALL_MARGIN_SHARE)
    table = pd.DataFrame(
        {
            "r_hat": r_hat,
            "share": share.mean(axis=(0, 1)),
            "share_lower": lower,
            "share_upper": upper,
            "small_margins": small,
            "sd_ratio": np.nan if prior_sd is None else prior_sd / curve_sd(aligned),
            "verdict": np.where(separate, IDENTIFIED, NOT_SEPARATE),
        },
        index=pd.RangeIndex(1, curves.shape[-1] + 1, name="factor"),
    )
    table.loc[np.median(share, axis=(0, 1)) < NO_SHARE, "verdict"] = NOTHING
    return table


def _largest_r_hat(curve):
    """Largest R-hat over time of draws (K, D, T), where they vary at all."""
    moving = curve[..., np.ptp(curve, axis=(0, 1)) > 0]
    if curve.shape[0] < 2 or not moving.shape[-1]:
        return np.nan
    return float(np.max(az.rhat(moving, chain_axis=0, draw_axis=1)))
