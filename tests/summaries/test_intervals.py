import numpy as np
import pandas as pd

from hdfm.summaries.intervals import SUMMARY, summarise

INDEX = pd.Index(["a", "b"])


def test_a_mode_has_a_mean_alone():
    """One draw says nothing of its spread, and so nothing of probabilities."""
    table = summarise(np.array([[-2.0], [0.5]]), INDEX, 0.89)
    assert table["mean"].tolist() == [-2.0, 0.5]
    assert table.drop(columns="mean").isna().all(axis=None)


def test_draws_have_all():
    draws = np.random.default_rng(0).normal(-1, 1, (2, 500))
    table = summarise(draws, INDEX, 0.8)
    expected = [
        draws.mean(axis=1),
        draws.std(axis=1, ddof=1),
        *np.quantile(draws, [0.1, 0.9], axis=1),
        (draws < -1).mean(axis=1),
        (draws > 0).mean(axis=1),
    ]
    for name, values in zip(SUMMARY, expected, strict=True):
        np.testing.assert_allclose(table[name], values)
