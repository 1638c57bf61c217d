"""Strategies: a sheet of sales or of choices to fit, the roles of its columns, and a sheet to predict."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fuzz.columns import (
    EVEN_WEEKS,
    LABELS,
    NUMBERS,
    ODD_LABELS,
    ODD_NUMBERS,
    ODD_WEEKS,
    SPOILED,
    WHOLE_NUMBERS,
)
from fuzz.sheets import CONTAINERS, INDICES, NO_FRAMES, ODD_OUTCOMES, OUTCOMES, Sheet
from hypothesis import strategies as st

USUAL = {"label": LABELS, "week": EVEN_WEEKS, "number": NUMBERS}
ODD = {"label": ODD_LABELS, "week": ODD_WEEKS, "number": ODD_NUMBERS}
SPANS = {
    "weeks in a row": np.arange(1, 9),
    "gaps": np.array([1, 2, 3, 7, 8, 9, 15, 16]),
    "one": np.array([3]),
    "pairs": np.array([1, 2, 11, 12]),
    "before and after zero": np.arange(-3, 5),
}
INVARIANTS = ("permutation", "labels", "units of measure", "row by row")
EXTRAS = {
    "note": ("label", "text"),
    "margin": ("number", "float"),
    "seen": ("week", "date"),
    "tag": ("label", "list"),
}
CALM = 0.6  # of cases have no columns of odd kinds


@dataclass(frozen=True)
class Case:
    """What is fitted and asked.

    Attributes
    ----------
    arguments : dict
        Of the estimator's constructor.
    sheet, asked : Sheet
        To fit and to predict.
    y : numpy.ndarray
        Outcomes (n,), and in which kind they come.
    seed : int
        Of what a property does with the case.
    invariant : str
        The property of accepted frames to hold it to.
    """

    arguments: dict[str, Any]
    sheet: Sheet
    asked: Sheet
    y: np.ndarray
    outcome: str
    seed: int
    invariant: str

    def named(self, *roles: str) -> list[str]:
        """The columns that have one of these roles."""
        found = [self.arguments.get(role) for role in roles]
        return [name for names in found if names for name in ([names] if isinstance(names, str) else names)]


def chance(draw, share):
    return draw(st.integers(0, 99)) >= round(100 * (1 - share))


def one_of(draw, options):
    return draw(st.sampled_from(list(options)))


def kinds_of(draw, meanings, calm):
    """A kind for each column; where not calm, one or two of them are odd."""
    kinds = {name: (what, one_of(draw, USUAL[what])) for name, what in meanings.items()}
    for _ in range(0 if calm else draw(st.integers(0, 2))):
        name = one_of(draw, kinds)
        what = kinds[name][0]
        options = ODD[what] if what != "number" else ODD[what] | WHOLE_NUMBERS
        kinds[name] = (what, one_of(draw, options))
    return kinds


def spoils_of(draw, names, calm):
    if calm or not chance(draw, 0.4):
        return ()
    return ((one_of(draw, names), draw(st.integers(0, 30)), one_of(draw, SPOILED)),)


def columns_of(draw, values, calm):
    """The frame's columns in some order, extra ones among them; where not calm, one may be missing."""
    names = draw(st.permutations([*values])) if chance(draw, 0.5) else [*values]
    return tuple(names if calm or not chance(draw, 0.15) else names[:-1])


def container_of(draw, calm):
    if calm:
        return "pandas" if chance(draw, 0.85) else one_of(draw, CONTAINERS)
    return one_of(draw, NO_FRAMES) if chance(draw, 0.1) else "pandas"


def finished(draw, sheet, calm):
    """A sheet in some kinds, order of columns, index and container."""
    meanings = {name: what for name, (what, _) in sheet.kinds.items()}
    return replace(
        sheet,
        kinds=kinds_of(draw, meanings, calm)
        | {name: kind for name, kind in EXTRAS.items() if name in meanings},
        columns=columns_of(draw, sheet.values, calm),
        index=one_of(draw, INDICES) if chance(draw, 0.5) else "range",
        container=container_of(draw, calm),
        spoils=spoils_of(draw, [*sheet.values], calm),
    )


def with_extras(draw, values, meanings):
    n = len(next(iter(values.values())))
    for name in draw(st.lists(st.sampled_from(list(EXTRAS)), max_size=2, unique=True)):
        values[name], meanings[name] = np.arange(n) % 9, EXTRAS[name][0]


def plain_sheet(values, meanings):
    return Sheet(values, {name: (what, "") for name, what in meanings.items()}, tuple(values))


def asked_of(draw, sheet, together, rng, calm):
    """A sheet to predict: parts of the fitted one, some with labels, weeks and prices that were not fitted.

    Parameters
    ----------
    together : dict
        By column another one, or None: rows that share its value change together.
    """
    unit = together.get("trip", np.arange(len(sheet)))
    size = draw(st.sampled_from([1, 2, 5, 12]))
    if "trip" in together:
        rows = np.flatnonzero(np.isin(unit, rng.integers(0, unit.max() + 1, size)))
    else:
        rows = rng.integers(0, len(sheet), size)
    asked, unit = sheet.take(rows), unit[rows]
    for name in sheet.values:
        if name in EXTRAS or not chance(draw, 0.3):
            continue
        by = together.get(name, np.arange(len(sheet)))[rows]
        share = draw(st.sampled_from([0.3, 1.0]))
        new = (rng.random(by.max() + 1) < share)[by]
        values, what = asked.values[name].copy(), sheet.kinds[name][0]
        if what == "number":
            values = np.where(
                new, np.round(values * rng.choice([0.5, 0.8, 1.25], by.max() + 1)[by], 4), values
            )
        elif what == "week":
            values = np.where(new, rng.integers(-8, 20, by.max() + 1)[by], values)
        else:
            values = np.where(new, values + 20, values)
        asked = asked.with_values(**{name: values})
    if calm or chance(draw, 0.6):
        return asked
    others = finished(draw, asked, calm)
    kept = {name: sheet.kinds[name] for name in sheet.kinds if chance(draw, 0.7)}
    return replace(others, kinds=others.kinds | kept)


@st.composite
def sales_cases(draw):
    """Sales of up to five products in up to eight weeks, groups nested or not."""
    seed, calm = draw(st.integers(0, 10**6)), chance(draw, CALM)
    rng = np.random.default_rng(seed)
    products, depth = draw(st.integers(1, 5)), draw(st.integers(0, 2))
    weeks = SPANS[one_of(draw, SPANS)]
    i, t = np.divmod(np.arange(products * len(weeks)), len(weeks))
    there = rng.random(len(i)) >= one_of(draw, [0.0, 0.2, 0.6])
    there[rng.integers(len(i))] = True
    order = rng.permutation(there.sum()) if chance(draw, 0.5) else np.arange(there.sum())
    i, t = i[there][order], t[there][order]
    n = len(i)
    family = i if calm or not chance(draw, 0.1) else rng.integers(0, 5, n)
    price = np.round((1 + i) * np.exp(rng.choice([0, 0, -0.2, 0.1], n)), 2)
    values = {"brand": i, "week": weeks[t], "price": price}
    meanings = {"brand": "label", "week": "week", "price": "number"}
    roles = {"product": "brand", "time": "week", "price": "price"}
    for level, name in enumerate(["department", "category"][:depth]):
        values[name], meanings[name] = family % 4 // (2 - level), "label"
    if depth:
        roles["groups"] = ["department", "category"][:depth] if depth > 1 else "department"
    controls = [f"control {k}" for k in range(draw(st.integers(0, 2)))]
    for name in controls:
        values[name] = np.round(rng.normal(size=n), 2) if chance(draw, 0.7) else np.ones(n)
        meanings[name] = "number"
    if controls:
        roles["controls"] = controls
    for role, column in {"exposure": "stores", "reference_price": "usual"}.items():
        if chance(draw, 0.2):
            roles[role], values[column], meanings[column] = (
                column,
                np.round(rng.uniform(1, 9, n), 1),
                "number",
            )
    for role in ("product", "time", "price"):
        if chance(draw, 0.08):
            del roles[role]
    if "reference_price" in roles and not {"product", "price"} <= {*roles}:
        del roles["reference_price"]
    with_extras(draw, values, meanings)
    sheet = finished(draw, plain_sheet(values, meanings), calm)
    likelihood = one_of(draw, ["negative_binomial", "negative_binomial", "poisson", "log_normal"])
    y = rng.poisson(8 / price, n) + (likelihood == "log_normal")
    y[rng.integers(n)] = 2
    settings = {
        "likelihood": likelihood,
        "time_effects": one_of(draw, ["category", "category", "shared", None]),
        "product_effects": one_of(draw, ["random", "fixed"]),
        "demand": one_of(draw, [None, None, "independent"]),
        "dispersion": one_of(draw, ["product", "product", "group", "shared"]),
        "elasticity_path": one_of(draw, [None, None, "constant"]),
    }
    return Case(
        roles | settings,
        sheet,
        asked_of(draw, sheet, {}, rng, calm),
        y.astype(float),
        one_of(draw, OUTCOMES if calm or chance(draw, 0.7) else ODD_OUTCOMES),
        seed,
        one_of(draw, INVARIANTS),
    )


@st.composite
def choice_cases(draw):
    """Up to twelve choice sets of up to four customers in up to two categories, sets of unequal sizes."""
    seed, calm = draw(st.integers(0, 10**6)), chance(draw, CALM)
    rng = np.random.default_rng(seed)
    customers, categories = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    n_sets, largest = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    weeks = SPANS[one_of(draw, SPANS)]
    sizes = rng.integers(min(2, largest), largest + 1, n_sets)
    o = np.repeat(np.arange(n_sets), sizes)
    of_set = {
        "household": rng.integers(0, customers, n_sets),
        "category": rng.integers(0, categories, n_sets),
        "week": rng.choice(weeks, n_sets),
    }
    values = {name: of[o] for name, of in of_set.items()}
    brands = [rng.permutation(4)[:size] for size in sizes]
    values["brand"] = np.concatenate(brands) + (4 * values["category"] if chance(draw, 0.7) else 0)
    values["trip"], n = o, len(o)
    values["price"] = np.round((1 + values["brand"]) * np.exp(rng.choice([0, 0, -0.2, 0.1], n)), 2)
    meanings = dict.fromkeys(("household", "category", "brand", "trip"), "label") | {
        "week": "week",
        "price": "number",
    }
    roles = {
        "customer": "household",
        "product": "brand",
        "time": "week",
        "choice_set": "trip",
        "price": "price",
    }
    if chance(draw, 0.7):
        roles["category"] = "category"
    features = [f"feature {k}" for k in range(draw(st.integers(0, 2)))]
    for name in features:
        values[name], meanings[name] = np.round(rng.normal(size=n), 2), "number"
    roles["features"] = features
    available = np.ones(n, dtype=bool)
    if chance(draw, 0.25):
        available = (rng.random(n) < 0.8) | np.r_[True, o[1:] != o[:-1]]
        roles["availability"], values["stock"], meanings["stock"] = "stock", available.astype(float), "number"
    if chance(draw, 0.25):
        roles["customer_covariates"], meanings["income"] = ["income"], "number"
        values["income"] = np.round(rng.normal(50, 9, customers), 1)[values["household"]]
    for role in ("customer", "product", "time", "price", "choice_set"):
        if chance(draw, 0.08) and not (role == "customer" and "customer_covariates" in roles):
            del roles[role]
    settings = {
        "outside_option": chance(draw, 0.25),
        "product_intercepts": chance(draw, 0.8),
        "price_transform": "log" if chance(draw, 0.8) else "linear",
    }
    if chance(draw, 0.1):
        del roles["features"]
    with_extras(draw, values, meanings)
    score = np.where(available, rng.gumbel(size=n) - values["price"] / 4, -np.inf)
    y = score == np.array([score[o == k].max() for k in range(n_sets)])[o]
    if settings["outside_option"]:
        y &= rng.random(n_sets)[o] < 0.8
    order = rng.permutation(n) if chance(draw, 0.5) else np.arange(n)
    values, y = {name: value[order] for name, value in values.items()}, y[order]
    sheet = finished(draw, plain_sheet(values, meanings), calm)
    o = values["trip"]
    together = dict.fromkeys(("household", "category", "week", "trip", "stock"), o) | {
        "income": values["household"]
    }
    asked = asked_of(draw, sheet, together, rng, calm)
    return Case(
        roles | settings,
        sheet,
        asked,
        y.astype(float),
        one_of(draw, OUTCOMES if calm or chance(draw, 0.7) else ODD_OUTCOMES),
        seed,
        one_of(draw, INVARIANTS),
    )
