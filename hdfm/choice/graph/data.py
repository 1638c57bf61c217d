"""What the graph of choice is given, as arguments, padded to sizes that other panels share.

Array names and axis order: N customers, S coefficients, T periods, K customer covariates; in a category
O choice sets, J slots, P predictors.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from hdfm.choice.graph.start import ChoiceStart, contrasts
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.data import FactorData
from hdfm.factors.hsgp import TimeGP, basis_of, held_gp
from hdfm.hierarchy.data import held, padded, room_for, rounded_up

NEVER = -1e4
MANY_PERIODS = 64
SETS_IN_BLOCK, FEW_SETS, MANY_SETS = 256, 2**14, 2**20
FEW_CELLS = 2**23  # 64 MB


class Sizes(NamedTuple):
    """To what the arrays of a graph are padded.

    Attributes
    ----------
    customers, periods : int
    blocks : tuple of int
        Blocks of choice sets by category; none where sets are not in blocks.
    """

    customers: int
    periods: int
    blocks: tuple[int, ...]


def sizes_of(panel: ChoicePanel) -> Sizes:
    """Exact sizes of a panel, without padding."""
    return Sizes(len(panel.customer), len(panel.period), ())


def common_sizes(panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None) -> Sizes:
    """Padded sizes, shared by panels of some more or fewer customers, periods and choice sets.

    Factors of customers sum to zero over customers, and an exact process has a root of its periods: these
    stay as they are.
    """
    sizes = sizes_of(panel)
    alone = panel.roles.customer is None or any(size.tier.zero_sum for size in spec.tiers)
    exact = gp is not None and basis_of(gp) is None
    customers = sizes.customers if alone else rounded_up(sizes.customers)
    size = block_size(customers)
    blocks = []
    for choices in panel.choices:
        n_sets, n_slots, n_predictors = choices.x.shape
        few = FEW_SETS if n_slots * n_predictors * FEW_SETS <= FEW_CELLS else SETS_IN_BLOCK
        blocks.append(-(-room_for(n_sets, few, MANY_SETS) // size))
    return Sizes(
        customers,
        sizes.periods if exact else rounded_up(sizes.periods, MANY_PERIODS),
        tuple(blocks),
    )


def block_size(customers: int) -> int:
    """Choice sets in a block: every block adds to the gradient of all customers."""
    return max(SETS_IN_BLOCK, customers)


@dataclass(frozen=True, slots=True)
class SetData:
    """The choice sets of a category that are not certain; in blocks, (K, O, ...) for (O, ...).

    Attributes
    ----------
    n_blocks : TensorVariable or None
        How many blocks are in use; None without blocks.
    contrasts : TensorVariable or None
        x_k - x_j (O, J, P) of all k but the chosen j, in units of the scale; None without predictors.
    closed : TensorVariable
        0 where available, far below elsewhere (O, J).
    customer, period : TensorVariable
        Positions (O,).
    count : TensorVariable
        How often a set counts (O,), and 0 where sets are padded.
    constant : TensorVariable or None
        The log-likelihood where there are no predictors, and nothing else.
    """

    n_blocks: Any = None
    contrasts: Any = None
    closed: Any = None
    customer: Any = None
    period: Any = None
    count: Any = None
    constant: Any = None


@dataclass(frozen=True, slots=True)
class ChoiceData:
    """All data of a graph, ``pm.Data`` of its model.

    Attributes
    ----------
    scale : TensorVariable
        What predictors are divided by (S,).
    mean_precision, mean_shift : TensorVariable
        What choices say about mean coefficients (S, S), (S,).
    information, shift : TensorVariable or None
        What they say about each customer's (N, S, S), (N, S); 0 for customers that there are not.
    covariates : TensorVariable or None
        (N, K).
    share : TensorVariable
        1 / customers (N,), 0 for customers that there are not.
    factors : FactorData or None
        None without factors.
    sets : tuple of SetData
        By category.
    """

    scale: Any
    mean_precision: Any
    mean_shift: Any
    information: Any
    shift: Any
    covariates: Any
    share: Any
    factors: FactorData | None = None
    sets: tuple[SetData, ...] = ()


def choice_data(
    panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None, start: ChoiceStart, sizes: Sizes
) -> ChoiceData:
    """The data of a panel, registered in the model in whose context this is called."""
    N = sizes.customers
    by_customer, n_customers = panel.roles.customer is not None, len(panel.customer)
    covariates = panel.covariates
    data = ChoiceData(
        scale=held("scale", panel.coefficient_scale),
        mean_precision=held("mean_precision", start.mean_precision),
        mean_shift=held("mean_shift", start.mean_precision @ start.mean),
        information=held("customer_information", padded(start.information, N)) if by_customer else None,
        shift=held("customer_shift", padded(start.shift, N)) if by_customer else None,
        covariates=held("customer_covariates", padded(covariates, N)) if covariates.shape[1] else None,
        share=held("customer_share", padded(np.full(n_customers, 1 / n_customers), N)),
    )
    return replace(
        data,
        factors=None if gp is None else _factor_data(data, panel, spec, gp, start, sizes),
        sets=tuple(
            _set_data(panel, c, panel.coefficient_scale[part], sizes) for c, part in enumerate(panel.parts)
        ),
    )


def _factor_data(data, panel, spec, gp, start, sizes):
    """Data of the factors' graph, with the information and score of choices by period."""
    information: tuple[np.ndarray, ...] = ()
    score: tuple[np.ndarray, ...] = ()
    if any(not size.tier.zero_sum for size in spec.tiers):
        information, score = start.information_by_period, start.score_by_period
    by_customer = panel.roles.customer is not None and spec.customer_loadings
    return FactorData(
        gp=held_gp(gp, sizes.periods),
        parts=panel.parts,
        scale=data.scale,
        share=data.share,
        loading_customers=sizes.customers if by_customer else None,
        owners=panel.owners,
        information=_by_category("period_information", information, sizes.periods),
        score=_by_category("period_score", score, sizes.periods),
    )


def _by_category(name, arrays, size):
    return tuple(held(f"{name}_{c}", padded(array, size)) for c, array in enumerate(arrays))


def _set_data(panel, c, scale, sizes):
    choices = panel.choices[c]
    D, open_ = contrasts(choices, panel.roles.outside)
    which = open_.any(axis=1)  # a set of one option is certain, and its logarithm has no gradient
    D, open_, times = D[which], open_[which], choices.times[which]
    if not D.shape[2]:
        return SetData(constant=held(f"constant_{c}", -(times * np.log1p(open_.sum(axis=1))).sum()))
    arrays = {
        "contrasts": D / scale,
        "closed": np.where(open_, 0.0, NEVER),
        "customer": choices.customer[which],
        "period": choices.period[which],
        "count": times,
    }
    n_blocks = None
    if sizes.blocks:
        size, room = block_size(sizes.customers), sizes.blocks[c]
        n_blocks = held(f"blocks_{c}", np.asarray(-(-len(D) // size)))
        arrays = {
            name: padded(array, size * room).reshape(room, size, *array.shape[1:])
            for name, array in arrays.items()
        }
    return SetData(n_blocks, **{name: held(f"{name}_of_sets_{c}", array) for name, array in arrays.items()})
