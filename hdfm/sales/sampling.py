"""From a panel of sales to labelled posterior draws."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from arviz_base import from_dict

from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.draws import PosteriorDraws, reported_names
from hdfm.sampling.engines import NUMPYRO, Engine
from hdfm.sampling.settings import SamplingSettings
from hdfm.sampling.store import Reported
from hdfm.sampling.streams import Stream, stream

if TYPE_CHECKING:
    import pymc as pm

    from hdfm.sales.graph.data import Sizes

MANY_CELLS = 20_000


def demand_model(panel: SalesPanel, spec: DemandSpec, sizes: "Sizes | None" = None) -> "pm.Model":
    """The PyMC model of a panel, started at rough estimates; padded to ``sizes``."""
    from hdfm.sales.graph.model import build_demand_model
    from hdfm.sales.graph.start import rough_estimates

    return build_demand_model(panel, spec, rough_estimates(panel, spec), sizes)


def sample_demand(
    panel: SalesPanel,
    spec: DemandSpec,
    settings: SamplingSettings,
    engine: Engine = NUMPYRO,
) -> xr.DataTree:
    """Draws of the posterior: ``posterior``, ``sample_stats`` and ``constant_data``, labelled."""
    draws = engine.run(DemandProblem(panel, spec), settings)
    return labelled(draws, panel, spec, settings, engine.name)


@dataclass(frozen=True, slots=True)
class DemandProblem:
    """A panel and what of the model is fitted to it."""

    panel: SalesPanel
    spec: DemandSpec

    def model(self, *, padded: bool) -> "pm.Model":
        """The graph, padded to sizes that panels share, or not."""
        from hdfm.sales.graph.data import common_sizes

        return demand_model(self.panel, self.spec, common_sizes(self.panel) if padded else None)

    def reported(self, model: "pm.Model", settings: SamplingSettings) -> Reported:
        """What is kept: of the products and periods that there are."""
        panel = self.panel
        sizes = {panel.dims["product"]: len(panel.product), panel.dims["time"]: len(panel.period)}
        names, dims = tuple(reported_names(model)), model.named_vars_to_dims
        cuts = {name: tuple(slice(sizes.get(dim)) for dim in dims[name]) for name in names if name in dims}
        return Reported(names, cuts)

    def text(self, settings: SamplingSettings) -> str:
        """The size of the posterior in words."""
        return posterior_text(self.panel, settings)


def posterior_text(panel: SalesPanel, settings: SamplingSettings) -> str:
    """The size of the posterior in words, and of the faster engine where NUTS takes long."""
    N, T = panel.units.shape
    values = 2 * N + len(panel.blocks) * T
    size = 8e-9 * values * settings.chains * settings.draws
    text = (
        f"{N:,} products, {T:,} periods, {int(panel.observed.sum()):,} observations; "
        f"{settings.chains} x {settings.draws:,} draws take {size:.2f} GB."
    )
    if N * T > MANY_CELLS:
        text += ' NUTS takes minutes to hours at this size, inference="laplace" seconds to minutes.'
    return text


def conditional_levels(
    values: dict[str, np.ndarray],
    shape: tuple[int, int],
    panel: SalesPanel,
    *,
    family: Likelihood,
    seed: int,
) -> np.ndarray:
    """Levels (C, n, N) given everything else, if there is anything, under a flat prior on them."""
    assert family.draw_levels is not None
    totals = panel.units_sold
    rng = stream(seed, Stream.CONDITIONAL_LEVELS)
    levels = np.empty((*shape, len(totals)))
    for c, s in np.ndindex(shape):
        eta = panel.log_exposure
        if "elasticity" in values:
            eta = eta + values["elasticity"][c, s][:, None] * panel.log_price
        if "time_effect" in values:
            eta = eta + values["time_effect"][c, s][panel.block]
        if "control_effect" in values:
            eta = eta + np.tensordot(
                values["control_effect"][c, s] * panel.control_sd, panel.controls, axes=1
            )
        rate = panel.total(np.exp(eta), axis=1)
        levels[c, s] = family.draw_levels(totals, rate, rng)
    return levels


def labelled(
    draws: PosteriorDraws,
    panel: SalesPanel,
    spec: DemandSpec,
    settings: SamplingSettings,
    inference: str,
) -> xr.DataTree:
    """Draws as a DataTree with the data's labels, and how they were made in its attributes."""
    if spec.conditional:
        shape = draws.statistics["diverging"].shape
        levels = conditional_levels(draws.values, shape, panel, family=spec.family, seed=settings.seed)
        draws.values["product_effect"] = levels
    product, dims = panel.dims["product"], variable_dimensions(panel)
    constants = {
        "price_level": panel.price_level,
        "units": panel.units_sold,
        "n_price_changes": panel.n_price_changes,
    }
    tree = from_dict(
        {"posterior": draws.values, "sample_stats": draws.statistics, "constant_data": constants},
        coords={name: np.asarray(labels) for name, labels in panel.coords.items()},
        dims={name: names for name, names in dims.items() if name in draws.values}
        | {name: [product] for name in constants},
    )
    tree.attrs |= {
        "inference": inference,
        "sampler": draws.library,
        "likelihood": spec.likelihood,
        "tuning_steps": draws.tune,
        "sampling_time": draws.seconds,
        "seed": settings.seed,
        "created_at": datetime.now(UTC).isoformat(),
    }
    return tree


def variable_dimensions(panel: SalesPanel) -> dict[str, list[str]]:
    """Names of the dimensions of each variable that has some."""
    names = panel.dims
    dims = {
        "product_effect": ["product"],
        "elasticity": ["product"],
        "group_effect": ["group"],
        "noise_ratio": ["product"],
        "demand_ratio": ["product"],
        "noise_group_ratio": ["group"],
        "between_price": ["group"],
        "time_effect": ["block", "time"],
    }
    dimensions = {variable: [names[role] for role in of] for variable, of in dims.items()}
    dimensions |= {f"elasticity_{level.name}": [level.name] for level in panel.levels}
    return dimensions | {"control_effect": ["control"]}


def prior_draws(panel: SalesPanel, spec: DemandSpec, draws: int, seed: int) -> xr.DataTree:
    """Draws of effects (``prior``) before seeing units, labelled."""
    import pymc as pm

    random_levels = replace(spec, product_effects="random") if spec.conditional else spec
    model = demand_model(panel, random_levels)
    names = reported_names(model)
    variables = [model[name] for name in names]
    drawn = pm.draw(variables, draws, random_seed=seed, mode="FAST_COMPILE")
    values = dict(zip(names, drawn, strict=True))
    dims = {name: labels for name, labels in variable_dimensions(panel).items() if name in values}
    return from_dict({"prior": {k: v[None] for k, v in values.items()}}, coords=panel.coords, dims=dims)
