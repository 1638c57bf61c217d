"""Shopping trips as a long frame: what the tests of the choice panel are made of."""

import dataclasses

import numpy as np
import pandas as pd
from conftest import TRIP_ROLES

from hdfm.choice.panel.panel import ChoicePanel, build_choice_panel
from hdfm.choice.panel.roles import ChoiceRoles

PRODUCTS = {"milk": ["alpine", "creamy", "plain", "store"], "tea": ["green", "plain", "black"]}
ROLES = ChoiceRoles(
    **{role: tuple(name) if isinstance(name, list) else name for role, name in TRIP_ROLES.items()}
)
TINY = ChoiceRoles(
    customer="household", product="brand", time="week", choice_set="trip", price="price", features=()
)


def many_trips() -> pd.DataFrame:
    """120 ragged choice sets of 8 households in 2 categories over 4 weeks, rows in no order."""
    rng = np.random.default_rng(4)
    trips = pd.concat([rows_of_a_trip(trip, rng) for trip in range(1000, 1120)], ignore_index=True)
    trips["income"] = trips["household"].map(dict(enumerate(rng.normal(50, 10, 8))))
    return trips.sample(frac=1, random_state=1)


def three_trips() -> pd.DataFrame:
    """Trips of two households with four, three and two alternatives."""
    return pd.DataFrame(
        {
            "household": [1, 1, 1, 1, 2, 2, 2, 2, 2],
            "brand": ["a", "b", "c", "d", "a", "b", "d", "b", "c"],
            "week": [1, 1, 1, 1, 1, 1, 1, 2, 2],
            "trip": [7, 7, 7, 7, 8, 8, 8, 9, 9],
            "price": [1.0, 2.0, 3.0, 4.0, 1.5, 2.5, 4.5, 2.0, 3.5],
            "chosen": [0, 1, 0, 0, 1, 0, 0, 1, 0],
        },
        index=[f"row {k}" for k in range(9)],
    )


def rows_of_a_trip(trip, rng):
    """Two or more alternatives of a category, one chosen; strength is a predictor of tea alone."""
    category = rng.choice([*PRODUCTS])
    brands = rng.permutation(PRODUCTS[category])[: rng.integers(2, 1 + len(PRODUCTS[category]))]
    in_stock = rng.permutation(len(brands)) != 0 if len(brands) > 2 else np.ones(len(brands), dtype=bool)
    return pd.DataFrame(
        {
            "household": rng.integers(0, 8),
            "category": category,
            "brand": brands,
            "week": rng.choice([2, 3, 5, 11]),
            "trip": trip,
            "price": rng.uniform(1, 5, len(brands)).round(2),
            "display": rng.integers(0, 2, len(brands)),
            "strength": rng.normal(size=len(brands)) if category == "tea" else np.nan,
            "in_stock": in_stock,
            "chosen": np.arange(len(brands)) == rng.choice(np.flatnonzero(in_stock)),
        }
    )


def panel_of(frame, roles=ROLES, **changes) -> ChoicePanel:
    return build_choice_panel(frame, frame["chosen"], dataclasses.replace(roles, **changes))
