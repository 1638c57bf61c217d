"""Where sampling of a choice model starts: the logit of all customers alike."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from hdfm.graph.choice import coefficient_scale, contrasts
from hdfm.graph.priors import ChoicePriors
from hdfm.panel.choices import ChoicePanel


def pooled_logit(panel: ChoicePanel, priors: ChoicePriors) -> np.ndarray:
    """Posterior mode of the mean coefficients (S,), were all customers and periods alike."""
    scale, found = coefficient_scale(panel), np.zeros(len(panel.coefficient))
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        part = category.coefficient
        D, available = contrasts(choices, panel.roles.outside)
        fit = minimize(
            _loss, np.zeros(D.shape[2]), (D / scale[part], available, priors.coefficient_sd), jac=True
        )
        found[part] = fit.x / scale[part]
    return found


def _loss(b, D, available, sd):
    """Negative log posterior of b (P,) and its gradient; D (O, K, P)."""
    gaps = np.where(available, D @ b, -np.inf)
    with_chosen = np.concatenate([np.zeros((len(D), 1)), gaps], axis=1)
    share = softmax(with_chosen, axis=1)[:, 1:]
    value = logsumexp(with_chosen, axis=1).sum() + (b @ b) / (2 * sd**2)
    return value, np.einsum("ok,okp->p", share, D) + b / sd**2
