"""Parts of the periods, fitted apart and compared: do intervals hold, where no truth is known?"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from hdfm.exceptions import (
    DataWarning,
    HdfmError,
    InterruptedSamplingWarning,
    InvalidArgumentError,
    InvalidDataError,
    warn_caller,
)
from hdfm.frames.periods import read_time
from hdfm.frames.read import both_in_pandas, check_same_rows, refuse_name
from hdfm.model_selection.ahead import rows_at
from hdfm.model_selection.splitters import check_count, column_of
from hdfm.sales.estimator import HierarchicalElasticity
from hdfm.sales.posterior.draws import DemandPosterior
from hdfm.sales.posterior.levels import pooled_levels
from hdfm.sales.posterior.predict import replicated_units
from hdfm.sampling.streams import Stream, stream
from hdfm.summaries.agreement import PooledLevel, agreement_table, aligned, standardised_gaps

LEAST_PERIODS = 2  # of a part
HALVES = "halves"


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the periods: what messages call them, and the positions (n,) of their rows."""

    name: str
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class PartFit:
    """What is kept of the fit to a part: its levels, and its warnings, findings about data aside."""

    levels: tuple[PooledLevel, ...]
    said: tuple[tuple[type[Warning], str], ...]


Splits = dict[str, tuple[Part, Part]]


def split_time_check(
    model: HierarchicalElasticity,
    X: Any,
    y: Any,
    *,
    blocks: Sequence[int] | None = None,
    copies: int = 20,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    r"""Do intervals of elasticities hold on these data? A check that needs no truth.

    Periods are split in two, each part is fitted apart, and each product's two elasticities are compared:

    .. math::

        z_i = \frac{\tilde b_{i1} - \tilde b_{i2}}
            {\sqrt{w_{i1} s_{i1}^2 + w_{i2} s_{i2}^2 + (w_{i1} - w_{i2})^2 \tau^2}}, \qquad
        w_{ik} = 1 - s_{ik}^2 / \tau_k^2, \qquad
        \tilde b_{ik} = b_{ik} + (1 - w_{ik}) (\bar m_i - m_{ik})

    where b is the posterior mean of part k, s^2 the posterior variance given the mean m of the product's
    group, tau^2 the variance of products about that mean, and w, one less shrinkage, the weight of the
    product's own data. The prior pulls both posterior means together, hence the weights, which take it out
    of z; and both are shrunk to one group mean, the mean of the parts' two. So z has a variance of 1 where
    the model is right and errors of the parts have nothing in common: see
    :func:`hdfm.summaries.agreement.standardised_gaps` for the derivation. Groups are compared about the level
    above them, and the overall elasticity about its prior, in the same way.

    The figure to look at is the *ratio* of the root mean square of z to that of copies of the data,
    drawn from the fit to all of them and put through the same. For 1 is not the yardstick [1]_: both parts
    have the same products, which are part of a group's error; neighbouring weeks share demand; few units
    make approximate posteriors a little too narrow; scales are estimated anew in each part. All of this is
    in copies too. A ratio of 1.2 says that estimates scatter 1.2 times as much as the model says they do, and
    that intervals should be as much wider.

    Splits differ in what they see. Halves find what moves slowly or trends, such as elasticities of last year
    and this; blocks that alternate find noise that lasts about as long as they do. Errors that both parts
    share leave no gap between them: where noise wanders, single periods that alternate have a ratio
    below 1 while halves have one above, and what is wrong all along, such as prices that follow demand, shows
    on no split.

    Parameters
    ----------
    model : HierarchicalElasticity
        With a time and a price column; clones of it are fitted, ``checkpoint`` aside.
    X : pandas.DataFrame
        As in the model's ``fit``, with 4 periods or more.
    y : array-like of shape (n_rows,)
        As in the model's ``fit``.
    blocks : sequence of int, optional
        Lengths, in periods of X, of the blocks that alternate between the parts, a split each beside the
        halves; () for the halves alone. By default a quarter and a thirteenth of the T periods and 1: 13, 4
        and 1 of 53 weeks.
    copies : int
        Copies of the data, 2 or more. There are 1 + 2 (1 + ``copies``) (1 + ``len(blocks)``) fits in all,
        those of parts to half of the data each: minutes to hours with ``inference="laplace"``, and as many
        runs of NUTS, which take days, with "nuts".
    n_jobs : int, optional
        Fits at a time, as in scikit-learn.

    Returns
    -------
    pandas.DataFrame
        By ``split`` ("halves", "blocks of 13", ...) and ``level`` (the product column, those of groups from
        the finest, "global"): ``n`` members compared; ``left_out``, which are not in both parts, or whose w
        is below .05 in one; ``z``, root mean square of the data; ``z_copies``, the mean of those of copies;
        ``ratio``; its standard errors ``se``, by a bootstrap over members, and ``se_copies``, the spread of
        the ratio among copies, which knows that members depend on each other, and is all there is where
        members are few; ``verdict``, of the ratio with the larger of the two. ``attrs["verdict"]`` says what
        there is to say of products. There is no bootstrap over periods, which would need its own fits.

    Raises
    ------
    InvalidArgumentError
        If the model is another, or has no time or price column, or blocks leave a part without two periods.
    InvalidDataError
        If there are fewer than 4 periods, or a fit fails, of which the message names the part.

    Notes
    -----
    Random numbers follow from the model's ``random_state``: an int gives the same table twice. Parts know
    nothing of each other, their scales and group means are their own. With ``sign="negative"`` elasticities
    are compared before the bound, where the hierarchy is normal. Findings about the data are those of the
    fit to all of them; other warnings of the parts' fits are counted and told in one.

    References
    ----------
    .. [1] Gelman, Meng, Stern (1996), "Posterior predictive assessment of model fitness via realized
       discrepancies", Statistica Sinica 6(4).

    Examples
    --------
    >>> from hdfm import HierarchicalElasticity
    >>> from hdfm.datasets import simulate_sales
    >>> from hdfm.model_selection import split_time_check
    >>> sales = simulate_sales(8, 2, 8, seed=366)
    >>> model = HierarchicalElasticity(
    ...     "product", "category", "time_period", "price", likelihood="poisson", inference="laplace",
    ...     draws=50, progressbar=False,
    ... )
    >>> table = split_time_check(model, sales, sales["units_sold"], blocks=(), copies=2)
    >>> table.index.to_list()
    [('halves', 'product'), ('halves', 'category'), ('halves', 'global')]
    >>> table[["n", "left_out"]].sum(axis=1).to_list()
    [8, 2, 1]
    """
    time = _checked_time(model)
    check_count("copies", copies, 2)
    X, y = both_in_pandas(X, y)
    refuse_name(X, y)
    check_same_rows(X, y)
    splits = time_splits(column_of(X, time), blocks)
    whole = clone(model).set_params(checkpoint=None).fit(X, y)
    posterior = _posterior(whole)
    outcomes = [y, *replicated_units(posterior, copies)]
    fits = _fits_of_parts(_model_of_parts(model, whole), X, outcomes, splits, n_jobs)
    _warn_of_parts(fits)
    labels = [level.labels for level in pooled_levels(posterior)]
    gaps: dict[tuple[str, str], np.ndarray] = {}
    for k, split in enumerate(splits):
        gaps |= {(split, str(level.name)): z for level, z in _gaps([pairs[k] for pairs in fits], labels)}
    return agreement_table(gaps, stream(whole.seed_, Stream.BOOTSTRAP))


def _checked_time(model):
    """The column of periods of a model that has elasticities to compare."""
    if not isinstance(model, HierarchicalElasticity):
        raise InvalidArgumentError(
            "split_time_check compares the elasticities of a HierarchicalElasticity; got "
            f"{type(model).__name__}. Of a Pipeline, pass the last step and what the steps before make of X."
        )
    for role, purpose in (("time", "splits its column of periods"), ("price", "compares elasticities")):
        if getattr(model, role) is None:
            raise InvalidArgumentError(f"split_time_check {purpose}: the model needs {role}=, which is None.")
    return model.time


def time_splits(column: pd.Series, blocks: Sequence[int] | None = None) -> Splits:
    """Halves of the periods in a column (n,), and their alternating blocks, by the name of the split.

    Raises
    ------
    InvalidArgumentError
        If blocks are no list of whole numbers above 0, or leave a part without two periods.
    InvalidDataError
        If there are fewer than 4 periods.

    Examples
    --------
    >>> import pandas as pd
    >>> splits = time_splits(pd.Series([3, 1, 2, 4, 1, 5], name="week"))
    >>> {name: (one.rows.tolist(), other.rows.tolist()) for name, (one, other) in splits.items()}
    {'halves': ([1, 2, 4], [0, 3, 5]), 'blocks of 1': ([0, 1, 4, 5], [2, 3])}
    """
    time = read_time(column)
    period, T = time.periods.get_indexer(pd.Index(time.label)), len(time.periods)
    if T < 2 * LEAST_PERIODS:
        raise InvalidDataError(
            f"time column {column.name!r} holds {T:,} periods, too few to split in two: each part needs "
            f"{LEAST_PERIODS} or more."
        )
    lengths = default_blocks(T) if blocks is None else _checked_blocks(blocks, T)
    splits = {HALVES: _parts(HALVES, period, np.arange(T) < T // 2)}
    for length in lengths:
        name = f"blocks of {length}"
        splits[name] = _parts(name, period, np.arange(T) // length % 2 == 0)
    return splits


def default_blocks(T: int) -> tuple[int, ...]:
    """Lengths of blocks for T periods: a quarter of them, a thirteenth, and 1.

    Examples
    --------
    >>> default_blocks(53), default_blocks(20)
    ((13, 4, 1), (5, 1))
    """
    return tuple(dict.fromkeys(max(1, length) for length in (T // 4, T // 13, 1)))


def _checked_blocks(blocks, T):
    if not pd.api.types.is_list_like(blocks):
        raise InvalidArgumentError(f"blocks takes lengths in periods, such as (13, 4, 1); got {blocks!r}.")
    most = T - LEAST_PERIODS
    for length in blocks:
        if not isinstance(length, Integral) or isinstance(length, bool) or not 1 <= length <= most:
            raise InvalidArgumentError(
                f"blocks of {T:,} periods are whole numbers from 1 to {most:,}, so that both parts have "
                f"{LEAST_PERIODS} periods or more; got {length!r}."
            )
    return tuple(dict.fromkeys(map(int, blocks)))


def _parts(split, period, is_first):
    """The two parts of a split, by which of the periods (T,) are in the first."""
    return tuple(
        Part(
            f"the {place} part of {split} ({int(inside.sum()):,} of {len(inside):,} periods)",
            np.flatnonzero(inside[period]),
        )
        for place, inside in (("first", is_first), ("second", ~is_first))
    )


def _posterior(model):
    return DemandPosterior(model.draws_, model.panel_, model.spec_, model.seed_)


def _model_of_parts(model, whole):
    """The model to fit to parts: with the seed of the fit to all data, unless its own is a number."""
    changes: dict[str, Any] = {"checkpoint": None}
    if not isinstance(model.random_state, Integral):
        changes["random_state"] = whole.seed_
    if model.selected_above is not None and model.selected_periods is None:
        changes["selected_periods"] = round(len(whole.panel_.period) / whole.spec_.selected_share)
    return clone(model).set_params(**changes)


def _fits_of_parts(model, X, outcomes, splits, n_jobs):
    """Fits (1 + K, splits, 2) of the parts of each outcome, of which the first is that of the data."""
    parts = [part for pair in splits.values() for part in pair]
    fits = Parallel(n_jobs=n_jobs)(
        delayed(_fit)(clone(model), rows_at(X, part.rows), rows_at(y, part.rows), _named(part, k))
        for (k, y), part in product(enumerate(outcomes), parts)
    )
    pairs = iter(fits)
    return [[(next(pairs), next(pairs)) for _ in splits] for _ in outcomes]


def _named(part, k):
    """What messages call a part of the data, or of one of its copies."""
    return f"copy {k}, {part.name}" if k else part.name


def _fit(model, X, y, name):
    """The fit to a part."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X, y)
        except HdfmError as error:
            raise InvalidDataError(f"{name[0].upper()}{name[1:]} can't be fitted apart: {error}") from error
        except Exception as error:
            error.add_note(f"In the fit to {name}.")
            raise
    if any(issubclass(warning.category, InterruptedSamplingWarning) for warning in caught):
        raise KeyboardInterrupt
    said = [(warning.category, f"{name}: {warning.message}") for warning in caught]
    return PartFit(
        pooled_levels(_posterior(model)),
        tuple((category, text) for category, text in said if not issubclass(category, DataWarning)),
    )


def _gaps(pairs, labels):
    """Labels (N,) and standardised gaps (1 + K, N) of each level, from the fits to both parts of a split."""
    for depth, members in enumerate(labels):
        levels = [[aligned(part.levels[depth], members) for part in pair] for pair in pairs]
        yield members, np.stack([standardised_gaps(*pair) for pair in levels])


def _warn_of_parts(fits):
    """Tell of warnings of parts' fits, each kind once."""
    flat = [fit for by_split in fits for pair in by_split for fit in pair]
    texts: dict[type[Warning], list[str]] = {}
    for fit in flat:
        for category, text in dict(fit.said).items():
            texts.setdefault(category, []).append(text)
    for category, said in texts.items():
        warn_caller(f"{len(said):,} of {len(flat):,} fits to parts warn, such as {said[0]}", category)
