"""Effects of a demand model, and the linear predictor eta that they make.

Array names and axis order: N products, G groups, T periods, S draws, w cosines; b effects of a bundle, m of
the top.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hdfm.sales.laplace.layout import Layout
from hdfm.sales.laplace.prior import ArrowModel
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
        (g, slice(start, min(start + CHUNK, end)))
        for g, (begin, end) in enumerate(pairwise(ends))
        for start in range(begin, end, CHUNK)
    ]


def cosine_heights(layout: Layout, bundle: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Coefficients of cosines (G, w, S), or (1, w, S) where all share them, of draws (G, b, S), (m, S)."""
    return bundle[:, : layout.n_cosines] if layout.by_bundle else top[None, layout.top["cosines"]]


def time_paths(layout: Layout, bundle: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Time effects (G, T, S) or (1, T, S) that cosines make, of draws (G, b, S), (m, S)."""
    return layout.cosines.T @ cosine_heights(layout, bundle, top)


def linear_predictor(model: ArrowModel, effects: Effects) -> np.ndarray:
    r"""eta (N, T) of effects, without exposure.

    .. math:: \eta_{it} = \delta_i + \beta_i x_{it} + \gamma_{g(i) t} + \kappa' z_{it}
    """
    panel, layout = model.panel, model.layout
    delta, beta = effects.product
    eta = beta[:, None] * panel.log_price
    eta += delta[:, None]
    if len(layout.cosines):
        paths = time_paths(layout, effects.bundle[..., None], effects.top[:, None])[..., 0]
        for g, part in chunks(panel):
            eta[part] += paths[g if layout.by_bundle else 0]
    if len(panel.controls):
        eta += np.tensordot(effects.top[layout.top["controls"]], panel.controls, axes=1)
    return eta
