"""The dataclasses of a fit by their names in files, which stay when classes move or change their names."""

from hdfm.choice.panel.layout import Category, CategoryChoices
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.priors import ChoicePriors
from hdfm.choice.spec import ChoiceSpec
from hdfm.factors.hsgp import TimeBasis, TimeGP

RECORDS: dict[str, type] = {
    "choice_priors": ChoicePriors,
    "choice_spec": ChoiceSpec,
    "choice_roles": ChoiceRoles,
    "category": Category,
    "category_choices": CategoryChoices,
    "choice_panel": ChoicePanel,
    "time_basis": TimeBasis,
    "time_gp": TimeGP,
}
