"""save and load: complete files or none."""

import joblib
import numpy as np
import pandas as pd
import pytest

import hdfm
from hdfm import HierarchicalElasticity
from hdfm.exceptions import InvalidDataError


def test_save_and_load(fitted, fitted_sales, tmp_path):
    path = fitted.save(tmp_path / "fit.hdfm")
    assert path == tmp_path / "fit.hdfm"
    back = HierarchicalElasticity.load(str(path))
    np.testing.assert_array_equal(back.predict(fitted_sales), fitted.predict(fitted_sales))
    pd.testing.assert_frame_equal(back.elasticities_, fitted.elasticities_)
    assert back.idata_["posterior"].to_dataset().identical(fitted.idata_["posterior"].to_dataset())
    assert back.idata_.attrs == fitted.idata_.attrs
    assert [file.name for file in tmp_path.iterdir()] == ["fit.hdfm"]
    assert joblib.load(path)["hdfm"] == hdfm.__version__


def test_save_in_the_working_directory(elasticity, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elasticity(draws=9).save("fit.hdfm")
    assert HierarchicalElasticity.load("fit.hdfm").draws == 9
    assert [file.name for file in tmp_path.iterdir()] == ["fit.hdfm"]


def half_a_file(content, path, **_):
    with open(path, "wb") as file:
        file.write(b"half")
    raise OSError("No space left on device")


@pytest.mark.parametrize("there", [True, False])
def test_a_write_that_fails_leaves_no_trace(elasticity, tmp_path, monkeypatch, there):
    path = tmp_path / "fit.hdfm"
    if there:
        elasticity(draws=9).save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(joblib, "dump", half_a_file)
        with pytest.raises(OSError, match="No space left on device"):
            elasticity(draws=10).save(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    if there:
        assert HierarchicalElasticity.load(path).draws == 9


def test_save_replaces(elasticity, tmp_path):
    for draws in (9, 10):
        path = elasticity(draws=draws).save(tmp_path / "fit.hdfm")
    assert HierarchicalElasticity.load(path).draws == 10


def test_save_keeps_the_usual_permissions(elasticity, tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    path = elasticity().save(tmp_path / "fit.hdfm")
    assert path.stat().st_mode == usual.stat().st_mode


def test_save_to_a_folder_that_is_not_there(elasticity, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        elasticity().save(tmp_path / "nowhere" / "fit.hdfm")


def test_load_of_half_a_file(fitted, tmp_path):
    path = fitted.save(tmp_path / "fit.hdfm")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InvalidDataError, match=r"fit\.hdfm is not a file written by save"):
        HierarchicalElasticity.load(path)


@pytest.mark.parametrize(
    ("content", "found"), [({"estimator": 3}, "int"), ({"hdfm": "0.1.0"}, "dict"), ([1, 2], "list")]
)
def test_load_of_something_else(tmp_path, content, found):
    joblib.dump(content, tmp_path / "other")
    with pytest.raises(InvalidDataError, match=f"holds a {found}, not a HierarchicalElasticity"):
        HierarchicalElasticity.load(tmp_path / "other")
