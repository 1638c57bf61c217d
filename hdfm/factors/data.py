"""What the graph of factors is given, whatever the model that they are part of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdfm.factors.hsgp import TimeGP


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorData:
    """Data of a graph's factors.

    Attributes
    ----------
    gp : TimeGP
        With its times or basis as data.
    parts : sequence of slice
        The coefficients of each of C categories.
    scale : TensorVariable
        What coefficients (S,) are divided by to report them.
    share : TensorVariable
        Of the customers (N,) in means over them.
    loading_customers : int or None
        N; None where all customers have the same loadings.
    owners : mapping of str to numpy.ndarray
        By name of an owner of paths: which of them each customer, without those of padding, belongs to.
    information, score : sequence of TensorVariable
        What data say about the coefficients of each category by period (T, P, P), (T, P), summed over
        customers.
    """

    gp: TimeGP
    parts: Sequence[slice]
    scale: Any
    share: Any
    loading_customers: int | None
    owners: Mapping[str, np.ndarray]
    information: Sequence[Any]
    score: Sequence[Any]
