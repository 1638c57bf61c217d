"""Hyperparameters of the priors, to be searched one by one or as a whole."""

from dataclasses import dataclass
from typing import ClassVar

from scipy import stats

from hdfm.exceptions import InvalidArgumentError, unknown
from hdfm.hierarchy.hyperparameters import Hyperparameters


@dataclass(frozen=True)
class ChoicePriors(Hyperparameters):
    r"""Priors of the dynamic factor choice model, on the logit scale.

    A search may vary ``priors__customer_sd`` and so on.

    Coefficients are those of product dummies and of the log price as they are, and of other predictors
    per standard deviation within choice sets.

    Parameters
    ----------
    coefficient_sd : float
        Normal prior, mean 0, of mean coefficients.
    covariate_sd : float
        Normal prior, mean 0, of the effects of standardised customer covariates.
    customer_sd : float
        Half-normal scale of the spread of coefficients between customers.
    lkj : float
        Shape of the LKJ priors of correlations.
    loading_mean, loading_mean_sd : float
        Normal prior of mean loadings before the softplus.
    loading_sd : float
        Half-normal scale of the spread of loadings between customers, before the softplus.
    amplitude, amplitude_decay : float
        Half-normal scale of the amplitude of the first factor of a tier, and its ratio from each factor
        to the next.
    lengthscale : tuple of float
        Of factors, on a time scale from 0 to 1: median and log-sd of a log-normal prior; or scale and
        shape of a Weibull prior, see ``lengthscale_family``.
    lengthscale_family : {"log_normal", "weibull"}
        The prior of lengthscales.
    individual_scale : float
        Half-normal scale of individual factors' loadings.
    individual_sd : float
        Half-normal scale of the log of customers' multipliers of individual factors.
    kernel : str
        Covariance of factors over time, by its name in :data:`hdfm.factors.kernels.KERNELS`: "matern32",
        "matern52" and "sq_exp" (squared exponential) are among them.

    Examples
    --------
    >>> from hdfm import ChoicePriors
    >>> [round(rho, 3) for rho in ChoicePriors().lengthscale_range()]
    [0.056, 0.402]
    """

    ANY_SIGN: ClassVar[frozenset[str]] = frozenset({"loading_mean"})

    coefficient_sd: float = 2.0
    covariate_sd: float = 1.0
    customer_sd: float = 1.0
    lkj: float = 2.0
    loading_mean: float = -1.0
    loading_mean_sd: float = 1.0
    loading_sd: float = 0.5
    amplitude: float = 0.5
    amplitude_decay: float = 0.6
    lengthscale: tuple[float, float] = (0.15, 0.6)
    lengthscale_family: str = "log_normal"
    individual_scale: float = 0.25
    individual_sd: float = 0.5
    kernel: str = "matern32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lengthscale_family not in ("log_normal", "weibull"):
            raise InvalidArgumentError(
                "ChoicePriors.lengthscale_family must be 'log_normal' or 'weibull'; "
                f"got {self.lengthscale_family!r}."
            )

    @classmethod
    def note(cls) -> "ChoicePriors":
        """Wide priors: N(0, 5), half-normal 5, and an exponential of mean 0.1 for lengthscales."""
        return cls(
            coefficient_sd=5.0,
            customer_sd=5.0,
            loading_sd=5.0,
            lengthscale=(0.1, 1.0),
            lengthscale_family="weibull",
        )

    def lengthscale_range(self) -> tuple[float, float]:
        """The central 90 % of the prior of lengthscales."""
        scale, shape = self.lengthscale
        match self.lengthscale_family:
            case "weibull":
                prior = stats.weibull_min(shape, scale=scale)
            case "log_normal":
                prior = stats.lognorm(shape, scale=scale)
            case _:
                raise unknown("lengthscale_family", self.lengthscale_family)
        low, high = prior.ppf([0.05, 0.95])
        return float(low), float(high)
