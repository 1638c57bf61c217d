"""Sizes of small simulated panels of choices."""

SMALL = {"customers": 40, "categories": 2, "periods": 12}
