"""Answers are what they were: to the bit where the golden set was written, else by its figures.

``python tests/golden/write.py`` writes it anew, for changes that are meant to change answers.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("golden")  # which have the process on JAX in common
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # where write.py, a script, finds what it imports

from cases import CHOICES, SALES  # noqa: E402
from digests import entry, environment  # noqa: E402
from write import entries  # noqa: E402

GOLDEN = json.loads((HERE / "golden.json").read_text())
HERE_AS_THERE = GOLDEN["environment"] == environment()
# Elsewhere sums are rounded otherwise. A draw of Laplace's engine may then take another point, an optimiser
# end a step earlier; NUTS takes other paths altogether, so that shapes and log densities alone are compared.
EXACT = 1e-7
TOLERANCE = {"laplace": 0.25, "map": 1e-2, "variational": 0.25, "nuts": np.inf, "nutpie": np.inf}
# What one draw in a hundred decides: tails of drawn units, a dispersion that has hardly an upper end.
HEAVY = ("predict_quantiles new", "posterior dispersion", "prior units", "prior chosen")
LAPLACE = [name for name in GOLDEN["cases"] if name.split()[1] == "laplace"]
QUICK = [name for name in LAPLACE if name.split()[-1] in ("negative_binomial", "poisson", "log_normal")]
ON_JAX = [name for name in GOLDEN["cases"] if name not in LAPLACE]


@pytest.fixture(scope="module")
def fresh_process():
    """Answers of the engines on JAX, in a process of their own: what JAX did before decides how it rounds."""
    parts = sorted({name.split()[1] for name in ON_JAX})
    command = [sys.executable, str(HERE / "write.py"), "--print", *parts]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_every_case_is_written():
    assert list(GOLDEN["cases"]) == [*SALES, *CHOICES]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LAPLACE]
)
def test_answers_of_laplace_are_what_they_were(name):
    compare(name, entries(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_JAX)
def test_answers_on_jax_are_what_they_were(name, fresh_process):
    compare(name, fresh_process[name])


def compare(name, found):
    """To the bit where the golden set was written, else by figures."""
    golden = GOLDEN["cases"][name]
    assert list(found) == list(golden)
    if HERE_AS_THERE:
        assert [answer for answer in found if found[answer] != golden[answer]] == []
        return
    for answer, there in golden.items():
        here = found[answer]
        assert here["shape"] == there["shape"], answer
        tolerance = EXACT if answer == "log_density" else TOLERANCE[name.split()[1]]
        tolerance = np.inf if answer in HEAVY else tolerance
        size = max(there["figures"][1], 1e-6)
        gap = np.abs(np.subtract(here["figures"], there["figures"])).max()
        assert gap <= tolerance * size, (answer, here["figures"], there["figures"])


def test_a_digest_tells_the_last_bit():
    values = np.linspace(1, 2, 5)
    other = values.copy()
    other[2] = np.nextafter(other[2], 2)
    assert entry(values) == entry(values.copy())
    assert entry(values)["digest"] != entry(other)["digest"]
    assert entry(values)["figures"] == entry(other)["figures"]
