"""Hyperparameters of the priors, to be searched one by one or as a whole."""

from dataclasses import dataclass
from typing import ClassVar

from hdfm.hierarchy.hyperparameters import Hyperparameters

DOF = 3.0  # of the half-t prior of the spread of elasticities


@dataclass(frozen=True)
class ElasticityPriors(Hyperparameters):
    """Priors of :class:`hdfm.HierarchicalElasticity`.

    A search may vary ``priors__product_sd`` and so on.

    Parameters
    ----------
    global_mean, global_sd : float
        Normal prior of the overall elasticity.
    group_sd, product_sd : float
        Spread of elasticities between the groups of a level, and between products of a group: where
        ``estimate_sd`` the scales of a half-normal prior and of a half-t one of 3 degrees of freedom, which
        few products of unlike elasticities can outvote, else the spreads themselves.
    estimate_sd : bool
        Whether these spreads are estimated.
    correlation : float or None
        LKJ shape of the correlation between a product's level and its elasticity; None sets it to 0.
    between_price_bias : float or None
        Normal prior, mean 0, of the gap between two slopes: of product levels on products' mean log
        price in a group, and the group's elasticity. None leaves the first slope out.
    between_price_sd : float
        Half-normal scale of that gap's spread between groups.
    product_effect_sd : float
        Half-normal scale of the spread of product levels in a group.
    group_effect_sd : float
        Normal prior, about the log of mean units, of the mean level of a group; with fixed product
        effects, of each product's level.
    time_shock_sd, time_drift_sd : float
        Half-normal scales of the two parts of time effects: shocks of single periods, and the steps of
        a random walk over the usual distance from one period to the next.
    control_sd : float
        Normal prior, mean 0, of control effects per standard deviation of the control.
    overdispersion : float
        Half-normal scale of dispersion**-0.5 of overdispersed counts: of the negative binomial, the
        coefficient of variation of the multiplicative noise.
    noise_sd : float
        Half-normal scale of the noise of log units.
    root_zero_odds : float
        Half-normal scale of the square root of the odds of an extra zero, of the zero-inflated Poisson.
    noise_group_sd, noise_product_sd : float
        Half-normal scales of the spreads of log noise between finest groups, and between products of a
        group, where noise differs by these.
    demand_sd : float
        Half-normal scale of the sd of demand that wanders, in log units.
    demand_share_sd : float
        Half-normal scale of the spread, between products, of the normal quantile of the share of noise that
        wanders, where that differs.
    demand_half_life, demand_half_life_log_sd : float
        Log-normal prior of its half-life, in usual distances of periods: the median, and the sd of the log.
    elasticity_path_sd : float
        Half-normal scale of the sd of elasticities' moves about their mean.
    elasticity_path_half_life, elasticity_path_half_life_log_sd : float
        Log-normal prior of the half-life of these, as that of demand.

    Examples
    --------
    >>> from hdfm import ElasticityPriors
    >>> ElasticityPriors.article().product_sd
    0.3
    """

    ANY_SIGN: ClassVar[frozenset[str]] = frozenset({"global_mean"})

    global_mean: float = -1.5
    global_sd: float = 1.0
    group_sd: float = 0.4
    product_sd: float = 0.3
    estimate_sd: bool = True
    correlation: float | None = 1.0
    between_price_bias: float | None = 1.0
    between_price_sd: float = 0.5
    product_effect_sd: float = 2.0
    group_effect_sd: float = 3.0
    time_shock_sd: float = 0.5
    time_drift_sd: float = 0.1
    control_sd: float = 1.0
    overdispersion: float = 1.0
    noise_sd: float = 1.0
    root_zero_odds: float = 1.0
    noise_group_sd: float = 0.5
    noise_product_sd: float = 0.5
    demand_sd: float = 0.5
    demand_share_sd: float = 1.0
    demand_half_life: float = 12.0
    demand_half_life_log_sd: float = 1.0
    elasticity_path_sd: float = 0.5
    elasticity_path_half_life: float = 2.0
    elasticity_path_half_life_log_sd: float = 1.0

    @classmethod
    def article(cls) -> "ElasticityPriors":
        """Fixed spreads 0.5, 0.4 and 0.3 about -1.5; levels and elasticities independent."""
        return cls(
            global_sd=0.5,
            estimate_sd=False,
            correlation=None,
            between_price_bias=None,
        )
