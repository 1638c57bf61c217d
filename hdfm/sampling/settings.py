"""How to sample."""

from dataclasses import dataclass, field

from hdfm.sampling.checkpoint import NoCheckpoint
from hdfm.sampling.store import Keep


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Sampling arguments, the same for every sampler; ``draws`` and ``tune`` are per chain.

    ``first_step`` is the step size that NumPyro's adaptation starts from, and ``usual_steps`` how many steps
    a draw usually takes, to say how long sampling will be. Finished blocks go to ``checkpoint``, which is
    entered. ``whitened`` says that coordinates
    are about standard normal: a short warm-up then keeps the scales that the curvature at the start gives,
    which beat those from few draws.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.8
    seed: int = 0
    progressbar: bool = True
    checkpoint: NoCheckpoint = field(default_factory=NoCheckpoint)
    keep: Keep = "draws"
    first_step: float = 1.0
    usual_steps: int = 15
    whitened: bool = False
