"""Building blocks against what they claim in closed form."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

from hdfm.hierarchy.groups import MOST_COLUMNS, held_members
from hdfm.hierarchy.lkj import correlation_root
from hdfm.hierarchy.whitened import (
    Evidence,
    evidence_about_means,
    spread,
    whitened_normal,
    whitened_standard_normal,
)
from hdfm.sales.graph.cosines import evenly_spaced, weighted_cosines, zero_sum_cosines

MEAN, SD = np.array([-1.0, 0.5, 2.0]), 0.7
EVIDENCES = {
    "none": Evidence(np.zeros(3), np.zeros(3)),
    "some": Evidence(np.array([0.5, 4.0, 60.0]), np.array([3.0, -2.0, 40.0])),
    "wrong": Evidence(np.array([1e-6, 1e4, 1.0]), np.array([1e3, -1e5, 50.0])),
}


@pytest.fixture(params=EVIDENCES.values(), ids=EVIDENCES)
def model(request):
    with pm.Model() as model:
        pm.Deterministic("v", whitened_normal("v_raw", MEAN, SD, request.param, dims=None, shape=(3,)))
    return model


def values_of_v(model):
    return model.compile_fn(model.replace_rvs_by_values([model["v"]])[0], inputs=model.value_vars)


def test_whitened_effects_have_the_density_of_the_normal(model):
    """log p(r) - log |dv/dr| is log N(v; mean, sd) wherever r is."""
    logp, v = model.compile_logp(), values_of_v(model)
    for r in np.random.default_rng(0).normal(size=(5, 3)):
        change = v({"v_raw": r + 1}) - v({"v_raw": r})
        expected = stats.norm.logpdf(v({"v_raw": r}), MEAN, SD).sum()
        assert logp({"v_raw": r}) - np.log(change).sum() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_whitened_effects_are_drawn_from_the_normal(model):
    draws = pm.draw(model["v"], 4000, random_seed=0)
    assert stats.kstest((draws - MEAN) / SD, "norm").pvalue.min() > 0.001


def test_whitened_coordinates_are_standard_normal_given_the_evidence():
    evidence, observed = EVIDENCES["some"], np.random.default_rng(1).normal(size=(6, 3))
    with pm.Model() as model:
        v = whitened_normal("v_raw", MEAN, SD, evidence, dims=None, shape=(3,))
        pm.Potential("data", (evidence.shift * v - evidence.precision * v**2 / 2).sum())
    logp = model.compile_logp()
    values = [float(logp({"v_raw": r})) for r in observed]
    np.testing.assert_allclose(np.diff(values), np.diff(-0.5 * (observed**2).sum(axis=1)), atol=1e-9)


@pytest.fixture
def mixed():
    root = np.tril(np.random.default_rng(2).normal(size=(2, 3, 3)), -1) + np.diag([0.5, 1.0, 2.0])
    with pm.Model() as model:
        v = whitened_normal("v_raw", MEAN, SD, EVIDENCES["some"], dims=None, shape=(2, 3), mixing=root)
        pm.Deterministic("v", v)
    return model


def test_mixed_effects_have_the_density_of_the_normal(mixed):
    logp, v = mixed.compile_logp(), values_of_v(mixed)
    q = np.random.default_rng(3).normal(size=(2, 3))
    slope = np.stack([(v({"v_raw": q + d}) - v({"v_raw": q})).ravel() for d in np.eye(6).reshape(6, 2, 3)])
    expected = stats.norm.logpdf(v({"v_raw": q}), MEAN, SD).sum()
    assert logp({"v_raw": q}) - np.linalg.slogdet(slope)[1] == pytest.approx(expected, rel=1e-6)


def test_mixed_effects_are_drawn_from_the_normal(mixed):
    draws = pm.draw(mixed["v"], 4000, random_seed=0)
    assert stats.kstest((draws - MEAN) / SD, "norm").pvalue.min() > 0.001
    np.testing.assert_allclose(np.corrcoef(draws.reshape(4000, 6).T), np.eye(6), atol=0.08)


def test_whitened_effects_start_between_mean_and_evidence():
    evidence = EVIDENCES["some"]
    with pm.Model() as model:
        pm.Deterministic("v", whitened_normal("v_raw", 0.0, 1.0, evidence, dims=None, shape=(3,)))
    start = values_of_v(model)(model.initial_point())
    np.testing.assert_allclose(start, evidence.shift / (1 + evidence.precision))


def test_evidence_about_means():
    """Against the precision matrix of children and means, children eliminated."""
    precision, shift = np.array([0.0, 2.0, 30.0, 5.0]), np.array([0.0, 1.0, -40.0, 8.0])
    codes, sd = np.array([0, 0, 1, 1]), 0.6
    with pm.Model():
        found = evidence_about_means(Evidence(precision, shift), sd, held_members("codes", codes, 2))
    for g in (0, 1):
        Q = np.diag([*(precision[codes == g] + sd**-2), 2 * sd**-2])
        Q[-1, :-1] = Q[:-1, -1] = -(sd**-2)
        marginal = np.linalg.inv(np.linalg.inv(Q)[-1:, -1:])[0, 0]
        mode = np.linalg.solve(Q, [*shift[codes == g], 0.0])[-1]
        assert found.precision.eval()[g] == pytest.approx(marginal)
        assert found.shift.eval()[g] == pytest.approx(marginal * mode)


@pytest.mark.parametrize("n_groups", [1, 3, MOST_COLUMNS + 5])
def test_rows(n_groups):
    rng = np.random.default_rng(0)
    codes = np.sort(np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 50)]))
    table, values = rng.normal(size=(n_groups, 4)), rng.normal(size=len(codes))
    with pm.Model():
        members = held_members("codes", codes, n_groups)
        padded = held_members("padded", codes, n_groups, len(codes) + 3)
    spread = np.broadcast_to(members.spread(pt.constant(table)).eval(), (len(codes), 4))
    np.testing.assert_allclose(spread, table[codes])
    sums = np.bincount(codes, values)
    np.testing.assert_allclose(members.sum(pt.constant(values)).eval(), sums, atol=1e-12)
    of_all = padded.sum(pt.constant([*values, 0, 0, 0])).eval()
    np.testing.assert_allclose(of_all, sums, atol=1e-12)


def joint_evidence(seed=2, shape=(2, 3)):
    """Positive definite precisions (2, 3, 3) and shifts (2, 3)."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(*shape, shape[-1]))
    return Evidence(3 * root @ root.transpose(0, 2, 1), 5 * rng.normal(size=shape))


def test_jointly_whitened_effects_are_standard_normal():
    with pm.Model() as model:
        pm.Deterministic("v", whitened_standard_normal("v_raw", joint_evidence(), shape=(2, 3)))
    draws = pm.draw(model["v"], 4000, random_seed=0).reshape(4000, 6)
    assert stats.kstest(draws, "norm").pvalue.min() > 0.001
    np.testing.assert_allclose(np.corrcoef(draws.T), np.eye(6), atol=0.06)
    v, logp = values_of_v(model), model.compile_logp()
    r = np.random.default_rng(0).normal(size=(2, 3))
    steps = np.eye(6).reshape(6, 2, 3)
    jacobian = [(v({"v_raw": r + step}) - v({"v_raw": r})).ravel() for step in steps]
    expected = stats.norm.logpdf(v({"v_raw": r})).sum()
    assert logp({"v_raw": r}) - np.linalg.slogdet(jacobian)[1] == pytest.approx(expected)


def test_joint_coordinates_are_standard_normal_given_the_evidence():
    precision, shift = evidence = joint_evidence()
    observed = np.random.default_rng(1).normal(size=(6, 2, 3))
    with pm.Model() as model:
        v = whitened_standard_normal("v_raw", evidence, shape=(2, 3))
        pm.Potential("data", (shift * v).sum() - (v[:, :, None] * precision * v[:, None, :]).sum() / 2)
    logp = model.compile_logp()
    values = [float(logp({"v_raw": r})) for r in observed]
    np.testing.assert_allclose(np.diff(values), np.diff(-0.5 * (observed**2).sum(axis=(1, 2))), atol=1e-9)


def test_spreads_are_half_normal():
    with pm.Model() as model:
        pm.Deterministic("sd", spread("sd_raw", 0.4, np.array([0.1, 3.0])))
    draws = pm.draw(model["sd"], 4000, random_seed=0)
    assert stats.kstest(draws / 0.4, "halfnorm").pvalue.min() > 0.001
    sd = model.compile_fn(model.replace_rvs_by_values([model["sd"]])[0], inputs=model.value_vars)
    np.testing.assert_allclose(sd(model.initial_point()), [0.1, 3.0])
    u = np.array([-9.0, 20.0])
    np.testing.assert_allclose(sd({"sd_raw": u}), stats.halfnorm(scale=0.4).isf(stats.norm.sf(u)), atol=1e-12)


def test_correlations_start_where_they_are_told():
    start = np.array([[1.0, 0.5, -0.2], [0.5, 1.0, 0.3], [-0.2, 0.3, 1.0]])
    with pm.Model() as model:
        root = pm.Deterministic("root", correlation_root("partial", 2.0, start))
    value = model.compile_fn(model.replace_rvs_by_values([root])[0], inputs=model.value_vars)
    found = value(model.initial_point())
    np.testing.assert_allclose(found @ found.T, start, atol=1e-10)


STEPS = [np.ones(1), np.ones(6), np.ones(39), np.array([1.0, 3.0, 1.0, 0.5, 12.0, 1e-3])]


@pytest.mark.parametrize("steps", STEPS)
def test_cosines_diagonalise_a_random_walk(steps):
    cosines, variances = zero_sum_cosines(steps)
    n_periods = len(steps) + 1
    centre = np.eye(n_periods) - 1 / n_periods
    walk = np.tril(np.ones((n_periods, n_periods))) * np.sqrt(np.append(0, steps))
    np.testing.assert_allclose(cosines @ cosines.T, np.eye(n_periods - 1), atol=1e-12)
    np.testing.assert_allclose(cosines.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(
        cosines @ centre @ walk @ walk.T @ centre @ cosines.T, np.diag(variances), atol=1e-8
    )


@pytest.mark.parametrize("steps", STEPS)
def test_weighted_cosines(steps):
    cosines, _ = zero_sum_cosines(steps)
    weight = np.random.default_rng(1).exponential(size=(3, len(steps) + 1))
    np.testing.assert_allclose(
        weighted_cosines(weight, None if evenly_spaced(steps) else cosines),
        (cosines * weight[:, None]) @ cosines.T,
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize(("eta", "size"), [(2.0, 2), (2.0, 5), (0.7, 4)])
def test_correlations_are_lkj(eta, size):
    """Each correlation of LKJ(eta) is 2 b - 1, b ~ Beta(a, a) with a = eta - 1 + size / 2."""
    with pm.Model() as model:
        pm.Deterministic("root", correlation_root("partial", eta, np.eye(size)))
    roots = pm.draw(model["root"], 4000, random_seed=0)
    R = roots @ roots.transpose(0, 2, 1)
    np.testing.assert_allclose(R[:, range(size), range(size)], 1, atol=1e-12)
    assert (roots[:, range(size), range(size)] > 0).all()
    a = eta - 1 + size / 2
    for i, j in zip(*np.tril_indices(size, -1), strict=True):
        assert stats.kstest((R[:, i, j] + 1) / 2, stats.beta(a, a).cdf).pvalue > 0.001


def test_jointly_whitened_effects_start_where_they_are_told():
    start = np.random.default_rng(3).normal(size=(2, 3))
    with pm.Model() as model:
        pm.Deterministic("v", whitened_standard_normal("v_raw", joint_evidence(), shape=(2, 3), start=start))
    np.testing.assert_allclose(values_of_v(model)(model.initial_point()), start)
