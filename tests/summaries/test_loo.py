"""Leave-one-out scores made in blocks are ArviZ's."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

from hdfm.sales.panel.rows import panel_rows, rows_of_frame
from hdfm.sales.posterior.predict import (
    pointwise_log_likelihood,
)
from hdfm.summaries.loo import loo_from_blocks


def assert_same_loo(ours, theirs):
    for name in ("elpd", "se", "p", "n_samples", "n_data_points"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name
    for name in ("elpd_i", "pareto_k"):
        np.testing.assert_allclose(getattr(ours, name), np.ravel(getattr(theirs, name)), rtol=1e-9)
    assert ours.warning == theirs.warning


def loo_of_the_whole(values, chains):
    """ArviZ's loo of a log-likelihood (n, chains * draws) held at once."""
    n, S = values.shape
    tree = az.from_dict(
        {
            "posterior": {"unused": np.zeros((chains, S // chains))},
            "log_likelihood": {"y": values.T.reshape(chains, S // chains, n)},
        }
    )
    return az.loo(tree, pointwise=True, reff=1.0)


def test_loo_is_arviz_of_the_whole():
    rng = np.random.default_rng(4)
    values = stats.norm.logpdf(rng.normal(size=(60, 1)), rng.normal(0, 0.2, size=(60, 400)), 1.0)
    blocks = [(slice(k, k + 25), values[k : k + 25]) for k in range(0, 60, 25)]
    assert_same_loo(loo_from_blocks(blocks, 60, 4), loo_of_the_whole(values, 4))


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_loo_of_a_fit(fitted, monkeypatch):
    rows, units = panel_rows(fitted.panel_)
    pieces = pointwise_log_likelihood(fitted._posterior(), rows, units)
    order, _ = rows_of_frame(fitted.panel_)
    expected = loo_of_the_whole(np.vstack([values for _, values in pieces])[order], 2)
    monkeypatch.setattr("hdfm.sales.posterior.predict.BLOCK_CELLS", 1000 * fitted.draws_.delta.shape[1])
    assert_same_loo(fitted.loo(), expected)
