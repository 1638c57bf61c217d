"""Rows to predict or score, in the codes of a fitted panel of choices.

Array names and axis order: O choice sets, n rows, K covariates; S pairs of category and predictor of the fit.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import Category, CategoryChoices, RowCodes, lay_out
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.parts import refuse_other_alternatives, warn_of_parts
from hdfm.choice.panel.predictors import centred, customer_covariates, predictor_values
from hdfm.choice.panel.read import read_chosen
from hdfm.choice.panel.seen import far_covariates, far_predictors
from hdfm.choice.panel.sets import check_chosen, read_sets
from hdfm.exceptions import DataWarning, warn_caller
from hdfm.frames.columns import examples, plain, positions, sorted_labels
from hdfm.frames.findings import warn_of_far
from hdfm.frames.labels import warn_of_unknown


@dataclass(frozen=True, slots=True)
class EncodedChoices:
    """Choice sets of new data, matched to a fitted panel by label.

    Attributes
    ----------
    choices : tuple of CategoryChoices
        One for each category of the panel, perhaps without a set. Customers, periods and products that
        were not fitted are coded -1.
    unseen : CategoryChoices
        The sets of categories that were not fitted: no intercepts, every product -1.
    unseen_predictor : pandas.Index
        The predictors of ``unseen``: the columns that are a predictor of any fitted category.
    unseen_label : pandas.Index
        Labels of the categories of these sets, one a set.
    choice_set : pandas.Index
        Labels (O,), sorted.
    customer, period : pandas.Index
        Labels of the new customers (N,) and periods (T,), sorted.
    time : numpy.ndarray
        The new periods (T,) on the panel's scale: above 1 after its last.
    covariates : numpy.ndarray
        Covariates (N, K) of the new customers, standardised as the panel's.
    product : pandas.MultiIndex
        (category, product) of the new products.
    set_customer, set_period : numpy.ndarray
        Position (O,) of each set's customer and period among the new ones; -1 where fitted.
    row_product : numpy.ndarray
        Position (n,) of each row's product among the new ones; -1 where fitted.
    n_rows : int
        Rows of the frame.
    """

    choices: tuple[CategoryChoices, ...]
    unseen: CategoryChoices
    unseen_predictor: pd.Index
    unseen_label: pd.Index
    choice_set: pd.Index
    customer: pd.Index
    period: pd.Index
    time: np.ndarray
    covariates: np.ndarray
    product: pd.MultiIndex
    set_customer: np.ndarray
    set_period: np.ndarray
    row_product: np.ndarray
    n_rows: int


def encode_choices(
    frame: pd.DataFrame, panel: ChoicePanel, y: object = None, *, whole: bool = True
) -> EncodedChoices:
    """Rows to predict, or with y to score, in the codes of a fitted panel.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per alternative in a choice set; not changed.
    panel : ChoicePanel
        What the model was fitted to.
    y : array-like of shape (n_rows,), optional
        1 on the chosen row of each set, else 0; without it ``chosen`` is -2 throughout.
    whole : bool
        Whether sets are meant to be whole, so that parts are warned of.

    Raises
    ------
    InvalidDataError
        If the rows can't be read, or y shows that choice sets were cut apart.
    """
    roles = panel.roles
    sets = read_sets(frame, roles, timeline=panel.timeline)
    chosen = None if y is None else read_chosen(y)
    if chosen is not None:
        check_chosen(chosen, sets, roles)
    category = _known(panel.category, sets.category, roles.category, "category")
    unseen = _unseen(panel)
    where = _where(frame, panel, unseen, sets, category)
    centre = np.append(panel.log_price_centre, panel.log_price_centre.mean())[category]
    values = predictor_values(frame, roles, where)
    rows = RowCodes(
        category=category,
        customer=_known(panel.customer, sets.customer, roles.customer, "customer"),
        period=_known(panel.period, sets.period, roles.time, "time"),
        values=centred(values, roles, centre, where),
        chosen=None if chosen is None else chosen.to_numpy(),
    )
    choices = tuple(
        lay_out(panel_category, category == c, sets, rows, roles)
        for c, panel_category in enumerate(panel.categories)
    )
    strangers = lay_out(unseen, category < 0, sets, rows, roles)
    customer, customer_code = _new(sets.customer, rows.customer)
    period, period_code = _new(sets.period, rows.period)
    product, product_code = _new_products(sets, choices, roles)
    _warn_of_unknown(panel, sets, category, rows.customer, product_code)
    covariates = customer_covariates(frame, roles, customer_code, len(customer))
    warn_of_far(
        far_predictors(frame, panel, values, category, choices, where)
        + far_covariates(frame, panel, customer_code >= 0)
    )
    encoded = EncodedChoices(
        choices=choices,
        unseen=strangers,
        unseen_predictor=unseen.predictor,
        unseen_label=pd.Index(sets.category.iloc[sets.first[strangers.choice_set]]),
        choice_set=sets.label,
        customer=customer,
        period=period,
        time=panel.timeline.distance(period) / panel.time_span if len(period) else np.zeros(0),
        covariates=(covariates - panel.covariate_mean) / panel.covariate_sd,
        product=product,
        set_customer=customer_code[sets.first],
        set_period=period_code[sets.first],
        row_product=product_code,
        n_rows=len(frame),
    )
    if chosen is not None and roles.one_of_each:
        refuse_other_alternatives(choices, sets.label, panel)
    if whole and roles.choice_set is not None:
        warn_of_parts(choices, strangers, sets.label, panel)
    return encoded


def _warn_of_unknown(panel, sets, category, customer, product):
    """Warn of labels (n,) that were not fitted: codes of -1, of new products their positions."""
    warn_of_unknown(panel.category, sets.category, category < 0, "category")
    warn_of_unknown(panel.customer, sets.customer, customer < 0, "customer", usual=True)
    if panel.roles.product is not None:
        fitted = pd.Index(
            np.concatenate([panel_category.product for panel_category in panel.categories])
        ).unique()
        is_new = (product >= 0) & (category >= 0)
        elsewhere = is_new & (positions(fitted, sets.product, "product") >= 0)
        _warn_of_elsewhere(panel, sets, elsewhere)
        warn_of_unknown(fitted, sets.product, is_new & ~elsewhere, "product")


def _warn_of_elsewhere(panel, sets, elsewhere):
    """Warn of rows (n,) whose product was fitted in other categories alone."""
    if not elsewhere.any():
        return
    row = int(np.argmax(elsewhere))
    product, category = sets.product.iloc[row], sets.category.iloc[row]
    homes = [
        plain(panel_category.label)
        for panel_category in panel.categories
        if product in panel_category.product
    ]
    warn_caller(
        f"{int(elsewhere.sum()):,} of {len(elsewhere):,} rows have a product that was not fitted in their "
        f"category, but in another, such as {plain(product)!r} in column {sets.product.name!r} with "
        f"{plain(category)!r} in column {sets.category.name!r}, fitted with {examples(homes)}: there it is "
        "new, and gets the population's distribution. If that is a slip, repair one of the columns.",
        DataWarning,
    )


def _known(labels, column, name, role):
    """Positions (n,) among fitted labels; zeros where the model has no such column."""
    return np.zeros(len(column), dtype=int) if name is None else positions(labels, column, role)


def _unseen(panel):
    """The category of labels that were not fitted: the columns that others have as predictors."""
    columns = np.unique(
        np.concatenate([category.column[category.column >= 0] for category in panel.categories])
    )
    names = [panel.roles.predictors[k] for k in columns]
    return Category(
        label=None,
        product=pd.Index([], dtype=object),
        reference=None,
        predictor=pd.Index(names, name="predictor", dtype=object),
        intercept_of=np.full(len(columns), -1),
        column=columns,
        coefficient=slice(0, 0),
    )


def _where(frame, panel, unseen, sets, category):
    """True (n, K) where a price or feature is a predictor of an available alternative."""
    used = np.zeros((len(panel.categories) + 1, len(panel.roles.predictors)), dtype=bool)
    for c, panel_category in enumerate((*panel.categories, unseen)):
        used[c, panel_category.column[panel_category.column >= 0]] = True
    where = used[category] & sets.available[:, None]
    present = frame[list(panel.roles.predictors)].notna().to_numpy(dtype=bool)
    return where & (present | (category >= 0)[:, None])


def _new(labels, code):
    """The distinct labels that were not fitted, and the position (n,) of each row's among them."""
    new_labels = sorted_labels(labels[code < 0])
    return new_labels, np.where(code < 0, new_labels.get_indexer(pd.Index(labels)), -1)


def _new_products(sets, choices, roles):
    """(category, product) pairs that were not fitted, and the position (n,) of each row's among them."""
    is_new = np.full(len(sets.code), roles.product is not None)
    for category_sets in choices:
        is_new[category_sets.row[category_sets.row >= 0]] &= category_sets.product[category_sets.row >= 0] < 0
    columns = [column[is_new] for column in (sets.category, sets.product)]
    labels = [sorted_labels(column) for column in columns]
    category, product = (
        index.get_indexer(pd.Index(column)) for index, column in zip(labels, columns, strict=True)
    )
    code, pair = pd.factorize(category * len(labels[1]) + product, sort=True)
    out = np.full(len(is_new), -1)
    out[is_new] = code
    positions_of_pairs = np.divmod(pair, max(len(labels[1]), 1))
    distinct = pd.MultiIndex.from_arrays(
        [index[k] for index, k in zip(labels, positions_of_pairs, strict=True)],
        names=[index.name for index in labels],
    )
    return distinct, out
