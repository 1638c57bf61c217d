"""What the models are made of, and the names and labels of their dimensions; imports no PyMC."""

from dataclasses import dataclass
from typing import Any

from hdfm.exceptions import unknown
from hdfm.frames.periods import plain_labels
from hdfm.sales.panel.panel import ALL_PRODUCTS, SalesPanel
from hdfm.sales.priors import ElasticityPriors


@dataclass(frozen=True, slots=True)
class DemandSpec:
    """What the demand model is made of."""

    likelihood: str
    time_effects: bool
    product_effects: str
    negative: bool
    priors: ElasticityPriors
    selected_above: float | None = None

    @property
    def pooled(self) -> bool:
        """Whether product effects have a distribution: "random", not "fixed"."""
        match self.product_effects:
            case "random":
                return True
            case "fixed":
                return False
            case _:
                raise unknown("product_effects", self.product_effects)

    @property
    def conditional(self) -> bool:
        """Whether product totals are conditioned on, which removes delta from the graph."""
        return self.likelihood == "poisson" and not self.pooled


def model_coords(panel: SalesPanel) -> dict[str, list]:
    """Labels of the model's dimensions, which are named after the columns."""
    dims = dimension_names(panel)
    coords: dict[str, Any] = {
        dims["product"]: panel.product,
        dims["time"]: panel.period,
        "control": panel.roles.controls,
    }
    coords |= {level.name: level.labels for level in panel.levels}
    if not panel.levels:
        coords[dims["group"]] = ["all"]
    coords[dims["block"]] = panel.blocks
    return {name: plain_labels(labels) for name, labels in coords.items() if len(labels)}


def dimension_names(panel: SalesPanel) -> dict[str, str]:
    """Names of the dimensions product, time, group (the finest) and block (shared time effects)."""
    return {
        "product": panel.roles.product or "product",
        "time": panel.roles.time or "time",
        "group": panel.levels[-1].name if panel.levels else ALL_PRODUCTS,
        "block": str(panel.blocks.name),
    }
