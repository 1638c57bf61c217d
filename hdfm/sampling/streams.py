"""Streams of random numbers, one for each use, so that none depends on what else is drawn."""

import zlib
from collections.abc import Hashable
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for.

    Streams of one number are one member of the enum under two names; they never stand in one model.
    """

    UNITS = 2
    CONDITIONAL_LEVELS = 3
    PRIOR_UNITS = 4
    LAPLACE = 5
    PRIOR_CHOICES = LAPLACE  # of the choice model, which has no Laplace engine
    PARETO_K = 6
    NUTS = 7
    TIME_EFFECTS = 8
    COPIES = 9
    BOOTSTRAP = 10
    PATHS = 11


def stream(seed: int, use: Stream, *numbers: int) -> np.random.Generator:
    """Random numbers of a seed for one use, and of a part of it by number.

    The last entry is how many numbers there are: to NumPy seeds with and without zeros at the end are one.
    """
    parts = [*numbers, len(numbers)] if numbers else []
    return np.random.default_rng([seed, int(use), *parts])


def labelled_stream(seed: int, *labels: Hashable) -> np.random.Generator:
    """Random numbers of a seed and labels; labels that are equal count as one: 3, np.int64(3), 3.0."""
    text = str([_plain_number(label) for label in labels])
    return np.random.default_rng([seed, zlib.crc32(text.encode())])


def _plain_number(label):
    label = label.item() if isinstance(label, np.number) else label
    return int(label) if isinstance(label, float) and label.is_integer() else label
