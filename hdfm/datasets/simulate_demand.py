r"""Simulator of the demand model itself, its noise and paths included, that carries its truth.

Array names and axis order: N products, C categories, T periods.

    log_price, x, u, b, eta (N, T); m, category (N,); gamma (C, T)
"""

from dataclasses import asdict, dataclass, fields
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from hdfm.datasets.simulate import NOISES
from hdfm.exceptions import InvalidArgumentError

NOISES_OF_DEMAND = ("log_normal", "negative_binomial", "poisson")
STREAMS = ("prices", "effects", "time", "ratios", "demand", "moves", "units", "rows", "shares")
LOCATIONS = ("level", "elasticity_global", "between_price_bias", "correlation")  # all others are 0 or more
MEAN_PRICE, PRICES_BETWEEN = 20.0, 0.4


@dataclass(frozen=True, slots=True)
class DemandScales:
    """Means and spreads that :func:`simulate_demand` draws from, named as in the posterior of the model.

    Attributes
    ----------
    level : float
        Mean log units of categories.
    group_effect_sd, product_effect_sd : float
        Spread of levels between categories, and between products of a category, in log units.
    elasticity_global, elasticity_group_sd, elasticity_sd : float
        Overall elasticity, its spread between categories, and between products of a category.
    correlation : float
        Between a product's level and its elasticity.
    between_price_bias, between_price_sd : float
        Mean and spread, between categories, of the gap between the slope of levels on products' mean log
        prices and the category's elasticity.
    time_shock_sd, time_drift_sd : float
        Time effects of a category: shocks of single periods, and steps of a random walk, in log units.
    noise : float
        Independent noise: the sd of log units, or the coefficient of variation of the mean of counts
        (dispersion**-0.5). Not of Poisson counts.
    noise_group_sd, noise_product_sd : float
        Spreads of the log of noise, independent and wandering alike, between categories and between
        products of a category.
    demand_sd, demand_half_life : float
        Sd, in log units, and half-life, in periods, of demand that wanders.
    demand_share_sd : float
        Spread between products of the normal quantile of the share of noise that wanders; not of Poisson
        counts, all noise of which wanders.
    elasticity_path_sd, elasticity_path_half_life : float
        The same of elasticities about their mean.
    """

    level: float = 4.0
    group_effect_sd: float = 1.0
    product_effect_sd: float = 1.0
    elasticity_global: float = -1.5
    elasticity_group_sd: float = 0.4
    elasticity_sd: float = 0.3
    correlation: float = 0.0
    between_price_bias: float = 0.0
    between_price_sd: float = 0.0
    time_shock_sd: float = 0.1
    time_drift_sd: float = 0.03
    noise: float = 0.3
    noise_group_sd: float = 0.0
    noise_product_sd: float = 0.0
    demand_sd: float = 0.0
    demand_half_life: float = 8.0
    demand_share_sd: float = 0.0
    elasticity_path_sd: float = 0.0
    elasticity_path_half_life: float = 2.0


def simulate_demand(
    N: int = 300,
    C: int = 30,
    T: int = 60,
    scales: DemandScales | None = None,
    *,
    noise: str = "log_normal",
    price_change_prob: float = 0.3,
    price_sd: float = 0.15,
    missing_prob: float = 0.0,
    seed: int = 42,
) -> pd.DataFrame:
    r"""Simulate units sold from the model that :class:`hdfm.HierarchicalElasticity` fits.

    Where :func:`simulate_sales` breaks the model's assumptions, this one holds them, so that intervals must
    cover as they say. Products i in categories g over periods t, all in log units:

    .. math::

        \eta_{it} &= \delta_i + (\beta_i + b_{it}) \, x_{it} + \gamma_{gt} + u_{it}, \qquad
            x_{it} = \log p_{it} - \overline{\log p_i} \\
        u_i &\sim \mathrm{AR}(1): \text{ sd } s_{u,i}, \text{ half-life } h_u, \qquad
        b_i \sim \mathrm{AR}(1): \text{ sd } s_b, \text{ half-life } h_b \\
        \log y_{it} &\sim N(\eta_{it}, s_{e,i}) \;|\;
            y_{it} \sim \mathrm{NegativeBinomial}(\exp \eta_{it}, s_{e,i}^{-2}) \;|\;
            \mathrm{Poisson}(\exp \eta_{it}) \\
        s_{e,i} &= s \, m_i \cos \phi_i, \quad s_{u,i} = s \, m_i \sin \phi_i, \quad
            \phi_i = \tfrac{\pi}{2} \Phi\big(\Phi^{-1}(\tfrac{2}{\pi} \arctan \tfrac{s_u}{s_e}) + l_i\big),
            \quad s^2 = s_e^2 + s_u^2 \\
        \log m_i &\sim N(\log m_g, \omega_p), \quad \log m_g \sim N(0, \omega_g), \quad
            l_i \sim N(0, \omega_u) \\
        \beta_i &\sim N(\beta_g, \sigma_\beta), \quad \beta_g \sim N(\beta_{global}, \sigma_g) \\
        \delta_i &\sim N(\delta_g + \lambda_g (\overline{\log p_i} - \overline{\log p_g}), \sigma_\delta),
            \quad \mathrm{corr}(\delta_i, \beta_i) = \rho, \quad \lambda_g \sim N(\beta_g + b_0, \tau)

    A path of half-life h has the correlation :math:`2^{-1/h}` from one period to the next [1]_, and is
    stationary: sds are those of any one period. :math:`\gamma_g` is a random walk plus shocks, and sums to
    zero over periods. A price holds for 1 / ``price_change_prob`` periods on average, then a new one is
    drawn about what the product usually costs, independently of demand.

    Parameters
    ----------
    N, C, T : int
        Numbers of products, categories and periods; categories are as large as each other, up to one product.
    scales : DemandScales, optional
        Means and spreads; None for ``DemandScales()``, in which demand doesn't wander, elasticities don't
        move and noise is the same for all.
    noise : {"log_normal", "negative_binomial", "poisson"}
        Distribution of the units given :math:`\eta`.
    price_change_prob, price_sd : float
        Probability that a product's price changes from one period to the next, and the sd of its log.
    missing_prob : float
        Probability that a product-period is missing from the frame; mean log prices are those of rows that
        are there.
    seed : int
        Seed of the random numbers. Prices, effects, time effects, ratios of noise, either kind of path, units
        and missing rows have streams of their own: a spread moves nothing but what it is the spread of.

    Returns
    -------
    pandas.DataFrame
        One row per product and period: ``product``, ``category``, ``time_period``, ``price`` (above 0,
        rounded to 0.01), ``units_sold``, and the truth in ``product_elasticity``, :math:`\beta_i`,
        ``category_elasticity``, ``global_elasticity``, ``expected_units``, :math:`\exp \eta_{it}` (the median
        of volumes), ``current_elasticity``, :math:`\beta_i + b_{it}`, ``demand_path``, :math:`u_{it}`,
        ``noise_ratio``, :math:`s_{e,i} / s_e`, and ``demand_ratio``, :math:`s_{u,i} / s_u`.
        ``attrs["truth"]`` has the scales by name.

    Raises
    ------
    InvalidArgumentError
        If a size is not a whole number above 0, there are fewer products than categories, a probability is
        outside [0, 1], a scale is negative or not finite, or ``noise`` is unknown.

    References
    ----------
    .. [1] Rue and Held (2005), "Gaussian Markov Random Fields", chapter 1.

    Examples
    --------
    >>> from hdfm.datasets import DemandScales, simulate_demand
    >>> sales = simulate_demand(20, 2, 30, DemandScales(demand_sd=0.3, noise_group_sd=0.5))
    >>> sales.groupby("category")["noise_ratio"].nunique().tolist()
    [1, 1]
    >>> sales.attrs["truth"]["demand_sd"]
    0.3
    """
    scales = DemandScales() if scales is None else scales
    _check_demand(locals())
    rng = {name: np.random.default_rng([seed, k]) for k, name in enumerate(STREAMS)}
    category = np.arange(N) * C // N
    has_row = rng["rows"].random((N, T)) >= missing_prob
    log_price = _sticky_log_prices(rng["prices"], N, T, price_change_prob, price_sd)
    usual = (log_price * has_row).sum(axis=1) / np.maximum(has_row.sum(axis=1), 1)

    x = log_price - usual[:, None]
    delta, beta, beta_g = _effects(rng["effects"], scales, category, usual)
    gamma = _time_effects(rng["time"], scales, C, T)
    m = np.exp(
        scales.noise_group_sd * rng["ratios"].standard_normal(C)[category]
        + scales.noise_product_sd * rng["ratios"].standard_normal(N)
    )
    noise_ratio, demand_ratio = _shares(rng["shares"], scales, m, noise)
    u = demand_ratio[:, None] * stationary_paths(
        rng["demand"], (N, T), scales.demand_sd, scales.demand_half_life
    )
    b = stationary_paths(rng["moves"], (N, T), scales.elasticity_path_sd, scales.elasticity_path_half_life)
    current = beta[:, None] + b
    rate = np.exp(delta[:, None] + current * x + gamma[category] + u)
    units_rng = np.random.RandomState(rng["units"].integers(2**32))
    units = NOISES[noise].draw(units_rng, rate, (scales.noise * noise_ratio[:, None]) ** -2)

    product, period = np.meshgrid(np.arange(N), np.arange(T), indexing="ij")
    columns = {
        "product": product,
        "category": category[product],
        "time_period": period,
        "price": np.exp(log_price).round(2),
        "units_sold": units,
        "product_elasticity": beta[product],
        "category_elasticity": beta_g[category][product],
        "global_elasticity": np.full((N, T), scales.elasticity_global),
        "expected_units": rate,
        "current_elasticity": current,
        "demand_path": u,
        "noise_ratio": noise_ratio[product],
        "demand_ratio": demand_ratio[product],
    }
    frame = pd.DataFrame({name: values[has_row] for name, values in columns.items()})
    frame.attrs["truth"] = asdict(scales)
    return frame


def stationary_paths(
    rng: np.random.Generator, shape: tuple[int, int], sd: float, half_life: float
) -> np.ndarray:
    r"""AR(1) paths (N, T), :math:`a_{t+1} = \rho a_t + \sqrt{1 - \rho^2} \, \mathrm{sd} \, z_t`."""
    rho, z = 2.0 ** (-1 / half_life), rng.standard_normal(shape)
    paths = np.empty(shape)
    paths[:, 0] = z[:, 0]
    for t in range(1, shape[1]):
        paths[:, t] = rho * paths[:, t - 1] + np.sqrt(1 - rho**2) * z[:, t]
    return sd * paths


def _sticky_log_prices(rng, N, T, change_prob, sd):
    """Logs of prices (N, T), of whole cents, that hold until they change."""
    usual = np.log(MEAN_PRICE) + PRICES_BETWEEN * rng.standard_normal(N)
    changes = np.arange(T) == 0
    changes = changes | (rng.random((N, T)) < change_prob)
    since = np.maximum.accumulate(np.where(changes, np.arange(T), 0), axis=1)
    price = np.exp(usual[:, None] + sd * rng.standard_normal((N, T)))
    return np.log(np.take_along_axis(price, since, axis=1).round(2).clip(0.01))


def _effects(rng, scales, category, usual):
    """Levels (N,) and elasticities of products (N,) and categories (C,)."""
    C, N = int(category[-1]) + 1, len(category)
    delta_g = scales.level + scales.group_effect_sd * rng.standard_normal(C)
    beta_g = scales.elasticity_global + scales.elasticity_group_sd * rng.standard_normal(C)
    slope = beta_g + scales.between_price_bias + scales.between_price_sd * rng.standard_normal(C)
    z, rho = rng.standard_normal((2, N)), scales.correlation
    usual_g = np.bincount(category, usual) / np.bincount(category)
    expected = delta_g[category] + slope[category] * (usual - usual_g[category])
    delta = expected + scales.product_effect_sd * z[0]
    beta = beta_g[category] + scales.elasticity_sd * (rho * z[0] + np.sqrt(1 - rho**2) * z[1])
    return delta, beta, beta_g


def _shares(rng, scales, m, noise):
    """Ratios (N,) of independent noise and of demand that wanders."""
    lean = scales.demand_share_sd * rng.standard_normal(len(m))
    if not NOISES[noise].has_noise or scales.demand_sd == 0 or scales.demand_share_sd == 0:
        return m, m
    usual = np.arctan(scales.demand_sd / scales.noise)
    angle = np.pi / 2 * ndtr(ndtri(2 / np.pi * usual) + lean)
    return m * np.cos(angle) / np.cos(usual), m * np.sin(angle) / np.sin(usual)


def _time_effects(rng, scales, C, T):
    """gamma (C, T)."""
    steps = scales.time_drift_sd * rng.standard_normal((C, T))
    gamma = steps.cumsum(axis=1) + scales.time_shock_sd * rng.standard_normal((C, T))
    return gamma - gamma.mean(axis=1, keepdims=True)


def _check_demand(arguments):
    for name in ("N", "C", "T"):
        value = arguments[name]
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InvalidArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")
    if arguments["N"] < arguments["C"]:
        raise InvalidArgumentError(
            f"Each category needs a product: N must be at least C; got N={arguments['N']}, "
            f"C={arguments['C']}."
        )
    for name in ("price_change_prob", "missing_prob"):
        if not 0 <= arguments[name] <= 1:
            raise InvalidArgumentError(f"{name} is a probability, between 0 and 1; got {arguments[name]!r}.")
    if not 0 <= arguments["price_sd"] < np.inf:
        raise InvalidArgumentError(f"price_sd must be a number, at least 0; got {arguments['price_sd']!r}.")
    if arguments["noise"] not in NOISES_OF_DEMAND:
        raise InvalidArgumentError(f"noise must be one of {NOISES_OF_DEMAND}; got {arguments['noise']!r}.")
    _check_scales(arguments["scales"])


def _check_scales(scales):
    for field in fields(scales):
        value = getattr(scales, field.name)
        if not np.isfinite(value) or (value < 0 and field.name not in LOCATIONS):
            raise InvalidArgumentError(f"{field.name} must be a finite number, at least 0; got {value!r}.")
    for name in ("noise", "demand_half_life", "elasticity_path_half_life"):
        if not getattr(scales, name) > 0:
            raise InvalidArgumentError(f"{name} must be above 0; got {getattr(scales, name)!r}.")
    if not -1 <= scales.correlation <= 1:
        raise InvalidArgumentError(f"correlation must lie in [-1, 1]; got {scales.correlation!r}.")
