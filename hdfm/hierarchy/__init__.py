"""Building blocks of hierarchical models in PyTensor: whitened normals, correlations, groups.

Knows no model.
"""
