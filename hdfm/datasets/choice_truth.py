"""What generates a simulated choice panel.

Axis order: N customers, S coefficients (category by category), T periods, C categories, L factors of a tier.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from hdfm.exceptions import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class ChoiceEffects:
    """Sizes of the effects in a simulated choice panel.

    Attributes
    ----------
    price : float
        Mean coefficient of log price over categories.
    heterogeneity : float
        Factor on the standard deviations of the coefficients between customers: 0.8 for brand
        intercepts, 0.5 for log price, 0.4 for display and feature. 0: all customers alike.
    loading, category_loading, individual_loading : float or sequence of float
        Typical loading on the factors of each tier, one for each factor; a single number is that of the
        first, and each further factor has 0.6 times the one before. As factors have unit variance, this is
        about the standard deviation over time of what a factor adds to a coefficient.
    loading_sd : float
        Standard deviation of the loadings between customers, before the softplus. 0: loadings of the
        population.
    loading_spread : float
        Standard deviation of the mean loadings on global and category factors between coefficients, before
        the softplus. Factors with loadings in proportion, at 0, can't be told apart by population paths.
    """

    price: float = -2.0
    heterogeneity: float = 1.0
    loading: float | Sequence[float] = 0.8
    category_loading: float | Sequence[float] = 0.6
    individual_loading: float | Sequence[float] = 0.4
    loading_sd: float = 0.5
    loading_spread: float = 1.0


@dataclass(frozen=True, slots=True)
class ChoiceTruth:
    r"""The parameters that a simulated choice panel was drawn from.

    Labelled arrays; ``coefficient`` is the pair of ``category`` and ``predictor``, so that
    ``truth.population.sel(category="c0", predictor="price")`` is a path over ``period``. A brand
    intercept is the predictor ``product[c0p1]``.

    Attributes
    ----------
    mean, sd : xarray.DataArray
        :math:`\mu_\alpha` and the standard deviations of :math:`\alpha_i` between customers (coefficient).
    correlation : numpy.ndarray
        Correlations (S, S) of :math:`\alpha_i` between customers.
    covariate_effects, covariates : xarray.DataArray
        :math:`\Delta` (coefficient, covariate) and :math:`z_i` (customer, covariate).
    alpha : xarray.DataArray
        :math:`\alpha_i` (customer, coefficient), the covariates' part included.
    factors, loadings : xarray.DataArray
        :math:`\theta^G` (factor, period) and :math:`w^G` (customer, coefficient, factor).
    category_factors, category_loadings : xarray.DataArray
        :math:`\theta^C` (category, factor, period) and :math:`w^C` (customer, coefficient, factor).
    individual_factors, individual_loadings, individual_scale : xarray.DataArray
        :math:`\phi` (customer, factor, period), :math:`\lambda` (coefficient, factor) and :math:`a_i`
        (customer).
    population : xarray.DataArray
        Expectation of :math:`\beta_{is}(t)` over the distribution of customers (coefficient, period).
    """

    mean: xr.DataArray
    sd: xr.DataArray
    correlation: np.ndarray
    covariate_effects: xr.DataArray
    covariates: xr.DataArray
    alpha: xr.DataArray
    factors: xr.DataArray
    loadings: xr.DataArray
    category_factors: xr.DataArray
    category_loadings: xr.DataArray
    individual_factors: xr.DataArray
    individual_loadings: xr.DataArray
    individual_scale: xr.DataArray
    population: xr.DataArray

    def coefficients(self, category: str) -> xr.DataArray:
        r"""The paths :math:`\beta_{is}(t)` of a category's coefficients (customer, predictor, period).

        Raises
        ------
        InvalidArgumentError
            If there is no such category.
        """
        categories = self.category_factors["category"].to_numpy().tolist()
        if category not in categories:
            raise InvalidArgumentError(f"category must be one of {categories}; got {category!r}.")
        at = {"category": category}
        return (
            self.alpha.sel(at)
            + xr.dot(self.loadings.sel(at), self.factors, dim="factor")
            + xr.dot(self.category_loadings.sel(at), self.category_factors.sel(at, drop=True), dim="factor")
            + self.individual_scale
            * xr.dot(self.individual_loadings.sel(at), self.individual_factors, dim="factor")
        ).transpose("customer", "predictor", "period")

    def variance_shares(self, static: bool = False) -> pd.Series:
        r"""Share of each factor in the variance over time that the factors give to coefficients.

        .. math:: \sum_{is} \operatorname{Var}_t(w_{isl} \, \theta_l(t)),

        divided by its sum over the factors of all tiers; for an individual factor
        :math:`\lambda_{sl} a_i \phi_{il}(t)` takes the place of the product.

        Parameters
        ----------
        static : bool
            Count the variance of alpha between customers with the divisor.

        Returns
        -------
        pandas.Series
            By ``tier`` ("global", "category", "individual") and ``factor``; empty without factors, 0 in a
            single period.
        """
        everyone = ("customer", "coefficient")
        variances = {
            "global": (self.loadings**2).sum(everyone) * self.factors.var("period"),
            "category": (
                (self.category_loadings**2).sum("customer").groupby("category").sum()
                * self.category_factors.var("period")
            ).sum("category"),
            "individual": (self.individual_loadings**2).sum("coefficient")
            * (self.individual_scale**2 * self.individual_factors.var("period")).sum("customer"),
        }
        series = {tier: pd.Series(v.to_numpy(), dtype="float64") for tier, v in variances.items()}
        shares = pd.concat(series, names=["tier", "factor"]).rename("share")
        between = (self.alpha.var("customer").sum() * self.alpha.sizes["customer"]).item() if static else 0.0
        return shares / (shares.sum() + between or 1.0)
