"""PSIS-LOO from pointwise log-likelihoods made in blocks."""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from arviz_stats.utils import ELPDData

from hdfm.exceptions import InvalidArgumentError

GOOD_K = 0.7
LEAST_DRAWS = 25  # fewer leave no tail to smooth


def loo_from_blocks(blocks: Iterable[tuple[slice | np.ndarray, np.ndarray]], n: int, chains: int) -> ELPDData:
    """Leave-one-out expected log predictive density, block by block of observations.

    Parameters
    ----------
    blocks : iterable of (slice or numpy.ndarray, numpy.ndarray)
        Positions among the ``n`` observations and their log-likelihood (b, chains * draws). Where it is
        the same in all draws, as in a choice set of one alternative, that is the elpd, and k is 0.

    Returns
    -------
    ELPDData
        ``warning`` is True, and its repr says how many, where k of an observation is above 0.7.

    Raises
    ------
    InvalidArgumentError
        Where there are fewer than 25 draws.
    """
    elpd, lppd, k = np.empty(n), np.empty(n), np.zeros(n)
    for piece, values in blocks:
        S = values.shape[1]
        if S < LEAST_DRAWS:
            raise InvalidArgumentError(
                f"loo needs at least {LEAST_DRAWS} draws in all chains; there are {S}."
            )
        lppd[piece] = np.logaddexp.reduce(values, axis=1) - np.log(S)
        elpd[piece] = lppd[piece]
        varies = np.arange(n)[piece][np.ptp(values, axis=1) > 0]
        if len(varies):
            elpd[varies], k[varies] = _psis(values[np.ptp(values, axis=1) > 0], chains)
    return ELPDData(
        elpd=elpd.sum(),
        se=np.sqrt(n * elpd.var(ddof=1)),
        p=lppd.sum() - elpd.sum(),
        n_samples=S,
        n_data_points=n,
        scale="log",
        warning=bool((k > GOOD_K).any()),
        good_k=GOOD_K,
        elpd_i=xr.DataArray(elpd, dims="observation"),
        pareto_k=xr.DataArray(k, dims="observation"),
    )


def with_labels(
    result: ELPDData, dim: str, coords: Mapping[str, Sequence | np.ndarray | pd.Index], order: np.ndarray
) -> ELPDData:
    """The same with ``elpd_i`` and ``pareto_k`` by a labelled dimension, observations taken in an order (n,).

    Parameters
    ----------
    coords : mapping
        Labels (n,) of observations once in that order, by name.
    """
    named = {name: (dim, np.asarray(labels)) for name, labels in coords.items()}
    for name in ("elpd_i", "pareto_k"):
        setattr(result, name, xr.DataArray(result[name].to_numpy()[order], dims=dim, coords=named))
    return result


def pareto_k_of_weights(log_weight: np.ndarray) -> float:
    """Pareto k of the log importance weights of an approximation's draws; NaN of too few draws.

    Above 0.7 no weights mend it [1]_.

    References
    ----------
    .. [1] Yao, Vehtari, Simpson, Gelman (2018), "Yes, but Did It Work?: Evaluating Variational Inference",
       Proceedings of the 35th International Conference on Machine Learning.
    """
    if log_weight.size < LEAST_DRAWS:
        return np.nan
    k = float(array_stats.psislw(-log_weight.ravel())[1])
    return k if np.isfinite(k) else np.nan


def _psis(values, chains):
    """elpd (b,) and Pareto k (b,) of observations that vary."""
    b, S = values.shape
    twice = np.concatenate([values, values]) if b == 1 else values  # ArviZ takes no single observation
    tree = az.from_dict(
        {
            "posterior": {"unused": np.zeros((chains, S // chains))},
            "log_likelihood": {"y": np.moveaxis(twice.reshape(len(twice), chains, -1), 0, -1)},
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a block's; ``warning`` of the whole says it
        result = az.loo(tree, pointwise=True, reff=1.0)
    return np.ravel(result.elpd_i)[:b], np.ravel(result.pareto_k)[:b]
