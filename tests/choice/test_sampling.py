"""From a panel of choices to labelled draws."""

from dataclasses import replace

import numpy as np
import pytest

from hdfm.choice.panel.panel import build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.sampling import choice_gp, labelled_choices, posterior_size, sample_choices
from hdfm.choice.spec import ChoiceSpec
from hdfm.datasets import simulate_choices
from hdfm.factors.tier import tier_sizes
from hdfm.sampling.session import jax_session
from hdfm.sampling.settings import SamplingSettings

SETTINGS = SamplingSettings(draws=5, tune=3, chains=2, progressbar=False)


@pytest.fixture
def panel():
    frame, _ = simulate_choices(6, 2, 5, alternatives=3, sets_per_customer=4, seed=1)
    roles = ChoiceRoles(
        customer="customer",
        category="category",
        product="product",
        time="week",
        choice_set="choice_set",
        price="price",
        features=("display",),
    )
    return build_choice_panel(frame, frame["chosen"], roles)


def test_labelled_draws(mock_sampling, panel):
    spec = ChoiceSpec(tier_sizes(2, 0, 0), True, ChoicePriors())
    draws = sample_choices(panel, spec, choice_gp(panel, spec, "hsgp"), SETTINGS)
    tree = labelled_choices(draws, panel, spec, {"inference": "nuts"})
    posterior = tree["posterior"].to_dataset()
    assert dict(posterior.sizes) == {
        "chain": 2,
        "draw": 5,
        "customer": 6,
        "period": 5,
        "factor": 2,
        "coefficient": len(panel.coefficient),
    }
    assert posterior["loading"].dims[2:] == ("customer", "coefficient", "factor")
    assert not [name for name in posterior if str(name).endswith("_raw")]
    prices = posterior["alpha"].sel(coefficient=posterior["coefficient_predictor"] == "price")
    assert prices.sizes["coefficient"] == 2
    assert np.isfinite(posterior["coefficient_path"]).all()
    assert tree.attrs["inference"] == "nuts"


def test_size_of_the_posterior(panel):
    spec = ChoiceSpec(tier_sizes(2, 0, 0), True, ChoicePriors())
    S, N, T = len(panel.coefficient), 6, 5
    many = SamplingSettings(draws=100_000, chains=4)
    wide, rest = N * S * 3, S * T
    for keep, draws, wide_draws in [("draws", 400_000, 400_000), (500, 2000, 2000), ("means", 400_000, 2)]:
        size = 1e-9 * (4 * wide * wide_draws + 8 * rest * draws)
        assert posterior_size(panel, spec, replace(many, keep=keep)) == pytest.approx(size, abs=0.01)


def test_sets_of_one_alternative_leave_the_gradient_finite():
    from hdfm.choice.sampling import choice_model

    frame, _ = simulate_choices(4, 1, 3, alternatives=3, sets_per_customer=4, seed=1)
    frame = frame[(frame["choice_set"] >= 3) | (frame["chosen"] == 1)]
    roles = ChoiceRoles(customer="customer", product="product", choice_set="choice_set", price="price")
    panel = build_choice_panel(frame, frame["chosen"], replace(roles, features=("display",)))
    model = choice_model(panel, ChoiceSpec((), True, ChoicePriors()), None)
    with jax_session():
        from hdfm.sampling.density import density_of

        density = density_of(model, ["coefficient_mean"])
        assert np.isfinite(density.gradient(density.start)[1]).all()


@pytest.mark.slow
def test_density_and_gradient_in_32_and_64_bits():
    """Of sums over many choice sets, where rounding adds up most."""
    import jax
    import pytensor

    frame, _ = simulate_choices(220, 3, 52, seed=1)
    roles = ChoiceRoles(
        customer="customer", category="category", product="product", time="week", choice_set="choice_set"
    )
    roles = replace(roles, price="price", features=("display", "feature"))
    panel = build_choice_panel(frame, frame["chosen"], roles)
    assert len(panel.choice_set) >= 10_000
    value, slope = density_and_gradient(panel)
    with jax.enable_x64(False), pytensor.config.change_flags(floatX="float32"):
        value_32, slope_32 = density_and_gradient(panel)
    assert (slope.dtype, slope_32.dtype) == (np.float64, np.float32)
    assert value_32 == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(slope_32, slope, atol=1e-5 * abs(slope).max())


def density_and_gradient(panel):
    """At the same point off the start, whatever the precision."""
    from hdfm.choice.sampling import choice_model

    spec = ChoiceSpec(tier_sizes(1, 0, 0), True, ChoicePriors())
    model = choice_model(panel, spec, choice_gp(panel, spec, "hsgp"))
    with jax_session():
        from hdfm.sampling.density import density_of

        density = density_of(model, ["coefficient_mean"])
        away = 0.1 * np.random.default_rng(0).standard_normal(density.start.size)
        value, slope = density.gradient((density.start + away).astype(density.start.dtype))
        return float(value), np.asarray(slope)
