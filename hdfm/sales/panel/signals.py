"""What in a panel of sales can't inform the elasticities, or misleads them.

Array names and axis order: N products, T periods, K controls; n observed cells.
"""

from functools import cached_property

import numpy as np
import pandas as pd

from hdfm.frames.findings import (
    LEAK_SHARE,
    LITTLE_LEFT,
    NO_VARIATION,
    SPIKE_OF_GROUP,
    TIED_SHARE,
    explained_by_others,
    fillers,
    outcome_spikes,
    price_spikes,
    without_effects,
)
from hdfm.sales.panel.panel import SalesPanel

FEWEST_ABSENT, FEWEST_ZEROS, FEW_OF_EXPECTED = 0.02, 10.0, 0.5
LONG_SILENCE, UNLIKELY = 8, 0.01
FAR_COUNTS = 6.0  # standard deviations of Poisson counts
RUN_DOWN, SURE = 3, 5.0  # a fall to a third, of so many standard errors
ALIKE, UNLIKE, ENOUGH_CELLS = 0.2, 2.0, 50  # autocorrelation, ratio of sds, cells of a group
NEGLIGIBLE = 0.1  # sd of log units
QUARTER, QUARTERS, SLOW = 13, 4, 0.5  # periods of a part, parts at least, the share of variance between them
MOST_REPEATED, FEW_REPEATED, ENOUGH_ZEROS = 0.9, 0.5, 20


class SalesSignals:
    """What is found in a panel, each thing once.

    Parameters
    ----------
    panel : SalesPanel
    time_effects : bool
        Whether the model has them.
    """

    def __init__(self, panel: SalesPanel, time_effects: bool):
        self.panel, self.time_effects = panel, time_effects
        self.has_price = panel.roles.price is not None

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Product, period and block-period (n,) of observed cells."""
        i, t = np.nonzero(self.panel.observed)
        return i, t, self.panel.block[i] * len(self.panel.period) + t

    @cached_property
    def effects(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes (n,) of the model's effects: products, and periods of a block, if it has them."""
        i, _, cell = self.cells
        return i, cell if self.time_effects else np.zeros_like(i)

    @cached_property
    def columns(self) -> np.ndarray:
        """Log price, if any, and controls (n, 1 + K), less what the model's effects explain."""
        i, t, _ = self.cells
        columns = [self.panel.log_price[i, t]] if self.has_price else []
        columns += [control[i, t] for control in self.panel.controls]
        if not columns:
            return np.zeros((len(i), 0))
        return without_effects(np.stack(columns, axis=1), *self.effects)

    @cached_property
    def residual(self) -> np.ndarray:
        """Log units (n,), less effects, price and controls by least squares."""
        i, t, _ = self.cells
        y = np.log(self.panel.units[i, t] + 0.5) - self.panel.log_exposure[i, t]
        r = without_effects(y[:, None], *self.effects)
        return (r - self.columns @ np.linalg.lstsq(self.columns, r)[0])[:, 0]

    @cached_property
    def price_spikes(self) -> np.ndarray:
        """True (n,) where a price is far from the product's others."""
        i, t, _ = self.cells
        if not self.has_price:
            return np.zeros(len(i), dtype=bool)
        level = self.panel.price_level[i] + self.panel.log_price[i, t]
        return price_spikes(level, i, self.panel.group[i])

    @cached_property
    def unit_spikes(self) -> np.ndarray:
        """True (n,) where units are far above what price, controls and effects explain, not by chance."""
        i, t, _ = self.cells
        units = self.panel.units[i, t]
        expected = units / np.exp(self.residual)
        counts = units - expected > FAR_COUNTS * (1 + np.sqrt(expected))
        return outcome_spikes(self.residual, i) & counts

    @cached_property
    def fillers(self) -> list[str]:
        """Controls and the exposure with values far from all others, and such a value."""
        panel, (i, t, _) = self.panel, self.cells
        out = []
        for k, name in enumerate(panel.roles.controls):
            values = panel.control_mean[k] + panel.control_sd[k] * panel.controls[k, i, t]
            far = fillers(values)
            if far.any():
                out.append(f"{name} ({values[far][0]:.4g})")
        if panel.roles.exposure is not None:
            far = price_spikes(panel.log_exposure[i, t], i, panel.group[i], ratio=SPIKE_OF_GROUP)
            if far.any():
                out.append(f"{panel.roles.exposure} ({np.exp(panel.log_exposure[i, t][far][0]):.4g})")
        return out

    @cached_property
    def leaks(self) -> list[str]:
        """Controls that explain nearly all of units, or of their logs, within products."""
        panel, (i, t, _) = self.panel, self.cells
        if panel.roles.product is None or not len(panel.controls):
            return []
        units = panel.units[i, t]
        everywhere = np.zeros_like(i)
        y = without_effects(np.stack([units, np.log1p(units)], axis=1), i, everywhere)
        out = []
        for k, name in enumerate(panel.roles.controls):
            z = panel.control_mean[k] + panel.control_sd[k] * panel.controls[k, i, t]
            z = without_effects(np.stack([z, np.log1p(np.maximum(z, 0))], axis=1), i, everywhere)
            share = max(_squared_correlation(y[:, a], z[:, b]) for a, b in ((0, 0), (1, 0), (1, 1)))
            if share > LEAK_SHARE and len(i) > 2 * len(panel.product):
                out.append(f"{name} ({share:.0%})")
        return out

    @cached_property
    def constant_controls(self) -> np.ndarray:
        """True (K,) where a control is the same in every observed cell."""
        return np.abs(self.panel.controls).max(axis=(1, 2), initial=0.0) < NO_VARIATION

    @cached_property
    def tied(self) -> list[str]:
        """Controls that the price and other controls explain nearly wholly, beside the effects."""
        share = explained_by_others(self.columns)[int(self.has_price) :]
        gone = (self.columns[:, int(self.has_price) :] == 0).all(axis=0)
        which = ~self.constant_controls & (gone | (share > TIED_SHARE))
        return [name for name, tied in zip(self.panel.roles.controls, which, strict=True) if tied]

    @cached_property
    def little_left(self) -> list[str]:
        """Blocks in which time effects leave little of the variation of log prices within products."""
        panel = self.panel
        if not (self.has_price and self.time_effects):
            return []
        i, t, _ = self.cells
        block, size = panel.block[i], len(panel.blocks)
        before = np.bincount(block, panel.log_price[i, t] ** 2, minlength=size)
        after = np.bincount(block, self.columns[:, 0] ** 2, minlength=size)
        several = np.bincount(panel.block, minlength=size) > 1  # others are products alone in their periods
        little = several & (before > 0) & (after < LITTLE_LEFT * before)
        return [f"{label} ({after[g] / before[g]:.1%})" for g, label in enumerate(panel.blocks) if little[g]]

    @cached_property
    def always_alone(self) -> np.ndarray:
        """True (N,) where no other product of the block was on sale in any of the product's periods."""
        panel = self.panel
        sellers = np.zeros((len(panel.blocks), len(panel.period)))
        np.add.at(sellers, panel.block, panel.observed)
        return (np.where(panel.observed, sellers[panel.block], 1) <= 1).all(axis=1)

    @property
    def stopped(self) -> np.ndarray:
        """True (N,) where the last periods have no units: more of them than chance would leave."""
        return self._silences[0] > 0

    @property
    def begun(self) -> np.ndarray:
        """True (N,) where the first periods have no units, likewise."""
        return self._silences[1] > 0

    @property
    def stopped_with_rows(self) -> np.ndarray:
        """True (N,) where these periods have rows with 0 units."""
        return self._silences[0] > 1

    @property
    def begun_with_rows(self) -> np.ndarray:
        """True (N,) where these periods have rows with 0 units."""
        return self._silences[1] > 1

    @cached_property
    def _silences(self):
        """Of the last periods, and of the first."""
        return self._silence(slice(None)), self._silence(slice(None, None, -1))

    def _silence(self, direction):
        """0 (N,) where the last periods are not silent beyond chance, 1 without and 2 with rows there."""
        panel = self.panel
        sold, observed = panel.units[:, direction] > 0, panel.observed[:, direction]
        if panel.roles.time is None:
            return np.zeros(len(sold), dtype=int)
        T = sold.shape[1]
        last = T - 1 - np.argmax(sold[:, ::-1], axis=1)
        silent = T - 1 - last
        usual = sold.sum(axis=1) / (last + 1)  # the share of periods with sales until then
        by_chance = silent * np.log1p(-np.minimum(usual, 1 - 1e-6))
        ended = sold.any(axis=1) & (silent >= LONG_SILENCE) & (by_chance < np.log(UNLIKELY / len(sold)))
        rows = (observed & (np.arange(T) > last[:, None])).sum(axis=1)
        return ended * np.where(rows >= LONG_SILENCE, 2, 1)

    @cached_property
    def running_down(self) -> np.ndarray:
        r"""True (N,) where sales fall to a third from the first to the last period, by a trend of residuals.

        .. math:: r_{it} = a_i + b_i s_t, \quad e^{b_i (s_{max} - s_{min})} < 1/3
        """
        panel, (i, t, _), r = self.panel, self.cells, self.residual
        if panel.roles.time is None:
            return np.zeros(len(panel.product), dtype=bool)
        n = np.bincount(i)
        s = panel.timeline.steps[t]
        s = s - (np.bincount(i, s) / n)[i]
        spread = np.maximum(np.bincount(i, s**2), NO_VARIATION)
        slope = np.bincount(i, s * r) / spread
        noise = np.bincount(i, (r - slope[i] * s) ** 2) / np.maximum(n - 2, 1)
        span = pd.Series(s).groupby(i).agg(np.ptp).to_numpy()
        sure = slope < -SURE * np.sqrt(noise / spread)
        down = (n > LONG_SILENCE) & sure & (slope * span < -np.log(RUN_DOWN))
        return down & ~self.stopped & ~self.begun

    @cached_property
    def autocorrelation(self) -> float:
        """Of residuals of neighbouring periods, the median product's; alike where demand wanders."""
        i, t, _ = self.cells
        next_to = (np.diff(i) == 0) & (np.diff(t) == 1)
        N, of, r = len(self.panel.product), i[1:][next_to], self.residual
        both = np.bincount(of, (r[1:] * r[:-1])[next_to], N)
        each = np.bincount(of, (r[1:] ** 2)[next_to], N)
        own = (both / np.maximum(each, NO_VARIATION))[np.bincount(of, minlength=N) > 1]
        return float(np.median(own)) if len(own) else 0.0

    @cached_property
    def noises(self) -> pd.Series:
        """Sd of residuals, less that of counts, of median products of groups with enough cells; rising."""
        panel, (i, t, _) = self.panel, self.cells
        units, group = panel.units[i, t], panel.group[i]
        of_counts = 1 / (units / np.exp(self.residual) + 0.5) if (units % 1 == 0).all() else 0.0
        own = pd.Series(self.residual**2 - of_counts).groupby(i).mean()
        variance = own.groupby(panel.group[own.index]).median()
        n = np.bincount(group, minlength=panel.n_groups)[variance.index]
        labels = panel.levels[-1].labels[variance.index] if panel.levels else [""]
        sds = np.sqrt(np.maximum(variance.to_numpy(), NEGLIGIBLE**2))
        return pd.Series(sds, labels)[n >= ENOUGH_CELLS].sort_values()

    @cached_property
    def slow_prices(self) -> np.ndarray:
        """True (N,) where more than half of the variance of log prices is between quarters."""
        panel, (i, t, _) = self.panel, self.cells
        N, T = len(panel.product), len(panel.period)
        length = min(QUARTER, T // QUARTERS)
        if not self.has_price or length < 2:
            return np.zeros(N, dtype=bool)
        parts, x = -(-T // length), panel.log_price[i, t]
        part = i * parts + t // length
        n = np.bincount(part, minlength=N * parts)
        means = np.bincount(part, x, N * parts) / np.maximum(n, 1)
        between, total = ((n * means**2).reshape(N, parts).sum(axis=1), np.bincount(i, x**2, N))
        return (total > NO_VARIATION) & (between > SLOW * total)

    @cached_property
    def absent(self) -> float:
        """The share of product-periods without a row, between a product's first and last."""
        observed = self.panel.observed
        start, stop = observed.argmax(axis=1), observed.shape[1] - observed[:, ::-1].argmax(axis=1)
        return float(1 - observed.sum() / (stop - start).sum())

    @cached_property
    def zeros(self) -> tuple[int, float]:
        """Rows with 0 units, and how many there would be at least if units were Poisson."""
        panel = self.panel
        n = panel.observed.sum(axis=1)
        return int((panel.units[panel.observed] == 0).sum()), float(
            (n * np.exp(-panel.units.sum(axis=1) / n)).sum()
        )

    @cached_property
    def lacks_zeros(self) -> bool:
        """Whether rows with 0 units were left out: fewer than half of what Poisson counts would have.

        With a time column product-periods must be absent, too.
        """
        count, expected = self.zeros
        if (self.panel.units != np.round(self.panel.units)).any():  # no counts
            return False
        few = expected >= FEWEST_ZEROS and count < FEW_OF_EXPECTED * expected
        return few and (self.panel.roles.time is None or self.absent >= FEWEST_ABSENT)

    @cached_property
    def repeated_prices(self) -> tuple[float, float]:
        """The share of rows with 0 units that have the price before, and of other rows; 0 where few."""
        panel, (i, t, _) = self.panel, self.cells
        if not self.has_price or panel.roles.time is None or len(i) < 2:
            return 0.0, 0.0
        follows = i[1:] == i[:-1]
        price = panel.log_price[i, t]
        same, none = (np.abs(np.diff(price)) < NO_VARIATION)[follows], (panel.units[i, t] == 0)[1:][follows]
        if none.sum() < ENOUGH_ZEROS or none.all():
            return 0.0, 0.0
        return float(same[none].mean()), float(same[~none].mean())

    @cached_property
    def filled_prices(self) -> bool:
        """Whether prices of rows with 0 units seem to be filled in with those before, where others move."""
        of_zeros, of_others = self.repeated_prices
        return of_zeros > MOST_REPEATED and of_others < FEW_REPEATED


def _squared_correlation(a, b):
    size = (a @ a) * (b @ b)
    return float((a @ b) ** 2 / size) if size > 0 else 0.0
