"""Fits of both models, by every engine, before and after a file."""

import copy
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sklearn
from same import assert_same

from hdfm.exceptions import InvalidArgumentError


def answers(model, X):
    ask = getattr(model, "predict_proba", model.predict)
    later = X.assign(price=1.1 * X["price"])
    return [ask(X), ask(later), model.elasticities(), model.diagnostics()]


def test_everything_comes_back_to_the_bit(fit, tmp_path):
    model, X = fit
    back = type(model).load(model.save(tmp_path / "fit.hdfm"))
    assert_same(dict(sorted(vars(model).items())), dict(sorted(vars(back).items())))
    assert_same(model.get_params(), back.get_params())
    assert_same(answers(model, X), answers(back, X))


def test_a_second_file_is_the_same(fit, tmp_path):
    model, _ = fit
    path = model.save(tmp_path / "fit.hdfm")
    again = type(model).load(path).save(tmp_path / "again.hdfm")
    assert path.read_bytes() == again.read_bytes()


def test_files_hold_arrays_and_json_alone(fit, tmp_path):
    path = fit[0].save(tmp_path / "fit.hdfm")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert names[:2] == ["hdfm.json", "content.json"]
        assert all(name.startswith("arrays/") and name.endswith(".npy") for name in names[2:])
        for name in names[2:]:
            with archive.open(name) as member:
                np.load(member, allow_pickle=False)
        assert b"hdfm.sales" not in archive.read("content.json")
        assert b"hdfm.choice" not in archive.read("content.json")


def test_files_are_no_larger_than_pickles(fit, tmp_path):
    """Without compression, and but for what zip and JSON say of each array."""
    model, _ = fit
    path = model.save(tmp_path / "fit.hdfm")
    with zipfile.ZipFile(path) as archive:
        n_members = len(archive.namelist())
    assert path.stat().st_size < len(pickle.dumps(model)) + 600 * n_members


def test_draws_are_written_once(fit, tmp_path):
    model, _ = fit
    draws = sum(node.to_dataset(inherit=False).nbytes for node in model.idata_.subtree)
    with zipfile.ZipFile(model.save(tmp_path / "fit.hdfm")) as archive:
        size = sum(member.file_size for member in archive.infolist() if member.filename.endswith(".npy"))
    assert size < draws + len(pickle.dumps(model.panel_)) + 50_000


UNFITTED = [
    {"random_state": None},
    {"random_state": np.random.RandomState(5)},
    {"random_state": np.int32(7), "draws": np.int64(9)},
    {"checkpoint": Path("some/where"), "target_accept": np.float64(0.9)},
    {"product": "p", "price": "p", "time": ""},
]


def test_who_reads_a_file_that_is_replaced_reads_the_one_before(estimator, tmp_path):
    """It is replaced at once, not written over."""
    path = estimator().save(tmp_path / "fit.hdfm")
    before = path.read_bytes()
    with open(path, "rb") as reader:
        estimator(random_state=7).save(path)
        assert reader.read() == before
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == ["fit.hdfm"]


@pytest.mark.parametrize("arguments", UNFITTED)
def test_before_a_fit(estimator, tmp_path, arguments):
    model = estimator(**arguments)
    back = estimator.load(model.save(tmp_path / "plan.hdfm"))
    assert_same(vars(model), vars(back))
    assert not hasattr(back, "idata_")


def test_priors_that_are_not_the_default(estimator, tmp_path):
    model = estimator().set_params(priors__lkj=3) if "lkj" in dir(estimator.PRIORS) else estimator()
    model.priors = model.priors or estimator.PRIORS.article()
    back = estimator.load(model.save(tmp_path / "plan.hdfm"))
    assert back.priors == model.priors
    assert type(back.priors) is estimator.PRIORS


def test_notes_of_a_user(estimator, tmp_path):
    model = estimator()
    model.note = {"by": "me", "of": [1, 2]}
    assert estimator.load(model.save(tmp_path / "plan.hdfm")).note == model.note


def test_metadata_requests(estimator, tmp_path):
    with sklearn.config_context(enable_metadata_routing=True):
        model = estimator().set_score_request(sample_weight="weight")
        back = estimator.load(model.save(tmp_path / "plan.hdfm"))
        assert str(back.get_metadata_routing()) == str(model.get_metadata_routing())


@pytest.mark.parametrize(("value", "said"), [(3, "elasticities_ is a int"), (None, "elasticities_ is a No")])
def test_a_fit_that_was_changed(small_fit, tmp_path, value, said):
    model = copy.copy(small_fit[0])
    model.elasticities_ = value
    with pytest.raises(InvalidArgumentError, match=f"can't be saved: {said}"):
        model.save(tmp_path / "fit.hdfm")
    del model.elasticities_
    with pytest.raises(InvalidArgumentError, match="there is no elasticities_; fit it again"):
        model.save(tmp_path / "fit.hdfm")
    assert list(tmp_path.iterdir()) == []


class Own:
    """Of a user."""


REFUSED = {
    "a function": ("random_state", len, "a builtins.builtin_function_or_method"),
    "a generator": ("random_state", np.random.default_rng(0), "Generator"),
    "another Mersenne": ("random_state", np.random.RandomState(np.random.PCG64(0)), "Mersenne Twister"),
    "an object deep inside": ("note", {"deep": [1, {"er": Own()}]}, r"note\.deep\.er can.t .*Own"),
    "objects in an array": ("note", np.array([Own()]), "Own"),
    "records": ("note", np.zeros(2, [("a", int)]), "array of dtype"),
    "a subclass": ("note", type("Text", (str,), {})("text"), "Text"),
    "masks": ("note", np.ma.masked_array([1]), "MaskedArray"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cant_be_stored_is_named_and_touches_nothing(estimator, tmp_path, case):
    name, value, said = REFUSED[case]
    path = estimator(draws=9).save(tmp_path / "plan.hdfm")
    before = path.read_bytes()
    model = estimator()
    setattr(model, name, value)
    with pytest.raises(InvalidArgumentError, match=said) as caught:
        model.save(path)
    assert f"{estimator.__name__}.{name}" in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_list_of_itself(estimator, tmp_path):
    model = estimator()
    model.note = []
    model.note.append(model.note)
    with pytest.raises(InvalidArgumentError, match="without end"):
        model.save(tmp_path / "plan.hdfm")


def test_priors_of_ones_own(estimator, tmp_path):
    priors = type("MyPriors", (estimator.PRIORS,), {})()
    with pytest.raises(InvalidArgumentError, match=r"\.priors can't be saved: it holds a .*MyPriors"):
        estimator(priors=priors).save(tmp_path / "plan.hdfm")


def test_estimators_of_ones_own(estimator, tmp_path):
    mine = type("Mine", (estimator,), {})
    with pytest.raises(InvalidArgumentError, match="Mine can't be saved: it is a class of your own"):
        mine().save(tmp_path / "plan.hdfm")
    path = estimator().save(tmp_path / "plan.hdfm")
    with pytest.raises(ValueError, match=f"holds a {estimator.__name__}, not a Mine"):
        mine.load(path)
