"""Answers on a posterior larger than what they may allocate: draws in 32 bits, on disk, read in parts."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import CHOICE_ROLES, quick

from hdfm import DynamicFactorChoiceModel
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.posterior import elasticities, predict, shares
from hdfm.choice.posterior.diagnostics import choice_diagnostics
from hdfm.choice.sampling import choice_gp
from hdfm.datasets import simulate_choices
from hdfm.factors import pieces
from hdfm.factors.tables import align_factors, values_of

CHAINS, DRAWS = 2, 1200
FACTORS = (2, 1, 1)
# Blocks are of 8 MB at most, and of those a few are held at a time: 40 MB, whatever the size of the draws.
SMALL_SHARE = 0.2
# Single precision is 6e-8; exponentials and ratios of sums of ten such numbers lose a digit or two.
ROUNDED = 1e-5


def frame_of(customers):
    X, _ = simulate_choices(customers, 2, 6, alternatives=4, sets_per_customer=2, seed=3)
    return X.assign(segment=np.where(X["customer"] % 2, "odd", "even"))


def shapes_of(panel: ChoicePanel):
    """Dimensions and sizes by variable."""
    size = {
        "customer": len(panel.customer),
        "coefficient": len(panel.coefficient),
        "period": len(panel.period),
    }
    size |= {"category": len(panel.category), "factor": 2, "category_factor": 1, "individual_factor": 1}
    dims = {
        "coefficient_mean": ("coefficient",),
        "customer_sd": ("coefficient",),
        "alpha": ("customer", "coefficient"),
        "coefficient_path": ("period", "coefficient"),
        "loading": ("customer", "coefficient", "factor"),
        "factor_path": ("period", "factor"),
        "lengthscale": ("factor",),
        "loading_amplitude": ("factor",),
        "category_loading": ("customer", "coefficient", "category_factor"),
        "category_factor_path": ("category", "period", "category_factor"),
        "category_lengthscale": ("category_factor",),
        "category_loading_amplitude": ("category_factor",),
        "individual_loading": ("coefficient", "individual_factor"),
        "individual_factor_path": ("customer", "period", "individual_factor"),
        "individual_lengthscale": (),
        "individual_scale": ("individual_factor",),
    }
    return {name: (names, [size[dim] for dim in names]) for name, names in dims.items()}


def fill(array, name, panel, rng):
    """Draws about something, chain by chain and a few at a time."""
    positive = not name.startswith(("alpha", "coefficient")) and "path" not in name
    center = np.zeros(array.shape[2:])
    if name.startswith(("alpha", "coefficient")):
        center[..., panel.coefficient.get_level_values("predictor") == "price"] = -2
    for k, first in np.ndindex(array.shape[0], -(-array.shape[1] // 50)):
        some = array[k, 50 * first : 50 * first + 50]
        noise = 0.3 * rng.standard_normal(some.shape, dtype=array.dtype)
        some[:] = 0.05 + np.abs(noise) if positive else center + noise


def fitted(X, draws, dtype, folder=None):
    """A fit on draws out of thin air; customers' are kept as ``dtype``, on disk if there is a folder."""
    model = DynamicFactorChoiceModel(*FACTORS, **CHOICE_ROLES, progressbar=False, gp="exact")
    panel, spec, classes = model._panel(X, X["chosen"])
    rng, variables, size = np.random.default_rng(1), {}, (CHAINS, draws)
    for name, (dims, sizes) in shapes_of(panel).items():
        wide = "customer" in dims
        if wide and folder is not None:
            values = np.memmap(folder / name, dtype, "w+", shape=(*size, *sizes))
        else:
            values = np.empty((*size, *sizes))
        fill(values, name, panel, rng)
        variables[name] = (("chain", "draw", *dims), values.astype(dtype, copy=False) if wide else values)
    statistics = {"lp": rng.standard_normal(size), "diverging": np.zeros(size, dtype=bool)}
    statistics = {name: (("chain", "draw"), values) for name, values in statistics.items()}
    posterior = xr.Dataset(variables)
    model.idata_ = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset(statistics)})
    model.idata_.attrs["inference"] = "nuts"
    model.panel_, model.spec_, model.classes_, model.seed_ = panel, spec, classes, 5
    model.gp_ = choice_gp(panel, spec, "exact")
    align_factors(values_of(posterior), panel.parts, panel.coefficient_scale)
    model._unpack()
    return model


def later(X):
    """The first sets, of customers who were not fitted too, in a week that was not."""
    rows = X[X["choice_set"].isin(X["choice_set"].unique()[:200])]
    new = rows.assign(customer=rows["customer"] + 10_000, choice_set=rows["choice_set"] + 10_000)
    return pd.concat([rows.assign(week=7), new], ignore_index=True)


ANSWERS = {
    "stored elasticities": lambda model, X: model._stored_elasticities(),
    "elasticities": lambda model, X: model.elasticities(X, by="segment"),
    "coefficients": lambda model, X: model.coefficients(),
    "coefficients of some": lambda model, X: model.coefficients(
        by=None, customers=model.panel_.customer[::2]
    ),
    "coefficients by customer": lambda model, X: model.coefficients(by="customer"),
    "willingness_to_pay": lambda model, X: model.willingness_to_pay(
        "display", by=("customer", "time"), customers=model.panel_.customer[:40]
    ),
    "shares": lambda model, X: model.shares(),
    "shares by customer": lambda model, X: model.shares(by="customer"),
    "counterfactual": lambda model, X: model.counterfactual(
        X, {"price": 0.9}, X["product"].iloc[0], by="segment"
    ),
    "diversion": lambda model, X: model.diversion(),
    "predict": lambda model, X: model.predict(X),
    "predict_proba": lambda model, X: model.predict_proba(X),
    "predict_proba of new": lambda model, X: model.predict_proba(later(X)),
    "score": lambda model, X: model.score(X, X["chosen"]),
    "score of new": lambda model, X: model.score(later(X), later(X)["chosen"]),
    "factor_table": lambda model, X: model._factor_table(),
    "identification": lambda model, X: model.identification(prior_draws=10).drop(columns="verdict"),
    "loo": lambda model, X: model.loo().elpd_i.to_numpy(),
    "diagnostics": lambda model, X: model.diagnostics().drop(columns=["about", "verdict"]),
}

SLOW = {"identification", "loo", "predict_proba of new", "score of new"}


@pytest.fixture(scope="module")
def few_customers():
    return frame_of(20)


@pytest.fixture(scope="module")
def narrow(few_customers):
    return fitted(few_customers, 30, np.float32)


@pytest.fixture(scope="module")
def wide(few_customers):
    return fitted(few_customers, 30, np.float64)


@pytest.fixture(scope="module")
def many_customers():
    return frame_of(400)


@pytest.fixture(scope="module")
def large(many_customers, tmp_path_factory):
    """About 200 MB of customers' draws, half of them loadings; reading the files allocates nothing."""
    return fitted(many_customers, DRAWS, np.float32, tmp_path_factory.mktemp("draws"))


def size_of(model):
    """Bytes of customers' draws."""
    return sum(values.nbytes for values in model.idata_["posterior"].values() if "customer" in values.dims)


@contextmanager
def peak_memory():
    """The most that is allocated at a time, in bytes."""
    peak = []
    tracemalloc.start()
    try:
        yield peak
    finally:
        peak.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name",
    quick([name for name in ANSWERS if name != "diagnostics"], *(set(ANSWERS) - SLOW)),
)
def test_an_answer_allocates_a_small_share_of_the_draws(name, large, many_customers, narrow, few_customers):
    ANSWERS[name](narrow, few_customers)  # imports what it needs
    with peak_memory() as peak:
        ANSWERS[name](large, many_customers)
    assert peak[0] < SMALL_SHARE * size_of(large)


def test_diagnostics_allocate_a_small_share_of_the_draws(large, narrow, few_customers, monkeypatch):
    """Of a tenth of the customers, a tenth of the usual numbers at a time: ArviZ takes its time."""
    ANSWERS["diagnostics"](narrow, few_customers)
    monkeypatch.setattr(pieces, "PIECE_CELLS", pieces.PIECE_CELLS // 10)
    posterior = (
        large.idata_["posterior"].to_dataset().isel(customer=slice(0, len(large.panel_.customer) // 10))
    )
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": large.idata_["sample_stats"].to_dataset()}
    )
    tree.attrs["inference"] = "nuts"
    with peak_memory() as peak:
        choice_diagnostics(tree)
    assert peak[0] < SMALL_SHARE * size_of(large) / 10


def test_alignment_allocates_a_small_share_of_the_draws(large):
    values, panel = values_of(large.idata_["posterior"].to_dataset()), large.panel_
    with peak_memory() as peak:
        align_factors(values, panel.parts, panel.coefficient_scale)
    assert peak[0] < SMALL_SHARE * size_of(large)


@pytest.mark.parametrize("name", ANSWERS)
def test_draws_of_32_bits_answer_as_those_of_64(name, narrow, wide, few_customers):
    one, other = (ANSWERS[name](model, few_customers) for model in (narrow, wide))
    if name == "identification":  # distances from a median are ranked, of which two are about the same
        assert one.pop("r_hat").to_numpy() == pytest.approx(other.pop("r_hat").to_numpy(), rel=1e-2)
    np.testing.assert_allclose(one, other, rtol=ROUNDED, atol=ROUNDED)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_index_equal(one.index, other.index)


def test_answers_in_the_smallest_blocks_are_the_same(narrow, few_customers, monkeypatch):
    names = ["coefficients by customer", "shares by customer", "counterfactual", "diversion", "elasticities"]
    whole = {name: ANSWERS[name](narrow, few_customers) for name in names}
    for module, constant in (
        (pieces, "PIECE_CELLS"),
        (shares, "PIECE_CELLS"),
        (predict, "BLOCK_CELLS"),
        (elasticities, "TABLE_CELLS"),
    ):
        monkeypatch.setattr(module, constant, 1000)
    for name in names:
        pd.testing.assert_frame_equal(ANSWERS[name](narrow, few_customers), whole[name], rtol=1e-10)
