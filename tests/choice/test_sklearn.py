"""scikit-learn's contract of the choice model: checks, searches over whole choice sets, files, imports."""

import html
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import TRIP_ROLES
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from trips import many_trips

from hdfm import ChoicePriors, DynamicFactorChoiceModel
from hdfm.exceptions import InvalidDataError
from hdfm.model_selection import ColumnGroupKFold, RollingOriginSplit, WholeSample, loo_scorer

ROLES = TRIP_ROLES | {"customer_covariates": None}
QUICK = {"draws": 13, "tune": 5, "chains": 2, "progressbar": False}
# Predictions are sums of the same numbers, possibly in another order.
IN_32_BITS = 1e-6  # draws of customers
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def trips():
    return many_trips()


def choice_model(n_factors=1, **changes):
    return DynamicFactorChoiceModel(n_factors, **{**ROLES, **QUICK, **changes})


@pytest.fixture(scope="module")
def fitted(trips):
    """A fit on draws about the start; do not change it."""
    import conftest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        return choice_model().fit(trips, trips["chosen"])


def none_fails(_):
    return {}


@pytest.mark.usefixtures("mock_sampling")
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
@parametrize_with_checks(
    [DynamicFactorChoiceModel(**QUICK)],
    expected_failed_checks=none_fails,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks_with_the_real_sampler():
    results = check_estimator(DynamicFactorChoiceModel(draws=20, tune=20, chains=1, progressbar=False))
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert sum(result["status"] == "skipped" for result in results) <= 1


def test_clone_keeps_priors_as_a_whole():
    model = choice_model(priors=ChoicePriors(coefficient_sd=0.7))
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert copy.get_params()["priors"] == ChoicePriors(coefficient_sd=0.7)


def test_clone_of_a_fit_is_not_fitted(fitted):
    assert [name for name in vars(fitted) if name.endswith("_")]
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


def test_set_params(mock_sampling, trips):
    model = choice_model().fit(trips, trips["chosen"])
    assert model.factors_.sizes["factor"] == 1
    model.set_params(n_factors=2, customer=None, priors=ChoicePriors.note()).fit(trips, trips["chosen"])
    assert model.factors_.sizes["factor"] == 2
    assert "alpha" not in model.idata_["posterior"]
    assert model.spec_.priors == ChoicePriors.note()
    with pytest.raises(ValueError, match="Invalid parameter 'factors' for estimator"):
        model.set_params(factors=2)


def display_scaled(**changes):
    """A pipeline that standardises a feature and passes the columns with a role through."""
    columns = ["household", "category", "brand", "week", "trip", "price", "in_stock"]
    scale = ColumnTransformer(
        [("scaled", StandardScaler(), ["display"]), ("roles", "passthrough", columns)],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return Pipeline([("columns", scale), ("model", choice_model(features="display", **changes))])


def test_pipeline(mock_sampling, trips):
    pipeline = display_scaled().fit(trips, trips["chosen"])
    model = pipeline[-1]
    assert set(model.feature_names_in_) == {name for name in ROLES.values() if isinstance(name, str)} | {
        "display"
    }
    alone = clone(model).fit(trips, trips["chosen"])
    np.testing.assert_allclose(pipeline.predict_proba(trips), alone.predict_proba(trips), rtol=IN_32_BITS)
    assert pipeline.score(trips, trips["chosen"]) == pytest.approx(
        alone.score(trips, trips["chosen"]), rel=IN_32_BITS
    )
    scale = pipeline[0].named_transformers_["scaled"].scale_[0]
    of_display = alone.idata_["posterior"]["coefficient_predictor"] == "display"
    np.testing.assert_allclose(
        model.idata_["posterior"]["alpha"].sel(coefficient=of_display),
        scale * alone.idata_["posterior"]["alpha"].sel(coefficient=of_display),
        rtol=IN_32_BITS,
    )


def test_pipeline_that_drops_names_says_what_to_do(trips):
    pipeline = display_scaled()
    pipeline[0].set_output(transform="default")
    with pytest.raises(
        InvalidDataError, match=r'ndarray.*keeps the names after set_output\(transform="pandas"\)'
    ):
        pipeline.fit(trips, trips["chosen"])


@pytest.mark.parametrize(
    "cv",
    [
        pytest.param(ColumnGroupKFold("household", 2), marks=pytest.mark.slow),
        RollingOriginSplit("week", 2),
        pytest.param(GroupKFold(2), marks=pytest.mark.slow),
    ],
    ids=["households", "weeks", "groups"],
)
def test_grid_search_over_factors(mock_sampling, trips, cv):
    search = GridSearchCV(choice_model(), {"n_factors": [0, 1]}, cv=cv, error_score="raise")
    groups = {"groups": trips["household"]} if isinstance(cv, GroupKFold) else {}
    search.fit(trips, trips["chosen"], **groups)
    results = search.cv_results_
    assert len(np.unique(results["mean_test_score"])) == 2
    train, test = next(iter(cv.split(trips, **groups)))
    by_hand = choice_model(0).fit(trips.iloc[train], trips["chosen"].iloc[train])
    score = by_hand.score(trips.iloc[test], trips["chosen"].iloc[test])
    assert results["split0_test_score"][0] == pytest.approx(score, rel=ROUNDING)
    assert search.best_score_ == results["mean_test_score"].max()
    np.testing.assert_array_equal(search.predict(trips), search.best_estimator_.predict(trips))


def test_search_inside_a_pipeline(mock_sampling, trips):
    grid = {"model__n_factors": [1], "model__priors": [ChoicePriors.note()]}
    cv = ColumnGroupKFold("household", 2)
    search = GridSearchCV(display_scaled(), grid, cv=cv, error_score="raise", refit=False)
    search.fit(trips, trips["chosen"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_search_by_loo(mock_sampling, trips):
    grid = {"n_factors": [0, 1]}
    search = GridSearchCV(choice_model(), grid, scoring=loo_scorer, cv=WholeSample(), error_score="raise")
    search.fit(trips, trips["chosen"])
    scores = search.cv_results_["mean_test_score"]
    assert scores.max() == pytest.approx(search.best_estimator_.loo().elpd / 120, rel=ROUNDING)
    assert len(np.unique(scores)) == 2


def test_splitter_that_cuts_choice_sets_apart(mock_sampling, trips):
    cut = StratifiedKFold(2, shuffle=True, random_state=0)
    remedy = r"ColumnGroupKFold\('trip'\), or scikit-learn's GroupKFold with groups=X\['household'\]"
    found = rf"flags no row in \d+ of \d+ choice sets of column 'trip', such as \d+\. .*{remedy}"
    with pytest.raises(InvalidDataError, match=found):
        cross_val_score(choice_model(availability=None), trips, trips["chosen"], cv=cut, error_score="raise")


def test_splitter_that_cuts_sets_with_an_outside_option_apart(mock_sampling, trips):
    """Each half looks whole: what was fitted gives it away."""
    cut = StratifiedKFold(2, shuffle=True, random_state=0)
    model = choice_model(0, outside_option=True, availability=None)
    found = r"were fitted with other alternatives of the same set\. .*ColumnGroupKFold\('trip'\)"
    with pytest.raises(InvalidDataError, match=found):
        cross_val_score(model, trips, trips["chosen"], cv=cut, error_score="raise")


def test_html_repr_has_the_posterior(fitted):
    page = fitted._repr_html_()
    assert html.escape(fitted.diagnostics().attrs["verdict"]) in page
    table = page[page.rindex("<table") :]
    coefficients = fitted.coefficients(by=None)
    assert len(coefficients) == 10
    for (_, predictor), row in coefficients.iterrows():
        assert f"<th>{predictor}</th>" in table
        assert f"<td>{row['mean']:.3f}</td>" in table


def test_html_repr_escapes_labels(mock_sampling, trips):
    named = trips.assign(category=trips["category"].map("<b>{}</b> & co".format))
    page = choice_model(0).fit(named, named["chosen"])._repr_html_()
    assert "&lt;b&gt;tea&lt;/b&gt; &amp; co" in page
    assert "<b>tea</b>" not in page


def test_html_repr_before_fit():
    page = choice_model()._repr_html_()
    assert "DynamicFactorChoiceModel" in page
    assert "onverged" not in page


@pytest.mark.parametrize("display", ["text", "diagram"])
def test_display(fitted, display):
    with sklearn.config_context(display=display):
        for model in (choice_model(), fitted):
            bundle = model._repr_mimebundle_()
            assert bundle["text/plain"].startswith("DynamicFactorChoiceModel(")
            assert ("text/html" in bundle) == (display == "diagram")


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib", compress=3)
    return joblib.load(folder / "model.joblib")


def through_pickle(model, _):
    return pickle.loads(pickle.dumps(model))


def through_a_file(model, folder):
    return DynamicFactorChoiceModel.load(model.save(folder / "fit.hdfm"))


@pytest.mark.parametrize("through", [through_pickle, through_joblib, through_a_file])
def test_round_trips(fitted, trips, tmp_path, through):
    back = through(fitted, tmp_path)
    new = trips.assign(household=trips["household"] + 5, week=trips["week"] + 1)
    for X in (trips, new):
        np.testing.assert_array_equal(back.predict_proba(X), fitted.predict_proba(X))
    assert back.score(trips, trips["chosen"]) == fitted.score(trips, trips["chosen"])
    pd.testing.assert_frame_equal(back.elasticities_, fitted.elasticities_)
    pd.testing.assert_frame_equal(back.elasticities(by="time"), fitted.elasticities(by="time"))
    pd.testing.assert_frame_equal(back.factor_table_, fitted.factor_table_)
    pd.testing.assert_frame_equal(back.diagnostics(), fitted.diagnostics())
    assert back.factors_.identical(fitted.factors_)
    assert back.loadings_.identical(fitted.loadings_)
    assert back.idata_.attrs == fitted.idata_.attrs
    assert back.get_params() == fitted.get_params()
    assert vars(back).keys() == vars(fitted).keys()


def test_pickles_hold_draws_once(fitted):
    kept = fitted.__getstate__()
    assert vars(fitted).keys() - kept.keys() == {"draws_", "factors_", "loadings_"}
    draws = fitted.idata_["posterior"].to_dataset().nbytes
    assert len(pickle.dumps(fitted)) < 1.5 * draws + len(pickle.dumps(fitted.panel_)) + 100_000


@pytest.mark.slow
def test_seeds():
    """Real draws, of a model small enough to sample in seconds."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"price": rng.uniform(1, 3, 40)})
    y = rng.random(40) < 1 / X["price"]

    def draws(seed):
        model = DynamicFactorChoiceModel(
            price="price", draws=10, tune=20, chains=1, random_state=seed, progressbar=False
        )
        return model.fit(X, y).idata_["posterior"].to_dataset()

    first, again, other = draws(1), draws(1), draws(2)
    assert first.equals(again)
    assert (first["coefficient_mean"] != other["coefficient_mean"]).all()


def test_generator_as_random_state(mock_sampling, trips):
    y = trips["chosen"]
    model = choice_model(0, random_state=np.random.RandomState(0))
    first = model.fit(trips, y).seed_
    assert model.fit(trips, y).seed_ != first
    assert choice_model(0, random_state=np.random.RandomState(0)).fit(trips, y).seed_ == first


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda y: y.tolist(), marks=pytest.mark.slow),
        pytest.param(lambda y: y.astype(int).to_numpy(), marks=pytest.mark.slow),
        lambda y: y.astype("boolean"),
        lambda y: y.set_axis(range(5000, 5000 + len(y))),
        pytest.param(lambda y: y.astype("category"), marks=pytest.mark.slow),
    ],
    ids=["list", "array", "boolean", "another index", "categorical"],
)
def test_outcomes_of_any_type(mock_sampling, fitted, trips, convert):
    y = convert(trips["chosen"])
    model = clone(fitted).fit(trips, y)
    np.testing.assert_array_equal(model.predict_proba(trips), fitted.predict_proba(trips))
    assert model.score(trips, y) == fitted.score(trips, trips["chosen"])
    assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("labels", [("no", "yes"), (0, 1), (False, True), (-1.0, 1.0)])
def test_labels_of_the_binary_logit(mock_sampling, trips, labels):
    X = trips[["price", "display"]]
    y = np.array(labels)[trips["chosen"].astype(int)]
    model = DynamicFactorChoiceModel(**QUICK).fit(X.to_numpy(), y)
    assert model.classes_.tolist() == list(labels)
    assert set(model.predict(X.to_numpy())) <= set(labels)
    chosen = model.predict_proba(X.to_numpy())[:, 1] > 0.5
    np.testing.assert_array_equal(model.predict(X.to_numpy()), np.array(labels)[chosen.astype(int)])
    log_p = np.log(model.predict_proba(X.to_numpy()))[np.arange(len(X)), trips["chosen"].astype(int)]
    assert model.score(X.to_numpy(), y) == pytest.approx(log_p.mean(), rel=ROUNDING)
    with pytest.raises(InvalidDataError, match="y holds labels that were not fitted, such as"):
        model.score(X.to_numpy(), np.full(len(y), 7))


def test_imports_are_lazy():
    unwanted = ["jax", "pymc", "pytensor", "arviz", "matplotlib"]
    code = (
        "from hdfm import ChoicePriors, DynamicFactorChoiceModel\nimport sys\n"
        "repr(DynamicFactorChoiceModel(2, time='week', priors=ChoicePriors.note()))\n"
        f"print([name for name in {unwanted!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
