"""scikit-learn's contract: checks, cloning, pipelines, searches, reprs, pickles, seeds, imports."""

import html
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import NO_PATHS, ROLES, UNFITTED
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from hdfm import ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_sales

QUICK = {"draws": 8, "tune": 5, "chains": 2, "progressbar": False}
# Predictions are sums of the same numbers, possibly in another order.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def few_sales():
    """3 products over 8 periods: small enough to sample for real in seconds."""
    return simulate_sales(3, 1, 8, seed=5, price_change_prob=0.8)


def none_fails(_):
    return {}


@pytest.mark.usefixtures("mock_sampling")
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
@parametrize_with_checks(
    [
        HierarchicalElasticity(**QUICK),
        HierarchicalElasticity(likelihood="log_normal", **QUICK),
        HierarchicalElasticity(likelihood="poisson", **QUICK),
    ],
    expected_failed_checks=none_fails,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("inference", ["nuts", "laplace"])
@pytest.mark.filterwarnings("ignore::hdfm.exceptions.DataWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks_with_the_real_sampler(inference):
    model = HierarchicalElasticity(inference=inference, draws=20, tune=20, chains=1, progressbar=False)
    results = check_estimator(model)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert sum(result["status"] == "skipped" for result in results) <= 1


def test_clone_keeps_priors_as_a_whole(elasticity):
    model = elasticity(priors=ElasticityPriors(product_sd=0.1), controls=["promotion"])
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert copy.get_params()["priors"] == ElasticityPriors(product_sd=0.1)


def test_clone_of_a_fit_is_not_fitted(fitted):
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


def test_set_params(elasticity):
    model = elasticity().set_params(priors=ElasticityPriors.article(), likelihood="poisson")
    assert model.priors == ElasticityPriors.article()
    assert model.likelihood == "poisson"
    with pytest.raises(ValueError, match="Invalid parameter 'prior' for estimator"):
        model.set_params(prior=ElasticityPriors())


def test_set_params_changes_the_next_fit(mock_sampling, elasticity, sales):
    model = elasticity().fit(sales, sales["units_sold"])
    assert "correlation" in model.idata_["posterior"]
    model.set_params(priors=ElasticityPriors.article()).fit(sales, sales["units_sold"])
    assert "correlation" not in model.idata_["posterior"]


def promotion_scaled(**changes):
    """A pipeline that standardises the promotion and passes the columns with a role through."""
    columns = ["product", "category", "time_period", "price"]
    scale = ColumnTransformer(
        [("scaled", StandardScaler(), ["promotion"]), ("roles", "passthrough", columns)],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = HierarchicalElasticity(**{**ROLES, **NO_PATHS, **QUICK, **changes}, controls="promotion")
    return Pipeline([("columns", scale), ("model", model)])


def test_pipeline(mock_sampling, sales):
    pipeline = promotion_scaled().fit(sales, sales["units_sold"])
    model = pipeline[-1]
    assert set(model.feature_names_in_) == {*ROLES.values(), "promotion"}
    assert np.isfinite(pipeline.predict(sales)).all()
    alone = clone(model).fit(sales, sales["units_sold"])
    np.testing.assert_allclose(pipeline.predict(sales), alone.predict(sales), rtol=1e-9)
    scale = pipeline[0].named_transformers_["scaled"].scale_[0]
    np.testing.assert_allclose(
        model.idata_["posterior"]["control_effect"],
        scale * alone.idata_["posterior"]["control_effect"],
        rtol=1e-9,
    )


def test_pipeline_that_drops_names_says_what_to_do(sales):
    pipeline = promotion_scaled()
    pipeline[0].set_output(transform="default")
    with pytest.raises(ValueError, match=r'ndarray.*keeps the names after set_output\(transform="pandas"\)'):
        pipeline.fit(sales, sales["units_sold"])


@UNFITTED
@pytest.mark.parametrize(
    "cv",
    [pytest.param(KFold(2, shuffle=True, random_state=0), marks=pytest.mark.slow), GroupKFold(2)],
    ids=["rows", "products"],
)
def test_grid_search_over_priors(mock_sampling, elasticity, sales, cv):
    grid = {"priors": [ElasticityPriors(), ElasticityPriors.article()], "time_effects": ["category", None]}
    search = GridSearchCV(elasticity(), grid, cv=cv, error_score="raise")
    groups = {"groups": sales["product"]} if isinstance(cv, GroupKFold) else {}
    search.fit(sales, sales["units_sold"], **groups)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 4
    assert search.best_params_["priors"] in grid["priors"]
    assert search.best_score_ == scores.max()
    np.testing.assert_array_equal(search.predict(sales), search.best_estimator_.predict(sales))
    assert search.score(sales, sales["units_sold"]) == search.best_estimator_.score(
        sales, sales["units_sold"]
    )


@UNFITTED
def test_search_inside_a_pipeline(mock_sampling, sales):
    grid = {"model__priors": [ElasticityPriors.article()], "model__time_effects": ["shared"]}
    search = GridSearchCV(promotion_scaled(), grid, cv=KFold(2), error_score="raise", refit=False)
    search.fit(sales, sales["units_sold"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_html_repr_has_the_posterior(fitted):
    page = fitted._repr_html_()
    assert html.escape(fitted.diagnostics().attrs["verdict"]) in page
    table = page[page.rindex("<table") :]
    for row in [fitted.elasticities("global"), fitted.elasticities("category")]:
        for label, mean, lower in zip(row.index, row["mean"], row["lower"], strict=True):
            assert f"<th>{label}</th>" in table
            assert f"<td>{mean:.3f}</td>" in table
            assert f"<td>{lower:.3f}</td>" in table


def test_html_repr_escapes_labels(mock_sampling, elasticity, sales):
    named = sales.assign(category=sales["category"].map("<b>{}</b> & co".format))
    page = elasticity().fit(named, named["units_sold"])._repr_html_()
    assert "&lt;b&gt;0&lt;/b&gt; &amp; co" in page
    assert "<b>0</b>" not in page


def test_html_repr_without_price(mock_sampling, elasticity, sales):
    model = elasticity(price=None).fit(sales, sales["units_sold"])
    assert html.escape(model.diagnostics().attrs["verdict"]) in model._repr_html_()


def test_html_repr_before_fit(elasticity):
    page = elasticity()._repr_html_()
    assert "HierarchicalElasticity" in page
    assert "onverged" not in page


def test_html_repr_of_a_pipeline(mock_sampling, sales):
    pipeline = promotion_scaled()
    assert "HierarchicalElasticity" in pipeline._repr_html_()
    assert "HierarchicalElasticity" in pipeline.fit(sales, sales["units_sold"])._repr_html_()


@pytest.mark.parametrize("display", ["text", "diagram"])
def test_display(fitted, elasticity, display):
    with sklearn.config_context(display=display):
        for model in (elasticity(), fitted):
            bundle = model._repr_mimebundle_()
            assert bundle["text/plain"].startswith("HierarchicalElasticity(")
            assert ("text/html" in bundle) == (display == "diagram")


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib", compress=3)
    return joblib.load(folder / "model.joblib")


def through_pickle(model, _):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("through", [through_pickle, through_joblib])
def test_round_trips(fitted, fitted_sales, tmp_path, through):
    back = through(fitted, tmp_path)
    np.testing.assert_array_equal(back.predict(fitted_sales), fitted.predict(fitted_sales))
    pd.testing.assert_frame_equal(
        back.predict_quantiles(fitted_sales), fitted.predict_quantiles(fitted_sales)
    )
    pd.testing.assert_frame_equal(back.elasticities_, fitted.elasticities_)
    assert back.elasticities_.attrs == fitted.elasticities_.attrs
    pd.testing.assert_frame_equal(back.diagnostics(), fitted.diagnostics())
    assert back.get_params() == fitted.get_params()


@pytest.mark.slow
def test_seeds(few_sales):
    def draws(seed):
        model = HierarchicalElasticity(
            "product", price="price", draws=10, tune=20, chains=1, random_state=seed, progressbar=False
        )
        return model.fit(few_sales, few_sales["units_sold"]).idata_["posterior"].to_dataset()

    first, again, other = draws(1), draws(1), draws(2)
    assert first.equals(again)
    assert (first["elasticity"] != other["elasticity"]).all()


def test_generator_as_random_state(mock_sampling, elasticity, sales):
    generator = np.random.RandomState(0)
    model = elasticity(random_state=generator)
    first = model.fit(sales, sales["units_sold"]).seed_
    assert model.fit(sales, sales["units_sold"]).seed_ != first
    assert elasticity(random_state=np.random.RandomState(0)).fit(sales, sales["units_sold"]).seed_ == first


def test_score_with_weights(fitted, fitted_sales):
    units = fitted_sales["units_sold"]
    plain = fitted.score(fitted_sales, units)
    assert fitted.score(fitted_sales, units, sample_weight=None) == plain
    assert fitted.score(fitted_sales, units, np.full(len(units), 3.0)) == pytest.approx(plain, rel=ROUNDING)
    half = fitted_sales["time_period"] < 20
    assert fitted.score(fitted_sales, units, half.astype(float)) == pytest.approx(
        fitted.score(fitted_sales[half], units[half]), rel=ROUNDING
    )


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import hdfm", ["jax", "pymc", "pandas", "numpy", "sklearn"]),
        ("from hdfm import HierarchicalElasticity", ["jax", "pymc", "pytensor", "arviz", "matplotlib"]),
        ("from hdfm.datasets import simulate_sales", ["jax", "pymc", "sklearn"]),
    ],
)
def test_imports_are_lazy(statement, unwanted):
    code = f"{statement}\nimport sys\nprint([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_package_lists_its_names():
    import hdfm

    assert set(dir(hdfm)) == set(hdfm.__all__)
    assert hdfm.HierarchicalElasticity is HierarchicalElasticity
    with pytest.raises(AttributeError, match="module 'hdfm' has no attribute 'Elasticity'"):
        _ = hdfm.Elasticity
