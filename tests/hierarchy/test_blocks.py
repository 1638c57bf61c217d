"""Sums over blocks of data, of which some are in use."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from hdfm.hierarchy.blocks import sum_over_blocks
from hdfm.hierarchy.data import padded, rounded_up
from hdfm.sampling.session import jax_session

X = np.random.default_rng(0).normal(size=(4, 5, 3))
WHICH = np.random.default_rng(1).integers(0, 7, (4, 5)).astype(np.int32)


def graph():
    b, n, x, which = pt.dmatrix("b"), pt.iscalar("n"), pt.dtensor3("x"), pt.imatrix("which")

    def term(b, x, which):
        return pt.softplus((x * b[which]).sum(axis=-1)).sum()

    return (b, n, x, which), sum_over_blocks(term, n, [b], [x, which])


def directly(b, n):
    return np.logaddexp(0, (X[:n] * b[WHICH[:n]]).sum(axis=-1)).sum()


@pytest.fixture
def b():
    return np.random.default_rng(2).normal(size=(7, 3))


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_the_sum_is_of_the_blocks_in_use(b, n):
    inputs, total = graph()
    value = pytensor.function(list(inputs), total, mode="FAST_COMPILE")(b, n, X, WHICH)
    assert value == pytest.approx(directly(b, n), rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_value_and_gradient_in_jax(b, n):
    inputs, total = graph()
    with jax_session():
        import jax
        from pymc.sampling.jax import get_jaxified_graph

        # It tells JAX of sums over blocks.
        import hdfm.sampling.density  # noqa: F401

        found = get_jaxified_graph(list(inputs), [total])
        value, slope = jax.jit(jax.value_and_grad(lambda b, n: found(b, n, X, WHICH)[0]))(b, np.int32(n))
        value, slope = float(value), np.asarray(slope)
    assert value == pytest.approx(directly(b, n), rel=1e-12)
    step = 1e-6
    for k in np.ndindex(b.shape):
        move = np.zeros(b.shape)
        move[k] = step
        difference = (directly(b + move, n) - directly(b - move, n)) / (2 * step)
        assert slope[k] == pytest.approx(difference, abs=1e-7)


def test_equal_graphs_are_equal():
    assert graph()[1].owner.op == graph()[1].owner.op


def test_padding():
    array = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(padded(array, 5), [*array, [0, 0], [0, 0]])
    np.testing.assert_array_equal(padded(array, 3), array)
    with pytest.raises(ValueError, match="negative"):
        padded(array, 2)


def test_sizes_rise_and_are_few():
    sizes = [rounded_up(n) for n in range(1, 5000)]
    assert all(size >= n for n, size in enumerate(sizes, 1))
    assert sizes == sorted(sizes)
    assert all(size <= 1.125 * n + 1 for n, size in enumerate(sizes, 1) if n > 64)
    assert len(set(sizes)) < 60
