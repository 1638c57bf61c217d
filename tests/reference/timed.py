"""Both models on small frames with weeks in a column of time, and the kinds of column that can hold them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
from conftest import CHOICE_ROLES, NO_PATHS, ROLES

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import simulate_choices, simulate_sales

MONDAYS = pd.Series(pd.date_range("2024-10-07", periods=30, freq="7D"))  # over the turn of a year
WEEKS = 16
FITTED = [2, 3, 4, 5, 7, 8, 10, 11, 12, 13]
INSIDE, BEFORE, AFTER = [6, 9], [0, 1], [14, 15]
QUICK = {"draws": 8, "tune": 5, "chains": 2, "progressbar": False}


def of_dates(convert):
    """A function of weeks, as numbers, from one of their Mondays."""
    return lambda week: convert(MONDAYS).iloc[week.to_numpy()].set_axis(week.index)


def as_dictionary(column):
    """An Arrow dictionary of time stamps."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(column).dictionary_encode()))


def as_categories(week):
    """An ordered categorical with names for all weeks."""
    return pd.Series(
        pd.Categorical.from_codes(week, [f"week {k + 1}" for k in range(30)], ordered=True), week.index
    )


PLAIN = {
    "int": lambda week: week,
    "float": lambda week: week + 0.0,
    "Int64": lambda week: week.astype("Int64"),
    "Decimal": lambda week: week.map(lambda k: Decimal(int(k))).astype(object),
    "Arrow decimal": lambda week: week.astype(pd.ArrowDtype(pa.decimal128(25, 2))),
    "datetime64": of_dates(lambda dates: dates),
    "zoned": of_dates(lambda dates: dates.dt.tz_localize("Europe/Berlin")),
    "date": of_dates(lambda dates: dates.dt.date),
    "Arrow timestamp": of_dates(lambda dates: dates.astype(pd.ArrowDtype(pa.timestamp("us")))),
    "Arrow date": of_dates(lambda dates: dates.astype(pd.ArrowDtype(pa.date32()))),
    "Arrow dictionary": of_dates(as_dictionary),
    "timedelta": of_dates(lambda dates: dates - dates[0]),
    "Period": of_dates(lambda dates: dates.dt.to_period("W-WED")),
    "ISO text": of_dates(lambda dates: dates.dt.strftime("%G-W%V")),
    "categories of dates": of_dates(lambda dates: pd.Series(pd.Categorical(dates, dates, ordered=True))),
    "ordered categorical": as_categories,
}
CODED = {
    "YYYYWW": of_dates(lambda dates: dates.dt.strftime("%G%V").astype(int)),
    "YYYYMMDD": of_dates(lambda dates: dates.dt.strftime("%Y%m%d").astype(int)),
}
KINDS = PLAIN | CODED


class Sales:
    """The sales model."""

    time = "time_period"
    frame = simulate_sales(6, 2, WEEKS, seed=3)
    y = frame["units_sold"]
    week = frame[time]
    observation = np.arange(len(frame))
    sampler = "hdfm.sales.sampling.sample_demand"

    @staticmethod
    def model():
        return HierarchicalElasticity(**ROLES, **NO_PATHS, **QUICK)

    @staticmethod
    def answers(model, X):
        return model.predict(X)


class Choices:
    """The choice model."""

    time = "week"
    frame = simulate_choices(6, 1, WEEKS, n_factors=1, alternatives=3, sets_per_customer=16, seed=1)[0]
    observation = pd.factorize(frame["choice_set"])[0]
    frame["week"] = observation % WEEKS
    y = frame["chosen"]
    week = frame[time]
    sampler = "hdfm.choice.sampling.sample_choices"

    @staticmethod
    def model():
        return DynamicFactorChoiceModel(1, **CHOICE_ROLES, **QUICK)

    @staticmethod
    def answers(model, X):
        return model.predict_proba(X)[:, 1]


MODELS = {"sales": Sales, "choices": Choices}


def with_weeks(data, kind):
    """The frame with weeks of a kind."""
    return data.frame.assign(**{data.time: KINDS[kind](data.week)})


def fit(data, kind):
    """A fit on some of the weeks."""
    X = with_weeks(data, kind)
    fitted = np.isin(data.week, FITTED)
    return data.model().fit(X[fitted], data.y[fitted])
