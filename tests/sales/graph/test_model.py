"""Coordinates of the demand graph."""

import numpy as np
import pytest

from hdfm import ElasticityPriors
from hdfm.datasets import simulate_sales
from hdfm.sales.panel.build import build_panel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.sampling import demand_model
from hdfm.sales.spec import DemandSpec

STEP = 1e-4


@pytest.fixture
def model():
    """Sales that grow tenfold, so that late periods tell most."""
    sales = simulate_sales(60, 2, 16, seed=1, period_noise=0.0)
    units = np.random.default_rng(1).poisson(3 * 10 ** (sales["time_period"] / 16))
    panel = build_panel(sales, units.astype(float), Roles("product", ("category",), "time_period", "price"))
    return demand_model(panel, DemandSpec("poisson", True, "random", False, ElasticityPriors()))


def test_time_effects_are_whitened_where_periods_tell_differently_much(model):
    point, name = model.initial_point(), "time_effect_raw"
    slope = model.compile_dlogp(vars=[model[name]])
    size, flat = point[name].size, point[name].ravel()

    def at(q):
        return slope(point | {name: q.reshape(point[name].shape)})

    H = np.stack([(at(flat - STEP * e) - at(flat + STEP * e)) / (2 * STEP) for e in np.eye(size)])
    values = np.linalg.eigvalsh((H + H.T) / 2)
    assert values.min() > 0.7
    assert values.max() < 1.4
