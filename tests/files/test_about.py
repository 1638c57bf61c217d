"""Files of other versions and formats, and files of something else."""

import json
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
from rewritten import members, rewrite

import hdfm
from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.exceptions import InvalidDataError
from hdfm.files.about import FORMAT, MIGRATIONS


@pytest.fixture
def path(estimator, tmp_path):
    return estimator(draws=9).save(tmp_path / "plan.hdfm")


def said(**changes):
    return {"hdfm.json": lambda about: {**about, **changes}}


def test_files_say_what_wrote_them(path):
    about = json.loads(members(path)["hdfm.json"])
    assert about["format"] == FORMAT
    assert about["hdfm"] == hdfm.__version__
    assert about["written_with"]["numpy"] == np.__version__
    assert {"python", "pandas", "pymc", "xarray"} < about["written_with"].keys()


@pytest.mark.parametrize("version", ["99.0", "0.1.1", "0.2.0.dev3", "1.0rc1"])
def test_a_later_version_is_named(estimator, path, version):
    rewrite(path, said(hdfm=version))
    match = rf"written by hdfm {version}, which is later than this one: hdfm {hdfm.__version__}.*--upgrade"
    with pytest.raises(InvalidDataError, match=match):
        estimator.load(path)


@pytest.mark.parametrize(
    "version", [hdfm.__version__, f"{hdfm.__version__}+own.build", "0.0.9", "0.1.0.dev3"]
)
def test_this_version_and_earlier_ones_are_read(estimator, path, version):
    assert estimator.load(rewrite(path, said(hdfm=version))).draws == 9


def test_a_later_version_of_a_file_of_the_running_one(estimator, path, monkeypatch):
    monkeypatch.setattr(hdfm, "__version__", "0.0.5")
    with pytest.raises(InvalidDataError, match=r"later than this one: hdfm 0\.0\.5"):
        estimator.load(path)
    assert estimator.load(estimator().save(path)).draws == 1000


def test_a_later_format_is_named_whatever_is_in_it(estimator, path):
    rewrite(path, {**said(format=FORMAT + 1, hdfm="3.2", more=[1]), "content.json": b"\x00 of a new kind"})
    match = (
        rf"hdfm 3\.2.*hdfm {hdfm.__version__} reads formats up to {FORMAT}; the file has format 2.*--upgrade"
    )
    with pytest.raises(InvalidDataError, match=match):
        estimator.load(path)


def test_earlier_formats_are_migrated(estimator, path, monkeypatch):
    def more_draws(content):
        content["state"]["draws"] += 1
        return content

    monkeypatch.setattr("hdfm.files.about.FORMAT", FORMAT + 2)
    monkeypatch.setitem(MIGRATIONS, FORMAT, more_draws)
    monkeypatch.setitem(MIGRATIONS, FORMAT + 1, more_draws)
    assert estimator.load(path).draws == 11
    assert estimator.load(estimator(draws=9).save(path)).draws == 9


def test_every_format_is_read():
    assert sorted(MIGRATIONS) == list(range(1, FORMAT))


def test_arguments_that_came_later_have_their_defaults(estimator, path):
    rewrite(path, {"content.json": lambda content: content["state"].pop("target_accept") and None})
    assert estimator.load(path).target_accept == 0.8


def test_the_other_estimator(estimator, path):
    (other,) = {HierarchicalElasticity, DynamicFactorChoiceModel} - {estimator}
    match = f"holds a {estimator.__name__}, not a {other.__name__}: read it with {estimator.__name__}.load"
    with pytest.raises(InvalidDataError, match=match):
        other.load(path)


def saved_by_numpy(save, path):
    with path.open("wb") as file:
        save(file, np.ones(3))


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<xml/>")


FOREIGN = {
    "empty": (lambda path: path.touch(), "it is empty"),
    "text": (lambda path: path.write_text("units,price\n1,2\n"), "it is text that begins with 'units,price'"),
    "line": (lambda path: path.write_text("é" * 200), "it is text that begins with 'é"),
    "bytes": (lambda path: path.write_bytes(bytes(range(256))), "of no kind that is known here"),
    "zip": (zipped, "a zip archive of something else"),
    "npz": (lambda path: saved_by_numpy(np.savez, path), "a zip archive of something else"),
    "npy": (lambda path: saved_by_numpy(np.save, path), "a NumPy array"),
    "parquet": (lambda path: pd.DataFrame({"a": [1]}).to_parquet(path), "a parquet table"),
    "pickle": (lambda path: joblib.dump([1], path), "a pickle.*Pickles can run code.*fit again, and save"),
    "old": (lambda path: joblib.dump({"estimator": 1}, path, compress=3), "a pickle.*compressed.*fit again"),
    "folder": (lambda path: path.mkdir(), "is a folder, not a file written by save"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_files_of_something_else(estimator, tmp_path, case):
    write, match = FOREIGN[case]
    path = tmp_path / "other"
    write(path)
    with pytest.raises(InvalidDataError, match=f"(?s)other.*{match}"):
        estimator.load(path)
    with pytest.raises(InvalidDataError, match="not a file written by save"):
        estimator.load(str(path))


def test_a_posterior_as_netcdf(small_fit, tmp_path):
    model, _ = small_fit
    model.idata_.to_netcdf(tmp_path / "posterior.nc")
    with pytest.raises(InvalidDataError, match=r"HDF5, such as idata_\.to_netcdf writes"):
        type(model).load(tmp_path / "posterior.nc")


def test_a_file_that_is_not_there(estimator, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.hdfm"):
        estimator.load(tmp_path / "nowhere.hdfm")
