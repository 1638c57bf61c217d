"""Findings of a panel of sales: a table, and what a user should hear of at once."""

import numpy as np
import pandas as pd

from hdfm.frames.columns import examples, plain
from hdfm.frames.findings import LEAK_SHARE, LITTLE_LEFT, Finding, findings_table
from hdfm.frames.time_warnings import time_warnings
from hdfm.frames.timeline import wide_gaps
from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.signals import ALIKE, UNLIKE, SalesSignals

GAPS = "time effects move by distance in time, also across them"
_FALLS_BACK = "their elasticity falls back to the group's"
_BY_PRIORS = "price and time effects are told apart by the priors alone"
_LATER = "their level is that of the whole range: later predictions are too high"
_FOLLOWED = (
    "demand that wanders follows them down, and fades back to the level of the whole range: predictions of "
    "far periods are too high"
)
_SLOW = (
    "demand that wanders may explain as much: their elasticities lean on the group's; short changes of price "
    "would tell"
)
_WANDERS = (
    "demand wanders: intervals of elasticities are too narrow where prices move slowly, and forecasts do not "
    'start where demand is last; demand="wandering" has it'
)
_UNLIKE = (
    "one noise for all: intervals are too wide where it is small and too narrow where it is large; "
    'dispersion="product" tells them apart'
)
_SOLD_NO_MORE = "rows with 0 units from when they were sold no more bias elasticities: leave those out"
_BEFORE = (
    "their level is that of the time since; rows with 0 units from before they were on sale pull it down and "
    "bias elasticities: leave those out"
)
_ZEROS = (
    "rows where nothing was sold seem to be left out: elasticities are biased towards 0; give every product "
    "a row with units 0 and its price in the periods it was on sale"
)
_FILLED = (
    "filled in from the price before, it seems, while other rows' prices move: elasticities are biased "
    "towards 0; take prices of the shelf, from a price list or from other stores, or leave price changes out "
    "by joining periods"
)


def sales_findings(
    panel: SalesPanel, remedy_for_zeros: str, *, time_effects: bool, wanders: bool, one_noise: bool
) -> list[Finding]:
    """Findings on the data of a panel.

    Parameters
    ----------
    time_effects, wanders, one_noise : bool
        Whether the model has them, whether demand of products wanders, and whether noise is one for all.
    remedy_for_zeros : str
        What its likelihood has users do about rows without sales that were left out.
    """
    signals = SalesSignals(panel, time_effects)
    return [
        *_of_products(panel, signals, _FOLLOWED if wanders else _LATER),
        *_of_groups(panel),
        *_of_columns(panel, signals),
        *_of_zeros(panel, signals, remedy_for_zeros),
        *_of_noise(panel, signals, wanders, one_noise),
        *_of_time(panel),
    ]


def sales_report(panel: SalesPanel, findings: list[Finding]) -> pd.DataFrame:
    """One row a finding, with count, examples and what the model makes of it."""
    table = findings_table(findings)
    missing = int((~panel.observed).sum()) if panel.roles.time is not None else 0
    if missing:
        table.loc[len(table)] = (
            "product-periods without a row",
            missing,
            "",
            "treated as not observed, not as zero",
        )
    return table


def _of_products(panel, signals, later):
    sells = panel.units.sum(axis=1) > 0
    yield Finding("products that never sold", panel.product[~sells], _FALLS_BACK)
    if signals.has_price:
        still = panel.n_price_changes == 0
        note = (
            f"The price column {panel.roles.price!r} never changes within any product: the elasticities are "
            "those of the prior."
        )
        yield Finding(
            "products whose price never changed",
            panel.product[still],
            _FALLS_BACK,
            note if still.all() else None,
        )
        if signals.time_effects:
            alone = panel.product[signals.always_alone]
            yield Finding("products alone in their group's periods", alone, _BY_PRIORS)
    yield _unit_spikes(panel, signals)
    yield _price_spikes(panel, signals)
    for name, which, with_rows, consequence, without in (
        (
            "products that begin selling after the first period",
            signals.begun,
            signals.begun_with_rows,
            _BEFORE,
            "predictions of earlier periods take them to be on sale",
        ),
        (
            "products that stop selling before the last period",
            signals.stopped,
            signals.stopped_with_rows,
            f"{later}; {_SOLD_NO_MORE}",
            "predictions of later periods take them to be on sale",
        ),
    ):
        yield Finding(name, panel.product[which], consequence if with_rows.any() else without)
    run_down = panel.product[signals.running_down]
    yield Finding("products that run down to less than a third", run_down, later)


def _unit_spikes(panel, signals):
    i, t, _ = signals.cells
    spikes = np.flatnonzero(signals.unit_spikes)
    labels, note = panel.product[np.unique(i[spikes])], None
    if len(spikes):
        k = spikes[np.argmax(signals.residual[spikes])]
        units = panel.units[i[k], t[k]]
        note = (
            f"Units of {len(labels):,} products have a spike, such as {units:,.4g} of "
            f"{plain(panel.product[i[k]])!r} where about {units / np.exp(signals.residual[k]):.2g} are "
            f"expected ({examples(labels)}): they decide elasticities and noise. Correct them, leave these "
            "rows out, or name what made them in a control."
        )
    return Finding("products with a spike in units", labels, "check the units: they dominate the fit", note)


def _price_spikes(panel, signals):
    i, t, _ = signals.cells
    spikes = np.flatnonzero(signals.price_spikes)
    labels, note = panel.product[np.unique(i[spikes])], None
    if len(spikes):
        i, t = i[spikes[0]], t[spikes[0]]
        usual = np.exp(panel.price_level[i] + np.median(panel.log_price[i, panel.observed[i]]))
        note = (
            f"Prices of {len(labels):,} products have a spike, such as "
            f"{np.exp(panel.price_level[i] + panel.log_price[i, t]):.4g} where {usual:.4g} is usual for "
            f"{plain(panel.product[i])!r}: they decide the elasticity. Repair them or drop these rows."
        )
    return Finding(
        "products with a spike in price", labels, "check the prices: they decide the elasticity", note
    )


def _of_groups(panel):
    for depth, level in enumerate(panel.levels):
        sizes = np.bincount(panel.group_at(depth), minlength=len(level.labels))
        labels = level.labels[sizes == 1]
        yield Finding(f"groups of {level.name!r} with one product", labels, "little is pooled there")


def _of_columns(panel, signals):
    little = signals.little_left
    yield Finding(
        "little price variation left by time effects",
        little,
        _BY_PRIORS,
        f"Time effects leave less than {LITTLE_LEFT:.0%} of the variation of log prices within products in "
        f"{examples(little)}: products' prices move together there, and elasticities and time effects are "
        "told apart by the priors alone. time_effects=None asks for the response to common moves of prices, "
        "at the risk of taking demand's own for it.",
    )
    tied = signals.tied
    yield Finding(
        "controls tied to the price or to others",
        tied,
        "told apart by the priors alone",
        "Controls that the price, other controls and the model's effects explain almost wholly are told "
        f"apart by the priors alone: {examples(tied)}.",
    )
    constant = np.array(panel.roles.controls, dtype=object)[signals.constant_controls]
    note = f"Controls that never change carry no information: {examples(constant)}."
    yield Finding(
        "constant controls",
        constant,
        "they carry no information",
        note if panel.roles.product is not None else None,
    )
    far = signals.fillers
    yield Finding(
        "values far from all others",
        far,
        "check for fillers: they decide the effect",
        f"Values far from all others, as fillers for missing ones are, stand in {examples(far)}: they decide "
        "the effect. Repair them or drop these rows.",
    )
    leaks = signals.leaks
    yield Finding(
        "controls that explain nearly all of units",
        leaks,
        "check that they are known before the sale",
        f"Controls explain more than {LEAK_SHARE:.0%} of units within products: {examples(leaks)}. If they "
        "follow from what was sold, as revenue does, they take the price's effect: leave them out.",
    )


def _of_zeros(panel, signals, remedy):
    count, expected = signals.zeros
    share = "" if panel.roles.time is None else f", and {signals.absent:.0%} of product-periods have no row"
    yield Finding(
        "few rows with 0 units",
        ["units"] if signals.lacks_zeros else [],
        _ZEROS,
        f"{count or 'No'} rows have 0 units where {expected:,.0f} or more would{share}: {_ZEROS} ({remedy}).",
    )
    of_zeros, of_others = signals.repeated_prices
    yield Finding(
        "prices filled in where nothing was sold",
        [str(panel.roles.price)] if signals.filled_prices else [],
        _FILLED,
        f"The price of {of_zeros:.0%} of the rows with 0 units is that of the row before, of {of_others:.0%} "
        f"of other rows: {_FILLED}.",
    )


def _of_noise(panel, signals, wanders, one_noise):
    if panel.roles.time is not None:
        slow = signals.slow_prices if wanders else np.zeros(len(panel.product), dtype=bool)
        yield Finding("products whose prices move slowly", panel.product[slow], _SLOW)
        alike = signals.autocorrelation
        yield Finding(
            "residuals of neighbouring periods are alike",
            [f"correlation {alike:.2f}"] if alike > ALIKE and not wanders else [],
            _WANDERS,
        )
    sds = signals.noises
    yield Finding(
        "groups whose noise differs",
        [f"{label} ({sd:.2f})" for label, sd in sds.items()]
        if one_noise and len(sds) and sds.iloc[-1] > UNLIKE * sds.iloc[0]
        else [],
        _UNLIKE,
    )


def _of_time(panel):
    if panel.roles.time is None:
        return
    yield Finding("wide gaps between periods", wide_gaps(panel.timeline), GAPS)
    for note in time_warnings(panel.timeline, int(panel.observed.sum()), "rows"):
        yield Finding(None, ["time"], "", note)
