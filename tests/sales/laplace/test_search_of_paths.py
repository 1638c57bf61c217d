"""The search for the mode of noise and paths, on panels whose truth is known."""

import numpy as np
import pytest
from conftest import ROLES

from hdfm import HierarchicalElasticity
from hdfm.datasets import DemandScales, simulate_demand
from hdfm.sales.laplace.integration import integration_points
from hdfm.sales.laplace.marginal import DIFFERENCE
from hdfm.sales.laplace.mode import laplace_mode
from hdfm.sales.laplace.noise_step import given_others, given_way, noise_hierarchy, noise_slopes

NEAR = 0.3  # posterior sds that another Newton step would take
FITTED = {"demand": "wandering", "dispersion": "product", "elasticity_path": "moving"}
CASES = {
    "log_normal": DemandScales(noise=0.2, demand_sd=0.3, demand_half_life=6.6, noise_group_sd=0.3),
    "zero_inflated_poisson": DemandScales(
        level=2.0, demand_sd=0.3, noise_group_sd=0.4, elasticity_path_sd=0.4
    ),
}


@pytest.fixture(scope="module", params=CASES)
def mode(request):
    likelihood = request.param
    noise = "log_normal" if likelihood == "log_normal" else "poisson"
    sales = simulate_demand(30, 3, 25, CASES[likelihood], noise=noise, seed=3)
    model = HierarchicalElasticity(**ROLES, **FITTED, likelihood=likelihood, inference="laplace")
    panel, spec = model._panel(sales, sales["units_sold"], None)[:2]
    return laplace_mode(panel, spec)


def differences(mode, function):
    """Central differences of a function of scales by coordinates of noise."""
    noise = mode.coordinates.noise
    v, steps = noise.position(mode.scales), DIFFERENCE * np.eye(len(noise.coordinates))
    ends = [[function(noise.at(v + sign * step, mode.scales)) for sign in (1, -1)] for step in steps]
    return np.array([(np.array(up) - down) / (2 * DIFFERENCE) for up, down in ends])


def test_the_search_ends_where_the_marginal_is_flat(mode):
    """Coordinates lean on each other, and the log posterior of small sds is not concave."""
    slopes, H = differences(mode, mode.marginal.value), np.diag(mode.by_noise.curvature)
    assert (H > 0).all()
    others = [one.own is None for one in mode.coordinates.noise.coordinates]
    assert (abs(slopes) / np.sqrt(H))[others].max() < NEAR


def test_true_sds_are_found(mode):
    assert mode.scales.demand.sd == pytest.approx(0.3, abs=0.1)


def test_curvatures_of_pairs_are_those_of_the_marginal(mode):
    """Up to what the posterior of what is shared, held by products' sums, gives way."""
    H, noise = mode.by_noise.curvature, mode.coordinates.noise

    def slopes(scales):
        posterior = mode.marginal.posterior(scales)
        return noise_slopes(mode.expansion, noise, posterior).slope

    expected = -differences(mode, slopes)
    np.testing.assert_allclose(H, (expected + expected.T) / 2, atol=0.1 * abs(H).max())
    assert (H == H.T).all()


def test_a_coordinate_follows_the_others(mode):
    slopes, noise = mode.by_noise, mode.coordinates.noise
    H, own = slopes.curvature, [j for j, _ in noise.own]
    for j in own:
        move = np.where(np.isin(np.arange(len(H)), own), 0.0, np.linspace(-0.1, 0.1, len(H)))
        moved = given_others(noise, slopes, j, slopes.v + move)
        assert max(H[j, j], 1.0) * moved + H[j] @ move == pytest.approx(0, abs=1e-9)
        assert given_others(noise, slopes, j, slopes.v + np.eye(len(H))[own[0]]) == 0


def test_what_products_add_gives_way(mode):
    """The complement, in the curvature of everything, of what products add: one block a product."""
    slopes, noise, scales = mode.by_noise, mode.coordinates.noise, mode.scales
    V, N, own = len(slopes.v), len(mode.model.panel.product), [j for j, _ in noise.own]
    size = V + N * len(own)
    whole, column = np.zeros((size, size)), V + np.arange(N * len(own)).reshape(len(own), N)
    whole[:V, :V] = slopes.curvature
    for a, j in enumerate(own):
        told = noise_hierarchy(mode.model, noise, scales, slopes, j)
        sds, weight = told.spreads()
        whole[:V, column[a]] = slopes.bends[:, j, :-1]
        whole[column[a], :V] = slopes.bends[:, j, :-1].T
        for b, k in enumerate(own):
            whole[column[a], column[b]] = slopes.bends[j, k, :-1]
        whole[column[a], column[a]] = told.information + 1 / (weight @ sds[:, 1]) ** 2
    expected = np.linalg.inv(np.linalg.inv(whole)[:V, :V])
    found = slopes.curvature - given_way(mode.model, noise, scales, slopes)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * abs(expected).max())


def test_weights_of_points_are_even(mode, monkeypatch):
    monkeypatch.setattr("hdfm.sales.laplace.integration.MOST", 64)
    points, _ = integration_points(mode, np.random.default_rng(0))
    assert 1 / sum(point.weight**2 for point in points) > 10
