"""Simulator of brand choices that carries its truth.

Array names and axis order: N customers, S coefficients (category by category), T periods, C categories,
L factors of a tier; J alternatives of a category, O choice sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.special import softmax

from hdfm.datasets.choice_draws import draw_truth
from hdfm.datasets.choice_truth import ChoiceEffects, ChoiceTruth
from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.tier import CATEGORY, GLOBAL, INDIVIDUAL

MARKETING = ("price", "display", "feature")
PROMOTION_MEANS = {"display": 0.6, "feature": 0.4}
PRICE_SPREAD = 0.3
PREFERENCE = (0.5, 1.5)
INSIDE_UTILITY = 1.0
BASE_PRICES = (2.0, 4.0)
PRICE_SD = 0.25
TIERS = (GLOBAL, CATEGORY, INDIVIDUAL)
STREAMS = ("alpha", *(tier.name for tier in TIERS), "sets", "alternatives", "errors")


def simulate_choices(
    customers: int = 300,
    categories: int = 3,
    periods: int = 52,
    n_factors: int = 2,
    n_category_factors: int = 0,
    n_individual_factors: int = 0,
    *,
    alternatives: int | Sequence[int] = 4,
    sets_per_customer: float = 15.5,
    lengthscale: float = 0.15,
    effects: ChoiceEffects | None = None,
    n_covariates: int = 0,
    outside_option: bool = False,
    unavailable_prob: float = 0.0,
    keep_unavailable: bool = False,
    category_prob: float = 1.0,
    display_prob: float = 0.2,
    feature_prob: float = 0.2,
    seed: int = 42,
) -> tuple[pd.DataFrame, ChoiceTruth]:
    r"""Simulate brand choices of customers whose coefficients move over time with common factors.

    Customer i, category c, alternative j, period t, predictor p, and s = (c, p):

    .. math::

        u_{icjt} &= \sum_p \beta_{icp}(t) \, x_{pcjt} + \epsilon_{icjt},
            \qquad \epsilon_{icjt} \sim \mathrm{Gumbel} \\
        \beta_{is}(t) &= \alpha_{is} + \sum_l w^G_{isl} \, \theta^G_l(t)
            + \sum_l w^C_{isl} \, \theta^C_{cl}(t)
            + \sum_l \lambda_{sl} \, a_i \, \phi_{il}(t) \\
        \alpha_i &\sim N(\mu_\alpha + \Delta z_i, \Sigma_\alpha), \qquad
        w_{isl} = \operatorname{softplus}(\tilde w_{isl}), \quad
        \tilde w_{il} \sim N(\mu_{w,l}, \Sigma_w)

    and the alternative of largest utility is chosen. Predictors are brand intercepts, log price, display
    and feature. Correlation matrices are drawn from LKJ(2). Factors are Gaussian processes with a
    Matern-3/2 kernel, time scaled to [0, 1]. Global and category factors are then centred and scaled to
    unit variance over the periods, so that a loading is the standard deviation over time of what a factor
    adds to a coefficient. Individual factors are centred over periods and over customers, and scaled
    together to unit variance.

    The first product of a category is the reference, with an intercept of 0, and on average the one
    chosen most often. With an outside option, whose utility is 0 and a Gumbel error, every product has
    an intercept.

    Parameters
    ----------
    customers, categories, periods : int
        Numbers of customers, categories and periods.
    n_factors, n_category_factors, n_individual_factors : int
        Numbers of global factors, of factors of each category, and of factors of each customer. With 0
        everywhere, coefficients are constant.
    alternatives : int or sequence of int
        Alternatives of every category, or of each.
    sets_per_customer : float
        Mean number of choice sets of a customer in a category, Poisson distributed over random periods.
    lengthscale : float
        Of all factors, in units of the time from the first period to the last.
    effects : ChoiceEffects, optional
        Sizes of the effects.
    n_covariates : int
        Number of customer covariates, standard normal. Adds the columns ``covariate_1``, ...
    outside_option : bool
        Whether a customer may choose none of the alternatives: sets with ``chosen`` 0 throughout.
    unavailable_prob : float
        Probability that an alternative is not available in a set; two at least always are.
    keep_unavailable : bool
        Whether rows of unavailable alternatives stay in the frame, told by the column ``available``.
        By default they are left out and sets are ragged.
    category_prob : float
        Probability that a customer buys in a category at all.
    display_prob, feature_prob : float
        Probability that an alternative is on display, or in the mailer, in a choice set.
    seed : int
        Seed of the random numbers. Customers' coefficients, each tier of factors, choice sets, prices and
        errors have streams of their own: switching one on or off leaves the others as they were.

    Returns
    -------
    choices : pandas.DataFrame
        One row per alternative of a choice set: ``customer``, ``category`` ("c0", ...), ``product``
        ("c0p0", ...), ``week`` (1 to ``periods``), ``choice_set``, ``price`` (rounded to 0.01), ``display``
        and ``feature`` (0 or 1), ``chosen`` (0 or 1) and, from the truth, the ``probability`` of being
        chosen; ``available`` and covariates where they were asked for.
    truth : ChoiceTruth
        Factors, loadings, coefficients and their population paths.

    Raises
    ------
    InvalidArgumentError
        If an argument is not one of those allowed.

    Examples
    --------
    >>> from hdfm.datasets import simulate_choices
    >>> choices, truth = simulate_choices(20, 2, 12)
    >>> choices.groupby("choice_set")["chosen"].sum().unique().tolist()
    [1]
    >>> truth.population.sel(category="c0", predictor="price").sizes["period"]
    12
    """
    effects = ChoiceEffects() if effects is None else effects
    _check(locals())
    rng = {name: np.random.default_rng([seed, k]) for k, name in enumerate(STREAMS)}
    sizes = np.broadcast_to(alternatives, categories)
    shelves = [_shelf(rng["alpha"], c, J, outside_option, effects.price) for c, J in enumerate(sizes)]
    truth = draw_truth(
        rng,
        pd.concat([shelf.mean for shelf in shelves]),
        (customers, periods, n_covariates),
        (n_factors, n_category_factors, n_individual_factors),
        lengthscale,
        effects,
    )
    sets = _draw_sets(rng["sets"], (customers, categories, periods), sets_per_customer, category_prob)
    frames = []
    for c, shelf in enumerate(shelves):
        subset = sets[sets["category"] == c]
        x, available = _draw_alternatives(
            rng["alternatives"], shelf.base_price, len(subset), display_prob, feature_prob, unavailable_prob
        )
        utility = _utility(x, truth.coefficients(shelf.category).to_numpy(), subset)
        utility[~available] = -np.inf
        chosen, probability = _choose(rng["errors"], utility, outside_option)
        cells = x | {"available": available.astype(int), "chosen": chosen.astype(int)}
        frames.append(_long(subset, shelf, cells | {"probability": probability}))
    choices = pd.concat(frames).sort_values("choice_set", kind="stable", ignore_index=True)
    if not keep_unavailable:
        choices = choices[choices["available"] == 1].drop(columns="available").reset_index(drop=True)
    names = truth.covariates["covariate"].to_numpy()
    covariates = pd.DataFrame(truth.covariates.to_numpy(), columns=names)
    return choices.join(covariates, on="customer"), truth


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A category: its label, products (J,), their base prices (J,), and the mean of its coefficients (P,)."""

    category: str
    product: list[str]
    base_price: np.ndarray
    mean: pd.Series


def _shelf(rng, c, J, outside_option, price):
    """At base prices the first product is the one customers like best on average."""
    product = [f"c{c}p{j}" for j in range(J)]
    log_price = np.log(base := rng.uniform(*BASE_PRICES, J).round(2))
    utility = -np.concatenate([[0.0], rng.uniform(*PREFERENCE, J - 1)])
    price = price + PRICE_SPREAD * rng.standard_normal()
    if outside_option:
        intercept = pd.Series(INSIDE_UTILITY + utility - price * log_price, product)
    else:
        intercept = pd.Series(utility - price * (log_price - log_price[0]), product).iloc[1:]
    mean = pd.concat(
        [intercept.add_prefix("product[").add_suffix("]"), pd.Series({"price": price, **PROMOTION_MEANS})]
    )
    return _Shelf(f"c{c}", product, base, pd.concat({f"c{c}": mean}, names=["category", "predictor"]))


def _draw_sets(rng, sizes, sets_per_customer, category_prob):
    """Customer, category and week (from 0) of each choice set, one row each, in the order of the frame."""
    N, C, T = sizes
    buys = rng.random((N, C)) < category_prob
    count = np.where(buys, rng.poisson(sets_per_customer, (N, C)), 0).ravel()
    customer, category = np.divmod(np.repeat(np.arange(N * C), count), C)
    sets = pd.DataFrame(
        {"customer": customer, "category": category, "week": rng.integers(T, size=len(customer))}
    )
    sets = sets.sort_values(["customer", "week", "category"], ignore_index=True)
    return sets.assign(choice_set=np.arange(len(sets)))


def _draw_alternatives(rng, base_price, n_sets, display_prob, feature_prob, unavailable_prob):
    """Price, display and feature, and whether it is available, of each alternative of each set (O, J)."""
    shape = (n_sets, len(base_price))
    x = {
        "price": (base_price * np.exp(PRICE_SD * rng.standard_normal(shape))).round(2),
        "display": (rng.random(shape) < display_prob).astype(int),
        "feature": (rng.random(shape) < feature_prob).astype(int),
    }
    lot = rng.random(shape)
    second = np.sort(lot, axis=1)[:, -2:][:, :1]
    return x, (lot >= unavailable_prob) | (lot >= second)


def _utility(x, beta, sets):
    """Systematic utilities (O, J) from the paths (N, P, T) of a category's coefficients."""
    n_sets, J = x["price"].shape
    coefficients = beta[sets["customer"], :, sets["week"]]
    intercept = np.zeros((n_sets, J))
    n_intercepts = coefficients.shape[1] - len(MARKETING)
    intercept[:, J - n_intercepts :] = coefficients[:, :n_intercepts]
    price, display, feature = coefficients[:, n_intercepts:, None].transpose(1, 0, 2)
    return intercept + price * np.log(x["price"]) + display * x["display"] + feature * x["feature"]


def _choose(rng, utility, outside_option):
    """Choices and their probabilities (O, J); the outside option stands in a column of its own."""
    error = rng.gumbel(size=(len(utility), utility.shape[1] + 1))
    outside = np.full((len(utility), 1), 0.0 if outside_option else -np.inf)
    utility = np.hstack([utility, outside])
    chosen = np.arange(utility.shape[1]) == (utility + error).argmax(axis=1)[:, None]
    return chosen[:, :-1], softmax(utility, axis=1)[:, :-1]


def _long(sets, shelf, cells):
    """One row per alternative of each choice set of a category, from arrays (O, J) by column."""
    rows = sets.loc[sets.index.repeat(len(shelf.product))]
    product = np.tile(shelf.product, len(sets))
    columns = {name: values.ravel() for name, values in cells.items()}
    return rows.assign(category=shelf.category, week=rows["week"] + 1, product=product, **columns)


def _check(arguments):
    whole = {"customers": 1, "categories": 1, "periods": 1, "n_covariates": 0}
    whole |= {tier.number: 0 for tier in TIERS}
    for name, least in whole.items():
        _check_whole(name, arguments[name], least)
    _check_alternatives(arguments["alternatives"], arguments["categories"], 2 - arguments["outside_option"])
    _check_whole("seed", arguments["seed"], 0)
    _check_effects(arguments["effects"], arguments)
    for name in ("sets_per_customer", "lengthscale"):
        if not 0 < arguments[name] < np.inf:
            raise InvalidArgumentError(f"{name} must be above 0 and finite; got {arguments[name]!r}.")
    for name, value in arguments.items():
        if name.endswith("_prob") and not 0 <= value <= 1:
            raise InvalidArgumentError(f"{name} is a probability, between 0 and 1; got {value!r}.")


def _check_whole(name, value, least):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidArgumentError(f"{name} must be a whole number, at least {least}; got {value!r}.")


def _check_alternatives(alternatives, categories, least):
    if not isinstance(alternatives, Sequence | np.ndarray):
        return _check_whole("alternatives", alternatives, least)
    if len(alternatives) != categories:
        raise InvalidArgumentError(
            f"alternatives must be one number, or one for each of {categories} categories; "
            f"got {alternatives!r}."
        )
    for J in alternatives:
        _check_whole("alternatives", J, least)


def _check_effects(effects, arguments):
    if not np.isfinite(effects.price):
        raise InvalidArgumentError(f"effects.price must be finite; got {effects.price!r}.")
    for name in ("heterogeneity", "loading_sd", "loading_spread"):
        if not 0 <= getattr(effects, name) < np.inf:
            raise InvalidArgumentError(
                f"effects.{name} must be at least 0 and finite; got {getattr(effects, name)!r}."
            )
    for tier in TIERS:
        value, L = getattr(effects, tier.loading), arguments[tier.number]
        if not np.all(np.asarray(value) > 0) or np.size(value) != (L if np.ndim(value) else 1):
            raise InvalidArgumentError(
                f"effects.{tier.loading} must be a number above 0, or {L} of them; got {value!r}."
            )
