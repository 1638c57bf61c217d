r"""Expected shares of choices, what a scenario does to them, and where choices divert to.

.. math:: S_j = \frac{1}{O} \sum_o P_o(j)

Array names and axis order: D draws; in a category O choice sets, J slots, K products.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import OUTSIDE_LABEL, ChoiceRoles
from hdfm.choice.posterior.draws import ChoiceDraws
from hdfm.choice.posterior.elasticities import (
    by_product,
    column_pieces,
    groups_of_sets,
    products_of_sets,
    share_changes,
)
from hdfm.choice.posterior.predict import PlacedSets, probability_blocks
from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.factors.pieces import PIECE_CELLS
from hdfm.frames.columns import as_floats, examples, shown, single_column, sorted_labels
from hdfm.frames.read import in_pandas, refuse_other_rows
from hdfm.summaries.intervals import summarise

Key = tuple[Any, ...]


def share_table(
    draws: ChoiceDraws, placed: Iterable[PlacedSets], groups: pd.DataFrame, ci_prob: float
) -> pd.DataFrame:
    """Expected shares of choices.

    Parameters
    ----------
    groups : pandas.DataFrame
        Labels of the choice sets, by position among all: shares for each of their combinations.

    Returns
    -------
    pandas.DataFrame
        Index ``category``, ``product`` and the columns of ``groups``; ``mean``, ``sd``, ``lower``,
        ``upper``. The outside option is the product "(none)".
    """
    shares = (
        ((*key, product), share)
        for key, (sets, which) in _groups(placed, groups).items()
        for product, share in share_draws(draws, sets, which).items()
    )
    return _table(shares, ["category", *groups.columns, "product"], ["mean", "sd", "lower", "upper"], ci_prob)


def counterfactual_table(
    draws: tuple[ChoiceDraws, ChoiceDraws],
    placed: tuple[Iterable[PlacedSets], Iterable[PlacedSets]],
    groups: tuple[pd.DataFrame, pd.DataFrame],
    ci_prob: float,
) -> pd.DataFrame:
    """Expected shares before and after, and the posterior of the change, draw by draw.

    Returns
    -------
    pandas.DataFrame
        Index as in :func:`share_table`; ``before``, ``after`` (posterior means), ``change`` (mean of after
        less before), its ``sd``, ``lower``, ``upper``, and ``p_up``, the probability that the share rises.
        A product in one of the two only has a share of 0 in the other.
    """
    names = ["category", *groups[0].columns, "product"]
    sides = [_groups(*each) for each in zip(placed, groups, strict=True)]
    means: dict[Key, list[float]] = {}

    def changes() -> Iterator[tuple[Key, np.ndarray]]:
        nothing = np.zeros(1)
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            before, after = (
                share_draws(drawn, *side[key]) if key in side else {}
                for drawn, side in zip(draws, sides, strict=True)
            )
            for product in dict.fromkeys([*before, *after]):
                pair = before.get(product, nothing), after.get(product, nothing)
                means[*key, product] = [share.mean() for share in pair]
                yield (*key, product), pair[1] - pair[0]

    table = _table(changes(), names, ["mean", "sd", "lower", "upper", "p_positive"], ci_prob)
    table = table.rename(columns={"mean": "change", "p_positive": "p_up"})
    keys = [_key([row[0], *row[2:], row[1]]) for row in table.index]
    for k, name in enumerate(("before", "after")):
        table.insert(k, name, np.array([means[key][k] for key in keys], dtype=float))
    return table


def diversion_table(
    draws: ChoiceDraws, placed: Iterable[PlacedSets], panel: ChoicePanel, ci_prob: float
) -> pd.DataFrame:
    r"""Where the choices go that a product loses when its price rises a little.

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
    if panel.roles.price is None:
        raise InvalidArgumentError("Diversion needs a price: name its column with price=.")
    ratios = (each for sets in placed for each in _ratios(draws, sets, panel.roles.price_transform))
    return _table(ratios, ["category", "product", "to"], ["mean", "sd", "lower", "upper"], ci_prob)


def _ratios(draws, sets, price_transform):
    """(category, product that loses, to) and draws (D,) of its share of the loss."""
    if sets.price is None or not len(sets.customer):
        return
    which = np.flatnonzero(sets.choices.times > 0)
    present, _ = products_of_sets(sets, which)
    for columns in column_pieces(draws, len(present)):
        change, _ = share_changes(draws, sets, which, columns, price_transform)
        for place, j in enumerate(range(columns.start, columns.stop)):
            own = change[:, j, place]
            if not (own != 0).all():
                continue
            kept = np.ones(len(own))
            for k in range(len(present)):
                if k != j:
                    ratio = -change[:, k, place] / own
                    yield (sets.label, sets.product[present[j]], sets.product[present[k]]), ratio
                    kept -= ratio
            if sets.outside:
                yield (sets.label, sets.product[present[j]], OUTSIDE_LABEL), kept


def scenario(
    X: pd.DataFrame,
    changes: dict[str, Any] | pd.DataFrame,
    panel: ChoicePanel,
    rows: np.ndarray,
    *,
    labelled: bool = True,
) -> pd.DataFrame:
    """X with changes to the rows in ``rows`` (n,).

    A number multiplies the price and sets any other column; an array of new values replaces a column, a
    Series does by its index where that is X's; a function is called with the column; a frame is the
    scenario itself.

    Parameters
    ----------
    labelled : bool
        Whether X came with row labels of its own; without, a Series belongs to it by position.

    Raises
    ------
    InvalidArgumentError
        If ``changes`` is neither, the values don't fit, or the model has no use for what is changed.
    InvalidDataError
        If X has no such column, or labels of a Series are in part those of X.
    """
    if isinstance(changes, pd.DataFrame):
        _refuse_missing(X, changes, panel.roles)
        _refuse_no_change(X, changes, panel.roles)
        return changes
    if not isinstance(changes, dict) or not changes:
        raise InvalidArgumentError(
            f'changes must map columns to changes, as in {{"price": 0.9}}, or be a frame; got {changes!r}.'
        )
    changed = X.copy()
    for name, change in changes.items():
        column = single_column(X, name)
        _refuse_without_effect(name, panel)
        values = _changed(column, change, labelled, multiply=name == panel.roles.price)
        if np.ndim(values) and len(values) != len(X):
            raise InvalidArgumentError(
                f"changes[{name!r}] has {len(values):,} values for {len(X):,} rows of X."
            )
        changed[name] = _replaced(column, rows, values)
    return changed


def _refuse_missing(X: pd.DataFrame, after: pd.DataFrame, roles: ChoiceRoles) -> None:
    """Raise if a scenario lacks a column with a role that X has."""
    missing = [name for name in roles.columns if name in X and name not in after]
    if missing:
        raise InvalidDataError(
            f"The scenario has no column {missing[0]!r}, which has a role in the model and stands in X. A "
            "frame is the whole scenario: begin with X.copy(), and change columns of that."
        )


def _refuse_without_effect(name: str, panel: ChoicePanel) -> None:
    """Raise if a column has no role, or is a predictor of no category."""
    roles = panel.roles
    if name not in roles.columns:
        raise InvalidArgumentError(
            f"changes[{name!r}]: the column has no role in the model, which does not look at it. Columns "
            f"with a role are {list(roles.columns)}; to know its effect, fit with it among features=."
        )
    if name in roles.predictors and not any(name in each.predictor for each in panel.categories):
        raise InvalidArgumentError(
            f"changes[{name!r}]: the column never varied in the fit, which has no coefficient for it."
        )


def _refuse_no_change(X: pd.DataFrame, after: pd.DataFrame, roles: ChoiceRoles) -> None:
    """Raise if a scenario differs from X in columns alone that have no role."""
    used = [name for name in roles.columns if name in X and name in after]
    if after[used].equals(X[used]) and not after.equals(X):
        others = [name for name in after if name not in used]
        differing = [name for name in others if name not in X or not after[name].equals(X[name])]
        raise InvalidArgumentError(
            f"The scenario differs from X in columns without a role alone ({examples(differing)}), which the "
            f"model does not look at. Columns with a role are {used}."
        )


def _changed(column, change, labelled, *, multiply):
    """What a change makes of a column: values by row, in the order of the column, or one value."""
    what = f"changes[{column.name!r}]"
    given = change(column) if callable(change) else change
    values = in_pandas(given)
    if isinstance(values, pd.DataFrame) or np.ndim(values) > 1:
        raise InvalidArgumentError(f"{what} takes one value per row; got {shown(values)} of two dimensions.")
    if isinstance(values, pd.Series) and labelled != (values is given):
        return values.to_numpy()
    if isinstance(values, pd.Series):
        unique = column.index.is_unique and values.index.is_unique
        if unique and set(values.index) == set(column.index):
            return values.reindex(column.index)
        refuse_other_rows(column, values, what)
        return values
    if not multiply or callable(change) or np.ndim(values):
        return values
    if not isinstance(values, Number):
        raise InvalidArgumentError(f"{what} multiplies the price and must be a number; got {shown(values)}.")
    return as_floats(column, "price") * float(values)


def _replaced(column, rows, values):
    """The column with other values in some rows, of a type that holds both; categories stay if they can."""
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"
    held = column if is_plain else column.astype(object)
    out = held.where(~rows, np.asarray(values) if np.ndim(values) else values)
    categorical = isinstance(column.dtype, pd.CategoricalDtype)
    if categorical and out.isin(column.cat.categories).all():
        return out.astype(column.dtype)
    return out.infer_objects()


def share_draws(draws: ChoiceDraws, sets: PlacedSets, which: np.ndarray) -> dict[Hashable, np.ndarray]:
    """Draws (D,), of copies of one their mean (1,), of the share of each product in some sets.

    Sets count as often as their weights say.
    """
    present, local = products_of_sets(sets, which)
    position = np.empty(len(sets.customer), dtype=int)
    position[which] = np.arange(len(which))
    share = np.zeros((draws.n_draws, len(present)))
    for piece, some, p in probability_blocks(draws, sets, which):
        P = by_product(p, local[position[piece]], len(present))
        if sets.choices.weight is not None:
            P = P * sets.choices.weight[piece, None, None]
        share[some] += P.sum(axis=0).T
    share = draws.of_posterior(share / sets.choices.times[which].sum())
    out = {sets.product[product]: share[:, k] for k, product in enumerate(present)}
    return out | ({OUTSIDE_LABEL: 1 - share.sum(axis=1)} if sets.outside else {})


def _groups(placed, groups):
    """The sets, and which of them, of each (category, *group)."""
    return {
        _key([sets.label, *groups.iloc[example]]): (sets, which)
        for sets in placed
        if len(sets.customer)
        for example, which in groups_of_sets(sets, groups)
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
