"""Simulators that carry their truth, small samples of real data that ship, and loaders of the whole.

Knows no model.
"""

from hdfm.datasets.choice_truth import ChoiceEffects, ChoiceTruth
from hdfm.datasets.choices import load_choice_sample, load_complete_journey_choices
from hdfm.datasets.sales import load_complete_journey_sales, load_sales_sample
from hdfm.datasets.simulate import keep_sellers, simulate_sales
from hdfm.datasets.simulate_choices import simulate_choices
from hdfm.datasets.simulate_demand import DemandScales, simulate_demand

__all__ = [
    "ChoiceEffects",
    "ChoiceTruth",
    "DemandScales",
    "keep_sellers",
    "load_choice_sample",
    "load_complete_journey_choices",
    "load_complete_journey_sales",
    "load_sales_sample",
    "simulate_choices",
    "simulate_demand",
    "simulate_sales",
]
