r"""Truncated-sample likelihood [1]_: only products that sold enough are in the sample.

A product is in the sample if its level passed a threshold, :math:`\delta_i > c_i`, up to noise of variance v.
So the likelihood has, for every product, the divisor

.. math:: P(i \text{ is in the sample}) = \Phi(z_i), \quad z_i = (E \delta_i - c_i) / s, \quad
    s^2 = \sigma_\delta^2 + v

which depends on what products share alone. Levels and thresholds are in log units; v is the variance of the
log of a product's total units: 1 / u for counts, u being ``selected_above``, and 0 for volumes.

Array names and axis order: N products sorted by group, G groups; q effects of a group.

References
----------
.. [1] Hausman and Wise (1977), "Social experimentation, truncated distributions, and efficient estimation",
   Econometrica 45(4).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.panel.selection import level_thresholds
from hdfm.sales.spec import DemandSpec

LARGEST_SHARE = 0.95  # of what a product tells about its group, which selection may take back
FAR_BELOW = -30.0  # where the tail of a normal is that of an exponential


@dataclass(frozen=True, slots=True)
class SelectionTerm:
    """Quadratic expansion of -sum log Phi(z) at effects of groups: gradient (G, q), curvature (G, q, q)."""

    value: float
    slope: np.ndarray
    curvature: np.ndarray

    def about(self, move: np.ndarray) -> "SelectionTerm":
        """The same quadratic function about effects that are ``move`` (G, q) less."""
        back = np.einsum("gqr,gr->gq", self.curvature, move)
        value = self.value - np.vdot(self.slope, move) + np.vdot(back, move) / 2
        return SelectionTerm(float(value), self.slope - back, self.curvature)


@dataclass(frozen=True, slots=True)
class Selection:
    r"""Truncated-sample likelihood [1]_ of products that were selected on what they sold in all.

    .. math:: -\sum_i \log \Phi(z_i), \qquad z_i = \frac{M_i b_{g(i)} - c_i}{\sqrt{\sigma_\delta^2 + v}}

    with effects b (q,) of a product's group, the sd sigma_delta of levels about what is expected of them, and
    the thresholds c of :func:`hdfm.sales.panel.selection.level_thresholds`. That of the graph is
    :func:`hdfm.sales.graph.selection.selection`.

    Attributes
    ----------
    threshold : numpy.ndarray
        c (N,), in log units.
    variance : float
        v, of the log of a product's total.
    design : numpy.ndarray
        M (N, q): expected levels are these times effects of the group.
    group : numpy.ndarray
        Position (N,) of each product's group.

    References
    ----------
    .. [1] Hausman and Wise (1977), "Social experimentation, truncated distributions, and efficient
       estimation", Econometrica 45(4).
    """

    threshold: np.ndarray
    variance: float
    design: np.ndarray
    group: np.ndarray

    def value(self, of_group: np.ndarray, product_effect: float) -> float:
        r""":math:`-\sum_i \log \Phi(z_i)` at effects (G, q) and the sd of levels."""
        return -float(log_ndtr(self._z(of_group, product_effect)).sum())

    def term(self, of_group: np.ndarray, product_effect: float, data_variance: np.ndarray) -> SelectionTerm:
        r"""Quadratic expansion about effects (G, q); ``data_variance`` (N,): of levels from data alone.

        .. math:: \text{slope: } -\sum_i \frac{r_i}{s} M_i, \qquad
            \text{curvature: } \sum_i \frac{r_i (z_i + r_i)}{s^2} M_i M_i', \qquad
            r_i = \frac{\phi(z_i)}{\Phi(z_i)}

        with sums over the products of each group and M_i (q,) a row of ``design``. The curvature is held
        below what the product tells about its group, so that precisions stay positive definite.
        """
        z, variance = self._z(of_group, product_effect), product_effect**2 + self.variance
        r = _mills(z)
        w = np.minimum(r * (z + r) / variance, LARGEST_SHARE / (product_effect**2 + data_variance))
        starts = np.searchsorted(self.group, np.arange(len(of_group)))
        slope = np.add.reduceat(-(r / np.sqrt(variance))[:, None] * self.design, starts)
        outer = w[:, None, None] * self.design[:, :, None] * self.design[:, None]
        return SelectionTerm(-float(log_ndtr(z).sum()), slope, np.add.reduceat(outer, starts))

    def _z(self, of_group: np.ndarray, product_effect: float) -> np.ndarray:
        expected = np.vecdot(self.design, of_group[self.group])
        return (expected - self.threshold) / np.sqrt(product_effect**2 + self.variance)


def selection_of(panel: SalesPanel, spec: DemandSpec, design: np.ndarray) -> Selection | None:
    """The truncation of a panel's sample, None where there was none; ``design`` (N, q) as in Selection."""
    if spec.selected_here is None:
        return None
    threshold = level_thresholds(panel, spec.selected_here, spec.priors.global_mean)
    return Selection(threshold, spec.selection_variance, design, panel.group)


def _mills(z: np.ndarray) -> np.ndarray:
    """Inverse Mills ratio phi(z) / Phi(z)."""
    near = np.maximum(z, FAR_BELOW)
    value = np.exp(-(near**2) / 2 - log_ndtr(near)) / np.sqrt(2 * np.pi)
    return np.where(z < FAR_BELOW, -z - 1 / np.minimum(z, FAR_BELOW), value)
