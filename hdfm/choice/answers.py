"""What a fitted choice model says about prices: elasticities, coefficients, shares, scenarios."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.read import known_flags, read_choice_frame
from hdfm.choice.panel.roles import ChoiceRoles, refuse_without_column
from hdfm.choice.panel.rows import EncodedChoices, encode_choices
from hdfm.choice.panel.scenario import rows_of_products, scenario
from hdfm.choice.spec import ChoiceSpec
from hdfm.exceptions import InvalidArgumentError, each_once
from hdfm.frames.columns import as_names
from hdfm.frames.keys import refuse_columns_of_tables
from hdfm.frames.read import in_pandas
from hdfm.frames.weights import weights_of_rows, without_weights
from hdfm.sampling.progress import announce
from hdfm.sampling.session import computes
from hdfm.summaries.intervals import default_ci_prob

if TYPE_CHECKING:
    import xarray as xr

    from hdfm.choice.posterior.draws import ChoiceDraws
    from hdfm.choice.posterior.market import ChoicePosterior, Market


DEFAULT_BY = "time"


class ChoiceAnswers:
    """Methods of :class:`hdfm.DynamicFactorChoiceModel` that ask its posterior about choice sets."""

    customer: str | None
    draws_: "ChoiceDraws"
    panel_: ChoicePanel
    spec_: ChoiceSpec
    seed_: int
    progressbar: bool
    idata_: "xr.DataTree"
    classes_: np.ndarray

    @computes
    def elasticities(
        self,
        X: pd.DataFrame | None = None,
        by: str | Sequence[str] | None = None,
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        r"""Own and cross price elasticities of expected shares.

        .. math:: E_{jk} = \partial \log S_j / \partial \log \text{price}_k

        Parameters
        ----------
        X : pandas.DataFrame, optional
            Choice sets, perhaps at other prices or of other customers; those fitted by default.
        by : str or sequence of str, optional
            "customer", "time", "choice_set", or a column of X that is constant within choice sets, such
            as a segment: a table for each of their values. "category", "product" and "price_of" are always
            there.
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.
        weights : str or array-like of shape (n_rows,), optional
            How often each choice set counts, such as the households that its household stands for: a weight
            for each row of X (without X, of the rows fitted), the mean over a set's rows being the set's; or
            the column of X that says so. By default once, or, without X, as often as in the fit.

            A panel stays as large as it is, whatever it is projected to: here weights make one population's
            answer another's, while in ``fit`` they would narrow all intervals.

        Returns
        -------
        pandas.DataFrame
            As ``elasticities_``, always with cross elasticities, the columns of ``by`` last in the index.
        """
        from hdfm.choice.posterior.elasticities import SUMMARY, elasticity_table
        from hdfm.choice.posterior.labels import INDEX

        ci_prob = default_ci_prob(ci_prob)
        check_is_fitted(self, "idata_")
        if self.panel_.roles.price is None and X is None and by is None and weights is None:
            empty = pd.MultiIndex.from_arrays([[], [], []], names=INDEX)
            return pd.DataFrame(columns=list(SUMMARY), index=empty, dtype=float)
        return elasticity_table(self._market(X, by, weights), ci_prob)

    @computes
    def coefficients(
        self,
        by: str | Sequence[str] | None = DEFAULT_BY,
        customers: Sequence | None = None,
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        r"""Posterior of the coefficients :math:`\beta_{is}(t)`, or of means of them.

        Parameters
        ----------
        by : str or sequence of str, optional
            Among "customer" and "time". "time": the population's paths, means over the fitted customers;
            "customer": means over time; both: everybody's paths; None: one number each. Without a time column
            "time", the default, is one number each too.
        customers : sequence, optional
            Customers to take, such as those of a segment; all by default.
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.
        weights : dict or pandas.Series, optional
            How often each customer counts in means over them, by label, such as the households that one of
            the panel stands for; once by default.

        Returns
        -------
        pandas.DataFrame
            Index ``category``, ``predictor`` and those of ``by``; ``mean``, ``sd``, ``lower``, ``upper``,
            ``p_positive``. The price's is for the log of the price unless ``price_transform="linear"``.
        """
        from hdfm.choice.posterior.coefficients import BY, Averages, coefficient_table, read_by

        check_is_fitted(self, "idata_")
        ci_prob, names = default_ci_prob(ci_prob), read_by(by, BY)
        for role in names if names != (DEFAULT_BY,) else ():
            refuse_without_column(role, self.panel_.roles)
        self._check_weighing(weights)
        averages = Averages(by=names, customers=customers, weights=weights)
        return coefficient_table(self._posterior(), averages, ci_prob)

    @computes
    def control_effects(self, ci_prob: float | None = None, weights: Any = None) -> pd.DataFrame:
        r"""Effects of the features on utility, per unit of the feature: means over customers and periods.

        .. math:: \frac{P_j / P_k \mid x_j + 1}{P_j / P_k \mid x_j} = e^{\bar\beta}

        An effect is *given the price*, and whatever else the model holds: what a promotion's price cut sells
        is the price coefficient's, so that a promotion flag with an effect below 0 does not say that
        promotions lose choices.

        Parameters
        ----------
        ci_prob : float, optional
            Probability of the equal-tailed interval; ArviZ's ``stats.ci_prob`` (0.89) by default.
        weights : dict or pandas.Series, optional
            As in :meth:`coefficients`.

        Returns
        -------
        pandas.DataFrame
            By ``category``, where there are categories, and ``control``: ``mean``, ``sd``, ``lower``,
            ``upper`` on the scale of utility, and ``percent``, the posterior mean of
            :math:`100 (e^{\bar\beta} - 1)`: the change of the odds against any other alternative. Empty
            without features.

        Examples
        --------
        >>> from hdfm import DynamicFactorChoiceModel
        >>> from hdfm.datasets import simulate_choices
        >>> choices, _ = simulate_choices(5, 1, 4)
        >>> model = DynamicFactorChoiceModel(
        ...     n_factors=0, product="product", choice_set="choice_set", price="price", features="display",
        ...     inference="map", progressbar=False,
        ... )
        >>> model.fit(choices, choices["chosen"]).control_effects().index.to_list()
        ['display']
        """
        from hdfm.choice.posterior.coefficients import feature_table

        check_is_fitted(self, "idata_")
        self._check_weighing(weights)
        return feature_table(self._posterior(), default_ci_prob(ci_prob), weights)

    @computes
    def willingness_to_pay(
        self,
        predictor: str,
        by: str | Sequence[str] | None = None,
        customers: Sequence | None = None,
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        r"""What one unit of a predictor is worth: minus its coefficient by that of the price.

        With a log price it is the share of the price, :math:`\exp(-\beta_p / \beta_\text{price}) - 1`.

        Parameters
        ----------
        predictor : str
            A feature, or an intercept as ``coefficients`` names it.
        by, customers, weights
            As in :meth:`coefficients`: means of coefficients are taken before the ratio.

        Returns
        -------
        pandas.DataFrame
            Index ``category`` and those of ``by``; ``median``, ``lower``, ``upper``; ``attrs["unit"]``.
        """
        from hdfm.choice.posterior.coefficients import BY, Averages, read_by, willingness_to_pay_table

        check_is_fitted(self, "idata_")
        ci_prob, by = default_ci_prob(ci_prob), read_by(by, BY)
        for role in by:
            refuse_without_column(role, self.panel_.roles)
        self._check_weighing(weights)
        averages = Averages(by=by, customers=customers, weights=weights)
        return willingness_to_pay_table(self._posterior(), predictor, averages, ci_prob)

    @computes
    def shares(
        self,
        X: pd.DataFrame | None = None,
        by: str | Sequence[str] | None = None,
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        """Expected shares of choices in each category; arguments as in :meth:`elasticities`.

        Returns
        -------
        pandas.DataFrame
            Index ``category``, ``product`` and those of ``by``; ``mean``, ``sd``, ``lower``, ``upper``. The
            outside option is the product "(none)".
        """
        from hdfm.choice.posterior.shares import share_table

        ci_prob = default_ci_prob(ci_prob)
        return share_table(self._market(X, by, weights), ci_prob)

    @computes
    def counterfactual(
        self,
        X: pd.DataFrame,
        changes: dict[str, Any] | pd.DataFrame,
        products: Any = None,
        by: str | Sequence[str] | None = None,
        ci_prob: float | None = None,
        weights: Any = None,
    ) -> pd.DataFrame:
        """What a change does to expected shares, with the same draws before and after.

        Parameters
        ----------
        changes : dict or pandas.DataFrame
            By column: a number, which multiplies the price and sets any other column; new values by row; or
            a function of the column. A frame is the whole scenario, in which alternatives may be gone or new.
        products : label or sequence of labels, optional
            Products whose rows change; all by default.
        by, ci_prob
            As in :meth:`elasticities`.
        weights : str or array-like of shape (n_rows,), optional
            As in :meth:`elasticities`; where ``changes`` is a frame, a column that both frames have.

        Returns
        -------
        pandas.DataFrame
            Index ``category``, ``product`` and those of ``by``; ``before``, ``after``, ``change`` (posterior
            means), ``sd``, ``lower``, ``upper`` of the change, and ``p_up``, the probability of a rise.
        """
        from hdfm.choice.posterior.shares import counterfactual_table

        ci_prob, given, X, changes = default_ci_prob(ci_prob), X, in_pandas(X), in_pandas(changes)
        check_is_fitted(self, "idata_")
        if isinstance(changes, pd.DataFrame) and products is not None:
            raise InvalidArgumentError("products= goes with a dict, not with a whole frame of changes.")
        if isinstance(changes, pd.DataFrame) and not isinstance(weights, str | None):
            raise InvalidArgumentError(
                "With a whole frame of changes, rows may be others than those of X: weights= is the name of "
                "a column that both frames have."
            )
        rows = rows_of_products(X, products, self._roles())
        changed = scenario(X, changes, self.panel_, rows, labelled=X is given)
        with each_once():
            before = self._market(X, by, weights)
            after = self._market(changed, by, weights, whole=False)
        return counterfactual_table(before, after, ci_prob)

    @computes
    def diversion(
        self, X: pd.DataFrame | None = None, ci_prob: float | None = None, weights: Any = None
    ) -> pd.DataFrame:
        """Where the choices go that a product loses when its price rises a little; see :meth:`elasticities`.

        Returns
        -------
        pandas.DataFrame
            Index ``category``, ``product`` (that loses), ``to``; ``mean``, ``sd``, ``lower``, ``upper`` of
            the share of the loss. A product's rows add up to 1.
        """
        from hdfm.choice.posterior.shares import diversion_table

        ci_prob = default_ci_prob(ci_prob)
        return diversion_table(self._market(X, None, weights), ci_prob)

    def _check_weighing(self, weights: Any) -> None:
        """Raise if customers are to be weighed whose draws are not kept."""
        from hdfm.choice.posterior.kept import refuse_means_alone

        if weights is not None:
            refuse_means_alone(self.idata_, "weights=")

    def _stored_elasticities(self) -> pd.DataFrame:
        """What ``elasticities_`` holds: those of all pairs of products where they are few, else own ones."""
        from hdfm.choice.posterior.elasticities import MOST_WORK, OWN_NOTE, cross_work, elasticity_table

        market = self._posterior().at()
        if cross_work(market) <= MOST_WORK:
            return self.elasticities()
        announce(f"elasticities_ holds {OWN_NOTE}.", self.progressbar)
        return elasticity_table(market, default_ci_prob(None), own=True)

    def _encoded(self, X: Any, y: Any = None, *, whole: bool = True) -> EncodedChoices:
        check_is_fitted(self, "idata_")
        frame, y, _ = read_choice_frame(self, X, y, self._roles(), reset=False)
        if y is not None and not self._roles().named:
            y = known_flags(y, self.classes_)
        return encode_choices(frame, self.panel_, y, whole=whole)

    def _posterior(self) -> "ChoicePosterior":
        from hdfm.choice.posterior.market import ChoicePosterior

        check_is_fitted(self, "idata_")
        return ChoicePosterior(
            draws=self.draws_, panel=self.panel_, kernel=self.spec_.priors.kernel, seed=self.seed_
        )

    def _market(
        self, X: Any, by: str | Sequence[str] | None, weights: Any = None, *, whole: bool = True
    ) -> "Market":
        """Choice sets told apart by roles or columns of X; those of the fit where X is None."""
        from hdfm.choice.posterior.elasticities import TABLE_COLUMNS
        from hdfm.choice.posterior.labels import columns_of, grouped

        posterior, names = self._posterior(), tuple(as_names(by, "by"))
        refuse_columns_of_tables(names, TABLE_COLUMNS)
        X, encoded = in_pandas(X), None
        if X is not None:
            used = without_weights(X, weights, (*self.panel_.roles.columns, *names))
            encoded = self._encoded(used, whole=whole)
        by_customer = not {"customer", self.customer}.isdisjoint(names)
        market = posterior.at(encoded, common=by_customer)
        if weights is not None:
            market = market.weighted(weights_of_rows(X, weights, market.n_rows))
        return grouped(market, names, columns_of(X, names))

    @abstractmethod
    def _roles(self) -> ChoiceRoles:
        """The columns, as given to the constructor."""
