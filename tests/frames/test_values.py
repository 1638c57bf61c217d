"""Values that are no numbers or not there, at both doors: what is said, and what following it does."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import numeric_column
from hdfm.frames.read import in_pandas
from hdfm.frames.texts import number_remedy

FEW = 4  # rows


def predictor(door, values):
    """The frame with a predictor of these values, and the argument that names it."""
    role = "features" if "choice_set" in door.labels else "controls"
    return door.X.assign(strength=values), role


def some_missing(values):
    """Values of which the first few are masked, or missing, in several ways."""
    hidden = np.arange(len(values)) < FEW
    numbers = pd.Series(values.to_numpy(), values.index)
    return {
        "masked": np.ma.masked_array(values.to_numpy(), hidden),
        "Int64": numbers.astype("Int64").mask(hidden),
        "arrow": numbers.astype("int64[pyarrow]").mask(hidden),
        "NA": numbers.astype(object).mask(hidden, pd.NA),
        "list": [None if gone else value for gone, value in zip(hidden, values, strict=True)],
    }


@pytest.mark.parametrize("kind", ["masked", "Int64", "arrow", "NA", "list"])
def test_outcomes_that_are_masked_or_missing(door, fitted_door, kind):
    y = some_missing(door.y)[kind]
    found = f"has missing values in {FEW} of {len(door.X)} rows, such as .* in row 0. Drop these rows or fill"
    for ask in (door.build, fitted_door.score):
        with pytest.raises(InvalidDataError, match=found):
            ask(door.X, y)


def test_masked_arrays_without_roles(door):
    X, y = door.X[["price"]].to_numpy(), (door.y > 0).to_numpy().astype(int)
    hidden = np.arange(len(X)) < FEW
    for frame, outcome, name in (
        (np.ma.masked_array(X, hidden[:, None]), y, "X"),
        (X, np.ma.masked_array(y, hidden), "y"),
    ):
        with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
            type(door.make())(progressbar=False).fit(frame, outcome)


def test_masked_arrays_are_arrays_with_gaps():
    whole = in_pandas(np.ma.masked_array([1, 2], [False, False]))
    assert type(whole) is np.ndarray
    assert whole.tolist() == [1, 2]
    np.testing.assert_array_equal(in_pandas(np.ma.masked_array([1, 2], [False, True])), [1.0, np.nan])
    assert pd.isna(in_pandas(np.ma.masked_array(["a", "b"], [True, False]))).tolist() == [True, False]


def test_nothing_masked_fits(mock_sampling, door):
    expected = door.fit().predict(door.X)
    np.testing.assert_array_equal(door.fit(y=np.ma.masked_array(door.y)).predict(door.X), expected)


@pytest.mark.parametrize("wrap", [str, lambda name: [name]], ids=["text", "list"])
def test_the_name_of_a_column_in_place_of_y(mock_sampling, door, fitted_door, wrap):
    for ask in (door.build, fitted_door.score):
        with pytest.raises(InvalidDataError, match=r"^y is .*, the name of a column of X: pass") as caught:
            ask(door.X, wrap(door.y.name))
    y = eval(re.search(r"pass the column itself, y=(.*)\.$", str(caught.value))[1], {"X": door.X})
    assert np.isfinite(door.fit(y=y).predict(door.X)).all()
    with pytest.raises(InvalidDataError, match=r"y is the text 'sold'; it is one value .*columns of X are"):
        door.build(door.X, "sold")
    with pytest.raises(InvalidDataError, match="sample_weight is 'price', the name of a column of X"):
        fitted_door.score(door.X, door.y, sample_weight="price")


def test_the_name_of_a_column_without_roles(door):
    with pytest.raises(InvalidDataError, match=r"y=X\['price'\]"):
        type(door.make())().fit(door.X[["price"]], "price")


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_predictors_that_are_words(mock_sampling, door, dtype):
    words = np.resize(["none", "some", "much", "some", "none"], len(door.X))
    X, role = predictor(door, pd.Series(words, door.X.index, dtype=dtype))
    found = (
        rf"{role} column 'strength' holds text in {len(X)} of {len(X)} rows, such as 'none' in row 0\. Make"
    )
    with pytest.raises(InvalidDataError, match=found) as caught:
        door.build(X, **{role: "strength"})
    call, names = re.search(rf": X = (.*), {role}=(\[.*\])\.$", str(caught.value)).groups()
    repaired = eval(call, {"X": X, "pandas": pd})
    assert eval(names) == ["strength_none", "strength_some"]
    model = door.fit(repaired, **{role: eval(names)})
    assert np.isfinite(model.predict(repaired)).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda price: price.astype(str),
        lambda price: price.astype(str).astype("category"),
        lambda price: price.map("{:.2f}".format).str.replace(".", ","),
        lambda price: (1000 * price).map("{:,.2f}".format),
        lambda price: price.map("${:.2f}".format),
        lambda price: price.map("{:.2f} EUR".format),
    ],
    ids=["text", "category", "decimal comma", "thousands", "dollars", "unit"],
)
def test_prices_that_are_text(mock_sampling, door, spoil):
    X = door.X.assign(price=spoil(door.X["price"]))
    with pytest.raises(InvalidDataError, match=r"price column 'price' holds text in .*Convert it") as caught:
        door.build(X)
    call = re.search(r"Convert it with (.*)\.$", str(caught.value))[1]
    X = X.assign(price=eval(call, {"X": X, "pandas": pd}))
    assert np.isfinite(door.fit(X).predict(X)).all()


def test_a_price_that_is_a_word(mock_sampling, door):
    X = door.X.assign(price=door.X["price"].astype(object).where(door.X.index > 0, "n/a"))
    with pytest.raises(InvalidDataError, match=r"in 1 of .* such as 'n/a' in row 0\. Convert it") as caught:
        door.build(X)
    call = re.search(r"Convert it with (.*), which makes text .* missing, and fill", str(caught.value))[1]
    price = eval(call, {"X": X, "pandas": pd})
    assert price.isna().sum() == 1
    assert door.fit(X.assign(price=price.bfill())) is not None


@pytest.mark.parametrize(
    ("column", "role", "remedy"),
    [
        (pd.Series(["yes", "no"], name="in_stock"), "availability", "(X['in_stock'] == 'yes').astype(int)"),
        (pd.Series(["out", "there"], name="there"), "availability", "(X['there'] == 'there').astype(int)"),
        (pd.Series(["Y", "N"], name="bought"), "chosen", "(y == 'Y').astype(int)"),
        (pd.Series(["1,234", "5,678"]), "units", "pandas.to_numeric(y, errors='coerce')"),
        (pd.Series(["3", "4"]), "sample_weight", "pandas.to_numeric(sample_weight)"),
    ],
)
def test_other_remedies(column, role, remedy):
    assert f"Convert it with {remedy}" in number_remedy(column, role)


def test_a_word_that_is_in_every_row():
    column = pd.Series(["chain", "chain"], name="format")
    with pytest.raises(InvalidDataError, match="It is 'chain' in every row, and tells nothing: leave it out"):
        numeric_column(column, "controls")


def test_many_words_are_not_all_named():
    column = pd.Series([f"w{k}" for k in range(10, 30)], name="format")
    assert number_remedy(column, "controls").endswith("'format_w15'] and so on, 19 in all.")


def test_an_array_after_a_transformer(mock_sampling, door):
    """Names are kept, or given again: both as the message says."""
    model, columns = door.make(), list(door.X.columns)
    with pytest.raises(InvalidDataError, match="X is a ndarray, but roles are column names") as caught:
        make_pipeline(FunctionTransformer(np.asarray), model).fit(door.X, door.y)
    call = re.search(r"with sklearn\.preprocessing\.(FunctionTransformer\(.*\))\.$", str(caught.value))[1]
    again = eval(call.replace("[...]", "columns"), globals() | {"pandas": pd, "columns": columns})
    pipeline = make_pipeline(FunctionTransformer(np.asarray), again, model).fit(door.X, door.y)
    np.testing.assert_array_equal(pipeline.predict(door.X), door.fit().predict(door.X))


def test_a_transformer_that_renames(mock_sampling, door):
    """Followed from one message to the next, a column transformer fits."""
    scale = ColumnTransformer([("scaled", StandardScaler(), [])], remainder="passthrough")
    pipeline = make_pipeline(scale, door.make())
    with pytest.raises(InvalidDataError, match=r"set_output\(transform=\"pandas\"\)"):
        pipeline.fit(door.X, door.y)
    pipeline.set_output(transform="pandas")
    with pytest.raises(InvalidDataError, match=r"no column for .*verbose_feature_names_out=False\) keeps"):
        pipeline.fit(door.X, door.y)
    scale.set_params(verbose_feature_names_out=False)
    np.testing.assert_array_equal(pipeline.fit(door.X, door.y).predict(door.X), door.fit().predict(door.X))


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_prices_that_are_none(mock_sampling, door, factor):
    """One price a millionth of a millionth of the others; a thousandth of them is a spike, and fits."""
    usual = door.X["price"].iloc[0]
    X = door.X.assign(price=door.X["price"].where(door.X.index > 0, factor * usual))
    found = (
        rf"price column 'price' has values that are 1e\+08 times .* in 1 of {len(X)} rows, such as .* row 0"
    )
    with pytest.raises(InvalidDataError, match=found):
        door.build(X)
    spike = door.X.assign(price=door.X["price"].where(door.X.index > 0, usual / 1000))
    assert door.build(spike) is not None
