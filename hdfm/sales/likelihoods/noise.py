r"""Noise parameters of likelihoods, and noise by product.

Three quantities, each by product wherever it enters arithmetic, with one value for all products today:

    noise (N,): the parameter, dispersion**-0.5 of counts or sd of log units
    variance (N,): its square, that of a multiplicative noise
    scale (N, S): what densities take of draws, dispersion of counts or sd of log units

A value that products share is a view: it takes no memory, and sums over cells stay one sum.

Array names and axis order: N products, T periods, S draws, n rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from hdfm.sales.panel.panel import SalesPanel
from hdfm.sales.priors import ElasticityPriors

LEAST_NOISE = 1e-3  # less can't be told from none, and makes precisions singular
LEAST_DEMAND = 1e-8


def by_product(shared: float | np.ndarray, n_products: int) -> np.ndarray:
    """A value that products share, or its draws (S,), by product (N,) or (N, S)."""
    return np.broadcast_to(shared, (n_products, *np.shape(shared)))


def is_shared(values: np.ndarray) -> bool:
    """Whether values (N, ...) are one for all products, as those of :func:`by_product` are."""
    return len(values) == 1 or values.strides[0] == 0


def split_noise(noise: Any, demand_sd: Any, ratio: Any, lean: Any) -> tuple[Any, Any]:
    r"""Independent noise and demand that wanders, of products whose shares of these differ.

    .. math:: s_{e,i} = s \, m_i \cos \phi_i, \quad s_{u,i} = s \, m_i \sin \phi_i, \qquad
        \phi_i = \tfrac{\pi}{2} \Phi\big(\Phi^{-1}(\tfrac{2}{\pi} \arctan \tfrac{s_u}{s_e}) + l_i\big), \quad
        s^2 = s_e^2 + s_u^2

    Parameters
    ----------
    noise, demand_sd : float or numpy.ndarray
        s_e and s_u of the usual product.
    ratio, lean : numpy.ndarray
        m and l.
    """
    angle = np.pi / 2 * ndtr(share_quantile(noise, demand_sd) + lean)
    total = np.hypot(noise, demand_sd) * ratio
    return np.maximum(total * np.cos(angle), LEAST_NOISE), np.maximum(total * np.sin(angle), LEAST_DEMAND)


def share_quantile(noise: Any, demand_sd: Any) -> Any:
    """Normal quantile of the share of noise that wanders, as an angle."""
    return ndtri(2 / np.pi * np.arctan2(demand_sd, noise))


@dataclass(frozen=True, slots=True)
class ScaleDraws:
    """Draws of what densities take of noise, by product where that differs.

    Attributes
    ----------
    shared : numpy.ndarray
        (S,): dispersion of counts (inf for Poisson), or sd of log units.
    ratio : numpy.ndarray or None
        Products' noise over the one that they share (N, S); None where it is 1.
    power : int
        Which power of noise the scale is; 0 where products' noise is not in it.
    demand_ratio : numpy.ndarray or None
        That of demand that wanders (N, S); None where it is ``ratio``.
    """

    shared: np.ndarray
    ratio: np.ndarray | None = None
    power: int = 1
    demand_ratio: np.ndarray | None = None

    def of_rows(self, product: np.ndarray) -> np.ndarray:
        """Scale (n, S) of rows of products (n,), or (1, S) where products share it."""
        if self.ratio is None or self.power == 0:
            return self.shared[None]
        own, of_row = np.unique(product, return_inverse=True)
        return (self.shared * self.ratio[own] ** float(self.power))[of_row]

    def demand_ratio_of(self, product: int) -> np.ndarray:
        """(S,) of a product."""
        ratio = self.ratio if self.demand_ratio is None else self.demand_ratio
        return np.ones_like(self.shared) if ratio is None else ratio[product]

    def some(self, which: np.ndarray) -> "ScaleDraws":
        """The draws at some positions (s,)."""
        ratios = (None if of is None else of[:, which] for of in (self.ratio, self.demand_ratio))
        return ScaleDraws(self.shared[which], next(ratios), self.power, next(ratios))

    def extended(self, ratios: list[tuple[np.ndarray, np.ndarray]]) -> "ScaleDraws":
        """With those of more products: of noise (S,) and of demand (S,)."""
        both = (self.ratio, self.demand_ratio)
        own, of_demand = (
            None if of is None else np.vstack([of, *(pair[k] for pair in ratios)])
            for k, of in enumerate(both)
        )
        return ScaleDraws(self.shared, own, self.power, of_demand)


def is_shared_in_graph(values: Any) -> bool:
    """Whether a tensor (N,) is one value for all products, (1,)."""
    return values.type.shape == (1,)


@dataclass(frozen=True, slots=True)
class Scores:
    """Expected information and score of eta (N, T), as often as cells count; the mean there.

    Information and score are 0 where not observed.
    """

    information: np.ndarray
    score: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    r"""The noise parameter of a likelihood, half-normal a priori.

    .. math:: \varsigma \sim N^+(0, s)

    Attributes
    ----------
    name : str
        The variable of graph and posterior.
    prior : str
        The field of :class:`hdfm.ElasticityPriors` that holds s.
    powers : tuple of (str, int)
        Variables that are reported beside it, and which power of it they are.
    scale : str
        Which of these variables densities take.
    multiplicative : bool
        Whether it is about the sd of log units that eta leaves.
    sweep_estimate : callable
        (panel, response (N, T), Scores) -> float: its moment estimate in the sweeps before sampling.
    moment_estimate : callable
        (panel, eta (N, T)) -> float: its moment estimate before the search for the marginal mode.
    log_constant : callable
        (panel, noise (N,)) -> float: what of the log-likelihood depends on noise alone, and ``working`` of
        the likelihood leaves out.
    cell_constant : callable
        (units (n, T), noise (n, 1)) -> (n, T): the same of cells.
    """

    name: str
    prior: str
    powers: tuple[tuple[str, int], ...] = ()
    scale: str
    multiplicative: bool = True
    sweep_estimate: Callable[[SalesPanel, np.ndarray, Scores], float]
    moment_estimate: Callable[[SalesPanel, np.ndarray], float]
    log_constant: Callable[[SalesPanel, np.ndarray], float]
    cell_constant: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def log_prior(self, priors: ElasticityPriors, noise: float) -> float:
        """Log density of log noise, up to a constant."""
        return float(np.log(noise) - noise**2 / (2 * getattr(priors, self.prior) ** 2))

    def variables(self, noise: Any) -> Iterator[tuple[str, Any]]:
        """Variables at a noise, by name; at a factor of the noise, what multiplies them."""
        yield from ((name, noise**power) for name, power in ((self.name, 1), *self.powers))

    @property
    def scale_power(self) -> int:
        """Which power of noise densities take."""
        return {self.name: 1, **dict(self.powers)}[self.scale]

    def in_graph(self, priors: ElasticityPriors, start: float) -> Any:
        """Noise, a scalar, its variables registered in the model in whose context this is called."""
        import pymc as pm
        from pymc.pytensorf import floatX

        noise = pm.HalfNormal(self.name, getattr(priors, self.prior), initval=floatX(start))
        for name, power in self.powers:
            pm.Deterministic(name, noise**power)
        return noise
