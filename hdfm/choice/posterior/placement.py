"""Choice sets of a category with the draws that are theirs, those that were not fitted by what they borrow.

Array names and axis order: D draws, S coefficients, C categories; in a category O choice sets, J slots, P
predictors, K products.
"""

from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.choice.posterior.draws import ChoiceDraws, each_in_turn
from hdfm.frames.columns import ALL
from hdfm.sampling.streams import labelled_stream


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
    request = _Asked(draws, panel, encoded, seed, alone)
    placed = [
        _place(request, choices, _known(category, np.full(D, c)))
        for c, (category, choices) in enumerate(zip(panel.categories, encoded.choices, strict=True))
    ]
    for label in encoded.unseen_label.unique():
        choices = _only(encoded.unseen, encoded.unseen_label == label)
        rng = labelled_stream(seed, "category", label)
        rank = rng.random((D, C))
        rank[np.arange(D), each_in_turn(C, D, rng)] = -1.0
        order = rank.argsort(axis=1)
        source = _sources(panel, encoded.unseen_predictor, order)
        profile = _Known(label, encoded.unseen_predictor, pd.Index([]), source, order[:, 0])
        placed.append(_place(request, choices, profile))
    return tuple(placed)


class _Asked(NamedTuple):
    """Sets to place, see :func:`place_sets`."""

    draws: ChoiceDraws
    panel: ChoicePanel
    encoded: EncodedChoices
    seed: int
    alone: bool


class _Known(NamedTuple):
    """What is known of a category: predictors (P,), fitted products (K,), the coefficients (P,) or, of one
    that was not fitted, (D, P), and the position (D,) of the category whose intercepts new products borrow.
    """

    label: Hashable
    predictor: pd.Index
    product: pd.Index
    source: slice | np.ndarray
    home: np.ndarray


def _known(category, home):
    return _Known(category.label, category.predictor, category.product, category.coefficient, home)


def _place(asked, choices, known):
    """The sets of a category."""
    draws, panel, encoded = asked.draws, asked.panel, asked.encoded
    code, new_products = _product_codes(choices, known.product, encoded)
    newcomer = np.maximum(code - len(known.product), -1)
    keys = [("product", known.label, product) for product in new_products]
    if asked.alone:
        newcomer = np.where(newcomer >= 0, _place_in_set(newcomer), -1)
        keys = [("new in a set", known.label, k) for k in range(newcomer.max(initial=-1) + 1)]
    rngs = (labelled_stream(asked.seed, *key) for key in keys)
    position = choices.choice_set
    n_fitted, n_periods = draws.alpha.shape[1], len(panel.period)
    return PlacedSets(
        label=known.label,
        choices=choices,
        outside=panel.roles.outside,
        customer=np.where(choices.customer < 0, n_fitted + encoded.set_customer[position], choices.customer),
        period=np.where(choices.period < 0, n_periods + encoded.set_period[position], choices.period),
        source=known.source,
        product=pd.Index([*known.product, *new_products]),
        code=code,
        newcomer=newcomer,
        intercept=np.array([_intercepts(panel, known.home, rng) for rng in rngs]).reshape(-1, draws.n_draws),
        price=_price(known.predictor, panel),
    )


def _product_codes(choices, known, encoded):
    """Positions (O, J) of alternatives among the fitted products, then the new ones; and the latter."""
    code = choices.product.copy()
    is_new = (choices.row >= 0) & (code < 0)
    distinct, inverse = np.unique(encoded.row_product[choices.row[is_new]], return_inverse=True)
    code[is_new] = len(known) + inverse
    return code, [encoded.product[k][1] if k >= 0 else ALL for k in distinct]


def _place_in_set(code):
    """The place (O, J) of each code among those of its set that are not -1, in order."""
    return code.argsort(axis=1, kind="stable").argsort(axis=1) - (code < 0).sum(axis=1, keepdims=True)


def _intercepts(panel, home, rng):
    """The intercept (D,) of each product in turn of the categories ``home`` (D,); -1 where it has none."""
    out = np.full(len(home), -1)
    for c in np.unique(home):
        category, at_home = panel.categories[c], home == c
        dummies = np.flatnonzero(category.intercept_of >= 0)
        of_product = np.full(len(category.product), -1)
        of_product[category.intercept_of[dummies]] = category.coefficient.start + dummies
        out[at_home] = of_product[each_in_turn(len(of_product), int(at_home.sum()), rng)]
    return out


def _sources(panel, predictor, order):
    """The coefficients (D, P) of predictors in the first category of an order (D, C) that has them."""
    starts = [category.coefficient.start for category in panel.categories]
    place = np.stack([category.predictor.get_indexer(predictor) for category in panel.categories])
    s = np.where(place >= 0, place + np.array(starts)[:, None], -1)[order]
    rank = (s >= 0).argmax(axis=1)
    return np.take_along_axis(s, rank[:, None], axis=1)[:, 0]


def _price(predictor, panel):
    place = np.flatnonzero(predictor == panel.roles.price) if panel.roles.price is not None else ()
    return int(place[0]) if len(place) else None


def _only(choices, which):
    """Some of the sets (O,); what they don't have stays None."""
    parts = {field.name: getattr(choices, field.name) for field in fields(choices)}
    return CategoryChoices(**{name: None if part is None else part[which] for name, part in parts.items()})
