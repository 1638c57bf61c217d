r"""Price elasticities of choice probabilities, from draws.

.. math::

    E_{jk} = \frac{\partial \log P_j}{\partial \log \text{price}_k} = b_k (1_{j = k} - P_k), \qquad
    b_k = \begin{cases} \beta_\text{price} & \text{log price} \\
    \beta_\text{price} \, \text{price}_k & \text{linear price} \end{cases}

Row = the alternative j that responds, ``price_of`` = the alternative k whose price changes. Over choice sets
they are weighted by probability, which makes them the elasticities of expected shares:

.. math::

    \frac{\partial \log \sum_o P_{oj}}{\partial \log \text{price}_k}
        = \frac{\sum_o P_{oj} E_{ojk}}{\sum_o P_{oj}}

Array names and axis order: D draws; in a category O choice sets, J slots, K products; b choice sets and d
draws of a block.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import refuse_without_column
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.predict import PlacedSets, probability_blocks
from hdfm.exceptions import InvalidArgumentError, InvalidDataError, unknown
from hdfm.factors.pieces import pieces
from hdfm.frames.columns import plain
from hdfm.frames.periods import in_time_order
from hdfm.summaries.intervals import summarise

INDEX = ("category", "product", "price_of")
SUMMARY = ("mean", "sd", "lower", "upper", "p_elastic")
TABLE_COLUMNS = (*SUMMARY, "before", "after", "change", "p_up")
TABLE_CELLS = 20_000_000
MOST_WORK = 10**10  # of cross elasticities that a fit computes unasked: a few seconds
OWN_NOTE = "own-price elasticities alone: elasticities() computes those of all pairs of products"
SET_ROLES = ("customer", "time", "choice_set")
SMALLEST = 1e-300  # a share that underflows still has an elasticity


def elasticity_table(
    draws: ChoiceDraws,
    placed: Iterable[PlacedSets],
    panel: ChoicePanel,
    ci_prob: float,
    groups: pd.DataFrame | None = None,
    *,
    own: bool = False,
) -> pd.DataFrame:
    """Own and cross price elasticities of expected shares.

    Parameters
    ----------
    placed : iterable of PlacedSets
        Choice sets at the prices of interest.
    groups : pandas.DataFrame, optional
        Labels of the choice sets, by position among all: a table for each of their combinations, such as
        :func:`set_labels` or segments of customers. Rows with missing labels are left out.
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
    if panel.roles.price is None:
        raise InvalidArgumentError("Elasticities need a price: name its column with price=.")
    names = [] if groups is None else list(groups.columns)
    index = [*INDEX, *names]
    tables = [
        _category_table(draws, sets, panel.roles.price_transform, ci_prob, groups, own)
        for sets in placed
        if sets.price is not None and len(sets.customer)
    ]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*index, *SUMMARY])
    table = table.set_index(index)
    table.attrs |= {"ci_prob": ci_prob} | ({"note": OWN_NOTE} if own else {})
    return table


def cross_work(draws: ChoiceDraws, placed: Iterable[PlacedSets]) -> int:
    """Products of draws, choice sets and pairs of products, summed over categories: see ``MOST_WORK``."""
    return draws.n_draws * sum(
        len(sets.customer) * len(sets.product) ** 2 for sets in placed if sets.price is not None
    )


def elasticity_draws(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray, price_transform: str, *, own: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Elasticities of the expected shares of some sets of a category.

    Parameters
    ----------
    which : numpy.ndarray
        Positions of the sets.
    price_transform : {"log", "linear"}
    own : bool
        Those of a product's own price alone.

    Yields
    ------
    j, k : numpy.ndarray
        Positions (n,) in ``sets.product`` of those that respond and those whose price changes.
    values : numpy.ndarray
        (n, D)
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
        for some in pieces(len(j), draws.n_draws):
            values = change[:, j[some], k[some]] / share[:, j[some]]
            yield present[j[some]], present[columns][k[some]], values.T


def column_pieces(draws: ChoiceDraws, K: int) -> Iterator[slice]:
    """Slices of the K products whose prices change: of so many the effects on all in every draw are held."""
    n = max(1, TABLE_CELLS // max(1, draws.n_draws * K))
    return (slice(first, min(first + n, K)) for first in range(0, K, n))


def set_labels(panel: ChoicePanel, by: Sequence[str], encoded: EncodedChoices | None = None) -> pd.DataFrame:
    """Labels of choice sets by role, a row for each position among all.

    Parameters
    ----------
    by : sequence of {"customer", "time", "choice_set"}
        Columns to make. Of ``INDEX``, which every table has, none is made.
    encoded : EncodedChoices, optional
        New sets; those of the fit by default.

    Raises
    ------
    InvalidArgumentError
        If a role is none of these.
    """
    wanted = [role for role in dict.fromkeys(by) if role not in INDEX]
    for role in wanted:
        if role not in SET_ROLES:
            raise InvalidArgumentError(f"by takes roles among {(*INDEX, *SET_ROLES)}; got {role!r}.")
        refuse_without_column(role, panel.roles)
    choice_set = panel.choice_set if encoded is None else encoded.choice_set
    choices = panel.choices if encoded is None else (*encoded.choices, encoded.unseen)
    customer, period = np.empty((2, len(choice_set)), dtype=int)
    for each in choices:
        customer[each.choice_set], period[each.choice_set] = each.customer, each.period
    labels = {"customer": panel.customer, "time": panel.period, "choice_set": choice_set}
    code = {"customer": customer, "time": period, "choice_set": np.arange(len(choice_set))}
    if encoded is not None:
        code["customer"] = np.where(customer < 0, len(panel.customer) + encoded.set_customer, customer)
        code["time"] = np.where(period < 0, len(panel.period) + encoded.set_period, period)
        labels["customer"] = panel.customer.append(encoded.customer)
        labels["time"] = panel.period.append(encoded.period)
    if not panel.period.is_monotonic_increasing:
        labels["time"] = in_time_order(labels["time"], labels["time"])
    for role in wanted:
        if role not in labels:
            raise unknown("by", role)
    return pd.DataFrame({role: labels[role][code[role]] for role in wanted}, index=range(len(choice_set)))


def labels_of_sets(
    panel: ChoicePanel,
    by: Sequence[str],
    placed: Iterable[PlacedSets],
    encoded: EncodedChoices | None,
    columns: pd.DataFrame | None,
) -> pd.DataFrame:
    """Labels as :func:`set_labels` gives them, and from ``columns`` of the rows of ``encoded``.

    Raises
    ------
    InvalidArgumentError
        If a name is no role and no column.
    InvalidDataError
        If a column changes within a choice set.
    """
    if columns is None or encoded is None:
        return set_labels(panel, by, encoded)
    labels = set_labels(panel, [name for name in by if name not in columns], encoded)
    for name in columns:
        code, values = pd.factorize(columns[name])
        of_set = np.full(len(labels), -1)
        for sets in placed:
            rows, there = sets.choices.row, sets.choices.row >= 0
            first = code[rows[np.arange(len(rows)), there.argmax(axis=1)]]
            changes = (there & (code[rows] != first[:, None])).any(axis=1)
            if changes.any():
                example = encoded.choice_set[sets.choices.choice_set[changes][0]]
                raise InvalidDataError(
                    f"Column {name!r} in by= changes within {int(changes.sum()):,} choice sets, such as "
                    f"{plain(example)!r}: it must be constant in a set."
                )
            of_set[sets.choices.choice_set] = first
        labels[name] = pd.Series(values).reindex(of_set).array
    return labels[[name for name in dict.fromkeys(by) if name in labels]]


def _category_table(draws, sets, price_transform, ci_prob, groups, own):
    """The rows of a category, sorted by product, ``price_of`` and group."""
    keys, parts = [], []
    for example, which in groups_of_sets(sets, groups):
        for j, k, values in elasticity_draws(draws, sets, which, price_transform, own=own):
            keys.append(np.stack([j, k, np.full(len(j), example)], axis=1))
            parts.append(summarise(values, pd.RangeIndex(len(j)), ci_prob)[list(SUMMARY)].to_numpy())
    if not keys:
        return pd.DataFrame()
    key, part = np.concatenate(keys), np.concatenate(parts)
    order = np.lexsort((key[:, 1], key[:, 0]))
    j, k, example = key[order].T
    table = pd.DataFrame({"category": sets.label, "product": sets.product[j], "price_of": sets.product[k]})
    if groups is not None:
        table = pd.concat([table, groups.iloc[example].reset_index(drop=True)], axis=1)
    return pd.concat([table, pd.DataFrame(part[order], columns=list(SUMMARY))], axis=1)


def groups_of_sets(sets: PlacedSets, groups: pd.DataFrame | None) -> list[tuple[int, np.ndarray]]:
    """Position of an example among all sets, and positions among these sets, of each group in order.

    Sets of weight 0 are in none.
    """
    counted = np.flatnonzero(sets.choices.times > 0)
    if groups is None or not len(groups.columns):
        return [(0, counted)] if len(counted) else []
    mine = groups.iloc[sets.choices.choice_set[counted]].reset_index(drop=True)
    by = mine.groupby(list(groups.columns), sort=True, observed=True, dropna=False)
    group = by.ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    order = order[group[order] >= 0]
    pieces = np.split(counted[order], np.flatnonzero(np.diff(group[order])) + 1)
    return [(sets.choices.choice_set[piece[0]], piece) for piece in pieces if len(piece)]


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
    own = np.arange(K)[columns]
    change, share = np.zeros((draws.n_draws, K, len(own))), np.zeros((draws.n_draws, K))
    for some, P, counted, moved in _moving_blocks(draws, sets, which, price_transform):
        # Draws first, for BLAS: a matrix product over the sets of a block in each draw.
        P = np.ascontiguousarray(P.transpose(2, 0, 1))
        moved = np.ascontiguousarray(moved.transpose(2, 0, 1)[..., columns])
        change[some] -= P.transpose(0, 2, 1) @ moved
        change[some, own, np.arange(len(own))] += moved.sum(axis=1)
        share[some] += counted.sum(axis=0).T
    return draws.of_posterior(change), draws.of_posterior(share)


def own_changes(
    draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray, price_transform: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the sets ``which`` of P_j E_jj (D, K) and of P_j (D, K): a diagonal of share_changes."""
    K = len(products_of_sets(sets, which)[0])
    change, share = np.zeros((2, draws.n_draws, K))
    for some, P, counted, moved in _moving_blocks(draws, sets, which, price_transform):
        change[some] += (moved * (1 - P)).sum(axis=0).T
        share[some] += counted.sum(axis=0).T
    return draws.of_posterior(change), draws.of_posterior(share)


def _moving_blocks(draws, sets, which, price_transform):
    """Some draws, P_j (b, K, d) of the products of some sets, w P_j and the w b_j P_j of their prices.

    Sets count as often as w (b,).
    """
    present, local = products_of_sets(sets, which)
    K, position = len(present), np.empty(len(sets.customer), dtype=int)
    position[which] = np.arange(len(which))
    for piece, some, p in probability_blocks(draws, sets, which):
        np.maximum(p, SMALLEST, out=p)
        p[~sets.choices.mask[piece]] = 0
        slots, slope = local[position[piece]], price_coefficients(draws, sets, piece, some)[:, None]
        P = by_product(p, slots, K)
        match price_transform:
            case "log":
                moved = P * slope
            case "linear":
                moved = by_product(p * (slope * sets.choices.x[piece, :, sets.price, None]), slots, K)
            case _:
                raise unknown("price_transform", price_transform)
        if sets.choices.weight is None:
            yield some, P, P, moved
        else:
            w = sets.choices.weight[piece, None, None]
            yield some, P, w * P, w * moved


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
