r"""Log-normal volumes of median :math:`e^\eta`, such as kilograms.

.. math:: \log p(y \mid \eta, \sigma) = -(\log y - \eta)^2 / 2 \sigma^2 - \log(\sigma y) - \log \sqrt{2 \pi}

The noise parameter is :math:`\sigma`, the sd of log units.
"""

from typing import Any

import numpy as np
import pandas as pd

from hdfm.exceptions import InvalidDataError
from hdfm.frames.columns import numeric_column
from hdfm.sales.likelihoods.family import Likelihood
from hdfm.sales.likelihoods.noise import Noise, Scores, is_shared, is_shared_in_graph
from hdfm.sales.likelihoods.statistics import Effects, UnitStatistics, masked, weight_of
from hdfm.sales.panel.panel import SalesPanel

LEAST_SWEEP_NOISE, LEAST_MOMENT_NOISE = 1e-3, 0.02
SMALL = 1e-300


def read_volumes(column: pd.Series, whole: bool) -> np.ndarray:
    """Positive volumes (n,)."""
    units = numeric_column(column, "units", nonnegative=True)
    zeros = int((units == 0).sum())
    if zeros:
        raise InvalidDataError(
            f"units column {column.name!r} has zeros in {zeros:,} of {len(units):,} rows, and "
            'likelihood="log_normal" takes logs. Use a count likelihood, which keeps the zeros; dropping '
            "them would bias elasticities toward zero."
        )
    return units


def log_total_variance(above: float) -> float:
    """None: volumes are no counts."""
    return 0.0


def log_units(panel: SalesPanel) -> np.ndarray:
    """log y (N, T), 0 where not observed."""
    return np.log(np.where(panel.observed, panel.units, 1.0))


def mean_levels(panel: SalesPanel) -> np.ndarray:
    """Means of log y less exposure (N,)."""
    return panel.total(log_units(panel) - panel.log_exposure, axis=1) / panel.cells


def scores(panel: SalesPanel, z: np.ndarray, eta: np.ndarray, variance: np.ndarray) -> Scores:
    """Fisher information 1 / sigma^2, score (z - eta) / sigma^2, of z = log y."""
    W = panel.weighted(panel.observed / variance[:, None])
    return Scores(W, (z - eta) * W, eta)


def sweep_estimate(panel: SalesPanel, z: np.ndarray, at: Scores) -> float:
    """Moment estimate of sigma, the root of the mean squared residual."""
    squares = panel.weighted((at.score / np.maximum(at.information, SMALL)) ** 2)
    return max(LEAST_SWEEP_NOISE, np.sqrt(squares.sum() / panel.cells.sum()))


def moment_estimate(panel: SalesPanel, eta: np.ndarray) -> float:
    """Moment estimate of sigma, the root of the mean squared residual."""
    gaps = np.log(panel.units, where=panel.observed, out=eta.copy()) - eta
    square = np.vdot(panel.weighted(gaps), gaps) / panel.cells.sum()
    return float(max(LEAST_MOMENT_NOISE, np.sqrt(square)))


def log_constant(panel: SalesPanel, noise: np.ndarray) -> float:
    """-log sigma of each cell."""
    if is_shared(noise):
        return -float(panel.cells.sum()) * np.log(float(noise[0]))
    return -float(panel.cells @ np.log(noise))


def cell_constant(y: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """-log sigma."""
    return np.broadcast_to(-np.log(noise), y.shape)


def working(
    y: np.ndarray, observed: np.ndarray, eta: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Working likelihood -(log y - eta)^2 / 2 sigma^2, its gradient and precision."""
    gap = (np.log(np.where(observed, y, 1.0)) - eta) * observed
    gradient = gap / variance
    return -0.5 * gap * gradient, gradient, np.broadcast_to(observed / variance, eta.shape)


def log_density(y: Any, eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Normal density of log y, as a density of y."""
    z = (np.log(y) - eta) / scale
    return -0.5 * z**2 - np.log(scale * y) - 0.5 * np.log(2 * np.pi)


def draw_units(eta: np.ndarray, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """exp(eta) times log-normal noise of median 1."""
    return np.exp(eta + scale * rng.standard_normal(eta.shape))


def mean_units(eta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """exp(eta + sigma^2 / 2)."""
    return np.exp(eta + 0.5 * scale**2)


def statistics(panel: SalesPanel, conditional: bool) -> UnitStatistics:
    """Logs of units."""
    logs, number = log_units(panel), panel.cells.sum()
    return UnitStatistics(
        constant=-panel.weighted(logs).sum() - number * np.log(2 * np.pi) / 2,
        weight=weight_of(panel),
        log_units=logs,
        number=float(number),
    )


def graph(units: UnitStatistics, effects: Effects, eta: Any, scale: Any) -> Any:
    """Log-likelihood of log y ~ Normal(eta, sigma), as a density of y.

    Squares are summed first over products that share sigma.
    """
    import pytensor.tensor as pt

    squares = masked(units, (units.log_units - eta) ** 2)
    if is_shared_in_graph(scale):
        square, number = squares.sum(), units.number
    else:
        square, number = squares.sum(axis=1), masked(units, pt.ones_like(squares)).sum(axis=1)
    return units.constant - (0.5 * square / scale**2).sum() - (number * pt.log(scale)).sum()


LOG_NORMAL = Likelihood(
    name="log_normal",
    noise=Noise(
        name="noise_sd",
        prior="noise_sd",
        scale="noise_sd",
        sweep_estimate=sweep_estimate,
        moment_estimate=moment_estimate,
        log_constant=log_constant,
        cell_constant=cell_constant,
    ),
    remedy_for_zeros='likelihood="negative_binomial" takes them',
    read_units=read_volumes,
    log_total_variance=log_total_variance,
    response=log_units,
    start_levels=mean_levels,
    scores=scores,
    working=working,
    log_density=log_density,
    draw_units=draw_units,
    mean_units=mean_units,
    statistics=statistics,
    graph=graph,
)
