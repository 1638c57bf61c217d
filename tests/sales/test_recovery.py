"""Does the model find the truth it was simulated with, and do its intervals cover as they say?"""

import numpy as np
import pytest
from conftest import ROLES
from reference.baselines import complete_pooling, no_pooling, two_step_empirical_bayes

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales

SEEDS = range(5)
LARGEST_R_HAT = 1.02


def fit(seed, likelihood, **simulation):
    sales = simulate_sales(300, 5, 60, seed=seed, noise=likelihood, period_noise=0.0, **simulation)
    model = HierarchicalElasticity(
        **ROLES,
        likelihood=likelihood,
        draws=500,
        tune=500,
        chains=4,
        random_state=seed,
        progressbar=False,
    )
    return sales, model.fit(sales, sales["units_sold"])


def true_elasticities(sales, model):
    truth = sales.drop_duplicates("product").set_index("product")["product_elasticity"]
    return truth.loc[model.elasticities_.index].to_numpy()


@pytest.fixture(scope="module")
def fits():
    """Five fits with negative binomial noise, the likelihood's own."""
    return [fit(seed, "negative_binomial") for seed in SEEDS]


@pytest.mark.slow
def test_converges(fits):
    tables = [model.diagnostics() for _, model in fits]
    r_hat = [table.loc["elasticity", "r_hat"] for table in tables]
    divergences = [table.loc["sampler", "divergences"] for table in tables]
    print(f"largest R-hat {np.round(r_hat, 4)}, divergences {divergences}")
    assert max(r_hat) < LARGEST_R_HAT
    assert not any(divergences)


@pytest.mark.slow
@pytest.mark.parametrize(("ci_prob", "tolerance"), [(0.5, 0.04), (0.9, 0.03), (0.95, 0.02)])
def test_intervals_cover(fits, ci_prob, tolerance):
    covered = []
    for sales, model in fits:
        table, truth = model.elasticities(ci_prob=ci_prob), true_elasticities(sales, model)
        covered.append((truth >= table["lower"]) & (truth <= table["upper"]))
    by_seed = np.round(np.mean(covered, axis=1), 3)
    print(f"{100 * ci_prob:.0f} % intervals cover {100 * np.mean(covered):.1f} %, by seed {by_seed}")
    assert np.mean(covered) == pytest.approx(ci_prob, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [no_pooling, complete_pooling, two_step_empirical_bayes])
def test_beats_baselines(fits, baseline):
    own, theirs = [], []
    for sales, model in fits:
        panel, truth = model.panel_, true_elasticities(sales, model)
        own.append(np.abs(model.elasticities_["mean"] - truth).mean())
        theirs.append(np.abs(baseline(panel.units, panel.log_price, panel.group) - truth).mean())
    print(f"MAE {np.round(own, 3)}, {baseline.__name__} {np.round(theirs, 3)}")
    assert np.mean(own) < np.mean(theirs)
