"""What the sales model is made of; imports no PyMC."""

from dataclasses import dataclass, replace

from hdfm.exceptions import unknown
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.likelihoods.registry import likelihood_of
from hdfm.sales.priors import ElasticityPriors


@dataclass(frozen=True, slots=True)
class DemandSpec:
    """What the demand model is made of; the likelihood by its name, as files hold it."""

    likelihood: str
    time_effects: bool
    product_effects: str
    negative: bool
    priors: ElasticityPriors
    selected_above: float | None = None
    selected_share: float = 1.0  # of the periods over which products sold that, in X
    demand: str = "independent"
    dispersion: str = "shared"
    elasticity_path: str = "constant"

    @property
    def family(self) -> Likelihood:
        """The likelihood."""
        return likelihood_of(self.likelihood)

    @property
    def pooled(self) -> bool:
        """Whether product effects have a distribution: "random", not "fixed"."""
        match self.product_effects:
            case "random":
                return True
            case "fixed":
                return False
            case _:
                raise unknown("product_effects", self.product_effects)

    @property
    def wanders(self) -> bool:
        """Whether demand of a product wanders over time, beside independent noise."""
        match self.demand:
            case "wandering":
                return True
            case "independent":
                return False
            case _:
                raise unknown("demand", self.demand)

    @property
    def has_noise(self) -> bool:
        """Whether there is noise that could differ by product."""
        noise = self.family.noise
        return self.wanders or (noise is not None and noise.multiplicative)

    @property
    def noise_levels(self) -> tuple[bool, bool]:
        """Whether noise differs by finest group, and by product; where there is noise to differ."""
        if not self.has_noise:
            return False, False
        match self.dispersion:
            case "product":
                return True, True
            case "group":
                return True, False
            case "shared":
                return False, False
            case _:
                raise unknown("dispersion", self.dispersion)

    @property
    def has_demand_shares(self) -> bool:
        """Whether the share of noise that wanders differs by product."""
        noise = self.family.noise
        has_both = self.wanders and noise is not None and noise.multiplicative
        return has_both and self.noise_levels[1]

    @property
    def moves(self) -> bool:
        """Whether the elasticity of a product moves over time about its mean."""
        match self.elasticity_path:
            case "moving":
                return True
            case "constant":
                return False
            case _:
                raise unknown("elasticity_path", self.elasticity_path)

    def of_panel(self, n_products: int, n_periods: int) -> "DemandSpec":
        """What is left of it in a single period, or of a single product."""
        spec = self
        if n_products == 1:
            spec = replace(spec, dispersion="shared")
        if n_periods == 1:
            spec = replace(spec, time_effects=False, demand="independent", elasticity_path="constant")
        return spec

    @property
    def has_paths(self) -> bool:
        """Whether anything of a product moves over time."""
        return self.wanders or self.moves

    @property
    def selected_here(self) -> float | None:
        """Units in X above which products sold; None where they were not selected."""
        return None if self.selected_above is None else self.selected_above * self.selected_share

    @property
    def selection_variance(self) -> float:
        """Variance of the log of a product's total units, of which ``selected_above`` are expected."""
        assert self.selected_above is not None
        assert self.family.log_total_variance is not None
        return self.family.log_total_variance(self.selected_above)

    @property
    def conditional(self) -> bool:
        """Whether product totals are conditioned on, which removes delta from the graph."""
        return self.family.has_sufficient_totals and not self.pooled and not self.has_paths
