"""PSIS-LOO from pointwise log-likelihoods made in blocks."""

from collections.abc import Iterable

import arviz as az
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDData

GOOD_K = 0.7


def loo_from_blocks(blocks: Iterable[tuple[slice, np.ndarray]], n: int, chains: int) -> ELPDData:
    """Leave-one-out expected log predictive density, block by block of observations.

    Parameters
    ----------
    blocks : iterable of (slice, numpy.ndarray)
        Positions among the ``n`` observations and their log-likelihood (b, chains * draws).
    """
    elpd, lppd, k = np.empty(n), np.empty(n), np.empty(n)
    for piece, values in blocks:
        b, S = values.shape
        tree = az.from_dict(
            {
                "posterior": {"unused": np.zeros((chains, S // chains))},
                "log_likelihood": {"y": np.moveaxis(values.reshape(b, chains, -1), 0, -1)},
            }
        )
        result = az.loo(tree, pointwise=True, reff=1.0)
        elpd[piece], k[piece] = np.ravel(result.elpd_i), np.ravel(result.pareto_k)
        lppd[piece] = np.logaddexp.reduce(values, axis=1) - np.log(S)
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
