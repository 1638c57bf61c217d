"""Building blocks of hierarchical models in PyTensor: whitened normals and paths, correlations, groups.

Knows no model.
"""
