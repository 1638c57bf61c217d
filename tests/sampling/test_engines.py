"""Engines by name, and what is known of the draws that they make."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.exceptions import ApproximationWarning, InvalidArgumentError
from hdfm.sales.posterior.diagnostics import warn_of_draws
from hdfm.sampling.engines import MODE, NUMPYRO, NUTPIE, VARIATIONAL, engine_of, inferences, samplers

MODELS = (HierarchicalElasticity, DynamicFactorChoiceModel)


@pytest.mark.parametrize("model", MODELS)
def test_an_engine_has_one_name_and_sampler(model):
    names = [(engine.name, engine.sampler) for engine in model.ENGINES]
    assert len(set(names)) == len(names)
    for engine in model.ENGINES:
        assert engine_of(model.ENGINES, engine.name, engine.sampler) is engine
    assert inferences(model.ENGINES)[0] == model().inference
    assert samplers(model.ENGINES) == ("numpyro", "nutpie")


@pytest.mark.parametrize("model", MODELS)
def test_facts_agree_with_each_other(model):
    for engine in model.ENGINES:
        assert engine.has_draws or not engine.exact
        assert engine.has_draws or not engine.resumes
        assert not (engine.exact and engine.pareto_k)
        facts = {
            (each.has_draws, each.exact, each.pareto_k) for each in model.ENGINES if each.name == engine.name
        }
        assert len(facts) == 1, "a fit remembers the name alone"


def test_the_sampler_is_of_no_account_where_an_engine_has_none():
    engines = (NUMPYRO, NUTPIE, MODE, VARIATIONAL)
    assert engine_of(engines, "map", "nutpie") is MODE
    assert engine_of(engines, "nuts") is NUMPYRO
    assert engine_of(engines, "nuts", "nutpie") is NUTPIE


@pytest.mark.parametrize("model", MODELS)
def test_checkpoints_are_for_those_that_resume(model, tmp_path):
    for engine in model.ENGINES:
        arguments = {"inference": engine.name, "sampler": engine.sampler or "numpyro"}
        estimator = model(**arguments, checkpoint=tmp_path / "fit")
        if engine.resumes:
            estimator._check_sampling(())
        else:
            with pytest.raises(InvalidArgumentError, match=r"checkpoint needs .*eave checkpoint out"):
                estimator._check_sampling(())


@pytest.fixture
def approximated(fitted, monkeypatch):
    """A fit of the sales model by an approximation that came with its weights."""
    stranger = replace(VARIATIONAL, name="stranger")
    monkeypatch.setattr(HierarchicalElasticity, "ENGINES", (*HierarchicalElasticity.ENGINES, stranger))
    monkeypatch.setattr("hdfm.sales.posterior.diagnostics.ENGINES", HierarchicalElasticity.ENGINES)
    model = copy(fitted)
    model.idata_ = fitted.idata_.copy()
    model.idata_.attrs["inference"] = stranger.name
    size = fitted.idata_["sample_stats"]["diverging"].shape
    weights = (("chain", "draw"), np.random.default_rng(0).standard_normal(size))
    statistics = fitted.idata_["sample_stats"].to_dataset().drop_vars("point")
    model.idata_["sample_stats"] = statistics.assign(log_weight=weights)
    return model


def test_an_approximation_of_the_sales_model_is_judged_by_its_weights(approximated):
    table = approximated.diagnostics()
    assert table.index.tolist() == ["sampler"]
    assert table.attrs["verdict"].startswith('A quick look by inference="stranger": not draws')
    assert f"Pareto k of its draws is {table.loc['sampler', 'pareto_k']:.2f}" in table.attrs["verdict"]
    assert "A quick look" in approximated._repr_html_()
    warn_of_draws(approximated.idata_)
    with pytest.raises(InvalidArgumentError, match='pareto_k is about inference="laplace"'):
        approximated.pareto_k()


def test_an_approximation_that_is_far_off_is_warned_of(approximated):
    statistics = approximated.idata_["sample_stats"]
    statistics["log_weight"] = 9 * statistics["log_weight"]
    with pytest.warns(ApproximationWarning, match='inference="stranger" is far from the posterior'):
        warn_of_draws(approximated.idata_)
