"""Noise by product: views where products share it, arrays where they do not."""

import numpy as np
import pymc as pm
import pytest

from hdfm import ElasticityPriors
from hdfm.sales.likelihoods.noise import ScaleDraws, by_product, is_shared, is_shared_in_graph
from hdfm.sales.likelihoods.registry import FAMILIES, LIKELIHOODS, noise_variables

NOISES = {name: family.noise for name, family in FAMILIES.items() if family.noise is not None}


def test_what_products_share_takes_no_memory():
    draws = np.arange(5.0)
    scale, noise = by_product(draws, 1000), by_product(0.3, 1000)
    assert scale.shape == (1000, 5)
    assert noise.shape == (1000,)
    assert np.shares_memory(scale, draws)
    assert is_shared(scale)
    assert is_shared(noise)
    assert is_shared(noise[10:20])
    assert not is_shared(scale.copy())


@pytest.mark.parametrize("power", [1, -2, 0])
@pytest.mark.parametrize("product", [[0, 2, 2], [1]])
def test_scale_of_rows(product, power):
    rng = np.random.default_rng(1)
    shared, ratio, rows = rng.uniform(1, 2, 4), rng.uniform(0.5, 2, (3, 4)), np.array(product)
    one, own = ScaleDraws(shared), ScaleDraws(shared, ratio, power)
    shares = ScaleDraws(shared, ratio, power, ratio + 1)
    np.testing.assert_array_equal(one.of_rows(rows), shared[None])
    np.testing.assert_allclose(own.of_rows(rows) / np.ones((len(rows), 4)), (shared * ratio**power)[rows])
    np.testing.assert_array_equal(own.some(np.array([2])).of_rows(rows), own.of_rows(rows)[:, [2]])
    more = shares.extended([(np.full(4, 3.0), np.full(4, 5.0))])
    np.testing.assert_allclose(more.of_rows(np.array([3]))[0], shared * 3.0**power)
    np.testing.assert_array_equal(more.demand_ratio_of(3), np.full(4, 5.0))
    np.testing.assert_array_equal(one.demand_ratio_of(1), np.ones(4))
    np.testing.assert_array_equal(own.demand_ratio_of(1), ratio[1])
    np.testing.assert_array_equal(shares.some(np.array([2])).demand_ratio_of(1), ratio[1, [2]] + 1)


@pytest.mark.parametrize("name", NOISES)
def test_scale_is_a_power_of_noise(name):
    noise = NOISES[name]
    np.testing.assert_allclose(dict(noise.variables(0.3))[noise.scale], 0.3**noise.scale_power)


@pytest.mark.parametrize("name", NOISES)
def test_variables_in_the_graph_are_those_of_laplace(name):
    noise, priors = NOISES[name], ElasticityPriors(overdispersion=0.8, noise_sd=0.6)
    with pm.Model() as model:
        scale = noise.in_graph(priors, 0.3)[None] ** noise.scale_power
    variables = dict(noise.variables(0.3))
    assert is_shared_in_graph(scale)
    assert set(model.named_vars) == set(variables)
    assert scale.eval({model[noise.name]: 0.3}) == pytest.approx(variables[noise.scale])


@pytest.mark.parametrize("name", NOISES)
def test_priors_of_noise_are_one(name):
    """The density of log noise is that of the noise times it."""
    noise, priors = NOISES[name], ElasticityPriors(overdispersion=0.8, noise_sd=0.6)
    with pm.Model() as model:
        noise.in_graph(priors, 0.3)
    values = np.array([0.1, 0.5, 2.0])
    density = pm.logp(model[noise.name], values).eval()
    gap = [noise.log_prior(priors, value) for value in values] - (density + np.log(values))
    np.testing.assert_allclose(gap, gap[0])


def test_names_are_those_of_the_families():
    assert LIKELIHOODS == ("negative_binomial", "poisson", "log_normal", "zero_inflated_poisson")
    assert noise_variables() == ("overdispersion", "dispersion", "noise_sd", "root_zero_odds", "zero_odds")
