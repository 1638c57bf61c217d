"""A panel of choices -> the PyMC graph of dynamic brand choice, and where sampling starts.

Importing :mod:`hdfm.choice.graph.model` imports PyMC.
"""
