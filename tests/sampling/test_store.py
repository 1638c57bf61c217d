"""What is kept of draws as they come in blocks."""

import numpy as np
import pytest

from hdfm.exceptions import UnknownNameError
from hdfm.sampling import store as module
from hdfm.sampling.store import DrawStore, Reported, collect

CHAINS, DRAWS = 2, 23


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(5, 2, (CHAINS, DRAWS, 3)), "b": rng.normal(size=(CHAINS, DRAWS))}


@pytest.mark.parametrize("block", [1, 5, 23, 40])
def test_all_draws(values, block):
    kept, moments = collect(values, Reported(("a", "b"), wide=frozenset("a")), block).result()
    np.testing.assert_array_equal(kept["a"], values["a"].astype(np.float32))
    np.testing.assert_array_equal(kept["b"], values["b"])
    assert kept["a"].dtype == np.float32
    assert not moments


@pytest.mark.parametrize("block", [1, 5, 23])
def test_means(values, block):
    kept, moments = collect(values, Reported(("a", "b"), wide=frozenset("a"), keep="means"), block).result()
    assert list(kept) == ["b"]
    np.testing.assert_allclose(moments["a"].mean, values["a"].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(moments["a"].sd, values["a"].std(axis=(0, 1), ddof=1), rtol=1e-6)


@pytest.mark.parametrize("number", [4, 7, 23, 100])
def test_so_many_draws(values, number):
    reported = Reported(("a", "b"), keep=number)
    kept, _ = collect(values, reported, 6).result()
    which = reported.which(DRAWS)
    assert len(which) == min(number, DRAWS)
    assert which[-1] == DRAWS - 1
    assert len(set(np.diff(which))) <= 2
    np.testing.assert_array_equal(kept["a"], values["a"][:, which])


def test_what_is_padded_is_cut(values):
    kept, _ = collect(values, Reported(("a", "b"), cut={"a": (slice(2),)}), 6).result()
    np.testing.assert_array_equal(kept["a"], values["a"][..., :2])


def test_sampling_that_ends_early(values):
    store = DrawStore(Reported(("a",), keep=10), CHAINS, DRAWS)
    store.add({"a": values["a"][:, :12]})
    kept, _ = store.result()
    which = store.which[store.which < 12]
    np.testing.assert_array_equal(kept["a"], values["a"][:, which])


def test_more_draws_than_asked_for_are_left(values):
    store = DrawStore(Reported(("a",), wide=frozenset("a"), keep="means"), CHAINS, 10)
    store.add({"a": values["a"]})
    np.testing.assert_allclose(store.result()[1]["a"].mean, values["a"][:, :10].mean(axis=(0, 1)), rtol=1e-6)


def test_what_is_large_lies_on_disk(values, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 100)
    kept, _ = collect(values, Reported(("a", "b"), wide=frozenset("a")), 5).result()
    assert isinstance(kept["a"], np.memmap)
    assert not isinstance(kept["b"], np.memmap)
    np.testing.assert_array_equal(kept["a"], values["a"].astype(np.float32))


def test_strangers(values):
    for ask in (lambda r: r.which(3), lambda r: r.averaged):
        with pytest.raises(UnknownNameError, match="keep"):
            ask(Reported(("a",), keep="everything"))
