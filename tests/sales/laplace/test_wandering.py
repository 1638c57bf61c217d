"""Noise by product and paths through time, integrated out: against dense matrices, and truths."""

from dataclasses import replace

import numpy as np
import pytest
from reference.sales import case, columns, dense_posterior, size
from scipy.stats import multivariate_normal, norm

from hdfm.sales.laplace.draws import sample_laplace
from hdfm.sales.laplace.expansion import expansion, expansion_about
from hdfm.sales.laplace.information import DiagonalInformation
from hdfm.sales.laplace.marginal import DIFFERENCE, Marginal
from hdfm.sales.laplace.mode import first_guess
from hdfm.sales.laplace.newton import posterior_mode
from hdfm.sales.laplace.noise_step import noise_slopes
from hdfm.sales.laplace.prior import PathScale
from hdfm.sales.laplace.scales import scale_model
from hdfm.sampling.settings import SamplingSettings

PARTS = {
    "noise by product": {"dispersion": "product"},
    "demand wanders": {"demand": "wandering"},
    "all": {"dispersion": "product", "demand": "wandering", "elasticity_path": "moving"},
}
LIKELIHOODS = ["log_normal", "negative_binomial"]


def scales_of(one, parts):
    """Some scales with what a model has."""
    rng, changes = np.random.default_rng(5), {}
    if "dispersion" in parts:
        changes["ratio"] = np.exp(rng.normal(0, 0.3, len(one.panel.product)))
    if one.spec.has_demand_shares:
        changes["lean"] = rng.normal(0, 0.5, len(one.panel.product))
    if "demand" in parts:
        changes["demand"] = PathScale(0.25, 5.0)
    if "elasticity_path" in parts:
        changes["moves"] = PathScale(0.4, 1.5)
    return replace(one.scales, **changes)


def model_of(name, likelihood, parts):
    one = case(name, likelihood, noise=likelihood)
    one = one.having(spec=replace(one.spec, **PARTS[parts]))
    one = replace(one, scales=scales_of(one, PARTS[parts]))
    plain = replace(one.scales, ratio=None, lean=None, demand=None, moves=None)
    effects = posterior_mode(one.model, plain, first_guess(one.model)[1])
    at = expansion(expansion_about(one.model, one.scales, effects), one.scales)
    return one, Marginal(scale_model(one.model), at)


def noise_covariance(one, scales):
    """Of all cells (N T, N T): independent noise, and paths."""
    (N, T), steps = one.panel.units.shape, one.panel.timeline.steps
    gap, out = abs(steps[:, None] - steps), np.zeros((N * T, N * T))
    ratio = np.ones(N) if scales.ratio is None else scales.ratio
    demand = 0.0 if scales.demand is None else scales.demand.sd
    quantile = norm.ppf(2 / np.pi * np.arctan(demand / scales.noise))
    angle = np.pi / 2 * norm.cdf(quantile + (np.zeros(N) if scales.lean is None else scales.lean))
    total = np.hypot(scales.noise, demand) * ratio
    for i in range(N):
        rows, x = slice(i * T, (i + 1) * T), one.panel.log_price[i]
        K = (total[i] * np.cos(angle[i])) ** 2 * np.eye(T)
        if scales.demand is not None:
            K += (total[i] * np.sin(angle[i])) ** 2 * 2 ** (-gap / scales.demand.half_life)
        if scales.moves is not None:
            K += scales.moves.sd**2 * 2 ** (-gap / scales.moves.half_life) * np.outer(x, x)
        out[rows, rows] = K
    return out


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", ["one level", "two levels, a control", "shared time effects"])
def test_the_marginal_of_volumes_is_exact(name, parts):
    """log y ~ N(F m, F P^-1 F' + noise and paths), times priors."""
    one, marginal = model_of(name, "log_normal", parts)
    seen = one.panel.observed.ravel()
    data, F = np.log(one.panel.units.ravel()[seen]), columns(one).reshape(-1, size(one))[seen]
    nothing = 0 * one.panel.units

    def exact(scales):
        prior = dense_posterior(replace(one, scales=scales), DiagonalInformation(nothing), nothing)
        covariance = F @ np.linalg.inv(prior.prior) @ F.T + noise_covariance(one, scales)[np.ix_(seen, seen)]
        priors = marginal.coordinates.log_prior(marginal.coordinates.coordinates(scales))[0]
        priors += marginal.coordinates.noise.log_prior(scales)
        return multivariate_normal.logpdf(data, F @ prior.mean, covariance) + priors

    noise = marginal.coordinates.noise
    other = replace(one.scales, elasticity=0.6, product_effect=1.2, time_drift=0.3)
    other = noise.at(noise.position(other) + 0.4, other)
    ours = [marginal.value(scales) for scales in (one.scales, other)]
    assert ours[0] - ours[1] == pytest.approx(exact(one.scales) - exact(other), abs=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("parts", PARTS)
def test_slopes_by_noise_are_those_of_the_marginal(likelihood, parts):
    """Sums over products, which hold what is shared at its posterior, against differences of the whole."""
    one, marginal = model_of("two levels, a control", likelihood, parts)
    noise, v = marginal.coordinates.noise, marginal.coordinates.noise.position(one.scales)
    slopes = noise_slopes(marginal.expansion, noise, marginal.posterior(one.scales))
    for j in range(len(v)):
        step = DIFFERENCE * np.eye(len(v))[j]
        up, down = (marginal.value(noise.at(v + sign * step, one.scales)) for sign in (1, -1))
        expected = (up - down) / (2 * DIFFERENCE)
        assert slopes.slope[j] == pytest.approx(expected, abs=0.3 + 0.03 * abs(expected))


def test_slopes_of_a_product_are_those_of_the_marginal():
    one, marginal = model_of("one level", "negative_binomial", "all")
    noise = marginal.coordinates.noise
    slopes = noise_slopes(marginal.expansion, noise, marginal.posterior(one.scales)).slopes
    assert len(noise.own) == 2
    for j, own in noise.own:
        for i in range(len(one.panel.product)):
            step = np.where(np.arange(len(one.panel.product)) == i, DIFFERENCE, 0.0)
            up, down = (
                marginal.value(own.moved(one.scales, own.of(one.scales) + sign * step)) for sign in (1, -1)
            )
            assert slopes[j, i] == pytest.approx((up - down) / (2 * DIFFERENCE), abs=0.15)


@pytest.mark.parametrize("likelihood", [*LIKELIHOODS, "poisson", "zero_inflated_poisson"])
def test_coordinates_come_back(likelihood):
    one = case("one level", likelihood, noise="log_normal")
    one = one.having(spec=replace(one.spec, **PARTS["all"]))
    scales, noise = scales_of(one, PARTS["all"]), scale_model(one.model).noise
    v = noise.position(scales) + 0.3
    np.testing.assert_allclose(noise.position(noise.at(v, scales)), v, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_parts_of_no_size_are_no_parts(likelihood):
    """Paths of next to no spread and ratios of 1: the marginal of today's model."""
    one, marginal = model_of("one level", likelihood, "all")
    nearly = PathScale(1e-7, 4.0)
    ones = np.ones(len(one.panel.product))
    small = replace(one.scales, ratio=ones, lean=0 * ones, demand=nearly, moves=nearly)
    none = replace(one.scales, ratio=None, lean=None, demand=None, moves=None)
    plain = replace(marginal.expansion, low=None, paths=None, path_means=None)
    expected = replace(marginal, expansion=plain).posterior(replace(none, noise=none.noise))
    ours = replace(
        marginal, expansion=replace(marginal.expansion, path_means=0 * marginal.expansion.path_means)
    ).posterior(small)
    assert ours.log_marginal == pytest.approx(expected.log_marginal, rel=1e-8)
    np.testing.assert_allclose(ours.mean().product, expected.mean().product, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("likelihood", [*LIKELIHOODS, "poisson", "zero_inflated_poisson"])
@pytest.mark.parametrize("large", [False, True])
def test_draws_have_noise_by_product_and_paths(monkeypatch, likelihood, large):
    """In the integration, and held at their mode as in large panels."""
    monkeypatch.setattr("hdfm.sales.laplace.prior.LARGE", 0 if large else 10**9)
    monkeypatch.setattr("hdfm.sales.laplace.integration.MOST", 32)
    one = case("one level", likelihood, noise="log_normal" if likelihood == "log_normal" else "poisson")
    spec = replace(one.spec, **PARTS["all"])
    settings = SamplingSettings(100, 0, 2, 0.8, 3, False, None)
    values = sample_laplace(one.panel, spec, settings).values
    names = {"noise_ratio": 12, "noise_group_ratio": 3, "noise_group_sd": 1, "noise_product_sd": 1}
    if spec.has_demand_shares:
        names |= {"demand_ratio": 12, "demand_share_sd": 1}
    names |= {f"{path}_{what}": 1 for path in ("demand", "elasticity_path") for what in ("sd", "half_life")}
    for name, length in names.items():
        assert values[name].reshape(200, -1).shape == (200, length)
        assert (values[name] > 0).all()
        assert (np.log(values[name]).reshape(200, -1).std(axis=0) > 0.01).all()
    assert all(np.isfinite(value).all() for value in values.values())
    again = sample_laplace(one.panel, spec, settings).values
    assert all(np.array_equal(again[name], value) for name, value in values.items())
