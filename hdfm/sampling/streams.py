"""Streams of random numbers, one for each use, so that none depends on what else is drawn."""

import zlib

import numpy as np


def labelled_stream(seed, *labels):
    """Random numbers of a seed and labels; labels that are equal count as one: 3, np.int64(3), 3.0."""
    text = str([_plain_number(label) for label in labels])
    return np.random.default_rng([seed, zlib.crc32(text.encode())])


def _plain_number(label):
    label = label.item() if isinstance(label, np.number) else label
    return int(label) if isinstance(label, float) and label.is_integer() else label
