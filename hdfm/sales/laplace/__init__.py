"""Draws of demand models without chains: Laplace's approximation through the arrow that precisions form.

NumPy and SciPy alone.
"""
