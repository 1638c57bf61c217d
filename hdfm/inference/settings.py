"""How to sample."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Sampling arguments, the same for every sampler; ``draws`` and ``tune`` are per chain."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.8
    seed: int = 0
    progressbar: bool = True
    checkpoint: str | os.PathLike | None = None
