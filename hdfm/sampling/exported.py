"""Traced programs kept between processes, beside what XLA compiled of them.

A process that samples a model like one before spends seconds on rewriting its graph and tracing it. What
comes out depends on the graph, the shapes and the versions alone, and is kept under a digest of these.
"""

import functools
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import jax
import numpy as np
from jax import export
from numpyro.infer.hmc import HMCState
from numpyro.infer.hmc_util import HMCAdaptState
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.fg import FrozenFunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.type import Type
from pytensor.scalar.basic import ScalarOp

from hdfm.sampling.session import cache_folder

FOLDER, ENDING = "traced", ".jax"
LARGEST_FOLDER = 2**28  # bytes
LIBRARIES = ("jax", "jaxlib", "numpyro", "pymc", "pytensor", "numpy")

for name, of in (("HMCState", HMCState), ("HMCAdaptState", HMCAdaptState)):
    export.register_namedtuple_serialization(of, serialized_name=f"numpyro.{name}")


class Unnamed(Exception):
    """Something whose identity has no name that lasts longer than the process."""


def fingerprint(graph: FrozenFunctionGraph) -> str | None:
    """A digest of a graph, the same in all processes; None where an operation has no lasting name."""
    try:
        return hashlib.sha256(_graph(graph).encode()).hexdigest()
    except Unnamed:
        return None


def _graph(graph):
    number = {variable: f"v{k}" for k, variable in enumerate(graph.inputs)}
    lines = [f"{number[variable]}: {variable.type!r}" for variable in graph.inputs]

    def place(variable):
        if isinstance(variable, Constant):
            return _text(variable)
        return number[variable]

    for node in graph.toposort():
        given = ", ".join(place(variable) for variable in node.inputs)
        for variable in node.outputs:
            number[variable] = f"v{len(number)}"
        outputs = ", ".join(f"{number[variable]}: {variable.type!r}" for variable in node.outputs)
        lines.append(f"{outputs} = {_text(node.op)}({given})")
    lines.append(f"return {', '.join(place(variable) for variable in graph.outputs)}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    """Canonical text of a value, which tells it from all others."""
    if isinstance(value, FrozenFunctionGraph):
        return f"[{_graph(value)}]"
    if isinstance(value, Constant):
        data = np.asarray(value.data)
        if data.dtype == object:
            raise Unnamed
        return f"{value.type!r} {data.shape} {data.dtype} {hashlib.sha256(data.tobytes()).hexdigest()}"
    if isinstance(value, Variable):
        raise Unnamed
    if isinstance(value, Type | np.dtype) or value is None or value is Ellipsis:
        return repr(value)
    if isinstance(value, bool | int | float | complex | str | bytes | slice | np.generic):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, type | FunctionType):
        if "<" in value.__qualname__:  # a lambda or a local function
            raise Unnamed
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_text(k)}: {_text(v)}' for k, v in value.items()))}}}"
    if isinstance(value, ScalarOp):
        options = {k: v for k, v in vars(value).items() if k in ("output_types_preference", "o_type", "bool")}
        properties = {k: getattr(value, k) for k in getattr(value, "__props__", None) or ()}
        return f"{_text(type(value))}{_text(options | properties)}"
    if isinstance(value, Op):
        props = getattr(value, "__props__", None)
        if props is None:
            raise Unnamed
        return f"{_text(type(value))}{_text({k: getattr(value, k) for k in props})}"
    if hasattr(value, "__dict__"):  # such as rules for the types of results
        return f"{_text(type(value))}{_text(vars(value))}"
    raise Unnamed


@functools.cache
def _surroundings() -> str:
    """Versions, and the code that is traced."""
    code = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    numbers = [f"{name} {version(name)}" for name in LIBRARIES]
    return " ".join([*numbers, jax.default_backend(), hashlib.sha256(code).hexdigest()])


def traced(make: Callable[[], Callable], arguments: tuple, *names: Any) -> Callable:
    """The traced function of arguments like these, read where it had been traced before.

    Parameters
    ----------
    make : callable
        Called where it is not found: returns the function to trace.
    arguments : tuple
        Arrays, or trees of arrays.
    names : str or None, or numbers
        What the function is, with all that its trace depends on but the shapes of arguments; None where
        that has no name.
    """
    folder = cache_folder()
    if folder is None or None in names:
        return jax.jit(make())
    shapes = jax.tree.map(lambda leaf: (np.shape(leaf), str(np.asarray(leaf).dtype)), arguments)
    key = repr((names, shapes, bool(jax.config.jax_enable_x64), _surroundings()))
    file = folder / FOLDER / f"{hashlib.sha256(key.encode()).hexdigest()}{ENDING}"
    program = _read(file)
    if program is None:
        program = export.export(jax.jit(make()))(*arguments)
        _write(file, program.serialize())
    return jax.jit(program.call)


def _read(file: Path) -> export.Exported | None:
    """The exported program in a file; None where there is none, or none that can be read."""
    try:
        program = export.deserialize(bytearray(file.read_bytes()))
        os.utime(file)
    except Exception:  # of a damaged file anything may come
        return None
    return program


def _write(file: Path, content: bytes | bytearray) -> None:
    """Atomic write of content; of the folder's files those used last stay."""
    temporary = file.with_name(f".{uuid.uuid4().hex}")
    try:
        file.parent.mkdir(exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, file)
        total = 0
        for old in sorted(file.parent.glob(f"*{ENDING}"), key=lambda path: -path.stat().st_mtime):
            total += old.stat().st_size
            if total > LARGEST_FOLDER:
                old.unlink(missing_ok=True)
    except OSError:  # a full disk, or another process that tidies up: then it is traced again
        temporary.unlink(missing_ok=True)
