r"""Choice probabilities from draws, in blocks, so that no array of choice sets x draws is kept.

.. math::

    P_o(j) = \frac{\exp(x_{oj}' \beta_o)}{1_\text{outside} + \sum_k \exp(x_{ok}' \beta_o)}

Array names and axis order: D draws, S coefficients; in a category O choice sets, J slots, P predictors,
K products; b choice sets and d draws of a block. The draws of a block come last.

    u, log_p (b, J, d)
"""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.special import logsumexp

from hdfm.choice.panel.layout import OUTSIDE
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.market import Market
from hdfm.choice.posterior.placement import PlacedSets
from hdfm.factors.pieces import pieces

BLOCK_CELLS = 1_000_000
DRAWS_AT_ONCE = 64


def choice_probabilities(market: Market) -> list[np.ndarray]:
    """Posterior mean probabilities (O, J) of alternatives, by category; 0 where not available.

    What is missing from 1 in a set is the outside option's. For rows of the frame, see
    :meth:`hdfm.choice.posterior.market.Market.to_rows`.
    """
    means = []
    for sets in market.sets:
        total = np.zeros(sets.choices.mask.shape)
        for piece, _, p in probability_blocks(market.draws, sets):
            total[piece] += p.sum(axis=-1)
        means.append(total / market.draws.n_draws)
    return means


def likeliest(market: Market, probability: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Predicted choices: 1.0 at the likeliest alternative of each set, else 0.0 (O, J).

    Of ties the first row of the frame; none where the outside option is as likely as that.
    """
    flags = []
    for sets, p in zip(market.sets, probability, strict=True):
        order = np.where(sets.choices.mask, sets.choices.row, np.iinfo(int).max)
        best = np.lexsort((order, -p), axis=1)[:, :1]
        flag = np.zeros(p.shape)
        beats_outside = np.take_along_axis(p, best, axis=1) > 1 - p.sum(axis=1, keepdims=True)
        wins = beats_outside | (not sets.outside)
        np.put_along_axis(flag, best, wins.astype(float), axis=1)
        flags.append(flag)
    return flags


def log_scores(market: Market) -> np.ndarray:
    r"""Log predictive density of each choice set, by position among all.

    .. math:: \log \frac{1}{D} \sum_d P_o^{(d)}(\text{chosen})
    """
    out = np.full(len(market.choice_set), -np.inf)
    for sets in market.sets:
        score = np.full(len(sets.customer), -np.inf)
        for piece, _, log_p, log_outside in log_probability_blocks(market.draws, sets):
            chosen = _of_chosen(log_p, log_outside, sets.choices.chosen[piece])
            score[piece] = np.logaddexp(score[piece], logsumexp(chosen, axis=1))
        out[sets.choices.choice_set] = score - np.log(market.draws.n_draws)
    return out


def pointwise_log_likelihood(market: Market) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (b,) among all choice sets and their log-likelihood (b, D), all draws at once.

    As :func:`hdfm.summaries.loo.loo_from_blocks` takes it.
    """
    draws = market.draws
    for sets in market.sets:
        for some_sets in pieces(len(sets.customer), draws.n_draws):
            which = np.arange(some_sets.start, some_sets.stop)
            values = np.empty((len(which), draws.n_draws))
            for piece, draw, log_p, log_outside in log_probability_blocks(draws, sets, which):
                values[piece - which[0], draw] = _of_chosen(log_p, log_outside, sets.choices.chosen[piece])
            yield sets.choices.choice_set[which], values


def log_probability_blocks(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray | None = None, *, whole_draws: bool = False
) -> Iterator[tuple[np.ndarray, slice, np.ndarray, np.ndarray]]:
    """Blocks of at most about ``BLOCK_CELLS`` cells, all sets of some draws before those of the next.

    Parameters
    ----------
    which : numpy.ndarray, optional
        Positions of some of the sets, all by default.
    whole_draws : bool
        Whether each block has all the draws.

    Yields
    ------
    piece : numpy.ndarray
        Positions (b,) of choice sets.
    some : slice
        Of the draws.
    log_p : numpy.ndarray
        (b, J, d), -inf where not available.
    log_outside : numpy.ndarray
        (b, d), -inf without the outside option.
    """
    for piece, draw in _blocks(draws, sets, which, whole_draws):
        yield piece, draw, *_log_probabilities(utilities(draws, sets, piece, draw), sets.outside)


def probability_blocks(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, slice, np.ndarray]]:
    """Blocks as in :func:`log_probability_blocks`, of P (b, J, d)."""
    for piece, draw in _blocks(draws, sets, which):
        yield piece, draw, _probabilities(utilities(draws, sets, piece, draw), sets.outside)


def _blocks(draws, sets, which, whole_draws=False):
    """Choice sets (b,) and a slice of the draws of each block.

    Draws may lie on disk, one after the other: what is read together should lie together.
    """
    which = np.arange(len(sets.customer)) if which is None else which
    _, J, P = sets.choices.x.shape
    most = max(1, BLOCK_CELLS // (J + P * (1 + draws.n_factors)))
    d = draws.n_draws if whole_draws else min(draws.n_draws, DRAWS_AT_ONCE, most)
    b = max(1, min(len(which), most // d))
    d = draws.n_draws if whole_draws else max(d, most // b)
    for start in range(0, draws.n_draws, d):
        draw = slice(start, min(start + d, draws.n_draws))
        for offset in range(0, len(which), b):
            yield which[offset : offset + b], draw


def utilities(draws: ChoiceDraws, sets: PlacedSets, piece: np.ndarray, some: slice) -> np.ndarray:
    """u (b, J, d) of the alternatives of some sets in some draws, -inf where not available."""
    choices, customer, period = sets.choices, sets.customer[piece], sets.period[piece]
    beta = coefficients(draws, sets, piece, some)
    # In order, for BLAS: a view would be multiplied number by number.
    u = choices.x[piece] @ np.ascontiguousarray(beta.transpose(1, 2, 0))
    newcomer = sets.newcomer[piece]
    for k, source in enumerate(sets.intercept):
        o, j = np.nonzero(newcomer == k)
        u[o, j] += draws.borrowed(source, customer[o], period[o], some).T
    u[~choices.mask[piece]] = -np.inf
    return u


def coefficients(draws: ChoiceDraws, sets: PlacedSets, piece: np.ndarray, some: slice) -> np.ndarray:
    """beta (d, b, P) of some sets in some draws."""
    customer, period = sets.customer[piece], sets.period[piece]
    if isinstance(sets.source, slice):
        return draws.beta(sets.source, customer, period, some)
    beta = np.empty((len(range(draws.n_draws)[some]), len(piece), sets.source.shape[1]))
    for p, source in enumerate(sets.source.T):
        beta[..., p] = draws.borrowed(source, customer, period, some)
    return beta


def _log_probabilities(u, outside):
    """log P (b, J, d) of alternatives and (b, d) of the outside option; writes over u."""
    highest, total = _exponentials(u.copy(), outside)[1:]
    log_total = np.log(total) + highest
    u -= log_total[:, None]
    return u, -log_total if outside else np.full_like(log_total, -np.inf)


def _probabilities(u, outside):
    """P (b, J, d) of alternatives; writes over u."""
    p, _, total = _exponentials(u, outside)
    p /= total[:, None]
    return p


def _exponentials(u, outside):
    """exp(u - m) in place of u (b, J, d), m (b, d), and the sum (b, d) with the outside option's exp(-m)."""
    highest = u.max(axis=1)
    if outside:
        highest = np.maximum(highest, 0.0)
    u -= highest[:, None]
    np.exp(u, out=u)
    return u, highest, u.sum(axis=1) + (np.exp(-highest) if outside else 0.0)


def _of_chosen(log_p, log_outside, chosen):
    """log P (b, d) of what was chosen (b,)."""
    picked = log_p[np.arange(len(chosen)), np.maximum(chosen, 0)]
    return np.where((chosen == OUTSIDE)[:, None], log_outside, picked)
