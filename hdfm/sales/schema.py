"""What files of the model hold, by names that stay when classes move or change their names."""

import pandas as pd
import xarray as xr

from hdfm.files.records import Schema
from hdfm.sales.panel.panel import GroupLevel, SalesPanel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.priors import ElasticityPriors
from hdfm.sales.spec import DemandSpec

SCHEMA = Schema(
    estimator="HierarchicalElasticity",
    records={
        "elasticity_priors": ElasticityPriors,
        "demand_spec": DemandSpec,
        "sales_roles": Roles,
        "group_level": GroupLevel,
        "sales_panel": SalesPanel,
    },
    fitted={
        "idata_": xr.DataTree,
        "panel_": SalesPanel,
        "spec_": DemandSpec,
        "seed_": int,
        "data_report_": pd.DataFrame,
        "elasticities_": pd.DataFrame,
    },
)
