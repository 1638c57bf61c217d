"""The tower of :class:`hdfm.HierarchicalElasticity`: units and prices of products over time.

Panel, graph, engines and posterior, the same rooms as in :mod:`hdfm.choice`.
"""
