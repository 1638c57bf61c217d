"""Estimates of elasticities to beat: no pooling, complete pooling, two-step empirical Bayes.

Array names and axis order: N products, T periods; y, x (N, T) units and centred log prices.
"""

import numpy as np

NEWTON_STEPS = 40
WIDEST = 10.0


def by_product(y, x, category):
    """Poisson regression of each product on [1, x], time effects of categories fitted in turn.

    Returns estimates and quasi-likelihood standard errors (N,); products without information have an
    error of ``WIDEST``.
    """
    a, b = np.log(y.mean(1) + 0.5 / y.shape[1]), np.full(len(y), -1.0)
    one_hot = (category[:, None] == np.arange(category.max() + 1)).astype(float)
    gamma = np.zeros_like(y)
    for _ in range(NEWTON_STEPS):
        mu = np.exp(np.clip(a[:, None] + b[:, None] * x + gamma, -50, 30))
        step = np.log((one_hot.T @ y + 0.5) / (one_hot.T @ mu + 0.5))
        gamma = gamma + one_hot @ (step - step.mean(1, keepdims=True))
        mu = np.exp(np.clip(a[:, None] + b[:, None] * x + gamma, -50, 30))
        r = y - mu
        A, B, D = mu.sum(1) + 1e-3, (mu * x).sum(1), (mu * x**2).sum(1) + WIDEST**-2
        det = A * D - B**2
        g1, g2 = r.sum(1), (r * x).sum(1) - b * WIDEST**-2
        a = a + np.clip((D * g1 - B * g2) / det, -1, 1)
        b = b + np.clip((A * g2 - B * g1) / det, -1, 1)
    dispersion = max(1.0, float((r**2).sum() / mu.sum()))
    return b, np.sqrt(dispersion * A / det)


def no_pooling(y, x, category):
    """Every product on its own."""
    return by_product(y, x, category)[0]


def complete_pooling(y, x, category):
    """One elasticity for all: the products' estimates weighted by their precision."""
    b, se = by_product(y, x, category)
    return np.full(len(y), np.average(b, weights=se**-2))


def two_step_empirical_bayes(y, x, category):
    """Shrink each product's estimate to its category's mean; spread by DerSimonian and Laird."""
    return two_step_posterior(y, x, category)[0]


def two_step_posterior(y, x, category):
    """Means and sds (N,) of :func:`two_step_empirical_bayes`, those of its normal posterior."""
    b, se = by_product(y, x, category)
    out, sd = np.empty(len(b)), np.empty(len(b))
    for c in range(category.max() + 1):
        mine = category == c
        w = se[mine] ** -2
        mean = np.average(b[mine], weights=w)
        q = (w * (b[mine] - mean) ** 2).sum()
        tau2 = max(0.01, (q - mine.sum() + 1) / (w.sum() - (w**2).sum() / w.sum()))
        precision = 1 / (se[mine] ** 2 + tau2)
        mean = np.average(b[mine], weights=precision)
        out[mine] = mean + (b[mine] - mean) * tau2 * precision
        sd[mine] = np.sqrt(tau2 * se[mine] ** 2 * precision)
    return out, sd
