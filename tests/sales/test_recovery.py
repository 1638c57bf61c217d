"""Does the model find the truth it was simulated with, and do its intervals cover as they say?"""

import numpy as np
import pytest
from conftest import ROLES
from reference.baselines import complete_pooling, no_pooling, two_step_empirical_bayes

from hdfm import HierarchicalElasticity
from hdfm.datasets import simulate_sales

SEEDS = range(5)
MANY_SEEDS = range(24)  # products of a data set err together: one tells as much as a few products would
LARGEST_R_HAT = 1.02
LARGEST_ERROR = 0.04


def fit(seed, products=300, periods=60, **arguments):
    """A fit with negative binomial noise, the likelihood's own."""
    sales = simulate_sales(products, 5, periods, seed=seed, noise="negative_binomial", period_noise=0.0)
    model = HierarchicalElasticity(**ROLES, chains=4, random_state=seed, progressbar=False, **arguments)
    return sales, model.fit(sales, sales["units_sold"])


def true_elasticities(sales, model):
    truth = sales.drop_duplicates("product").set_index("product")["product_elasticity"]
    return truth.loc[model.elasticities_.index].to_numpy()


@pytest.fixture(scope="module")
def fits():
    return [fit(seed, draws=500, tune=500) for seed in SEEDS]


@pytest.fixture(scope="module")
def many_fits():
    """Many smaller ones by the fast engine, with which sampling agrees."""
    return [fit(seed, 60, 30, inference="laplace", draws=250) for seed in MANY_SEEDS]


@pytest.mark.slow
def test_converges(fits):
    tables = [model.diagnostics() for _, model in fits]
    r_hat = [table.loc["elasticity", "r_hat"] for table in tables]
    divergences = [table.loc["sampler", "divergences"] for table in tables]
    print(f"largest R-hat {np.round(r_hat, 4)}, divergences {divergences}")
    assert max(r_hat) < LARGEST_R_HAT
    assert not any(divergences)


@pytest.mark.slow
@pytest.mark.parametrize("ci_prob", [0.5, 0.9, 0.95])
def test_intervals_cover(many_fits, ci_prob):
    by_seed = []
    for sales, model in many_fits:
        table, truth = model.elasticities(ci_prob=ci_prob), true_elasticities(sales, model)
        by_seed.append(np.mean((truth >= table["lower"]) & (truth <= table["upper"])))
    mean, error = np.mean(by_seed), np.std(by_seed, ddof=1) / np.sqrt(len(by_seed))
    print(f"{100 * ci_prob:.0f} % intervals cover {100 * mean:.1f} +- {100 * error:.1f} %")
    assert error < LARGEST_ERROR
    assert mean == pytest.approx(ci_prob, abs=3 * error)


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
