"""Wide frames, with a row a choice and columns for each alternative: how to make long ones of them."""

from typing import NamedTuple

import pandas as pd


class WideColumns(NamedTuple):
    """How columns of alternatives are named.

    Attributes
    ----------
    renamed : str
        What makes names of them that begin with what they hold, such as price_a.
    stubs : list of str
        What they hold, such as price.
    separator : str
        What stands between that and the alternative.
    """

    renamed: str
    stubs: list[str]
    separator: str


def wide_columns(X: pd.DataFrame, labels: pd.Index) -> WideColumns | None:
    """The columns of alternatives: price_a, a_price, or a alone; None where there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> wide_columns(pd.DataFrame(columns=["price_a", "price_b", "week"]), pd.Index(["a", "b"]))
    WideColumns(renamed='X', stubs=['price'], separator='_')
    """
    names = [name for name in X.columns if isinstance(name, str)]
    after: dict[str, set] = {}
    before: dict[str, set] = {}
    for label in map(str, labels):
        for name in names:
            for ends, labels_of in ((name.removesuffix(label), after), (name.removeprefix(label), before)):
                if ends not in ("", name):
                    labels_of.setdefault(ends, set()).add(label)
    stubs = [stub for stub, of in after.items() if len(of) > 1 and not stub[-1].isalnum()]
    if stubs:
        return WideColumns("X", [stub[:-1] for stub in stubs], stubs[0][-1])
    stubs = [stub for stub, of in before.items() if len(of) > 1 and not stub[0].isalnum()]
    if stubs:
        separator, held = stubs[0][0], [stub[1:] for stub in stubs]
        items = f"f'{{stub}}{separator}{{label}}' for label in set(y) for stub in {held}"
        return WideColumns(f"X.rename(columns={{f'{{label}}{separator}{{stub}}': {items}}})", held, separator)
    if sum(label in X.columns for label in labels) > 1:
        return WideColumns("X.rename(columns={label: f'price_{label}' for label in set(y)})", ["price"], "_")
    return None
