"""Likelihoods of units sold, one file each, NumPy and PyTensor side by side; the registry of them.

Importing it imports no PyTensor.
"""
