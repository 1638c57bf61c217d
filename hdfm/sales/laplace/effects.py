"""Effects of a demand model, and the linear predictor that they make.

Array names and axis order: N products, G groups, T periods, S draws; b effects of a bundle, m of the top.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hdfm.sales.laplace.prior import ArrowModel, Layout
from hdfm.sales.panel.panel import SalesPanel

CHUNK = 1024  # products at a time, so that what a step writes stays near the processor


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects of products (2, N, ...), bundles (G, b, ...) and the top (m, ...)."""

    product: np.ndarray
    bundle: np.ndarray
    top: np.ndarray

    def towards(self, other: "Effects", step: float) -> "Effects":
        """A part of the way to others."""
        return Effects(
            self.product + step * (other.product - self.product),
            self.bundle + step * (other.bundle - self.bundle),
            self.top + step * (other.top - self.top),
        )


def chunks(panel: SalesPanel) -> list[tuple[int, slice]]:
    """Finest group and position of products, piece by piece."""
    ends = np.searchsorted(panel.group, np.arange(panel.n_groups + 1))
    return [
        (g, slice(first, min(first + CHUNK, end)))
        for g, (start, end) in enumerate(pairwise(ends))
        for first in range(start, end, CHUNK)
    ]


def cosine_heights(layout: Layout, bundle: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Cosines of each group (G, w, n), or (1, w, n) where all share them, of draws (G, b, n), (m, n)."""
    return bundle[:, : layout.n_cosines] if layout.own_cosines else top[None, layout.top["cosines"]]


def time_paths(layout: Layout, bundle: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Time effects (G, T, n) or (1, T, n) that cosines make."""
    return layout.cosines.T @ cosine_heights(layout, bundle, top)


def linear_predictor(model: ArrowModel, effects: Effects) -> np.ndarray:
    """eta (N, T) of effects, without exposure."""
    panel, layout = model.panel, model.layout
    delta, beta = effects.product
    eta = beta[:, None] * panel.log_price
    eta += delta[:, None]
    if len(layout.cosines):
        paths = time_paths(layout, effects.bundle[..., None], effects.top[:, None])[..., 0]
        for g, part in chunks(panel):
            eta[part] += paths[g if layout.own_cosines else 0]
    if len(panel.controls):
        eta += np.tensordot(effects.top[layout.top["controls"]], panel.controls, axes=1)
    return eta
