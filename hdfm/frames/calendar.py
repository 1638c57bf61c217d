"""Periods that are written as codes: integers such as 202405, and ISO weeks as text."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

YEARS = (1900, 2100)
DAYS_OF_A_WEEK = 7
WEEKS = 52  # of a year that has no 53rd
ISO_WEEK = r"(\d{4})-?W(\d{2})"


@dataclass(frozen=True, slots=True)
class YearCode:
    """Integers that hold a year and a part of it.

    Attributes
    ----------
    form, part : str
        How the code is written, and what its last digits count.
    digits : int
        How many digits the part has.
    position : callable
        Time of a year and a part, in parts; None where there is no such part.
    remedy : str
        A call that turns a column X[...] of codes into dates or periods.
    """

    form: str
    part: str
    digits: int
    position: Callable[[int, int], float | None]
    remedy: str

    def positions(self, codes: np.ndarray) -> np.ndarray:
        """Times (n,) of codes (n,), missing where a number is no such code."""
        out = np.full(len(codes), np.nan)
        whole = np.isfinite(codes) & (codes == np.round(codes)) & (np.abs(codes) < 1e9)
        for k in np.flatnonzero(whole):
            year, part = divmod(int(codes[k]), 10**self.digits)
            if YEARS[0] <= year <= YEARS[1]:
                position = self.position(year, part)
                out[k] = np.nan if position is None else position
        return out


def _day(year, part):
    try:
        return date(year, *divmod(part, 100)).toordinal()
    except ValueError:
        return None


def _month(year, part):
    return 12 * year + part - 1 if 1 <= part <= 12 else None


def _week(year, part):
    """Weeks since Monday, 1 January of the year 1; a 53rd where ISO has none is the rest of the 52nd."""
    if not 1 <= part <= WEEKS + 1:
        return None
    first = (date.fromisocalendar(year, 1, 1).toordinal() - 1) // DAYS_OF_A_WEEK
    following = (date.fromisocalendar(year + 1, 1, 1).toordinal() - 1) // DAYS_OF_A_WEEK
    if part > WEEKS and following - first == WEEKS:
        return following - 0.5
    return first + part - 1


# The first that all periods of a fit are is taken: 202401 to 202412 are months.
_ISO_MONDAY = "pandas.to_datetime({column}.astype(int).astype(str) + '1', format='%G%V%u')"
YEAR_CODES = (
    YearCode("YYYYMMDD", "day", 4, _day, "pandas.to_datetime({column}.astype(int).astype(str))"),
    YearCode("YYYYMM", "month", 2, _month, "pandas.PeriodIndex({column}.astype(int).astype(str), freq='M')"),
    YearCode(
        "YYYYWW",
        "week",
        2,
        _week,
        "pandas.to_datetime({column}.astype(int).astype(str) + '1', format='%G%V%u')",
    ),
)


def year_code(periods: pd.Index) -> YearCode | None:
    """The code that all periods are written in; None for plain numbers."""
    values = periods.to_numpy(dtype=float)
    for code in YEAR_CODES:
        for some in (values[:1], values):  # most numbers are no code, as their first shows
            if not len(some) or np.isnan(code.positions(some)).any():
                break
        else:
            return code
    return None


def iso_weeks(texts: pd.Index) -> pd.DatetimeIndex | None:
    """The Mondays of ISO weeks such as "2024-W05"; None unless all texts (n,) are such weeks."""
    parts = texts.str.extract(rf"^\s*{ISO_WEEK}\s*$")
    if not len(texts) or parts.isna().any(axis=None):
        return None
    mondays = pd.to_datetime(parts[0] + parts[1] + "1", format="%G%V%u", errors="coerce")
    return None if mondays.isna().any() else pd.DatetimeIndex(mondays, name=texts.name)
