from dataclasses import replace

import numpy as np
import pytest
from reference.sales import LAYOUTS, about_expected, bundle, case, columns, dense_posterior, size, vector

from hdfm.sales.laplace.effects import linear_predictor
from hdfm.sales.laplace.moments import moments
from hdfm.sales.laplace.posterior import normal_posterior

EXACT = {"rtol": 1e-9, "atol": 1e-10}


@pytest.fixture(params=LAYOUTS)
def both(request):
    """A case, its posterior through the arrow, and the dense one."""
    one = case(request.param)
    return one, normal_posterior(one.likelihood, one.scales), dense_posterior(one, *one.working)


def test_mean_is_that_of_the_dense_posterior(both):
    _, arrow, dense = both
    np.testing.assert_allclose(vector(arrow.mean()), dense.mean, **EXACT)


def test_determinant_is_that_of_the_dense_posterior(both):
    _, arrow, dense = both
    expected = np.linalg.slogdet(dense.posterior)[1] - np.linalg.slogdet(dense.prior)[1]
    assert arrow.log_det == pytest.approx(expected, abs=1e-9)


def test_draws_have_the_dense_covariance(both):
    _, arrow, dense = both
    draws = vector(arrow.draw(20_000, np.random.default_rng(2)))
    sd = np.sqrt(np.diag(dense.covariance))
    np.testing.assert_allclose((draws.mean(axis=1) - dense.mean) / sd, 0, atol=0.04)
    np.testing.assert_allclose((np.cov(draws) - dense.covariance) / np.outer(sd, sd), 0, atol=0.05)


def test_linear_predictor(both):
    one, arrow, dense = both
    eta = linear_predictor(one.model, arrow.mean())
    np.testing.assert_allclose(eta, columns(one) @ dense.mean, **EXACT)


def test_second_moments(both):
    one, arrow, dense = both
    panel, layout = one.panel, one.layout
    found, n_cosines = moments(arrow), layout.n_cosines
    products = sum(
        dense.second_moment(about_expected(one, i), layout.fixed) for i in range(len(panel.product))
    )
    np.testing.assert_allclose(found.products, products, **EXACT)
    unit, first_of_top = np.eye(size(one)), size(one) - layout.n_top
    starts = [bundle(one, g).start for g in range(panel.n_groups)]
    if len(layout.cosines):
        firsts = starts if layout.by_bundle else [first_of_top + layout.top["cosines"].start]
        cosines = sum(
            np.diag(dense.second_moment(unit[first : first + len(layout.cosines)])) for first in firsts
        )
        np.testing.assert_allclose(found.cosines, cosines, **EXACT)
    means = [start + n_cosines + layout.group.get("mean", 0) for start in starts]
    if "slope" in layout.group:
        slopes = [start + n_cosines + layout.group["slope"] for start in starts]
        rows = unit[slopes] - unit[means] - unit[first_of_top + layout.top["bias"].start]
        assert found.slopes == pytest.approx(np.trace(dense.second_moment(rows)), rel=1e-9)
    if "mean" in layout.group and panel.levels:
        rows = unit[means] - unit[first_of_top + layout.above]
        assert found.groups[-1] == pytest.approx(np.trace(dense.second_moment(rows)), rel=1e-9)
        for level, value, above in zip(panel.levels[:-1], found.groups, ["global"], strict=False):
            own = np.arange(layout.top[level.name].start, layout.top[level.name].stop)
            rows = unit[first_of_top + own] - unit[first_of_top + layout.top[above].start]
            assert value == pytest.approx(np.trace(dense.second_moment(rows)), rel=1e-9)


def test_means_of_groups_are_about_those_of_their_parents():
    """A priori, level by level, with the spread of each level: variances by dense algebra."""
    one = case("three levels")
    sds = (0.5, 0.3, 0.2)
    one = replace(one, scales=replace(one.scales, groups=sds))
    panel, layout, D = one.panel, one.layout, size(one)
    covariance = np.linalg.inv(dense_posterior(one, *one.working).prior)
    first = D - layout.n_top
    places = [
        *(np.arange(first + layout.top[name].start, D) for name in ("global", "division", "department")),
        np.array(
            [bundle(one, g).start + layout.n_cosines + layout.group["mean"] for g in range(panel.n_groups)]
        ),
    ]
    for level, sd, above, own in zip(panel.levels, sds, places[:-1], places[1:], strict=True):
        gaps = np.eye(D)[own[: len(level.labels)]] - np.eye(D)[above[level.parent]]
        np.testing.assert_allclose(gaps @ covariance @ gaps.T, sd**2 * np.eye(len(gaps)), **EXACT)
