"""A model's log density as a function of coordinates and data, compiled once for models that are alike.

What PyMC holds as ``pm.Data`` is an argument of the compiled functions; models whose graphs are equal but for
it share them. Importing this module imports JAX: import it inside functions, and compute in a
:func:`hdfm.sampling.session.jax_session`.

Array names and axis order: D coordinates, B points.

    q (D,); points (B, D)
"""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile import SharedVariable
from pytensor.graph.fg import FrozenFunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs

from hdfm.hierarchy.blocks import SumOverBlocks
from hdfm.sampling.session import load_jax, written_sources

load_jax()  # before whatever else would import PyMC's samplers, which change JAX's settings

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from pymc.sampling.jax import get_jaxified_graph  # noqa: E402
from pytensor.link.jax.dispatch import jax_funcify  # noqa: E402

from hdfm.sampling.exported import fingerprint, traced  # noqa: E402

MOST_PROGRAMS = 16

Data = tuple[jax.Array, ...]


@jax_funcify.register(SumOverBlocks)
def _sum_over_blocks(op: SumOverBlocks, **_: Any) -> Callable:
    """The sum for JAX, its gradient with its value: blocks are gone through once, and those in use alone."""
    fgraph = op.graph.unfreeze()
    term = get_jaxified_graph(fgraph.inputs, fgraph.outputs)

    @jax.custom_vjp
    def total(n, common, blocks):
        return value_and_gradient(n, common, blocks)[0]

    def value_and_gradient(n, common, blocks):
        def add(k, found):
            block = [jax.lax.dynamic_index_in_dim(array, k, keepdims=False) for array in blocks]
            return jax.tree.map(
                jnp.add, found, jax.value_and_grad(lambda given: term(*given, *block)[0])(common)
            )

        zero = jnp.zeros((), op.graph.outputs[0].type.dtype)
        return jax.lax.fori_loop(0, n, add, (zero, jax.tree.map(jnp.zeros_like, common)))

    def backward(slopes, cotangent):
        return None, jax.tree.map(lambda slope: cotangent * slope, slopes), None

    total.defvjp(value_and_gradient, backward)
    return lambda n, *given: total(n, tuple(given[: op.n_common]), tuple(given[op.n_common :]))


class Program:
    """Functions of coordinates and data that are traced and compiled once.

    Attributes
    ----------
    names : tuple of str
        What :attr:`deterministics` returns.
    shapes : tuple of tuple of int
        Of the variables that coordinates q are made of.
    name : str or None
        A digest of the graph, the same in all processes.
    kept : dict
        What others make of the program, by their own keys.
    """

    def __init__(self, inputs: list, outputs: list, names: tuple[str, ...], shapes: tuple, name: str | None):
        self.names, self.shapes, self.name = names, shapes, name
        self.kept: dict[Any, Any] = {}
        self._inputs, self._outputs = inputs, outputs

    @cached_property
    def _graph(self) -> Callable:
        """From values and data to the log density and the variables."""
        with pytensor.config.change_flags(traceback__limit=0), written_sources():
            return get_jaxified_graph(self._inputs, self._outputs)

    def potential(self, q: jax.Array, data: Data) -> jax.Array:
        """Minus the log density of coordinates q (D,)."""
        return self._potential(q, data)

    @cached_property
    def _potential(self) -> Callable:
        return jax.jit(lambda q, data: -self._evaluate(q, data)[0])

    def gradient(self, q: jax.Array, data: Data) -> tuple[jax.Array, jax.Array]:
        """:meth:`potential` of q (D,) and its gradient (D,)."""
        return self.traced("gradient", jax.value_and_grad(self.potential), (q, data))(q, data)

    def deterministics(self, points: jax.Array, data: Data) -> tuple[jax.Array, ...]:
        """The variables of ``names`` (B, ...) at points (B, D)."""
        every = jax.vmap(lambda q, data: tuple(self._evaluate(q, data)[1:]), in_axes=(0, None))
        return self.traced("deterministics", every, (points, data))(points, data)

    def traced(self, what: str, function: Callable, arguments: tuple, *more: Any) -> Callable:
        """A function of this program, traced once; ``more`` is all else that its trace depends on."""
        key = (what, *more, *(np.shape(leaf) for leaf in jax.tree.leaves(arguments)))

        def made():
            self.ready()
            return function

        if key not in self.kept:
            self.kept[key] = traced(made, arguments, self.name, self.shapes, what, *more)
        return self.kept[key]

    def ready(self) -> None:
        """Make the graph, before functions of it are traced: its constants would belong to that trace."""
        _ = self._graph

    def _evaluate(self, q, data):
        values, offset = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            values.append(q[offset : offset + size].reshape(shape))
            offset += size
        with warnings.catch_warnings():  # JAX's word on each 64-bit constant that 32 bits are to hold
            warnings.filterwarnings("ignore", "Explicitly requested dtype float64", UserWarning)
            return self._graph(*values, *data)


@dataclass(frozen=True, slots=True)
class Density:
    """A program with the data of one model, and where its coordinates start (D,)."""

    program: Program
    start: np.ndarray
    data: Data

    def potential(self, q: Any) -> jax.Array:
        """Minus the log density of coordinates q (D,)."""
        return self.program.potential(q, self.data)

    def gradient(self, q: Any) -> tuple[jax.Array, jax.Array]:
        """:meth:`potential` and its gradient (D,)."""
        return self.program.gradient(q, self.data)


_programs: OrderedDict[Any, Program] = OrderedDict()


def density_of(model: pm.Model, names: Sequence[str]) -> Density:
    """The log density of a model, and variables by name; in 32 bits with PyTensor's floatX "float32"."""
    point = model.initial_point()
    values = [np.asarray(point[variable.name]) for variable in model.value_vars]
    given: list[Any] = [variable for variable in model.data_vars if _is_shared(variable)]
    variables = {variable.name: variable for variable in model.unobserved_value_vars}
    arguments = [variable.type(name=variable.name) for variable in given]
    with pytensor.config.change_flags(traceback__limit=0):
        outputs = [model.logp(), *(variables[name] for name in names)]
        shared: list[Any] = list(filter(_is_shared, graph_inputs(outputs)))
        constants = {variable: pt.constant(variable.get_value()) for variable in shared}
        outputs = clone_replace(outputs, constants | dict(zip(given, arguments, strict=True)))
        inputs = [*model.value_vars, *arguments]
        shapes = tuple(value.shape for value in values)
        sizes = tuple(np.shape(variable.get_value(borrow=True)) for variable in given)
        graph = FrozenFunctionGraph.from_io(inputs, outputs)
        key = (graph, tuple(names), shapes, sizes, pytensor.config.floatX)
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = Program(inputs, outputs, tuple(names), shapes, fingerprint(graph))
    _programs.move_to_end(key)
    while len(_programs) > MOST_PROGRAMS:
        _programs.popitem(last=False)
    start = np.concatenate([value.ravel() for value in values])
    return Density(program, start, tuple(jnp.asarray(variable.get_value(borrow=True)) for variable in given))


def _is_shared(variable: Any) -> bool:
    return isinstance(variable, SharedVariable)
