"""The graph with paths and noise by product: its log density by hand, in the units of the data."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
from conftest import quick
from reference.padding import refuse_more_than_padding, share_a_program
from reference.sales import case
from scipy import stats

from hdfm import ElasticityPriors
from hdfm.sales.graph import paths
from hdfm.sales.graph.cosines import zero_sum_cosines
from hdfm.sales.graph.data import common_sizes
from hdfm.sales.sampling import demand_model, prior_draws
from hdfm.sampling.draws import reported_names
from hdfm.sampling.session import jax_session

LIKELIHOODS = ("negative_binomial", "poisson", "log_normal", "zero_inflated_poisson")
ALL = {"demand": "wandering", "dispersion": "product", "elasticity_path": "moving"}
OPTIONS = {
    "all": ALL,
    "noise by group": {**ALL, "dispersion": "group"},
    "wandering alone": {"demand": "wandering"},
    "moving alone": {"elasticity_path": "moving"},
    "noise by product alone": {"dispersion": "product"},
}
HALF_NORMAL = {
    "elasticity_category_sd": "group_sd",
    "product_effect_sd": "product_effect_sd",
    "time_shock_sd": "time_shock_sd",
    "time_drift_sd": "time_drift_sd",
    "between_price_sd": "between_price_sd",
    "overdispersion": "overdispersion",
    "noise_sd": "noise_sd",
    "root_zero_odds": "root_zero_odds",
    "noise_group_sd": "noise_group_sd",
    "noise_product_sd": "noise_product_sd",
    "demand_sd": "demand_sd",
    "demand_share_sd": "demand_share_sd",
    "elasticity_path_sd": "elasticity_path_sd",
}
POWERS = {"negative_binomial": -2, "log_normal": 1, "zero_inflated_poisson": 2}
NOISES = {"negative_binomial": "overdispersion", "log_normal": "noise_sd"}
GIVEN = {"dispersion", "zero_odds"}  # powers of what is there
QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
SAME, CONSTANT = 1e-10, 3e-8  # of the half-t a constant is in 32 bits
# Sizes that 32 bits do not hold: of others PyTensor takes logarithms in 32 bits.
PRIORS = ElasticityPriors(
    correlation=2.1,
    between_price_sd=0.6,
    product_effect_sd=2.1,
    group_effect_sd=3.1,
    time_shock_sd=0.6,
    noise_group_sd=0.6,
    noise_product_sd=0.6,
    demand_sd=0.6,
    demand_share_sd=1.1,
    elasticity_path_sd=0.6,
)


def case_of(likelihood, options, layout="one level", **simulation):
    noise = "log_normal" if likelihood == "log_normal" else "negative_binomial"
    one = case(layout, likelihood, noise=noise, **simulation)
    return one.panel, replace(one.spec, **OPTIONS[options])


def model_of(likelihood, options, layout="one level", *, padding=False, **simulation):
    panel, spec = case_of(likelihood, options, layout, **simulation)
    return demand_model(panel, spec, common_sizes(panel) if padding else None)


@pytest.fixture
def registered(monkeypatch):
    """Paths as variables of the model."""

    def register(name):
        make = getattr(paths, f"{name}s")
        monkeypatch.setattr(paths, f"{name}s", lambda *given: pm.Deterministic(name, make(*given)))

    register("demand_path")
    register("elasticity_path")


def at_a_point(model, seed=0):
    """Log density of coordinates (D,), variables by name, and their derivatives (n, D)."""
    import jax
    from pymc.sampling.jax import get_jaxified_graph

    names = [v.name for v in [*model.free_RVs, *model.deterministics]]
    names = [name for name in names if not name.endswith("_raw") and name not in GIVEN]
    if "control_effect" in names:
        names = ["control_effect_raw" if name == "control_effect" else name for name in names]
    variables = model.replace_rvs_by_values([model[name] for name in names])
    graph = get_jaxified_graph(model.value_vars, [model.logp(), *variables])
    start = [np.asarray(model.initial_point()[v.name]) for v in model.value_vars]
    ends = np.cumsum([value.size for value in start])[:-1]

    def at(q):
        parts = zip(jax.numpy.split(q, ends), start, strict=True)
        log_density, *values = graph(*(part.reshape(value.shape) for part, value in parts))
        return values, (log_density, values)

    q = np.concatenate([value.ravel() for value in start])
    q += np.random.default_rng(seed).normal(0, 0.2, q.size)
    compiled = jax.jit(jax.jacfwd(at, has_aux=True)).lower(q).compile(QUICK_TO_COMPILE)
    rows, (log_density, values) = compiled(q)
    named = dict(zip(names, map(np.asarray, values), strict=True))
    rows = [np.asarray(row).reshape(-1, q.size) for row in rows]
    return float(log_density), named, dict(zip(names, rows, strict=True))


def log_volume(panel, named, rows):
    """Log volume of variables that determine the others, per volume of coordinates.

    Zero-sum time effects are determined by their cosines.
    """
    rows = dict(rows)
    cosines = zero_sum_cosines(np.diff(panel.timeline.steps))[0]
    G, T = named["time_effect"].shape
    effects = rows["time_effect"].reshape(G, T, -1)
    rows["time_effect"] = np.einsum("kt,gtd->gkd", cosines, effects).reshape(G * (T - 1), -1)
    if "noise_ratio" in rows and "noise_product_sd" not in rows:
        del rows["noise_ratio"]
    return np.linalg.slogdet(np.concatenate(list(rows.values())))[1]


def log_prior(panel, priors, v):
    """Of variables, each by its name."""
    normal = stats.norm.logpdf
    out = sum(
        stats.halfnorm.logpdf(v[name], scale=getattr(priors, of))
        for name, of in HALF_NORMAL.items()
        if name in v
    )
    out += stats.t.logpdf(v["elasticity_sd"], 3, scale=priors.product_sd) + np.log(2)
    for name in ("demand", "elasticity_path"):
        if f"{name}_half_life" in v:
            median, sd = getattr(priors, f"{name}_half_life"), getattr(priors, f"{name}_half_life_log_sd")
            out += stats.lognorm.logpdf(v[f"{name}_half_life"], sd, scale=median)
    group, category = panel.group, v["elasticity_category"]
    out += normal(v["elasticity_global"], priors.global_mean, priors.global_sd)
    out += normal(category, v["elasticity_global"], v["elasticity_category_sd"]).sum()
    out += normal(v["group_effect"], panel.mean_log_units, priors.group_effect_sd).sum()
    out += normal(v["between_price_bias"], 0, priors.between_price_bias)
    out += normal(v["between_price"], category + v["between_price_bias"], v["between_price_sd"]).sum()
    rho, sds = v["correlation"], np.array([v["product_effect_sd"], v["elasticity_sd"]])
    out += stats.beta.logpdf((1 + rho) / 2, priors.correlation, priors.correlation) - np.log(2)
    level = v["group_effect"][group] + v["between_price"][group] * panel.within_group_price
    gaps = np.stack([v["product_effect"] - level, v["elasticity"] - category[group]], axis=1)
    out += stats.multivariate_normal.logpdf(gaps, cov=np.outer(sds, sds) * [[1, rho], [rho, 1]]).sum()
    cosines, walk = zero_sum_cosines(np.diff(panel.timeline.steps))
    sd = np.sqrt(v["time_shock_sd"] ** 2 + v["time_drift_sd"] ** 2 * walk)
    return out + normal(v["time_effect"] @ cosines.T, 0, sd).sum() + log_prior_of_noise(panel, v)


def log_prior_of_noise(panel, v):
    """Of ratios, with the density of these and not their logs, and paths."""
    out, steps = 0.0, panel.timeline.steps
    if "noise_group_ratio" in v:
        of_groups, of_products = np.log(v["noise_group_ratio"]), np.log(v["noise_ratio"])
        if "demand_ratio" in v:
            of_products, density = log_totals(v)
            out += density
        out += (stats.norm.logpdf(of_groups, 0, v["noise_group_sd"]) - of_groups).sum()
        if "noise_product_sd" in v:
            above = of_groups[panel.group]
            out += (stats.norm.logpdf(of_products, above, v["noise_product_sd"]) - of_products).sum()
        else:
            np.testing.assert_allclose(of_products, of_groups[panel.group], atol=1e-12)
    for name in ("demand", "elasticity_path"):
        if f"{name}_sd" in v:
            ratio = v.get("demand_ratio", v.get("noise_ratio", 1.0)) if name == "demand" else 1.0
            sd = v[f"{name}_sd"] * np.broadcast_to(ratio, len(panel.product))
            R = 2.0 ** (-abs(steps[:, None] - steps) / v[f"{name}_half_life"])
            drawn = v[{"demand": "demand_path", "elasticity_path": "elasticity_path"}[name]]
            out += stats.multivariate_normal.logpdf(drawn / sd[:, None], cov=R).sum()
            out -= R.shape[0] * np.log(sd).sum()
    return out


def log_totals(v):
    """Log of products' ratios of both noises together; log density of their shares, by ratios of each."""
    usual = np.array([v[next(name for name in NOISES.values() if name in v)], v["demand_sd"]])
    own = usual[:, None] * [v["noise_ratio"], v["demand_ratio"]]
    total, angle = np.log(np.hypot(*own) / np.hypot(*usual)), np.arctan2(own[1], own[0])
    quantile = stats.norm.ppf(2 / np.pi * angle)
    lean = quantile - stats.norm.ppf(2 / np.pi * np.arctan2(usual[1], usual[0]))
    density = stats.norm.logpdf(lean, 0, v["demand_share_sd"]) - stats.norm.logpdf(quantile)
    density += np.log(np.sin(2 * angle) / np.pi) - np.log([v["noise_ratio"], v["demand_ratio"]]).sum(axis=0)
    return total, (density + total).sum()  # the density of totals, not of their logs, is added elsewhere


def log_likelihood(panel, spec, v):
    """Of cells, by scipy."""
    slope = v["elasticity"][:, None] + v.get("elasticity_path", 0.0)
    eta = v["product_effect"][:, None] + slope * panel.log_price + v["time_effect"][panel.block]
    eta += v.get("demand_path", 0.0)
    y, mu = panel.units, np.exp(eta)
    if spec.likelihood == "poisson":
        return stats.poisson.logpmf(y, mu)[panel.observed].sum()
    ratio = v.get("noise_ratio", np.ones(len(mu)))[:, None]
    if spec.likelihood == "zero_inflated_poisson":
        odds = v["root_zero_odds"] ** 2
        extra = np.where(y == 0, odds, 0.0)
        return np.log((extra + stats.poisson.pmf(y, mu)) / (1 + odds))[panel.observed].sum()
    noise = v[NOISES[spec.likelihood]] * ratio
    if spec.likelihood == "log_normal":
        y = np.where(panel.observed, y, 1.0)
        return (stats.norm.logpdf(np.log(y), eta, noise) - np.log(y))[panel.observed].sum()
    phi = noise**-2.0
    return stats.nbinom.logpmf(y, phi, phi / (phi + mu))[panel.observed].sum()


DENSITIES = [(likelihood, options) for likelihood in LIKELIHOODS for options in OPTIONS]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("likelihood", "options"), quick(DENSITIES, ("log_normal", "all"), ("negative_binomial", "all"))
)
def test_log_density_by_hand(likelihood, options):
    panel, spec = case_of(likelihood, options)
    spec = replace(spec, priors=PRIORS)
    with jax_session():
        found, v, rows = at_a_point(demand_model(panel, spec))
    expected = log_prior(panel, spec.priors, v) + log_likelihood(panel, spec, v)
    expected += log_volume(panel, v, rows)
    assert found == pytest.approx(expected, rel=SAME, abs=CONSTANT)


PADDED = [
    ("negative_binomial", "all", "one level"),
    ("poisson", "all", "two levels, a control"),
    ("log_normal", "noise by group", "shared time effects"),
    ("zero_inflated_poisson", "all", "no time effects"),
    ("negative_binomial", "noise by product alone", "one level"),
    ("poisson", "moving alone", "no groups, fixed effects"),
]


@pytest.mark.parametrize(("likelihood", "options", "layout"), quick(PADDED))
def test_padding_adds_coordinates_of_their_own_alone(likelihood, options, layout):
    panel, spec = case_of(likelihood, options, layout, periods=11)
    fixed = {"product_effect": (panel.mean_log_units, spec.priors.group_effect_sd)}
    own, padded = (demand_model(panel, spec, sizes) for sizes in (None, common_sizes(panel)))
    refuse_more_than_padding(own, padded, None if spec.pooled else fixed)


def test_panels_that_are_alike_share_a_program():
    shared, values = share_a_program(
        model_of("poisson", "all", padding=True, periods=9),
        model_of("poisson", "all", padding=True, products=14, periods=15),
    )
    assert shared
    assert abs(values[0] - values[1]) > 1


@pytest.mark.parametrize("options", OPTIONS)
def test_no_path_is_reported(options):
    model = model_of("negative_binomial", options)
    dims = [model.named_vars_to_dims.get(name, ()) for name in reported_names(model)]
    panel, _ = case_of("negative_binomial", options)
    cell = (panel.dims["product"], panel.dims["time"])
    assert cell not in [tuple(names) for names in dims]


def test_without_options_the_graph_has_neither_data_nor_variables_of_them():
    one = case("one level", "negative_binomial")
    model = demand_model(one.panel, one.spec)
    assert not {name for name in model.named_vars if name.startswith(("noise_", "path_", "cell", "demand"))}


def test_draws_before_seeing_units_have_the_names_of_the_posterior():
    panel, spec = case_of("log_normal", "all")
    tree = prior_draws(panel, spec, 5, 0)
    assert set(tree["prior"].data_vars) == set(reported_names(demand_model(panel, spec)))
    assert tree["prior"]["noise_ratio"].dims[-1] == panel.dims["product"]
