"""Brand choice on household panels, with coefficients that move over time."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from hdfm.choice.answers import ChoiceAnswers
from hdfm.choice.arguments import check_arguments, choice_roles, choice_spec
from hdfm.choice.engines import ENGINES
from hdfm.choice.panel.panel import ChoicePanel, build_choice_panel
from hdfm.choice.panel.read import as_flags, read_choice_frame
from hdfm.choice.panel.report import choice_findings
from hdfm.choice.panel.roles import ONE_COLUMN, ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.estimator import (
    LOG_DENSITY,
    BayesianEstimator,
    check_prior_draws,
    check_prior_predictions,
    has_roles,
    row_scores,
)
from hdfm.exceptions import DataWarning, InvalidArgumentError, InvalidDataError, warn_caller
from hdfm.factors.tier import GLOBAL
from hdfm.frames.findings import findings_said, findings_table
from hdfm.frames.read import both_in_pandas, refuse_name, refuse_other_rows
from hdfm.frames.weights import check_weights, weighted_mean, weighted_rows
from hdfm.sampling.session import computes
from hdfm.summaries.intervals import default_ci_prob

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from hdfm.choice.posterior.market import Market
    from hdfm.files.records import Schema

KEPT_OUT = ("draws_", "factors_", "loadings_")


class DynamicFactorChoiceModel(ClassifierMixin, ChoiceAnswers, BayesianEstimator):
    r"""Hierarchical dynamic factor model of brand choice.

    Customer i chooses among the alternatives j of category c at time t; s = (c, p) runs over all pairs of
    category and predictor:

    .. math::

        u_{icjt} &= \sum_p \beta_{icp}(t) \, x_{pcjt} + \epsilon_{icjt}, \qquad
            \epsilon \sim \mathrm{Gumbel} \\
        \beta_{is}(t) &= \alpha_{is} + \sum_{l \le L_G} w_{isl} \, \theta_l(t)
            + \sum_{l \le L_C} w^C_{isl} \, \theta^C_{c(s) l}(t)
            + \sum_{l \le L_I} \lambda_{sl} \, a_i \, \phi_{il}(t) \\
        \alpha_i &\sim N(\mu + \Delta z_i, \Sigma_\alpha), \qquad
            w_{isl} = A_l \operatorname{softplus}(\tilde w_{isl}), \quad
            \tilde w_{il} \sim N(m_l, \Sigma_w) \\
        \theta_l &\sim \mathrm{GP}(0, \text{Matern-3/2}(\rho_l)), \quad
            \text{zero-sum over the periods, time scaled to } [0, 1]

    Product intercepts are predictors like the price, and move as well. Without factors it is the hierarchical
    Bayes logit, without customers the multinomial logit, and without choice sets every row stands against an
    outside option of utility 0: the binary logit.

    Positive loadings fix the sign of a factor and its unit variance its scale. Factors change places between
    draws; they are aligned after sampling, in order of their share of variance. ``diagnostics`` judges what
    doesn't depend on their labels first, and ``identification`` says which factors can be told apart. Price
    coefficients are causal only if prices did not follow the customer's demand.

    With few factors the posterior may have several modes, in which different movements have a factor. Chains
    start with factors along the smooth paths on which most coefficients of customers seem to move together;
    if they end in different modes all the same, the diagnostics report an R-hat far above 1.

    Parameters
    ----------
    n_factors, n_category_factors, n_individual_factors : int
        Factors common to all categories, own to each category, and own to each customer. Factors need a
        time column, those of customers a customer column too.
    customer : str, optional
        Column with the customer. None: all choices are of one.
    category : str, optional
        Column with the category of the choice; categories may differ in products and predictors.
    product : str, optional
        Column with the alternative. Of a category the one chosen most often is the reference, with an
        intercept of 0, unless there is an outside option.
    time : str, optional
        Column with the period: numbers, dates, pandas Periods, ISO weeks such as "2024-W05" or an ordered
        categorical, with categories for later periods too if they are to be predicted. Integers such as
        202405 (YYYYWW, YYYYMM, YYYYMMDD) are read as weeks, months or days.
    choice_set : str, optional
        Column that says which rows stand in one choice. None: every row against the outside option.
    price : str, optional
        Column with the price.
    features : str or sequence of str, optional
        Further numeric predictors; None: all numeric columns without a role, which a ``DataWarning`` names
        where other columns have one.
    product_intercepts : bool
        Whether products have intercepts.
    price_transform : {"log", "linear"}
        How the price enters utility.
    outside_option : bool
        Whether nothing may be chosen in a set, at a utility of 0.
    availability : str, optional
        Column that is 1 where an alternative could be chosen, else 0. Alternatives may also be left out of X.
    customer_covariates : str or sequence of str, optional
        Numeric columns, constant within a customer, that shift the customer's coefficients.
    loadings : {"customer", "population"}
        One loading a customer and coefficient, or one a coefficient.
    gp : {"hsgp", "exact"}
        Factors by Laplacian eigenfunctions, or by the Cholesky root of the covariance.
    priors : ChoicePriors, optional
        Hyperparameters of the priors; None for ``ChoicePriors()``. Each is a parameter for ``set_params`` and
        searches too, such as ``priors__customer_sd``.
    inference : str
        How the posterior is found, by the name of an engine in :data:`hdfm.choice.engines.ENGINES`: "nuts"
        samples it; "map" (the mode) and "variational" (mean-field normal) are quick looks, to compare models:
        the first has no intervals, those of the second are too narrow.
    sampler : {"numpyro", "nutpie"}
        The implementation of NUTS; nutpie needs ``pip install "hdfm[nutpie]"``.
    draws, tune, chains : int
        Draws and warm-up iterations a chain, and chains.
    target_accept : float
        Target acceptance rate of NUTS; raise it against divergences.
    random_state : int, RandomState instance or None
        Seed. An int gives identical draws twice.
    progressbar : bool
        Whether to say the posterior's size and show a progress bar.
    checkpoint : str or os.PathLike, optional
        Folder where each finished block of draws is kept until ``fit`` has ended, made where it is missing.
        After a crash or an interrupt ``fit`` with the same data, arguments and version goes on from there, to
        the same draws as without; what is damaged there is drawn again, with a ``CheckpointWarning``. One
        process uses it at a time. In the end hdfm's files go, and the folder if nothing else is in it. Needs
        ``inference="nuts"``, the "numpyro" sampler and an int as ``random_state``.
    keep : {"draws", "means"} or int
        What is kept of the posterior. "draws": every draw, those of customers in 32 bits, on disk while they
        take more than 1 GB. An int: so many draws a chain, spread evenly. "means": all draws of what
        customers have in common, of customers themselves means and standard deviations, for panels of very
        many; answers about customers are then those of the mean, without intervals, and shares of variance
        those of means, which differ less than customers do.

    Attributes
    ----------
    elasticities_ : pandas.DataFrame
        Index ``category``, ``product`` (that responds), ``price_of`` (whose price changes); ``mean``,
        ``sd``, equal-tailed interval ``lower`` to ``upper`` (of probability
        ``elasticities_.attrs["ci_prob"]``, ArviZ's default 0.89), ``p_elastic`` = P(elasticity < -1). They
        are those of expected shares over the fitted choice sets. Empty without a price. Where draws x choice
        sets x products squared, added up over categories, exceed 10 billion, the own-price rows alone, which
        ``elasticities_.attrs["note"]`` says; ``elasticities()`` has all of them.
    factors_, loadings_ : xarray.DataArray
        Aligned draws of the common factors (chain, draw, period, factor) and of their loadings (chain, draw,
        [customer,] coefficient, factor). Other tiers: ``idata_["posterior"]``.
    factor_table_ : pandas.DataFrame
        By ``tier`` and ``factor``: share of variance, and lengthscale in the unit of the time column.
    idata_ : xarray.DataTree
        ``posterior`` and ``sample_stats``, labelled; factors aligned, lengthscales in units of all of time.
    data_report_ : pandas.DataFrame
        What in the data carries no information, with counts and examples.
    gp_ : TimeGP or None
        How factors are computed; ``gp_.reason`` says the size of the basis and why.
    panel_ : ChoicePanel
        The choice sets by category.
    classes_ : numpy.ndarray
        The two labels of y.
    n_features_in_, feature_names_in_
        As in scikit-learn; where columns have roles, the columns with a role.

    References
    ----------
    .. [1] McFadden (1974), "Conditional logit analysis of qualitative choice behavior".
    .. [2] Rossi, Allenby, McCulloch (2005), "Bayesian Statistics and Marketing".
    .. [3] Riutort-Mayol, Buerkner, Andersen, Solin, Vehtari (2023), "Practical Hilbert space approximate
       Bayesian Gaussian processes for probabilistic programming", Statistics and Computing 33(17).
    .. [4] Lewandowski, Kurowicka, Joe (2009), "Generating random correlation matrices based on vines and
       extended onion method", Journal of Multivariate Analysis 100(9).

    Examples
    --------
    >>> from hdfm import DynamicFactorChoiceModel
    >>> from hdfm.datasets import simulate_choices
    >>> choices, truth = simulate_choices(20, 2, 12)
    >>> model = DynamicFactorChoiceModel(
    ...     n_factors=1, customer="customer", category="category", product="product", time="week",
    ...     choice_set="choice_set", price="price", features=["display", "feature"], progressbar=False,
    ... )
    >>> model.fit(choices, choices["chosen"]).elasticities_[["mean", "lower", "upper"]]  # doctest: +SKIP
    """

    PRIORS, ENGINES = ChoicePriors, ENGINES

    def __init__(
        self,
        n_factors: int = 2,
        n_category_factors: int = 0,
        n_individual_factors: int = 0,
        *,
        customer: str | None = None,
        category: str | None = None,
        product: str | None = None,
        time: str | None = None,
        choice_set: str | None = None,
        price: str | None = None,
        features: str | Sequence[str] | None = None,
        product_intercepts: bool = True,
        price_transform: str = "log",
        outside_option: bool = False,
        availability: str | None = None,
        customer_covariates: str | Sequence[str] | None = None,
        loadings: str = "customer",
        gp: str = "hsgp",
        priors: ChoicePriors | None = None,
        inference: str = "nuts",
        sampler: str = "numpyro",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        target_accept: float = 0.8,
        random_state: Any = 0,
        progressbar: bool = True,
        checkpoint: str | os.PathLike | None = None,
        keep: str | int = "draws",
    ):
        self.n_factors = n_factors
        self.n_category_factors = n_category_factors
        self.n_individual_factors = n_individual_factors
        self.customer = customer
        self.category = category
        self.product = product
        self.time = time
        self.choice_set = choice_set
        self.price = price
        self.features = features
        self.product_intercepts = product_intercepts
        self.price_transform = price_transform
        self.outside_option = outside_option
        self.availability = availability
        self.customer_covariates = customer_covariates
        self.loadings = loadings
        self.gp = gp
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
        self.keep = keep

    @computes
    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> "DynamicFactorChoiceModel":
        r"""Sample the posterior of a frame with a row per alternative in a choice set.

        With weights the likelihood is :math:`\prod_o p(y_o \mid \beta)^{w_o}` over choice sets.

        Parameters
        ----------
        X : pandas.DataFrame
            The columns named in the constructor. An array will do where no column has a role.
        y : array-like of shape (n_rows,)
            1 on the chosen row of each choice set, else 0; where no column has a role, two labels of any
            kind.
        sample_weight : array-like of shape (n_rows,), optional
            How often each choice counts, the same in all rows of a set, as it is, not normalised: a set of
            weight k is k such sets, one of weight 0 is not there. For frequencies, and for samples that
            were drawn with unequal chances, such as choice-based ones (their inverses, over their mean).
            Weights that project a panel of households to a population make intervals too narrow here:
            they belong into ``weights=`` of :meth:`shares` and other answers. A ``DataWarning`` tells of
            large ones.

        Returns
        -------
        DynamicFactorChoiceModel
            self.

        Raises
        ------
        InvalidArgumentError
            If an argument of the constructor is not one of those allowed.
        InvalidDataError
            If the data can't be fitted; the message names the column, the count and an example.
        """
        from hdfm.choice.posterior.diagnostics import warn_of_draws
        from hdfm.choice.sampling import choice_gp, labelled_choices, sample_choices
        from hdfm.factors.tables import align_factors

        panel, spec, classes = self._panel(X, y, sample_weight)
        findings = choice_findings(panel, guessed=self.features is None and self._has_roles())
        for message in findings_said(findings):
            warn_caller(message, DataWarning)
        gp, seed = choice_gp(panel, spec, self.gp), self._new_seed()
        with self._kept(panel) as checkpoint:
            settings = self._settings(
                seed, checkpoint, keep=self.keep if isinstance(self.keep, str) else int(self.keep)
            )
            draws = sample_choices(panel, spec, gp, settings, self._engine())
            if not draws.moments:  # else they are aligned
                draws = replace(
                    draws, values=align_factors(draws.values, panel.parts, panel.coefficient_scale)
                )
            attributes = {
                "keep": self.keep,
                "inference": self.inference,
                "seed": seed,
                "gp": "none" if gp is None else gp.reason,
            }
            self.idata_ = labelled_choices(draws, panel, spec, attributes)
            self.panel_, self.spec_, self.gp_, self.seed_, self.classes_ = panel, spec, gp, seed, classes
            self.data_report_ = findings_table(findings)
            self._unpack()
            self.factor_table_ = self._factor_table()
            self.elasticities_ = self._stored_elasticities()
        warn_of_draws(self.idata_)
        return self

    @computes
    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """The class (n_rows,) of each row: the second of ``classes_`` on the likeliest alternative of a set.

        Of ties the first row. No row is flagged in a set whose outside option is likelier than each.
        """
        from hdfm.choice.posterior.predict import choice_probabilities, likeliest

        market = self._apart(X)
        flags = likeliest(market, choice_probabilities(market))
        return self.classes_[market.to_rows(flags).astype(int)]

    @computes
    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Posterior mean probabilities (n_rows, 2) of not being and of being chosen.

        The second column adds up to 1 in each choice set, or, with the outside option, to what that leaves.
        Alternatives in X may be others than those fitted, at other prices; a ``DataWarning`` tells of sets
        of one row, of fitted sets that lack some of theirs, and of values far outside those fitted.
        Customers, products and categories that were not fitted are draws from the population of those that
        were; factors in periods that were not fitted are forecast by the exact Gaussian process. New
        customers who are alike, in covariates and choice sets, get the same answer, and so do new products.
        """
        from hdfm.choice.posterior.predict import choice_probabilities

        market = self._apart(X)
        chosen = market.to_rows(choice_probabilities(market))
        return np.column_stack([1 - chosen, chosen])

    @available_if(has_roles)
    @computes
    def score_samples(self, X: pd.DataFrame, y: Any) -> pd.Series:
        r"""Log predictive density of y by choice set, in nats: what paired comparisons of models need.

        .. math:: \log \frac{1}{D} \sum_d P_o^{(d)}(\text{chosen})

        Parameters
        ----------
        X : pandas.DataFrame
            As in :meth:`predict_proba`.
        y : array-like of shape (n_rows,)
            1 on the chosen row of each choice set, else 0.

        Returns
        -------
        pandas.Series
            ``log_density`` by choice set, sorted by label; without a choice-set column every row is one, and
            the index is X's. Only where columns have roles: without any, scikit-learn means something else by
            this name.

        Examples
        --------
        >>> from hdfm import DynamicFactorChoiceModel
        >>> from hdfm.datasets import simulate_choices
        >>> choices, _ = simulate_choices(5, 1, 4)
        >>> model = DynamicFactorChoiceModel(
        ...     n_factors=0, product="product", choice_set="choice_set", price="price", features="display",
        ...     inference="map", progressbar=False,
        ... )
        >>> scores = model.fit(choices, choices["chosen"]).score_samples(choices, choices["chosen"])
        >>> bool(abs(scores.mean() - model.score(choices, choices["chosen"])) < 1e-12)
        True
        """
        market, scores = self._set_scores(X, y)
        if self.choice_set is None:
            return row_scores(scores, X)
        return pd.Series(scores, index=market.choice_set, name=LOG_DENSITY)

    @computes
    def score(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> float:
        """Mean of :meth:`score_samples` over choice sets: the higher the better.

        Parameters
        ----------
        sample_weight : array-like of shape (n_rows,), optional
            A choice set's weight is the mean over its rows.
        """
        check_is_fitted(self, "idata_")
        refuse_name(X, sample_weight, "sample_weight")
        refuse_other_rows(X, sample_weight, "sample_weight")
        market, scores = self._set_scores(X, y)
        if sample_weight is None:
            return weighted_mean(scores, None)
        return weighted_mean(scores, market.of_sets(check_weights(sample_weight, market.n_rows)))

    @computes
    def diagnostics(self) -> pd.DataFrame:
        """Worst R-hat and effective sample size by variable, divergences, and a verdict.

        What doesn't depend on the labels of factors comes first and decides; ``attrs["verdict"]`` is the
        verdict in a sentence.
        """
        from hdfm.choice.posterior.diagnostics import choice_diagnostics

        check_is_fitted(self, "idata_")
        return choice_diagnostics(self.idata_)

    @computes
    def identification(self, prior_draws: int = 200) -> pd.DataFrame:
        """Which factors can be told apart, a row by ``tier`` and ``factor``.

        Parameters
        ----------
        prior_draws : int
            Draws of the prior that the posterior's spread is compared with.

        Returns
        -------
        pandas.DataFrame
            ``r_hat`` of the factor's contribution, its ``share`` of variance with a 90 % interval,
            ``small_margins`` (share of draws in which another labelling fits nearly as well), ``sd_ratio``
            (prior over posterior standard deviation) and ``verdict``: "identified", "not separately
            identified" or "no contribution".
        """
        from hdfm.choice.sampling import prior_draws as draw_prior
        from hdfm.factors.tables import identification_table, values_of

        self._check_draws("identification")
        check_prior_draws("prior_draws", prior_draws)
        prior = draw_prior(self.panel_, self.spec_, self.gp_, prior_draws, self.seed_)
        before = values_of(prior["prior"].to_dataset())
        after = values_of(self.idata_["posterior"].to_dataset())
        panel = self.panel_
        return identification_table(after, before, panel.parts, panel.coefficient_scale, owners=panel.owners)

    @computes
    def loo(self) -> Any:
        """PSIS-LOO of the fitted choice sets, an ArviZ ``ELPDData`` with ``elpd_i`` and ``pareto_k`` by set.

        Sets are in the order of ``panel_.choice_set``, their labels in the coordinate ``choice_set``; their
        log-likelihood is made in blocks.
        """
        from hdfm.choice.posterior.predict import pointwise_log_likelihood
        from hdfm.summaries.loo import loo_from_blocks, with_labels

        self._check_draws("loo")
        blocks = pointwise_log_likelihood(self._posterior().at())
        chains = self.idata_["posterior"].sizes["chain"]
        labels = self.panel_.choice_set
        result = loo_from_blocks(blocks, len(labels), chains)
        return with_labels(result, "choice_set", {"choice_set": labels}, np.arange(len(labels)))

    @computes
    def build_model(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> "pm.Model":
        """The PyMC model that ``fit`` would sample.

        To sample it yourself: BLAS should have one thread (``threadpoolctl.threadpool_limits(1,
        user_api="blas")``), or threads wait for each other; and after a fit in the same process JAX is as you
        had it, so that PyMC's samplers in JAX need ``jax.config.update("jax_enable_x64", True)`` first.
        """
        from hdfm.choice.sampling import choice_gp, choice_model

        panel, spec, _ = clone(self)._panel(X, y, sample_weight)
        return choice_model(panel, spec, choice_gp(panel, spec, self.gp))

    @computes
    def sample_prior(self, X: pd.DataFrame, y: Any = None, draws: int = 500) -> "xr.DataTree":
        """Draw coefficients and choices from the prior, to see what it takes for likely.

        Parameters
        ----------
        X : pandas.DataFrame
            As in ``fit``.
        y : array-like, optional
            It settles the reference products, nothing else; the first available row of each set by default.
        draws : int
            How many, at least 2.

        Returns
        -------
        xarray.DataTree
            ``prior``, and ``prior_predictive``: ``chosen`` (chain, draw, row of X) as 0 and 1.

        Raises
        ------
        InvalidArgumentError
            If there are too few draws, or more predictions than can be held.
        """
        from hdfm.choice.posterior.prior import any_choice, with_choices
        from hdfm.choice.sampling import choice_gp, prior_draws

        X, y = both_in_pandas(X, y)
        y = any_choice(X, self._roles()) if y is None else y
        panel, spec, _ = clone(self)._panel(X, y)
        check_prior_predictions(draws, panel.n_rows)
        seed = self._new_seed()
        prior = prior_draws(panel, spec, choice_gp(panel, spec, self.gp), draws, seed)
        index = X.index if isinstance(X, pd.DataFrame) else range(panel.n_rows)
        return with_choices(prior, panel, seed, index)

    @classmethod
    def _schema(cls) -> "Schema":
        from hdfm.choice.schema import SCHEMA

        return SCHEMA

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in KEPT_OUT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "idata_"):
            self._unpack()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _unpack(self) -> None:
        """Set what is a view of ``idata_``."""
        from hdfm.choice.posterior.draws import choice_draws
        from hdfm.choice.posterior.kept import customer_sd, plug_in, population_draws

        posterior, dataset = self.idata_["posterior"].to_dataset(), plug_in(self.idata_)
        self.draws_ = replace(
            choice_draws(dataset, self.panel_),
            population=population_draws(self.idata_),
            customer_sd=customer_sd(self.idata_),
        )
        self.factors_ = posterior.get(GLOBAL.path)
        self.loadings_ = posterior.get(GLOBAL.loading, dataset.get(GLOBAL.loading))

    def _factor_table(self) -> pd.DataFrame:
        from hdfm.choice.posterior.kept import all_values
        from hdfm.factors.tables import factor_table

        values, panel, ci_prob = all_values(self.idata_), self.panel_, default_ci_prob(None)
        return factor_table(
            values, panel.parts, panel.coefficient_scale, panel.time_span, ci_prob, owners=panel.owners
        )

    def _roles(self) -> ChoiceRoles:
        return choice_roles(self)

    def _spec(self) -> ChoiceSpec:
        self._check_sampling(ONE_COLUMN)
        check_arguments(self)
        return choice_spec(self, self._checked_priors())

    def _panel(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[ChoicePanel, ChoiceSpec, np.ndarray]:
        """The panel, what of the model it allows, and the two labels of y."""
        spec = self._spec()
        X, y, weights = weighted_rows(X, y, sample_weight, self.choice_set)
        frame, y, roles = read_choice_frame(self, X, y, self._roles(), reset=True)
        classes = np.array([0, 1])
        if not self._roles().named:
            y, classes = as_flags(y)
        panel = build_choice_panel(frame, y, roles, weights)
        if len(panel.period) < 2:
            if self.time is not None and spec.total_factors:
                warn_caller(
                    f"time column {self.time!r} holds one period: the model has no factors.", DataWarning
                )
            return panel, replace(spec, tiers=()), classes
        return panel, spec.without_lone_owners(panel.owners), classes

    def _apart(self, X: Any, y: Any = None) -> "Market":
        """New choice sets, for answers about one at a time."""
        encoded = self._encoded(X, y)
        return self._posterior().at(encoded, common=True, alone=True)

    def _set_scores(self, X: Any, y: Any) -> tuple["Market", np.ndarray]:
        """Choice sets and their log predictive densities, by position among all."""
        from hdfm.choice.posterior.predict import log_scores

        check_is_fitted(self, "idata_")
        if y is None:
            raise InvalidDataError("y is missing: pass 1 for the chosen row of each choice set, else 0.")
        market = self._apart(X, y)
        return market, log_scores(market)

    def _check_draws(self, what: str) -> None:
        from hdfm.choice.posterior.kept import refuse_means_alone

        check_is_fitted(self, "idata_")
        engine = self._fitted_engine()
        if not engine.has_draws:
            raise InvalidArgumentError(f"{what} needs draws; {engine.argument} finds the mode alone.")
        refuse_means_alone(self.idata_, what)

    def _has_roles(self) -> bool:
        return self._roles().named

    def _summary_text(self) -> str:
        return self.diagnostics().attrs["verdict"]

    def _summary_table(self) -> pd.DataFrame:
        return self.coefficients(by=None)
