"""Draws from the distributions of the dynamic factor choice model.

Axis order: N customers, S coefficients (category by category), T periods, C categories, L factors of a tier,
K covariates.
"""

from numbers import Real

import numpy as np
import pandas as pd
import xarray as xr
from numpy.random import Generator

from hdfm.datasets.choice_truth import ChoiceEffects, ChoiceTruth

ALPHA_SD = {"price": 0.5, "display": 0.4, "feature": 0.4}
INTERCEPT_SD = 0.8
COVARIATE_SD = 0.3
INDIVIDUAL_LOADING_SPREAD = 0.4
LOADING_DECAY = 0.6
INDIVIDUAL_SPREAD = 0.3
LKJ_CONCENTRATION = 2.0
JITTER = 1e-10
NODES = 40


def draw_truth(
    rng: dict[str, Generator],
    mean: pd.Series,
    sizes: tuple[int, int, int],
    n_factors: tuple[int, int, int],
    lengthscale: float,
    effects: ChoiceEffects,
) -> ChoiceTruth:
    """Draw the coefficients of every customer and how they move.

    Parameters
    ----------
    rng : dict of numpy.random.Generator
        One stream for "alpha" and one for each tier, "global", "category" and "individual".
    mean : pandas.Series
        Means (S,) of the coefficients, by ("category", "predictor").
    sizes : tuple of int
        N, T and K.
    n_factors : tuple of int
        L of the three tiers.
    """
    N, T, K = sizes
    S, categories = len(mean), mean.index.unique("category")
    L_global, L_category, L_individual = n_factors
    predictors = mean.index.get_level_values("predictor")
    sd = effects.heterogeneity * np.array([ALPHA_SD.get(name, INTERCEPT_SD) for name in predictors])
    root = lkj_cholesky(rng["alpha"], S)
    alpha = mean.to_numpy() + sd * (rng["alpha"].standard_normal((N, S)) @ root.T)
    covariate_effects = COVARIATE_SD * rng["alpha"].standard_normal((S, K))
    covariates = rng["alpha"].standard_normal((N, K))

    factors = _unit_variance(matern32_paths(rng["global"], (L_global,), T, lengthscale), -1)
    typical = _typical(effects.loading, L_global)
    loadings, mean_loadings = customer_loadings(rng["global"], N, S, typical, effects)

    shape = (len(categories), L_category)
    category_factors = _unit_variance(matern32_paths(rng["category"], shape, T, lengthscale), -1)
    typical = _typical(effects.category_loading, L_category)
    category_loadings, mean_category = customer_loadings(rng["category"], N, S, typical, effects)

    individual = matern32_paths(rng["individual"], (N, L_individual), T, lengthscale)
    individual = _unit_variance(individual - individual.mean(axis=0), (0, 2))
    spread = np.exp(INDIVIDUAL_LOADING_SPREAD * rng["individual"].standard_normal((S, L_individual)))
    scale = np.exp(INDIVIDUAL_SPREAD * rng["individual"].standard_normal(N))

    of = categories.get_indexer(mean.index.get_level_values("category"))
    population = mean.to_numpy()[:, None] + mean_loadings @ factors
    population = population + np.einsum("sl,slt->st", mean_category, category_factors[of])

    labels = {
        "customer": np.arange(N),
        "category": categories.to_numpy(),
        "period": np.arange(1, T + 1),
        "covariate": [f"covariate_{k + 1}" for k in range(K)],
    }
    pairs = xr.Coordinates.from_pandas_multiindex(
        pd.MultiIndex.from_tuples(mean.index, names=mean.index.names), "coefficient"
    )

    def labelled(values, *dims):
        coords = {name: labels[name] for name in dims if name in labels}
        array = xr.DataArray(values, dims=dims, coords=coords)
        return array.assign_coords(pairs) if "coefficient" in dims else array

    return ChoiceTruth(
        mean=labelled(mean.to_numpy(), "coefficient"),
        sd=labelled(sd, "coefficient"),
        correlation=root @ root.T,
        covariate_effects=labelled(covariate_effects, "coefficient", "covariate"),
        covariates=labelled(covariates, "customer", "covariate"),
        alpha=labelled(alpha + covariates @ covariate_effects.T, "customer", "coefficient"),
        factors=labelled(factors, "factor", "period"),
        loadings=labelled(loadings, "customer", "coefficient", "factor"),
        category_factors=labelled(category_factors, "category", "factor", "period"),
        category_loadings=labelled(category_loadings, "customer", "coefficient", "factor"),
        individual_factors=labelled(individual, "customer", "factor", "period"),
        individual_loadings=labelled(
            _typical(effects.individual_loading, L_individual) * spread, "coefficient", "factor"
        ),
        individual_scale=labelled(scale, "customer"),
        population=labelled(population, "coefficient", "period"),
    )


def matern32_paths(rng: Generator, shape: tuple[int, ...], T: int, lengthscale: float) -> np.ndarray:
    r"""Paths (\*shape, T) of a Gaussian process with a Matern-3/2 kernel, centred over the periods.

    .. math:: k(t, t') = (1 + r) e^{-r}, \qquad r = \sqrt 3 \, |t - t'| / \rho, \qquad t \in [0, 1]

    Examples
    --------
    >>> import numpy as np
    >>> from hdfm.datasets.choice_draws import matern32_paths
    >>> paths = matern32_paths(np.random.default_rng(0), (3,), 20, 0.2)
    >>> bool(abs(paths.mean(axis=1)).max() < 1e-12)
    True
    """
    t = np.linspace(0, 1, T)
    r = np.sqrt(3) * np.abs(t[:, None] - t) / lengthscale
    root = np.linalg.cholesky((1 + r) * np.exp(-r) + JITTER * np.eye(T))
    paths = rng.standard_normal((*shape, T)) @ root.T
    return paths - paths.mean(axis=-1, keepdims=True)


def lkj_cholesky(rng: Generator, n: int) -> np.ndarray:
    """Cholesky factor (n, n) of a correlation matrix from LKJ(2), by the onion method [1]_.

    References
    ----------
    .. [1] Lewandowski, Kurowicka, Joe (2009), "Generating random correlation matrices based on vines and
       extended onion method", Journal of Multivariate Analysis 100(9), section 3.2.
    """
    root = np.eye(n)
    for k in range(1, n):
        squared = rng.beta(k / 2, LKJ_CONCENTRATION + (n - 1 - k) / 2)
        direction = rng.standard_normal(k)
        root[k, :k] = np.sqrt(squared) * direction / np.linalg.norm(direction)
        root[k, k] = np.sqrt(1 - squared)
    return root


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp x)."""
    return np.logaddexp(0, x)


def softplus_inverse(y: np.ndarray) -> np.ndarray:
    """The x with log(1 + exp x) = y > 0."""
    return y + np.log(-np.expm1(-y))


def softplus_mean(mean: np.ndarray, sd: float) -> np.ndarray:
    """Expectation of softplus of a normal, by Gauss-Hermite quadrature.

    Examples
    --------
    >>> import numpy as np
    >>> from hdfm.datasets.choice_draws import softplus_mean
    >>> softplus_mean(np.array([-1.0, 0.0]), 0.0).round(4)
    array([0.3133, 0.6931])
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return softplus(mean[..., None] + sd * nodes) @ (weights / weights.sum())


def customer_loadings(
    rng: Generator, N: int, S: int, typical: np.ndarray, effects: ChoiceEffects
) -> tuple[np.ndarray, np.ndarray]:
    r"""Positive loadings (N, S, L) and their expectation over customers (S, L).

    .. math::

        w_{isl} = \operatorname{softplus}(\tilde w_{isl}), \qquad
        \tilde w_{il} \sim N(\mu_l, \sigma^2 \Lambda), \qquad \Lambda \sim \mathrm{LKJ}(2)

    Parameters
    ----------
    typical : numpy.ndarray
        Loadings (L,) that those of the coefficients scatter about.
    effects : ChoiceEffects
        :math:`\sigma` is its ``loading_sd``; the :math:`\mu_{sl}` scatter by ``loading_spread``.
    """
    sd = effects.loading_sd
    mean = softplus_inverse(typical) + effects.loading_spread * rng.standard_normal((S, len(typical)))
    root = lkj_cholesky(rng, S)
    scatter = np.einsum("st,ntl->nsl", root, rng.standard_normal((N, S, len(typical))))
    return softplus(mean + sd * scatter), softplus_mean(mean, sd)


def _typical(loading, L):
    """The typical loadings (L,) of a tier: each its own, or 0.6 times the one before."""
    if isinstance(loading, Real):
        return loading * LOADING_DECAY ** np.arange(L)
    return np.asarray(loading, dtype=float)


def _unit_variance(paths, axis):
    sd = paths.std(axis=axis, keepdims=True)
    return paths / np.where(sd > 0, sd, 1.0)
