"""Small fits of both models, one list for all that may go wrong with them."""

import functools
import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales
from hdfm.estimator import BayesianEstimator

TESTS = Path(__file__).parents[1]
ENDS = (25, 40, 65, 90, 100)  # of blocks of 40 iterations of warm-up and 60 draws
QUICK: dict[str, Any] = {"draws": 60, "tune": 40, "chains": 2, "progressbar": False}
GROUPS = ("posterior", "sample_stats")


class Fit(NamedTuple):
    """An estimator with arguments to change, and what it is fitted to."""

    estimator: Callable[..., BayesianEstimator]
    X: pd.DataFrame
    y: pd.Series
    tables: str  # what computes its tables, after sampling

    def __call__(self, **changes: Any) -> BayesianEstimator:
        return self.estimator(**QUICK | changes).fit(self.X, self.y)


@functools.cache
def sales() -> Fit:
    """Three products over eight periods."""
    X = simulate_sales(3, 1, 8, seed=5, price_change_prob=0.8)
    estimator = functools.partial(HierarchicalElasticity, "product", price="price")
    return Fit(estimator, X, X.pop("units_sold"), "hdfm.sales.estimator.product_table")


@functools.cache
def choice() -> Fit:
    """Choices among three products with one factor."""
    X, _ = simulate_choices(4, 1, 6, n_factors=1, seed=1, alternatives=3)
    estimator = functools.partial(
        DynamicFactorChoiceModel,
        n_factors=1,
        category="category",
        product="product",
        time="week",
        choice_set="choice_set",
        price="price",
        features=[],
    )
    return Fit(estimator, X, X.pop("chosen"), "hdfm.factors.tables.align_factors")


FITS: dict[str, Callable[[], Fit]] = {"sales": sales, "choice": choice}


def digest(model: BayesianEstimator) -> str:
    """Of all bits of draws and statistics."""
    told = hashlib.sha256()
    for group in GROUPS:
        for name, values in sorted(model.idata_[group].data_vars.items()):
            told.update(f"{name} {values.shape}".encode() + values.to_numpy().tobytes())
    return told.hexdigest()


def program(name: str, *parts: str) -> str:
    """A program in which ``fit(**changes)`` is a fit of a model."""
    head = f"from pathlib import Path; from faults.fits import FITS, digest; fit = FITS[{name!r}]()"
    return "\n".join([head, *map(textwrap.dedent, parts)])


def start(*parts: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
    """A process of its own that runs a program, in a folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_", "PYTEST_"))}
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", program(*parts)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=clean | {"PYTHONPATH": paths} | environment,
    )
