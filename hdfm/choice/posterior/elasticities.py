r"""Price elasticities of choice probabilities, from draws.

.. math::

    E_{jk} = \frac{\partial \log P_j}{\partial \log \text{price}_k} = b_k (1_{j = k} - P_k), \qquad
    b_k = \begin{cases} \beta_\text{price} & \text{log price} \\
    \beta_\text{price} \, \text{price}_k & \text{linear price} \end{cases}

for a logit [1]_, in per cent of probability a per cent of price: own elasticities where j = k, else cross
elasticities. Row = the alternative j that responds, ``price_of`` = the alternative k whose price changes.
Over choice sets they are weighted by probability, which makes them the elasticities of expected shares:

.. math::

    \frac{\partial \log \sum_o P_{oj}}{\partial \log \text{price}_k}
        = \frac{\sum_o P_{oj} E_{ojk}}{\sum_o P_{oj}}

Array names and axis order: D draws; in a category O choice sets, J slots, K products; b choice sets and d
draws of a block.

References
----------
.. [1] Train (2009), "Discrete Choice Methods with Simulation", section 3.6.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.labels import INDEX, groups_of_sets
from hdfm.choice.posterior.market import Market
from hdfm.choice.posterior.placement import PlacedSets
from hdfm.choice.posterior.predict import probability_blocks
from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.factors.pieces import pieces
from hdfm.summaries.intervals import summarise

SUMMARY = ("mean", "sd", "lower", "upper", "p_elastic")
TABLE_COLUMNS = (*SUMMARY, "before", "after", "change", "p_up")
TABLE_CELLS = 20_000_000
MOST_WORK = 10**10  # of cross elasticities that a fit computes unasked: a few seconds
OWN_NOTE = "own-price elasticities alone: elasticities() computes those of all pairs of products"
SMALLEST = 1e-300  # a share that underflows still has an elasticity


def elasticity_table(market: Market, ci_prob: float, *, own: bool = False) -> pd.DataFrame:
    """Own and cross price elasticities of expected shares, summaries of :func:`elasticity_draws`.

    Parameters
    ----------
    market : Market
        Choice sets at the prices of interest, a table for each of its groups. Sets with missing labels are
        left out.
    own : bool
        Own elasticities alone, without the work of the others; ``attrs["note"]`` then says so.

    Returns
    -------
    pandas.DataFrame
        Index ``category``, ``product``, ``price_of``, then the columns of ``groups``; ``mean``, ``sd``,
        ``lower``, ``upper`` (equal-tailed) and ``p_elastic``, the probability of an elasticity below -1.
        Products that never meet in a choice set, and categories without a price coefficient, have no row.

    Raises
    ------
    InvalidArgumentError
        If the model has no price.
    """
    if market.panel.roles.price is None:
        raise InvalidArgumentError("Elasticities need a price: name its column with price=.")
    index = [*INDEX, *market.groups.columns]
    tables = [
        _category_table(market, sets, ci_prob, own)
        for sets in market.sets
        if sets.price is not None and len(sets.customer)
    ]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*index, *SUMMARY])
    table = table.set_index(index)
    table.attrs |= {"ci_prob": ci_prob} | ({"note": OWN_NOTE} if own else {})
    return table


def cross_work(market: Market) -> int:
    """Products of draws, choice sets and pairs of products, summed over categories: see ``MOST_WORK``."""
    return market.draws.n_draws * sum(
        len(sets.customer) * len(sets.product) ** 2 for sets in market.sets if sets.price is not None
    )


def elasticity_draws(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray, price_transform: str, *, own: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    r"""Own and cross price elasticities of the expected shares of some sets of a category, draw by draw.

    .. math::

        E_{jk} = \frac{\partial \log \sum_o w_o P_{oj}}{\partial \log \text{price}_k}
            = \frac{\sum_o w_o P_{oj} b_{ok} (1_{j = k} - P_{ok})}{\sum_o w_o P_{oj}}, \qquad
        b_{ok} = \begin{cases} \beta_{o, \text{price}} & \text{log price} \\
            \beta_{o, \text{price}} \, \text{price}_{ok} & \text{linear price} \end{cases}

    of logit probabilities P [1]_, where sets count w_o times: in per cent of product j's share a per cent of
    product k's price, in all sets at once. Own elasticities where j = k, else cross elasticities.

    Parameters
    ----------
    which : numpy.ndarray
        Positions (o,) of the sets.
    price_transform : {"log", "linear"}
    own : bool
        Those of a product's own price alone.

    Yields
    ------
    j, k : numpy.ndarray
        Positions (n,) in ``sets.product`` of those that respond and those whose price changes.
    values : numpy.ndarray
        (n, D)

    References
    ----------
    .. [1] Train (2009), "Discrete Choice Methods with Simulation", section 3.6.
    """
    present, local = products_of_sets(sets, which)
    if own:
        change, share = own_changes(draws, sets, which, price_transform)
        yield present, present, (change / share).T
        return
    meets = by_product(sets.choices.mask[which].astype(float), local, len(present)) > 0
    meets = meets.T.astype(float) @ meets > 0
    for columns in column_pieces(draws, len(present)):
        change, share = share_changes(draws, sets, which, columns, price_transform)
        j, k = np.nonzero(meets[:, columns])
        for piece in pieces(len(j), draws.n_draws):
            values = change[:, j[piece], k[piece]] / share[:, j[piece]]
            yield present[j[piece]], present[columns][k[piece]], values.T


def column_pieces(draws: ChoiceDraws, K: int) -> Iterator[slice]:
    """Slices of the K products whose prices change: of so many the effects on all in every draw are held."""
    n = max(1, TABLE_CELLS // max(1, draws.n_draws * K))
    return (slice(start, min(start + n, K)) for start in range(0, K, n))


def _category_table(market, sets, ci_prob, own):
    """The rows of a category, sorted by product, ``price_of`` and group."""
    keys, parts, price_transform = [], [], market.panel.roles.price_transform
    for example, which in groups_of_sets(sets, market.groups):
        for j, k, values in elasticity_draws(market.draws, sets, which, price_transform, own=own):
            keys.append(np.stack([j, k, np.full(len(j), example)], axis=1))
            parts.append(summarise(values, pd.RangeIndex(len(j)), ci_prob)[list(SUMMARY)].to_numpy())
    if not keys:
        return pd.DataFrame()
    key, part = np.concatenate(keys), np.concatenate(parts)
    order = np.lexsort((key[:, 1], key[:, 0]))
    j, k, example = key[order].T
    table = pd.DataFrame({"category": sets.label, "product": sets.product[j], "price_of": sets.product[k]})
    labels = market.groups.iloc[example].reset_index(drop=True)
    return pd.concat([table, labels, pd.DataFrame(part[order], columns=list(SUMMARY))], axis=1)


def products_of_sets(sets: PlacedSets, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products (K,) of the sets ``which``, and the place of each of their alternatives (o, J) among them.

    A slot that is not available has the place of another set's product there, so that a slot of one product
    is seen to be that.
    """
    mask = sets.choices.mask[which]
    present, slot = np.unique(sets.code[which][mask], return_inverse=True)
    local = np.zeros(mask.shape, dtype=int)
    local[mask] = slot
    return present, np.where(mask, local, local.max(axis=0, initial=0))


def share_changes(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray, columns: slice, price_transform: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the sets ``which`` of P_j E_jk (D, K, columns) and of P_j (D, K), as often as sets count."""
    K = len(products_of_sets(sets, which)[0])
    k = np.arange(K)[columns]
    change, share = np.zeros((draws.n_draws, K, len(k))), np.zeros((draws.n_draws, K))
    for draw, P, counted, moved in _moving_blocks(draws, sets, which, price_transform):
        # Draws first, for BLAS: a matrix product over the sets of a block in each draw.
        P = np.ascontiguousarray(P.transpose(2, 0, 1))
        moved = np.ascontiguousarray(moved.transpose(2, 0, 1)[..., columns])
        change[draw] -= P.transpose(0, 2, 1) @ moved
        change[draw, k, np.arange(len(k))] += moved.sum(axis=1)
        share[draw] += counted.sum(axis=0).T
    return draws.of_posterior(change), draws.of_posterior(share)


def own_changes(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray, price_transform: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the sets ``which`` of P_j E_jj (D, K) and of P_j (D, K): a diagonal of share_changes."""
    K = len(products_of_sets(sets, which)[0])
    change, share = np.zeros((2, draws.n_draws, K))
    for draw, P, counted, moved in _moving_blocks(draws, sets, which, price_transform):
        change[draw] += (moved * (1 - P)).sum(axis=0).T
        share[draw] += counted.sum(axis=0).T
    return draws.of_posterior(change), draws.of_posterior(share)


def _moving_blocks(draws, sets, which, price_transform):
    """Some draws, P_j (b, K, d) of the products of some sets, w P_j and the w b_j P_j of their prices.

    Sets count as often as w (b,).
    """
    present, local = products_of_sets(sets, which)
    K, position = len(present), np.empty(len(sets.customer), dtype=int)
    position[which] = np.arange(len(which))
    for piece, draw, p in probability_blocks(draws, sets, which):
        np.maximum(p, SMALLEST, out=p)
        p[~sets.choices.mask[piece]] = 0
        slots, slope = local[position[piece]], price_coefficients(draws, sets, piece, draw)[:, None]
        P = by_product(p, slots, K)
        match price_transform:
            case "log":
                moved = P * slope
            case "linear":
                moved = by_product(p * (slope * sets.choices.x[piece, :, sets.price, None]), slots, K)
            case _:
                raise unknown("price_transform", price_transform)
        if sets.choices.weight is None:
            yield draw, P, P, moved
        else:
            w = sets.choices.weight[piece, None, None]
            yield draw, P, w * P, w * moved


def price_coefficients(draws: ChoiceDraws, sets: PlacedSets, piece: np.ndarray, some: slice) -> np.ndarray:
    """Coefficients (b, d) of the price of some sets in some draws."""
    source = sets.source
    if isinstance(source, slice):
        s = np.full(draws.n_draws, source.start + sets.price)
    else:
        s = source[:, sets.price]
    return draws.borrowed(s, sets.customer[piece], sets.period[piece], some).T


def by_product(values: np.ndarray, local: np.ndarray, K: int) -> np.ndarray:
    """Sums (b, K, ...) over the slots (b, J, ...) of each product; the values where a slot is a product."""
    if values.shape[1] == K and (local == np.arange(K)).all():
        return values
    out = np.zeros((len(values), K, *values.shape[2:]))
    for j, k in enumerate(local.T):
        if (k == k[0]).all():
            out[:, k[0]] += values[:, j]
        else:
            out[np.arange(len(values)), k] += values[:, j]
    return out
