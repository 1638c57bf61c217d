"""What choices say about factors by period, and where factors start.

Array names and axis order: N customers, S coefficients, T periods, L factors, m coordinates of a factor,
P predictors of a category, C categories.
"""

import numpy as np
import pytensor.tensor as pt
from scipy.sparse import csr_array, vstack

from hdfm.choice.graph.data import ChoiceData
from hdfm.choice.graph.start import ChoiceStart
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import TimeGP, gp_roots
from hdfm.factors.paths import moving_together
from hdfm.hierarchy.whitened import Evidence


def first_coordinates(
    spec: ChoiceSpec, gp: TimeGP | None, start: ChoiceStart
) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the common factors (L, m), and those of each category (C, L, m), start; None without any.

    A category's are apart from the common ones.
    """
    if gp is None:
        return None
    B = gp_roots(gp, np.array([spec.priors.lengthscale[0]]))[0]
    if spec.customer_loadings:
        scores = list(start.customer_score)
    else:
        scores = [csr_array(score.T) for score in start.score_by_period]
    common = moving_together(vstack(scores), B, spec.n_factors)
    of_category = [moving_together(score, B, spec.n_category_factors, B @ common.T) for score in scores]
    return common, np.stack(of_category)


def evidence_by_period(panel: ChoicePanel, data: ChoiceData, w, L: int) -> list[Evidence]:
    r"""What choices of each category say about factors by period, with loadings w (N or 1, S, L).

    .. math:: J_{ll'}(t) = \sum_{s s'} \overline{w_{sl} w_{s'l'}} I_{ss'}(t), \qquad
        g_l(t) = \sum_s \overline{w_{sl}} \, \mathrm{score}_s(t)
    """
    found = []
    share = np.ones(1) if w.type.shape[0] == 1 else data.share
    for part, information, score in zip(
        panel.parts, data.information_by_period, data.score_by_period, strict=True
    ):
        own, (T, P) = w[:, part], score.type.shape
        if not P:
            found.append(Evidence(np.zeros((T, L, L)), np.zeros((T, L))))
            continue
        flat = own.reshape((-1, P * L))
        weighted = flat * share[:, None]
        product = pt.dot(flat.T, weighted).reshape((P, L, P, L)).transpose(0, 2, 1, 3)
        J = pt.dot(information.reshape((T, P * P)), product.reshape((P * P, L * L))).reshape((T, L, L))
        found.append(Evidence(J, pt.dot(score, weighted.sum(axis=0).reshape((P, L)))))
    return found
