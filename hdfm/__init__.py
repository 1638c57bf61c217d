"""How each customer and each product responds to price, and how that changes over time."""

from importlib import import_module

__version__ = "0.1.0"
__all__ = [
    "ChoicePriors",
    "DynamicFactorChoiceModel",
    "ElasticityPriors",
    "HierarchicalElasticity",
    "__version__",
]

_HOMES = {
    "ChoicePriors": "hdfm.choice.priors",
    "DynamicFactorChoiceModel": "hdfm.choice.estimator",
    "ElasticityPriors": "hdfm.sales.priors",
    "HierarchicalElasticity": "hdfm.sales.estimator",
}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hdfm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
