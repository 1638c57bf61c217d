"""Kinds of plain containers and of single values: numbers, dates, labels of all sorts."""

import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hdfm.files.nodes import STORABLE, Kind, Reader, Writer, plain_dtype

NUMPY_SCALARS = tuple({scalar for scalar in np.sctypeDict.values() if np.dtype(scalar).kind in STORABLE[:-2]})
TWISTER_SIZE = 624


def _text_kind(name: str, one: type, text: Callable[[Any], str], value: Callable[[str], Any]) -> Kind:
    """Values that a text says all of."""
    return Kind(name, (one,), lambda v, _: {"text": text(v)}, lambda parts, _: value(parts["text"]))


def _items_kind(name: str, one: type, ordered: Callable[[Any], list] = list) -> Kind:
    """Containers of values."""
    return Kind(
        name,
        (one,),
        lambda values, writer: {"items": writer.nodes(ordered(values))},
        lambda parts, reader: one(reader.values(parts["items"])),
    )


def _dict_parts(values: dict, writer: Writer) -> dict[str, Any]:
    items = []
    for key, value in values.items():
        with writer.at(key):
            items.append([writer.node(key), writer.node(value)])
    return {"items": items}


def _dict(parts: dict[str, Any], reader: Reader) -> dict:
    return {reader.value(key): reader.value(value) for key, value in parts["items"]}


def _numpy_parts(value: np.generic, _: Writer) -> dict[str, Any]:
    return {"dtype": value.dtype.str, "bytes": value.tobytes().hex()}


def _numpy_scalar(parts: dict[str, Any], _: Reader) -> Any:
    return np.frombuffer(bytes.fromhex(parts["bytes"]), plain_dtype(parts["dtype"])).reshape(())[()]


def _datetime_parts(value: datetime, writer: Writer) -> dict[str, Any]:
    text = value.replace(tzinfo=None).isoformat()
    return {"text": text, "fold": value.fold, "zone": writer.node(value.tzinfo)}


def _datetime(parts: dict[str, Any], reader: Reader) -> datetime:
    return datetime.fromisoformat(parts["text"]).replace(
        tzinfo=reader.value(parts["zone"]), fold=parts["fold"]
    )


def _time_parts(value: time, writer: Writer) -> dict[str, Any]:
    text = value.replace(tzinfo=None).isoformat()
    return {"text": text, "fold": value.fold, "zone": writer.node(value.tzinfo)}


def _time(parts: dict[str, Any], reader: Reader) -> time:
    return time.fromisoformat(parts["text"]).replace(tzinfo=reader.value(parts["zone"]), fold=parts["fold"])


def _span_parts(value: timedelta, _: Writer) -> dict[str, Any]:
    return {"parts": [value.days, value.seconds, value.microseconds]}


def _offset_parts(zone: timezone, writer: Writer) -> dict[str, Any]:
    return {"span": writer.node(zone.utcoffset(None)), "name": zone.tzname(None)}


def _offset(parts: dict[str, Any], reader: Reader) -> timezone:
    span, name = reader.value(parts["span"]), parts["name"]
    unnamed = timezone(span)  # which is UTC itself at 0
    return unnamed if unnamed.tzname(None) == name else timezone(span, name)


def _zone_parts(zone: ZoneInfo, writer: Writer) -> dict[str, Any]:
    if zone.key is None:
        raise writer.refusal("a time zone without a name")
    return {"name": zone.key}


def _stamp_parts(value: pd.Timestamp, writer: Writer) -> dict[str, Any]:
    zone = value.tzinfo
    naive = value if zone is None else value.tz_convert("UTC").tz_localize(None)
    return {"value": writer.node(naive.to_datetime64()), "zone": writer.node(zone)}


def _stamp(parts: dict[str, Any], reader: Reader) -> pd.Timestamp:
    value, zone = pd.Timestamp(reader.value(parts["value"])), reader.value(parts["zone"])
    return value if zone is None else value.tz_localize("UTC").tz_convert(zone)


def _interval_parts(value: pd.Interval, writer: Writer) -> dict[str, Any]:
    return {"left": writer.node(value.left), "right": writer.node(value.right), "closed": value.closed}


def _interval(parts: dict[str, Any], reader: Reader) -> pd.Interval:
    return pd.Interval(reader.value(parts["left"]), reader.value(parts["right"]), parts["closed"])


def _generator_parts(value: np.random.RandomState, writer: Writer) -> dict[str, Any]:
    state = value.get_state(legacy=False)
    if not isinstance(state, dict) or state["bit_generator"] != "MT19937":
        raise writer.refusal("a RandomState of another generator than its own, the Mersenne Twister")
    return {
        "key": writer.node(state["state"]["key"]),
        "position": int(state["state"]["pos"]),
        "gauss": writer.node(state["gauss"]),
        "has_gauss": int(state["has_gauss"]),
    }


def _generator(parts: dict[str, Any], reader: Reader) -> np.random.RandomState:
    key, position = reader.value(parts["key"]), parts["position"]
    if key.shape != (TWISTER_SIZE,) or not 0 <= position <= TWISTER_SIZE:
        raise ValueError("no RandomState has such a state")
    generator = np.random.RandomState()
    generator.set_state(("MT19937", key, position, parts["has_gauss"], reader.value(parts["gauss"])))
    return generator


def _sorted(values: Any) -> list:
    """In one order, whatever a process hashes text to."""
    return sorted(values, key=repr)


KINDS = (
    Kind("dict", (dict,), _dict_parts, _dict),
    _items_kind("tuple", tuple),
    _items_kind("set", set, _sorted),
    _items_kind("frozenset", frozenset, _sorted),
    Kind(
        "slice",
        (slice,),
        lambda value, writer: {"items": writer.nodes([value.start, value.stop, value.step])},
        lambda parts, reader: slice(*reader.values(parts["items"])),
    ),
    Kind(
        "range",
        (range,),
        lambda value, _: {"items": [value.start, value.stop, value.step]},
        lambda parts, _: range(*parts["items"]),
    ),
    _text_kind("float", float, repr, float),  # not finite
    _text_kind("complex", complex, repr, complex),
    _text_kind("bytes", bytes, bytes.hex, bytes.fromhex),
    _text_kind("numpy_text", np.str_, str, np.str_),
    Kind("numpy_scalar", NUMPY_SCALARS, _numpy_parts, _numpy_scalar),
    _text_kind("decimal", Decimal, str, Decimal),
    _text_kind("fraction", Fraction, str, Fraction),
    _text_kind("uuid", uuid.UUID, str, uuid.UUID),
    _text_kind("path", type(Path()), str, Path),
    _text_kind("date", date, date.isoformat, date.fromisoformat),
    Kind("datetime", (datetime,), _datetime_parts, _datetime),
    Kind("time", (time,), _time_parts, _time),
    Kind("span", (timedelta,), _span_parts, lambda parts, _: timedelta(*parts["parts"])),
    Kind("offset", (timezone,), _offset_parts, _offset),
    Kind("zone", (ZoneInfo,), _zone_parts, lambda parts, _: ZoneInfo(parts["name"])),
    Kind("missing", (type(pd.NA),), lambda *_: {}, lambda *_: pd.NA),
    Kind("no_time", (type(pd.NaT),), lambda *_: {}, lambda *_: pd.NaT),
    Kind("stamp", (pd.Timestamp,), _stamp_parts, _stamp),
    Kind(
        "stamp_span",
        (pd.Timedelta,),
        lambda value, writer: {"value": writer.node(value.to_timedelta64())},
        lambda parts, reader: pd.Timedelta(reader.value(parts["value"])),
    ),
    Kind(
        "period",
        (pd.Period,),
        lambda value, _: {"ordinal": value.ordinal, "freq": value.freqstr},
        lambda parts, _: pd.Period(ordinal=parts["ordinal"], freq=parts["freq"]),
    ),
    Kind("interval", (pd.Interval,), _interval_parts, _interval),
    Kind("random_state", (np.random.RandomState,), _generator_parts, _generator),
)
