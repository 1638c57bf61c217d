"""A panel of sales -> the PyMC graph of hierarchical demand, and where sampling starts.

Importing :mod:`hdfm.sales.graph.model` imports PyMC.
"""
