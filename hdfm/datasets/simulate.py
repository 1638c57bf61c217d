"""Simulators that carry their truth.

Array names and axis order: N products, C categories, T periods.

    prices (N, T), rate (N, T): expected units, path (C, T): relative category demand
"""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidArgumentError


class UnitNoise(NamedTuple):
    """Units drawn, (rng, rate (N, T), dispersion) -> (N, T); whether they can be 0, and have noise."""

    draw: Callable[[np.random.RandomState, np.ndarray, float | np.ndarray], np.ndarray]
    has_zeros: bool
    has_noise: bool


NOISES = {
    "poisson": UnitNoise(lambda rng, rate, dispersion: rng.poisson(rate), True, False),
    "negative_binomial": UnitNoise(
        lambda rng, rate, dispersion: rng.poisson(rng.gamma(dispersion, rate / dispersion)), True, True
    ),
    "log_normal": UnitNoise(
        lambda rng, rate, dispersion: np.exp(
            np.log(rate) + rng.normal(size=rate.shape) / np.sqrt(dispersion)
        ),
        False,
        True,
    ),
    "zero_inflated_poisson": UnitNoise(
        lambda rng, rate, dispersion: (
            rng.poisson(rate) * (rng.random_sample(rate.shape) * (1 + dispersion) < dispersion)
        ),
        True,
        True,
    ),
}


def simulate_sales(
    N: int = 1000,
    C: int = 10,
    T: int = 50,
    price_change_prob: float = 0.2,
    seed: int = 42,
    *,
    noise: str = "poisson",
    dispersion: float = 20.0,
    period_noise: float = 0.05,
    price_endogeneity: float = 0.0,
    promotion_prob: float = 0.0,
    promotion_effect: float = 0.5,
    missing_prob: float = 0.0,
    late_start_prob: float = 0.0,
    never_sells_prob: float = 0.0,
) -> pd.DataFrame:
    r"""Simulate units sold and prices of products in categories over time.

    Elasticities come from two levels, category demand follows a random walk with drift, prices
    change by up to 10 % at random periods, and units are counts:

    .. math::

        \beta_c &\sim N(-2, 0.5), \qquad \beta_i \sim N(\beta_{c(i)}, 0.3)
            \quad\text{(both clipped to } [-5, -0.1]) \\
        \log \lambda_{it} &= \log b_{c(i)} + \log m_i + \log \max(0.1, g_{c(i)t})
            + \log(1 + \epsilon_{it}) + \beta_i \log p_{it} \\
        y_{it} &\sim \mathrm{Poisson}(\lambda_{it})

    Without the keyword-only switches this is the generator of [1]_, random number for random number:
    ``simulate_sales(20_000, 10, 100, price_change_prob=0.5, seed=42)`` has 2,000,000 rows, 69.7 % of
    them zero, and :func:`keep_sellers` leaves 519,700 rows of 5,197 products. Most products of this
    generator hardly sell, because a product's level is its elasticity times its log price, and so
    the products that do sell are the less elastic ones: that filter moves the mean true elasticity
    from -1.84 to -1.19.

    Parameters
    ----------
    N, C, T : int
        Numbers of products, categories and periods.
    price_change_prob : float
        Probability that a product's price changes from one period to the next.
    seed : int
        Seed of the random numbers. The switches draw from a stream of their own, so that turning
        one on leaves elasticities and base prices as they were.
    noise : {"poisson", "negative_binomial", "log_normal", "zero_inflated_poisson"}
        Distribution of the units given :math:`\lambda_{it}`, their expectation. "log_normal" gives
        positive volumes of median :math:`\lambda_{it}`, and :math:`1 / \mathrm{dispersion}` is the
        variance of their logs. "zero_inflated_poisson" gives counts of mean :math:`\lambda_{it}`, or 0 with
        odds :math:`1 / \mathrm{dispersion}`.
    dispersion : float
        Shape of the negative binomial, variance :math:`\lambda + \lambda^2 / \mathrm{dispersion}`.
    period_noise : float
        Half width of the uniform noise :math:`\epsilon_{it}`. With 0 the noise is exactly ``noise``.
    price_endogeneity : float
        Log price added per unit of log relative category demand: sellers raise prices when demand
        is high.
    promotion_prob, promotion_effect : float
        Probability of a promotion in a product and period, and what it adds to log demand. A
        promotion also cuts the price by 15 %. Adds the column ``promotion``.
    missing_prob : float
        Probability that a product-period is missing from the frame.
    late_start_prob : float
        Share of the products whose first period is later than the frame's first.
    never_sells_prob : float
        Share of the products whose units are always zero.

    Returns
    -------
    pandas.DataFrame
        One row per product and period: ``product``, ``category``, ``time_period``, ``price`` (rounded
        to 0.01), ``units_sold``, and the truth in ``product_elasticity``, ``category_elasticity``,
        ``global_elasticity`` and ``expected_units``.

    Raises
    ------
    InvalidArgumentError
        If a size is not a whole number above 0, a probability outside [0, 1], ``dispersion`` not above 0,
        ``period_noise`` outside [0, 1), or ``noise`` unknown.

    References
    ----------
    .. [1] "Estimating Product-Level Price Elasticities Using Hierarchical Bayesian", Towards Data
       Science, May 2025.

    Examples
    --------
    >>> from hdfm.datasets import simulate_sales
    >>> simulate_sales(3, 2, 4)[["product", "category", "time_period"]].shape
    (12, 3)
    """
    _check_simulation(locals())
    rng = np.random.RandomState(seed)
    switches = np.random.default_rng([seed, 1])

    base = rng.uniform(1000, 10000, C)
    path = _category_paths(rng, C, T)
    category_elasticity = np.clip(rng.normal(-2.0, 0.5, C), -5, -0.1)
    category = rng.randint(0, C, N)
    elasticity = np.clip(category_elasticity[category] + rng.normal(0, 0.3, N), -5, -0.1)
    prices = _price_walks(rng, N, T, price_change_prob)
    multiplier = rng.lognormal(0, 0.5, N)
    epsilon = rng.uniform(-1, 1, (N, T)) * period_noise

    path = np.maximum(0.1, path)[category]
    if price_endogeneity:
        prices = prices * path**price_endogeneity
    log_shift = np.zeros((N, T))
    promotion = switches.random((N, T)) < promotion_prob
    prices = np.where(promotion, 0.85 * prices, prices)
    log_shift[promotion] = promotion_effect
    never = switches.random(N) < never_sells_prob

    demand = base[category][:, None] * multiplier[:, None] * path * (1 + epsilon)
    rate = np.exp(np.log(demand) + elasticity[:, None] * np.log(prices) + log_shift)
    rate[never] = 0.0
    units = NOISES[noise].draw(rng, rate, dispersion)

    product, period = np.meshgrid(np.arange(N), np.arange(T), indexing="ij")
    frame = pd.DataFrame(
        {
            "product": product.ravel(),
            "category": category[product.ravel()],
            "time_period": period.ravel(),
            "price": np.round(prices, 2).ravel(),
            "units_sold": units.ravel(),
            "product_elasticity": elasticity[product.ravel()],
            "category_elasticity": category_elasticity[category][product.ravel()],
            "global_elasticity": -2.0,
            "expected_units": rate.ravel(),
        }
    )
    if promotion_prob:
        frame.insert(5, "promotion", promotion.ravel().astype(float))
    launch = np.where(switches.random(N) < late_start_prob, switches.integers(1, max(T // 2, 2), N), 0)
    has_row = (period >= np.minimum(launch, T - 1)[:, None]) & (switches.random((N, T)) >= missing_prob)
    return frame if has_row.all() else frame[has_row.ravel()].reset_index(drop=True)


def keep_sellers(frame: pd.DataFrame, min_units: float = 100, *, product="product", units="units_sold"):
    """Keep the products that sold more than ``min_units`` in all.

    Selecting on sales selects on the elasticity too, wherever elastic products sell less: compare the
    truth before and after. :class:`hdfm.HierarchicalElasticity` needs no such filter; where it was
    made, ``selected_above=min_units`` says so.

    Examples
    --------
    >>> from hdfm.datasets import keep_sellers, simulate_sales
    >>> sales = simulate_sales(50, 2, 20)
    >>> keep_sellers(sales)["product"].nunique() < sales["product"].nunique()
    True
    """
    return frame[frame.groupby(product)[units].transform("sum") > min_units].copy()


def _category_paths(rng, C, T):
    """Relative demand of each category (C, T): 1 in the first period, then a random walk with drift."""
    drift = rng.uniform(-0.01, 0.01, C)
    volatility = rng.uniform(0.01, 0.05, C)
    steps = drift[:, None] + rng.normal(0, 1, (C, T - 1)) * volatility[:, None]
    return np.hstack([np.ones((C, 1)), 1 + np.cumsum(steps, axis=1)])


def _price_walks(rng, N, T, change_prob):
    """Prices (N, T): from U(10, 1000), changed by a factor of U(0.9, 1.1) with ``change_prob`` a period."""
    start = rng.uniform(10, 1000, N)
    changed = rng.rand(N, T - 1) < change_prob
    factors = np.where(changed, 1 + rng.uniform(-0.1, 0.1, (N, T - 1)), 1.0)
    return np.cumprod(np.hstack([start[:, None], factors]), axis=1)


def _check_simulation(arguments):
    for name in ("N", "C", "T"):
        value = arguments[name]
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InvalidArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")
    for name, value in arguments.items():
        if name.endswith("_prob") and not 0 <= value <= 1:
            raise InvalidArgumentError(f"{name} is a probability, between 0 and 1; got {value!r}.")
    if not arguments["dispersion"] > 0:
        raise InvalidArgumentError(f"dispersion must be above 0; got {arguments['dispersion']!r}.")
    if not 0 <= arguments["period_noise"] < 1:
        raise InvalidArgumentError(f"period_noise must lie in [0, 1); got {arguments['period_noise']!r}.")
    noise = arguments["noise"]
    if noise not in NOISES:
        raise InvalidArgumentError(f"noise must be one of {tuple(NOISES)}; got {noise!r}.")
    if arguments["never_sells_prob"] and not NOISES[noise].has_zeros:
        raise InvalidArgumentError(f"{noise} volumes are positive: never_sells_prob must be 0 with them.")
