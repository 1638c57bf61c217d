"""Digests and figures of answers, and where they were made."""

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PACKAGES = (
    "arviz-stats",
    "jax",
    "jaxlib",
    "numpy",
    "numpyro",
    "nutpie",
    "pandas",
    "pymc",
    "pytensor",
    "scipy",
)
Entry = dict[str, Any]


def entry(answer: Any) -> Entry:
    """A digest to the bit; the shape, and mean and root mean square of what is finite, as figures."""
    numbers, labels = _parts(answer)
    digest = hashlib.sha256(repr((numbers.shape, labels)).encode() + numbers.tobytes())
    finite = numbers[np.isfinite(numbers)]
    size = np.sqrt(np.mean(finite**2)) if finite.size else 0.0
    figures = [finite.mean() if finite.size else 0.0, size]
    return {
        "digest": digest.hexdigest()[:16],
        "shape": list(numbers.shape),
        "figures": [float(f"{figure:.9g}") for figure in figures],
    }


def _parts(answer) -> tuple[np.ndarray, list[str]]:
    """The numbers of an array or table, and all its labels and texts."""
    if not isinstance(answer, pd.DataFrame):
        return np.asarray(answer, dtype=float), []
    is_number = [pd.api.types.is_numeric_dtype(dtype) for dtype in answer.dtypes]
    numbers = answer.loc[:, is_number].to_numpy(dtype=float)
    texts = answer.loc[:, [not number for number in is_number]]
    index = answer.index.to_frame().astype(str)
    labels = [*map(str, answer.columns), *index.to_numpy().ravel(), *texts.astype(str).to_numpy().ravel()]
    return np.ascontiguousarray(numbers), [str(label) for label in labels]


def environment() -> dict[str, str]:
    """What decides how sums are rounded: processor, cores and versions."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        **{name: version(name) for name in PACKAGES},
    }


def _processor():
    """The model of the processor and a digest of its instruction sets, where the system tells."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{model} {hashlib.sha256(flags.encode()).hexdigest()[:8]}"
