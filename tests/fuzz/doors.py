"""Both models without an engine: what stands between a caller's frames and the fit, and the predictions."""

import re
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.exceptions import DataConversionWarning, NotFittedError

import hdfm.exceptions
from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.choice.panel.report import choice_findings
from hdfm.exceptions import HdfmError
from hdfm.frames.findings import findings_said, findings_table
from hdfm.sales.panel.report import sales_report

OF_HDFM = tuple(
    kind for kind in vars(hdfm.exceptions).values() if isinstance(kind, type) and issubclass(kind, Warning)
)
ALLOWED = (*OF_HDFM, DataConversionWarning)  # which scikit-learn asks for where y is a column
OF_SKLEARN = str(Path(sklearn.__file__).parent)
ON_SHAPE = re.compile(
    r"feature|sample|1d array|2D array|y cannot be None|Unknown label type|Number of labels|scalar|dim|shape"
)
FEWEST_WORDS = 4
EXACT = 2**53


class Refused(Exception):
    """A frame was refused in hdfm's own words, or in scikit-learn's on shape."""


@dataclass(frozen=True)
class Door:
    """A model up to its engine.

    ``fit`` and ``encode`` give what each row (n,) of a frame became: a table of numbers.
    """

    make: type

    def fit(self, arguments, X, y):
        """A model that knows the panel, and the table."""
        with no_other_words():
            model = self.make(**arguments)
            panel, spec, *_ = model._panel(X, y)
            model.panel_, model.spec_, model.idata_ = panel, spec, None
            return model, self.facts(panel), self.findings(panel, spec)

    def encode(self, model, X):
        with no_other_words():
            return self.rows(model, X)


@contextmanager
def no_other_words():
    """Warnings are hdfm's own, and so are errors, which become :class:`Refused`."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            yield
        except (HdfmError, NotFittedError) as error:
            if len(str(error).split()) < FEWEST_WORDS:
                raise AssertionError("an error without a message") from error
            raise Refused(str(error)) from error
        except (TypeError, ValueError) as error:
            origin = traceback.extract_tb(error.__traceback__)[-1].filename
            if not (origin.startswith(OF_SKLEARN) and ON_SHAPE.search(str(error))):
                raise
            raise Refused(str(error)) from error
    for warning in heard:
        assert issubclass(warning.category, ALLOWED), f"{warning.category.__name__}: {warning.message}"


def written(labels):
    """Labels (n,) as text, numbers of any type in one form."""
    return np.array([_text(label) for label in labels], dtype=object)


def _text(label):
    if isinstance(label, tuple):
        return ", ".join(map(_text, label))
    exact = isinstance(label, Real | Decimal) and abs(label) < EXACT
    return str(float(label)) if exact else str(label)


class SalesDoor(Door):
    """The sales model."""

    def facts(self, panel):
        i, t = np.nonzero(panel.observed)
        i, t = i[panel.cell], t[panel.cell]
        facts = {
            "units": panel.units[i, t],
            "time": panel.timeline.steps[t],
            "label product": written(panel.product)[i],
            "label block": written(panel.blocks)[panel.block[i]],
            "log_price": panel.log_price[i, t],
            "price_level": panel.price_level[i],
            "last_price": np.log(panel.last_price[i]),
            "price_changes": panel.n_price_changes[i],
            "log_exposure": panel.log_exposure[i, t],
        }
        for k, level in enumerate(panel.levels):
            facts[f"label {level.name}"] = written(level.labels)[panel.group_at(k)[i]]
        assert panel.coords
        return pd.DataFrame(facts | _controls(panel, panel.controls[:, i, t]))

    def findings(self, panel, spec):
        findings = self.make()._findings(panel, spec)
        return sales_report(panel, findings)["count"].to_list(), len(findings_said(findings))

    def rows(self, model, X):
        panel, rows = model.panel_, model._rows(X)
        facts = {
            "known": rows.product >= 0,
            "label product": written(rows.label),
            "level": np.where(rows.product >= 0, panel.price_level[rows.product], 0.0),
            "log_price": rows.log_price,
            "log_reference": rows.log_reference,
            "log_exposure": rows.log_exposure,
        }
        if panel.roles.time is not None:  # else periods are running numbers
            facts |= {"time": rows.time, "period": rows.period}
        for level, group in zip(panel.levels, rows.groups, strict=True):
            facts[f"label {level.name}"] = written([*level.labels, "new"])[group]
        return pd.DataFrame(facts | _controls(panel, rows.controls))

    def in_currency(self, facts, arguments, factor):
        moved = {name: facts[name] + np.log(factor) for name in ("price_level", "last_price")}
        return facts.assign(**moved)


def _controls(panel, values):
    return {f"control {name}": column for name, column in zip(panel.roles.controls, values, strict=True)}


class ChoiceDoor(Door):
    """The choice model."""

    def facts(self, panel):
        table, at = table_of_sets(panel, panel.choices, panel.categories)
        covariates = {f"covariate {k}": column for k, column in enumerate(panel.covariates[at["customer"]].T)}
        assert panel.coords
        assert np.isfinite(panel.coefficient_scale).all()
        table = table.assign(time=panel.time[at["period"]], **covariates)
        if panel.roles.choice_set is None:  # else every row is one
            return table
        return table.assign(**{"label set": written(panel.choice_set)[at["set"]]})

    def findings(self, panel, spec):
        return findings_table(choice_findings(panel))["count"].to_list(), len(
            findings_said(choice_findings(panel))
        )

    def rows(self, model, X):
        panel, encoded = model.panel_, model._encoded(X)
        unseen = replace(
            panel.categories[0], label=None, product=pd.Index([]), predictor=encoded.unseen_predictor
        )
        unseen = replace(unseen, intercept_of=np.full(len(unseen.predictor), -1))
        choices = (*encoded.choices, encoded.unseen)
        table, at = table_of_sets(panel, choices, (*panel.categories, unseen))
        customer, period = encoded.set_customer[at["set"]], encoded.set_period[at["set"]]
        new_time, new_covariates = (
            np.append(encoded.time, 0.0),
            np.vstack([encoded.covariates, panel.covariates[:1]]),
        )
        new = {
            "label set": written(encoded.choice_set)[at["set"]],
            "label new customer": written([*encoded.customer, ""])[customer],
            "label new product": written([*encoded.product, ""])[encoded.row_product],
            "time": np.where(period >= 0, new_time[period], panel.time[at["period"]]),
        }
        new |= {
            f"covariate {k}": column
            for k, column in enumerate((new_covariates[customer] * (customer >= 0)[:, None]).T)
        }
        if panel.roles.choice_set is None:
            del new["label set"]
        return table.drop(columns="chosen").assign(**new)

    def in_currency(self, facts, arguments, factor):
        name = f"x {arguments['price']}"
        if name not in facts or (arguments["price_transform"] == "log" and _outside(arguments)):
            return facts  # left out, or less its mean
        if arguments["price_transform"] == "linear":
            return facts.assign(**{name: facts[name] * factor})
        return facts.assign(**{name: facts[name] + np.log(factor) * facts["available"]})


def _outside(arguments):
    return arguments["outside_option"] or "choice_set" not in arguments


def table_of_sets(panel, choices, categories):
    """What each row (n,) is in the arrays of choice sets, and its positions there.

    A predictor is missing where a category does not have it.
    """
    tables, positions = [], []
    for each, category in zip(choices, categories, strict=True):
        o, j = np.nonzero(each.row >= 0)
        dummies = np.flatnonzero(category.intercept_of >= 0)
        intercept = written([*(category.product[category.intercept_of[dummies]]), ""])
        x = each.x[o, j]
        hot = np.hstack([x[:, dummies], np.ones((len(x), 1))]).argmax(axis=1)
        table = {
            "row": each.row[o, j],
            "label category": str(category.label),
            "label customer": written([*panel.customer, "new"])[each.customer[o]],
            "label product": written([*category.product, "new"])[each.product[o, j]],
            "label intercept": intercept[hot],
            "available": each.mask[o, j],
            "chosen": each.chosen[o] == j,
        }
        columns = np.flatnonzero(category.intercept_of < 0)
        tables.append(pd.DataFrame(table | {f"x {category.predictor[k]}": x[:, k] for k in columns}))
        positions.append({"set": each.choice_set[o], "customer": each.customer[o], "period": each.period[o]})
    table = pd.concat(tables, ignore_index=True)
    order = np.argsort(table["row"].to_numpy())
    at = {name: np.concatenate([each[name] for each in positions])[order] for name in positions[0]}
    return table.iloc[order].drop(columns="row").reset_index(drop=True), at


SALES, CHOICES = SalesDoor(HierarchicalElasticity), ChoiceDoor(DynamicFactorChoiceModel)
