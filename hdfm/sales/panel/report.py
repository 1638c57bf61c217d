"""What in a panel can't inform the elasticities, as a table."""

import numpy as np
import pandas as pd

from hdfm.frames.columns import examples
from hdfm.frames.findings import findings_table
from hdfm.frames.periods import time_warnings, wide_gaps
from hdfm.sales.panel.panel import SalesPanel

SPIKE_RATIO = 1e4
GAPS = "time effects move by distance in time, also across them"
_FALLS_BACK = "their elasticity falls back to the group's"


def data_report(panel: SalesPanel, time_effects: bool) -> pd.DataFrame:
    """Findings about a panel: one row each, with count, examples and what the model makes of it."""
    findings = [
        (name, panel.product[which], consequence)
        for name, which, consequence in (
            *_product_findings(panel, time_effects),
            ("products with a spike in units", spikes(panel), "check the units: they dominate the fit"),
        )
    ]
    findings += _group_findings(panel)
    if panel.roles.time is not None:
        findings.append(("wide gaps between periods", wide_gaps(panel.timeline), GAPS))
    constant = np.array(panel.roles.controls, dtype=object)[constant_controls(panel)]
    findings.append(("constant controls", constant, "they carry no information"))
    table = findings_table(findings)
    missing = int((~panel.observed).sum()) if panel.roles.time is not None else 0
    if missing:
        row = ("product-periods without a row", missing, "", "treated as not observed, not as zero")
        table.loc[len(table)] = row
    return table


def warnings_of(panel: SalesPanel) -> list[str]:
    """What a user should hear of at once, as sentences."""
    said = []
    if panel.roles.time is not None:
        said += time_warnings(panel.timeline, int(panel.observed.sum()), "rows")
    if panel.roles.price is not None and not panel.n_price_changes.any():
        said.append(
            f"The price column {panel.roles.price!r} never changes within any product: the elasticities are "
            "those of the prior."
        )
    spiked = panel.product[spikes(panel)]
    if len(spiked):
        said.append(
            f"Units of {len(spiked):,} products have a spike of more than {SPIKE_RATIO:,.0f} times the "
            f"product's median ({examples(spiked)}): they will dominate the fit. Check them."
        )
    constant = np.array(panel.roles.controls, dtype=object)[constant_controls(panel)]
    if len(constant) and panel.roles.product is not None:
        said.append(f"Controls that never change carry no information: {examples(constant)}.")
    return said


def _product_findings(panel, time_effects):
    sells = panel.units.sum(axis=1) > 0
    yield "products that never sold", ~sells, _FALLS_BACK
    if panel.roles.price is not None:
        yield "products whose price never changed", panel.n_price_changes == 0, _FALLS_BACK
        if time_effects:
            alone = _always_alone(panel)
            yield (
                "products alone in their group's periods",
                alone,
                "price and time effects are told apart by the priors alone",
            )


def _always_alone(panel):
    """True (N,) where no other product of the block was on sale in any of the product's periods."""
    sellers = np.zeros((len(panel.blocks), len(panel.period)))
    np.add.at(sellers, panel.block, panel.observed)
    return (np.where(panel.observed, sellers[panel.block], 1) <= 1).all(axis=1)


def _group_findings(panel):
    for depth, level in enumerate(panel.levels):
        sizes = np.bincount(panel.group_at(depth), minlength=len(level.labels))
        yield f"groups of {level.name!r} with one product", level.labels[sizes == 1], "little is pooled there"


def spikes(panel: SalesPanel) -> np.ndarray:
    """True (N,) where the largest units exceed ten thousand times the product's median (at least 1)."""
    units = np.where(panel.observed, panel.units, np.nan)
    return np.nanmax(units, axis=1) > SPIKE_RATIO * np.maximum(np.nanmedian(units, axis=1), 1)


def constant_controls(panel: SalesPanel) -> np.ndarray:
    """True (K,) where a control is the same in every observed cell."""
    return np.abs(panel.controls).max(axis=(1, 2), initial=0.0) < 1e-9
