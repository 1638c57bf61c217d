"""Where periods lie in time, and what is asked of a fit beside its own."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hdfm.exceptions import DataWarning, InvalidDataError, warn_caller
from hdfm.frames.columns import label_column
from hdfm.frames.conversions import Call
from hdfm.frames.elapsed import elapsed
from hdfm.frames.kinds import kind_of, period_text, span_text, unwrapped
from hdfm.frames.matching import fitted_calls, join_call, own_kind, same_kind_call
from hdfm.frames.periods import time_labels

SAME_TIME = 1e-6  # usual distances
SAME_OFFSET = 0.1  # usual distances: hours of the day differ where clocks change
NEARLY_ALL = 0.9
FINE, VERY_FINE, FINE_SHARE, FEWEST_FINE = 100.0, 1000.0, 0.2, 3
WIDE_GAP = 1.5  # usual distances
MOST_STEPS = 100_000


@dataclass(frozen=True)  # without slots, so that facts are found once
class Timeline:
    """The periods of a fit and where they lie in time; all that places a period.

    Attributes
    ----------
    period : pandas.Index
        Labels (T,) in order.
    order : pandas.Index or None
        All labels of an ordered categorical in an order of their own, of which ``period`` are some.
    role : str
        What messages call the column.
    """

    period: pd.Index
    order: pd.Index | None = None
    role: str = "time"

    @cached_property
    def elapsed(self) -> np.ndarray:
        """Time (T,) since the first period, in the unit of the column; in days for dates."""
        return elapsed(self.period, self.period, self.role, self.order)

    @cached_property
    def step(self) -> float:
        """The usual distance from one period to the next, in that unit: the median."""
        return float(np.median(np.diff(self.elapsed))) if len(self.period) > 1 else 1.0

    @cached_property
    def steps(self) -> np.ndarray:
        """Usual distances (T,) since the first period: 0, 1, 2, ... where none is missing."""
        return self.elapsed / self.step

    def place(self, labels: pd.Index) -> np.ndarray:
        """Usual distances (n,) from the first period to any others, below 0 before it."""
        return self.distance(labels) / self.step

    def distance(self, labels: pd.Index) -> np.ndarray:
        """Time (n,) from the first period to any others, in the unit of the column; in days for dates.

        Raises
        ------
        InvalidDataError
            If a period can't be placed in time, or lies too far outside those of the fit.
        """
        time = elapsed(labels, self.period, self.role, self.order)
        steps = time / self.step
        beyond = np.maximum(-steps, steps - self.steps[-1])
        far = beyond > MOST_STEPS
        if far.any():
            raise InvalidDataError(
                f"{self._column} holds {int(far.sum()):,} periods far outside those of the fit, "
                f"{span_text(self.period)}, such as {period_text(labels[int(np.argmax(beyond))])!r}: "
                f"{beyond.max():,.0f} times the usual distance of periods, where {MOST_STEPS:,} is the most. "
                f"{self._why_so_far()}"
            )
        return time

    def _why_so_far(self):
        """What to do about a period that lies too far outside."""
        call = None if self.order is not None else self.joined()
        if call is None:
            return "Correct or drop these rows."
        return (
            f"That distance is {self.in_words(self.step)}, as periods of the fit lie closely together: join "
            f"them before fit and here, as in {call.text}."
        )

    def in_words(self, time: float) -> str:
        """An amount of time with its unit, where that is known."""
        is_time = kind_of(self.period) in ("dates", "dates with a time zone", "time spans")
        return str(pd.Timedelta(days=time).round("ms")) if is_time else f"{time:.4g}"

    @cached_property
    def widest_half(self) -> float:
        """Half of all time lies in gaps between periods of at least so many usual distances."""
        gaps = np.sort(np.diff(self.steps))[::-1]
        return float(gaps[np.searchsorted(np.cumsum(gaps), gaps.sum() / 2)]) if len(gaps) else 1.0

    def joined(self) -> Call | None:
        """What joins the periods, where most are parts of one and so lie much closer than time goes by.

        So are time stamps seconds apart in each of many weeks.
        """
        gaps = np.diff(self.steps)
        wide = int((gaps > self.widest_half / 2).sum())
        usual = wide >= FINE_SHARE * len(gaps)
        if wide < FEWEST_FINE or self.widest_half < (FINE if usual else VERY_FINE):
            return None
        labels = pd.Series(self.period, name=self.period.name)
        return join_call(labels, lambda joined: joined.nunique() == wide + 1)

    def offsets(self, labels: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Times (K,) since the fitted period before, and (J,) to that after, of distinct labels (n,).

        In the unit of the column; labels before the first period or after the last are left out.
        """
        time = elapsed(pd.Index(labels.unique()), self.period, self.role)
        k = np.searchsorted(self.elapsed, time + SAME_TIME * self.step)
        has_before, has_after = k > 0, k < len(self.elapsed)
        before = time[has_before] - self.elapsed[k[has_before] - 1]
        return before, self.elapsed[k[has_after]] - time[has_after]

    def matches(self, labels: pd.Series) -> bool:
        """Whether all labels (n,) are periods of the fit."""
        if kind_of(labels) != kind_of(self.period):
            return False
        time = elapsed(pd.Index(labels.unique()), self.period, self.role)
        nearest = self.elapsed[_nearest(self.elapsed, time)]
        return bool((np.abs(time - nearest) <= SAME_TIME * self.step).all())

    def read(self, column: pd.Series) -> pd.Series:
        """Labels (n,) of a column in the kind of ``period``, to be matched with it.

        Raises
        ------
        InvalidDataError
            If they are of another kind: times with a zone for some without, numbers for dates.
        """
        if self.order is not None:
            return unwrapped(label_column(column, self.role))
        label = time_labels(column, self.role)
        kind, fitted_kind = kind_of(label), kind_of(self.period)
        if kind != fitted_kind or (kind == "pandas Periods" and label.dtype != self.period.dtype):
            call = same_kind_call(column, label, self.period, self.offsets)
            remedy = (
                "Convert the column: give it the kind that it had in fit."
                if call is None
                else f"Convert it as in {call.text}."
            )
            raise InvalidDataError(
                f"{self._column} holds {kind} such as {period_text(label.iloc[0])!r}; the model was fitted "
                f"on {fitted_kind} such as {period_text(self.period[0])!r}. {remedy}"
            )
        column_call = own_kind(column, label)
        if isinstance(self.period, pd.DatetimeIndex) and self.period.tz is not None:
            label = label.dt.tz_convert(self.period.tz)
        self._warn_of_near_misses(label, column_call)
        return self._fitted_where_same(label)

    def _fitted_where_same(self, label):
        """Numbers (n,) with those that differ from a fitted one by rounding alone replaced by it."""
        if not (pd.api.types.is_float_dtype(self.period.dtype) or pd.api.types.is_float_dtype(label.dtype)):
            return label
        fitted, values = self.period.to_numpy(dtype=float), label.to_numpy(dtype=float)
        nearest = fitted[_nearest(fitted, values)]
        return label.astype(float).where(np.abs(values - nearest) > SAME_TIME * self.step, nearest)

    def _warn_of_near_misses(self, label, own):
        """Warn where nearly all periods inside the fit lie at one small distance beside those of it."""
        if len(self.period) < 2:
            return
        distinct = pd.Index(label.unique())
        place = elapsed(distinct, self.period, self.role) / self.step
        nearest = _nearest(self.steps, place)
        offset = place - self.steps[nearest]
        exact = np.abs(offset) <= SAME_TIME
        near = ~exact & (np.abs(offset) < min(1.0, np.diff(self.steps).min()) / 2 - SAME_TIME)
        within = (place > -0.5) & (place < self.steps[-1] + 0.5)
        if not near.any() or near.sum() < NEARLY_ALL * (near | exact).sum() or near.sum() < within.sum() / 2:
            return
        if np.ptp(offset[near]) > SAME_OFFSET:
            return
        rows = label.isin(distinct[near]).to_numpy()
        beside = Call(own.text, own.value[rows].drop_duplicates())
        calls = fitted_calls(beside, self.period, self.matches, self.offsets)
        phrases = [f"{call.text} for those {words}" if words else call.text for words, call in calls.items()]
        remedy = f"as in {', or '.join(phrases)}" if phrases else "model.panel_.period"
        k = int(np.flatnonzero(near)[0])
        warn_caller(
            f"{self._column} has {int(rows.sum()):,} of {len(label):,} rows in {int(near.sum()):,} periods "
            f"that lie {np.abs(offset[near]).max():.3g} usual distances from a fitted one or less, such as "
            f"{period_text(distinct[k])!r} beside {period_text(self.period[nearest[k]])!r}: they count as "
            "new periods between the fitted ones. If they are meant to be these, take their labels, "
            f"{remedy}.",
            DataWarning,
        )

    @property
    def _column(self):
        return f"{self.role} column {self.period.name!r}"


def wide_gaps(timeline: Timeline) -> list[str]:
    """Neighbours that are more than 1.5 usual distances apart, in words; the widest first."""
    gaps = np.diff(timeline.steps)
    wide = np.flatnonzero(gaps > WIDE_GAP)
    period = timeline.period
    return [
        f"{period_text(period[k])} to {period_text(period[k + 1])} ({gaps[k]:.4g} times the usual distance)"
        for k in wide[np.argsort(-gaps[wide], kind="stable")]
    ]


def _nearest(rising, values):
    """Positions (n,) of the nearest of rising values (T,)."""
    k = np.clip(np.searchsorted(rising, values), 1, max(len(rising) - 1, 1))
    if len(rising) == 1:
        return np.zeros(len(values), dtype=int)
    return np.where(values - rising[k - 1] <= rising[k] - values, k - 1, k)
