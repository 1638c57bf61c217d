"""The dataclasses of a fit by their names in files, which stay when classes move or change their names."""

from hdfm.sales.panel.panel import GroupLevel, SalesPanel
from hdfm.sales.panel.roles import Roles
from hdfm.sales.priors import ElasticityPriors
from hdfm.sales.spec import DemandSpec

RECORDS: dict[str, type] = {
    "elasticity_priors": ElasticityPriors,
    "demand_spec": DemandSpec,
    "sales_roles": Roles,
    "group_level": GroupLevel,
    "sales_panel": SalesPanel,
}
