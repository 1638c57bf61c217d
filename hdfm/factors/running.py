"""Factors by the same name in every block of draws, for what is averaged while they come.

Array names and axis order: K chains, n draws of a block, S coefficients, T periods, L factors of a tier.
"""

from collections.abc import Sequence

import numpy as np

from hdfm.factors.align import align, towards
from hdfm.factors.curves import permuted
from hdfm.factors.tables import Values, tier_curves
from hdfm.factors.tier import present_tiers


class RunningAlignment:
    """Puts the factors of each block in the order that the first block settles.

    Draws of the first block are aligned with one another, as :func:`hdfm.factors.align.align` does with all;
    later ones go to the likeliest order given its mean curves.

    Parameters
    ----------
    parts : sequence of slice
        The coefficients of each category.
    scale : numpy.ndarray
        What coefficients (S,) are multiplied by to be comparable.
    """

    def __init__(self, parts: Sequence[slice], scale: np.ndarray):
        self.parts, self.scale = parts, scale
        self.reference: dict[str, np.ndarray] = {}

    def __call__(self, values: Values) -> dict[str, np.ndarray]:
        """The values (K, n, ...) of a block, in order."""
        out = dict(values)
        for tier in present_tiers(values):
            if values[tier.path].shape[-1] > 1:
                permutation = self._permutation(tier, tier_curves(tier, values, self.parts, self.scale))
                for name in tier.by_factor:
                    out[name] = permuted(values[name], permutation, -1)
        return out

    def _permutation(self, tier, curves):
        """(K, n, L), given curves (K, n, T, L)."""
        if tier.name not in self.reference:
            alignment = align(curves)
            self.reference[tier.name] = alignment.reference
            return alignment.permutation
        K, n, _, L = curves.shape
        return towards(curves, self.reference[tier.name][None])[0].reshape(K, n, L)
