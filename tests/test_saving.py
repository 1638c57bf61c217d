"""save and load: complete files or none."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

from hdfm import HierarchicalElasticity
from hdfm.exceptions import InvalidArgumentError


def test_save_and_load(fitted, fitted_sales, tmp_path):
    path = fitted.save(tmp_path / "fit.hdfm")
    assert path == tmp_path / "fit.hdfm"
    back = HierarchicalElasticity.load(str(path))
    np.testing.assert_array_equal(back.predict(fitted_sales), fitted.predict(fitted_sales))
    pd.testing.assert_frame_equal(back.elasticities_, fitted.elasticities_)
    assert back.idata_["posterior"].to_dataset().identical(fitted.idata_["posterior"].to_dataset())
    assert back.idata_.attrs == fitted.idata_.attrs
    assert [file.name for file in tmp_path.iterdir()] == ["fit.hdfm"]


def test_save_in_the_working_directory(elasticity, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elasticity(draws=9).save("fit.hdfm")
    assert HierarchicalElasticity.load("fit.hdfm").draws == 9
    assert [file.name for file in tmp_path.iterdir()] == ["fit.hdfm"]


def half_a_file(file, *_):
    file.write(b"half")
    raise OSError("No space left on device")


@pytest.mark.parametrize("there", [True, False])
def test_a_write_that_fails_leaves_no_trace(elasticity, tmp_path, monkeypatch, there):
    path = tmp_path / "fit.hdfm"
    if there:
        elasticity(draws=9).save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("hdfm.files.archive._write_members", half_a_file)
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


def test_save_makes_folders(elasticity, tmp_path):
    path = elasticity().save(tmp_path / "new" / "er" / "fit.hdfm")
    assert path == tmp_path / "new" / "er" / "fit.hdfm"
    assert path.exists()


def test_save_in_place_of_a_folder(elasticity, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"is a folder; save takes a file, such as .*fit\.hdfm"):
        elasticity().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_user(elasticity, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert elasticity(draws=9).save("~/fit.hdfm") == tmp_path / "fit.hdfm"
    assert HierarchicalElasticity.load("~/fit.hdfm").draws == 9


def test_save_through_a_link(elasticity, tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.hdfm"
    link.symlink_to(tmp_path / "folder" / "fit.hdfm")
    for draws in (9, 10):
        elasticity(draws=draws).save(link)
        assert link.is_symlink()
        assert HierarchicalElasticity.load(tmp_path / "folder" / "fit.hdfm").draws == draws


def test_save_under_a_long_name(elasticity, tmp_path):
    name = "n" * 250 + ".hdfm"
    assert HierarchicalElasticity.load(elasticity(draws=9).save(tmp_path / name)).draws == 9


@pytest.mark.parametrize("through", ["pickle", "copy", "processes"])
def test_other_ways_to_copy(fitted, fitted_sales, through):
    copied = {
        "pickle": lambda: pickle.loads(pickle.dumps(fitted)),
        "copy": lambda: copy.deepcopy(fitted),
        "processes": lambda: Parallel(n_jobs=2)(delayed(copy.copy)(fitted) for _ in range(2))[0],
    }[through]()
    np.testing.assert_array_equal(copied.predict(fitted_sales), fitted.predict(fitted_sales))
