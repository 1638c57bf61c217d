"""How many frames a run of the fuzzer takes; the same ones each time unless a seed is asked for."""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, seed, settings

FRAMES, SEED = "HDFM_FUZZ_FRAMES", "HDFM_FUZZ_SEED"


def frames(usual: int) -> Callable:
    """Settings of a test that takes so many frames, or as many as ``HDFM_FUZZ_FRAMES`` says."""
    chosen = os.environ.get(SEED)
    run = settings(
        max_examples=int(os.environ.get(FRAMES, usual)),
        derandomize=chosen is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate] if chosen is not None else [Phase.generate, Phase.shrink],
    )
    return run if chosen is None else lambda test: seed(int(chosen))(run(test))
