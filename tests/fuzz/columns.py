"""Columns of every kind that a user may bring: functions of codes, weeks or numbers (n,) -> a column.

In ``LABELS``, ``EVEN_WEEKS`` and ``NUMBERS`` different codes have different labels; odd kinds may be refused.
"""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa

MONDAY = pd.Timestamp("2024-10-07")  # weeks 12 and 13 are about the turn of a year


def each(label, dtype=object):
    """A kind whose labels are made one by one."""
    return lambda codes: pd.Series([label(int(code)) for code in codes], dtype=dtype)


def text(code):
    return f"p{code}"


def arrow(kind, label):
    """A kind of Arrow column."""
    return lambda codes: pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([label(int(code)) for code in codes], type=kind))
    )


def dictionary(codes):
    values = pa.array([text(code) for code in codes], type=pa.string())
    return pd.Series(pd.arrays.ArrowExtensionArray(values.dictionary_encode()))


def with_one(kind, value, at=0):
    """A kind with another value on rows of the smallest code."""

    def column(codes):
        out = kind(codes).astype(object)
        out[np.asarray(codes) == np.min(codes, initial=at)] = value
        return out

    return column


def unordered_categories(codes):
    """Categories in no order, one of them unused."""
    labels = [text(code) for code in sorted(set(codes), key=lambda code: (code * 7 + 3) % 5)]
    return pd.Series(pd.Categorical([text(code) for code in codes], categories=["unused", *labels]))


def falling_categories(codes):
    labels = [text(code) for code in sorted(set(codes), reverse=True)]
    return pd.Series(pd.Categorical([text(code) for code in codes], categories=labels, ordered=True))


def spans(codes):
    """What ``pandas.cut`` gives."""
    return pd.Series(pd.cut(np.asarray(codes, dtype=float), np.arange(-2.5, 100.5)))


LABELS = {
    "text": each(text),
    "str": each(text, "str"),
    "int": lambda codes: pd.Series(np.asarray(codes, dtype=np.int64) + 7),
    "negative int": lambda codes: pd.Series(np.asarray(codes, dtype=np.int64) - 3),
    "large int": lambda codes: pd.Series(np.asarray(codes, dtype=np.int64) + 2**62),
    "uint8": lambda codes: pd.Series(np.asarray(codes, dtype=np.uint8)),
    "float": lambda codes: pd.Series(np.asarray(codes, dtype=float)),
    "halves": lambda codes: pd.Series(np.asarray(codes, dtype=float) / 2),
    "float32": lambda codes: pd.Series(np.asarray(codes, dtype=np.float32) / 10),
    "Int64": lambda codes: pd.Series(np.asarray(codes, dtype=np.int64)).astype("Int64"),
    "string of pandas": each(text, "string[python]"),
    "string of Arrow": each(text, "string[pyarrow]"),
    "Arrow text": arrow(pa.string(), text),
    "Arrow int": arrow(pa.int32(), int),
    "Arrow dictionary": dictionary,
    "Arrow decimal": arrow(pa.decimal128(12, 2), Decimal),
    "categorical": lambda codes: each(text)(codes).astype("category"),
    "categorical int": lambda codes: pd.Series(np.asarray(codes, dtype=np.int64)).astype("category"),
    "unordered categories": unordered_categories,
    "falling categories": falling_categories,
    "text of numbers": each(lambda code: str(code * 3)),
    "numbers with zeros": each(lambda code: f"{code:03d}"),
    "blanks": each(lambda code: " " * (code % 3) + text(code) + " " * (code % 2)),
    "twins": each(lambda code: ["a", "A", "a ", "b", "B", " b", "c", "C"][code % 8] + "x" * (code // 8)),
    "empty text": each(lambda code: "" if code == 0 else text(code)),
    "words of tables": each(
        lambda code: (
            ["mean", "all", "sd", "nan", "None", "lower", "0", "all_products"][code % 8] + "_" * (code // 8)
        )
    ),
    "unicode": each(lambda code: chr(0x1F34E + code) + "é\n"),
    "long text": each(lambda code: f"{code}" * 300),
    "NumPy text": each(lambda code: np.str_(text(code))),
    "Decimal": each(lambda code: Decimal(code) / 4),
    "Fraction": each(lambda code: Fraction(code, 3)),
    "int objects": each(int),
    "ints and floats": each(lambda code: code if code % 2 else code + 0.5),
    "dates": each(lambda code: date(2024, 1, 1) + timedelta(days=code)),
    "datetime64": lambda codes: pd.Series(MONDAY + pd.to_timedelta(np.asarray(codes), unit="D")),
    "zoned": lambda codes: pd.Series(MONDAY + pd.to_timedelta(np.asarray(codes), unit="D")).dt.tz_localize(
        "UTC"
    ),
    "timedelta": lambda codes: pd.Series(pd.to_timedelta(np.asarray(codes), unit="h")),
    "Period": lambda codes: pd.Series(
        pd.PeriodIndex.from_ordinals(np.asarray(codes, dtype=np.int64), freq="M")
    ),
    "infinity": lambda codes: pd.Series(
        np.where(np.asarray(codes) == 0, np.inf, np.asarray(codes, dtype=float))
    ),
}
ODD_LABELS = {
    "None": with_one(LABELS["text"], None),
    "NaN": with_one(LABELS["float"], np.nan),
    "NA": with_one(LABELS["text"], pd.NA),
    "NaT": with_one(LABELS["datetime64"], pd.NaT),
    "missing string": lambda codes: with_one(LABELS["text"], None)(codes).astype("string"),
    "missing Int64": lambda codes: with_one(LABELS["int"], pd.NA)(codes).astype("Int64"),
    "missing category": lambda codes: with_one(LABELS["text"], None)(codes).astype("category"),
    "int and text": with_one(LABELS["int objects"], "x"),
    "int and its text": each(lambda code: code // 2 if code % 2 else str(code // 2)),
    "text and dates": with_one(LABELS["text"], date(2024, 1, 1)),
    "mixed categories": lambda codes: with_one(LABELS["int objects"], "x")(codes).astype("category"),
    "tuple": each(lambda code: (code, "a")),
    "list": each(lambda code: [code]),
    "dict": each(lambda code: {"id": code}),
    "set": each(lambda code: frozenset([code])),
    "bytes": each(lambda code: text(code).encode()),
    "Arrow binary": arrow(pa.binary(), lambda code: text(code).encode()),
    "Arrow list": arrow(pa.list_(pa.int64()), lambda code: [code]),
    "Arrow struct": arrow(pa.struct([("id", pa.int64())]), lambda code: {"id": code}),
    "Arrow bool": arrow(pa.bool_(), lambda code: code % 2 == 0),
    "Arrow null": arrow(pa.null(), lambda code: None),
    "UUID": each(lambda code: uuid.UUID(int=code)),
    "complex": lambda codes: pd.Series(np.asarray(codes) + 1j),
    "complex objects": each(lambda code: complex(code, 1)),
    "bool": lambda codes: pd.Series(np.asarray(codes) % 2 == 0),
    "boolean": lambda codes: pd.Series(np.asarray(codes) % 2 == 0).astype("boolean"),
    "Interval": spans,
    "Interval objects": each(lambda code: pd.Interval(code, code + 1)),
    "array": each(lambda code: np.array([code])),
    "Timestamp and date": each(
        lambda code: date(2024, 1, 1 + code % 9) if code % 2 else pd.Timestamp(2024, 2, 1 + code % 9)
    ),
    "NaN category": lambda codes: with_one(LABELS["float"], np.nan)(codes).astype("category"),
    "sparse": lambda codes: pd.Series(pd.arrays.SparseArray(np.asarray(codes, dtype=np.int64))),
    "times of day": each(lambda code: time(code % 24)),
}


def moments(unit):
    return lambda weeks: pd.Series(MONDAY + pd.to_timedelta(7 * np.asarray(weeks), unit="D")).dt.as_unit(unit)


def dated(convert, dtype=None):
    """A kind of what is made of the date of a week."""
    return lambda weeks: pd.Series(
        [convert((MONDAY + pd.Timedelta(weeks=int(week))).to_pydatetime()) for week in weeks],
        dtype=dtype or object,
    )


def periods(freq, **starts):
    first = pd.Period("2024-10-07", freq=freq).ordinal
    return lambda weeks: pd.Series(
        pd.PeriodIndex.from_ordinals(np.asarray(weeks, dtype=np.int64) + first, freq=freq)
    )


def ordered_weeks(weeks):
    """An ordered categorical with names for all weeks."""
    return pd.Series(
        pd.Categorical.from_codes(
            np.asarray(weeks, dtype=int) + 20, [f"week {k}" for k in range(-20, 80)], ordered=True
        )
    )


# Equal distances in these are equal distances in time.
EVEN_WEEKS = {
    "int": lambda weeks: pd.Series(np.asarray(weeks, dtype=np.int64)),
    "float": lambda weeks: pd.Series(np.asarray(weeks, dtype=float) / 4),
    "Int64": lambda weeks: pd.Series(np.asarray(weeks, dtype=np.int64)).astype("Int64"),
    "Float64": lambda weeks: pd.Series(np.asarray(weeks, dtype=float)).astype("Float64"),
    "uint8": lambda weeks: pd.Series((np.asarray(weeks) + 30).astype(np.uint8)),
    "int8": lambda weeks: pd.Series((12 * np.asarray(weeks) - 100).astype(np.int8)),
    "uint64": lambda weeks: pd.Series((np.asarray(weeks) + 30).astype(np.uint64)),
    "large int": lambda weeks: pd.Series(np.asarray(weeks, dtype=np.int64) + 2**60),
    "float32": lambda weeks: pd.Series(np.asarray(weeks, dtype=np.float32)),
    "small float": lambda weeks: pd.Series(np.asarray(weeks, dtype=float) * 1e-9),
    "year": lambda weeks: pd.Series(np.asarray(weeks, dtype=np.int64) + 1990),
    "Decimal": each(lambda week: Decimal(week) / 2),
    "Fraction": each(lambda week: Fraction(week, 7)),
    "Arrow int": arrow(pa.int16(), int),
    "Arrow double": arrow(pa.float64(), float),
    "Arrow decimal": arrow(pa.decimal128(12, 2), Decimal),
    **{f"datetime64[{unit}]": moments(unit) for unit in ("s", "ms", "us", "ns")},
    "UTC": lambda weeks: moments("us")(weeks).dt.tz_localize("UTC"),
    "Berlin": lambda weeks: moments("ns")(weeks).dt.tz_localize("Europe/Berlin"),
    "date": dated(datetime.date),
    "datetime objects": dated(lambda moment: moment),
    "Timestamp objects": dated(pd.Timestamp),
    "Arrow timestamp": lambda weeks: moments("us")(weeks).astype(pd.ArrowDtype(pa.timestamp("us"))),
    "Arrow zoned": lambda weeks: (
        moments("us")(weeks).dt.tz_localize("UTC").astype(pd.ArrowDtype(pa.timestamp("us", "UTC")))
    ),
    "Arrow date": lambda weeks: moments("us")(weeks).astype(pd.ArrowDtype(pa.date32())),
    "Arrow duration": lambda weeks: pd.Series(
        pd.to_timedelta(7 * np.asarray(weeks), unit="D").as_unit("us")
    ).astype(pd.ArrowDtype(pa.duration("us"))),
    "Arrow dictionary": lambda weeks: pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array(moments("us")(weeks)).dictionary_encode())
    ),
    "category of dates": lambda weeks: moments("us")(weeks).astype("category"),
    "ordered dates": lambda weeks: moments("us")(weeks).astype("category").cat.as_ordered(),
    "timedelta": lambda weeks: pd.Series(pd.to_timedelta(7 * np.asarray(weeks), unit="D")),
    "timedelta objects": each(lambda week: timedelta(days=7 * week)),
    **{f"Period {freq}": periods(freq) for freq in ("W-SUN", "W-WED", "M", "Q", "Y", "D", "h")},
    "ISO text": dated(lambda moment: moment.strftime("%G-W%V")),
    "ISO string": dated(lambda moment: moment.strftime("%GW%V"), "string"),
    "YYYYWW": dated(lambda moment: int(moment.strftime("%G%V")), "int64"),
    "YYYYWW float": dated(lambda moment: float(moment.strftime("%G%V")), "float64"),
    "YYYYMMDD": dated(lambda moment: int(moment.strftime("%Y%m%d")), "int32"),
    "YYYYMM": each(lambda week: 100 * ((24240 + week) // 12) + (24240 + week) % 12 + 1, "int64"),
    "future": lambda weeks: pd.Series(
        np.datetime64("3024-01-01", "s") + 7 * np.asarray(weeks).astype("timedelta64[D]")
    ),
    "ordered categorical": ordered_weeks,
}
ODD_WEEKS = {
    "text of dates": dated(lambda moment: moment.strftime("%Y-%m-%d")),
    "text": each(lambda week: f"week {week}"),
    "words": each(lambda week: "abcdefghijklmnopqrstuvwxyz"[week % 26]),
    "categories": lambda weeks: each(lambda week: f"week {week}")(weeks).astype("category"),
    "falling categories": falling_categories,
    "bool": lambda weeks: pd.Series(np.asarray(weeks) % 2 == 0),
    "two zones": dated(lambda moment: moment.replace(tzinfo=UTC if moment.day % 2 else None)),
    "two kinds": dated(lambda moment: moment.date() if moment.day % 2 else moment),
    "datetime and zone": with_one(dated(lambda moment: moment.replace(tzinfo=UTC)), 3),
    "two frequencies": each(
        lambda week: pd.Period(year=2024, month=1 + week % 12, freq="M" if week % 2 else "Q")
    ),
    "int and text": with_one(each(int), "1"),
    "NaT": with_one(moments("us"), pd.NaT),
    "NaN": with_one(EVEN_WEEKS["float"], np.nan),
    "infinite": lambda weeks: pd.Series(
        np.where(np.asarray(weeks) == np.min(weeks, initial=0), np.inf, np.asarray(weeks, dtype=float))
    ),
    "NA": lambda weeks: with_one(EVEN_WEEKS["int"], pd.NA)(weeks).astype("Int64"),
    "missing Period": with_one(periods("M"), pd.NaT),
    "times of day": each(lambda week: time(week % 24)),
    "Arrow times of day": arrow(pa.time64("us"), lambda week: time(week % 24)),
    "Arrow text": arrow(pa.string(), lambda week: f"week {week}"),
    "bytes": each(lambda week: b"%d" % week),
    "tuple": each(lambda week: (2024, week)),
    "complex": lambda weeks: pd.Series(np.asarray(weeks) + 1j),
    "Interval": spans,
    "first and last years": each(lambda week: date(9999 if week % 2 else 1, 1, 1 + week % 28)),
    "years 1 to 9999": each(lambda week: datetime(1 + 100 * (week + 20) % 9999, 1, 1)),
    "text of weeks that are none": each(lambda week: f"2024-W{week + 50:02d}"),
    "codes that are none": each(lambda week: 202400 + week + 45, "int64"),
    "ten digits": each(lambda week: 2024010100 + week, "int64"),
    "far apart": each(lambda week: 10 ** (week % 18), "int64"),
    "Periods as objects": lambda weeks: periods("M")(weeks).astype(object),
}
WEEKS = EVEN_WEEKS | ODD_WEEKS


def numbers(dtype):
    return lambda values: pd.Series(np.asarray(values)).astype(dtype)


def whole(dtype):
    return lambda values: pd.Series(np.round(np.asarray(values, dtype=float)).astype(np.int64) % 128).astype(
        dtype
    )


def objects(value):
    return lambda values: pd.Series([value(number) for number in values], dtype=object)


NUMBERS = {
    "float": numbers("float64"),
    "float32": numbers("float32"),
    "Float64": numbers("Float64"),
    "Arrow double": numbers(pd.ArrowDtype(pa.float64())),
    "Decimal": objects(lambda number: Decimal(repr(float(number)))),
    "float objects": objects(float),
    "Fraction": objects(lambda number: Fraction(float(number))),
    "categorical": lambda values: pd.Series(np.asarray(values)).astype("category"),
    "sparse": lambda values: pd.Series(pd.arrays.SparseArray(np.asarray(values, dtype=float))),
    "Arrow decimal": lambda values: pd.Series(
        pd.arrays.ArrowExtensionArray(
            pa.array([Decimal(f"{number:.4f}") for number in values], pa.decimal128(38, 4))
        )
    ),
}
WHOLE_NUMBERS = {
    **{name: whole(name) for name in ("int64", "int8", "uint16", "Int64", "UInt8")},
    "Arrow int": whole(pd.ArrowDtype(pa.int64())),
    "int objects": objects(int),
}
ODD_NUMBERS = {
    "text": objects(str),
    "string": lambda values: pd.Series([str(number) for number in values], dtype="string"),
    "Arrow text": lambda values: pd.Series([str(number) for number in values]).astype(
        pd.ArrowDtype(pa.string())
    ),
    "category of text": lambda values: pd.Series([str(number) for number in values]).astype("category"),
    "complex": lambda values: pd.Series(np.asarray(values) + 0j),
    "complex objects": objects(complex),
    "bool": lambda values: pd.Series(np.asarray(values) > 1),
    "Arrow bool": lambda values: pd.Series(np.asarray(values) > 1).astype(pd.ArrowDtype(pa.bool_())),
    "datetime64": lambda values: pd.Series(pd.to_datetime(np.asarray(values), unit="s")),
    "timedelta": lambda values: pd.Series(pd.to_timedelta(np.asarray(values), unit="s")),
    "Arrow timestamp": lambda values: pd.Series(pd.to_datetime(np.asarray(values), unit="s")).astype(
        pd.ArrowDtype(pa.timestamp("ns"))
    ),
    "Arrow duration": lambda values: pd.Series(pd.to_timedelta(np.asarray(values), unit="s")).astype(
        pd.ArrowDtype(pa.duration("ns"))
    ),
    "Arrow null": lambda values: pd.Series(pd.arrays.ArrowExtensionArray(pa.nulls(len(values)))),
    "Arrow list": lambda values: pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([[float(v)] for v in values], pa.list_(pa.float64())))
    ),
    "Period": lambda values: pd.Series(
        pd.PeriodIndex.from_ordinals(np.asarray(values, dtype=float).astype(np.int64), freq="M")
    ),
    "dates": objects(lambda number: date(2024, 1, 1)),
    "list": objects(lambda number: [number]),
    "array": objects(lambda number: np.array([number])),
    "dict": objects(lambda number: {"price": number}),
    "None": objects(lambda number: None),
    "Interval": lambda values: pd.Series(pd.cut(np.asarray(values, dtype=float), [-np.inf, 1.0, np.inf])),
    "bytes": objects(lambda number: str(number).encode()),
}
SPOILED = (
    np.nan,
    None,
    pd.NA,
    pd.NaT,
    np.inf,
    -np.inf,
    0,
    -1,
    1e300,
    1e-300,
    "",
    "1.5",
    Decimal("NaN"),
    Decimal("Infinity"),
    10**400,
    True,
)


def spoiled(column, row, value):
    """A column (n,) with another value in a row, of whatever type both need."""
    out = column.astype(object).reset_index(drop=True)
    out.iloc[row] = value
    return out
