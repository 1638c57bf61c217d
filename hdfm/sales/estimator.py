"""Price elasticities of products by partial pooling."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from hdfm.estimator import BayesianEstimator, check_prior_predictions, has_roles, row_scores
from hdfm.exceptions import DataWarning, InvalidArgumentError, warn_caller
from hdfm.frames.columns import check_word
from hdfm.frames.findings import Finding, findings_said
from hdfm.frames.read import both_in_pandas, in_pandas, refuse_name, refuse_other_rows
from hdfm.frames.weights import check_weights, weighted_mean, weighted_rows, weights_of_rows, without_weights
from hdfm.sales.arguments import check_arguments, demand_roles, demand_spec, shares_time
from hdfm.sales.engines import ENGINES, LAPLACE
from hdfm.sales.likelihoods.registry import noise_variables
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.read import ONE_COLUMN, UnitsReader, read_frame
from hdfm.sales.panel.report import sales_findings, sales_report
from hdfm.sales.panel.roles import Roles
from hdfm.sales.panel.rows import SalesRows, encode_rows, panel_rows, rows_of_frame, rows_of_periods
from hdfm.sales.panel.selection import refuse_weights, selected_share, selection_finding
from hdfm.sales.posterior.draws import DemandPosterior, fitted_draws
from hdfm.sales.posterior.elasticities import global_table, group_table, product_table
from hdfm.sales.posterior.predict import (
    check_quantiles,
    expected_units,
    log_predictive_density,
    pointwise_log_likelihood,
    unit_quantiles,
)
from hdfm.sales.posterior.pricing import OBJECTIVES, check_bounds, optimal_prices, unit_costs, warn_of_units
from hdfm.sales.posterior.totals import check_total, row_groups, total_table
from hdfm.sales.priors import ElasticityPriors
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.session import computes
from hdfm.summaries.effects import effect_table
from hdfm.summaries.intervals import SUMMARY, default_ci_prob

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from hdfm.files.records import Schema


class HierarchicalElasticity(RegressorMixin, BayesianEstimator):
    r"""Price elasticities per product, group and overall, from units and prices over time.

    Product i of group g(i) sells :math:`y_{it}` units at price :math:`p_{it}` in period t:

    .. math::

        \eta_{it} &= \delta_i + \beta_i (\log p_{it} - \overline{\log p_i}) + \gamma_{g(i), t}
            + \kappa' z_{it} + \log e_{it} \\
        y_{it} &\sim \mathrm{NegativeBinomial}(\exp \eta_{it}, \phi)
            \;|\; \mathrm{Poisson}(\exp \eta_{it}) \;|\; \log y_{it} \sim N(\eta_{it}, \sigma) \\
        \beta_i &\sim N(\beta_{g(i)}, \sigma_\beta), \quad \beta_g \sim N(\beta_{parent(g)}, \sigma_g),
            \quad \beta_{global} \sim N(\mu, \sigma) \\
        \delta_i &\sim N(\delta_{g(i)} + \lambda_{g(i)} (\overline{\log p_i} - \overline{\log p_{g(i)}}),
            \sigma_\delta), \quad \mathrm{corr}(\delta_i, \beta_i) = \rho, \quad
            \lambda_g \sim N(\beta_g + b, \tau)

    :math:`\gamma_g` is a random walk in time plus shocks of single periods, and sums to zero over periods.
    Demand of a product wanders about that, its noise is its own, and its elasticity moves over time, as far
    as ``demand``, ``dispersion`` and ``elasticity_path`` say.

    The elasticity is the response of a product's units to its own price over time, other products'
    prices as they were. It is causal only if, given time effects and controls, prices did not follow
    demand. Where one product makes up a group, price and time effects are told apart by the priors alone;
    a product that never sold, or whose price never changed, takes its group's elasticity, and
    ``data_report_`` names it. The correlation :math:`\rho` and the slopes :math:`\lambda_g` let a product's
    level speak for its elasticity, as it does wherever elastic or dear products sell less; the priors
    can switch both off.

    Parameters
    ----------
    product : str, optional
        Column with the product. None: all rows are one product.
    groups : str or sequence of str, optional
        Columns with groups of products, from the coarsest to the finest.
    time : str, optional
        Column with the period: numbers, dates, pandas Periods, ISO weeks such as "2024-W05" or an ordered
        categorical, with categories for later periods too if they are to be predicted. Integers such as
        202405 (YYYYWW, YYYYMM, YYYYMMDD) are read as weeks, months or days. None: no time effects.
    price : str, optional
        Column with the price, above zero. None: no elasticities.
    controls : str or sequence of str, optional
        Numeric columns that shift demand, such as promotion or display. If no column has a role at
        all, every column is a control, and the estimator is a plain Bayesian regression.
    exposure : str, optional
        Column that expected units are proportional to, such as stores or days, above zero.
    reference_price : str, optional
        Column with what a product that was not fitted usually costs, for ``predict`` and ``score``; ``fit``
        does not use it, and X may lack it there. That price moves the product's level along the slope
        :math:`\lambda_g` between products, and the price asked about, against it, along the elasticity:
        it stands for :math:`\overline{\log p_i}`. By default, and where it is missing, the mean log price
        of the product's group, of which a ``DataWarning`` tells.
    likelihood : str
        Distribution of the units, by its name in :data:`hdfm.sales.likelihoods.registry.FAMILIES`. Among them
        are "negative_binomial" and "poisson" counts, "log_normal" volumes, and "zero_inflated_poisson" for
        products that in some periods are not to be had, whatever their price: more zeros than counts of
        their mean have.
    time_effects : {"category", "shared", None}
        One effect per period and finest group, per period, or none. They say which moves of prices tell
        of elasticities: with those of groups a price against the group's others; with shared ones also
        the moves of a whole group, such as its deal of the week; with none those of all prices too, along
        with whatever else moves demand.
    product_effects : {"random", "fixed"}
        Pooled product levels, or one level each, not pooled. With "poisson" and "fixed" product totals
        are conditioned on, which is exact and free of :math:`\delta`; levels are then drawn from
        their Gamma distribution.
    sign : {None, "negative"}
        "negative" makes every elasticity negative, as -softplus(-b) of an unconstrained b that has the
        hierarchy above; group rows of the tables are then medians of their products.
    selected_above : float, optional
        Says that X holds those products alone that sold more than this many units in all, as
        :func:`hdfm.datasets.keep_sellers` leaves them. Levels and, through :math:`\rho`, elasticities of such
        products are no normal sample: with the likelihood of a truncated sample [5]_ groups, spreads and new
        products are those of the population before the selection. None: products were not selected.
        Needs random product effects.
    selected_periods : int, optional
        Over how many periods they sold that. Where X holds others, as a fold of a cross-validation does, the
        threshold is scaled by their share, to at most what the product that sold least has, and products
        below it are kept; ``data_report_`` says how many. None: those of X, unless products of X sold less;
        then the share is guessed from the least of them, which a ``DataWarning`` says.
    demand : {None, "wandering", "independent"}
        Whether demand of a product wanders beside the independent noise of single periods,
        :math:`\eta_{it} \mathrel{+}= u_{it}` with u an AR(1) of sd :math:`s_u m_i` and a half-life that
        products share (an Ornstein-Uhlenbeck process where periods are uneven [6]_). Where it does,
        independent noise overstates what slow moves of prices tell. Its last state goes into forecasts, and
        fades there. None: "wandering", beside ``selected_above`` "independent".
    dispersion : {"product", "group", "shared"}
        Whether noise, independent and wandering alike, is the same for all products, or a multiple
        :math:`m_i` of it by finest group, or by group and product,
        :math:`\log m_i \sim N(\log m_{g(i)}, \omega_p), \log m_g \sim N(0, \omega_g)`; by product, the
        share of it that wanders differs too.
    elasticity_path : {None, "moving", "constant"}
        Whether the elasticity of a product moves about its mean, :math:`\beta_i + b_{it}` with b an AR(1)
        too. Tables report :math:`\beta_i`, the mean that it moves about. None: "moving", beside
        ``selected_above`` "constant".
    priors : ElasticityPriors, optional
        Hyperparameters of the priors; None for ``ElasticityPriors()``. Each is a parameter for ``set_params``
        and searches too, such as ``priors__product_sd``.
    inference : str
        How the posterior is found, by the name of an engine in :data:`hdfm.sales.engines.ENGINES`: "nuts"
        samples it; "laplace" draws from its Laplace approximation with the scales integrated out [4]_, in
        seconds for millions of rows: ``chains`` times ``draws`` independent draws.
        ``fit`` warns (:class:`hdfm.exceptions.ApproximationWarning`) where data are too few or degenerate for
        it. Not for ``sign="negative"``.
    sampler : {"numpyro", "nutpie"}
        The implementation of NUTS; nutpie needs ``pip install "hdfm[nutpie]"``.
    draws, tune, chains : int
        Draws and warm-up iterations a chain, and chains.
    target_accept : float
        Target acceptance rate of NUTS; raise it against divergences.
    random_state : int, RandomState instance or None
        Seed. An int gives identical draws twice.
    progressbar : bool
        Whether to show a progress bar.
    checkpoint : str or os.PathLike, optional
        Folder where each finished block of draws is kept until ``fit`` has ended, made where it is missing.
        After a crash or an interrupt ``fit`` with the same data, arguments and version goes on from there, to
        the same draws as without; what is damaged there is drawn again, with a ``CheckpointWarning``. One
        process uses it at a time. In the end hdfm's files go, and the folder if nothing else is in it. Needs
        ``inference="nuts"``, the "numpyro" sampler and an int as ``random_state``.

    Attributes
    ----------
    elasticities_ : pandas.DataFrame
        By product: groups, ``mean``, ``sd``, equal-tailed interval ``lower`` to ``upper`` (of probability
        ``elasticities_.attrs["ci_prob"]``, ArviZ's default 0.89), ``p_elastic`` = P(elasticity < -1),
        ``p_positive``, ``shrinkage`` (1: all from the group), ``n_price_changes``, ``units``.
    idata_ : xarray.DataTree
        ``posterior``, ``sample_stats`` and ``constant_data``, labelled.
    data_report_ : pandas.DataFrame
        What in the data carries no information, with counts and examples.
    panel_ : SalesPanel
        The data by product and period.
    n_features_in_, feature_names_in_
        As in scikit-learn; where columns have roles, the columns with a role.

    References
    ----------
    .. [1] Gelman and Hill (2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models".
    .. [2] Hausman, Hall, Griliches (1984), "Econometric models for count data", Econometrica 52(4).
    .. [3] Mundlak (1978), "On the pooling of time series and cross section data", Econometrica 46(1).
    .. [4] Rue, Martino, Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using
       integrated nested Laplace approximations", Journal of the Royal Statistical Society B 71(2).
    .. [5] Hausman and Wise (1977), "Social experimentation, truncated distributions, and efficient
       estimation", Econometrica 45(4).
    .. [6] Rue and Held (2005), "Gaussian Markov Random Fields", chapter 1.

    Examples
    --------
    >>> from hdfm import HierarchicalElasticity
    >>> from hdfm.datasets import simulate_sales
    >>> sales = simulate_sales(30, 2, 20)
    >>> model = HierarchicalElasticity(
    ...     product="product", groups="category", time="time_period", price="price", progressbar=False
    ... )
    >>> model.fit(sales, sales["units_sold"]).elasticities_[["mean", "lower", "upper"]]  # doctest: +SKIP
    """

    PRIORS, ENGINES = ElasticityPriors, ENGINES
    NOT_OF_DRAWS = BayesianEstimator.NOT_OF_DRAWS | {"reference_price"}

    def __init__(
        self,
        product: str | None = None,
        groups: str | Sequence[str] | None = None,
        time: str | None = None,
        price: str | None = None,
        controls: str | Sequence[str] | None = None,
        exposure: str | None = None,
        *,
        reference_price: str | None = None,
        likelihood: str = "negative_binomial",
        time_effects: str | None = "category",
        product_effects: str = "random",
        sign: str | None = None,
        selected_above: float | None = None,
        selected_periods: int | None = None,
        demand: str | None = None,
        dispersion: str = "product",
        elasticity_path: str | None = None,
        priors: ElasticityPriors | None = None,
        inference: str = "nuts",
        sampler: str = "numpyro",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        target_accept: float = 0.8,
        random_state: Any = 0,
        progressbar: bool = True,
        checkpoint: str | os.PathLike | None = None,
    ):
        self.product = product
        self.groups = groups
        self.time = time
        self.price = price
        self.controls = controls
        self.exposure = exposure
        self.reference_price = reference_price
        self.likelihood = likelihood
        self.time_effects = time_effects
        self.product_effects = product_effects
        self.sign = sign
        self.selected_above = selected_above
        self.selected_periods = selected_periods
        self.demand = demand
        self.dispersion = dispersion
        self.elasticity_path = elasticity_path
        self.priors = priors
        self.inference = inference
        self.sampler = sampler
        self.draws = draws
        self.tune = tune
        self.chains = chains
        self.target_accept = target_accept
        self.random_state = random_state
        self.progressbar = progressbar
        self.checkpoint = checkpoint

    @computes
    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> "HierarchicalElasticity":
        r"""Sample the posterior of a frame with a row per product and period.

        With weights the likelihood is :math:`\prod_r p(y_r \mid \eta_r)^{w_r}`.

        Parameters
        ----------
        X : pandas.DataFrame
            The columns named in the constructor; others are ignored. An array will do where no column
            has a role.
        y : array-like of shape (n_rows,)
            Units sold.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts, as it is, not normalised: a row of weight k is k such rows, one of
            weight 0 is not there. For frequencies, and for samples that were drawn with unequal chances
            (their inverses, over their mean). Weights that project a panel to a population make intervals
            too narrow here: they belong into ``weights=`` of :meth:`predict_totals`. A ``DataWarning``
            tells of large ones.

        Returns
        -------
        HierarchicalElasticity
            self.

        Raises
        ------
        InvalidArgumentError
            If an argument of the constructor is not one of those allowed.
        InvalidDataError
            If the data can't be fitted; the message names the column, the count and an example.
        """
        from hdfm.sales.posterior.diagnostics import warn_of_draws
        from hdfm.sales.sampling import sample_demand

        panel, spec = self._panel(X, y, sample_weight)
        findings = self._findings(panel, spec)
        for message in findings_said(findings):
            warn_caller(message, DataWarning)
        seed = self._new_seed()
        with self._kept(panel) as checkpoint:
            settings = self._settings(seed, checkpoint, whitened=True)
            self.idata_ = sample_demand(panel, spec, settings, self._engine())
            self.panel_, self.spec_, self.seed_ = panel, spec, seed
            self.data_report_ = sales_report(panel, findings)
            self.draws_ = fitted_draws(self.idata_, panel, spec)
            self.elasticities_ = self.elasticities()
        warn_of_draws(self.idata_)
        return self

    @computes
    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Posterior mean of expected units (n_rows,) at X's prices, periods and controls.

        Products, groups and periods that were not fitted get the population's distribution: a new
        product's level follows from its group and its ``reference_price``, a period's time effect,
        before, between or after those fitted, from theirs: a random walk in time, with shocks. No row's
        answer depends on which other rows stand in X; new products that are alike get the same. A
        ``DataWarning`` tells of products that were not fitted, and of prices and controls far outside those
        fitted.
        """
        return expected_units(self._posterior(), self._rows(X))

    @computes
    def predict_quantiles(
        self, X: pd.DataFrame, quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    ) -> pd.DataFrame:
        """Quantiles of the predictive distribution of units, a column each, noise included."""
        check_quantiles(quantiles)
        rows = self._rows(X)
        values = unit_quantiles(self._posterior(), rows, quantiles)
        return pd.DataFrame(values, columns=list(quantiles), index=rows.label.index)

    @computes
    def predict_totals(
        self,
        X: pd.DataFrame,
        by: str | Sequence[str] | None = None,
        of: str = "units",
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        r"""Totals over the rows of X, such as a category's units in a year, noise included.

        .. math:: T_g = \sum_{r \in g} w_r y_r \quad\text{or}\quad \sum_{r \in g} w_r p_r y_r

        Rows of a draw share its effects, so that the interval is that of the sum; sums of
        ``predict_quantiles`` are no quantiles of sums.

        Parameters
        ----------
        X : pandas.DataFrame
            As in :meth:`predict`, a row per product and period.
        by : str or sequence of str, optional
            Columns of X, a total for each of their values; one total by default.
        of : {"units", "revenue"}
            Units, or units times the price in X, in the price's currency.
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.
        weights : str or array-like of shape (n_rows,), optional
            How often each row counts, such as the stores that one of a sample stands for, or the column of X
            that says so: w, 1 by default. A sample stays as large as it is, whatever it is projected to: here
            weights multiply totals and their intervals, while in ``fit`` they would narrow the posterior.

        Returns
        -------
        pandas.DataFrame
            By the values of ``by``: ``mean``, the (weighted) sum of :meth:`predict`, ``sd``, ``lower``,
            ``upper``.

        Examples
        --------
        >>> from hdfm import HierarchicalElasticity
        >>> from hdfm.datasets import simulate_sales
        >>> sales = simulate_sales(12, 2, 20, seed=366)
        >>> model = HierarchicalElasticity(
        ...     "product", "category", "time_period", "price", inference="laplace", draws=50,
        ...     progressbar=False,
        ... )
        >>> totals = model.fit(sales, sales["units_sold"]).predict_totals(sales, by="category")
        >>> list(totals.columns)
        ['mean', 'sd', 'lower', 'upper']
        """
        check_is_fitted(self, "idata_")
        ci_prob, panel, X = default_ci_prob(ci_prob), self.panel_, in_pandas(X)
        check_total(of, panel)
        rows = self._rows(without_weights(X, weights, panel.roles.columns))
        groups = row_groups(X, by, len(rows.label))
        counts = None if weights is None else weights_of_rows(X, weights, len(rows.label))
        return total_table(self._posterior(), rows, groups, of=of, ci_prob=ci_prob, weights=counts)

    @available_if(has_roles)
    @computes
    def score_samples(self, X: pd.DataFrame, y: Any) -> pd.Series:
        r"""Log predictive density of y by row, in nats: what paired comparisons of models need.

        .. math:: \log \frac{1}{S} \sum_s p(y_{it} \mid \eta_{it}^{(s)})

        Parameters
        ----------
        X : pandas.DataFrame
            As in :meth:`predict`.
        y : array-like of shape (n_rows,)
            Units sold.

        Returns
        -------
        pandas.Series
            ``log_density`` (n_rows,), with X's index in X's order. Only where columns have roles: without
            any, scikit-learn means something else by this name.

        Examples
        --------
        >>> from hdfm import HierarchicalElasticity
        >>> from hdfm.datasets import simulate_sales
        >>> sales = simulate_sales(12, 2, 20, seed=366)
        >>> model = HierarchicalElasticity(
        ...     "product", "category", "time_period", "price", inference="laplace", draws=50,
        ...     progressbar=False,
        ... )
        >>> scores = model.fit(sales, sales["units_sold"]).score_samples(sales, sales["units_sold"])
        >>> bool(abs(scores.mean() - model.score(sales, sales["units_sold"])) < 1e-12)
        True
        """
        return row_scores(self._row_scores(X, y), X)

    @computes
    def score(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> float:
        """Mean of :meth:`score_samples` over rows: the higher the better, 0 no upper bound.

        For the share of variance explained use ``sklearn.metrics.r2_score(y, model.predict(X))``.
        """
        check_is_fitted(self, "idata_")
        refuse_name(X, sample_weight, "sample_weight")
        refuse_other_rows(X, sample_weight, "sample_weight")
        scores = self._row_scores(X, y)
        weights = None if sample_weight is None else check_weights(sample_weight, len(scores))
        return weighted_mean(scores, weights)

    @computes
    def elasticities(self, level: str | None = None, ci_prob: float | None = None) -> pd.DataFrame:
        """Elasticities by product, group or overall.

        Parameters
        ----------
        level : str, optional
            None or the product column for products, a column of ``groups``, or "global".
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.

        Returns
        -------
        pandas.DataFrame
            The columns of ``elasticities_``; for groups with ``n_products`` in place of ``shrinkage``, and
            ``weighted_mean`` with its interval ``weighted_lower`` to ``weighted_upper``. ``mean`` is that of
            a population of products, each counted once: what to expect of another product of the group.
            ``weighted_mean`` weights the products' elasticities by their units sold: what the group's
            units answer to a change of all its prices by the same percentage.
        """
        check_is_fitted(self, "idata_")
        ci_prob, panel = default_ci_prob(ci_prob), self.panel_
        if panel.roles.price is None:
            return pd.DataFrame(columns=list(SUMMARY), index=panel.product[:0])
        names = [name.name for name in panel.levels]
        words = (None, self.product, "product", "global", *names)
        check_word("level", level, tuple(dict.fromkeys(words)))
        if level in names:
            return group_table(self._posterior(), names.index(level), ci_prob)
        if level == "global":
            return global_table(self._posterior(), ci_prob)
        return product_table(self._posterior(), ci_prob)

    @computes
    def control_effects(self, ci_prob: float | None = None) -> pd.DataFrame:
        r"""Effects :math:`\kappa` of the controls on log units, per unit of the control.

        .. math:: \frac{\mathrm{E}(y \mid z + 1)}{\mathrm{E}(y \mid z)} = e^\kappa

        An effect is *given the price*, and whatever else the model holds: what a promotion's price cut sells
        is the elasticity's, so that a promotion flag with an effect below 0 does not say that promotions
        lose sales.

        Parameters
        ----------
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.

        Returns
        -------
        pandas.DataFrame
            By ``control``: ``mean``, ``sd``, ``lower``, ``upper`` on the log scale, and ``percent``, the
            posterior mean of :math:`100 (e^\kappa - 1)`. Empty without controls.

        Examples
        --------
        >>> from hdfm import HierarchicalElasticity
        >>> from hdfm.datasets import simulate_sales
        >>> sales = simulate_sales(12, 2, 20, seed=366, promotion_prob=0.2)
        >>> model = HierarchicalElasticity(
        ...     "product", "category", "time_period", "price", "promotion", inference="laplace", draws=50,
        ...     progressbar=False,
        ... )
        >>> model.fit(sales, sales["units_sold"]).control_effects().index.to_list()
        ['promotion']
        """
        check_is_fitted(self, "idata_")
        panel, kappa = self.panel_, self.draws_.kappa
        index = pd.Index(panel.roles.controls, name="control", dtype=object)
        effects = np.zeros((0, 1)) if kappa is None else kappa / panel.control_sd[:, None]
        return effect_table(effects, index, default_ci_prob(ci_prob))

    @computes
    def optimal_price(
        self,
        cost: Any = None,
        bounds: tuple[float, float] = (0.8, 1.2),
        objective: str = "profit",
        ci_prob: float | None = None,
        *,
        periods: Any = None,
    ) -> pd.DataFrame:
        """The price of each product, within bounds, with the highest posterior mean of the objective.

        Parameters
        ----------
        cost : float, mapping or pandas.Series, optional
            Unit cost, the same for all products or by product label. Needed for the objective "profit"; with
            it the table has profits whatever the objective.
        bounds : tuple of float
            Lowest and highest price, as multiples of the product's last price. Demand beyond the prices
            that were observed is an extrapolation of the constant elasticity.
        objective : {"profit", "revenue", "units"}
            What to maximise per average period.
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.
        periods : list-like, optional
            Labels of the periods to average over, fitted or to come. By default each product's own rows of
            the fit. A product takes its time effects, exposure and controls in each period; where it has no
            row, its mean exposure and controls.

        Returns
        -------
        pandas.DataFrame
            By product: ``price`` (the last), ``optimal_price``, ``ratio``; per period at both prices
            ``units``, ``revenue`` and, with a cost, ``profit`` (``units_at_optimum`` and so on);
            ``value`` of the objective at the last price, its expected ``change`` with an interval, and
            ``at_bound``: whether the optimum lies on a bound. Units are what ``predict`` says at these
            prices, averaged over periods; money is in the price's currency.
        """
        check_is_fitted(self, "idata_")
        if self.panel_.roles.price is None:
            raise InvalidArgumentError("optimal_price needs a model with a price column.")
        check_word("objective", objective, OBJECTIVES)
        check_bounds(bounds)
        panel, ci_prob = self.panel_, default_ci_prob(ci_prob)
        costs = unit_costs(cost, panel.product, objective)
        warn_of_units(costs, bounds, panel)
        rows = panel_rows(panel)[0] if periods is None else rows_of_periods(panel, periods)
        return optimal_prices(
            self._posterior(), rows, costs, bounds=bounds, objective=objective, ci_prob=ci_prob
        )

    @computes
    def diagnostics(self) -> pd.DataFrame:
        """Worst R-hat and effective sample size by variable, divergences, and a verdict.

        ``attrs["verdict"]`` of the table is the verdict in a sentence.
        """
        from hdfm.sales.posterior.diagnostics import diagnostics_table

        check_is_fitted(self, "idata_")
        in_parts = self._fitted_engine().pareto_k is not None
        return diagnostics_table(self.idata_, self.pareto_k() if in_parts else None)

    @computes
    def pareto_k(self) -> pd.Series:
        """How far products are from their Laplace approximation: Pareto k of importance weights [1]_.

        Of each product's level and elasticity given what products share. Up to 0.7 the approximation will
        do; above, fit that product's data with ``inference="nuts"``, or read its interval with care.

        Raises
        ------
        InvalidArgumentError
            If ``inference`` is not "laplace".

        References
        ----------
        .. [1] Vehtari, Simpson, Gelman, Yao, Gabry (2024), "Pareto smoothed importance sampling", Journal of
           Machine Learning Research 25(72).
        """
        check_is_fitted(self, "idata_")
        engine = self._fitted_engine()
        if engine.pareto_k is None:
            raise InvalidArgumentError(
                f"pareto_k is about {LAPLACE.argument}; this model was sampled: see diagnostics()."
            )
        values = engine.pareto_k(self.panel_, self.spec_, self.seed_)
        return pd.Series(values, index=self.panel_.product, name="pareto_k")

    @computes
    def loo(self) -> Any:
        """PSIS-LOO of the fitted rows, an ArviZ ``ELPDData`` with ``elpd_i`` and ``pareto_k`` by row.

        Rows are those of X, in its order and with its index (``row``), products and periods.
        """
        from hdfm.summaries.loo import loo_from_blocks, with_labels

        check_is_fitted(self, "idata_")
        rows, units = panel_rows(self.panel_)
        blocks = pointwise_log_likelihood(self._posterior(), rows, units)
        result = loo_from_blocks(blocks, len(units), self.idata_["posterior"].sizes["chain"])
        order, coords = rows_of_frame(self.panel_)
        return with_labels(result, "row", coords, order)

    @computes
    def build_model(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> "pm.Model":
        """The PyMC model that ``fit`` would sample.

        To sample it yourself: BLAS should have one thread (``threadpoolctl.threadpool_limits(1,
        user_api="blas")``), or threads wait for each other; and after a fit in the same process JAX is as you
        had it, so that PyMC's samplers in JAX need ``jax.config.update("jax_enable_x64", True)`` first.
        """
        from hdfm.sales.sampling import demand_model

        return demand_model(*self._panel(X, y, sample_weight))

    @computes
    def sample_prior(self, X: pd.DataFrame, y: Any = None, draws: int = 500) -> "xr.DataTree":
        """Draw effects and units from the prior, to see what it takes for likely.

        Parameters
        ----------
        X : pandas.DataFrame
            As in ``fit``.
        y : array-like, optional
            Its mean sets where levels are centred, nothing else; one unit a row by default.
        draws : int
            How many, at least 2.

        Returns
        -------
        xarray.DataTree
            ``prior`` and ``prior_predictive`` (``units`` by draw and row of X).

        Raises
        ------
        InvalidArgumentError
            If there are too few draws, or more predictions than can be held.
        """
        from hdfm.sales.posterior.prior import with_units
        from hdfm.sales.sampling import prior_draws

        X, y = both_in_pandas(X, y)
        panel, spec = self._panel(X, np.ones(len(X)) if y is None else y)
        rows, _ = panel_rows(panel)
        check_prior_predictions(draws, len(rows.product))
        seed = self._new_seed()
        return with_units(prior_draws(panel, spec, draws, seed), panel, spec, rows, seed)

    @classmethod
    def _schema(cls) -> "Schema":
        from hdfm.sales.schema import SCHEMA

        return SCHEMA

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "draws_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "idata_"):
            self.draws_ = fitted_draws(self.idata_, self.panel_, self.spec_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        tags.regressor_tags.poor_score = True
        return tags

    def _roles(self) -> Roles:
        return demand_roles(self)

    def _spec(self) -> DemandSpec:
        self._check_sampling(ONE_COLUMN)
        check_arguments(self)
        spec = demand_spec(self, self._checked_priors())
        self._engine().check(spec)
        return spec

    def _panel(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[SalesPanel, DemandSpec]:
        spec = self._spec()
        X, y, weights = weighted_rows(X, y, sample_weight)
        refuse_weights(weights, spec.selected_above)
        frame, units, roles = self._read(X, y, spec.family.read_units, reset=True)
        assert units is not None
        shared = shares_time(self.time_effects)
        panel = build_panel(frame, units, roles, shared_time=shared, weights=weights)
        if spec.selected_above is not None:
            share = selected_share(panel, spec.selected_above, self.selected_periods)
            spec = replace(spec, selected_share=share)
        return panel, spec.of_panel(len(panel.product), len(panel.period))

    def _read(
        self, X: Any, y: Any = None, read_units: UnitsReader | None = None, *, reset: bool
    ) -> tuple[pd.DataFrame, np.ndarray | None, Roles]:
        return read_frame(
            self,
            X,
            y,
            self._roles(),
            read_units=read_units,
            reserved=noise_variables(),
            reset=reset,
        )

    def _findings(self, panel: SalesPanel, spec: DemandSpec) -> list[Finding]:
        findings = sales_findings(
            panel,
            spec.family.remedy_for_zeros,
            time_effects=spec.time_effects,
            wanders=spec.wanders,
            one_noise=spec.has_noise and not any(spec.noise_levels),
        )
        if spec.selected_above is None:
            return findings
        above, share = spec.selected_above, spec.selected_share
        return [*findings, selection_finding(panel, above, share, self.selected_periods)]

    def _posterior(self) -> DemandPosterior:
        check_is_fitted(self, "idata_")
        return DemandPosterior(self.draws_, self.panel_, self.spec_, self.seed_)

    def _rows(self, X: Any) -> SalesRows:
        check_is_fitted(self, "idata_")
        frame, _, _ = self._read(X, reset=False)
        return encode_rows(frame, self.panel_, self.reference_price)

    def _row_scores(self, X: Any, y: Any) -> np.ndarray:
        """Log predictive densities by row (n,)."""
        check_is_fitted(self)
        frame, units, _ = self._read(X, y, self.spec_.family.read_units, reset=False)
        assert units is not None
        rows = encode_rows(frame, self.panel_, self.reference_price)
        return log_predictive_density(self._posterior(), rows, units)

    def _has_roles(self) -> bool:
        return self._roles() != Roles()

    def _summary_text(self) -> str:
        from hdfm.sales.posterior.diagnostics import diagnostics_table

        return diagnostics_table(self.idata_).attrs["verdict"]

    def _summary_table(self) -> pd.DataFrame:
        levels = [level.name for level in self.panel_.levels]
        return pd.concat([self.elasticities("global"), *(self.elasticities(name) for name in levels)])
