"""Values far outside those of the fit, at both doors."""

import numpy as np
import pandas as pd
import pytest
from conftest import UNFITTED

from hdfm.exceptions import DataWarning


@pytest.fixture(scope="module")
def predictor(door):
    """Role and name of a predictor beside the price, which is 0 or 1, and rows that it matters in."""
    role = next(role for role in ("controls", "features") if role in door.make().get_params())
    return role, "flag"


@pytest.fixture(scope="module")
def flagged(door, predictor):
    """The estimator with a flag among its predictors, fitted on draws about the start, and the frame."""
    import conftest

    role, name = predictor
    X = door.X.assign(**{name: np.random.default_rng(0).integers(0, 2, len(door.X))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdfm.sampling.nuts.sample_numpyro", conftest.walk_about_start)
        return door.fit(X, **{role: [name]}), X


@pytest.mark.parametrize("factor", [1 / 20, 100])
def test_prices(door, flagged, factor):
    model, X = flagged
    found = rf"price column 'price' in \d+ of {len(X)} rows, such as .* in row 0 where .* to .* was seen\. "
    far = X.assign(price=factor * X["price"])
    for ask in (model.predict, lambda X: model.score(X, door.y)):
        with pytest.warns(DataWarning, match=f"^Values far outside those of the fit: {found}") as said:
            ask(far)
        assert len(said) == 1


@pytest.mark.parametrize("factor", [0.5, 0.9, 2])
def test_prices_of_usual_scenarios_are_not_far(flagged, factor):
    model, X = flagged
    assert np.isfinite(model.predict(X.assign(price=factor * X["price"]))).all()


def test_a_flag_in_per_cent(flagged, predictor):
    model, X = flagged
    role, name = predictor
    n = int((X[name] * X.get("in_stock", 1)).sum())
    found = rf"{role} column 'flag' in {n} of {len(X)} rows, such as 100 in row \d+ where 0 to 1 was seen"
    with pytest.warns(DataWarning, match=found):
        model.predict(X.assign(**{name: 100 * X[name]}))
    assert np.isfinite(model.predict(X.assign(**{name: 2 * X[name]}))).all()


def test_exposures_of_another_unit(door):
    """Days where the fit had weeks; a quarter of the usual number of stores is no other unit."""
    if "exposure" not in door.make().get_params():
        pytest.skip("no exposure here")
    X = door.X.assign(stores=np.random.default_rng(0).integers(2, 9, len(door.X)))
    model = door.fit(X, exposure="stores", inference="laplace", draws=50)
    with pytest.warns(DataWarning, match=r"exposure column 'stores' in \d+ of .* where 2 to 8 was seen"):
        model.predict(X.assign(stores=7 * X["stores"]))
    assert np.isfinite(model.predict(X.assign(stores=2))).all()


def test_all_in_one_warning(flagged, predictor):
    model, X = flagged
    with pytest.warns(DataWarning, match=r"price column .* was seen; \w+ column 'flag' in") as said:
        model.predict(X.assign(price=X["price"] / 20, flag=100 * X["flag"]))
    assert len(said) == 1


def test_its_remedy(flagged):
    """Cents, back in the unit of the fit."""
    model, X = flagged
    cents = X.assign(price=100 * X["price"])
    with pytest.warns(DataWarning, match="check the units of measure"):
        model.predict(cents)
    np.testing.assert_allclose(model.predict(cents.assign(price=cents["price"] / 100)), model.predict(X))


@UNFITTED
def test_new_products_are_held_against_their_group(door, flagged):
    model, X = flagged
    new = X[door.product] == X[door.product].iloc[0]
    usual = X.loc[X[door.group] == X[door.group].iloc[0], "price"].median()
    X = X.assign(**{door.product: X[door.product].where(~new, "new"), "price": X["price"].mask(new, usual)})
    with pytest.warns(DataWarning) as said:
        model.predict(X)
    assert not any("Values far" in str(warning.message) for warning in said)
    with pytest.warns(DataWarning, match="Values far outside those of the fit: price column"):
        model.predict(X.assign(price=X["price"].mask(new, usual / 50)))


def test_questions_in_scenarios(flagged):
    model, X = flagged
    if not hasattr(model, "counterfactual"):
        pytest.skip("no scenarios in this model")
    with pytest.warns(DataWarning, match="Values far outside those of the fit: price column") as said:
        model.counterfactual(X, {"price": 0.05})
    assert len(said) == 1
    assert isinstance(model.counterfactual(X, {"price": 0.5}), pd.DataFrame)
