"""What a fit, its answers, its pictures and its files leave behind: what was asked for, and nothing else."""

import os

import pytest
from faults.fits import FITS, start

PATIENCE = 300  # seconds
LEAVES_ALL = """
    import os, random, sys, warnings
    import arviz as az, matplotlib, numpy as np, pandas as pd, pytensor
    from sklearn import get_config
    from threadpoolctl import threadpool_info
    from hdfm import plots
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def state():
        return {{
            "warnings": list(warnings.filters),
            "matplotlib": dict(matplotlib.rcParams),
            "arviz": dict(az.rcParams),
            "threads": sorted((each["filepath"], each["num_threads"]) for each in threadpool_info()),
            "environment": dict(os.environ),
            "errors of numpy": np.geterr(),
            "numpy prints": np.get_printoptions(),
            "pandas": {{name: pd.get_option(name) for name in ("display.max_rows", "display.precision")}},
            "random numbers": (random.getstate(), np.random.get_state()[1].tolist()),
            "scikit-learn": get_config(),
            "pytensor": (pytensor.config.floatX, pytensor.config.mode),
            "folder": os.getcwd(),
            "paths": list(sys.path),
            "recursion": sys.getrecursionlimit(),
        }}

    def everything():
        model = fit(inference="{inference}", {options})
        model.predict(fit.X)
        model.score(fit.X, fit.y)
        model.elasticities()
        if "{name}" == "sales":
            plots.plot_elasticities(model)
        else:
            plots.plot_coefficients(model)
        plt.close("all")
        copy = type(model).load(model.save(r"{file}"))
        copy.predict(fit.X)
        repr(copy), copy._repr_html_()

    import sklearn.utils._repr_html.estimator, hdfm.sampling.mode, hdfm.sampling.nuts
    import hdfm.sampling.variational, hdfm.sales.laplace.draws  # what libraries set when loaded is there
    import pytensor.link.c.lazylinker_c
    threadpool_info()
    before = state()
    everything()
    after = state()
    for name in before:
        assert type(before[name]) is type(after[name])
        if isinstance(before[name], dict):
            names = [*before[name], *after[name]]
            pairs = {{key: (before[name].get(key), after[name].get(key)) for key in names}}
            changed = {{key: pair for key, pair in pairs.items() if pair[0] != pair[1]}}
            assert not changed, (name, changed)
        assert before[name] == after[name], (name, before[name], after[name])
"""


@pytest.mark.parametrize(
    ("name", "inference", "options"),
    [
        ("sales", "laplace", "draws=20"),
        ("choice", "map", "draws=20"),
        pytest.param("sales", "nuts", "", marks=pytest.mark.slow),
        pytest.param("choice", "nuts", "", marks=pytest.mark.slow),
        pytest.param("choice", "variational", "", marks=pytest.mark.slow),
    ],
)
def test_nothing_is_left_behind(name, inference, options, tmp_path):
    """Neither in the process nor on disk, but for the file that was asked for and the cache."""
    assert name in FITS
    folders = {each: tmp_path / each for each in ("home", "tmp", "work", "cache")}
    for folder in folders.values():
        folder.mkdir()
    file = folders["work"] / "fit.hdfm"
    text = LEAVES_ALL.format(name=name, inference=inference, options=options, file=file)
    process = start(
        name,
        text,
        cwd=folders["work"],
        HOME=str(folders["home"]),
        TMPDIR=str(folders["tmp"]),
        HDFM_CACHE_DIR=str(folders["cache"]),
        MPLCONFIGDIR=str(folders["cache"]),
        PYTENSOR_FLAGS=f"base_compiledir={folders['cache']}",
        XDG_CACHE_HOME=str(folders["cache"]),
    )
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors[-3000:]
    left = {each: sorted(os.listdir(folders[each])) for each in ("home", "tmp", "work")}
    assert left == {"home": [], "tmp": [], "work": ["fit.hdfm"]}
