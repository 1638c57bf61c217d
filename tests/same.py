"""Whether two values are one another to the bit: types, dtypes, strides, labels, names and ``attrs``."""

from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import xarray as xr


def assert_same(a, b, where="value"):
    """Raise, with the place, unless the values are the same."""
    assert type(a) is type(b), (where, type(a), type(b))
    if is_dataclass(a):
        _each([(f.name, getattr(a, f.name), getattr(b, f.name)) for f in fields(a)], where)
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        _each([(key, a[key], b[key]) for key in a], where)
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), where
        _each([(k, *pair) for k, pair in enumerate(zip(a, b, strict=True))], where)
    else:
        _leaf(a, b, where)


def _each(triples, where):
    for name, a, b in triples:
        assert_same(a, b, f"{where}.{name}")


def _leaf(a, b, where):
    match a:
        case np.ndarray():
            assert (a.dtype, a.shape) == (b.dtype, b.shape), where
            assert _steps(a) == _steps(b), (where, a.strides, b.strides)
            np.testing.assert_array_equal(a, b, err_msg=where)
        case pd.MultiIndex():
            pd.testing.assert_index_equal(a, b, exact=True)
            _each([(name, x, y) for name, x, y in zip(a.names, a.levels, b.levels, strict=True)], where)
        case pd.Index():
            pd.testing.assert_index_equal(a, b, exact=True)
            _each([("name", a.name, b.name)], where)
            assert (a.dtype, getattr(a, "freq", None)) == (b.dtype, getattr(b, "freq", None)), where
            assert [type(label) for label in a] == [type(label) for label in b], where
        case pd.DataFrame():
            pd.testing.assert_frame_equal(a, b)
            parts = [(name, getattr(a, name), getattr(b, name)) for name in ("index", "columns", "attrs")]
            _each(parts, where)
        case pd.Series():
            pd.testing.assert_series_equal(a, b)
        case xr.DataTree():
            assert [node.path for node in a.subtree] == [node.path for node in b.subtree], where
            for x, y in zip(a.subtree, b.subtree, strict=True):
                assert_same(x.to_dataset(inherit=False), y.to_dataset(inherit=False), f"{where}{x.path}")
        case xr.Dataset():
            assert a.identical(b), where
            assert list(a.coords) == list(b.coords), where
            _each([("attrs", a.attrs, b.attrs)], where)
            _each([(name, a[name].to_numpy(), b[name].to_numpy()) for name in a.variables], where)
        case xr.DataArray():
            assert a.identical(b), where
        case np.random.RandomState():
            assert_same(a.get_state(legacy=False), b.get_state(legacy=False), where)
        case set() | frozenset():
            assert a == b, where
        case _:
            assert repr(a) == repr(b), where


def _steps(array):
    """The strides that matter: none of an array of nothing, nor of axes of length 1."""
    return [step for step, n in zip(array.strides, array.shape, strict=True) if n > 1 and array.size]
