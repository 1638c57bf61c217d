"""What is kept of the draws of customers, and what it answers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES
from reference.choice import QUICK

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidArgumentError
from hdfm.factors.running import RunningAlignment
from hdfm.sampling.store import Moments
from hdfm.summaries.moments import moments_group

# Customers' draws are kept in 32 bits.
ROUNDED = 1e-5


def test_draws_of_a_number(kept):
    every, some = (kept[keep].idata_["posterior"].to_dataset() for keep in ("draws", 13))
    assert some.sizes["draw"] == 13
    assert some["coefficient_mean"].to_numpy() == pytest.approx(every["coefficient_mean"].to_numpy()[:, 1::2])
    assert kept[13].idata_["sample_stats"]["lp"].sizes["draw"] == 13
    assert every["alpha"].dtype == some["alpha"].dtype == np.float32
    assert every["coefficient_mean"].dtype == np.float64


def test_means_have_no_draws_of_customers(kept):
    tree, alpha = kept["means"].idata_, kept["draws"].idata_["posterior"]["alpha"]
    assert not [name for name, array in tree["posterior"].items() if "customer" in array.dims]
    found, over = tree["customers"], ["chain", "draw"]
    np.testing.assert_allclose(found["alpha_mean"], alpha.mean(over), rtol=ROUNDED, atol=ROUNDED)
    np.testing.assert_allclose(found["alpha_sd"], alpha.std(over, ddof=1), rtol=ROUNDED, atol=ROUNDED)
    assert list(found["customer"].to_numpy()) == list(kept["draws"].panel_.customer)


@pytest.mark.parametrize("by", [None, "time"])
def test_what_customers_have_in_common_is_as_exact(kept, by):
    every, means = (kept[keep].coefficients(by=by) for keep in ("draws", "means"))
    pd.testing.assert_frame_equal(every, means, rtol=ROUNDED)


def test_a_customer_has_mean_and_sd(kept):
    every, means = (kept[keep].coefficients(by="customer") for keep in ("draws", "means"))
    np.testing.assert_allclose(every["mean"], means["mean"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(every["sd"], means["sd"], rtol=1e-3, atol=1e-3)
    assert (means["lower"] < means["mean"]).all()


def test_means_predict_by_the_mean(kept, market):
    every, means = (kept[keep].predict_proba(market) for keep in ("draws", "means"))
    np.testing.assert_allclose(means.sum(), every.sum())
    assert np.abs(means - every).max() < 0.1


@pytest.mark.parametrize("answer", ["loo", "identification"])
def test_what_needs_draws_of_customers_says_so(kept, answer):
    with pytest.raises(InvalidArgumentError, match='keep="draws"'):
        getattr(kept["means"], answer)()
    assert getattr(kept[13], answer)() is not None


@pytest.mark.parametrize("keep", ["draws", 13, "means"])
def test_a_fit_is_pickled_and_saved(kept, keep, market, tmp_path):
    again = pickle.loads(pickle.dumps(kept[keep]))
    kept[keep].save(tmp_path / "fit")
    loaded = DynamicFactorChoiceModel.load(tmp_path / "fit")
    for other in (again, loaded):
        np.testing.assert_array_equal(other.predict_proba(market), kept[keep].predict_proba(market))


@pytest.mark.parametrize("keep", ["all", "mean", 0, 1, -4, 2.5, None, True, ["draws"]])
def test_what_else_is_refused(keep, market):
    model = DynamicFactorChoiceModel(**CHOICE_ROLES, **QUICK, keep=keep)
    with pytest.raises(InvalidArgumentError, match="keep must be"):
        model.fit(market, market["chosen"])


def test_blocks_are_aligned_to_the_first():
    """Draws whose two factors swap names at random: means over blocks are those of the curves."""
    rng = np.random.default_rng(0)
    K, D, N, S, T = 2, 40, 3, 4, 9
    curves = np.stack([np.sin(np.arange(T)), np.linspace(-1, 1, T)], axis=-1)
    path = curves + 0.05 * rng.normal(size=(K, D, T, 2))
    loading = np.array([1.0, 2.0]) + 0.05 * rng.normal(size=(K, D, N, S, 2))
    swap = rng.random((K, D)) < 0.5
    path[swap], loading[swap] = path[swap][..., ::-1], loading[swap][..., ::-1]
    values = {
        "factor_path": path,
        "loading": loading,
        "lengthscale": np.ones((K, D, 2)),
        "loading_amplitude": np.ones((K, D, 2)),
    }
    running = RunningAlignment([slice(0, S)], np.ones(S))
    blocks = [running({k: v[:, first : first + 7] for k, v in values.items()}) for first in range(0, D, 7)]
    found = {name: np.concatenate([block[name] for block in blocks], axis=1) for name in values}
    assert found["factor_path"].std(axis=(0, 1)).max() < 0.1
    assert found["loading"].std(axis=(0, 1)).max() < 0.1


def test_moments_are_labelled():
    moments = {"alpha": Moments(np.zeros((2, 3)), np.ones((2, 3)))}
    group = moments_group(
        moments,
        {"alpha": ["customer", "coefficient"]},
        {"customer": ["a", "b"], "coefficient": [1, 2, 3], "period": [1]},
    )
    assert set(group) == {"alpha_mean", "alpha_sd"}
    assert group["alpha_sd"].sel(customer="b", coefficient=3) == 1
    assert "period" not in group.coords
