"""From a panel of choices to labelled posterior draws."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import arviz as az
import numpy as np
import pymc as pm
import xarray as xr

from hdfm.choice.graph.data import Sizes, common_sizes
from hdfm.choice.graph.model import build_choice_model
from hdfm.choice.graph.start import choice_start
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.spec import ChoiceSpec
from hdfm.exceptions import unknown
from hdfm.factors.hsgp import TimeGP, choose_gp
from hdfm.factors.running import RunningAlignment
from hdfm.factors.tier import COEFFICIENT
from hdfm.hierarchy.data import rounded_up
from hdfm.sampling.draws import PosteriorDraws, reported_names
from hdfm.sampling.engines import NUMPYRO, Engine
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported, Values
from hdfm.summaries.moments import AVERAGE, GROUP, moments_group

FIRST_STEP, USUAL_STEPS = 0.1, 31
FEW_PERIODS = 32


def choice_gp(panel: ChoicePanel, spec: ChoiceSpec, gp: str) -> TimeGP | None:
    """The basis of the factors, the same for panels of about as many periods.

    Lengthscales below one period of the rounded number of periods are as short as one period.
    """
    match gp:
        case "hsgp" | "exact":
            pass
        case _:
            raise unknown("gp", gp)
    if not spec.total_factors:
        return None
    shortest, longest = spec.priors.lengthscale_range()
    step = 1 / (rounded_up(len(panel.period), FEW_PERIODS) - 1)
    shortest = min(max(shortest, step), longest / 2)
    return choose_gp(gp, spec.priors.kernel, panel.time, shortest, longest)


def choice_model(
    panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None, sizes: Sizes | None = None
) -> pm.Model:
    """The PyMC model of a panel, started at the hierarchical logit; padded to ``sizes``."""
    start = choice_start(panel, spec.priors, panel.coefficient_scale)
    return build_choice_model(panel, spec, gp, start, sizes)


def sample_choices(
    panel: ChoicePanel,
    spec: ChoiceSpec,
    gp: TimeGP | None,
    settings: SamplingSettings,
    engine: Engine = NUMPYRO,
) -> PosteriorDraws:
    """Draws of the posterior, factors not aligned unless they are averaged."""
    settings = replace(settings, first_step=FIRST_STEP, usual_steps=USUAL_STEPS)
    return engine.run(ChoiceProblem(panel, spec, gp), settings)


@dataclass(frozen=True, slots=True)
class ChoiceProblem:
    """A panel, what of the model is fitted to it, and the basis of factors."""

    panel: ChoicePanel
    spec: ChoiceSpec
    gp: TimeGP | None

    def model(self, *, padded: bool) -> pm.Model:
        """The graph, padded to sizes that panels share, or not."""
        sizes = common_sizes(self.panel, self.spec, self.gp) if padded else None
        return choice_model(self.panel, self.spec, self.gp, sizes)

    def reported(self, model: pm.Model, settings: SamplingSettings) -> Reported:
        """What is kept: of the customers and periods that there are, in 32 bits by customer."""
        names, dims = tuple(reported_names(model)), model.named_vars_to_dims
        sizes = {"customer": len(self.panel.customer), "period": len(self.panel.period)}
        cuts = {name: tuple(slice(sizes.get(dim)) for dim in dims[name]) for name in names if name in dims}
        wide = frozenset(name for name in names if "customer" in dims.get(name, ()))
        return Reported(names, cuts, wide, settings.keep, _Prepared(self.panel))

    def text(self, settings: SamplingSettings) -> str:
        """The size of the posterior in words."""
        return posterior_text(self.panel, self.spec, settings)


class _Prepared:
    """What is done to draws before those of customers are averaged: factors in order, populations' means."""

    def __init__(self, panel: ChoicePanel):
        self.align = RunningAlignment(panel.parts, panel.coefficient_scale)

    def __call__(self, values: Values) -> Values:
        values = self.align(values)
        if "alpha" in values and "coefficient_path" not in values:
            values[AVERAGE] = values["alpha"].mean(axis=2)
        return values


def labelled_choices(
    draws: PosteriorDraws, panel: ChoicePanel, spec: ChoiceSpec, attributes: dict
) -> xr.DataTree:
    """Draws as a DataTree with the data's labels, and how they were made in its attributes."""
    dims = draws.dims | {AVERAGE: [COEFFICIENT]}
    tree = az.from_dict(
        {"posterior": draws.values, "sample_stats": draws.statistics},
        coords=panel.coords | spec.coords,
        dims={name: labels for name, labels in dims.items() if name in draws.values},
    )
    pairs = panel.coefficient
    tree["posterior"] = (
        tree["posterior"]
        .to_dataset()
        .assign_coords(
            {
                f"{COEFFICIENT}_{name}": (COEFFICIENT, list(pairs.get_level_values(k)))
                for k, name in enumerate(("category", "predictor"))
            }
        )
    )
    if draws.moments:
        tree[GROUP] = moments_group(
            draws.moments, draws.dims, tree["posterior"].coords | panel.coords | spec.coords
        )
    tree.attrs |= attributes | {
        "sampler": draws.library,
        "tuning_steps": draws.tune,
        "sampling_time": draws.seconds,
        "created_at": datetime.now(UTC).isoformat(),
    }
    return tree


def posterior_text(panel: ChoicePanel, spec: ChoiceSpec, settings: SamplingSettings) -> str:
    """The size of the posterior in words, to say before sampling."""
    return (
        f"{len(panel.choice_set):,} choice sets, {len(panel.customer):,} customers, "
        f"{len(panel.coefficient)} coefficients, {spec.total_factors} factors; what is kept of "
        f"{settings.chains} x {settings.draws:,} draws takes {posterior_size(panel, spec, settings):.2f} GB."
    )


def posterior_size(panel: ChoicePanel, spec: ChoiceSpec, settings: SamplingSettings) -> float:
    """Gigabytes of what is kept, to tell before sampling."""
    N, S, T = len(panel.customer), len(panel.coefficient), len(panel.period)
    L = sum(size.number for size in spec.tiers if not size.tier.zero_sum)
    by_customer = S * (1 + L * spec.customer_loadings) if panel.roles.customer is not None else 0
    paths = sum(size.number for size in spec.tiers if size.tier.owner.by_customer)
    wide = N * by_customer + N * T * paths
    match settings.keep:
        case "means":
            draws, wide_draws = settings.draws * settings.chains, 2
        case "draws":
            draws = wide_draws = settings.draws * settings.chains
        case int() as most:
            draws = wide_draws = min(most, settings.draws) * settings.chains
        case _:
            raise unknown("keep", settings.keep)
    return float(np.round(1e-9 * (4 * wide * wide_draws + 8 * S * T * draws), 2))


def prior_draws(
    panel: ChoicePanel, spec: ChoiceSpec, gp: TimeGP | None, draws: int, seed: int
) -> xr.DataTree:
    """Draws of the reported variables before seeing choices, labelled (``prior``)."""
    model = choice_model(panel, spec, gp)
    names = reported_names(model)
    drawn = pm.draw([model[name] for name in names], draws, random_seed=seed, mode="FAST_COMPILE")
    values = {name: value[None] for name, value in zip(names, drawn, strict=True)}
    dims = {name: list(labels) for name, labels in model.named_vars_to_dims.items() if name in values}
    return az.from_dict({"prior": values}, coords=panel.coords | spec.coords, dims=dims)
