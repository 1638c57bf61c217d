"""The logit of all customers alike: where sampling starts, and what choices say about coefficients.

Array names and axis order: N customers, S coefficients, T periods; in a category O choice sets, J slots,
P predictors.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from hdfm.graph.priors import ChoicePriors
from hdfm.panel.choice_layout import OUTSIDE, CategoryChoices
from hdfm.panel.choices import ChoicePanel


@dataclass(frozen=True, slots=True)
class ChoiceStart:
    """Estimates with all customers and periods alike, in the units to sample in.

    Attributes
    ----------
    mean : numpy.ndarray
        Mode of the coefficients (S,).
    information : tuple of numpy.ndarray
        Fisher information of each customer about the coefficients of each category (N, P, P).
    score : numpy.ndarray
        Gradient of each customer's log-likelihood (N, S).
    information_by_period : numpy.ndarray
        Fisher information about each coefficient (T, S).
    """

    mean: np.ndarray
    information: tuple[np.ndarray, ...]
    score: np.ndarray
    information_by_period: np.ndarray

    @property
    def diagonal(self) -> np.ndarray:
        """Each customer's information about each coefficient (N, S)."""
        return np.concatenate([np.einsum("npp->np", block) for block in self.information], axis=1)


def pooled_logit(panel: ChoicePanel, priors: ChoicePriors, scale: np.ndarray) -> ChoiceStart:
    """Estimates of a panel whose predictors are divided by ``scale`` (S,)."""
    outside, N, T = panel.roles.outside, len(panel.customer), len(panel.period)
    means, blocks, scores, by_period = [], [], [], []
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        D, available = contrasts(choices, outside)
        D = D / scale[category.coefficient]
        b = minimize(_loss, np.zeros(D.shape[2]), (D, available, priors.coefficient_sd), jac=True).x
        share = softmax(_with_chosen(D, available, b), axis=1)[:, 1:]
        mean = np.einsum("ok,okp->op", share, D)
        information = np.einsum("ok,okp,okq->opq", share, D, D) - mean[:, :, None] * mean[:, None, :]
        block = np.zeros((N, *information.shape[1:]))
        np.add.at(block, choices.customer, information)
        score, periods = np.zeros((N, len(b))), np.zeros((T, len(b)))
        np.add.at(score, choices.customer, -mean)
        np.add.at(periods, choices.period, np.einsum("opp->op", information))
        means.append(b)
        blocks.append(block)
        scores.append(score)
        by_period.append(periods)
    return ChoiceStart(
        np.concatenate(means),
        tuple(blocks),
        np.concatenate(scores, axis=1),
        np.concatenate(by_period, axis=1),
    )


def contrasts(choices: CategoryChoices, outside: bool) -> tuple[np.ndarray, np.ndarray]:
    """x_k - x_j (O, K, P) of all k but the chosen j, and where k was available (O, K).

    With the outside option, whose x is 0, K is the number of slots; else one less.
    """
    n_sets, n_slots, n_predictors = choices.x.shape
    x = np.concatenate([choices.x, np.zeros((n_sets, 1, n_predictors))], axis=1)
    available = np.concatenate([choices.mask, np.full((n_sets, 1), outside)], axis=1)
    chosen = np.where(choices.chosen == OUTSIDE, n_slots, choices.chosen)
    others = np.arange(n_slots + 1) != chosen[:, None]
    D = (x - x[np.arange(n_sets), chosen][:, None])[others].reshape(n_sets, n_slots, n_predictors)
    available = available[others].reshape(n_sets, n_slots)
    return (D, available) if outside else (D[:, :-1], available[:, :-1])


def _loss(b, D, available, sd):
    """Negative log posterior of b (P,) and its gradient."""
    gaps = _with_chosen(D, available, b)
    share = softmax(gaps, axis=1)[:, 1:]
    value = logsumexp(gaps, axis=1).sum() + (b @ b) / (2 * sd**2)
    return value, np.einsum("ok,okp->p", share, D) + b / sd**2


def _with_chosen(D, available, b):
    """Utilities (O, 1 + K) less the chosen one's, which comes first."""
    return np.concatenate([np.zeros((len(D), 1)), np.where(available, D @ b, -np.inf)], axis=1)
