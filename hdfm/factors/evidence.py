"""What data say about factors by period, and where factors start.

Array names and axis order: N customers, S coefficients, C categories, P coefficients of a category, T
periods, L factors of a tier, G paths of a factor, m coordinates of a path.
"""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable
from scipy.sparse import csr_array, vstack

from hdfm.factors.data import FactorData
from hdfm.factors.hsgp import TimeGP, gp_roots
from hdfm.factors.paths import moving_together
from hdfm.factors.tier import TierSize
from hdfm.hierarchy.whitened import Evidence


def first_coordinates(
    tiers: Sequence[TierSize], gp: TimeGP, lengthscale: float, scores: Sequence[csr_array]
) -> dict[str, np.ndarray]:
    """Starting values of factors (G, L, m) by tier; those that sum to zero start at rest.

    Factors stay apart from those of the tiers before that all coefficients read.

    Parameters
    ----------
    lengthscale : float
        At which the coordinates are along the GP's roots.
    scores : sequence of scipy.sparse.csr_array
        Gradients of the log-likelihood by the coefficients of each category, of one or many customers (R, T).
    """
    B = gp_roots(gp, np.array([lengthscale]))[0]
    paths = np.zeros((len(B), 0))
    coordinates = {}
    for size in tiers:
        if size.tier.zero_sum:
            continue
        groups = size.tier.owner.groups(scores)
        z = np.stack([moving_together(vstack(group), B, size.number, paths) for group in groups])
        coordinates[size.name] = z
        if len(groups) == 1:
            paths = np.column_stack([paths, B @ z[0].T])
    return coordinates


def evidence_by_period(data: FactorData, w: TensorVariable, L: int) -> list[Evidence]:
    r"""Evidence of each category about factors by period, with loadings w (N or 1, S, L).

    .. math:: J_{ll'}(t) = \sum_{s s'} \overline{w_{sl} w_{s'l'}} I_{ss'}(t), \qquad
        g_l(t) = \sum_s \overline{w_{sl}} \, \mathrm{score}_s(t)
    """
    evidence = []
    share = np.ones(1) if w.type.shape[0] == 1 else data.share
    for part, information, score in zip(data.parts, data.information, data.score, strict=True):
        T, P = score.type.shape
        if not P:
            evidence.append(Evidence(np.zeros((T, L, L)), np.zeros((T, L))))
            continue
        flat = w[:, part].reshape((-1, P * L))
        weighted = flat * share[:, None]
        product = pt.dot(flat.T, weighted).reshape((P, L, P, L)).transpose(0, 2, 1, 3)
        J = pt.dot(information.reshape((T, P * P)), product.reshape((P * P, L * L))).reshape((T, L, L))
        evidence.append(Evidence(J, pt.dot(score, weighted.sum(axis=0).reshape((P, L)))))
    return evidence


def together(evidence: Sequence[Evidence]) -> Evidence:
    """Joint evidence of independent data: the sum."""
    if len(evidence) == 1:
        return evidence[0]
    return Evidence(*(sum(parts) for parts in zip(*evidence, strict=True)))
