"""Small fits of both models and everything they answer, through the public interface alone.

Each case gives arrays and tables by name; :mod:`write` keeps their digests and figures.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from hdfm import ChoicePriors, DynamicFactorChoiceModel, ElasticityPriors, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales

Answers = dict[str, Any]
POINTS = 3  # at which log densities are taken
DISTANCE = 0.1  # between them, in coordinates to sample in

SALES_ROLES = {
    "product": "product",
    "groups": ["department", "category"],
    "time": "time_period",
    "price": "price",
    "controls": "promotion",
    "exposure": "stores",
    "demand": "independent",
    "dispersion": "shared",
    "elasticity_path": "constant",
}
CHOICE_ROLES = {
    "customer": "customer",
    "category": "category",
    "product": "product",
    "time": "week",
    "choice_set": "choice_set",
    "price": "price",
    "features": ["display", "feature"],
}
SHORT = {"draws": 10, "tune": 15, "chains": 2, "progressbar": False}
LAPLACE = {"inference": "laplace", "draws": 50, "tune": 0, "chains": 2, "progressbar": False}
VARIATIONAL = SHORT | {"draws": 20, "inference": "variational"}
MAP = SHORT | {"inference": "map"}
POISSON, VOLUMES = {"likelihood": "poisson"}, {"likelihood": "log_normal"}
PLAIN = {"groups": "category", "controls": None, "exposure": None}
NEGATIVE = PLAIN | {"sign": "negative", "time_effects": "shared", "priors": ElasticityPriors.article()}
NO_GROUPS = PLAIN | {"groups": None, "time_effects": None}
FIXED = POISSON | PLAIN | {"product_effects": "fixed"}
SELECTED = PLAIN | {"selected_above": 5}
TIERS = {"n_factors": 2, "n_category_factors": 1, "n_individual_factors": 1}

SALES = {
    "sales nuts negative_binomial": SHORT,
    "sales nuts fixed effects": SHORT | FIXED,
    "sales nuts negative elasticities": SHORT | VOLUMES | NEGATIVE,
    "sales nutpie selected": SHORT | POISSON | SELECTED | {"sampler": "nutpie"},
    "sales laplace negative_binomial": LAPLACE,
    "sales laplace poisson": LAPLACE | POISSON,
    "sales laplace log_normal": LAPLACE | VOLUMES,
    "sales laplace fixed effects": LAPLACE | FIXED,
    "sales laplace shared time effects": LAPLACE | PLAIN | {"time_effects": "shared"},
    "sales laplace selected": LAPLACE | SELECTED,
    "sales laplace no groups": LAPLACE | NO_GROUPS,
}
CHOICES = {
    "choice nuts one factor": SHORT | {"n_factors": 1, "customer_covariates": "covariate_1"},
    "choice nuts three tiers": SHORT | TIERS | {"loadings": "population"},
    "choice nutpie no factors": SHORT | {"n_factors": 0, "customer": None, "sampler": "nutpie"},
    "choice map no factors": MAP | {"n_factors": 0},
    "choice map two factors": MAP | {"n_factors": 2, "gp": "exact"},
    "choice map outside option": MAP
    | {"n_factors": 1, "outside_option": True, "price_transform": "linear", "loadings": "population"},
    "choice map weibull": MAP | {"n_factors": 1, "priors": ChoicePriors.note(), "product_intercepts": False},
    "choice variational three tiers": VARIATIONAL | TIERS | {"priors": ChoicePriors(kernel="sq_exp")},
}


def sales_frame(noise: str = "poisson") -> pd.DataFrame:
    """12 products of 3 categories in 2 departments, promotions, a tenth of the rows missing."""
    sales = simulate_sales(12, 3, 16, seed=366, promotion_prob=0.2, missing_prob=0.1, noise=noise)
    sales["department"] = np.where(sales["category"] == 0, "food", "other")
    sales["stores"] = 1 + (sales["time_period"] + sales["product"]) % 3
    return sales


def new_sales(sales: pd.DataFrame) -> pd.DataFrame:
    """Known products at other prices, later periods, a new product, and one of a new category."""
    rows = sales.sample(30, random_state=1).assign(price=lambda frame: 0.9 * frame["price"])
    later = rows.iloc[:10].assign(time_period=lambda frame: 16 + frame["time_period"] % 3)
    product = rows.iloc[10:16].assign(product=100, category=1, department="other")
    stranger = rows.iloc[16:20].assign(product=101, category=7, department="other")
    return pd.concat([rows, later, product, stranger], ignore_index=True)


def choice_frame(outside_option: bool = False) -> pd.DataFrame:
    """Choices of 8 customers in 2 categories over 10 weeks, some alternatives not available."""
    return simulate_choices(
        8,
        2,
        10,
        n_factors=1,
        alternatives=3,
        sets_per_customer=5,
        n_covariates=1,
        unavailable_prob=0.1,
        outside_option=outside_option,
        seed=1,
    )[0]


def new_choices(choices: pd.DataFrame) -> pd.DataFrame:
    """Known customers at other prices, later weeks, and a new customer, product and category."""
    sets = choices["choice_set"].unique()
    rows = choices[choices["choice_set"].isin(sets[::3])]
    rows = rows.assign(price=0.9 * rows["price"])
    later = rows.assign(week=10 + rows["week"] % 3, choice_set=1000 + rows["choice_set"])
    customer = rows.assign(customer=100, covariate_1=0.5, choice_set=2000 + rows["choice_set"])
    product = rows.assign(
        product=rows["product"].replace("c0p1", "c0new"), choice_set=3000 + rows["choice_set"]
    )
    category = rows.assign(
        category="new", product="new" + rows["product"], choice_set=4000 + rows["choice_set"]
    )
    return pd.concat([rows, later, customer, product, category], ignore_index=True)


def sales_answers(arguments: dict[str, Any]) -> Answers:
    """A fit of the sales model and what it says."""
    volumes = arguments.get("likelihood") == "log_normal"
    sales = sales_frame("log_normal" if volumes else "poisson")
    if "selected_above" in arguments:
        total = sales.groupby("product")["units_sold"].transform("sum")
        sales = sales[total > arguments["selected_above"]]
    y, rows = sales["units_sold"], new_sales(sales)
    model = HierarchicalElasticity(**SALES_ROLES | arguments)
    out = log_densities(model, sales, y)
    model.fit(sales, y)
    out |= posterior(model) | {
        "elasticities_": model.elasticities_,
        "elasticities global": model.elasticities("global"),
        "predict": model.predict(sales),
        "predict new": model.predict(rows),
        "predict_quantiles new": model.predict_quantiles(rows),
        "score": model.score(sales, y),
        "optimal_price": model.optimal_price(cost=1.0),
        "data_report_": model.data_report_,
    }
    for level in model.panel_.levels:
        out[f"elasticities {level.name}"] = model.elasticities(level.name)
    if model.inference == "laplace":
        out |= {"pareto_k": model.pareto_k().to_numpy(), "loo": model.loo().elpd_i.to_numpy()}
    out["diagnostics"] = model.diagnostics().drop(columns="verdict")
    if model.sampler == "nutpie":
        prior = model.sample_prior(sales, draws=5)
        out["prior units"] = prior["prior_predictive"]["units"].to_numpy()
    return out


def choice_answers(arguments: dict[str, Any]) -> Answers:
    """A fit of the choice model and what it says."""
    choices = choice_frame(arguments.get("outside_option", False))
    y, rows = choices["chosen"], new_choices(choices)
    model = DynamicFactorChoiceModel(**CHOICE_ROLES | arguments)
    out = log_densities(model, choices, y)
    model.fit(choices, y)
    out |= posterior(model) | {
        "elasticities_": model.elasticities_,
        "elasticities new": model.elasticities(rows, by="time"),
        "coefficients time": model.coefficients(),
        "predict": model.predict(choices),
        "predict_proba": model.predict_proba(choices)[:, 1],
        "predict_proba new": model.predict_proba(rows)[:, 1],
        "score": model.score(choices, y),
        "score new": model.score(rows, rows["chosen"]),
        "factor_table_": model.factor_table_,
        "shares new": model.shares(rows),
        "counterfactual": model.counterfactual(choices, {"price": 0.9}, products="c0p1"),
        "diversion": model.diversion(),
        "willingness_to_pay": model.willingness_to_pay("display"),
        "diagnostics": model.diagnostics().drop(columns=["verdict", "pareto_k"], errors="ignore"),
        "data_report_": model.data_report_,
    }
    if model.customer is not None:
        out["coefficients customer"] = model.coefficients(by="customer")
    if model.inference == "variational":
        out["loo"] = model.loo().elpd_i.to_numpy()
        out["identification"] = model.identification(prior_draws=10).drop(columns="verdict")
    if model.sampler == "nutpie":
        prior = model.sample_prior(choices, draws=5)
        out["prior chosen"] = prior["prior_predictive"]["chosen"].to_numpy()
    return out


def log_densities(model, X: pd.DataFrame, y: pd.Series) -> Answers:
    """The log density of the model's graph where sampling starts, and at points about it."""
    from pytensor.compile.mode import Mode

    graph = model.build_model(X, y)
    log_density = graph.compile_logp(mode=Mode(linker="py", optimizer=None))
    start, rng = graph.initial_point(), np.random.default_rng(0)
    return {
        "log_density": np.array(
            [
                log_density(
                    {
                        name: value + k * DISTANCE * rng.standard_normal(np.shape(value))
                        for name, value in start.items()
                    }
                )
                for k in range(POINTS)
            ]
        )
    }


def posterior(model) -> Answers:
    """The variables of the posterior."""
    draws = model.idata_["posterior"].to_dataset()
    return {f"posterior {name}": draws[name].to_numpy() for name in sorted(draws.data_vars)}


def answers_of(name: str) -> Answers:
    """All answers of a case."""
    kinds: dict[str, tuple[dict, Callable]] = {
        "sales": (SALES, sales_answers),
        "choice": (CHOICES, choice_answers),
    }
    cases, ask = kinds[name.split()[0]]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws, and odd data: other tests ask for warnings
        return ask(cases[name])
