r"""Factors by the same name in every draw, and what the data say about each of them.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t)

doesn't change when factors change places. Positive loadings fix their sign and unit variance their scale, so
that permutations, one per draw, are what is left to undo.

Array names and axis order: K chains, D draws, N customers, S coefficients, T periods, L factors of a tier.

    loadings w (K, D, N, S, L) or (K, D, S, L); paths theta (K, D, T, L); curves c (K, D, T, L)

Curves of many draws are never all there at a time, see :class:`hdfm.factors.curves.Curves`. Coefficients
should be in comparable units, for the largest rule a sum over s. T runs over category and period for category
factors, which have a lengthscale in common, and over customer and period for individual ones.
"""

from dataclasses import dataclass
from itertools import permutations

import arviz as az
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from hdfm.factors.curves import Curves, curve_sd, permuted

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


def align(curves: Curves, passes: int = 5) -> Alignment:
    r"""Permute the factors of every draw towards a reference r (T, L) that all chains share.

    .. math::

        \sigma_d = \arg\min_\sigma \sum_l \lVert c_{d \sigma(l)} - r_l \rVert^2, \qquad
        r_l = \operatorname{mean}_d \, c_{d \sigma_d(l)}

    in turn [1]_, at most ``passes`` times, until no draw changes. Single draws spread over all chains are
    tried as first references; the one that ends with the least total cost is kept. Factors come in
    decreasing order of the posterior mean of :math:`\operatorname{Var}_t c_l(t)`.

    Parameters
    ----------
    curves : Curves
        c (K, D, T, L), in units in which coefficients are comparable: see
        :func:`hdfm.factors.curves.contribution_curves`.
    passes : int
        The most that are made.

    References
    ----------
    .. [1] Stephens (2000), "Dealing with label switching in mixture models", JRSS B 62(4).
    """
    K, D, _, L = curves.shape
    starts = np.unique(np.linspace(0, K * D - 1, STARTS).astype(int))
    permutations, references, used = _search(
        curves, np.stack([curves.of_draw(start) for start in starts]), passes
    )
    # Total cost is sum |c|^2 - K D |r|^2.
    best = int((references**2).sum(axis=(1, 2)).argmax())
    permutation, reference = permutations[best], references[best]
    spread, margin = np.empty((2, K * D, L))
    for draw, piece in curves.over_draws():
        aligned = permuted(piece, permutation[draw], -1)
        spread[draw], margin[draw] = aligned.var(axis=1), exchange_margins(aligned, reference)
    order = np.argsort(-spread.mean(axis=0), kind="stable")
    return Alignment(
        permutation[:, order].reshape(K, D, L),
        reference[:, order],
        margin[:, order].reshape(K, D, L),
        int(used[best]),
    )


def _search(curves, references, passes):
    """Permutations (R, K D, L), their means (R, T, L) and passes made (R,), from R first references."""
    R, (K, D, _, L) = len(references), curves.shape
    permutations, used = np.full((R, K * D, L), -1), np.zeros(R, dtype=int)
    going = np.arange(R)
    while len(going) and used.max() < passes:
        proposals, means = towards(curves, references[going])
        changed = (proposals != permutations[going]).any(axis=(1, 2))
        permutations[going], references[going] = proposals, means
        used[going] += 1
        going = going[changed]
    return permutations, references, used


def towards(curves: Curves, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Permutations (R, K D, L) of all draws towards references (R, T, L), and means (R, T, L) of what is so
    permuted; the curves are made once for all of them.
    """
    R, (K, D, T, L) = len(references), curves.shape
    assign = assign_by_listing if L <= ENUMERATED else assign_by_matching
    permutations, total = np.empty((R, K * D, L), dtype=int), np.zeros((T, R, L))
    for draw, piece in curves.over_draws():
        gain = np.tensordot(piece, references, axes=(1, 1)).transpose(2, 0, 1, 3)  # (R, n, L, L)
        order = assign(gain.reshape(-1, L, L)).reshape(R, -1, L)
        permutations[:, draw] = order
        total += np.tensordot(piece, np.eye(L)[order], axes=([0, 2], [1, 3]))
    return permutations, total.transpose(1, 0, 2) / (K * D)


def assign_by_listing(gain: np.ndarray) -> np.ndarray:
    r"""Best permutations (M, L) out of all L!, given inner products :math:`G_{al} = c_a' r_l` (M, L, L).

    .. math:: \sigma = \arg\max_\sigma \sum_l G_{\sigma(l) l}

    The least squared distance has the largest inner product, for the norms don't depend on the order.
    """
    L = gain.shape[-1]
    every = np.array(list(permutations(range(L))))
    return every[gain[:, every, np.arange(L)].sum(axis=-1).argmax(axis=1)]


def assign_by_matching(gain: np.ndarray) -> np.ndarray:
    """As :func:`assign_by_listing`, a draw at a time, for many factors: the assignment problem [1]_.

    References
    ----------
    .. [1] Kuhn (1955), "The Hungarian method for the assignment problem", Naval Research Logistics
       Quarterly 2.
    """
    return np.stack([linear_sum_assignment(matrix.T, maximize=True)[1] for matrix in gain])


def exchange_margins(aligned: np.ndarray, reference: np.ndarray) -> np.ndarray:
    r"""Exchange margins (M, L): how much dearer it is to swap a factor with its likeliest rival.

    .. math:: u_l = \min_{b \ne l} \frac{(c_l - c_b)' (r_l - r_b)}{\lVert r_l - r_b \rVert^2}

    The rise in cost when l and b change places, relative to that for the reference itself: c is (M, T, L),
    aligned, and r (T, L) its mean. Any pair's mean over draws is 1; at 0 both labellings fit alike. Factors
    well apart stay near 1; for two with one distribution it is about a folded normal, a fifth below 1/3.
    """
    L = reference.shape[1]
    gap = reference[:, :, None] - reference[:, None, :]
    squared_gap = (gap**2).sum(axis=0)
    half = np.einsum("mtl,tlb->mlb", aligned, gap)
    ratio = (half + np.swapaxes(half, 1, 2)) / np.where(squared_gap > 0, squared_gap, np.inf)
    ratio[:, np.arange(L), np.arange(L)] = np.inf
    return ratio.min(axis=-1)


def identification_report(
    curves: Curves,
    alignment: Alignment,
    shares: np.ndarray,
    prior_sd: float | np.ndarray | None = None,
) -> pd.DataFrame:
    """What the draws identify, a row per aligned factor.

    Parameters
    ----------
    curves : Curves
        As they were before ``alignment``.
    shares : numpy.ndarray
        The tier's :func:`hdfm.factors.variances.variance_shares` (K, D, L) as they were before, with those of
        ``alpha`` where there are customers.
    prior_sd : float, numpy.ndarray (L,) or None
        :func:`hdfm.factors.curves.curve_sd` of aligned draws from the prior.

    Returns
    -------
    pandas.DataFrame
        ``r_hat`` of the aligned curve (largest over time; missing with one chain), ``share`` (mean, with
        5 % and 95 % quantiles ``share_lower`` and ``share_upper``), ``small_margins`` (share of draws whose
        margin is below 1/3), ``sd_ratio`` (prior over posterior standard deviation of the curve) and
        ``verdict``: "no contribution" if the median share is below 1 %, "not separately identified" if R-hat
        is above 1.05 or more than 10 % of margins are small, else "identified".
    """
    share = permuted(shares, alignment.permutation, -1)
    lower, upper = np.quantile(share, INTERVAL, axis=(0, 1))
    r_hat = _largest_r_hats(curves, alignment.permutation)
    small = (alignment.factor_margin < SMALL_MARGIN).mean(axis=(0, 1))
    separate = ~(r_hat > R_HAT) & (small <= SMALL_MARGIN_SHARE)
    table = pd.DataFrame(
        {
            "r_hat": r_hat,
            "share": share.mean(axis=(0, 1)),
            "share_lower": lower,
            "share_upper": upper,
            "small_margins": small,
            "sd_ratio": np.nan if prior_sd is None else prior_sd / curve_sd(curves, alignment.permutation),
            "verdict": np.where(separate, IDENTIFIED, NOT_SEPARATE),
        },
        index=pd.RangeIndex(1, curves.shape[-1] + 1, name="factor"),
    )
    table.loc[np.median(share, axis=(0, 1)) < NO_SHARE, "verdict"] = NOTHING
    return table


def _largest_r_hats(curves, permutation):
    """Largest R-hats (L,) over time of aligned curves, where they vary at all."""
    out = np.full(curves.shape[-1], np.nan)
    if curves.shape[0] < 2:
        return out
    for aligned in curves.over_times(permutation):
        for factor, curve in enumerate(np.moveaxis(aligned, -1, 0)):
            moving = curve[..., np.ptp(curve, axis=(0, 1)) > 0]
            if moving.shape[-1]:
                out[factor] = np.fmax(out[factor], np.max(az.rhat(moving, chain_axis=0, draw_axis=1)))
    return out
