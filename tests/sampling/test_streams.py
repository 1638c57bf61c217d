"""Streams of random numbers."""

import itertools

from hdfm.sampling.streams import Stream, labelled_stream, stream


def test_no_two_streams_are_one():
    """NumPy's seeds [s, 5] and [s, 5, 0] are the same."""
    uses = set(Stream)
    streams = {(use,): stream(3, use) for use in uses}
    streams |= {(use, k): stream(3, use, k) for use in uses for k in range(4)}
    streams |= {(use, j, k): stream(3, use, j, k) for use in uses for j in range(3) for k in range(3)}
    streams |= {label: labelled_stream(3, label) for label in ("a", 0, 1, 5)}
    first = {name: rng.integers(2**63) for name, rng in streams.items()}
    for one, other in itertools.combinations(first, 2):
        assert first[one] != first[other], (one, other)
