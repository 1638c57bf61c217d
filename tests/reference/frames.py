"""Frames changed in one place, and what a fit says of them."""

UNITS = "units_sold"


def replaced(column, rows, value):
    """A copy of a column with a value in some rows, of whatever type both need."""
    out = column.astype(object)
    out.iloc[rows] = value
    return out.infer_objects()


def with_value(frame, column, rows, value):
    return frame.assign(**{column: replaced(frame[column], rows, value)})
