"""Periods that are written as codes: integers such as 202405, and ISO weeks as text."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

YEARS = (1900, 2100)
DAYS_OF_A_WEEK = 7
WEEKS = 52  # of a year that has no 53rd
FEWEST_TURNING, LARGEST_TURNING = 4, 2_101_000
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
        A call that turns a column of codes into dates or periods.
    written : str
        The form of codes that dates can be turned into; empty where there is none.
    several_years : bool
        Whether numbers of one year alone are taken for plain ones.
    """

    form: str
    part: str
    digits: int
    position: Callable[[int, int], float | None]
    remedy: str
    written: str = ""
    several_years: bool = False

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
    start = (date.fromisocalendar(year, 1, 1).toordinal() - 1) // DAYS_OF_A_WEEK
    end = (date.fromisocalendar(year + 1, 1, 1).toordinal() - 1) // DAYS_OF_A_WEEK
    if part > WEEKS and end - start == WEEKS:
        return end - 0.5
    return start + part - 1


def _quarter(year, part):
    return 4 * year + part - 1 if 1 <= part <= 4 else None


_TEXT = "{column}.astype(int).astype(str)"
ISO_MONDAY = f"pandas.to_datetime({_TEXT} + '1', format='%G%V%u')"
# The first that all periods of a fit are is taken: 202401 to 202412 are months.
DAY = YearCode(
    *("YYYYMMDD", "day", 4, _day),
    remedy=f"pandas.to_datetime({_TEXT})",
    written="%Y%m%d",
)
MONTH = YearCode(
    *("YYYYMM", "month", 2, _month),
    remedy=f"pandas.PeriodIndex({_TEXT}, freq='M')",
    written="%Y%m",
)
WEEK = YearCode("YYYYWW", "week", 2, _week, remedy=ISO_MONDAY, written="%G%V")
QUARTER = YearCode(
    *("YYYYQ", "quarter", 1, _quarter),
    remedy=(
        "pandas.PeriodIndex.from_fields("
        "year={column}.astype(int) // 10, quarter={column}.astype(int) % 10, freq='Q')"
    ),
    several_years=True,
)
YEAR_CODES = (DAY, MONTH, WEEK, QUARTER)


# Letters, name, and the fewest and most of them in a year.
PARTS = (("Q", "quarter", 4, 4), ("MM", "month", 12, 12), ("WW", "week", 51, 53), ("DDD", "day", 365, 366))


@dataclass(frozen=True, slots=True)
class YearTurns:
    """Numbers that look like a year and a part of it.

    Attributes
    ----------
    form, part : str
        How they seem to be written, and what the last digits seem to count.
    digits : int
        How many digits the part has.
    century : int
        What to add to years of two digits.
    length : int
        Parts in a year.
    turn : int
        Position of the last number before a year turns.
    """

    form: str
    part: str
    digits: int
    century: int
    length: int
    turn: int


def year_code(periods: pd.Index) -> YearCode | None:
    """The code that all periods are written in; None for plain numbers."""
    values = periods.to_numpy(dtype=float)
    for code in YEAR_CODES:
        for sample in (values[:1], values):  # most numbers are no code, as their first shows
            if not len(sample) or np.isnan(code.positions(sample)).any():
                break
        else:
            if not code.several_years or len(np.unique(values // 10**code.digits)) > 1:
                return code
    return None


def weeks_of_their_own(periods: pd.Index) -> list[int]:
    """Codes YYYYWW of a 53rd week in years that have none in ISO's calendar."""
    values = [int(value) for value in periods if int(value) % 100 > WEEKS]
    return [value for value in values if WEEK.positions(np.array([float(value)]))[0] % 1]


def year_turns(periods: pd.Index) -> YearTurns | None:
    """How numbers that are no known code look like a year and a part of it; None if they don't.

    They do where neighbours are 1 apart within a year, and jump from the last part of one to the first of
    the next.

    Examples
    --------
    >>> import pandas as pd
    >>> year_turns(pd.Index([2350, 2351, 2352, 2401, 2402])).form
    'YYWW'
    >>> year_turns(pd.Index([48, 49, 50, 51, 52]))
    """
    values = periods.to_numpy(dtype=float)
    if len(values) < FEWEST_TURNING or values[0] < 0 or values[-1] >= LARGEST_TURNING:
        return None
    if (values != np.round(values)).any():
        return None
    for digits in (1, 2, 3):
        year, part = np.divmod(values.astype(int), 10**digits)
        turn, within = np.flatnonzero(np.diff(year)), np.diff(part)[np.diff(year) == 0]
        years = 4 if YEARS[0] <= year[0] <= year[-1] <= YEARS[1] else 2
        if not len(turn) or not len(within) or (years == 2 and year[-1] > 99):
            continue
        if np.median(within) != 1 or (np.diff(year) > 1).any():
            continue
        form = _part_of_a_year(digits, part[turn], part[turn + 1], part.max())
        if form is not None:
            return YearTurns(
                form="Y" * years + form[0],
                part=form[1],
                digits=digits,
                century=0 if years == 4 else 2000,
                length=int(part[turn].max() - part[turn + 1].min() + 1),
                turn=int(turn[0]),
            )
    return None


def _part_of_a_year(digits, last, first, largest):
    """Letters and name of what jumps from ``last`` (J,) to ``first`` (J,) where years turn, if anything."""
    for letters, name, shortest, longest in PARTS:
        earliest = 0 if name == WEEK.part else 1
        in_range = (last >= shortest).all() and largest <= longest and (first >= earliest).all()
        if len(letters) == digits and in_range and (first <= 1).all():
            return letters, name
    equal = digits == 2 and len(last) > 1 and (last == largest).all() and (first == 1).all()
    return ("PP", "part of it") if equal and largest > 1 else None


def iso_weeks(texts: pd.Index) -> pd.DatetimeIndex | None:
    """The Mondays of ISO weeks such as "2024-W05"; None unless all texts (n,) are such weeks."""
    parts = texts.str.extract(rf"^\s*{ISO_WEEK}\s*$")
    if not len(texts) or parts.isna().any(axis=None):
        return None
    mondays = pd.to_datetime(parts[0] + parts[1] + "1", format="%G%V%u", errors="coerce")
    return None if mondays.isna().any() else pd.DatetimeIndex(mondays, name=texts.name)
