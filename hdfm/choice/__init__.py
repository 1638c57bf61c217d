"""The tower of :class:`hdfm.DynamicFactorChoiceModel`: brand choices of households over time.

Panel, graph and posterior, the same rooms as in :mod:`hdfm.sales`.
"""
