"""The hierarchical logit with nothing that moves: where sampling starts, and what choices say.

Array names and axis order: N customers, S coefficients, T periods, K customer covariates; in a category
O choice sets, J slots, P predictors.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import logsumexp, softmax

from hdfm.choice.panel.layout import OUTSIDE, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.priors import ChoicePriors

FIRST_SD = 0.5
FIRST_WEIGHT = 2.0
ITERATIONS = 25
MOST_CELLS = 2**22  # numbers that are computed at a time
STEPS = (1.0, 0.3, 0.1, 0.01, 0.0)


@dataclass(frozen=True, slots=True)
class ChoiceStart:
    """Estimates with all periods alike, in the units to sample in.

    Attributes
    ----------
    mean : numpy.ndarray
        Mean coefficients (S,).
    effect : numpy.ndarray
        Effects of customer covariates (S, K).
    covariance : numpy.ndarray
        Of coefficients between customers (S, S); 0 without customers.
    mean_precision : numpy.ndarray
        What choices say about the mean (S, S).
    customer : numpy.ndarray
        Modes of customers' coefficients (N, S).
    score : numpy.ndarray
        Gradient of each customer's log-likelihood there (N, S).
    information : numpy.ndarray
        Fisher information of each customer there (N, S, S).
    score_by_period : tuple of numpy.ndarray
        Gradient of the log-likelihood there by the coefficients of each category (T, P).
    information_by_period : tuple of numpy.ndarray
        Fisher information about the coefficients of each category (T, P, P), summed over customers.
    customer_score : tuple of scipy.sparse.csr_array
        Gradient of the log-likelihood there by the coefficients of each category (N P, T), by customer.
    """

    mean: np.ndarray
    effect: np.ndarray
    covariance: np.ndarray
    mean_precision: np.ndarray
    customer: np.ndarray
    score: np.ndarray
    information: np.ndarray
    score_by_period: tuple[np.ndarray, ...]
    information_by_period: tuple[np.ndarray, ...]
    customer_score: tuple[csr_array, ...]

    @property
    def shift(self) -> np.ndarray:
        """h (N, S) of a log-likelihood h a - a' I a / 2 that agrees with customers' own near their modes."""
        return np.einsum("nst,nt->ns", self.information, self.customer) + self.score


class _Sets(NamedTuple):
    """Choice sets of a category: contrasts D (O, K, P), where available, and sums by customer and period, in
    which sets count as often as ``times`` (O,) says.
    """

    part: slice
    D: np.ndarray
    available: np.ndarray
    customer: np.ndarray
    period: np.ndarray
    times: np.ndarray
    by_customer: csr_array
    by_period: csr_array


class _Population(NamedTuple):
    """Effects B (1 + K, S) of a constant and covariates, and the covariance (S, S) about them."""

    B: np.ndarray
    covariance: np.ndarray


def choice_start(panel: ChoicePanel, priors: ChoicePriors, scale: np.ndarray) -> ChoiceStart:
    """Starting values from logit models of a panel whose predictors are divided by ``scale`` (S,)."""
    data = [
        _sets(panel, category.coefficient, choices, scale)
        for category, choices in zip(panel.categories, panel.choices, strict=True)
    ]
    N, S = len(panel.customer), len(scale)
    pooled = np.concatenate([_pooled_mode(sets, priors.coefficient_sd) for sets in data])
    alpha = np.tile(pooled, (N, 1))
    if panel.roles.customer is None:
        B, covariance = pooled[None], np.zeros((S, S))
    else:
        z = np.column_stack([np.ones(N), panel.covariates])
        B0 = np.zeros((z.shape[1], S))
        B0[0] = pooled
        alpha, (B, covariance) = hierarchical_logit(data, z, _Population(B0, FIRST_SD**2 * np.eye(S)), priors)
    score, information = _score_and_information(data, alpha)
    periods = tuple(_information(sets, alpha, sets.by_period) for sets in data)
    about_mean = (information @ np.linalg.inv(np.eye(S) + covariance @ information)).sum(axis=0)
    customer_score = tuple(_customer_score(sets, alpha, len(panel.period)) for sets in data)
    return ChoiceStart(
        B[0],
        B[1:].T,
        covariance,
        about_mean,
        alpha,
        score,
        information,
        tuple(_sum_over_customers(scores, N) for scores in customer_score),
        periods,
        customer_score,
    )


def hierarchical_logit(
    data: list[_Sets], z: np.ndarray, population: _Population, priors: ChoicePriors
) -> tuple[np.ndarray, _Population]:
    r"""Modes (N, S) of :math:`\alpha_i \sim N(B' z_i, \Sigma)`, and B and Sigma, by Laplace EM.

    .. math::

        V_i = (\Sigma^{-1} + I_i)^{-1}, \qquad
        \alpha_i = V_i (h_i + \Sigma^{-1} B' z_i), \qquad
        \Sigma = \frac{\sum_i (\alpha_i - B' z_i)(\alpha_i - B' z_i)' + V_i + \nu s^2 1}{N + \nu}

    with information I_i and h_i = I_i a_i + score_i at the last a_i, one Newton step an iteration, and B
    the generalised least squares of the working response h_i / I_i. A prior sd s = ``FIRST_SD`` of weight
    nu = ``FIRST_WEIGHT`` keeps Sigma well conditioned.
    """
    B, covariance = population
    N, S = len(z), len(covariance)
    alpha = z @ B
    for _ in range(ITERATIONS):
        score, information = _score_and_information(data, alpha)
        shift = np.einsum("nst,nt->ns", information, alpha) + score
        precision = np.linalg.inv(covariance)
        V = np.linalg.inv(precision + information)
        B = _mean_effects(z, precision, V, shift, priors)
        expected = z @ B
        newton = np.einsum("nst,nt->ns", V, shift + expected @ precision)
        alpha = _best_step(data, alpha, newton, expected, precision)
        gap = alpha - expected
        covariance = (gap.T @ gap + V.sum(axis=0) + FIRST_WEIGHT * FIRST_SD**2 * np.eye(S)) / (
            N + FIRST_WEIGHT
        )
    return alpha, _Population(B, covariance)


def _mean_effects(z, precision, V, shift, priors):
    """Posterior mean (1 + K, S) of B given working responses h_i / I_i about B' z_i.

    Their precision is W_i = (Sigma + 1 / I_i)^-1 = P - P V_i P, and W_i h_i / I_i = P V_i h_i.
    """
    K, S = z.shape[1], len(precision)
    W = precision - precision @ V @ precision
    pull = np.einsum("nst,nt->ns", precision @ V, shift)
    sd = np.repeat([priors.coefficient_sd, priors.covariate_sd], [1, K - 1])
    outer = np.einsum("ni,nj->nij", z, z).reshape(len(z), -1).T @ W.reshape(len(z), -1)
    total = outer.reshape(K, K, S, S).transpose(0, 2, 1, 3).reshape(K * S, K * S)
    return np.linalg.solve(total + np.diag(np.repeat(sd**-2.0, S)), (z.T @ pull).ravel()).reshape(K, S)


def _best_step(data, alpha, newton, expected, precision):
    """Line search by customer: the best of some steps from alpha (N, S) towards the Newton step."""
    options = np.stack([alpha + t * (newton - alpha) for t in STEPS])
    gap = options - expected
    height = [_log_likelihood(data, option) for option in options]
    height -= np.einsum("kns,st,knt->kn", gap, precision, gap, optimize=True) / 2
    return options[np.argmax(height, axis=0), np.arange(len(alpha))]


def _sets(panel, part, choices, scale):
    D, available = contrasts(choices, panel.roles.outside)
    of = np.arange(len(D))
    return _Sets(
        part,
        D / scale[part],
        available,
        choices.customer,
        choices.period,
        choices.times,
        csr_array((choices.times, (choices.customer, of)), (len(panel.customer), len(D))),
        csr_array((choices.times, (choices.period, of)), (len(panel.period), len(D))),
    )


def _score_and_information(data, alpha):
    """Gradient (N, S) and Fisher information (N, S, S) of customers' log-likelihoods at alpha (N, S)."""
    score = np.zeros_like(alpha)
    information = np.zeros((*alpha.shape, alpha.shape[1]))
    for sets in data:
        score[:, sets.part] = sets.by_customer @ _score(sets, alpha)
        information[:, sets.part, sets.part] = _information(sets, alpha, sets.by_customer)
    return score, information


def _score(sets, alpha):
    """Gradient (O, P) by a category's coefficients."""
    return -np.einsum("ok,okp->op", _shares(sets, alpha), sets.D)


def _customer_score(sets, alpha, n_periods):
    """Gradient (N P, T) by a category's coefficients, summed by customer and period."""
    score = sets.times[:, None] * _score(sets, alpha)
    P = score.shape[1]
    row = sets.customer[:, None] * P + np.arange(P)
    column = np.broadcast_to(sets.period[:, None], row.shape)
    return csr_array((score.ravel(), (row.ravel(), column.ravel())), (len(alpha) * P, n_periods))


def _sum_over_customers(scores, n_customers):
    """Sums (T, P) of scores (N P, T)."""
    n_rows, n_periods = scores.shape
    return scores.reshape(n_customers, -1).sum(axis=0).reshape(n_rows // n_customers, n_periods).T


def _information(sets, alpha, groups):
    """Fisher information (G, P, P) about a category's coefficients, summed by group, some sets at a time."""
    share, P = _shares(sets, alpha), sets.D.shape[2]
    total, size = np.zeros((groups.shape[0], P * P)), max(1, MOST_CELLS // max(P * P, 1))
    for start in range(0, len(share), size):
        piece = slice(start, start + size)
        weighted = share[piece, :, None] * sets.D[piece]
        mean = weighted.sum(axis=1)
        fisher = weighted.transpose(0, 2, 1) @ sets.D[piece] - mean[:, :, None] * mean[:, None, :]
        total += groups[:, piece] @ fisher.reshape(len(fisher), P * P)
    return total.reshape(len(total), P, P)


def _shares(sets, alpha):
    """Choice probabilities (O, K) of what was not chosen."""
    return softmax(_utilities(sets, alpha), axis=1)[:, 1:]


def _log_likelihood(data, alpha):
    """Log-likelihood of each customer (N,)."""
    return -sum(sets.by_customer @ logsumexp(_utilities(sets, alpha), axis=1) for sets in data)


def _utilities(sets, alpha):
    """Utilities (O, 1 + K) less the chosen one's, which comes first."""
    gaps = np.einsum("okp,op->ok", sets.D, alpha[sets.customer, sets.part])
    return np.concatenate([np.zeros((len(gaps), 1)), np.where(sets.available, gaps, -np.inf)], axis=1)


def _pooled_mode(sets, sd):
    """Mode (P,) of a category's coefficients with all customers alike."""
    if not sets.D.shape[2]:
        return np.zeros(0)
    chosen = np.zeros((len(sets.D), 1))

    def loss(b):
        gaps = np.concatenate([chosen, np.where(sets.available, sets.D @ b, -np.inf)], axis=1)
        share = softmax(gaps, axis=1)[:, 1:]
        value = (sets.times * logsumexp(gaps, axis=1)).sum() + (b @ b) / (2 * sd**2)
        return value, np.einsum("ok,okp->p", sets.times[:, None] * share, sets.D) + b / sd**2

    return minimize(loss, np.zeros(sets.D.shape[2]), jac=True).x


def contrasts(choices: CategoryChoices, outside: bool) -> tuple[np.ndarray, np.ndarray]:
    """x_k - x_j (O, K, P) of all k but the chosen j, and where k was available (O, K).

    With the outside option, whose x is 0, K is the number of slots; else one less.
    """
    n_sets, n_slots, n_predictors = choices.x.shape
    x = np.concatenate([choices.x, np.zeros((n_sets, 1, n_predictors))], axis=1)
    available = np.concatenate([choices.mask, np.full((n_sets, 1), outside)], axis=1)
    chosen = np.where(choices.chosen == OUTSIDE, n_slots, choices.chosen)
    rivals = np.arange(n_slots + 1) != chosen[:, None]
    D = (x - x[np.arange(n_sets), chosen][:, None])[rivals].reshape(n_sets, n_slots, n_predictors)
    available = available[rivals].reshape(n_sets, n_slots)
    return (D, available) if outside else (D[:, :-1], available[:, :-1])
