r"""Choice probabilities from draws, in blocks, so that no array of choice sets x draws is kept.

.. math::

    P_o(j) = \frac{\exp(x_{oj}' \beta_o)}{1_\text{outside} + \sum_k \exp(x_{ok}' \beta_o)}

Array names and axis order: D draws, S coefficients; in a category O choice sets, J slots, P predictors,
K products; b choice sets and d draws of a block. The draws of a block come last.

    u, log_p (b, J, d)
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from hdfm.choice.panel.layout import OUTSIDE, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.choice.posterior.draws import ChoiceDraws, each_in_turn
from hdfm.factors.pieces import pieces
from hdfm.frames.columns import ALL
from hdfm.sampling.streams import labelled_stream

BLOCK_CELLS = 1_000_000
DRAWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class PlacedSets:
    """The choice sets of a category, with the draws that are theirs.

    Attributes
    ----------
    label : hashable
        The category.
    choices : CategoryChoices
        Its sets.
    outside : bool
        Whether they have the outside option.
    customer, period : numpy.ndarray
        Positions (O,) in the draws.
    source : slice or numpy.ndarray
        The P coefficients; in a category that was not fitted those borrowed in each draw (D, P).
    product : pandas.Index
        Labels (K,): the fitted products, then the new ones.
    code : numpy.ndarray
        Positions (O, J) of alternatives in ``product``; -1 where there is none.
    newcomer : numpy.ndarray
        Positions (O, J) in ``intercept`` of alternatives that were not fitted; -1 elsewhere.
    intercept : numpy.ndarray
        The coefficients borrowed by them in each draw (new, D); -1: an intercept of 0.
    price : int or None
        Which of the predictors is the price.
    """

    label: Hashable
    choices: CategoryChoices
    outside: bool
    customer: np.ndarray
    period: np.ndarray
    source: slice | np.ndarray
    product: pd.Index
    code: np.ndarray
    newcomer: np.ndarray
    intercept: np.ndarray
    price: int | None


def place_fitted(draws: ChoiceDraws, panel: ChoicePanel) -> tuple[PlacedSets, ...]:
    """The choice sets of the fit, one entry a category."""
    return tuple(
        PlacedSets(
            label=category.label,
            choices=choices,
            outside=panel.roles.outside,
            customer=choices.customer,
            period=choices.period,
            source=category.coefficient,
            product=category.product,
            code=choices.product,
            newcomer=np.full_like(choices.product, -1),
            intercept=np.zeros((0, draws.n_draws), dtype=int),
            price=_price(category.predictor, panel),
        )
        for category, choices in zip(panel.categories, panel.choices, strict=True)
    )


def place_sets(
    draws: ChoiceDraws, panel: ChoicePanel, encoded: EncodedChoices, seed: int, *, alone: bool = False
) -> tuple[PlacedSets, ...]:
    """New choice sets, one entry a fitted category and one a category that was not fitted.

    A new product takes, in each draw, the intercept of a fitted product of its category picked at random,
    the reference product's 0 among them. A category that was not fitted takes its coefficients from one
    picked at random, or, where that one lacks a predictor, from the next one that has it. All are picked
    equally often. Picks depend on the seed and the labels alone, as befits shares of a product over sets; or
    with ``alone``, those of products on the seed, the category and the product's place among the new ones of
    its set: then the answers about one set at a time are the same for new products that are alike, while two
    in one set are independent.

    Parameters
    ----------
    alone : bool
        Whether answers are about one set at a time.
    draws : ChoiceDraws
        As :func:`hdfm.choice.posterior.draws.extend_draws` gives them for ``encoded``.
    """
    D, C = draws.n_draws, len(panel.categories)
    placed = []
    for c, (category, choices) in enumerate(zip(panel.categories, encoded.choices, strict=True)):
        known = (category.label, category.predictor, category.product, category.coefficient)
        placed.append(_place(draws, panel, encoded, choices, *known, np.full(D, c), seed, alone))
    for label in encoded.unseen_label.unique():
        choices = _only(encoded.unseen, encoded.unseen_label == label)
        rng = labelled_stream(seed, "category", label)
        rank = rng.random((D, C))
        rank[np.arange(D), each_in_turn(C, D, rng)] = -1.0
        order = rank.argsort(axis=1)
        source = _sources(panel, encoded.unseen_predictor, order)
        known = (label, encoded.unseen_predictor, pd.Index([]), source)
        placed.append(_place(draws, panel, encoded, choices, *known, order[:, 0], seed, alone))
    return tuple(placed)


def choice_probabilities(draws: ChoiceDraws, placed: Iterable[PlacedSets]) -> list[np.ndarray]:
    """Posterior mean probabilities (O, J) of alternatives, by entry; 0 where not available.

    What is missing from 1 in a set is the outside option's. For rows of the frame, see
    :func:`hdfm.choice.panel.layout.to_rows`, with the ``choices`` of the entries.
    """
    means = []
    for sets in placed:
        total = np.zeros(sets.choices.mask.shape)
        for piece, _, p in probability_blocks(draws, sets):
            total[piece] += p.sum(axis=-1)
        means.append(total / draws.n_draws)
    return means


def likeliest(placed: Iterable[PlacedSets], probability: Iterable[np.ndarray]) -> list[np.ndarray]:
    """1.0 at the likeliest alternative of each set, else 0.0 (O, J), given their probabilities.

    Of ties the first row of the frame; none where the outside option is as likely as that.
    """
    flags = []
    for sets, p in zip(placed, probability, strict=True):
        order = np.where(sets.choices.mask, sets.choices.row, np.iinfo(int).max)
        best = np.lexsort((order, -p), axis=1)[:, :1]
        taken = np.zeros(p.shape)
        beats_outside = np.take_along_axis(p, best, axis=1) > 1 - p.sum(axis=1, keepdims=True)
        wins = beats_outside | (not sets.outside)
        np.put_along_axis(taken, best, wins.astype(float), axis=1)
        flags.append(taken)
    return flags


def weights_of_sets(placed: Iterable[PlacedSets], weights: np.ndarray, n_sets: int) -> np.ndarray:
    """Mean weight (n_sets,) of the rows of each choice set, given those of rows (n,)."""
    out = np.zeros(n_sets)
    for sets in placed:
        there = sets.choices.row >= 0
        total = np.where(there, weights[sets.choices.row], 0.0).sum(axis=1)
        out[sets.choices.choice_set] = total / np.maximum(there.sum(axis=1), 1)
    return out


def weighted_sets(placed: Iterable[PlacedSets], weights: np.ndarray, n_sets: int) -> tuple[PlacedSets, ...]:
    """The same sets, each counting as often as its rows (n,) do on average."""
    placed = tuple(placed)
    of_set = weights_of_sets(placed, weights, n_sets)
    return tuple(
        replace(sets, choices=replace(sets.choices, weight=of_set[sets.choices.choice_set]))
        for sets in placed
    )


def log_scores(draws: ChoiceDraws, placed: Iterable[PlacedSets], n_sets: int) -> np.ndarray:
    r"""Log predictive density of each choice set, by position among the labels of all (n_sets,).

    .. math:: \log \frac{1}{D} \sum_d P_o^{(d)}(\text{chosen})
    """
    out = np.full(n_sets, -np.inf)
    for sets in placed:
        score = np.full(len(sets.customer), -np.inf)
        for piece, _, log_p, log_outside in log_probability_blocks(draws, sets):
            chosen = _of_chosen(log_p, log_outside, sets.choices.chosen[piece])
            score[piece] = np.logaddexp(score[piece], logsumexp(chosen, axis=1))
        out[sets.choices.choice_set] = score - np.log(draws.n_draws)
    return out


def pointwise_log_likelihood(
    draws: ChoiceDraws, placed: Iterable[PlacedSets]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (b,) among all choice sets and their log-likelihood (b, D), all draws at once.

    As :func:`hdfm.summaries.loo.loo_from_blocks` takes it.
    """
    for sets in placed:
        for some_sets in pieces(len(sets.customer), draws.n_draws):
            which = np.arange(some_sets.start, some_sets.stop)
            values = np.empty((len(which), draws.n_draws))
            for piece, some, log_p, log_outside in log_probability_blocks(draws, sets, which):
                values[piece - which[0], some] = _of_chosen(log_p, log_outside, sets.choices.chosen[piece])
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
    for piece, some in _blocks(draws, sets, which, whole_draws):
        yield piece, some, *_log_probabilities(utilities(draws, sets, piece, some), sets.outside)


def probability_blocks(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, slice, np.ndarray]]:
    """Blocks as in :func:`log_probability_blocks`, of P (b, J, d)."""
    for piece, some in _blocks(draws, sets, which):
        yield piece, some, _probabilities(utilities(draws, sets, piece, some), sets.outside)


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
        some = slice(start, min(start + d, draws.n_draws))
        for first in range(0, len(which), b):
            yield which[first : first + b], some


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
    columns = [draws.borrowed(source, customer, period, some) for source in sets.source.T]
    return np.stack(columns, axis=-1)


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


def _place(draws, panel, encoded, choices, label, predictor, known, source, home, seed, alone):
    """The sets of a category, whose new products borrow intercepts from the categories ``home`` (D,)."""
    code, new = _product_codes(choices, known, encoded)
    newcomer, keys = np.maximum(code - len(known), -1), [("product", label, product) for product in new]
    if alone:
        newcomer = np.where(newcomer >= 0, _place_in_set(newcomer), -1)
        keys = [("new in a set", label, k) for k in range(newcomer.max(initial=-1) + 1)]
    rngs = (labelled_stream(seed, *key) for key in keys)
    position = choices.choice_set
    n_fitted, n_periods = draws.alpha.shape[1], len(panel.period)
    return PlacedSets(
        label=label,
        choices=choices,
        outside=panel.roles.outside,
        customer=np.where(choices.customer < 0, n_fitted + encoded.set_customer[position], choices.customer),
        period=np.where(choices.period < 0, n_periods + encoded.set_period[position], choices.period),
        source=source,
        product=pd.Index([*known, *new]),
        code=code,
        newcomer=newcomer,
        intercept=np.array([_intercepts(panel, home, rng) for rng in rngs]).reshape(-1, draws.n_draws),
        price=_price(predictor, panel),
    )


def _product_codes(choices, known, encoded):
    """Positions (O, J) of alternatives among the fitted products, then the new ones; and the latter."""
    code = choices.product.copy()
    new = (choices.row >= 0) & (code < 0)
    distinct, inverse = np.unique(encoded.row_product[choices.row[new]], return_inverse=True)
    code[new] = len(known) + inverse
    return code, [encoded.product[k][1] if k >= 0 else ALL for k in distinct]


def _place_in_set(code):
    """The place (O, J) of each code among those of its set that are not -1, in order."""
    return code.argsort(axis=1, kind="stable").argsort(axis=1) - (code < 0).sum(axis=1, keepdims=True)


def _intercepts(panel, home, rng):
    """The intercept (D,) of each product in turn of the categories ``home`` (D,); -1 where it has none."""
    out = np.full(len(home), -1)
    for c in np.unique(home):
        category, here = panel.categories[c], home == c
        dummies = np.flatnonzero(category.intercept_of >= 0)
        of_product = np.full(len(category.product), -1)
        of_product[category.intercept_of[dummies]] = category.coefficient.start + dummies
        out[here] = of_product[each_in_turn(len(of_product), int(here.sum()), rng)]
    return out


def _sources(panel, predictor, order):
    """The coefficients (D, P) of predictors in the first category of an order (D, C) that has them."""
    starts = [category.coefficient.start for category in panel.categories]
    found = np.stack([category.predictor.get_indexer(predictor) for category in panel.categories])
    s = np.where(found >= 0, found + np.array(starts)[:, None], -1)[order]
    first = (s >= 0).argmax(axis=1)
    return np.take_along_axis(s, first[:, None], axis=1)[:, 0]


def _price(predictor, panel):
    found = np.flatnonzero(predictor == panel.roles.price) if panel.roles.price is not None else ()
    return int(found[0]) if len(found) else None


def _only(choices, which):
    """Some of the sets (O,); what they don't have stays None."""
    parts = {each.name: getattr(choices, each.name) for each in fields(choices)}
    return CategoryChoices(**{name: None if part is None else part[which] for name, part in parts.items()})
