"""What in a panel can't inform the elasticities, or misleads them, as a table.

Array names and axis order: N products, T periods, K controls; n observed cells.
"""

from functools import cached_property

import numpy as np
import pandas as pd

from hdfm.frames.columns import examples
from hdfm.frames.findings import (
    LITTLE_LEFT,
    NO_VARIATION,
    TIED_SHARE,
    explained_by_others,
    findings_table,
    price_spikes,
    without_effects,
)
from hdfm.frames.time_warnings import time_warnings
from hdfm.frames.timeline import wide_gaps
from hdfm.sales.panel.panel import SalesPanel

SPIKE_RATIO = 1e4
FEWEST_ABSENT, FEWEST_ZEROS = 0.02, 3
LONG_SILENCE, UNLIKELY = 8, 0.01
RUN_DOWN, SURE = 3, 5.0  # a fall to a third, of so many standard errors
GAPS = "time effects move by distance in time, also across them"
_FALLS_BACK = "their elasticity falls back to the group's"
_BY_PRIORS = "price and time effects are told apart by the priors alone"
_LATER = "their level is that of the whole range: later predictions are too high"
_BEFORE = (
    "their level is that of the time since; rows with 0 units from before they were on sale pull it down: "
    "leave those out"
)
_ZEROS = (
    "rows where nothing was sold seem to be left out: elasticities are biased towards 0; give every product "
    "a row with units 0 and its price in the periods it was on sale"
)


class SalesFindings:
    """What is found in a panel, for the report and for warnings.

    Parameters
    ----------
    panel : SalesPanel
    time_effects : bool
        Whether the model has them.
    counts : bool
        Whether units are counts.
    """

    def __init__(self, panel: SalesPanel, time_effects: bool, counts: bool = True):
        self.panel, self.time_effects, self.counts = panel, time_effects, counts
        self.has_price = panel.roles.price is not None

    def table(self) -> pd.DataFrame:
        """One row a finding, with count, examples and what the model makes of it."""
        panel = self.panel
        findings = [
            (name, panel.product[which], consequence)
            for name, which, consequence in (
                *_product_findings(panel, self.time_effects),
                ("products with a spike in units", spikes(panel), "check the units: they dominate the fit"),
                (
                    "products with a spike in price",
                    self.spiked,
                    "check the prices: they decide the elasticity",
                ),
                ("products that begin selling after the first period", self.begun, _BEFORE),
                ("products that stop selling before the last period", self.stopped, _LATER),
                (
                    "products that run down to less than a third",
                    self.running_down & ~self.stopped & ~self.begun,
                    _LATER,
                ),
            )
        ]
        findings += _group_findings(panel)
        findings += [
            ("little price variation left by time effects", self.little_left, _BY_PRIORS),
            ("controls tied to the price or to others", self.tied, "told apart by the priors alone"),
            ("no row with 0 units", self.without_zeros, _ZEROS),
        ]
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

    def warnings(self) -> list[str]:
        """What a user should hear of at once, as sentences."""
        panel, said = self.panel, []
        if panel.roles.time is not None:
            said += time_warnings(panel.timeline, int(panel.observed.sum()), "rows")
        if self.has_price and not panel.n_price_changes.any():
            said.append(
                f"The price column {panel.roles.price!r} never changes within any product: the elasticities "
                "are those of the prior."
            )
        spiked = panel.product[spikes(panel)]
        if len(spiked):
            said.append(
                f"Units of {len(spiked):,} products have a spike of more than {SPIKE_RATIO:,.0f} times the "
                f"product's median ({examples(spiked)}): they will dominate the fit. Check them."
            )
        if self.spiked.any():
            i, t = np.argwhere(self._price_spikes)[0]
            usual = np.exp(panel.price_level[i] + np.median(panel.log_price[i, panel.observed[i]]))
            said.append(
                f"Prices of {int(self.spiked.sum()):,} products have a spike, such as "
                f"{np.exp(panel.price_level[i] + panel.log_price[i, t]):.4g} where {usual:.4g} is usual for "
                f"{panel.product[i]!r}: they decide the elasticity. Repair them or drop these rows."
            )
        constant = np.array(panel.roles.controls, dtype=object)[constant_controls(panel)]
        if len(constant) and panel.roles.product is not None:
            said.append(f"Controls that never change carry no information: {examples(constant)}.")
        if len(self.tied):
            said.append(
                "Controls that the price, other controls and the model's effects explain almost wholly are "
                f"told apart by the priors alone: {examples(self.tied)}."
            )
        if len(self.little_left):
            said.append(
                f"Time effects leave less than {LITTLE_LEFT:.0%} of the variation of log prices within "
                f"products in {examples(self.little_left)}: products' prices move together there, and "
                "elasticities and time effects are told apart by the priors alone. time_effects=None asks "
                "for the response to common moves of prices, at the risk of taking demand's own for it."
            )
        if self.without_zeros:
            said.append(
                f"No row has 0 units, and {self._absent:.0%} of product-periods have no row: {_ZEROS}."
            )
        return said

    @cached_property
    def _cells(self):
        """Product, period and block-period (n,) of observed cells."""
        i, t = np.nonzero(self.panel.observed)
        return i, t, self.panel.block[i] * len(self.panel.period) + t

    @cached_property
    def _price_spikes(self):
        """True (N, T)."""
        out = np.zeros(self.panel.observed.shape, dtype=bool)
        if self.has_price:
            i, t, _ = self._cells
            level = self.panel.price_level[i] + self.panel.log_price[i, t]
            out[i, t] = price_spikes(level, i, self.panel.group[i])
        return out

    @property
    def spiked(self) -> np.ndarray:
        """True (N,) where a price is far from the product's others."""
        return self._price_spikes.any(axis=1)

    @cached_property
    def _columns(self):
        """Log price, if any, and controls (n, 1 + K), less what the model's effects explain."""
        i, t, cell = self._cells
        columns = [self.panel.log_price[i, t]] if self.has_price else []
        columns += [each[i, t] for each in self.panel.controls]
        if not columns:
            return np.zeros((len(i), 0))
        return without_effects(np.stack(columns, axis=1), i, cell if self.time_effects else np.zeros_like(i))

    @cached_property
    def tied(self) -> list[str]:
        """Controls that the price and other controls explain but for a hundredth, beside the effects."""
        varies = ~constant_controls(self.panel)
        share = explained_by_others(self._columns)[int(self.has_price) :]
        gone = (self._columns[:, int(self.has_price) :] == 0).all(axis=0)
        names = zip(self.panel.roles.controls, varies & (gone | (share > TIED_SHARE)), strict=True)
        return [name for name, which in names if which]

    @cached_property
    def little_left(self) -> list[str]:
        """Blocks in which time effects leave little of the variation of log prices within products."""
        panel = self.panel
        if not (self.has_price and self.time_effects):
            return []
        i, t, _ = self._cells
        block, size = panel.block[i], len(panel.blocks)
        before = np.bincount(block, panel.log_price[i, t] ** 2, minlength=size)
        after = np.bincount(block, self._columns[:, 0] ** 2, minlength=size)
        several = np.bincount(panel.block, minlength=size) > 1  # others are products alone in their periods
        little = several & (before > 0) & (after < LITTLE_LEFT * before)
        return [f"{label} ({after[g] / before[g]:.1%})" for g, label in enumerate(panel.blocks) if little[g]]

    @cached_property
    def stopped(self) -> np.ndarray:
        """True (N,) where nothing was sold in the last periods: more of them than chance would leave out."""
        return _silent_at_end(self.panel.units > 0)

    @cached_property
    def begun(self) -> np.ndarray:
        """True (N,) where nothing was sold in the first periods, likewise."""
        return _silent_at_end(self.panel.units[:, ::-1] > 0)

    @cached_property
    def running_down(self) -> np.ndarray:
        r"""True (N,) where sales fall to a third from the first to the last period, by a trend of residuals.

        Of log units, less effects, price and controls by least squares, on time s:

        .. math:: r_{it} = a_i + b_i s_t, \quad e^{b_i (s_{max} - s_{min})} < 1/3
        """
        panel, (i, t, cell) = self.panel, self._cells
        if panel.roles.time is None:
            return np.zeros(len(panel.product), dtype=bool)
        y = np.log(panel.units[i, t] + 0.5) - panel.log_exposure[i, t]
        effects = i, cell if self.time_effects else np.zeros_like(i)
        r = without_effects(y[:, None], *effects)
        r = (r - self._columns @ np.linalg.lstsq(self._columns, r)[0])[:, 0]
        n = np.bincount(i)
        s = panel.timeline.steps[t]
        s = s - (np.bincount(i, s) / n)[i]
        spread = np.maximum(np.bincount(i, s**2), NO_VARIATION)
        slope = np.bincount(i, s * r) / spread
        noise = np.bincount(i, (r - slope[i] * s) ** 2) / np.maximum(n - 2, 1)
        span = pd.Series(s).groupby(i).agg(np.ptp).to_numpy()
        sure = slope < -SURE * np.sqrt(noise / spread)
        return (n > LONG_SILENCE) & sure & (slope * span < -np.log(RUN_DOWN))

    @property
    def _absent(self):
        """The share of product-periods without a row, between a product's first and last."""
        observed = self.panel.observed
        first, last = observed.argmax(axis=1), observed.shape[1] - observed[:, ::-1].argmax(axis=1)
        return 1 - observed.sum() / (last - first).sum()

    @property
    def without_zeros(self) -> list[str]:
        """The column of counts none of which is 0, where some should be."""
        panel = self.panel
        if not self.counts or panel.roles.time is None or self._absent < FEWEST_ABSENT:
            return []
        seen = panel.observed.sum(axis=1)
        expected = (seen * np.exp(-panel.units.sum(axis=1) / seen)).sum()  # zeros, if units were Poisson
        return [] if (panel.units[panel.observed] == 0).any() or expected < FEWEST_ZEROS else ["units"]


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
                _BY_PRIORS,
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


def _silent_at_end(sold):
    """True (N,) where products of which some sold (N, T) did not in the last periods, by no chance."""
    periods = sold.shape[1]
    last = periods - 1 - np.argmax(sold[:, ::-1], axis=1)
    usual = sold.sum(axis=1) / (last + 1)  # the share of periods with sales until then
    by_chance = (periods - 1 - last) * np.log1p(-np.minimum(usual, 1 - 1e-6))
    ended = sold.any(axis=1) & (periods - 1 - last >= LONG_SILENCE)
    return ended & (by_chance < np.log(UNLIKELY / len(sold)))


def spikes(panel: SalesPanel) -> np.ndarray:
    """True (N,) where the largest units exceed ten thousand times the product's median (at least 1)."""
    units = np.where(panel.observed, panel.units, np.nan)
    return np.nanmax(units, axis=1) > SPIKE_RATIO * np.maximum(np.nanmedian(units, axis=1), 1)


def constant_controls(panel: SalesPanel) -> np.ndarray:
    """True (K,) where a control is the same in every observed cell."""
    return np.abs(panel.controls).max(axis=(1, 2), initial=0.0) < 1e-9
