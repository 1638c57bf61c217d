"""What the choice model is made of; imports no PyMC."""

from dataclasses import dataclass

from hdfm.choice.priors import ChoicePriors


@dataclass(frozen=True, slots=True)
class ChoiceSpec:
    """What the choice model is made of; numbers of factors of the three tiers."""

    n_factors: int
    n_category_factors: int
    n_individual_factors: int
    customer_loadings: bool
    priors: ChoicePriors

    @property
    def total_factors(self) -> int:
        """Factors of all tiers."""
        return self.n_factors + self.n_category_factors + self.n_individual_factors
