"""Choice probabilities from draws, against loops over sets."""

import numpy as np
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from reference.choice import log_probabilities, paths
from reference.choice_draws import CHAINS, DRAWS, KERNEL, LC, LI, SAME, L, hand_posterior, market_of
from scipy.special import logsumexp
from trips import panel_of

from hdfm.choice.graph.model import build_choice_model
from hdfm.choice.graph.start import choice_start
from hdfm.choice.posterior import predict as choice_predict
from hdfm.choice.posterior.draws import choice_draws
from hdfm.choice.posterior.predict import choice_probabilities, log_scores, pointwise_log_likelihood
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import choose_gp
from hdfm.factors.tier import tier_sizes
from hdfm.summaries.loo import loo_from_blocks

# The graph sums over hundreds of sets, and its contrasts subtract first.
LIKELIHOOD = 1e-9


def probabilities_by_hand(beta, choices, outside):
    """(O, J) of one draw from beta (O, P)."""
    return np.exp(log_probabilities(beta, choices, outside)[:, :-1])


def test_coefficients_are_the_equation(panel, posterior, draws):
    part, customer, period = panel.categories[1].coefficient, np.array([3, 0, 3]), np.array([2, 1, 0])
    beta = draws.beta(part, customer, period, slice(4, 9))
    assert beta.shape == (5, 3, part.stop - part.start)
    for d, values in enumerate(beta):
        chain, draw = divmod(4 + d, DRAWS)
        every = paths(panel, {name: posterior[name].to_numpy()[chain, draw] for name in posterior})
        np.testing.assert_allclose(values, every[customer, period, part], rtol=SAME)


def test_absent_parts_of_the_model_are_absent_from_the_draws(panel, posterior, draws):
    plain = posterior[["coefficient_mean", "alpha"]]
    only_alpha = choice_draws(plain, panel).beta(slice(0, 2), np.array([5]), np.array([1]))
    np.testing.assert_array_equal(only_alpha[:, 0], draws.alpha[:, 5, :2])
    no_customers = choice_draws(plain[["coefficient_mean"]], panel)
    assert no_customers.alpha.shape == (CHAINS * DRAWS, 1, len(panel.coefficient))
    assert no_customers.n_factors == 0


def test_loadings_of_the_population_are_those_of_every_customer(panel, posterior):
    same = posterior["loading"].isel(customer=0)
    everyone = choice_draws(posterior.assign(loading=same.expand_dims(customer=8)), panel)
    population = choice_draws(posterior.assign(loading=same), panel)
    where = slice(0, 4), np.array([1, 6]), np.array([0, 3])
    np.testing.assert_allclose(population.beta(*where), everyone.beta(*where), rtol=SAME)


@pytest.mark.parametrize("outside", [False, True])
def test_probabilities_are_the_softmax_over_available_alternatives(trips, outside):
    panel = panel_of(trips, outside_option=outside)
    draws = choice_draws(hand_posterior(panel), panel)
    market = market_of(draws, panel)
    for sets, mean in zip(market.sets, choice_probabilities(market), strict=True):
        beta = draws.beta(sets.source, sets.customer, sets.period)
        expected = np.mean([probabilities_by_hand(each, sets.choices, outside) for each in beta], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=SAME, atol=SAME)
        assert (mean[~sets.choices.mask] == 0).all()
        total = mean.sum(axis=1)
        assert (total < 1).all() if outside else np.allclose(total, 1, rtol=0, atol=SAME)


def test_nothing_is_left_to_choose_but_the_outside_option(trips):
    trips = trips.assign(in_stock=trips["in_stock"] & (trips["trip"] != trips["trip"].iloc[0]))
    trips["chosen"] &= trips["in_stock"]
    panel = panel_of(trips, outside_option=True)
    draws = choice_draws(hand_posterior(panel), panel)
    scores = log_scores(market_of(draws, panel))
    assert scores[panel.choice_set.get_loc(trips["trip"].iloc[0])] == 0
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("outside", [False, True])
def test_scores_are_the_log_of_the_mean_probability_of_what_was_chosen(trips, outside):
    if outside:
        trips = trips.assign(chosen=trips["chosen"] & (trips["trip"] % 3 > 0))
    panel = panel_of(trips, outside_option=outside)
    draws = choice_draws(hand_posterior(panel), panel)
    market = market_of(draws, panel)
    scores = log_scores(market)
    for sets, mean in zip(market.sets, choice_probabilities(market), strict=True):
        everything = np.column_stack([mean, 1 - mean.sum(axis=1)])
        expected = np.log(everything[np.arange(len(mean)), sets.choices.chosen])
        np.testing.assert_allclose(scores[sets.choices.choice_set], expected, rtol=1e-9)
    values = np.empty((len(scores), draws.n_draws))
    for piece, block in pointwise_log_likelihood(market):
        values[piece] = block
    np.testing.assert_allclose(logsumexp(values, axis=1) - np.log(draws.n_draws), scores, rtol=SAME)


def test_blocks_of_any_size_give_the_same(panel, monkeypatch):
    draws = choice_draws(0.1 * hand_posterior(panel, draws=60), panel)
    market, n = market_of(draws, panel), len(panel.choice_set)

    def results():
        loo = loo_from_blocks(pointwise_log_likelihood(market), n, CHAINS)
        return [*choice_probabilities(market), log_scores(market), loo.elpd_i.to_numpy()]

    whole = results()
    for cells in (1000, 30_000):
        monkeypatch.setattr(choice_predict, "BLOCK_CELLS", cells)
        for one, other in zip(results(), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=SAME, atol=SAME)


def test_no_block_is_larger_than_it_may_be(panel, draws, monkeypatch):
    monkeypatch.setattr(choice_predict, "BLOCK_CELLS", 1000)
    for sets in market_of(draws, panel).sets:
        P = sets.choices.x.shape[2]
        for whole in (False, True):
            for piece, some, log_p, _ in choice_predict.log_probability_blocks(
                draws, sets, whole_draws=whole
            ):
                assert log_p.size <= 1000
                assert len(piece) * (some.stop - some.start) * P * (1 + draws.n_factors) <= 1000


@pytest.mark.parametrize("outside", [False, True])
def test_likelihood_is_that_of_the_graph(trips, outside):
    panel = panel_of(trips, outside_option=outside)
    gp = choose_gp("hsgp", KERNEL, panel.time, 0.3, 0.8)
    spec = ChoiceSpec(tier_sizes(L, LC, LI), True, ChoicePriors())
    start = choice_start(panel, spec.priors, panel.coefficient_scale)
    model = build_choice_model(panel, spec, gp, start)
    names = [variable.name for variable in model.deterministics]
    values = {variable.name: variable for variable in model.unobserved_value_vars}
    lengthscales = ["lengthscale", "category_lengthscale", "individual_lengthscale"]
    likelihood = model.replace_rvs_by_values([model["log_likelihood"]])
    outputs = [*(values[name] for name in [*names, *lengthscales]), *likelihood]
    evaluate = model.compile_fn(
        outputs, inputs=model.value_vars, point_fn=False, mode=Mode(linker="py", optimizer=None)
    )
    rng, initial = np.random.default_rng(2), model.initial_point()
    points = [
        evaluate(
            *[initial[v.name] + 0.3 * rng.standard_normal(initial[v.name].shape) for v in model.value_vars]
        )
        for _ in range(3)
    ]
    *columns, potential = (np.stack(column)[None] for column in zip(*points, strict=True))
    dims = model.named_vars_to_dims
    posterior = xr.Dataset(
        {
            name: (("chain", "draw", *(dims.get(name) or ())), column)
            for name, column in zip([*names, *lengthscales], columns, strict=True)
        }
    )
    draws = choice_draws(posterior, panel)
    total = sum(block.sum(axis=0) for _, block in pointwise_log_likelihood(market_of(draws, panel)))
    np.testing.assert_allclose(total, potential[0], rtol=LIKELIHOOD)
