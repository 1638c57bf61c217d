"""Engines by name, and what is known of the draws that they make."""

import pytest

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.exceptions import InvalidArgumentError
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
        facts = {
            (each.has_draws, each.exact, each.independent)
            for each in model.ENGINES
            if each.name == engine.name
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
