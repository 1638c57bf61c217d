"""Draws of customers, periods, products and categories that were not fitted."""

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED
from reference.choice_draws import DRAWS, KERNEL, SAME, SEED, hand_posterior, market_of
from reference.kriging import kriging
from trips import PRODUCTS, panel_of

from hdfm.choice.panel.rows import encode_choices
from hdfm.choice.posterior import predict as choice_predict
from hdfm.choice.posterior.draws import choice_draws
from hdfm.choice.posterior.predict import choice_probabilities
from hdfm.factors import draws as factor_draws
from hdfm.factors.kriging import forecast, places_of
from hdfm.sampling.streams import labelled_stream

# Standard errors of a mean of a few thousand draws; the seed is fixed, so one passes for good.
UNLIKELY = 4


def extended(posterior, panel, frame, seed=SEED):
    """Draws and placed sets of a frame to predict."""
    encoded = encode_choices(frame, panel)
    market = market_of(choice_draws(posterior, panel), panel, encoded, seed)
    return encoded, market.draws, market.sets


def by_row(posterior, panel, frame, seed=SEED):
    """Probabilities (n,) of a frame to predict."""
    market = market_of(choice_draws(posterior, panel), panel, encode_choices(frame, panel), seed)
    return market.to_rows(choice_probabilities(market))


def test_known_labels_are_predicted_as_fitted_in_any_order(trips, panel, posterior, draws):
    market = market_of(draws, panel)
    fitted = market.to_rows(choice_probabilities(market))
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
        assert np.shares_memory(tier.path, before.path)
        if tier.tier.zero_sum:
            continue
        G = tier.path.shape[1]
        for k in range(tier.path.shape[-1]):
            drawn = forecast(
                KERNEL,
                np.repeat(before.lengthscale[:, k], G),
                before.path[..., k].reshape(-1, T),
                places_of(panel.time, encoded.time, panel.timeline.step / panel.time_span),
                factor_draws.KeyedNormals(SEED, tier.tier.owner.name, k),
            )
            np.testing.assert_allclose(tier.ahead[..., k].reshape(len(drawn), -1), drawn, rtol=SAME)


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
    D, N = draws.n_draws, len(panel.customer)
    for tier in draws.tiers:
        a = tier.multiplier[0][:, None]
        for k in range(tier.path.shape[-1]):
            weights, root = kriging(KERNEL, tier.lengthscale[0, k], panel.time, encoded.time)
            shrunk = 1 - 1 / N if tier.tier.zero_sum else 1.0
            sd = a * np.sqrt(shrunk * (root**2).sum(axis=1))
            gap = tier.ahead[..., k].mean(axis=0) - tier.path[0, ..., k] @ weights.T
            assert (np.abs(gap) < UNLIKELY * sd / np.sqrt(D)).all()
            spread = tier.ahead[..., k].std(axis=0) / sd
            assert (np.abs(spread - 1) < UNLIKELY / np.sqrt(2 * D)).all()


def test_future_individual_factors_sum_to_zero_over_customers(trips, panel, posterior, monkeypatch):
    ahead = trips[trips["household"] < 3].assign(week=lambda rows: rows["week"] + 10)
    tier = extended(posterior, panel, ahead)[1].tiers[-1]
    new = tier.ahead / tier.multiplier[..., None, None]
    np.testing.assert_allclose(new.mean(axis=1), 0, atol=SAME)
    monkeypatch.setattr(factor_draws, "FORECAST_CELLS", 50)
    np.testing.assert_allclose(extended(posterior, panel, ahead)[1].tiers[-1].ahead, tier.ahead, rtol=SAME)


@UNFITTED
@pytest.mark.filterwarnings("ignore:.* choice sets .* have one row:hdfm.exceptions.DataWarning")
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


@UNFITTED
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


@UNFITTED
def test_category_that_was_not_fitted_borrows_from_those_that_have_the_predictor(trips, panel, posterior):
    new = trips[trips["category"] == "tea"].assign(category="coffee")
    _, draws, placed = extended(posterior, panel, new)
    sets = placed[-1]
    assert sets.label == "coffee"
    assert all(not len(each.customer) for each in placed[:-1])
    names = list(panel.coefficient.get_level_values("predictor"))
    for p, predictor in enumerate(["price", "display", "strength"]):
        assert {names[s] for s in sets.source[:, p]} == {predictor}
    home = np.searchsorted([part.stop for part in draws.parts], sets.source, side="right")
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
    market = market_of(draws, panel)
    (sets,), (mean,) = market.sets, choice_probabilities(market)
    u = np.einsum("op,dop->do", sets.choices.x[:, 0], draws.beta(sets.source, sets.customer, sets.period))
    expected = np.where(sets.choices.mask[:, 0], (1 / (1 + np.exp(-u))).mean(axis=0), 0)
    np.testing.assert_allclose(mean[:, 0], expected, rtol=SAME)


def test_draws_of_two_chains_stand_one_after_the_other(panel, posterior, draws):
    by_chain = posterior["alpha"].to_numpy()
    np.testing.assert_array_equal(draws.alpha[DRAWS:], by_chain[1])
    draws_last = choice_draws(posterior.transpose(..., "chain", "draw"), panel)
    np.testing.assert_array_equal(draws_last.alpha, draws.alpha)
