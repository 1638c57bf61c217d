"""What a fit leaves of the process: JAX's settings and devices, the environment, threads, files."""

import inspect
import os
import subprocess
import sys
import textwrap

import pytest
from threadpoolctl import threadpool_info

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.sampling.session import cache_folder, computes

pytestmark = pytest.mark.xdist_group("session")  # which have compiled programs in common
FITS = {
    "choice": """
        from hdfm import DynamicFactorChoiceModel
        from hdfm.datasets import simulate_choices
        X, _ = simulate_choices(6, 1, 6, seed=1)
        y = X.pop("chosen")
        model = DynamicFactorChoiceModel(
            1, customer="customer", category="category", product="product", time="week",
            choice_set="choice_set", price="price", draws=6, tune=6, chains=2, progressbar=False,
        )
        fit = lambda: model.fit(X, y).idata_["posterior"]["coefficient_mean"].to_numpy().copy()
    """,
    "sales": """
        from hdfm import HierarchicalElasticity
        from hdfm.datasets import simulate_sales
        X = simulate_sales(4, 1, 8, seed=5, price_change_prob=0.8)
        y = X.pop("units_sold")
        model = HierarchicalElasticity(
            "product", price="price", inference="nuts", draws=6, tune=6, chains=2, progressbar=False
        )
        fit = lambda: model.fit(X, y).idata_["posterior"]["elasticity"].to_numpy().copy()
    """,
}
LEAVES_ALL = """
    import os, sys

    def state():
        found = {name: value for name, value in jax.config.values.items()}
        return found, jax.device_count(), dict(os.environ), sys.getrecursionlimit(), jax.numpy.ones(2).dtype
"""
BEFORE = """
    import jax
    before = state()
    fit()
    after = state()
    assert after == before, [(one, other) for one, other in zip(before, after) if one != other]
    assert str(after[4]) == "float32"
"""
AFTER = """
    flags, depth = os.environ.get("XLA_FLAGS"), sys.getrecursionlimit()
    fit()
    import jax
    assert (os.environ.get("XLA_FLAGS"), sys.getrecursionlimit()) == (flags, depth)
    assert jax.device_count() == 1
    assert not jax.config.jax_enable_x64
    assert jax.config.jax_compilation_cache_dir is None
    assert str(jax.numpy.ones(2).dtype) == "float32"
"""
SAME_DRAWS = """
    import jax, numpy as np
    if {used}:
        jax.numpy.ones(3).sum().block_until_ready()
    np.save(r"{file}", fit())
"""
WIDE = """
    import jax
    jax.config.update("jax_enable_x64", True)
    fit()
    assert str(jax.numpy.ones(2).dtype) == "float64"
"""
SEVERAL_DEVICES = """
    import jax, numpy as np
    from hdfm.sampling import nuts
    model.set_params(chains=3, random_state=1)
    alone = fit()
    assert len(jax.local_devices()) == 2
    seen = []
    def accelerators():
        seen.append(jax.local_devices())
        return seen[-1]
    nuts.accelerators = accelerators
    np.testing.assert_allclose(fit(), alone, rtol=1e-6)
    assert seen
"""


def run(*parts, **environment):
    """Run parts of a program in a process of its own, where JAX has no settings of the tests'."""
    program = "\n".join(textwrap.dedent(part) for part in parts)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_", "PYTEST_"))}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, env=clean | environment
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended


@pytest.fixture(params=FITS)
def fit(request):
    return FITS[request.param]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder where these processes find what others have compiled."""
    return {"HDFM_CACHE_DIR": str(tmp_path_factory.mktemp("programs"))}


@pytest.mark.parametrize(
    "when",
    [
        pytest.param(BEFORE, id="used before"),
        pytest.param(AFTER, id="not used before", marks=pytest.mark.slow),
        pytest.param(WIDE, id="64 bits", marks=pytest.mark.slow),
    ],
)
def test_jax_and_the_process_are_as_they_were(fit, when, programs):
    run(LEAVES_ALL, fit, when, **programs)


@pytest.mark.slow
def test_draws_do_not_depend_on_what_jax_did_before(fit, programs, tmp_path):
    files = [tmp_path / f"{used}.npy" for used in (0, 1)]
    for used, file in enumerate(files):
        run(fit, SAME_DRAWS.format(used=used, file=file), **programs)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_chains_on_several_devices_draw_the_same(programs):
    """Two devices of the CPU stand for two accelerators, which three chains share."""
    run(FITS["sales"], SEVERAL_DEVICES, XLA_FLAGS="--xla_force_host_platform_device_count=2", **programs)


@pytest.mark.slow
def test_compiled_programs_are_kept_where_one_says(fit, tmp_path):
    run(fit, "first = fit()", HDFM_CACHE_DIR=str(tmp_path))
    kept = {file.name for file in tmp_path.rglob("*") if file.is_file() and "atime" not in file.name}
    assert any(name.endswith(".jax") for name in kept)
    counted = """
        import jax
        jax.monitoring.register_event_listener(lambda name, **_: seen.append(name))
        seen = []
        fit()
        assert seen.count("/jax/compilation_cache/cache_hits") >= 3, seen
        assert not seen.count("/jax/compilation_cache/cache_misses"), seen
    """
    run(fit, counted, HDFM_CACHE_DIR=str(tmp_path))
    after = {file.name for file in tmp_path.rglob("*") if file.is_file() and "atime" not in file.name}
    assert after == kept


@pytest.mark.slow
def test_damaged_files_are_no_trouble(tmp_path):
    fit = FITS["sales"]
    run(fit, "fit()", HDFM_CACHE_DIR=str(tmp_path))
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.stat().st_size > 100:
            file.write_bytes(file.read_bytes()[:50])
    run(fit, "fit()", HDFM_CACHE_DIR=str(tmp_path))


@pytest.mark.parametrize("off", ["", "0", "off", "OFF", "none"])
def test_nothing_is_kept_where_it_is_switched_off(off, monkeypatch):
    monkeypatch.setenv("HDFM_CACHE_DIR", off)
    assert cache_folder() is None


def test_a_folder_that_cannot_be_made_is_no_trouble(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HDFM_CACHE_DIR", str(tmp_path / "file" / "folder"))
    assert cache_folder() is None


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_has_one_thread_while_hdfm_computes():
    before = blas_threads()
    assert computes(blas_threads)() == {1}
    assert blas_threads() == before


LEFT_OUT = {"save", "load", "get_params", "set_params", "get_metadata_routing"}


@pytest.mark.parametrize("estimator", [DynamicFactorChoiceModel, HierarchicalElasticity])
def test_every_method_computes_with_one_blas_thread(estimator):
    methods = inspect.getmembers(estimator, inspect.isfunction)
    public = {name: method for name, method in methods if not name.startswith("_")}
    unguarded = {name for name, method in public.items() if not hasattr(method, "__wrapped__")}
    assert {name for name in unguarded if not name.startswith("set_")} <= LEFT_OUT
