"""A padded graph is that of the data, and independent normal coordinates that nothing depends on."""

import numpy as np
import pytest
from scipy.stats import norm

from hdfm.sampling.draws import reported_names
from hdfm.sampling.session import jax_session


def programs(*models):
    """Densities of models, with all that is reported."""
    from hdfm.sampling.density import density_of

    return [density_of(model, reported_names(model)) for model in models]


def evaluated(density, q):
    """Minus the log density at q (D,), what is reported by name, and the gradient (D,), compiled as one."""
    import jax

    program = density.program

    def potential(q, data):
        log_density, *reported = program._evaluate(q, data)
        return -log_density, dict(zip(program.names, reported, strict=True))

    program.ready()
    (value, reported), slope = jax.jit(jax.value_and_grad(potential, has_aux=True))(q, density.data)
    return float(value), reported, np.asarray(slope)


def refuse_more_than_padding(model, larger, priors=None):
    """Compare log density, gradient and all that is reported, at a point.

    Parameters
    ----------
    model, larger : pymc.Model
        Of the same data; ``larger`` is padded.
    priors : dict of str to tuple of float, optional
        Mean and sd of padded coordinates by variable, where they are not 0 and 1.
    """
    with jax_session():
        own, padded = programs(model, larger)
        rng = np.random.default_rng(0)
        q, q_padded, where, mean, sd = [], [], [], [], []
        for variable, shape, wide_shape in zip(
            larger.value_vars, own.program.shapes, padded.program.shapes, strict=True
        ):
            of_name = (priors or {}).get(variable.name, (0.0, 1.0))
            value, wide = rng.normal(0, 0.3, shape), rng.normal(*of_name, wide_shape)
            there = np.zeros(wide_shape, bool)
            there[tuple(slice(n) for n in shape)] = True
            wide[there] = value.ravel()
            q.append(value.ravel())
            q_padded.append(wide.ravel())
            where.append(there.ravel())
            mean.append(np.full(wide.size, of_name[0]))
            sd.append(np.full(wide.size, of_name[1]))
        q, q_padded, where, mean, sd = map(np.concatenate, (q, q_padded, where, mean, sd))
        value, found, slope = evaluated(own, q)
        wide_value, wide_found, wide_slope = evaluated(padded, q_padded)
    assert len(q_padded) >= len(q)
    added, mean, sd = q_padded[~where], mean[~where], sd[~where]
    expected = value - norm.logpdf(added, mean, sd).sum()
    # PyTensor takes the logarithm of a constant sd in 32 bits where these hold the sd.
    assert wide_value == pytest.approx(expected, rel=1e-11 if priors is None else 1e-9)
    np.testing.assert_allclose(wide_slope[where], slope, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(wide_slope[~where], (added - mean) / sd**2, rtol=1e-8, atol=1e-8)
    for name, expected in found.items():
        there = tuple(slice(n) for n in np.shape(expected))
        np.testing.assert_allclose(np.asarray(wide_found[name])[there], expected, rtol=1e-8, atol=1e-9)


def share_a_program(*models):
    """Whether models of other data are one program, and what each says at its start."""
    with jax_session():
        densities = programs(*models)
        values = [float(each.potential(each.start)) for each in densities]
    return len({id(each.program) for each in densities}) == 1, values
