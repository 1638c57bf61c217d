"""Factors of time in coordinates whitened by what choices say about them.

Array names and axis order: N customers, S coefficients, T periods, L factors, m coordinates of a factor,
P predictors of a category; G groups of factors that share lengthscales: 1, or the categories.

    w (N or 1, S, L); theta (G, T, L); roots B (L, T, m)
"""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt

from hdfm.graph.blocks import Evidence, whitened_standard_normal
from hdfm.graph.choice_start import ChoiceStart
from hdfm.graph.hsgp import TimeGP, gp_roots
from hdfm.panel.choices import ChoicePanel


def whitened_factors(name: str, gp: TimeGP, lengthscale, groups: Sequence[Evidence], L: int):
    """theta (G, T, L), zero-sum over periods, given evidence about each group by period."""
    B = gp_roots(gp, lengthscale)
    G, m = len(groups), gp.size
    z = whitened_standard_normal(name, evidence_about_coordinates(gp, B, groups, L), shape=(G, L * m))
    return pt.matvec(B, z.reshape((G, L, m))).transpose(0, 2, 1)


def evidence_about_coordinates(gp: TimeGP, B, groups: Sequence[Evidence], L: int) -> Evidence:
    r"""About coordinates (G, L m), from evidence J (T, L, L), g (T, L) about factors by period.

    .. math:: \sum_t B_{ltk} J_{ll'}(t) B_{l'tk'}, \qquad \sum_t B_{ltk} g_l(t)

    Eigenfunctions overlap on the periods, which leaves posterior sds of their coordinates that differ by an
    order of magnitude, in directions oblique to them that move with the lengthscale: hence jointly.
    """
    G, T, m = len(groups), len(gp.times), gp.size
    J = pt.stack([group.precision for group in groups]).transpose(0, 2, 1, 3)
    g = pt.stack([group.shift for group in groups]).transpose(0, 2, 1)
    right = (J[..., None] * B.transpose(1, 0, 2)).reshape((G, L, T, L * m))
    precision = (B.mT @ right).reshape((G, L * m, L * m))
    return Evidence(precision, pt.matvec(B.mT, g).reshape((G, L * m)))


def evidence_by_period(panel: ChoicePanel, start: ChoiceStart, w, L: int) -> list[Evidence]:
    r"""What choices of each category say about factors by period, with loadings w (N or 1, S, L).

    .. math:: J_{ll'}(t) = \sum_{s s'} \overline{w_{sl} w_{s'l'}} I_{ss'}(t), \qquad
        g_l(t) = \sum_s \overline{w_{sl}} \, \mathrm{score}_s(t)
    """
    found = []
    for category, information, score in zip(
        panel.categories, start.information_by_period, start.score_by_period, strict=True
    ):
        own, (T, P) = w[:, category.coefficient], score.shape
        if not P:
            found.append(Evidence(np.zeros((T, L, L)), np.zeros((T, L))))
            continue
        flat = own.reshape((-1, P * L))
        product = (pt.dot(flat.T, flat) / flat.shape[0]).reshape((P, L, P, L)).transpose(0, 2, 1, 3)
        J = pt.dot(information.reshape(T, -1), product.reshape((P * P, L * L))).reshape((T, L, L))
        found.append(Evidence(J, pt.dot(score, own.mean(axis=0))))
    return found
