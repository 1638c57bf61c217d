"""Choice probabilities from draws made by hand: the equations in loops, SciPy, and the graph itself."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from scipy.special import logsumexp, softmax
from trips import PRODUCTS, many_trips, panel_of

from hdfm.choice.graph.model import ChoiceSpec, build_choice_model
from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.layout import to_rows
from hdfm.choice.panel.rows import encode_choices
from hdfm.choice.posterior import draws as draws_module
from hdfm.choice.posterior import predict as choice_predict
from hdfm.choice.posterior.draws import CUSTOMER, choice_draws, extend_draws
from hdfm.choice.posterior.predict import (
    choice_probabilities,
    log_scores,
    place_fitted,
    place_sets,
    pointwise_log_likelihood,
)
from hdfm.choice.priors import ChoicePriors
from hdfm.factors.hsgp import choose_gp
from hdfm.factors.kriging import forecast, kriging
from hdfm.sampling.streams import labelled_stream
from hdfm.summaries.loo import loo_from_blocks

CHAINS, DRAWS = 2, 6
KERNEL, SEED = "matern32", 7
L, LC, LI = 2, 1, 1
# The same sums of some ten numbers in another order.
SAME = 1e-12
# The graph sums over hundreds of sets, and its contrasts subtract first.
LIKELIHOOD = 1e-9
# Standard errors of a mean of a few thousand draws; the seed is fixed, so one passes for good.
UNLIKELY = 4


def hand_posterior(panel, *, chains=CHAINS, draws=DRAWS, without=()):
    """Draws of all three tiers, and of covariate effects, out of thin air; the factors zero-sum."""
    rng = np.random.default_rng(1)
    S, N, T, C = len(panel.coefficient), len(panel.customer), len(panel.period), len(panel.category)
    shapes = {
        "coefficient_mean": ("coefficient",),
        "alpha": ("customer", "coefficient"),
        "covariate_effect": ("coefficient", "covariate"),
        "loading": ("customer", "coefficient", "factor"),
        "factor_path": ("period", "factor"),
        "lengthscale": ("factor",),
        "category_loading": ("coefficient", "category_factor"),
        "category_factor_path": ("category", "period", "category_factor"),
        "category_lengthscale": ("category_factor",),
        "individual_loading": ("coefficient", "individual_factor"),
        "individual_factor_path": ("customer", "period", "individual_factor"),
        "individual_lengthscale": (),
        "individual_multiplier": ("customer",),
    }
    size = {
        "coefficient": S,
        "customer": N,
        "period": T,
        "category": C,
        "covariate": panel.covariates.shape[1],
    }
    size |= {"factor": L, "category_factor": LC, "individual_factor": LI}
    values = {}
    for name, dims in shapes.items():
        if name in without:
            continue
        drawn = rng.standard_normal((chains, draws, *(size[dim] for dim in dims)))
        if not name.startswith(("alpha", "coefficient", "covariate")) and "path" not in name:
            drawn = 0.1 + 0.3 * np.abs(drawn)
        if "path" in name:
            drawn -= drawn.mean(axis=2 + dims.index("period"), keepdims=True)
        values[name] = (("chain", "draw", *dims), drawn)
    return xr.Dataset(values)


@pytest.fixture(scope="module")
def trips():
    return many_trips()


@pytest.fixture(scope="module")
def panel(trips):
    return panel_of(trips)


@pytest.fixture(scope="module")
def posterior(panel):
    return hand_posterior(panel)


@pytest.fixture(scope="module")
def draws(posterior, panel):
    return choice_draws(posterior, panel)


def coefficient_by_hand(posterior, panel, chain, draw, customer, s, period):
    """One coefficient of one customer, summed as it is written."""
    at = {name: posterior[name].to_numpy()[chain, draw] for name in posterior}
    c = panel.category.get_loc(panel.coefficient[s][0])
    value = at["alpha"][customer, s]
    value += sum(at["loading"][customer, s, k] * at["factor_path"][period, k] for k in range(L))
    value += sum(at["category_loading"][s, k] * at["category_factor_path"][c, period, k] for k in range(LC))
    path = at["individual_factor_path"][customer, period]
    return value + sum(at["individual_loading"][s, k] * path[k] for k in range(LI))


def probabilities_by_hand(beta, choices, outside):
    """(O, J) of one draw from beta (O, P), with SciPy's softmax over the available alternatives."""
    out = np.zeros(choices.mask.shape)
    for o, available in enumerate(choices.mask):
        u = choices.x[o, available] @ beta[o]
        out[o, available] = softmax([*u, 0.0])[:-1] if outside else softmax(u)
    return out


def extended(posterior, panel, frame, seed=SEED):
    """Draws and placed sets of a frame to predict."""
    encoded = encode_choices(frame, panel)
    draws = extend_draws(choice_draws(posterior, panel), panel, encoded, KERNEL, seed)
    return encoded, draws, place_sets(draws, panel, encoded, seed)


def by_row(posterior, panel, frame, seed=SEED):
    """Probabilities (n,) of a frame to predict."""
    _, draws, placed = extended(posterior, panel, frame, seed)
    return to_rows([each.choices for each in placed], choice_probabilities(draws, placed), len(frame))


def test_coefficients_are_the_equation(panel, posterior, draws):
    part, customer, period = panel.categories[1].coefficient, np.array([3, 0, 3]), np.array([2, 1, 0])
    beta = draws.beta(part, customer, period, slice(4, 9))
    assert beta.shape == (5, 3, part.stop - part.start)
    for d, o, p in np.ndindex(beta.shape):
        chain, draw = divmod(4 + d, DRAWS)
        expected = coefficient_by_hand(posterior, panel, chain, draw, customer[o], part.start + p, period[o])
        assert beta[d, o, p] == pytest.approx(expected, rel=SAME)


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
    placed = place_fitted(draws, panel)
    for sets, mean in zip(placed, choice_probabilities(draws, placed), strict=True):
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
    scores = log_scores(draws, place_fitted(draws, panel), len(panel.choice_set))
    assert scores[panel.choice_set.get_loc(trips["trip"].iloc[0])] == 0
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("outside", [False, True])
def test_scores_are_the_log_of_the_mean_probability_of_what_was_chosen(trips, outside):
    if outside:
        trips = trips.assign(chosen=trips["chosen"] & (trips["trip"] % 3 > 0))
    panel = panel_of(trips, outside_option=outside)
    draws = choice_draws(hand_posterior(panel), panel)
    placed = place_fitted(draws, panel)
    scores = log_scores(draws, placed, len(panel.choice_set))
    for sets, mean in zip(placed, choice_probabilities(draws, placed), strict=True):
        everything = np.column_stack([mean, 1 - mean.sum(axis=1)])
        expected = np.log(everything[np.arange(len(mean)), sets.choices.chosen])
        np.testing.assert_allclose(scores[sets.choices.choice_set], expected, rtol=1e-9)
    values = np.empty((len(scores), draws.n_draws))
    for piece, block in pointwise_log_likelihood(draws, placed):
        values[piece] = block
    np.testing.assert_allclose(logsumexp(values, axis=1) - np.log(draws.n_draws), scores, rtol=SAME)


@pytest.mark.filterwarnings("ignore::UserWarning")  # ArviZ: few draws out of thin air, single sets
def test_blocks_of_any_size_give_the_same(panel, monkeypatch):
    draws = choice_draws(0.1 * hand_posterior(panel, draws=60), panel)
    placed, n = place_fitted(draws, panel), len(panel.choice_set)

    def results():
        loo = loo_from_blocks(pointwise_log_likelihood(draws, placed), n, CHAINS)
        return [*choice_probabilities(draws, placed), log_scores(draws, placed, n), loo.elpd_i.to_numpy()]

    whole = results()
    for cells in (1000, 30_000):
        monkeypatch.setattr(choice_predict, "BLOCK_CELLS", cells)
        for one, other in zip(results(), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=SAME, atol=SAME)


def test_no_block_is_larger_than_it_may_be(panel, draws, monkeypatch):
    monkeypatch.setattr(choice_predict, "BLOCK_CELLS", 1000)
    for sets in place_fitted(draws, panel):
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
    spec = ChoiceSpec(L, LC, LI, True, ChoicePriors())
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
    total = sum(block.sum(axis=0) for _, block in pointwise_log_likelihood(draws, place_fitted(draws, panel)))
    np.testing.assert_allclose(total, potential[0], rtol=LIKELIHOOD)


def test_known_labels_are_predicted_as_fitted_in_any_order(trips, panel, posterior, draws):
    placed = place_fitted(draws, panel)
    fitted = to_rows([each.choices for each in placed], choice_probabilities(draws, placed), len(trips))
    backwards = trips.iloc[::-1]
    np.testing.assert_allclose(by_row(posterior, panel, backwards)[::-1], fitted, rtol=SAME)
    few = trips[trips["household"].isin([6, 2])]
    np.testing.assert_allclose(
        by_row(posterior, panel, few), fitted[trips["household"].isin([6, 2])], rtol=SAME
    )


def test_unseen_customer_takes_the_place_of_random_fitted_ones(trips, panel, posterior):
    trip = trips[trips["trip"] == trips["trip"].iloc[0]].assign(household=99, income=70.0)
    encoded, draws, placed = extended(posterior, panel, trip)
    c = next(c for c, each in enumerate(encoded.choices) if len(each.customer))
    sets, donor = placed[c], draws.donor[:, 0]
    assert len(np.unique(donor)) > 1
    z = (70.0 - panel.covariate_mean) / panel.covariate_sd
    part, period = panel.categories[c].coefficient, sets.period
    expected = np.stack(
        [
            draws.beta(part, np.array([donor[d]]), period, slice(d, d + 1))[0, 0]
            + draws.effect[d, part] @ (z - panel.covariates[donor[d]])
            for d in range(draws.n_draws)
        ]
    )
    np.testing.assert_allclose(draws.beta(part, sets.customer, period)[:, 0], expected, rtol=SAME)
    np.testing.assert_array_equal(
        donor, labelled_stream(SEED, "customer", 99).integers(8, size=draws.n_draws)
    )


def test_unseen_customers_are_told_apart_by_label_not_position(trips, panel, posterior):
    new = trips.assign(household=trips["household"] + 4)
    together = pd.Series(by_row(posterior, panel, new), index=new.index)
    for household in (9, 11):
        alone = new[new["household"] == household]
        np.testing.assert_allclose(by_row(posterior, panel, alone), together[alone.index], rtol=SAME)
    assert not np.allclose(together, by_row(posterior, panel, new, seed=SEED + 1))
    same_trip = [trips[trips["trip"] == 1001].assign(household=h, trip=h, income=50.0) for h in (98, 99)]
    one, other = (by_row(posterior, panel, trip) for trip in same_trip)
    assert not np.allclose(one, other)


def test_future_factors_are_those_of_the_forecast(trips, panel, posterior, draws):
    ahead = trips[trips["household"] < 3].assign(week=lambda rows: rows["week"] + 10)
    encoded, extended_draws, _ = extended(posterior, panel, ahead)
    T = len(panel.period)
    assert (encoded.time > 1).all()
    for tier, before in zip(extended_draws.tiers, draws.tiers, strict=True):
        np.testing.assert_array_equal(tier.path[:, :, :T], before.path)
        if tier.owner == CUSTOMER:
            continue
        G = tier.path.shape[1]
        for k in range(tier.path.shape[-1]):
            drawn = forecast(
                KERNEL,
                np.repeat(before.lengthscale[:, k], G),
                panel.time,
                before.path[..., k].reshape(-1, T),
                encoded.time,
                labelled_stream(SEED, tier.owner, k),
            )
            np.testing.assert_allclose(tier.path[:, :, T:, k].reshape(len(drawn), -1), drawn, rtol=SAME)


def test_future_factors_have_the_mean_and_spread_of_the_exact_process(trips, panel):
    """All draws alike but for their random numbers."""
    posterior = hand_posterior(panel, draws=2000)
    for name in posterior:
        posterior[name][:] = posterior[name][0, 0]
    path = posterior["individual_factor_path"] / posterior["individual_multiplier"]
    path -= path.mean("customer")
    posterior["individual_factor_path"] = path * posterior["individual_multiplier"]
    ahead = trips[trips["household"] < 3].assign(week=13)
    encoded, draws, _ = extended(posterior, panel, ahead)
    T, D, N = len(panel.period), draws.n_draws, len(panel.customer)
    for tier in draws.tiers:
        a = tier.multiplier[0][:, None]
        for k in range(tier.path.shape[-1]):
            weights, root = kriging(KERNEL, tier.lengthscale[0, k], panel.time, encoded.time)
            shrunk = 1 - 1 / N if tier.owner == CUSTOMER else 1.0
            sd = a * np.sqrt(shrunk * (root**2).sum(axis=1))
            gap = tier.path[:, :, T:, k].mean(axis=0) - tier.path[0, :, :T, k] @ weights.T
            assert (np.abs(gap) < UNLIKELY * sd / np.sqrt(D)).all()
            spread = tier.path[:, :, T:, k].std(axis=0) / sd
            assert (np.abs(spread - 1) < UNLIKELY / np.sqrt(2 * D)).all()


def test_future_individual_factors_sum_to_zero_over_customers(trips, panel, posterior, monkeypatch):
    ahead = trips[trips["household"] < 3].assign(week=lambda rows: rows["week"] + 10)
    tier = extended(posterior, panel, ahead)[1].tiers[-1]
    new = tier.path[:, :, len(panel.period) :] / tier.multiplier[..., None, None]
    np.testing.assert_allclose(new.mean(axis=1), 0, atol=SAME)
    monkeypatch.setattr(draws_module, "FORECAST_CELLS", 50)
    np.testing.assert_allclose(extended(posterior, panel, ahead)[1].tiers[-1].path, tier.path, rtol=SAME)


def test_new_product_borrows_the_intercept_of_a_fitted_one(trips, panel, posterior):
    tea = trips[(trips["category"] == "tea") & (trips["brand"] != "green")]
    new = tea.assign(brand=tea["brand"].where(tea["brand"] != "black", "oolong"))
    _, draws, placed = extended(posterior, panel, new)
    (sets,) = (each for each in placed if each.label == "tea")
    assert list(sets.product) == [*sorted(PRODUCTS["tea"]), "oolong"]
    source, start = sets.intercept[0], panel.categories[1].coefficient.start
    products = panel.categories[1].predictor[:2]
    assert set(source) == {-1, start, start + 1}
    o, j = np.argwhere((sets.code == 3) & sets.choices.mask)[0]
    some = slice(0, draws.n_draws)
    u = choice_predict.utilities(draws, sets, np.array([o]), some)[0, j]
    beta = choice_predict.coefficients(draws, sets, np.array([o]), some)[:, 0]
    assert (sets.choices.x[o, j, : len(products)] == 0).all()
    intercept = np.where(source < 0, 0, beta[np.arange(len(beta)), np.maximum(source - start, 0)])
    np.testing.assert_allclose(u, beta @ sets.choices.x[o, j] + intercept, rtol=1e-9)


def test_new_products_and_categories_are_told_apart_by_label(trips, panel, posterior):
    new = trips[trips["trip"] < 1040].copy()
    new["category"] = new["category"].replace("tea", "coffee")
    new["brand"] = new["brand"].where(new["brand"] != "plain", "fancy")
    together = pd.Series(by_row(posterior, panel, new), index=new.index)
    totals = together.groupby(new["trip"]).sum()
    np.testing.assert_allclose(totals, 1, rtol=SAME)
    for category in ("milk", "coffee"):
        alone = new[new["category"] == category]
        np.testing.assert_allclose(by_row(posterior, panel, alone), together[alone.index], rtol=SAME)


def test_category_that_was_not_fitted_borrows_from_those_that_have_the_predictor(trips, panel, posterior):
    new = trips[trips["category"] == "tea"].assign(category="coffee")
    _, draws, placed = extended(posterior, panel, new)
    sets = placed[-1]
    assert sets.label == "coffee"
    assert all(not len(each.customer) for each in placed[:-1])
    names = list(panel.coefficient.get_level_values("predictor"))
    for p, predictor in enumerate(["price", "display", "strength"]):
        assert {names[s] for s in sets.source[:, p]} == {predictor}
    home = draws.category[sets.source]
    np.testing.assert_array_equal(home[:, 0], home[:, 1])
    assert set(home[:, 0]) == {0, 1}
    assert set(home[:, 2]) == {1}
    beta = choice_predict.coefficients(draws, sets, np.array([0]), slice(0, 3))
    for d in range(3):
        s = sets.source[d, 0]
        own = draws.beta(slice(s, s + 1), sets.customer[:1], sets.period[:1], slice(d, d + 1))
        assert beta[d, 0, 0] == own[0, 0, 0]


def test_rows_without_choice_sets_are_binary_choices(trips):
    panel = panel_of(trips, choice_set=None, category=None, product=None, features=("display",))
    draws = choice_draws(hand_posterior(panel, without=["loading", "factor_path", "lengthscale"]), panel)
    (sets,) = place_fitted(draws, panel)
    (mean,) = choice_probabilities(draws, (sets,))
    u = np.einsum("op,dop->do", sets.choices.x[:, 0], draws.beta(sets.source, sets.customer, sets.period))
    expected = np.where(sets.choices.mask[:, 0], (1 / (1 + np.exp(-u))).mean(axis=0), 0)
    np.testing.assert_allclose(mean[:, 0], expected, rtol=SAME)


def test_draws_of_two_chains_stand_one_after_the_other(panel, posterior, draws):
    by_chain = posterior["alpha"].to_numpy()
    np.testing.assert_array_equal(draws.alpha[DRAWS:], by_chain[1])
    draws_last = choice_draws(posterior.transpose(..., "chain", "draw"), panel)
    np.testing.assert_array_equal(draws_last.alpha, draws.alpha)
