"""What files of the model hold, by names that stay when classes move or change their names."""

import numpy as np
import pandas as pd
import xarray as xr

from hdfm.choice.panel.layout import Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import TimeBasis, TimeGP
from hdfm.factors.tier import TierSize
from hdfm.files.records import Schema

SCHEMA = Schema(
    estimator="DynamicFactorChoiceModel",
    records={
        "choice_priors": ChoicePriors,
        "tier_size": TierSize,
        "choice_spec": ChoiceSpec,
        "choice_roles": ChoiceRoles,
        "category": Category,
        "category_choices": CategoryChoices,
        "choice_panel": ChoicePanel,
        "time_basis": TimeBasis,
        "time_gp": TimeGP,
    },
    fitted={
        "idata_": xr.DataTree,
        "panel_": ChoicePanel,
        "spec_": ChoiceSpec,
        "seed_": int,
        "data_report_": pd.DataFrame,
        "elasticities_": pd.DataFrame,
        "gp_": TimeGP | None,
        "classes_": np.ndarray,
        "factor_table_": pd.DataFrame,
    },
)
