r"""What a sample of products tells when only those that sold enough are in it.

A product is in the sample if its level passed a threshold, :math:`\delta_i > c_i`, up to noise of variance v.
So the likelihood has, for every product, the divisor

.. math:: P(i \text{ is in the sample}) = \Phi(z_i), \quad z_i = (E \delta_i - c_i) / s, \quad
    s^2 = \sigma_\delta^2 + v

which depends on what products share alone.

Array names and axis order: N products sorted by group, G groups; q effects of a group.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.selection import level_thresholds
from hdfm.sales.spec import DemandSpec

LARGEST_SHARE = 0.95  # of what a product tells about its group, which selection may take back


@dataclass(frozen=True, slots=True)
class SelectionTerm:
    """-sum log Phi(z) at some effects of groups; its gradient (G, q) and curvature (G, q, q) by them."""

    value: float
    slope: np.ndarray
    curvature: np.ndarray

    def about(self, moved: np.ndarray) -> "SelectionTerm":
        """The same quadratic function about effects that are ``moved`` (G, q) less."""
        back = np.einsum("gqr,gr->gq", self.curvature, moved)
        value = self.value - np.vdot(self.slope, moved) + np.vdot(back, moved) / 2
        return SelectionTerm(float(value), self.slope - back, self.curvature)


@dataclass(frozen=True, slots=True)
class Selection:
    """Thresholds (N,) and v; expected levels are ``design`` (N, q) times effects of the group (N,)."""

    threshold: np.ndarray
    variance: float
    design: np.ndarray
    group: np.ndarray

    def value(self, of_group: np.ndarray, product_effect: float) -> float:
        """-sum log Phi(z) at effects (G, q) and the sd of levels."""
        return -float(log_ndtr(self._z(of_group, product_effect)).sum())

    def term(self, of_group: np.ndarray, product_effect: float, known: np.ndarray) -> SelectionTerm:
        """Quadratic expansion about effects (G, q); ``known`` (N,) is the variance of levels from data alone.

        The curvature is held below what the product tells about its group, so that precisions stay
        positive definite.
        """
        z, variance = self._z(of_group, product_effect), product_effect**2 + self.variance
        r = _mills(z)
        w = np.minimum(r * (z + r) / variance, LARGEST_SHARE / (product_effect**2 + known))
        starts = np.searchsorted(self.group, np.arange(len(of_group)))
        slope = np.add.reduceat(-(r / np.sqrt(variance))[:, None] * self.design, starts)
        outer = w[:, None, None] * self.design[:, :, None] * self.design[:, None]
        return SelectionTerm(-float(log_ndtr(z).sum()), slope, np.add.reduceat(outer, starts))

    def _z(self, of_group, product_effect):
        expected = np.vecdot(self.design, of_group[self.group])
        return (expected - self.threshold) / np.sqrt(product_effect**2 + self.variance)


def selection_of(panel: SalesPanel, spec: DemandSpec, design: np.ndarray) -> Selection | None:
    """The selection that a model's products went through."""
    if spec.selected_above is None or spec.selected_here is None:
        return None
    threshold = level_thresholds(panel, spec.selected_here, spec.priors.global_mean)
    variance = spec.family.log_total_variance(spec.selected_above)
    return Selection(threshold, variance, design, panel.group)


def _mills(z):
    """phi(z) / Phi(z)."""
    return np.exp(-(z**2) / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi)
