"""A posterior of choice made up by hand, and the model in loops over it."""

import numpy as np
import xarray as xr

from hdfm.choice.posterior.market import ChoicePosterior

CHAINS, DRAWS = 2, 6
KERNEL, SEED = "matern32", 7
L, LC, LI = 2, 1, 1
# The same sums of some ten numbers in another order.
SAME = 1e-12


def hand_posterior(panel, *, chains=CHAINS, draws=DRAWS, without=()):
    """Draws of all three tiers, and of covariate effects, out of thin air; the factors zero-sum."""
    rng = np.random.default_rng(1)
    S, N, T, C = len(panel.coefficient), len(panel.customer), len(panel.period), len(panel.category)
    shapes = {
        "coefficient_mean": ("coefficient",),
        "alpha": ("customer", "coefficient"),
        "covariate_effect": ("coefficient", "covariate"),
        "loading": ("customer", "coefficient", "factor"),
        "factor_path": ("period", "factor"),
        "lengthscale": ("factor",),
        "category_loading": ("coefficient", "category_factor"),
        "category_factor_path": ("category", "period", "category_factor"),
        "category_lengthscale": ("category_factor",),
        "individual_loading": ("coefficient", "individual_factor"),
        "individual_factor_path": ("customer", "period", "individual_factor"),
        "individual_lengthscale": (),
        "individual_multiplier": ("customer",),
    }
    size = {
        "coefficient": S,
        "customer": N,
        "period": T,
        "category": C,
        "covariate": panel.covariates.shape[1],
    }
    size |= {"factor": L, "category_factor": LC, "individual_factor": LI}
    values = {}
    for name, dims in shapes.items():
        if name in without:
            continue
        drawn = rng.standard_normal((chains, draws, *(size[dim] for dim in dims)))
        if not name.startswith(("alpha", "coefficient", "covariate")) and "path" not in name:
            drawn = 0.1 + 0.3 * np.abs(drawn)
        if "path" in name:
            drawn -= drawn.mean(axis=2 + dims.index("period"), keepdims=True)
        values[name] = (("chain", "draw", *dims), drawn)
    return xr.Dataset(values)


def market_of(draws, panel, encoded=None, seed=SEED):
    """The choice sets of the fit, or others, with their draws."""
    return ChoicePosterior(draws=draws, panel=panel, kernel=KERNEL, seed=seed).at(encoded)
