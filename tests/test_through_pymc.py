"""PyMC's own JAX sampler on ``build_model``: the posterior that ``fit`` has."""

import os
import subprocess
import sys
import textwrap

import pytest

COMMON = """
    import warnings
    warnings.simplefilter("ignore")
    import arviz as az
    import numpy as np
    from pymc.sampling.jax import sample_numpyro_nuts  # sets 64 bits

    def compare(model, X, y, names):
        model.fit(X, y)
        tree = sample_numpyro_nuts(
            draws=400, tune=300, chains=2, random_seed=1, model=model.build_model(X, y), progressbar=False
        )
        for name in names:
            ours, theirs = model.idata_["posterior"][name], tree["posterior"][name]
            error = np.sqrt(sum(az.mcse(each).to_numpy() ** 2 for each in (ours, theirs)))
            gap = np.abs(ours.mean(["chain", "draw"]).to_numpy() - theirs.mean(["chain", "draw"]).to_numpy())
            assert (gap / error).max() < 4.5, (name, (gap / error).max())
            ends = [each.quantile([0.05, 0.95], ["chain", "draw"]).to_numpy() for each in (ours, theirs)]
            ratio = np.divide(*(high - low for low, high in reversed(ends)))  # tails are heavy: no sds
            assert 0.75 < ratio.min() and ratio.max() < 1.33, (name, ratio)
"""
MODELS = {
    "choice": """
        from hdfm import DynamicFactorChoiceModel
        from hdfm.datasets import simulate_choices
        X, _ = simulate_choices(15, 1, 12, n_factors=1, seed=1)
        y = X.pop("chosen")
        model = DynamicFactorChoiceModel(
            1, customer="customer", category="category", product="product", time="week",
            choice_set="choice_set", price="price", draws=400, tune=300, chains=2, progressbar=False,
        )
        compare(model, X, y, ["coefficient_mean", "customer_sd", "coefficient_path"])
    """,
    "sales": """
        from hdfm import HierarchicalElasticity
        from hdfm.datasets import simulate_sales
        X = simulate_sales(12, 2, 20, seed=5, price_change_prob=0.5)
        y = X.pop("units_sold")
        model = HierarchicalElasticity(
            "product", "category", time="time_period", price="price", inference="nuts", draws=400, tune=300,
            chains=2, progressbar=False, demand="independent", dispersion="shared",
            elasticity_path="constant",
        )
        compare(model, X, y, ["elasticity", "elasticity_category", "elasticity_sd"])
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_posterior_is_that_of_fit(name):
    program = textwrap.dedent(COMMON) + textwrap.dedent(MODELS[name])
    clean = {key: value for key, value in os.environ.items() if not key.startswith("XLA_")}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=900, env=clean
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
