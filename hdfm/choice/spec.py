"""What the choice model is made of; imports no PyMC."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hdfm.choice.priors import ChoicePriors
from hdfm.factors.tier import TierSize, n_owners


@dataclass(frozen=True, slots=True)
class ChoiceSpec:
    """What the choice model is made of; ``tiers`` are those that have factors."""

    tiers: tuple[TierSize, ...]
    customer_loadings: bool
    priors: ChoicePriors

    @property
    def coords(self) -> dict[str, list]:
        """Labels of the dimensions of factors, from 1 on."""
        return {size.tier.dim: list(range(1, size.number + 1)) for size in self.tiers}

    @property
    def total_factors(self) -> int:
        """Factors of all tiers."""
        return sum(size.number for size in self.tiers)

    def without_lone_owners(self, owners: Mapping[str, np.ndarray]) -> "ChoiceSpec":
        """The same without tiers whose paths sum to zero over their owners, where there is one alone.

        Parameters
        ----------
        owners : mapping of str to numpy.ndarray
            As in :class:`hdfm.factors.data.FactorData`.
        """
        tiers = (size for size in self.tiers if not size.tier.zero_sum or n_owners(size.tier, owners) > 1)
        return replace(self, tiers=tuple(tiers))
