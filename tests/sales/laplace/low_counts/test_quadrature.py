from dataclasses import replace

import numpy as np
import pytest
from reference.sales import case
from scipy.stats import multivariate_normal, skew

from hdfm.sales.laplace.arrow import ProductBlocks
from hdfm.sales.laplace.effects import linear_predictor
from hdfm.sales.laplace.expansion import expansion, expansion_about
from hdfm.sales.laplace.low_counts.quadrature import ENOUGH
from hdfm.sales.laplace.mode import first_guess
from hdfm.sales.laplace.newton import posterior_mode
from hdfm.sales.laplace.posterior import normal_posterior
from hdfm.sales.laplace.prior import expected_products, product_precision
from hdfm.sales.laplace.working import working_cells

STEP = 1e-5


def refined(one):
    """The working likelihood at the fixed point, from the mode."""
    _, effects = first_guess(one.model)
    effects = posterior_mode(one.model, one.scales, effects)
    return expansion(expansion_about(one.model, one.scales, effects), one.scales)


@pytest.fixture(scope="module", params=["poisson", "negative_binomial"])
def found(request):
    one = case("one level", request.param, products=12, periods=8)
    few = one.panel.units // 4
    few[2] = 0  # never sold
    one = one.having(panel=replace(one.panel, units=few), spec=replace(one.spec, likelihood=request.param))
    return one, refined(one)


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial", "log_normal"])
def test_working_likelihood_is_the_sum_of_cells(likelihood):
    one = case("one level")
    panel = replace(one.panel, units=np.where(one.panel.observed, np.maximum(one.panel.units, 1.0), 0.0))
    model = one.having(panel=panel, spec=replace(one.spec, likelihood=likelihood)).model
    eta, variance = np.random.default_rng(1).normal(size=panel.units.shape), np.full(len(panel.units), 0.16)
    now = working_cells(model, eta, variance)
    up, down = (working_cells(model, eta + h, variance) for h in (STEP, -STEP))
    assert now.gradient.sum() == pytest.approx((up.value - down.value) / (2 * STEP), rel=1e-6)
    np.testing.assert_allclose(
        now.precision, -(up.gradient - down.gradient) / (2 * STEP), rtol=1e-5, atol=1e-8
    )
    assert (now.gradient[~panel.observed] == 0).all()
    assert (now.precision[~panel.observed] == 0).all()


class OnGrid:
    """One of the products that sell little, on a fine grid about the mean of its effects."""

    def __init__(self, one, now, k):
        self.one, self.i = one, now.low.which[k]
        self.posterior = normal_posterior(now.likelihood, one.scales)
        self.effects = self.posterior.mean()
        eta = linear_predictor(one.model, self.effects)
        x = one.panel.log_price[self.i]
        self.centre = self.effects.product[:, self.i]
        sides = self.centre[:, None] + np.outer([8, 4], np.linspace(-1, 1, 401))
        self.v = np.stack(np.meshgrid(*sides, indexing="ij"), -1)
        at = eta[self.i] + (self.v - self.centre) @ np.stack([np.ones_like(x), x])
        units, observed = one.panel.units[self.i], one.panel.observed[self.i]
        cells, _, _ = one.spec.family.working(units, observed, at, one.scales.noise**2)
        cells = cells.sum(axis=-1)
        self.exact = cells - cells[200, 200]  # relative to the centre
        about = at - now.eta[self.i]
        working = now.cells.gradient[self.i] * about - now.cells.precision[self.i] * about**2 / 2
        self.working = working.sum(axis=-1)

    def density(self, log_likelihood, scales, moved=0.0):
        expected = expected_products(self.one.model, self.effects.bundle + moved)[:, self.i]
        covariance = np.linalg.inv(product_precision(scales, self.one.spec))
        return np.exp(log_likelihood + multivariate_normal(expected, covariance).logpdf(self.v))

    def evidence(self, scales, moved=0.0):
        exact, working = (self.density(each, scales, moved).sum() for each in (self.exact, self.working))
        return np.log(exact / working)


@pytest.mark.parametrize("k", [0, 2, 4])
def test_products_are_those_of_a_fine_grid(found, k):
    """Mean, evidence, spread and skewness of a product given what is shared."""
    one, now = found
    assert (now.low.which == np.flatnonzero(now.cells.precision.sum(axis=1) < ENOUGH)).all()
    grid = OnGrid(one, now, k)
    evidence = replace_rows(now.low, k).evidence(grid.posterior)[0]
    assert evidence == pytest.approx(grid.evidence(one.scales), abs=0.01)
    exact, gap = grid.density(grid.exact, one.scales), grid.v - grid.centre

    def moment(power):
        return np.tensordot(exact, gap**power, axes=2) / exact.sum()

    np.testing.assert_allclose(moment(1), 0, atol=0.02 * one.scales.product_effect)
    covariance = np.einsum("ab,abi,abj->ij", exact, gap, gap) / exact.sum()
    assert np.exp(-ProductBlocks(grid.posterior.blocks.root[:, [grid.i]]).log_det) == pytest.approx(
        np.linalg.det(covariance), rel=0.01
    )
    z = np.random.default_rng(1).standard_normal((2, len(now.eta), 40_000))
    z = now.low.reshaped(z, slice(0, len(now.eta)))
    draws = ProductBlocks(now.low.blocks.root[:, [k]]).half_solve_back(z[:, [grid.i]])[:, 0]
    np.testing.assert_allclose(draws.var(axis=1), moment(2), rtol=0.03)
    np.testing.assert_allclose(skew(draws, axis=1), moment(3) / moment(2) ** 1.5, atol=0.15)


@pytest.mark.parametrize("k", [0, 2, 4])
@pytest.mark.parametrize(
    ("level", "elasticity", "correlation"),
    [(0.5, 0.5, 0.0), (1.5, 1.0, 0.9), (1.0, 2.0, 0.5), (3.0, 3.0, 0.5)],
)
def test_evidence_far_from_the_mode_is_that_of_a_fine_grid(found, k, level, elasticity, correlation):
    one, now = found
    grid = OnGrid(one, now, k)
    far = replace(
        one.scales,
        product_effect=level * one.scales.product_effect,
        elasticity=elasticity * one.scales.elasticity,
        correlation=correlation,
    )
    evidence = replace_rows(now.low, k).evidence(replace(grid.posterior, scales=far))[0]
    assert evidence == pytest.approx(grid.evidence(far), abs=0.002)


@pytest.mark.parametrize("k", [0, 2, 4])
def test_evidence_is_given_what_the_posterior_lets_groups_expect(found, k):
    one, now = found
    grid = OnGrid(one, now, k)
    moved = np.zeros(grid.posterior.bundle.shape)
    moved[:, one.layout.n_cosines + one.layout.group["level"]] = 1.5
    posterior = replace(grid.posterior, bundle=grid.posterior.bundle + moved)
    evidence = replace_rows(now.low, k).evidence(posterior)[0]
    assert evidence == pytest.approx(grid.evidence(one.scales, moved), abs=0.002)
    assert abs(evidence - grid.evidence(one.scales)) > 0.002


def replace_rows(low, k):
    """One of the products that sell little."""
    rows = slice(k, k + 1)
    return replace(
        low,
        which=low.which[rows],
        centre=low.centre[:, rows],
        blocks=ProductBlocks(low.blocks.root[:, rows]),
        information=low.information[:, rows],
        gradient=low.gradient[:, rows],
        sums=low.sums[:, rows],
        remainder=low.remainder[rows],
    )


@pytest.mark.parametrize("k", [0, 1])
def test_slope_of_evidence_is_that_of_second_moments(found, k):
    """d value / d omega = -(moments) / 2, away from the scales of the working likelihood."""
    one, now = found
    wider = replace(
        one.scales,
        product_effect=1.6 * one.scales.product_effect,
        elasticity=1.5 * one.scales.elasticity,
    )
    about = normal_posterior(now.likelihood, one.scales)
    _, moments = now.low.evidence(replace(about, scales=wider))
    omega = product_precision(wider, one.spec)
    values = []
    for h in (STEP, -STEP):
        covariance = np.linalg.inv(omega + h * np.diag(np.eye(2)[k]))
        sd = np.sqrt(np.diag(covariance))
        scales = replace(
            one.scales,
            product_effect=sd[0],
            elasticity=sd[1],
            correlation=covariance[0, 1] / sd.prod(),
        )
        values.append(now.low.evidence(replace(about, scales=scales))[0])
    assert (values[0] - values[1]) / (2 * STEP) == pytest.approx(-moments[k, k] / 2, rel=0.05)


def test_nothing_is_written_into_what_is_given(found):
    """Rows of the working likelihood that quadrature changes, and draws that it reshapes, are new arrays."""
    one, now = found
    plain = working_cells(one.model, now.eta, one.model.variance(one.scales))
    np.testing.assert_array_equal(now.plain.precision, plain.precision)
    np.testing.assert_array_equal(now.plain.gradient, plain.gradient)
    assert (now.cells.precision[now.low.which] != plain.precision[now.low.which]).any()
    others = np.delete(np.arange(len(now.eta)), now.low.which)
    np.testing.assert_array_equal(now.cells.precision[others], plain.precision[others])
    z = np.random.default_rng(1).standard_normal((2, len(now.eta), 3))
    before = z.copy()
    reshaped = now.low.reshaped(z, slice(0, len(now.eta)))
    np.testing.assert_array_equal(z, before)
    assert (reshaped[:, now.low.which] != z[:, now.low.which]).all()
    np.testing.assert_array_equal(reshaped[:, others], z[:, others])


def test_log_normal_needs_none():
    one = case("one level")
    one = one.having(
        panel=replace(one.panel, units=np.maximum(one.panel.units, 1.0)),
        spec=replace(one.spec, likelihood="log_normal"),
    )
    assert refined(one).low is None
