r"""Expected shares of choices, what a change does to them, and where choices divert to.

.. math:: S_j = \frac{1}{O} \sum_o P_o(j)

Array names and axis order: D draws; in a category O choice sets, J slots, K products.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hdfm.choice.panel.roles import OUTSIDE_LABEL
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.elasticities import by_product, column_pieces, products_of_sets, share_changes
from hdfm.choice.posterior.labels import groups_of_sets
from hdfm.choice.posterior.market import Market
from hdfm.choice.posterior.placement import PlacedSets
from hdfm.choice.posterior.predict import probability_blocks
from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.pieces import PIECE_CELLS
from hdfm.frames.columns import sorted_labels
from hdfm.summaries.intervals import summarise

Key = tuple[Any, ...]


def share_table(market: Market, ci_prob: float) -> pd.DataFrame:
    """Expected shares of choices, for each group of the market.

    Returns
    -------
    pandas.DataFrame
        Index ``category``, ``product`` and the columns of the market's groups; ``mean``, ``sd``, ``lower``,
        ``upper``. The outside option is the product "(none)".
    """
    shares = (
        ((*key, product), share)
        for key, (sets, which) in _groups(market).items()
        for product, share in share_draws(market.draws, sets, which).items()
    )
    return _table(shares, _names(market), ["mean", "sd", "lower", "upper"], ci_prob)


def counterfactual_table(before: Market, after: Market, ci_prob: float) -> pd.DataFrame:
    """Expected shares before and after, and the posterior of the change, draw by draw.

    Returns
    -------
    pandas.DataFrame
        Index as in :func:`share_table`; ``before``, ``after`` (posterior means), ``change`` (mean of after
        less before), its ``sd``, ``lower``, ``upper``, and ``p_up``, the probability that the share rises.
        A product in one of the two only has a share of 0 in the other.
    """
    sides = [(market.draws, _groups(market)) for market in (before, after)]
    means: dict[Key, list[float]] = {}

    def changes() -> Iterator[tuple[Key, np.ndarray]]:
        nothing = np.zeros(1)
        for key in dict.fromkeys([*sides[0][1], *sides[1][1]]):
            old_shares, new_shares = (
                share_draws(draws, *groups[key]) if key in groups else {} for draws, groups in sides
            )
            for product in dict.fromkeys([*old_shares, *new_shares]):
                pair = old_shares.get(product, nothing), new_shares.get(product, nothing)
                means[*key, product] = [share.mean() for share in pair]
                yield (*key, product), pair[1] - pair[0]

    table = _table(changes(), _names(before), ["mean", "sd", "lower", "upper", "p_positive"], ci_prob)
    table = table.rename(columns={"mean": "change", "p_positive": "p_up"})
    keys = [_key([row[0], *row[2:], row[1]]) for row in table.index]
    for k, name in enumerate(("before", "after")):
        table.insert(k, name, np.array([means[key][k] for key in keys], dtype=float))
    return table


def diversion_table(market: Market, ci_prob: float) -> pd.DataFrame:
    r"""Diversion ratios: where the choices go that a product loses when its price rises a little.

    .. math:: D_{j \to k} = - \frac{\partial S_k / \partial \log \text{price}_j}
        {\partial S_j / \partial \log \text{price}_j}

    Returns
    -------
    pandas.DataFrame
        Index ``category``, ``product`` (that loses) and ``to``; ``mean``, ``sd``, ``lower``, ``upper``.
        The rows of a product add up to 1; what is left goes to "(none)", the outside option. A product
        that loses nothing, since it is the only option wherever it stands, has none.

    Raises
    ------
    InvalidArgumentError
        If the model has no price.
    """
    roles = market.panel.roles
    if roles.price is None:
        raise InvalidArgumentError("Diversion needs a price: name its column with price=.")
    ratios = (ratio for sets in market.sets for ratio in _ratios(market.draws, sets, roles.price_transform))
    return _table(ratios, ["category", "product", "to"], ["mean", "sd", "lower", "upper"], ci_prob)


def _ratios(draws, sets, price_transform):
    """Diversion ratios (D,), by (category, product that loses, to): shares of the loss."""
    if sets.price is None or not len(sets.customer):
        return
    which = np.flatnonzero(sets.choices.times > 0)
    present, _ = products_of_sets(sets, which)
    for columns in column_pieces(draws, len(present)):
        change, _ = share_changes(draws, sets, which, columns, price_transform)
        for place, j in enumerate(range(columns.start, columns.stop)):
            own_change = change[:, j, place]
            if not (own_change != 0).all():
                continue
            outside_ratio = np.ones(len(own_change))
            for k in range(len(present)):
                if k != j:
                    ratio = -change[:, k, place] / own_change
                    yield (sets.label, sets.product[present[j]], sets.product[present[k]]), ratio
                    outside_ratio -= ratio
            if sets.outside:
                yield (sets.label, sets.product[present[j]], OUTSIDE_LABEL), outside_ratio


def share_draws(draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray) -> dict[Hashable, np.ndarray]:
    """Draws (D,), of copies of one their mean (1,), of the share of each product in some sets.

    Sets count as often as their weights say.
    """
    present, local = products_of_sets(sets, which)
    position = np.empty(len(sets.customer), dtype=int)
    position[which] = np.arange(len(which))
    share = np.zeros((draws.n_draws, len(present)))
    for piece, draw, p in probability_blocks(draws, sets, which):
        P = by_product(p, local[position[piece]], len(present))
        if sets.choices.weight is not None:
            P = P * sets.choices.weight[piece, None, None]
        share[draw] += P.sum(axis=0).T
    share = draws.of_posterior(share / sets.choices.times[which].sum())
    out = {sets.product[product]: share[:, k] for k, product in enumerate(present)}
    return out | ({OUTSIDE_LABEL: 1 - share.sum(axis=1)} if sets.outside else {})


def _names(market):
    """What keys of shares are called."""
    return ["category", *market.groups.columns, "product"]


def _groups(market):
    """The sets, and which of them, of each (category, *group)."""
    return {
        _key([sets.label, *market.groups.iloc[example]]): (sets, which)
        for sets in market.sets
        if len(sets.customer)
        for example, which in groups_of_sets(sets, market.groups)
    }


def _table(
    values: Iterable[tuple[Key, np.ndarray]], names: list[str], columns: Sequence[str], ci_prob: float
):
    """Summaries of draws (D,) by key, as many at a time as are read, with the product second in the index."""
    keys: list[Key] = []
    rows, waiting = [], []
    for key, value in values:
        keys.append(key)
        waiting.append(value)
        if len(waiting) * len(value) >= PIECE_CELLS:
            rows.append(_summaries(waiting, columns, ci_prob))
            waiting = []
    if waiting:
        rows.append(_summaries(waiting, columns, ci_prob))
    if not keys:
        index = pd.MultiIndex.from_arrays([[] for _ in names], names=names)
        return pd.DataFrame(columns=list(columns), index=index, dtype=float)
    table = pd.concat(rows).set_index(pd.MultiIndex.from_tuples(keys, names=names))
    if "to" not in names:
        table = table.reorder_levels(["category", "product", *names[1:-1]])
    table = table.sort_index(
        level=["category", "product"], sort_remaining=False, kind="stable", key=_outside_first
    )
    table.attrs["ci_prob"] = ci_prob
    return table


def _outside_first(labels):
    """Ranks (n,) of labels in order, the outside option's, which is text among labels of any kind, first."""
    return pd.Index(sorted_labels(pd.Series(labels[labels != OUTSIDE_LABEL])).get_indexer(labels))


def _key(values: Iterable) -> Key:
    """Labels as a key, in which missing ones equal each other."""
    return tuple(np.nan if pd.api.types.is_scalar(value) and pd.isna(value) else value for value in values)


def _summaries(waiting, columns, ci_prob):
    return summarise(np.stack(waiting), pd.RangeIndex(len(waiting)), ci_prob)[list(columns)]
