"""What a file is that ``save`` did not write, by how it begins."""

from pathlib import Path

from hdfm.exceptions import InvalidDataError

ABOUT = "hdfm.json"  # the first member of every file
BEGIN = 64  # bytes
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
ZIP, NAME_AT = b"PK\x03\x04", 30
_PICKLE = "a pickle, such as joblib and earlier versions of hdfm write"
BEGINNINGS = {
    **{bytes([0x80, protocol]): _PICKLE for protocol in range(2, 6)},
    **{b"\x78" + level: f"{_PICKLE}, compressed" for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")},
    b"\x1f\x8b": "something compressed with gzip",
    b"\x89HDF": "HDF5, such as idata_.to_netcdf writes",
    b"CDF": "netCDF",
    b"\x93NUMPY": "a NumPy array",
    b"PAR1": "a parquet table",
    ZIP: "a zip archive of something else, or a damaged file",
}


def refuse_foreign(path: Path, begin: bytes) -> None:
    """Raise unless a file begins as all that ``save`` writes.

    Raises
    ------
    InvalidDataError
        With what it is, and what to do.
    """
    if begin.startswith(ZIP) and begin[NAME_AT:].startswith(ABOUT.encode()):
        return
    what = _what(begin)
    remedy = "Give the path that save returned."
    if _PICKLE in what:
        remedy = "Pickles can run code, and are not read: fit again, and save."
    raise InvalidDataError(f"{path} is not a file written by save: it is {what}. {remedy}")


def _what(begin):
    if not begin:
        return "empty"
    for signature, what in BEGINNINGS.items():
        if begin.startswith(signature):
            return what
    text = begin.decode("utf-8", errors="replace").rstrip(UNREADABLE)  # a character may be cut in two
    if text and UNREADABLE not in text and all(char.isprintable() or char.isspace() for char in text):
        line = next(iter(text.strip().splitlines()), "")
        return f"text that begins with {line[:20]!r}"
    return "of no kind that is known here, or damaged"
