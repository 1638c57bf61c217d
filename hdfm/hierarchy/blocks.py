"""Sums over blocks of observations, of which only those in use are computed.

Data arrays have a leading axis of blocks, K of them, and n <= K are in use: panels of any number of
observations share one graph, at the cost of the memory of K blocks.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor import function
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FrozenFunctionGraph
from pytensor.graph.op import Op


class SumOverBlocks(Op):
    """The sum of a scalar graph over the first n blocks of data.

    Inputs are n, what is common to all blocks, and data with a leading axis of blocks. JAX takes value and
    gradient block by block, see :mod:`hdfm.sampling.density`.

    Parameters
    ----------
    graph : FrozenFunctionGraph
        From what is common and the data of one block to a scalar.
    n_common : int
        How many of its inputs are common.
    """

    __props__ = ("graph", "n_common")

    def __init__(self, graph: FrozenFunctionGraph, n_common: int):
        self.graph, self.n_common = graph, n_common

    def make_node(self, *inputs: Any) -> Apply:
        """The node of n, common inputs and data."""
        return Apply(self, list(inputs), [self.graph.outputs[0].type()])

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """The sum, in Python."""
        n, common, blocks = inputs[0], inputs[1 : 1 + self.n_common], inputs[1 + self.n_common :]
        evaluate = _compiled(self.graph)
        total = sum(evaluate(*common, *(block[k] for block in blocks)) for k in range(int(n)))
        outputs[0][0] = np.asarray(total, dtype=node.outputs[0].type.dtype)


@functools.lru_cache(maxsize=32)
def _compiled(graph: FrozenFunctionGraph) -> Callable:
    fgraph = graph.unfreeze()
    mode = Mode(linker="py", optimizer="fast_compile")
    return function(fgraph.inputs, fgraph.outputs[0], mode=mode, on_unused_input="ignore")


def sum_over_blocks(term: Callable, n: Any, common: Sequence[Any], blocks: Sequence[Any]) -> Any:
    """The sum of ``term(*common, *block)`` over the first n blocks.

    Parameters
    ----------
    term : callable
        To a scalar TensorVariable.
    common : sequence of TensorVariable
    blocks : sequence of TensorVariable
        Data (K, ...); ``term`` is given (...).
    """
    inputs = [variable.type() for variable in common] + [block[0].type() for block in blocks]
    graph = FrozenFunctionGraph.from_io(inputs, [term(*inputs)])
    return SumOverBlocks(graph, len(common))(n, *common, *blocks)
