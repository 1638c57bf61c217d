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
    def coords(self) -> dict[str, list]:
        """Labels of the dimensions of factors, from 1 on."""
        sizes = {
            "factor": self.n_factors,
            "category_factor": self.n_category_factors,
            "individual_factor": self.n_individual_factors,
        }
        return {name: list(range(1, size + 1)) for name, size in sizes.items() if size}

    @property
    def total_factors(self) -> int:
        """Factors of all tiers."""
        return self.n_factors + self.n_category_factors + self.n_individual_factors
