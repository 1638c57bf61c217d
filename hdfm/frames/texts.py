"""Text where numbers are meant: what turns it into numbers."""

from collections.abc import Callable

import pandas as pd

OUTSIDE_X = {
    "units": "y",
    "chosen": "y",
    "sample_weight": "sample_weight",
    "cost": "pandas.Series(cost)",
}
FLAGS, CATEGORIES = ("availability", "chosen"), ("controls", "features", "customer_covariates")
YES, NO = ("yes", "y", "true", "t", "1", "ja", "oui"), ("no", "n", "false", "f", "0", "nein", "non")
NUMBER = r"(-?\d+\.?\d*)"
MOST_NAMED = 5


def number_remedy(column: pd.Series, role: str) -> str:
    """A sentence with the first conversion that makes numbers of a column with text: each is tried.

    Examples
    --------
    >>> import pandas as pd
    >>> number_remedy(pd.Series(["1.5", "2"], name="price"), "price")
    "Convert it with pandas.to_numeric(X['price'])."
    >>> number_remedy(pd.Series(["yes", "no"], name="in_stock"), "availability")
    "Convert it with (X['in_stock'] == 'yes').astype(int)."
    """
    name = OUTSIDE_X.get(role, f"X[{column.name!r}]")
    for text, convert in _CONVERSIONS.items():
        try:
            numbers = convert(column)
        except (TypeError, ValueError, AttributeError):
            continue
        if numbers is not None and numbers.notna().equals(column.notna()):
            return f"Convert it with {text.format(name)}."
    values = pd.Series(column.dropna().astype(object).unique())
    if pd.to_numeric(values.astype(str), errors="coerce").isna().all():
        if role in FLAGS and len(values) == 2:
            return f"Convert it with ({name} == {_yes(values)!r}).astype(int)."
        if role in CATEGORIES:
            return _dummies(column.name, sorted(values.astype(str)), role)
    return (
        f"Convert it with pandas.to_numeric({name}, errors='coerce'), which makes text that is no number "
        "missing, and fill that in or drop these rows."
    )


def yes_of(labels: pd.Index) -> object | None:
    """The one that means yes, where labels are two words for yes and no."""
    label_of = {str(label).strip().casefold(): label for label in labels}
    yes, no = ([label_of[word] for word in label_of if word in words] for words in (YES, NO))
    return yes[0] if len(labels) == len(yes) + len(no) == 2 and yes and no else None


def _yes(values):
    """The one of two texts that means yes, else the last."""
    yeses = [value for value in values if str(value).strip().casefold() in YES]
    return yeses[0] if yeses else sorted(values, key=str)[-1]


def _dummies(name, labels, role):
    if len(labels) == 1:
        return f"It is {labels[0]!r} in every row, and tells nothing: leave it out."
    dummies = [f"{name}_{label}" for label in labels[1 : MOST_NAMED + 1]]
    ending = "" if len(labels) <= MOST_NAMED + 1 else f" and so on, {len(labels) - 1:,} in all"
    return (
        f"Make columns of 0 and 1 of its {len(labels):,} values and name them: X = pandas.get_dummies(X, "
        f"columns=[{name!r}], drop_first=True, dtype=float), {role}={dummies}{ending}."
    )


def _without_commas(column):
    """Numbers whose thousands are marked by commas."""
    texts = column.astype(str)
    return pd.to_numeric(texts.str.replace(",", "")) if texts.str.contains(r",\d{3}\.").any() else None


def _with_decimal_commas(column):
    texts = column.astype(str)
    if texts.str.contains(".", regex=False).any() or not texts.str.contains(r",(?!\d{3}$)").any():
        return None  # 1,234 may be either
    return pd.to_numeric(texts.str.replace(",", "."))


def _only_numbers(column):
    """The one number in each text, such as that of "$1.99"."""
    texts = column.astype(str)
    leads = texts.str.match(rf"^\W*{NUMBER}").all()  # w10 is a name
    if not leads or (texts.str.count(NUMBER) != 1).any() or not column.notna().all():
        return None
    return texts.str.extract(NUMBER, expand=False).astype(float)


_CONVERSIONS: dict[str, Callable[[pd.Series], pd.Series | None]] = {
    "pandas.to_numeric({})": pd.to_numeric,
    "pandas.to_numeric({}.astype(str).str.replace(',', ''))": _without_commas,
    "pandas.to_numeric({}.astype(str).str.replace(',', '.'))": _with_decimal_commas,
    f"{{}}.astype(str).str.extract(r'{NUMBER}', expand=False).astype(float)": _only_numbers,
}
