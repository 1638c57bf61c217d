"""Files that are cut, changed, or made to harm: each is refused, or says what it said before."""

import os
import pickle

import joblib
import numpy as np
import pytest
from rewritten import members, nodes_of, npy, rewrite

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.exceptions import HdfmError, InvalidDataError

N_FLIPS, N_CUTS = 200, 60
DAMAGED = "is damaged, or not all of it is there"


def answer(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def loaded(estimator, path):
    """The estimator; None where its file is refused, by name."""
    try:
        return estimator.load(path)
    except HdfmError as error:
        if str(path) not in str(error):
            raise
        return None


def test_flipped_bits(small_fit, tmp_path):
    model, X = small_fit
    path = model.save(tmp_path / "fit.hdfm")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    before, harmless = answer(model, X), 0
    for position, bit in zip(
        rng.integers(len(content), size=N_FLIPS), rng.integers(8, size=N_FLIPS), strict=True
    ):
        flipped = bytearray(content)
        flipped[position] ^= 1 << bit
        path.write_bytes(flipped)
        back = loaded(type(model), path)
        if back is None:
            continue
        harmless += 1
        np.testing.assert_array_equal(answer(back, X), before)
        assert back.elasticities_.equals(model.elasticities_)
    assert harmless < N_FLIPS / 2


def test_every_flip_of_the_beginning(small_fit, tmp_path):
    """Where signatures, names and versions stand."""
    model, X = small_fit
    path = model.save(tmp_path / "fit.hdfm")
    content = path.read_bytes()
    for position in range(120):
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        back = loaded(type(model), path)
        if back is not None:
            np.testing.assert_array_equal(answer(back, X), answer(model, X))


def test_cut_files(small_fit, tmp_path):
    model, _ = small_fit
    path = model.save(tmp_path / "fit.hdfm")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for length in (0, 1, 4, 30, 64, len(content) - 1, *rng.integers(len(content), size=N_CUTS)):
        path.write_bytes(content[:length])
        with pytest.raises(InvalidDataError, match=r"fit\.hdfm is (damaged|not a file written by save)"):
            type(model).load(path)


def set_state(name, value):
    def change(document):
        document["state"][name] = value

    return {"content.json": change}


def change_first(kind, **parts):
    def change(document):
        next(node for node in nodes_of(document, kind) if parts.keys() <= node.keys()).update(parts)

    return {"content.json": change}


def without(name):
    return {"content.json": lambda document: document["state"].pop(name) and None}


def fields_of(kind, change):
    return {"content.json": lambda document: change(nodes_of(document, kind)[0]["fields"])}


HOSTILE = {
    "no about": ({"hdfm.json": b""}, "JSONDecodeError"),
    "about is a list": ({"hdfm.json": b"[1]"}, "TypeError"),
    "format is text": ({"hdfm.json": lambda d: {**d, "format": "1"}}, "TypeError"),
    "format 0": ({"hdfm.json": lambda d: {**d, "format": 0}}, "KeyError"),
    "no version": ({"hdfm.json": lambda d: {**d, "hdfm": "newest"}}, "InvalidVersion"),
    "no content": ({"content.json": None}, "no item named 'content.json'"),
    "content is no JSON": ({"content.json": b'{"state": '}, "JSONDecodeError"),
    "content is not UTF-8": ({"content.json": b"\xff\xfe"}, "DecodeError"),
    "deep content": ({"content.json": b"[" * 100_000}, "RecursionError"),
    "a number too long": ({"content.json": b"1" * 10_000}, "ValueError"),
    "no number": ({"content.json": b'{"state": NaN}'}, "JSON has no NaN"),
    "content is a list": ({"content.json": b"[]"}, "TypeError"),
    "an array is missing": ({"arrays/0.npy": None}, "no item named"),
    "an array is none": ({"arrays/0.npy": b"text"}, "magic string"),
    "an array of objects": ({"arrays/0.npy": npy(np.array([1], object), allow_pickle=True)}, "another shape"),
    "another shape": ({"arrays/0.npy": npy(np.zeros(7))}, "another shape or dtype"),
    "a dtype of objects": (change_first("array", array=0, dtype="|O"), "no array has the dtype"),
    "a dtype of records": (change_first("array", array=0, dtype="f8,O"), "no array has the dtype"),
    "a dtype of nothing": (change_first("array", array=0, dtype=["f8"]), "no array has the dtype"),
    "a huge shape": (change_first("array", array=0, shape=[10**15]), "another shape or dtype"),
    "other axes": (change_first("array", array=0, axes=[0, 0, 5, 1]), "ValueError"),
    "another kind": (set_state("seed_", {"kind": "os.system", "text": "id"}), "'os.system'"),
    "a kind that is a list": (set_state("seed_", {"kind": ["dict"]}), "TypeError"),
    "no kind": (set_state("seed_", {}), "KeyError"),
    "a method": (set_state("predict", 1), "has no attribute 'predict'"),
    "the class": (set_state("__class__", 1), "has no attribute '__class__'"),
    "no name": (set_state("a b", 1), "has no attribute 'a b'"),
    "no panel": (without("panel_"), "there is no panel_"),
    "no spec": (without("spec_"), "there is no spec_"),
    "a spec of another kind": (set_state("spec_", 3), "spec_ is a int"),
    "a time that is none": (set_state("seed_", {"kind": "date", "text": "soon"}), "ValueError"),
    "a zone that is none": (set_state("seed_", {"kind": "zone", "name": "../../etc/passwd"}), "ValueError"),
    "text that is none": (change_first("texts", texts=[1, {}]), "what should be text"),
    "a tree of nothing": (change_first("tree", datasets=[["/", 3]]), ""),
    "a generator beyond its state": (
        set_state(
            "random_state",
            {
                "kind": "random_state",
                "key": {"kind": "array", "objects": [0] * 624, "shape": [624]},
                "position": 10**6,
                "gauss": 0.0,
                "has_gauss": 0,
            },
        ),
        "no RandomState has such a state",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_members_that_are_not_as_written(small_fit, tmp_path, case):
    model, _ = small_fit
    changes, said = HOSTILE[case]
    path = rewrite(model.save(tmp_path / "fit.hdfm"), changes)
    with pytest.raises(InvalidDataError, match=DAMAGED) as caught:
        type(model).load(path)
    assert said in str(caught.value)


def test_an_array_with_something_behind_it(small_fit, tmp_path):
    model, _ = small_fit
    path = model.save(tmp_path / "fit.hdfm")
    rewrite(path, {"arrays/0.npy": members(path)["arrays/0.npy"] + b"more"})
    with pytest.raises(InvalidDataError, match=DAMAGED) as caught:
        type(model).load(path)
    assert "arrays/0.npy is too long" in str(caught.value)


def test_a_rewritten_file_is_read(small_fit, tmp_path):
    """What the tests above change is what they are about."""
    model, X = small_fit
    path = rewrite(model.save(tmp_path / "fit.hdfm"), {})
    np.testing.assert_array_equal(answer(type(model).load(path), X), answer(model, X))


PANELS = {HierarchicalElasticity: "sales_panel", DynamicFactorChoiceModel: "choice_panel"}
MISFITS = {
    "a field more": (lambda fields: fields.update(new=1), "has other fields: ['new']"),
    "a field less": (lambda fields: fields.pop("period") and None, "has other fields: ['period']"),
    "another type": (lambda fields: fields.update(period=[1]), "period is a list"),
    "another record": (lambda fields: fields.update(roles=fields["period"]), "roles is a"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_records_that_are_not_as_written(small_fit, tmp_path, case):
    model, _ = small_fit
    change, said = MISFITS[case]
    path = rewrite(model.save(tmp_path / "fit.hdfm"), fields_of(PANELS[type(model)], change))
    with pytest.raises(InvalidDataError, match=DAMAGED) as caught:
        type(model).load(path)
    assert said in str(caught.value)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def bombs(path, ran):
    """Files that run code wherever something unpickles them."""
    bomb = {"hdfm": "0.1.0", "estimator": Bomb(ran)}
    yield path.write_bytes(pickle.dumps(bomb))
    yield path.write_bytes(pickle.dumps(bomb, 2))
    yield joblib.dump(bomb, path)
    for compression in (3, ("gzip", 3), ("bz2", 3), ("xz", 3)):
        yield joblib.dump(bomb, path, compress=compression)
    with path.open("wb") as file:
        np.savez(file, np.array([Bomb(ran)], object))
    yield
    array = npy(np.array([Bomb(ran)], object), allow_pickle=True)
    yield rewrite(HierarchicalElasticity().save(path), {"arrays/0.npy": array})
    node = {"kind": "array", "array": 0, "dtype": "|O", "shape": [1], "axes": [0]}
    yield rewrite(HierarchicalElasticity().save(path), {"arrays/0.npy": array} | set_state("note", node))
    yield rewrite(HierarchicalElasticity().save(path), {"content.json": pickle.dumps(bomb)})


def test_no_file_runs_code(estimator, tmp_path):
    ran, count = tmp_path / "ran", 0
    for _ in bombs(tmp_path / "fit.hdfm", ran):
        count += 1
        try:
            estimator.load(tmp_path / "fit.hdfm")
        except InvalidDataError:
            pass
        else:
            assert "arrays/0.npy" in members(tmp_path / "fit.hdfm")  # which nothing refers to
        assert not ran.exists()
    assert count == 11
    pickle.loads(pickle.dumps(Bomb(ran)))
    assert ran.exists()
