"""Predictors that follow from the choice."""

import numpy as np
import pandas as pd
import pytest

from hdfm import DynamicFactorChoiceModel
from hdfm.exceptions import InvalidDataError


@pytest.fixture(scope="module")
def sets():
    """300 choices of three products, price coefficient -2."""
    rng = np.random.default_rng(0)
    price = np.exp(1 + 0.2 * rng.standard_normal((300, 3)))
    chosen = (-2 * np.log(price) + rng.gumbel(size=price.shape)).argmax(axis=1)
    return pd.DataFrame(
        {
            "trip": np.repeat(np.arange(300), 3),
            "brand": np.tile(["a", "b", "c"], 300),
            "price": price.ravel(),
            "chosen": (np.arange(3) == chosen[:, None]).ravel(),
            "stock": rng.integers(1, 9, 900),
        }
    )


def fit(X, y, **options):
    roles = {"choice_set": "trip", "product": "brand", "price": "price", "features": []}
    model = DynamicFactorChoiceModel(0, **(roles | options), inference="map", progressbar=False)
    return model.fit(X, y)


LEAKS = {
    "quantity": lambda X: X["chosen"] * X["stock"],
    "quantity, -1 for none": lambda X: np.where(X["chosen"], X["stock"], -1),
    "one more": lambda X: X["chosen"] * X["stock"] + 1.0,
    "not chosen": lambda X: 1 - X["chosen"],
    "left in stock": lambda X: np.where(X["chosen"], 0, X["stock"]),
    "outcome": lambda X: X["chosen"] * 1.0,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_features_that_follow_from_the_choice(sets, leak):
    X = sets.assign(leak=LEAKS[leak](sets))
    with pytest.raises(InvalidDataError, match=r"features column 'leak' .* Leave it out of X or of features"):
        fit(X, sets["chosen"], features=["leak"])


def test_amounts_paid_in_place_of_prices(sets):
    paid = sets.assign(price=sets["price"].where(sets["chosen"], 0.0))
    with pytest.raises(InvalidDataError, match=r"zero or negative.*fill in what it would have cost"):
        fit(paid, sets["chosen"])
    with pytest.raises(InvalidDataError, match=r"in each of the 300 choice sets .*amount paid"):
        fit(paid, sets["chosen"], price_transform="linear")


def test_what_tells_much_is_no_leak(sets, mock_sampling):
    """Chosen in nine of ten sets; always, but in nine sets alone; the lowest price throughout."""
    rng = np.random.default_rng(1)
    tells = sets["chosen"] * (rng.random(300) < 0.9)[sets["trip"]] + 0.5 * rng.random(900)
    rare = sets["chosen"] * (sets["trip"] < 9) * 2.0 - 1.0 * (sets["trip"] < 9)
    fit(sets.assign(tells=tells, rare=rare), sets["chosen"], features=["tells", "rare"])
    lowest = sets["price"] == sets.groupby("trip")["price"].transform("min")
    fit(sets, lowest)
